/* SPDX-License-Identifier: MIT */
/*
 * What a peer, or whoever sits between, can send: it ends that connection, with words, in
 * bounded time, and nothing else. SURVIVAL 47, 48, 53, 56.
 */
#include <openssl/err.h>

#include "tls/peers.h"

/* A server, and the other end of its connection, which does not speak TLS. */
struct rude {
    struct world w;
    hob_tcp     *peer;
    hob_tls     *server;
};

static void free_rude(struct rude *r)
{
    hob_tcp_close(r->peer);
    hob_tls_close(r->server);
    free_world(&r->w);
}

#define RUDE(name) __attribute__((cleanup(free_rude))) struct rude name = { 0 }

static int make_rude(struct rude *r, const hob_tls_opts *server)
{
    hob_tcp *b;
    check_ok(make_world(&r->w, NULL, server));
    check_ok(tcp_pair(&r->peer, &b));
    check_ok(hob_tls_server(r->w.server_config, hob_tcp_stream(b), &r->server));
    return 0;
}

TEST_ON_ALL(hostile, http_on_the_tls_port_is_told_as_such)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    RUDE(r);
    char buf[64];
    check_ok(make_rude(&r, NULL));
    check_eq(hob_tcp_write(r.peer, request, sizeof request - 1), sizeof request - 1);
    check_err(hob_tls_handshake(r.server), HOB_ETLS);
    check_str(hob_tls_error(r.server), "the peer speaks HTTP without TLS");
    check_err(hob_tls_read(r.server, buf, sizeof buf), HOB_ETLS); // it stays
    check_err(hob_tls_write(r.server, "x", 1), HOB_ETLS);
    check_str(hob_tls_error(r.server), "the peer speaks HTTP without TLS");
}

TEST_ON_ALL(hostile, bytes_that_are_no_tls_end_the_handshake)
{
    RUDE(r);
    char buf[64] = "SSH-2.0-OpenSSH_9.2p1 and so on";
    check_ok(make_rude(&r, NULL));
    check_eq(hob_tcp_write(r.peer, buf, sizeof buf), sizeof buf);
    check_err(hob_tls_handshake(r.server), HOB_ETLS);
    check_str(hob_tls_error(r.server), "the peer does not speak TLS");
    hob_tls_close(r.server);
    r.server = NULL;
    check_le(hob_tcp_read(r.peer, buf, sizeof buf), 0); // he hears nothing but the end
}

static const unsigned char half_hello[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc };

TEST(hostile, half_a_hello_ends_at_the_limit_which_is_10_seconds)
{
    RUDE(r);
    check_ok(make_rude(&r, NULL));
    check_eq(hob_tcp_write(r.peer, half_hello, sizeof half_hello), sizeof half_hello);
    int64_t before = hob_now();
    check_err(hob_tls_handshake(r.server), -ETIMEDOUT);
    check_eq(hob_now() - before, 10 * HOB_SEC);
    check_str(hob_tls_error(r.server), "the handshake was not finished in time");
    check_err(hob_tls_handshake(r.server), -ETIMEDOUT); // for good, and at once
    check_eq(hob_now() - before, 10 * HOB_SEC);
}

/* A byte every second keeps nobody's handshake alive. */
static int drip(void *arg)
{
    for (size_t i = 0; i < 60; i++) {
        HOB_TRY(hob_sleep(HOB_SEC));
        unsigned char byte = i < sizeof half_hello ? half_hello[i] : 0;
        if (hob_tcp_write(arg, &byte, 1) < 0)
            break;
    }
    return 0;
}

TEST(hostile, a_slow_hello_ends_at_the_limit_too)
{
    RUDE(r);
    hob_tls_opts opts = { .handshake_limit_ns = 20 * HOB_SEC };
    check_ok(make_rude(&r, &opts));
    HOB_SCOPE(s);
    hob_go(&s, drip, r.peer);
    int64_t before = hob_now();
    check_err(hob_tls_handshake(r.server), -ETIMEDOUT);
    check_eq(hob_now() - before, 20 * HOB_SEC);
    hob_scope_cancel(&s, "enough");
    ignore(hob_scope_end(&s));
}

