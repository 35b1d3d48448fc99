/* SPDX-License-Identifier: MIT */
/* Two peers of a WebSocket who say things of all kinds at once, by seed, and are cancelled in between. */
#ifndef HOB_TESTS_WS_CONVERSATION_H
#define HOB_TESTS_WS_CONVERSATION_H

#include "base/rand.h"
#include "ws/wire.h"
#include "ws/ws.h"

enum { STEPS = 60, LEN_MAX = 5000 };

/* A message says who it is: its number and a length, and bytes that belong to these. */
static inline size_t make_message(struct rand *rand, unsigned number, char *out)
{
    size_t len = (size_t)rand_below(rand, rand_below(rand, 3) ? 60 : LEN_MAX);
    size_t head = (size_t)sprintf(out, "%u %zu ", number, len);
    for (size_t i = 0; i < len; i++)
        out[head + i] = (char)('a' + (number * 7 + i * i) % 26);
    return head + len;
}

static inline int check_message(const char *data, size_t len, unsigned *ret_number)
{
    size_t said, head;
    int    n;
    check_eq(sscanf(data, "%u %zu %n", ret_number, &said, &n), 2);
    head = (size_t)n;
    check_eq(len, head + said);
    for (size_t i = 0; i < said; i++)
        check_eq(data[head + i], 'a' + (char)((*ret_number * 7 + i * i) % 26));
    return 0;
}

struct peer {
    hob_ws  *ws;
    uint64_t seed;
    unsigned said, heard;
    bool     may_break; /* the connection */
};

/* Some of it with a deadline that comes too soon: then it was sent, or not. */
static inline int say_one(struct peer *p, struct rand *rand, char *buf)
{
    size_t len = make_message(rand, p->said, buf);
    int    r = 0, how = (int)rand_below(rand, 6);
    if (how == 0) {
        HOB_TRY(hob_ws_send_begin(p->ws, HOB_WS_TEXT));
        for (size_t at = 0; at < len;) {
            size_t n = 1 + (size_t)rand_below(rand, len - at);
            HOB_TRY(hob_ws_send_part(p->ws, buf + at, n));
            at += n;
        }
        r = hob_ws_send_end(p->ws);
    } else if (how == 1) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in((int64_t)rand_below(rand, 3) * HOB_MSEC));
        r = hob_ws_send(p->ws, HOB_WS_BINARY, buf, len);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT && hob_cancelled() == 0 && p->ws->error == 0)
            return 0; // it was not sent, and its number goes to the next
    } else {
        r = hob_ws_send(p->ws, HOB_WS_TEXT, buf, len);
    }
    if (r == 0)
        p->said++;
    if (r == 0 && how == 2)
        r = hob_ws_ping(p->ws, "are you there?", 14);
    return r;
}

static inline int talk(void *arg)
{
    struct peer *p = (struct peer *)arg;
    struct rand  rand = { p->seed };
    BYTES(buf, LEN_MAX + 50);
    int r = 0;
    for (int i = 0; r == 0 && i < STEPS; i++) {
        r = say_one(p, &rand, (char *)buf);
        if (r == 0 && rand_below(&rand, 4) == 0)
            r = hob_sleep((int64_t)rand_below(&rand, 5) * HOB_MSEC);
    }
    if (r == 0)
        r = hob_ws_send_text(p->ws, "that is all");
    return p->may_break ? 0 : r;
}

static inline int hear_all(struct peer *p)
{
    struct rand rand = { p->seed + 99 };
    for (;;) {
        hob_ws_kind kind = 0;
        const char *data = NULL;
        ssize_t     n;
        HOB_SCOPE(s);
        if (rand_below(&rand, 3) == 0)
            hob_scope_deadline(&s, hob_in((int64_t)rand_below(&rand, 3) * HOB_MSEC));
        n = hob_ws_recv(p->ws, &kind, &data);
        ignore(hob_scope_end(&s));
        if (n == -ETIMEDOUT && p->ws->error == 0 && hob_cancelled() == 0)
            continue; // and nothing was lost
        if (n < 0)
            return (int)n;
        if (strcmp(data, "that is all") == 0)
            return 0;
        unsigned number;
        check_ok(check_message(data, (size_t)n, &number));
        check_eq(number, p->heard);
        p->heard++;
    }
}

static inline int talk_and_hear(struct peer *p)
{
    HOB_SCOPE(s);
    hob_go(&s, talk, p);
    int r = hear_all(p);
    if (r < 0)
        hob_scope_cancel(&s, "it has ended");
    int ended = hob_scope_end(&s);
    return p->may_break ? 0 : r < 0 ? r : ended;
}

#endif
