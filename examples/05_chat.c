/* SPDX-License-Identifier: MIT */
/*
 * A chat: many users, each with a task that reads and a task that writes.
 *
 * Everything said goes into one ring that all users share. A user is only a
 * number: how far in the ring they have heard. So a thousand users cost no more
 * memory than one, and nobody who reads slowly can hold up the others:
 *
 *     said 1000 ──▶ ┌───┬───┬───┬───┬───┬───┐
 *                   │994│995│996│997│998│999│  the last LINES_KEPT lines
 *                   └───┴───┴───┴───┴───┴───┘
 *                         ▲               ▲
 *                  bob has heard    ann has heard
 *
 *   - Who falls behind by more than the ring misses lines, oldest first, and is
 *     told how many.
 *   - Who takes nothing for PATIENCE is disconnected.
 *
 *     build/hob run examples/05_chat.c 7000     # then, elsewhere: nc localhost 7000
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>

enum {
    USERS_MAX  = 1000,
    NAME_BYTES = 24,  /* with the final NUL */
    LINE_BYTES = 512, /* with the final NUL, as shown: name and all */
    LINES_KEPT = 256,
};

#define PATIENCE (30 * HOB_SEC)

struct room {
    char          lines[LINES_KEPT][LINE_BYTES]; /* line number i at i % LINES_KEPT */
    uint64_t      said;                          /* lines so far */
    hob_promise  *news;                          /* settled when the next line is said */
    struct user  *users;
    int           user_count;
};

/* Lives on the stack of the user's task. */
struct user {
    struct room *room;
    struct user *next;
    hob_tcp     *conn;
    char         name[NAME_BYTES];
    uint64_t     heard; /* the number of the line to send next */

    char   in[LINE_BYTES / 2]; /* what came and is not a whole line yet */
    size_t in_len;
};

/* ---- the room: never waits ---- */

/* Says a line to everybody. Whoever waits for news wakes. */
HOB_PRINTF(2, 3)
static int say(struct room *room, const char *format, ...)
{
    hob_promise *next_news;
    HOB_TRY(hob_promise_new(&next_news));

    va_list args;
    va_start(args, format);
    vsnprintf(room->lines[room->said % LINES_KEPT], LINE_BYTES, format, args);
    va_end(args);
    room->said++;

    hob_promise *news = room->news;
    room->news = next_news;
    hob_promise_resolve(news, NULL);
    hob_promise_free(news);
    return 0;
}

/* Writes as many whole lines as fit of what the user has not heard to `buf`. */
static size_t take_lines(struct user *user, char *buf, size_t cap)
{
    struct room *room = user->room;
    size_t       len = 0;

    if (room->said - user->heard > LINES_KEPT) {
        uint64_t missed = room->said - LINES_KEPT - user->heard;
        len = (size_t)snprintf(buf, cap, "* you missed %llu lines\n", (unsigned long long)missed);
        user->heard += missed;
    }
    while (user->heard < room->said && cap - len > LINE_BYTES) {
        len += (size_t)snprintf(buf + len, cap - len, "%s\n",
                                room->lines[user->heard % LINES_KEPT]);
        user->heard++;
    }
    return len;
}

static bool is_taken(const struct room *room, const char *name)
{
    for (const struct user *user = room->users; user != NULL; user = user->next)
        if (strcmp(user->name, name) == 0)
            return true;
    return false;
}

static void enter_room(struct user *user)
{
    user->next = user->room->users;
    user->room->users = user;
}

static void leave_room(struct user *user)
{
    struct user **at = &user->room->users;
    while (*at != user)
        at = &(*at)->next;
    *at = user->next;
}

/* ---- a user: two tasks ---- */

/* Writes `len` bytes, for which the other side has PATIENCE. */
static int send_text(struct user *user, const char *text, size_t len)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(PATIENCE));
    HOB_TRY(hob_tcp_write(user->conn, text, len));
    return 0;
}

static int send_line(struct user *user, const char *line)
{
    return send_text(user, line, strlen(line));
}

/* Takes the next line off the connection, without its end and with '?' for what
 * could confuse a terminal. Returns 1; 0 when the user has hung up; -EMSGSIZE
 * for a line that is too long. */
