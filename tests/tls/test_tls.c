/* SPDX-License-Identifier: MIT */
/* TLS as a stream: what two ends say to each other arrives, whatever the stream below does. */
#include "tls/peers.h"

TEST_ON_ALL(tls, what_one_end_writes_the_other_reads)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    char buf[16] = "";

    check_ok(agreed_pair(&w, &client, &server));
    check_eq(hob_tls_write(client, "hello", 5), 5);
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 5), 5);
    check_str(buf, "hello");
    check_eq(hob_tls_write(server, "world", 5), 5);
    check_eq(hob_stream_read_exactly(hob_tls_stream(client), buf, 5), 5);
    check_str(buf, "world");
    check_str(hob_tls_error(client), "");
}

TEST_ON_ALL(tls, the_first_read_and_write_make_the_handshake)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);

    check_ok(tls_pair(&w, &client, &server));
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 100000, 3000));
}

TEST_ON_ALL(tls, much_goes_both_ways_at_once)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);

    check_ok(tls_pair(&w, &client, &server));
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server),
                       all_is_slow() ? 300000 : 2000000, 65536));
}

static int unix_pair_of(struct world *w, hob_tls **ret_client, hob_tls **ret_server)
{
    hob_unix *a, *b;
    check_ok(hob_unix_pair(&a, &b));
    check_ok(hob_tls_client(w->client_config, hob_unix_stream(a), "a.example", ret_client));
    check_ok(hob_tls_server(w->server_config, hob_unix_stream(b), ret_server));
    return 0;
}

TEST_ON_ALL(tls, a_unix_socket_does_as_well)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);

    check_ok(unix_pair_of(&w, &client, &server));
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 100000, 1000));
}

TEST_ON_ALL(tls, tls_goes_over_tls)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    hob_tls *client = NULL, *server = NULL;
    TLS(inner_client);
    TLS(inner_server);

    check_ok(tls_pair(&w, &client, &server));
    check_ok(hob_tls_client(w.client_config, hob_tls_stream(client), "a.example", &inner_client));
    check_ok(hob_tls_server(w.server_config, hob_tls_stream(server), &inner_server));
    check_ok(both_ways(hob_tls_stream(inner_client), hob_tls_stream(inner_server), 50000, 3000));
}

TEST(tls, single_bytes_below_and_above_change_nothing)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    hob_tcp       *a = NULL, *b = NULL;
    struct between left = { .most = 1 }, right = { .most = 1 };
    TLS(client);
    TLS(server);

    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w.client_config, put_between(&left, hob_tcp_stream(a)), "a.example",
                            &client));
    check_ok(hob_tls_server(w.server_config, put_between(&right, hob_tcp_stream(b)), &server));
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 300, 1));
}

TEST(tls, cut_and_late_bytes_arrive_all_and_in_order)
{
    hob_sim_world world = {
        .latency_min_ns = 1 * HOB_MSEC,
        .latency_max_ns = 30 * HOB_MSEC,
        .short_io_percent = 60,
        .stream_bytes = 700,
    };
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    check_ok(hob_sim_set_world(&world));
    TLS(client);
    TLS(server);

    check_ok(tls_pair(&w, &client, &server));
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 60000, 5000));
}

/* ---- where there is hardly any room between the ends ---- */

struct talker {
    hob_tls *conn;
    bool     shakes; /* hands, before all else */
    size_t   len;
};

/* Asks, and does not read before all of it was sent. */
static int ask_and_hear(void *arg)
{
    struct talker *t = arg;
    char           text[200];

    if (t->shakes)
        HOB_TRY(hob_tls_handshake(t->conn));
    memset(text, 'q', t->len);
    HOB_TRY(hob_tls_write(t->conn, text, t->len));
    check_eq(hob_tls_read(t->conn, text, 1), 1);
    check_eq(text[0], 'a');
    HOB_TRY(hob_tls_shutdown(t->conn));
    check_eq(hob_tls_read(t->conn, text, 1), 0);
    return 0;
}