/* The deadline of whoever calls comes first, and is not for ever. */
TEST(hostile, a_handshake_goes_on_after_the_callers_deadline)
{
    WORLD(w);
    TLS(client);
    TLS(server);
    int c, s2;
    check_ok(make_world(&w, NULL, NULL));
    check_ok(tls_pair(&w, &client, &server));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * HOB_SEC));
    check_err(hob_tls_handshake(client), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
    check_ok(both_shake(client, server, &c, &s2));
    check_ok(c);
    check_ok(s2);
}

/* ---- SURVIVAL 48: many who never finish ---- */

struct crowded {
    struct world     *w;
    hob_tcp_listener *listener;
    hob_sem           unfinished; /* handshakes that may be under way at once */
    int               served, most, now;
};

static int serve_one(void *arg)
{
    struct crowded *c = *(struct crowded **)arg;
    hob_tcp        *tcp = ((void **)arg)[1];
    TLS(conn);
    char buf[4];

    int r = hob_tls_server(c->w->server_config, hob_tcp_stream(tcp), &conn);
    if (r < 0) {
        hob_tcp_close(tcp);
    } else {
        c->now++;
        if (c->now > c->most)
            c->most = c->now;
        r = hob_tls_handshake(conn);
        c->now--;
    }
    hob_sem_release(&c->unfinished);
    if (r == 0 && hob_tls_read(conn, buf, sizeof buf) > 0) {
        if (hob_tls_write(conn, "ok", 2) == 2)
            c->served++;
    }
    return 0;
}

static int accept_all(void *arg)
{
    struct crowded *c = arg;
    HOB_SCOPE(s);
    for (;;) {
        hob_tcp *tcp;
        HOB_TRY(hob_sem_acquire(&c->unfinished)); // before accept: the rest waits in its queue
        HOB_TRY(hob_tcp_accept(c->listener, &tcp));
        void *args[] = { c, tcp };
        if (hob_go_copy(&s, serve_one, args, sizeof args) < 0)
            return -ENOMEM;
    }
}

TEST_ONCE(hostile, a_thousand_who_never_finish_do_not_keep_others_out)
{
    enum { NEVER = 1000, AT_ONCE = 100 };
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    LISTENER(listener);
    static hob_tcp *never[NEVER];
    struct crowded  c = { .w = &w, .unfinished = { .permits = AT_ONCE } };
    check_ok(listen_here(&listener));
    c.listener = listener;
    HOB_SCOPE(s);
    hob_go(&s, accept_all, &c);
    for (int i = 0; i < NEVER; i++) {
        check_ok(connect_to(listener, &never[i]));
        check_eq(hob_tcp_write(never[i], half_hello, sizeof half_hello), sizeof half_hello);
    }

    // Ten at a time they run out of it, and then comes whoever stands in line.
    int64_t before = hob_now();
    TCP(tcp);
    TLS(client);
    char buf[4] = "";
    check_ok(connect_to(listener, &tcp));
    hob_tls_opts opts = { .ca = w.ca.pem, .ca_len = strlen(w.ca.pem),
                          .handshake_limit_ns = HOB_FOREVER };
    CONFIG(patient);
    check_ok(hob_tls_config_new(&opts, NULL, &patient));
    check_ok(hob_tls_client(patient, hob_tcp_stream(tcp), "a.example", &client));
    tcp = NULL;
    check_eq(hob_tls_write(client, "hi", 2), 2);
    check_eq(hob_stream_read_exactly(hob_tls_stream(client), buf, 2), 2);
    check_le(hob_now() - before, (NEVER / AT_ONCE + 1) * 10 * HOB_SEC);
    check_eq(c.served, 1);
    check_eq(c.most, AT_ONCE);
    hob_scope_cancel(&s, "enough");
    ignore(hob_scope_end(&s));
    for (int i = 0; i < NEVER; i++)
        hob_tcp_close(never[i]);
}

/* ---- the wire is cut, or a byte of it is changed ---- */

struct told {
    int     client, server; /* what the handshakes gave */
    ssize_t read;           /* what the server then read, in place of "hello" and a goodbye */
    ssize_t end;
};

static int client_part(void *arg)
{
    hob_tls *conn = arg;
    if (hob_tls_write(conn, "hello", 5) == 5)
        ignore(hob_tls_shutdown(conn));
    return 0;
}

