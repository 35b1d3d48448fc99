/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of OpenSSL's, and so each of libhob-tls, fails in turn: that call says so, and
 * nothing is left. Beside it, what a connection that waits takes.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <malloc.h>
#include <stdatomic.h>

#include "tls/peers.h"

/* OpenSSL's memory: counted, and the one that is to fail does. */
static atomic_long blocks, bytes, calls, fail_at;

static bool fails(void)
{
    long at = atomic_load(&fail_at);
    return atomic_fetch_add(&calls, 1) + 1 == at;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    void *ptr = fails() ? NULL : malloc(size);
    if (ptr != NULL) {
        blocks++;
        bytes += (long)malloc_usable_size(ptr);
    }
    return ptr;
}

static void counted_free(void *ptr, const char *file, int line)
{
    if (ptr != NULL) {
        blocks--;
        bytes -= (long)malloc_usable_size(ptr);
    }
    free(ptr);
}

static void *counted_realloc(void *ptr, size_t size, const char *file, int line)
{
    if (ptr == NULL)
        return counted_malloc(size, file, line);
    if (size == 0) {
        counted_free(ptr, file, line);
        return NULL;
    }
    long  before = (long)malloc_usable_size(ptr);
    void *moved = fails() ? NULL : realloc(ptr, size);
    if (moved != NULL)
        bytes += (long)malloc_usable_size(moved) - before;
    return moved;
}

/* Before anything of OpenSSL's is allocated, also by other constructors. */
__attribute__((constructor(101))) static void take_memory_over(void)
{
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        abort();
}

struct talk {
    hob_tls_opts client_opts, server_opts;
    int          failed_with; /* the first error, of any call */
    bool         is_done;
};

static int note_error(struct talk *t, ssize_t r)
{
    if (r < 0 && t->failed_with == 0)
        t->failed_with = (int)r;
    return r < 0 ? -1 : 0;
}

struct talker {
    struct talk *talk;
    hob_tls     *conn;
    const char  *says;
};

static int talk_part(void *arg)
{
    struct talker *t = arg;
    char           buf[8];
    // An end that fails is closed at once, so that the other hears of it.
    bool ok = note_error(t->talk, hob_tls_handshake(t->conn)) == 0 &&
              note_error(t->talk, hob_tls_write(t->conn, t->says, 5)) == 0 &&
              note_error(t->talk, hob_stream_read_exactly(hob_tls_stream(t->conn), buf, 5)) == 0 &&
              note_error(t->talk, hob_tls_shutdown(t->conn)) == 0 &&
              note_error(t->talk, hob_tls_read(t->conn, buf, sizeof buf)) == 0;
    hob_tls_facts facts;
    if (ok)
        ok = note_error(t->talk, hob_tls_negotiated(t->conn, &facts)) == 0;
    hob_tls_close(t->conn);
    return 0;
}

/* Configs, connections, a few words: all of it. */
static int talk(struct talk *t)
{
    CONFIG(client_config);
    CONFIG(server_config);
    hob_tls_words words;
    hob_tls      *client = NULL, *server = NULL;
    hob_tcp      *a, *b;

    t->failed_with = 0;
    t->is_done = false;
    if (note_error(t, hob_tls_config_new(&t->client_opts, &words, &client_config)) < 0 ||
        note_error(t, hob_tls_config_new(&t->server_opts, &words, &server_config)) < 0) {
        check(words.text[0] != '\0');
        return 0;
    }
    check_ok(tcp_pair(&a, &b));
    if (note_error(t, hob_tls_client(client_config, hob_tcp_stream(a), "a.example", &client)) < 0) {
        hob_tcp_close(a);
        hob_tcp_close(b);
        return 0;
    }
    if (note_error(t, hob_tls_server(server_config, hob_tcp_stream(b), &server)) < 0) {
        hob_tls_close(client);
        hob_tcp_close(b);
        return 0;
    }
    struct talker left = { t, client, "hello" }, right = { t, server, "world" };
    HOB_SCOPE(s);
    hob_go(&s, talk_part, &left);
    hob_go(&s, talk_part, &right);
    check_ok(hob_scope_end(&s));
    t->is_done = t->failed_with == 0;
    return 0;
}