/* Hears all of it before it answers. */
static int hear_and_answer(void *arg)
{
    struct talker *t = arg;
    char           text[200];
    size_t         len = 0;

    if (t->shakes)
        HOB_TRY(hob_tls_handshake(t->conn));
    while (len < t->len) {
        ssize_t n = HOB_TRY(hob_tls_read(t->conn, text, sizeof text));
        check_gt(n, 0);
        len += (size_t)n;
    }
    HOB_TRY(hob_tls_write(t->conn, "a", 1));
    check_eq(hob_tls_read(t->conn, text, 1), 0);
    return hob_tls_shutdown(t->conn);
}

/* A server's tickets are no part of what a client waits for: so it must not wait for them to be taken. */
TEST(tls, who_asks_before_it_reads_is_heard_however_little_room_there_is)
{
    static const uint32_t rooms[] = { 1, 10, 100, 500 };

    for (size_t i = 0; i < 8; i++) {
        hob_sim_world world = { .stream_bytes = rooms[i / 2] };
        WORLD(w);
        check_ok(make_world(&w, NULL, NULL));
        check_ok(hob_sim_set_world(&world));
        TLS(client);
        TLS(server);
        HOB_SCOPE(s);

        check_ok(tls_pair(&w, &client, &server));
        struct talker a = { client, i % 2, 150 }, b = { server, i % 2, 150 };
        hob_scope_deadline(&s, hob_in(9 * HOB_SEC));
        hob_go(&s, ask_and_hear, &a);
        hob_go(&s, hear_and_answer, &b);
        check_ok(hob_scope_end(&s));
    }
}

/* OpenSSL has decrypted a record when its first byte is read: the rest must not be forgotten. */
TEST_ON_ALL(tls, small_reads_of_a_large_record_lose_nothing)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    unsigned char buf[16000];

    check_ok(agreed_pair(&w, &client, &server));
    fill(buf, sizeof buf, 0, 7);
    check_eq(hob_tls_write(client, buf, sizeof buf), sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++) {
        unsigned char c;
        check_eq(hob_tls_read(server, &c, 1), 1);
        check_eq(c, byte_at(i, 7));
    }
}

TEST_ON_ALL(tls, several_pieces_go_out_as_one)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    hob_tcp       *a, *b;
    struct between left = { .most = 0 };
    TLS(client);
    TLS(server);
    static unsigned char sent[40000], got[40000];
    int                  c, s;

    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w.client_config, put_between(&left, hob_tcp_stream(a)), "a.example",
                            &client));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    check_ok(both_shake(client, server, &c, &s));
    check_ok(c);
    check_ok(s);
    fill(sent, sizeof sent, 0, 3);
    struct iovec small[] = { { sent, 0 }, { sent, 100 }, { sent + 100, 0 }, { sent + 100, 900 } };
    uint64_t     before = left.calls;
    check_eq(hob_stream_writev(hob_tls_stream(client), small, 4), 1000);
    check_eq(left.calls - before, 1);
    struct iovec large[] = { { sent + 1000, 7 }, { sent + 1007, 30000 }, { sent + 31007, 8993 } };
    check_eq(hob_stream_writev(hob_tls_stream(client), large, 3), 39000);
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), got, sizeof got), sizeof got);
    check_mem(got, sent, sizeof sent);
}

TEST_ON_ALL(tls, a_goodbye_ends_reading_and_the_other_way_goes_on)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    char buf[8];

    check_ok(agreed_pair(&w, &client, &server));
    check_ok(hob_tls_shutdown(client));
    check_ok(hob_tls_shutdown(client));
    check_eq(hob_tls_read(server, buf, sizeof buf), 0);
    check_eq(hob_tls_read(server, buf, sizeof buf), 0);
    check_err(hob_tls_write(client, "x", 1), -EPIPE);
    check_eq(hob_tls_write(server, "x", 1), 1);
    check_eq(hob_tls_read(client, buf, sizeof buf), 1);
    check_ok(hob_tls_shutdown(server));
    check_eq(hob_tls_read(client, buf, sizeof buf), 0);
}

/* SURVIVAL 53. */
TEST_ON_ALL(tls, an_end_without_a_goodbye_is_no_end)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    hob_tcp *a = NULL, *b = NULL;
    TLS(client);
    TLS(server);
    char buf[8] = "";
    int  r, s;

    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(a), "a.example", &client));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    check_ok(both_shake(client, server, &r, &s));
    check_ok(r);
    check_eq(hob_tls_write(client, "half", 4), 4);
    check_ok(hob_tcp_shutdown(a)); // the TCP connection ends, and TLS does not
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 4), 4);
    check_err(hob_tls_read(server, buf, sizeof buf), HOB_ETLSTRUNCATED);
    check_err(hob_tls_read(server, buf, sizeof buf), HOB_ETLSTRUNCATED);
    check_has(hob_tls_error(server), "without a goodbye");
}

