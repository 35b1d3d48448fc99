/* SPDX-License-Identifier: MIT */
/* Topics: everybody gets everything in order; who is slow costs nobody else anything. */
#include <stdatomic.h>

#include "support/workers.h"
#include "ws/ws.h"
#include "ws/wire.h"

struct room {
    hob_ws_topic *topic;
    bool          kept;
    int           here, gone;
};

static int sit(hob_ws *ws, void *arg)
{
    struct room *room = arg;
    hob_ws_kind  kind;
    const char  *data;
    ssize_t      n;

    check_ok(hob_ws_topic_join(room->topic, ws));
    check_err(hob_ws_topic_join(room->topic, ws), -EALREADY);
    room->here++;
    while ((n = hob_ws_recv(ws, &kind, &data)) >= 0)
        HOB_TRY(hob_ws_send(ws, kind, data, (size_t)n)); // in between
    room->gone++;
    return n == HOB_EOF ? 0 : (int)n;
}

static int echo_it(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    return hob_ws_send(ws, kind, data, len);
}

static void leaves(hob_ws *ws, void *arg)
{
    struct room *room = arg;
    room->gone++;
}

static int sit_kept(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { echo_it, leaves };
    struct room *room = arg;
    check_ok(hob_ws_topic_join(room->topic, ws));
    room->here++;
    return hob_ws_keep(ws, &CALLS, arg);
}

static int enter(hob_http_request *req, void *arg)
{
    struct room *room = arg;
    return hob_ws_serve(req, NULL, room->kept ? sit_kept : sit, room);
}

static int say_number(struct room *room, int number)
{
    char text[32];
    snprintf(text, sizeof text, "%d", number);
    return hob_ws_topic_publish(room->topic, HOB_WS_TEXT, text, strlen(text));
}

CLOSER(free_topic, hob_ws_topic, hob_ws_topic_free)

#define ROOM(site_, room_, ...)                                                 \
    CLOSED_BY(free_topic) hob_ws_topic *topic = NULL;                           \
    check_ok(hob_ws_topic_new(&(hob_ws_topic_opts){ __VA_ARGS__ }, &topic));    \
    struct room room_ = { .topic = topic };                                     \
    struct site site_ = { .handler = enter, .arg = &room_ };                    \
    HOB_SCOPE(s);                                                               \
    check_ok(open_site(&s, &site_))

#define LEAVE_ROOM()                     \
    hob_scope_cancel(&s, "seen");        \
    ignore(hob_scope_end(&s))

TEST_ON_ALL(ws_topic, everybody_gets_everything_in_order)
{
    enum { MEMBERS = 5, MESSAGES = 100 };
    for (int kept = 0; kept < 2; kept++) {
        ROOM(site, room, .name = "news");
        room.kept = kept;
        {
            hob_ws *members[MEMBERS];
            for (int i = 0; i < MEMBERS; i++)
                check_ok(join(&site, &members[i]));
            WAIT_FOR(room.here == MEMBERS);
            WAIT_FOR(!kept || site.stats.running == 0);
            for (int n = 0; n < MESSAGES; n++)
                check_ok(say_number(&room, n));
            for (int i = 0; i < MEMBERS; i++) {
                check_ok(hob_ws_send_text(members[i], "mine"));
                for (int n = 0, mine = 0; n < MESSAGES || !mine;) {
                    hob_ws_kind kind = 0;
                    const char *data = NULL;
                    check_ok(hob_ws_recv(members[i], &kind, &data));
                    if (strcmp(data, "mine") == 0)
                        mine++;
                    else
                        check_eq(atoi(data), n++);
                }
                check_ok(hob_ws_shutdown(members[i], 1000, NULL));
                hob_ws_close(members[i]);
            }
        }
        WAIT_FOR(room.gone == MEMBERS);
        hob_ws_topic_stats stats;
        hob_ws_topic_stats_get(topic, &stats);
        check_eq(stats.published, MESSAGES);
        check_eq(stats.sent, MESSAGES * MEMBERS);
        check_lt(stats.writes, MESSAGES * MEMBERS / 2); // several in one
        check_eq(stats.joined, 0);
        check_eq(stats.missed, 0);
        LEAVE_ROOM();
    }
}

