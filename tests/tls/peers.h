/* SPDX-License-Identifier: MIT */
/*
 * Two ends that trust each other, over a TCP connection or a stream of the test's, and streams
 * that misbehave in between.
 */
#ifndef HOB_TESTS_TLS_PEERS_H
#define HOB_TESTS_TLS_PEERS_H

#include "tls/certs.h"

CLOSER(close_tls, hob_tls, hob_tls_close)
CLOSER(close_tls_config, hob_tls_config, hob_tls_config_free)

#define TLS(name)    CLOSED_BY(close_tls) hob_tls *name = NULL
#define CONFIG(name) CLOSED_BY(close_tls_config) hob_tls_config *name = NULL

/* ---- streams in between ---- */

/* Passes on, a few bytes at a time, and does what the test says at a certain call or byte. */
struct between {
    hob_stream  stream;
    hob_stream *below;
    size_t      most;       /* bytes in one call; 0: all                             */
    uint64_t    bytes_in;   /* came so far                                           */
    uint64_t    cut_at;     /* after so many of them it has ended; 0: never          */
    uint64_t    flip_at;    /* this one is changed on its way in; 0: none            */
    uint64_t    calls;      /* that could wait                                       */
    uint64_t    act_at;     /* the call at which ...                                 */
    void (*act)(void *arg); /* ... this is done first                                */
    void *arg;
    bool  is_closed;
};

static inline size_t between_len(const struct between *b, size_t len)
{
    return b->most > 0 && len > b->most ? b->most : len;
}

static inline void between_act(struct between *b)
{
    if (++b->calls == b->act_at)
        b->act(b->arg);
}

static inline ssize_t between_read(hob_stream *stream, void *buf, size_t len)
{
    struct between *b = (struct between *)stream;
    between_act(b);
    if (b->cut_at > 0 && b->bytes_in >= b->cut_at)
        return 0;
    len = between_len(b, len);
    if (b->cut_at > 0 && len > b->cut_at - b->bytes_in)
        len = (size_t)(b->cut_at - b->bytes_in);
    ssize_t n = hob_stream_read(b->below, buf, len);
    if (n > 0 && b->flip_at > b->bytes_in && b->flip_at <= b->bytes_in + (uint64_t)n)
        ((unsigned char *)buf)[b->flip_at - b->bytes_in - 1] ^= 0x40;
    if (n > 0)
        b->bytes_in += (uint64_t)n;
    return n;
}

static inline ssize_t between_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct between *b = (struct between *)stream;
    between_act(b);
    return hob_stream_write_some(b->below, buf, between_len(b, len));
}

static inline int between_shutdown(hob_stream *stream)
{
    return hob_stream_shutdown(((struct between *)stream)->below);
}

static inline void between_close(hob_stream *stream)
{
    struct between *b = (struct between *)stream;
    b->is_closed = true;
    hob_stream_close(b->below);
}

static const hob_stream_type between_type __attribute__((unused)) = {
    .name = "between",
    .read = between_read,
    .write_some = between_write_some,
    .shutdown = between_shutdown,
    .close = between_close,
};

static inline hob_stream *put_between(struct between *b, hob_stream *below)
{
    b->stream.type = &between_type;
    b->below = below;
    return &b->stream;
}

/* ---- who they are ---- */

struct world {
    struct cert     ca, server, client;
    hob_tls_config *client_config, *server_config;
};

static inline void free_world(struct world *w)
{
    hob_tls_config_free(w->client_config);
    hob_tls_config_free(w->server_config);
    free_cert(&w->ca);
    free_cert(&w->server);
    free_cert(&w->client);
}

#define WORLD(name) __attribute__((cleanup(free_world))) struct world name = { 0 }

/* A server for a.example (and 127.0.0.1), and a client that trusts its issuer. What else they
 * want is in the options, which may be NULL. */