TEST(tls, a_goodbye_that_nobody_takes_has_its_own_limit)
{
    WORLD(w);
    hob_tls_opts opts = { .shutdown_limit_ns = 3 * HOB_SEC };
    check_ok(make_world(&w, &opts, NULL));
    TLS(client);
    TLS(server);
    static char much[200000];

    check_ok(agreed_pair(&w, &client, &server));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_tls_write(client, much, sizeof much), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
    int64_t before = hob_now();
    check_err(hob_tls_shutdown(client), -ETIMEDOUT);
    check_eq(hob_now() - before, 3 * HOB_SEC);
}

TEST_ON_ALL(tls, handshakes_may_compute_on_other_threads)
{
    enum { PAIRS = 6 };
    WORLD(w);
    hob_tls_opts opts = { .handshake_pool = hob_pool_cpu() };
    check_ok(make_world(&w, &opts, &opts));
    for (int i = 0; i < PAIRS; i++) {
        TLS(client);
        TLS(server);
        check_ok(tls_pair(&w, &client, &server));
        check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 20000, 3000));
    }
    TLS(client);
    TLS(server);
    int c, s;
    check_ok(tls_pair_of(w.client_config, w.server_config, "b.example", &client, &server));
    check_ok(both_shake(client, server, &c, &s));
    check_err(c, HOB_ETLSCERT);
    check_has(hob_tls_error(client), "not b.example");
}

struct maybe {
    hob_tls **conn; /* NULL when it was closed before this task began */
    int       result;
};

static int shake_unless_closed(void *arg)
{
    struct maybe *m = arg;
    m->result = *m->conn != NULL ? hob_tls_handshake(*m->conn) : -ECANCELED;
    return 0;
}

TEST_ON_ALL(tls, a_handshake_on_another_thread_may_be_cancelled_and_closed)
{
    WORLD(w);
    hob_tls_opts opts = { .handshake_pool = hob_pool_cpu() };
    check_ok(make_world(&w, &opts, &opts));
    for (int i = 0; i < 8; i++) {
        TLS(client);
        TLS(server);
        check_ok(tls_pair(&w, &client, &server));
        struct maybe a = { &client, 0 }, b = { &server, 0 };
        {
            HOB_SCOPE(s);
            hob_go(&s, shake_unless_closed, &a);
            hob_go(&s, shake_unless_closed, &b);
            for (int k = 0; k < i; k++)
                hob_yield();
            if (i % 2 == 0) {
                hob_scope_cancel(&s, "the test says so");
            } else {
                hob_tls *closed = client;
                client = NULL;
                hob_tls_close(closed);
            }
            ignore(hob_scope_end(&s));
        }
        if (client == NULL) {
            check(a.result == -ECANCELED || a.result == 0);
            check(b.result < 0 || b.result == 0);
            continue;
        }
        check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 2000, 500)); // it goes on
    }
}

TEST_ON_ALL(tls, what_was_agreed_upon_is_told)
{
    static const char *const protocols[] = { "h2", "http/1.1", NULL };
    static const char *const older[] = { "http/1.1", NULL };
    WORLD(w);
    hob_tls_opts client_opts = { .alpn = older };
    hob_tls_opts server_opts = { .alpn = protocols };
    check_ok(make_world(&w, &client_opts, &server_opts));
    TLS(client);
    TLS(server);
    hob_tls_facts facts;

    check_ok(tls_pair(&w, &client, &server));
    check_err(hob_tls_negotiated(client, &facts), -ENOTCONN);
    int c, s;
    check_ok(both_shake(client, server, &c, &s));
    check_ok(hob_tls_negotiated(client, &facts));
    check_str(facts.version, "TLSv1.3");
    check_has(facts.cipher, "TLS_");
    check_str(facts.alpn, "http/1.1");
    check_str(facts.peer_subject, "CN=server");
    check_eq(strlen(facts.peer_fingerprint), 64);
    check_eq(facts.verified, 1);
    check_eq(facts.resumed, 0);
    check_ok(hob_tls_negotiated(server, &facts));
    check_str(facts.alpn, "http/1.1");
    check_str(facts.server_name, "a.example");
    check_str(facts.peer_subject, "");
    check_eq(facts.verified, 0);
}