/* Row 112. */
TEST(ws_topic, a_slow_one_misses_or_goes_and_the_others_do_not_notice)
{
    enum { MESSAGES = 400, LEN = 1000 };
    static char text[LEN + 1];
    hob_sim_world world = { .stream_bytes = 4096 };
    check_ok(hob_sim_set_world(&world));
    memset(text, 'x', LEN);

    for (int how = HOB_WS_DROP_OLDEST; how <= HOB_WS_DISCONNECT; how++) {
        ROOM(site, room, .messages_max = 16, .slow = (hob_ws_slow)how);
        WS(quick);
        WS(slow);
        check_ok(join(&site, &slow));
        check_ok(join(&site, &quick));
        WAIT_FOR(room.here == 2);
        for (int n = 0; n < MESSAGES; n++) {
            text[snprintf(text, 8, "%6d", n)] = 'x';
            check_ok(hob_ws_topic_publish(topic, HOB_WS_TEXT, text, LEN));
            check_ok(hears_message(quick, HOB_WS_TEXT, text, LEN));
        }
        // The slow one reads at last: what it gets is in order, and ends with the newest.
        int         got = 0, last = -1;
        hob_ws_kind kind = 0;
        const char *data = NULL;
        ssize_t     n = 0;
        while (last < MESSAGES - 1 && (n = hob_ws_recv(slow, &kind, &data)) >= 0) {
            check_gt(atoi(data), last);
            last = atoi(data);
            got++;
        }
        hob_ws_topic_stats stats;
        hob_ws_topic_stats_get(topic, &stats);
        check_lt(got, 60);
        if (how == HOB_WS_DISCONNECT) {
            hob_ws_end end;
            check_eq(n, HOB_EOF);
            hob_ws_ended(slow, &end);
            check_eq(end.code, HOB_WS_TRY_LATER);
            check_str(end.reason, "too slow");
            check_eq(stats.closed, 1);
        } else {
            check_eq(last, MESSAGES - 1);
            check_eq(stats.missed, (uint64_t)(MESSAGES - got));
        }
        LEAVE_ROOM();
    }
}

TEST(ws_topic, conflated_members_get_the_newest)
{
    ROOM(site, room, .slow = HOB_WS_CONFLATE);
    WS(ws);
    check_ok(join(&site, &ws));
    WAIT_FOR(room.here == 1);
    for (int n = 0; n < 50; n++)
        check_ok(say_number(&room, n)); // without a wait in between
    check_ok(hears_message(ws, HOB_WS_TEXT, "49", 2));
    check_ok(say_number(&room, 50));
    check_ok(hears_message(ws, HOB_WS_TEXT, "50", 2));
    LEAVE_ROOM();
}

TEST(ws_topic, what_cannot_be_published_is_refused)
{
    ROOM(site, room, .bytes_max = 100);
    char text[101] = { 0 };
    check_err(hob_ws_topic_publish(topic, HOB_WS_BINARY, text, 101), -EMSGSIZE);
    check_err(hob_ws_topic_publish(topic, HOB_WS_BINARY, text, 99), -EMSGSIZE); // with its head
    check_ok(hob_ws_topic_publish(topic, HOB_WS_BINARY, text, 98));
    check_err(hob_ws_topic_publish(topic, HOB_WS_TEXT, "\xff", 1), -EILSEQ);
    hob__ws_fail_at = 1;
    check_err(hob_ws_topic_publish(topic, HOB_WS_TEXT, "a", 1), -ENOMEM);
    hob__ws_fail_at = 0;
    LEAVE_ROOM();
}

/* ---- comings and goings ---- */

struct visitor {
    const struct site *site;
    uint64_t           seed;
};