static int read_line(struct user *user, char line[static sizeof(((struct user *)0)->in)])
{
    for (;;) {
        char *end = memchr(user->in, '\n', user->in_len);
        if (end != NULL) {
            size_t len = (size_t)(end - user->in);
            memcpy(line, user->in, len);
            line[len] = '\0';
            user->in_len -= len + 1;
            memmove(user->in, end + 1, user->in_len);

            if (len > 0 && line[len - 1] == '\r')
                line[len - 1] = '\0';
            for (char *c = line; *c != '\0'; c++)
                if ((unsigned char)*c < ' ' || *c == 127)
                    *c = '?';
            return 1;
        }
        if (user->in_len == sizeof user->in)
            return -EMSGSIZE;

        ssize_t n = HOB_TRY(hob_tcp_read(user->conn, user->in + user->in_len,
                                         sizeof user->in - user->in_len));
        if (n == 0)
            return 0;
        user->in_len += (size_t)n;
    }
}

/* Sends the user what is said, for ever. */
static int write_lines(void *arg)
{
    struct user *user = arg;
    char         buf[4096];

    for (;;) {
        while (user->heard == user->room->said)
            HOB_TRY(hob_promise_await(user->room->news, NULL));
        HOB_TRY(send_text(user, buf, take_lines(user, buf, sizeof buf)));
    }
}

/* Says what the user types, until they hang up. */
static int read_lines(struct user *user)
{
    char line[sizeof user->in];
    int  r;
    while ((r = read_line(user, line)) > 0) {
        if (line[0] != '\0')
            HOB_TRY(say(user->room, "%s: %s", user->name, line));
    }
    return r;
}

/* Asks until there is a good name. Returns 0, or an error: they left, or took too long. */
static int ask_name(struct user *user)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * PATIENCE));
    for (;;) {
        char line[sizeof user->in];
        HOB_TRY(send_line(user, "* your name?\n"));
        if (HOB_TRY(read_line(user, line)) == 0)
            return HOB_EOF;
        if (line[0] != '\0' && strlen(line) < NAME_BYTES && !is_taken(user->room, line)) {
            strcpy(user->name, line);
            return 0;
        }
        HOB_TRY(send_line(user, "* that name is taken, or too long\n"));
    }
}

/* The writer is a daemon of the scope: it is cancelled when the reader is done.
 * When it is the writer that fails, the reader's scope is cancelled. */
static int chat(struct user *user)
{
    HOB_TRY(ask_name(user));
    hob_task_set_name(user->name);
    enter_room(user);
    user->heard = user->room->said;
    int r = say(user->room, "* %s joined", user->name);

    if (r == 0) {
        HOB_SCOPE(s);
        hob_go_with(&s, write_lines, user, &(hob_task_opts){ .name = user->name, .daemon = 1 });
        r = read_lines(user);
        int failed = hob_scope_end(&s);
        if (failed < 0)
            r = failed;
    }

    leave_room(user);
    (void)say(user->room, "* %s left", user->name);
    return r;
}

static int host_user(void *arg)
{
    struct user *user = arg;

    if (user->room->user_count == USERS_MAX) {
        (void)send_line(user, "* the room is full, come back later\n");
    } else {
        user->room->user_count++;
        if (chat(user) == -EMSGSIZE)
            (void)send_line(user, "* that line was too long, good bye\n");
        user->room->user_count--;
    }
    hob_tcp_close(user->conn);
    return 0; // one user's trouble is not the server's
}

/* ---- the server ---- */

/* Serves until it is cancelled. */
static int chat_serve(hob_tcp_listener *listener)
{
    static const struct room empty_room;
    struct room             *room = malloc(sizeof *room);
    if (room == NULL)
        return -ENOMEM;
    *room = empty_room;

    int r = hob_promise_new(&room->news);
    if (r == 0) {
        HOB_SCOPE(users);
        struct user user = { .room = room };
        while (hob_tcp_accept(listener, &user.conn) == 0) {
            if (hob_go_copy(&users, host_user, &user, sizeof user) < 0)
                hob_tcp_close(user.conn);
        }
        r = hob_scope_end(&users);
        hob_promise_free(room->news);
    }
    free(room);
    return r;
}

#ifndef CHAT_NO_MAIN /* the tests bring their own */

static int listen_and_serve(void *arg)
{
    const int        *port = arg;
    hob_addr          addr = hob_addr_loopback((uint16_t)*port);
    hob_tcp_listener *listener;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));

    addr = hob_tcp_listener_addr(listener);
    printf("chatting on port %d\n", (int)hob_addr_port(&addr));
    fflush(stdout);

    int r = chat_serve(listener);
    hob_tcp_listener_close(listener);
    return r;
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0;
    return hob_run(listen_and_serve, &port);
}

#endif