/* One config, and each connection offers what it wants. */
TEST_ON_ALL(tls, a_connection_may_offer_other_protocols_than_its_config)
{
    static const char *const both[] = { "h2", "http/1.1", NULL }, *const one[] = { "http/1.1", NULL };
    static const char *const none[] = { NULL }, *const empty[] = { "h2", "", NULL };
    WORLD(w);
    hob_tls_opts client_opts = { .alpn = both }, server_opts = { .alpn = both };
    check_ok(make_world(&w, &client_opts, &server_opts));
    for (int i = 0; i < 3; i++) {
        TLS(client);
        TLS(server);
        hob_tls_facts facts;
        int           c, s;
        check_ok(tls_pair(&w, &client, &server));
        check_err(hob_tls_offer(client, none), -EINVAL);
        check_err(hob_tls_offer(client, empty), -EINVAL);
        if (i > 0)
            check_ok(hob_tls_offer(client, i == 1 ? one : both));
        check_ok(both_shake(client, server, &c, &s));
        check_ok(hob_tls_negotiated(server, &facts));
        check_str(facts.alpn, i == 1 ? "http/1.1" : "h2");
    }
}

TEST(tls, two_readers_of_different_ends_and_no_others)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    struct io a = { .stream = NULL }, b = { .stream = NULL };

    check_ok(agreed_pair(&w, &client, &server));
    a.stream = hob_tls_stream(client);
    b.stream = hob_tls_stream(server);
    HOB_SCOPE(s);
    hob_go(&s, read_once, &a);
    hob_go(&s, read_once, &b);
    settle();
    check_eq(hob_tls_write(client, "x", 1), 1);
    check_eq(hob_tls_write(server, "y", 1), 1);
    check_ok(hob_scope_end(&s));
    check_eq(a.result, 1);
    check_eq(b.result, 1);
}

static int read_the_first(void *arg)
{
    char c;
    return (int)hob_tls_read(arg, &c, 1);
}

TEST_DIES(tls, two_readers_at_once_are_a_mistake, "hob: hob_tls_read: another task is reading*")
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    check_ok(agreed_pair(&w, &client, &server));
    HOB_SCOPE(s);
    hob_go(&s, read_the_first, client);
    settle();
    ignore(read_the_first(client));
}

TEST_DIES(tls, using_a_closed_one_is_a_mistake, "hob: hob_tls_read: this is not open*")
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    check_ok(agreed_pair(&w, &client, &server));
    HOB_SCOPE(s);
    hob_go(&s, read_the_first, client); // it keeps the memory, so that the mistake is seen
    settle();
    hob_tls *closed = client;
    client = NULL;
    hob_tls_close(closed);
    ignore(read_the_first(closed));
}

/* SURVIVAL 54: a write does not wait for a read of the same end, nor a read for a write. */
TEST_ON_ALL(tls, a_waiting_reader_holds_no_writer_up_and_the_other_way_round)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    struct io      reading = { .stream = NULL };
    struct traffic writing = { .bytes = UINT64_MAX, .piece = 65536 };
    char           buf[8];

    check_ok(agreed_pair(&w, &client, &server));
    reading.stream = writing.stream = hob_tls_stream(client);
    HOB_SCOPE(s);
    hob_go(&s, read_once, &reading);  // waits for the server
    settle();
    check_eq(hob_tls_write(client, "a", 1), 1); // while it waits
    check_eq(hob_tls_read(server, buf, sizeof buf), 1);
    hob_go(&s, send_traffic, &writing); // until there is no room: nobody reads
    uint64_t before;
    do {
        before = writing.done;
        check_ok(hob_sleep(50 * HOB_MSEC));
    } while (writing.done > before);
    check_eq(hob_tls_write(server, "b", 1), 1);
    while (reading.result == 0)
        check_ok(hob_sleep(HOB_MSEC)); // while the writer still waits
    check_eq(reading.result, 1);
    check_eq(writing.done, before);
    hob_scope_cancel(&s, "enough");
    ignore(hob_scope_end(&s));
}
