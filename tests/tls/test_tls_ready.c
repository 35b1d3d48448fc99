/* SPDX-License-Identifier: MIT */
/* Waiting for a peer without reading: hob_stream_ready_prep over TLS. */
#include "tls/peers.h"

/* What came with the handshake is read: a client's tickets. */
static int quiet_pair(struct world *w, hob_tls **ret_client, hob_tls **ret_server)
{
    char buf[8];
    check_ok(agreed_pair(w, ret_client, ret_server));
    check_eq(hob_tls_write(*ret_server, "hello", 5), 5);
    check_eq(hob_stream_read_exactly(hob_tls_stream(*ret_client), buf, 5), 5);
    return 0;
}

static void note_result(void *arg, ssize_t result)
{
    *(ssize_t *)arg = result;
}

TEST_ON_ALL(tls_ready, whoever_waits_hears_of_the_first_bytes_and_takes_none)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    hob_op  op;
    ssize_t result = 77;
    char    buf[8] = "";
    HOB_SCOPE(s);

    check_ok(quiet_pair(&w, &client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
    hob_op_call(&s, &op, note_result, &result);
    settle();
    check_eq(result, 77);
    check_eq(hob_tls_write(client, "again", 5), 5);
    for (int i = 0; i < 1000 && result == 77; i++)
        check_ok(hob_sleep(HOB_MSEC));
    check_eq(result, 1);
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 5), 5);
    check_str(buf, "again");
}

/* Several records come in one read of what is below: then nobody else could tell of the second. */
TEST_ON_ALL(tls_ready, while_something_is_here_a_read_is_the_way)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    hob_op op;
    char   buf[64];

    check_ok(quiet_pair(&w, &client, &server));
    check_eq(hob_tls_write(client, "one", 3), 3);
    check_eq(hob_tls_write(client, "two", 3), 3);
    settle();
    check_eq(hob_tls_read(server, buf, 1), 1); // of the first record
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(server)), -EALREADY);
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 5), 5);
    check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
    check_eq(hob_tls_write(client, "three", 5), 5);
    check_eq(hob_op_await(&op), 1);
}

TEST_ON_ALL(tls_ready, before_they_have_agreed_a_read_is_the_way)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    hob_op op;

    check_ok(tls_pair(&w, &client, &server));
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(server)), -EALREADY);
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(client)), -EALREADY);
}

/* A goodbye is bytes; a peer that is gone is the end of what is below. */
TEST_ON_ALL(tls_ready, a_peer_that_leaves_is_heard_of)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    hob_op op;
    char   buf[8];

    check_ok(quiet_pair(&w, &client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
    check_ok(hob_tls_shutdown(client));
    check_eq(hob_op_await(&op), 1);
    check_eq(hob_tls_read(server, buf, sizeof buf), 0);
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(server)), -EALREADY); // a read says so again
    check_eq(hob_tls_read(server, buf, sizeof buf), 0);
}

/* A read waits for the rest, and until then it is the one that does. */
TEST_ON_ALL(tls_ready, part_of_a_record_is_only_bytes)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    hob_tcp *below_client = NULL, *below_server = NULL;
    hob_op   op;
    char     buf[8] = "";
    int      c, r;

    check_ok(tcp_pair(&below_client, &below_server));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(below_client), "a.example", &client));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(below_server), &server));
    check_ok(both_shake(client, server, &c, &r));
    check_ok(c);
    check_ok(r);
    check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
    check_eq(hob_tcp_write(below_client, "\x17\x03\x03", 3), 3);
    check_eq(hob_op_await(&op), 1);
    {
        HOB_SCOPE(soon);
        hob_scope_deadline(&soon, hob_in(20 * HOB_MSEC));
        check_eq(hob_tls_read(server, buf, sizeof buf), -ETIMEDOUT);
        ignore(hob_scope_end(&soon));
    }
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(server)), -EALREADY);
    check_eq(hob_tcp_write(below_client, "\0\1x", 3), 3);
    check_eq(hob_tls_read(server, buf, sizeof buf), HOB_ETLS);
    check_eq(hob_stream_ready_prep(&op, hob_tls_stream(server)), -EALREADY); // a read says so again
}

TEST_ON_ALL(tls_ready, whoever_stops_waiting_has_lost_nothing)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    char buf[8] = "";

    check_ok(quiet_pair(&w, &client, &server));
    for (int i = 0; i < 20; i++) {
        hob_op  op;
        ssize_t result = 77;
        HOB_SCOPE(s);
        check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
        hob_op_call(&s, &op, note_result, &result);
        if (i % 2 == 0)
            check_eq(hob_tls_write(client, "x", 1), 1);
        if (i % 3 == 0)
            settle();
        hob_op_cancel(&op);
        ignore(hob_scope_end(&s));
        check(result == 1 || result == -ECANCELED);
        if (i % 2 == 0)
            check_eq(hob_tls_read(server, buf, sizeof buf), 1);
    }
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 100000, 3000));
}

TEST_ON_ALL(tls_ready, a_close_ends_the_waiting)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    hob_tls *server = NULL;
    hob_op   op;
    ssize_t  result = 77;
    HOB_SCOPE(s);

    check_ok(quiet_pair(&w, &client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tls_stream(server)));
    hob_op_call(&s, &op, note_result, &result);
    settle();
    hob_tls_close(server);
    ignore(hob_scope_end(&s));
    check_eq(result, -ECANCELED);
}