TEST_ONCE(memory, any_allocation_of_openssl_may_fail)
{
    static const char *const alpn[] = { "x", NULL };
    CERT(ca);
    CERT(server);
    struct talk t = { .client_opts = { .alpn = alpn }, .server_opts = { .alpn = alpn } };
    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example", .issuer = &ca });
    hob_tls_identity id = identity_of(&server);
    t.client_opts.ca = ca.pem;
    t.client_opts.ca_len = strlen(ca.pem);
    t.server_opts.identities = &id;
    t.server_opts.identity_count = 1;
    hob_test_timeout(hob_test_is_deep() ? 1200 : 120);

    // What OpenSSL keeps for ever it has after a few runs.
    for (int i = 0; i < 3; i++) {
        check_ok(talk(&t));
        check(t.is_done);
    }
    long before_calls = calls, before_blocks = blocks;
    check_ok(talk(&t));
    long total = calls - before_calls;
    check_eq(blocks, before_blocks);
    check_gt(total, 500);

    // A step that leaves something behind does so each time; a cache fills once.
    long step = total / (hob_test_is_deep() ? 3000 : all_is_slow() ? 60 : 300) + 1;
    long failed = 0;
    for (long at = 1; at <= total; at += step) {
        long left = 1;
        for (int again = 0; again < 3 && left > 0; again++) {
            before_blocks = blocks;
            fail_at = calls + at;
            int r = talk(&t);
            fail_at = 0;
            check_ok(r);
            failed += again == 0 && t.failed_with != 0;
            left = blocks - before_blocks;
        }
        if (left > 0)
            fail("with allocation %ld of %ld failing, %ld blocks are left", at, total, left);
    }
    check_gt(failed, total / step / 8); // many are only missed by caches
    check_ok(talk(&t));
    check(t.is_done);
}

struct message {
    hob_tls *to;
    size_t   len;
};

static int receive_message(void *arg)
{
    const struct message *m = arg;
    char                 *buf = malloc(m->len);
    check(buf != NULL);
    ssize_t n = hob_stream_read_exactly(hob_tls_stream(m->to), buf, m->len);
    free(buf);
    check_eq(n, m->len);
    return 0;
}

static int pass_message(hob_tls *from, hob_tls *to, size_t len)
{
    struct message m = { to, len };
    char          *buf = calloc(1, len);
    HOB_SCOPE(s);
    hob_go(&s, receive_message, &m);
    ssize_t n = buf != NULL ? hob_tls_write(from, buf, len) : -ENOMEM;
    free(buf);
    check_eq(n, len);
    return hob_scope_end(&s);
}

/* What idle connections take, each, OpenSSL's part included, after messages of so many bytes. */
static int idle_bytes(size_t message, long *ret_each)
{
    enum { PAIRS = 16 };
    WORLD(w);
    hob_tls_opts opts = { .sessions = -1 };
    hob_tls     *ends[2 * PAIRS] = { NULL };
    check_ok(make_world(&w, &opts, NULL));
    for (int i = 0; i < 2; i++) {
        TLS(a);
        TLS(b);
        check_ok(agreed_pair(&w, &a, &b));
        check_ok(both_ways(hob_tls_stream(a), hob_tls_stream(b), 40000, 16384));
    }
    struct io reading[2 * PAIRS];
    memset(reading, 0, sizeof reading);
    HOB_SCOPE(s);
    long before = bytes;
    for (int i = 0; i < PAIRS; i++) {
        check_ok(agreed_pair(&w, &ends[2 * i], &ends[2 * i + 1]));
        for (int j = 0; j < 6; j++)
            check_ok(pass_message(ends[2 * i + j % 2], ends[2 * i + !(j % 2)], message));
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        reading[i].stream = hob_tls_stream(ends[i]);
        hob_go(&s, read_once, &reading[i]);
    }
    settle();
    long each = (bytes - before) / (2 * PAIRS);
    for (int i = 0; i < 2 * PAIRS; i++)
        hob_tls_close(ends[i]);
    ignore(hob_scope_end(&s));
    if (getenv("HOB_TEST_TELL") != NULL)
        printf("%ld bytes each after messages of %zu\n", each, message);
    *ret_each = each;
    return 0;
}

/* hob/tls.h and the guide say so. */
TEST_ON_ALL(memory, an_idle_connection_takes_less_than_20_kilobytes)
{
    long each = 0;
    check_ok(idle_bytes(2, &each));
    check_lt(each, 20 * 1024);
}

TEST_ON_ALL(memory, an_idle_connection_takes_less_than_40_kilobytes_after_large_messages)
{
    long each = 0;
    check_ok(idle_bytes(16384, &each));
    check_lt(each, 40 * 1024);
}

/* What a server remembers of clients that came and went: nothing. */
TEST(memory, clients_that_come_and_go_leave_nothing)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    long before = 0;
    for (int i = 0; i < (all_is_slow() ? 100 : 200); i++) {
        TLS(client);
        TLS(server);
        char buf[4];
        check_ok(agreed_pair(&w, &client, &server));
        check_eq(hob_tls_write(server, "hi", 2), 2);
        check_eq(hob_stream_read_exactly(hob_tls_stream(client), buf, 2), 2);
        hob_tls_close(client);
        hob_tls_close(server);
        client = server = NULL;
        if (i == 80) // the client's 64 sessions are full
            before = bytes;
    }
    check_le(bytes, before + 4096);
}
