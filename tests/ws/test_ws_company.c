/* SPDX-License-Identifier: MIT */
/* Several tasks at one WebSocket when it ends: each gets its error and leaves before anything is freed. */
#include "ws/wire.h"
#include "ws/ws.h"

enum { GUESTS = 4 };

enum how { PEER_VANISHES, PEER_SAYS_GOODBYE, SERVER_ENDS, N_HOWS };

struct room {
    bool       is_kept;
    hob_ws    *ws; /* while others may call it */
    hob_event  is_open, is_to_end;
    int        left;
    int        results[GUESTS];
};

static void note_closed(hob_ws *ws, void *arg)
{
    struct room *room = arg;
    HOB_EXPECT(room->ws == ws);
    room->ws = NULL;
}

static int refuse_message(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    (void)ws, (void)arg, (void)kind, (void)data, (void)len;
    return -EINVAL;
}

static int receive_until_told(void *arg)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     n;
    while ((n = hob_ws_recv(arg, &kind, &data)) >= 0)
        ;
    return (int)n;
}

static int host(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { refuse_message, note_closed };
    struct room *room = arg;

    room->ws = ws;
    hob_event_set(&room->is_open);
    if (room->is_kept)
        return hob_ws_keep(ws, &CALLS, room);
    hob_scope s;
    hob_scope_begin(&s);
    hob_go(&s, receive_until_told, ws);
    (void)!hob_event_wait(&room->is_to_end); // or the connection has ended
    hob_scope_cancel(&s, "told so");
    (void)!hob_scope_end(&s);
    room->ws = NULL;
    return 0;
}

static int serve_room(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, host, arg);
}

struct guest {
    struct room *room;
    int          number;
};

/* Guests send until it is over; one of them in fragments, of which the last never comes; one sees the
 * others off. */
static int call_until_it_is_over(struct room *room, int number)
{
    BYTES(data, 100000);
    memset(data, 'x', 100000);
    int r = 0;
    if (number == 0) {
        r = hob_ws_send_begin(room->ws, HOB_WS_TEXT);
        while (r == 0 && room->ws != NULL)
            r = hob_ws_send_part(room->ws, data, 100000);
    } else if (number == 1) {
        check_ok(hob_sleep(2 * HOB_SEC));
        (void)!(room->ws != NULL ? hob_ws_shutdown(room->ws, HOB_WS_NORMAL, "the party is over") : 0);
        r = -EPIPE; // it has ended, one way or the other
    } else {
        while (r == 0 && room->ws != NULL)
            r = hob_ws_send(room->ws, HOB_WS_TEXT, data, 100000);
    }
    return r;
}

static int visit_room(void *arg)
{
    struct guest *guest = arg;
    guest->room->results[guest->number] = call_until_it_is_over(guest->room, guest->number);
    guest->room->left++;
    return 0;
}

static int end_it(struct room *room, hob_tcp **conn, enum how how)
{
    struct bytes b = { .len = 0 };

    if (how == PEER_VANISHES) {
        hob_tcp_close(*conn);
        *conn = NULL;
    } else if (how == PEER_SAYS_GOODBYE) {
        add_close(&b, 1000, "");
        check_ok(say_bytes(*conn, &b));
    } else if (room->is_kept) {
        add_frame(&b, 0x81, "is refused", 10);
        check_ok(say_bytes(*conn, &b));
    }
    check_ok(hob_sleep(HOB_MSEC));
    hob_event_set(&room->is_to_end);
    return 0;
}

static int hold_a_party(bool is_kept, enum how how)
{
    hob_sim_world world = { .latency_max_ns = HOB_MSEC, .short_io_percent = 50, .stream_bytes = 3000 };
    struct room   room = { .is_kept = is_kept };
    struct site   site = { .handler = serve_room, .arg = &room };
    struct guest  guests[GUESTS];

    check_ok(hob_sim_set_world(&world));
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(upgrade(&site, &conn));
    check_ok(hob_event_wait(&room.is_open));
    for (int i = 0; i < GUESTS; i++) {
        guests[i] = (struct guest){ &room, i };
        hob_go(&s, visit_room, &guests[i]);
    }
    check_ok(hob_sleep((int64_t)(hob_random() % 3) * HOB_SEC)); // before, at and after the goodbye of a guest
    check_ok(end_it(&room, &conn, how));
    for (int i = 0; i < 60 && room.left < GUESTS; i++)
        check_ok(hob_sleep(HOB_SEC));
    check_eq(room.left, GUESTS);
    for (int i = 0; i < GUESTS; i++)
        check_lt(room.results[i], 0);
    WAIT_FOR(site.stats.running == 0 && room.ws == NULL);
    return 0;
}

