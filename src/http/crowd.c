/* SPDX-License-Identifier: MIT */
/*
 * When there is no room for one more: who goes.
 *
 * A limit alone would be a weapon: who holds all places by doing nothing keeps all others out. So it is not the
 * newcomer who is turned away, but whoever makes the server wait:
 *
 *   requests      that wait for their client do not count as running. There are as many of these as may
 *                 run; one more, and the slowest go (408): those with the fewest bytes a second
 *   handshakes    (`wrap`) likewise; one more, and the oldest goes
 *   connections   one more, and first go those that have had their last answer; then the one that has said
 *                 nothing, or only a part of a request, or is in `wrap`, for longest; the slowest of heads that
 *                 have a task (half.c); the one that had a request, and has been silent for longest since; at last the
 *                 slowest of requests, as above
 *
 * Whose head comes in one piece, and who takes his answer, never waits, and does not notice. A connection of
 * HTTP/2 waits for its client when all of its requests do. One that another protocol has stays.
 *
 * The slowest are looked for by walking through all that wait, so where these are many several go at once. What
 * is displaced is cancelled; it counts as gone until its task or its operation has come back, and `leaving`
 * bounds how many these are. Then its task has its goodbye to say, and it counts again, among the first to go: so
 * there are never more than LEAVING_MAX over the limit, and REFUSERS_MAX who are told that they are too many.
 */
#include "http/h2.h"

enum {
    DISPLACED_AT_ONCE = 8,  /* slow ones: a walk is for all of them, and they answer in one turn */
    WALKED_FOR_ONE = 32,    /* but one for so many that were looked at                          */
    LEAVING_MAX = 256,      /* connections                                      */
    LOOKED_AT_MAX = 1024,   /* connections, for one that may go                 */
    SLOW_FACTOR = 4,        /* so many times as fast as the slowest is slow, too */
};

/* ---- who waits for his client ---- */

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
    if (slow->kind != SLOW_CONN)
        server->stats->waiting--;
}

static void cancel_slow(struct http_server *server, struct http_slow *slow)
{
    hob_scope *scope = slow->scope;

    slow_remove(server, slow);
    slow->is_displaced = true;
    server->ending += slow->kind != SLOW_CONN;
    hob_scope_cancel(scope, "others need the room, and it is slow");
}

/* Of all that `may` says yes to. Returns how many went. */
static int displace_slowest(struct http_server *server, bool (*may)(const struct http_slow *slow),
                            void (*displace)(struct http_server *server, struct http_slow *slow))
{
    int64_t           now_ns = hob_now();
    double            slowest = -1;
    struct http_slow *next;
    int               walked = 0, gone = 0;

    for (struct http_slow *slow = server->slow; slow != NULL; slow = slow->next) {
        walked++;
        if (may(slow) && (slowest < 0 || speed(slow, now_ns) < slowest))
            slowest = speed(slow, now_ns);
    }
    int most = walked / WALKED_FOR_ONE < DISPLACED_AT_ONCE ? 1 + walked / WALKED_FOR_ONE : DISPLACED_AT_ONCE;
    for (struct http_slow *slow = server->slow; slow != NULL && gone < most; slow = next) {
        next = slow->next;
        if (!may(slow) || speed(slow, now_ns) > slowest * (most > 1 ? SLOW_FACTOR : 1))
            continue;
        displace(server, slow);
        server->stats->displaced++;
        gone++;
    }
    return gone;
}

static bool is_request(const struct http_slow *slow)
{
    return slow->kind != SLOW_CONN;
}

void hob__http_slow_begin(struct http_conn *conn, struct http_slow *slow, enum slow_kind kind, hob_scope *scope,
                          int64_t since_ns, uint64_t bytes)
{
    struct http_server *server = conn->server;

    if (kind != SLOW_CONN && server->stats->waiting >= server->opts.running_max)
        (void)displace_slowest(server, is_request, cancel_slow);
    *slow = (struct http_slow){ .next = server->slow, .conn = conn, .scope = scope, .since_ns = since_ns,
                                .bytes = bytes, .kind = kind };
    if (slow->next != NULL)
        slow->next->prev = slow;
    server->slow = slow;
    if (kind != SLOW_CONN)
        server->stats->waiting++;
}

void hob__http_slow_end(struct http_server *server, struct http_slow *slow)
{
    if (slow->scope != NULL)
        slow_remove(server, slow);
    else if (slow->is_displaced)
        server->ending -= slow->kind != SLOW_CONN;
}

/* ---- who says goodbye ---- */