static inline int make_world(struct world *w, const hob_tls_opts *client, const hob_tls_opts *server)
{
    hob_tls_words words = { "" };

    w->ca = make_ca("Test CA");
    w->server = make_cert((struct cert_opts){
        .cn = "server", .names = "DNS:a.example,IP:127.0.0.1,IP:::1", .issuer = &w->ca });
    w->client = make_cert((struct cert_opts){ .cn = "client", .issuer = &w->ca });

    hob_tls_identity id = identity_of(&w->server);
    hob_tls_opts     c = client != NULL ? *client : (hob_tls_opts){ 0 };
    hob_tls_opts     s = server != NULL ? *server : (hob_tls_opts){ 0 };
    c.ca = w->ca.pem;
    c.ca_len = strlen(w->ca.pem);
    if (s.identity_count == 0) {
        s.identities = &id;
        s.identity_count = 1;
    }
    if (s.ask_client != HOB_TLS_ASK_NONE) {
        s.ca = w->ca.pem;
        s.ca_len = strlen(w->ca.pem);
    }
    int r = hob_tls_config_new(&c, &words, &w->client_config);
    if (r == 0)
        r = hob_tls_config_new(&s, &words, &w->server_config);
    if (r < 0)
        fprintf(stderr, "%s\n", words.text);
    return r;
}

/* ---- handshakes, reads and writes at both ends at once ---- */

struct shaking {
    hob_tls *conn;
    int      result;
};

static inline int shake_hands(void *arg)
{
    struct shaking *s = (struct shaking *)arg;
    s->result = hob_tls_handshake(s->conn);
    return 0;
}

/* Both handshakes. What they gave is in *ret_client and *ret_server; 0 says only that they ended. */
static inline int both_shake(hob_tls *client, hob_tls *server, int *ret_client, int *ret_server)
{
    struct shaking a = { client, 0 }, b = { server, 0 };
    HOB_SCOPE(s);
    hob_go_with(&s, shake_hands, &a, &(hob_task_opts){ .name = "client" });
    hob_go_with(&s, shake_hands, &b, &(hob_task_opts){ .name = "server" });
    int r = hob_scope_end(&s);
    *ret_client = a.result;
    *ret_server = b.result;
    return r;
}

/* Two ends over TCP. */
static inline int tls_pair_of(hob_tls_config *client_config, hob_tls_config *server_config,
                              const char *name, hob_tls **ret_client, hob_tls **ret_server)
{
    hob_tcp *a = NULL, *b = NULL;

    check_ok(tcp_pair(&a, &b));
    int r = hob_tls_client(client_config, hob_tcp_stream(a), name, ret_client);
    if (r < 0) {
        hob_tcp_close(a);
        hob_tcp_close(b);
        return r;
    }
    r = hob_tls_server(server_config, hob_tcp_stream(b), ret_server);
    if (r < 0)
        hob_tcp_close(b);
    return r;
}

static inline int tls_pair(struct world *w, hob_tls **ret_client, hob_tls **ret_server)
{
    return tls_pair_of(w->client_config, w->server_config, "a.example", ret_client, ret_server);
}

/* Two ends that have agreed. */
static inline int agreed_pair(struct world *w, hob_tls **ret_client, hob_tls **ret_server)
{
    int c, s;
    check_ok(tls_pair(w, ret_client, ret_server));
    check_ok(both_shake(*ret_client, *ret_server, &c, &s));
    check_ok(c);
    check_ok(s);
    return 0;
}

/* Sends `bytes` each way at once, and checks each of them. */
static inline int both_ways(hob_stream *a, hob_stream *b, uint64_t bytes, size_t piece)
{
    struct traffic up = { .stream = a, .bytes = bytes, .piece = piece, .salt = 1 };
    struct traffic up_end = { .stream = b, .bytes = bytes, .piece = piece, .salt = 1 };
    struct traffic down = { .stream = b, .bytes = bytes, .piece = piece, .salt = 2 };
    struct traffic down_end = { .stream = a, .bytes = bytes, .piece = piece, .salt = 2 };
    HOB_SCOPE(s);
    hob_go(&s, send_traffic, &up);
    hob_go(&s, receive_traffic, &up_end);
    hob_go(&s, send_traffic, &down);
    hob_go(&s, receive_traffic, &down_end);
    return hob_scope_end(&s);
}

#endif