/* A whole conversation; `left` and `right` are between. Returns the bytes that came to each. */
static int converse(struct world *w, struct between *left, struct between *right, struct told *told)
{
    hob_tcp *a, *b;
    TLS(client);
    TLS(server);
    char buf[16];

    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w->client_config, put_between(left, hob_tcp_stream(a)), "a.example",
                            &client));
    check_ok(hob_tls_server(w->server_config, put_between(right, hob_tcp_stream(b)), &server));
    struct shaking c = { client, 0 }, s = { server, 0 };
    {
        HOB_SCOPE(both);
        hob_scope_deadline(&both, hob_in(60 * HOB_SEC));
        hob_go(&both, shake_hands, &c);
        hob_go(&both, shake_hands, &s);
        check_ok(hob_scope_end(&both));
    }
    told->client = c.result;
    told->server = s.result;
    told->read = told->end = -1;
    HOB_SCOPE(rest);
    hob_scope_deadline(&rest, hob_in(30 * HOB_SEC));
    hob_go(&rest, client_part, client);
    told->read = hob_stream_read_exactly(hob_tls_stream(server), buf, 5);
    told->end = hob_tls_read(server, buf, sizeof buf);
    ignore(hob_scope_end(&rest));
    if (told->read == 5)
        check_mem(buf, "hello", told->end > 0 ? 0 : 5);
    return 0;
}

static int bytes_of_a_conversation(struct world *w, uint64_t *ret_to_client, uint64_t *ret_to_server)
{
    struct between left = { .most = 0 }, right = { .most = 0 };
    struct told    told;
    check_ok(converse(w, &left, &right, &told));
    check_ok(told.client);
    check_ok(told.server);
    check_eq(told.read, 5);
    check_eq(told.end, 0);
    *ret_to_client = left.bytes_in;
    *ret_to_server = right.bytes_in;
    return 0;
}

/* SURVIVAL 53: wherever the wire is cut, no end is taken for a goodbye. */
TEST_ONCE(hostile, a_cut_at_any_byte_is_never_a_clean_end)
{
    WORLD(w);
    hob_tls_opts opts = { .sessions = -1 };
    uint64_t     to_client, to_server;
    hob_test_timeout(hob_test_is_deep() ? 240 : 60);
    check_ok(make_world(&w, &opts, NULL));
    check_ok(bytes_of_a_conversation(&w, &to_client, &to_server));
    uint64_t step = hob_test_is_deep() ? 1 : all_is_slow() ? 61 : 7;
    // The last 100 bytes to the server are its finish, "hello" and the goodbye: each of them.
    for (uint64_t at = 1; at < to_server; at += at + 100 > to_server ? 1 : step) {
        struct between left = { .most = 0 }, right = { .cut_at = at };
        struct told    told;
        check_ok(converse(&w, &left, &right, &told));
        if (told.server != 0)
            check_err(told.server, HOB_ETLSTRUNCATED);
        check(told.read == 5 || told.read == HOB_ETLSTRUNCATED);
        check_err(told.end, HOB_ETLSTRUNCATED);
    }
    for (uint64_t at = 1; at < to_client; at += step) {
        struct between left = { .cut_at = at }, right = { .most = 0 };
        struct told    told;
        check_ok(converse(&w, &left, &right, &told));
        check(told.client == 0 || told.client == HOB_ETLSTRUNCATED);
    }
}

/* Whatever byte is changed, what is read is right or an error. Nothing protects the second half of the
 * version in front of the first record, its byte 3, and nobody looks at it (RFC 8446, 5.1): then all that
 * was said has come. */
TEST_ONCE(hostile, a_changed_byte_is_never_believed)
{
    WORLD(w);
    hob_tls_opts opts = { .sessions = -1 };
    uint64_t     to_client, to_server;
    hob_test_timeout(hob_test_is_deep() ? 240 : 60);
    check_ok(make_world(&w, &opts, NULL));
    check_ok(bytes_of_a_conversation(&w, &to_client, &to_server));
    uint64_t step = hob_test_is_deep() ? 1 : all_is_slow() ? 97 : 11;
    for (uint64_t at = 1; at <= to_server; at += step) {
        struct between left = { .most = 0 }, right = { .flip_at = at };
        struct told    told;
        check_ok(converse(&w, &left, &right, &told));
        if (told.end == 0) {
            check_eq(at, 3);
            check_eq(told.read, 5); // and converse looks at what was read
        }
    }
    for (uint64_t at = 1; at <= to_client; at += step) {
        struct between left = { .flip_at = at }, right = { .most = 0 };
        struct told    told;
        check_ok(converse(&w, &left, &right, &told));
    }
}

