/* SPDX-License-Identifier: MIT */
/*
 * When there is no room for one more: who goes.
 *
 * A limit alone would be a weapon: who holds all places by doing nothing keeps all others out. So it is not the
 * newcomer who is turned away, but whoever makes the server wait:
 *
 *   connections   the one that has been without a request for longest; first of those that never had one,
 *                 or have only a part of one
 *   requests      that wait for their client do not count as running. There are as many of these as may
 *                 run; one more, and the slowest go (408): those with the fewest bytes a second
 *
 * Whose head comes in one piece, and who takes his answer, never waits, and does not notice.
 *
 * The slowest are looked for by walking through all that wait, so several go at once. What is displaced is
 * cancelled, and is there until its task or its operation has come back: `leaving` bounds how many.
 */
#include "http/server.h"

enum {
    DISPLACED_AT_ONCE = 8,  /* requests: a walk is for all of them, and they answer in one turn */
    LEAVING_MAX = 256,      /* connections                                      */
    LOOKED_AT_MAX = 1024,   /* connections, for one that may go                 */
    SLOW_FACTOR = 4,        /* so many times as fast as the slowest is slow, too */
};

/* ---- requests ---- */

/* Whoever has only just come would be fast or slow by chance. */
static double speed(const struct http_slow *slow, int64_t now_ns)
{
    return (double)(slow->bytes + 1) / (double)(now_ns - slow->since_ns + 100 * HOB_MSEC);
}

static void slow_remove(struct http_server *server, struct http_slow *slow)
{
    if (slow->prev != NULL)
        slow->prev->next = slow->next;
    else
        server->slow = slow->next;
    if (slow->next != NULL)
        slow->next->prev = slow->prev;
    slow->scope = NULL;
    server->stats->waiting--;
}

static void displace_slowest(struct http_server *server)
{
    int64_t           now_ns = hob_now();
    double            slowest = speed(server->slow, now_ns);
    struct http_slow *next;
    int               left = DISPLACED_AT_ONCE;

    for (struct http_slow *slow = server->slow; slow != NULL; slow = slow->next)
        slowest = speed(slow, now_ns) < slowest ? speed(slow, now_ns) : slowest;
    for (struct http_slow *slow = server->slow; slow != NULL && left > 0; slow = next) {
        next = slow->next;
        if (speed(slow, now_ns) > slowest * SLOW_FACTOR)
            continue;
        hob_scope *scope = slow->scope;
        slow_remove(server, slow);
        slow->is_displaced = true;
        server->stats->displaced++;
        left--;
        hob_scope_cancel(scope, "others need the room, and it is slow");
    }
}

void hob__http_slow_begin(struct http_server *server, struct http_slow *slow, hob_scope *scope,
                          int64_t since_ns, uint64_t bytes)
{
    if (server->stats->waiting >= server->opts.running_max)
        displace_slowest(server);
    *slow = (struct http_slow){
        .next = server->slow, .scope = scope, .since_ns = since_ns, .bytes = bytes };
    if (slow->next != NULL)
        slow->next->prev = slow;
    server->slow = slow;
    server->stats->waiting++;
}

void hob__http_slow_end(struct http_server *server, struct http_slow *slow)
{
    if (slow->scope != NULL)
        slow_remove(server, slow);
}

/* ---- connections ---- */

void hob__http_list_add(struct http_list lists[2], struct http_conn *conn)
{
    conn->has_asked = conn->requests > 0;
    struct http_list *list = &lists[conn->has_asked];

    conn->next = NULL;
    conn->prev = list->last;
    if (conn->prev != NULL)
        conn->prev->next = conn;
    else
        list->first = conn;
    list->last = conn;
}

void hob__http_list_remove(struct http_list lists[2], struct http_conn *conn)
{
    struct http_list *list = &lists[conn->has_asked];

    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        list->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    else
        list->last = conn->prev;
}

/* Before it there may be some that are leaving, and busy ones of HTTP/2. */
static struct http_conn *first_to_go(const struct http_list *list)
{
    struct http_conn *conn = list->first;
    int               left = LOOKED_AT_MAX;
    while (conn != NULL && (conn->is_displaced || conn->is_busy))
        conn = --left > 0 ? conn->next : NULL;
    return conn;
}

static struct http_conn *next_to_go(const struct http_server *server, int has_asked)
{
    struct http_conn *idle = first_to_go(&server->idle[has_asked]);
    struct http_half *half = has_asked ? NULL : hob__http_first_half(server);

    if (half != NULL && (idle == NULL || half->since_ns <= idle->idle_since_ns))
        return half->conn;
    return idle != NULL ? idle : first_to_go(&server->waiting[has_asked]);
}

bool hob__http_displace_conn(struct http_server *server)
{
    if (server->leaving >= LEAVING_MAX)
        return false;
    struct http_conn *conn = next_to_go(server, 0);
    if (conn == NULL)
        conn = next_to_go(server, 1);
    if (conn == NULL)
        return false;
    conn->is_displaced = true;
    server->leaving++;
    server->stats->displaced++;
    if (conn->work == NULL)
        hob_op_cancel(&conn->op);
    else
        hob_scope_cancel(conn->work->waiting, "others need the room");
    return true;
}