static void leaver_remove(struct http_server *server, struct http_leaver *leaver)
{
    if (leaver->prev != NULL)
        leaver->prev->next = leaver->next;
    else
        server->leavers = leaver->next;
    if (leaver->next != NULL)
        leaver->next->prev = leaver->prev;
    else
        server->leavers_last = leaver->prev;
    leaver->scope = NULL;
}

void hob__http_leaver_begin(struct http_conn *conn, struct http_leaver *leaver, hob_scope *scope)
{
    struct http_server *server = conn->server;

    *leaver = (struct http_leaver){ .conn = conn };
    if (conn->is_refused) // beyond all limits: nobody gets in because it goes
        return;
    hob__http_stays(conn);
    leaver->scope = scope;
    leaver->prev = server->leavers_last;
    if (leaver->prev != NULL)
        leaver->prev->next = leaver;
    else
        server->leavers = leaver;
    server->leavers_last = leaver;
}

void hob__http_leaver_end(struct http_server *server, struct http_leaver *leaver)
{
    if (leaver->scope != NULL)
        leaver_remove(server, leaver);
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

static void mark_displaced(struct http_conn *conn)
{
    conn->is_displaced = true;
    conn->server->leaving++;
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

/* Since when. */
static int64_t since(const struct http_conn *conn)
{
    const struct http_half *half = hob__http_half(conn);
    return half != NULL ? half->since_ns : conn->idle_since_ns;
}

static struct http_conn *older(struct http_conn *a, struct http_conn *b)
{
    return b == NULL || (a != NULL && since(a) <= since(b)) ? a : b;
}

static struct http_conn *first_half(const struct http_server *server)
{
    struct http_half *half = hob__http_first_half(server);
    return half != NULL ? half->conn : NULL;
}

static bool displace_leaver(struct http_server *server)
{
    struct http_leaver *leaver = server->leavers;
    if (leaver == NULL)
        return false;
    hob_scope *scope = leaver->scope;
    mark_displaced(leaver->conn);
    leaver_remove(server, leaver);
    hob_scope_cancel(scope, "others need the room");
    return true;
}

/* One without a request. */
static bool displace_idle(struct http_server *server, int has_asked)
{
    struct http_conn *conn = older(older(first_to_go(&server->idle[has_asked]),
                                         has_asked ? NULL : first_half(server)),
                                   older(first_to_go(&server->wrapping[has_asked]),
                                         first_to_go(&server->waiting[has_asked])));
    if (conn == NULL)
        return false;
    mark_displaced(conn);
    server->stats->displaced++;
    if (conn->work == NULL && !conn->is_wrapping)
        hob_op_cancel(&conn->op);
    else
        hob_scope_cancel(hob__http_waits_in(conn), "others need the room");
    return true;
}

bool hob__http_make_wrapping_room(struct http_server *server)
{
    if (server->wrapping_count < server->opts.running_max)
        return true;
    struct http_conn *conn = server->leaving < LEAVING_MAX ? first_to_go(&server->wrapping[0]) : NULL;
    if (conn == NULL)
        return false;
    mark_displaced(conn);
    server->stats->displaced++;
    hob_scope_cancel(conn->wrapping, "others need the room");
    return true;
}

/* All that its connection has waits for the client, so that this can go with it. */
static bool holds_conn(const struct http_slow *slow)
{
    const struct http_conn *conn = slow->conn;
    if (conn->is_displaced || conn->is_refused)
        return false;
    return !conn->is_http2 || slow->kind == SLOW_CONN || hob__h2_waits(conn);
}

static bool is_head(const struct http_slow *slow)
{
    return slow->kind == SLOW_HEAD && holds_conn(slow);
}

static void displace_with_conn(struct http_server *server, struct http_slow *slow)
{
    mark_displaced(slow->conn);
    if (slow->conn->is_http2 && slow->kind != SLOW_CONN)
        hob_scope_cancel(slow->conn->work->waiting, "others need the room");
    else
        cancel_slow(server, slow);
}

static bool displace_conn(struct http_server *server)
{
    return displace_leaver(server) || displace_idle(server, 0)
           || displace_slowest(server, is_head, displace_with_conn) > 0 || displace_idle(server, 1)
           || displace_slowest(server, holds_conn, displace_with_conn) > 0;
}

bool hob__http_make_room(struct http_server *server)
{
    while (hob__http_is_full(server)) {
        if (server->leaving >= LEAVING_MAX || !displace_conn(server))
            return false;
    }
    return true;
}