static int come_and_go(void *arg)
{
    struct visitor *v = arg;
    uint64_t        dice = v->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

    for (int round = 0; round < 6; round++) {
        hob_tcp *conn;
        hob_ws  *ws = NULL;
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (visit(v->site, &conn) < 0)
            continue;
        if (hob_ws_connect(hob_tcp_stream(conn), "ws://a", NULL, &ws) < 0) {
            hob_tcp_close(conn);
            continue;
        }
        int last = -1;
        for (uint64_t i = 0; i < (dice >> 33) % 20; i++) {
            hob_ws_kind kind = 0;
            const char *data = NULL;
            HOB_SCOPE(s);
            hob_scope_deadline(&s, hob_in(50 * HOB_MSEC));
            ssize_t n = hob_ws_recv(ws, &kind, &data);
            if (n >= 0) {
                check_gt(atoi(data), last);
                last = atoi(data);
            }
            ignore(hob_scope_end(&s));
        }
        if ((dice >> 40) % 3 != 0)
            ignore(hob_ws_shutdown(ws, 1000, NULL));
        hob_ws_close(ws);
    }
    return 0;
}

static int speak(void *arg)
{
    struct room *room = arg;
    for (int n = 0; n < 300; n++) {
        HOB_TRY(say_number(room, n));
        HOB_TRY(hob_sleep(2 * HOB_MSEC));
    }
    return 0;
}

TEST(ws_topic, who_comes_and_goes_at_any_moment_leaves_nothing)
{
    hob_sim_world world = { .latency_max_ns = 3 * HOB_MSEC, .short_io_percent = 30, .reset_percent = 1,
                            .stream_bytes = 512 };
    check_ok(hob_sim_set_world(&world));
    for (int kept = 0; kept < 2; kept++) {
        ROOM(site, room, .messages_max = 8, .slow = (hob_ws_slow)(hob_test_seed() % 3));
        room.kept = kept;
        struct visitor visitors[8];
        {
            HOB_SCOPE(all);
            hob_go(&all, speak, &room);
            for (int i = 0; i < 8; i++) {
                visitors[i] = (struct visitor){ &site, hob_test_seed() * 8 + (uint64_t)i };
                hob_go(&all, come_and_go, &visitors[i]);
            }
            check_ok(hob_scope_end(&all));
        }
        LEAVE_ROOM();
        hob_ws_topic_stats stats;
        hob_ws_topic_stats_get(topic, &stats);
        check_eq(stats.joined, 0);
        check_eq(site.stats.connections, 0);
    }
}

/* ---- several workers ---- */

enum { WORKERS = 3, EACH = 3, NEWS = 50 };

struct house {
    struct room room;
    atomic_int  heard, ready;
};

static int sit_on_a_worker(void *arg)
{
    struct house *house = arg;
    struct room   here = { .topic = house->room.topic };
    struct site   site = { .handler = enter, .arg = &here };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    hob_ws *members[EACH];
    for (int i = 0; i < EACH; i++)
        check_ok(join(&site, &members[i]));
    WAIT_FOR(here.here == EACH);
    atomic_fetch_add(&house->ready, 1);
    for (int i = 0; i < EACH; i++) {
        for (int n = 0; n < NEWS; n++) {
            char text[32];
            snprintf(text, sizeof text, "%d", n);
            check_ok(hears_message(members[i], HOB_WS_TEXT, text, strlen(text)));
        }
        atomic_fetch_add(&house->heard, NEWS);
        hob_ws_close(members[i]);
    }
    WAIT_FOR(here.gone == EACH);
    hob_scope_cancel(&s, "heard");
    ignore(hob_scope_end(&s));
    return 0;
}

TEST_WITH_WORKERS(ws_topic, members_on_all_workers_get_everything, WORKERS)
{
    CLOSED_BY(free_topic) hob_ws_topic *topic = NULL;
    check_ok(hob_ws_topic_new(NULL, &topic));
    static struct house house;
    house.room = (struct room){ .topic = topic };
    atomic_store(&house.heard, 0);
    atomic_store(&house.ready, 0);
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < WORKERS; i++)
        check_ok(go_on(&s, i, sit_on_a_worker, &house));
    WAIT_FOR(atomic_load(&house.ready) == WORKERS);
    for (int n = 0; n < NEWS; n++)
        check_ok(say_number(&house.room, n));
    check_ok(hob_scope_end(&s));
    check_eq(atomic_load(&house.heard), WORKERS * EACH * NEWS);
    return 0;
}