/* ---- random bytes, to both sides ---- */

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Records with true heads and senseless bodies, or just bytes; then the end. */
static int babble(hob_tcp *to, uint64_t *state)
{
    unsigned char buf[600];
    for (uint64_t i = next(state) % 6 + 1; i > 0; i--) {
        size_t len = next(state) % (sizeof buf - 5) + 5;
        for (size_t k = 0; k < len; k++)
            buf[k] = (unsigned char)next(state);
        if (next(state) % 4 != 0) {
            buf[0] = (unsigned char)(20 + next(state) % 5);
            buf[1] = 3;
            buf[2] = (unsigned char)(next(state) % 5);
            buf[3] = (unsigned char)((len - 5) >> 8);
            buf[4] = (unsigned char)(len - 5);
            if (next(state) % 2 == 0)
                buf[5] = (unsigned char)(1 + next(state) % 2); // ClientHello, ServerHello
        }
        if (hob_tcp_write(to, buf, len) < 0)
            break;
    }
    return hob_tcp_shutdown(to);
}

TEST(hostile, senseless_bytes_end_the_connection_and_nothing_else)
{
    WORLD(w);
    uint64_t state = hob_test_seed() * 2654435761u + 1;
    check_ok(make_world(&w, NULL, NULL));
    for (int i = 0; i < (hob_test_is_deep() ? 3000 : all_is_slow() ? 20 : 150); i++) {
        hob_tcp *a, *b;
        TLS(victim);
        char buf[8];
        check_ok(tcp_pair(&a, &b));
        if (i % 2 == 0)
            check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &victim));
        else
            check_ok(hob_tls_client(w.client_config, hob_tcp_stream(b), "a.example", &victim));
        TCP(rude);
        rude = a;
        ignore(babble(rude, &state));
        int64_t before = hob_now();
        ssize_t r = hob_tls_read(victim, buf, sizeof buf);
        check(r == HOB_ETLS || r == HOB_ETLSTRUNCATED);
        check(hob_tls_error(victim)[0] != '\0');
        check_le(hob_now() - before, 10 * HOB_SEC);
    }
    check_eq(ERR_peek_error(), 0);
}

/* Senseless bytes after the handshake, where keys are in use. */
TEST(hostile, senseless_bytes_in_the_middle_end_it)
{
    WORLD(w);
    hob_tcp *a, *b;
    TLS(client);
    TLS(server);
    char buf[8];
    int  c, s;

    check_ok(make_world(&w, NULL, NULL));
    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(a), "a.example", &client));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    check_ok(both_shake(client, server, &c, &s));
    check_eq(hob_tcp_write(a, "\x17\x03\x03\x00\x20 and thirty-one bytes of nothing..", 37), 37);
    check_err(hob_tls_read(server, buf, sizeof buf), HOB_ETLS);
    check_err(hob_tls_write(server, "x", 1), HOB_ETLS);
    check_err(hob_tls_read(client, buf, sizeof buf), HOB_ETLS); // an alert says so
    check_has(hob_tls_error(client), "the peer refused: bad record mac");
    check_err(hob_tls_shutdown(server), HOB_ETLS);
}

/* ---- SURVIVAL 56: the error queue is of the thread, not of the connection ---- */

TEST_ON_ALL(hostile, errors_of_one_connection_do_not_reach_another)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    check_ok(agreed_pair(&w, &client, &server));
    for (int i = 0; i < 4; i++) {
        RUDE(r);
        char buf[8] = "rubbish";
        check_ok(make_rude(&r, NULL));
        check_eq(hob_tcp_write(r.peer, buf, 8), 8);
        check_err(hob_tls_handshake(r.server), HOB_ETLS);
        check_eq(ERR_peek_error(), 0);

        // Somebody else on this thread leaves his in the queue, and ours goes on.
        ERR_raise(ERR_LIB_USER, 42);
        check_eq(hob_tls_write(client, "fine", 4), 4);
        ERR_raise(ERR_LIB_USER, 43);
        check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 4), 4);
        check_mem(buf, "fine", 4);
    }
    ERR_raise(ERR_LIB_USER, 44);
    check_ok(hob_tls_shutdown(client));
    char byte;
    ERR_raise(ERR_LIB_USER, 45);
    check_eq(hob_tls_read(server, &byte, 1), 0);
    check_eq(ERR_peek_error(), 0);
}