TEST(ws, who_is_in_a_call_with_it_leaves_before_it_is_freed)
{
    for (int kept = 0; kept < 2; kept++) {
        for (enum how how = 0; how < N_HOWS; how++)
            check_ok(hold_a_party(kept, how));
    }
}

/* ---- clients close by hand ---- */

static int send_much(void *ws)
{
    BYTES(data, 100000);
    memset(data, 'x', 100000);
    for (;;) // the echoes are not read, so it waits at some time
        HOB_TRY(hob_ws_send(ws, HOB_WS_BINARY, data, 100000));
}

TEST_DIES(ws, what_another_task_calls_is_not_closed,
          "*hob_ws_close: another task is still in a call with it: end the scope of that task first*")
{
    hob_sim_world world = { .stream_bytes = 3000 };
    check_ok(hob_sim_set_world(&world));
    WS_SITE(site, seen);
    WS(ws);
    check_ok(join(&site, &ws));
    hob_go(&s, send_much, ws);
    check_ok(hob_sleep(1));
}

/* ---- fragments ---- */

struct teller {
    struct room *room;
    int          told; /* messages */
    bool         has_ended;
};

/* As whoever looks at errors and at the list, and at nothing else. */
static int tell_in_parts(void *arg)
{
    struct teller *teller = arg;
    struct room   *room = teller->room;
    BYTES(data, 5000);
    memset(data, 'x', 5000);
    while (room->ws != NULL) {
        hob_ws *ws = room->ws;
        int     r = hob_ws_send_begin(ws, HOB_WS_TEXT);
        for (int i = 0; i < 20 && r == 0; i++)
            r = hob_ws_send_part(ws, data, 5000);
        if (r == 0)
            r = hob_ws_send_end(ws);
        if (r < 0)
            break;
        teller->told++;
    }
    if (room->ws != NULL) // it is over, but the host does not know yet: no mistake either
        check_err(hob_ws_send_text(room->ws, "hello?"), -EPIPE);
    teller->has_ended = true;
    return 0;
}

TEST(ws, who_tells_in_parts_hears_of_the_end_by_an_error)
{
    for (int i = 0; i < 40; i++) {
        hob_sim_world world = { .latency_max_ns = HOB_MSEC, .short_io_percent = 50, .stream_bytes = 3000 };
        struct room   room = { .is_kept = i % 2 == 0 };
        struct site   site = { .handler = serve_room, .arg = &room };
        struct teller teller = { .room = &room };
        char          got[4096];
        check_ok(hob_sim_set_world(&world));
        HOB_SCOPE(s);
        check_ok(open_site(&s, &site));
        TCP(conn);
        check_ok(upgrade(&site, &conn));
        check_ok(hob_event_wait(&room.is_open));
        hob_go(&s, tell_in_parts, &teller);
        for (int n = 0; n < 20 + i; n++)
            check_gt(hob_tcp_read(conn, got, sizeof got), 0);
        check_ok(end_it(&room, &conn, i % 3 == 0 ? PEER_SAYS_GOODBYE : PEER_VANISHES));
        for (int n = 0; n < 60 && !teller.has_ended; n++)
            check_ok(hob_sleep(HOB_SEC));
        check(teller.has_ended);
        WAIT_FOR(site.stats.running == 0 && room.ws == NULL);
    }
}

/* ---- locks ---- */

static int hold_a_while(void *lock)
{
    HOB_TRY(hob__ws_lock(lock));
    hob__ws_unlock(lock);
    return 0;
}

TEST(ws, what_is_passed_on_to_who_was_cancelled_is_free)
{
    struct ws_lock lock = { 0 };
    for (int waiting = 1; waiting < 4; waiting++) {
        HOB_SCOPE(s);
        check_ok(hob__ws_lock(&lock));
        for (int i = 0; i < waiting; i++)
            hob_go(&s, hold_a_while, &lock);
        settle();
        check_eq(lock.waiting, waiting);
        hob_scope_cancel(&s, "in the same turn");
        hob__ws_unlock(&lock);
        settle();
        check_eq(lock.waiting, 0);
        check(!lock.is_held);
        (void)!hob_scope_end(&s);
    }
    check_ok(hold_a_while(&lock));
}
