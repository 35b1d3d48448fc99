/* SPDX-License-Identifier: MIT */
/* Who is believed and who is not, and that the words say why. SURVIVAL 49 to 52, 55, 57. */
#include <openssl/err.h>

#include "support/workers.h"
#include "tls/peers.h"

/* A server with this certificate; a client that trusts `ca` and wants `name`. */
static int meet(const struct cert *ca, const struct cert *server, const char *name,
                hob_tls_words *ret_words, int *ret_server)
{
    hob_tls_identity id = identity_of(server);
    hob_tls_opts     client_opts = { .ca = ca->pem, .ca_len = strlen(ca->pem) };
    hob_tls_opts     server_opts = { .identities = &id, .identity_count = 1 };
    CONFIG(client_config);
    CONFIG(server_config);
    TLS(a);
    TLS(b);
    int c = 0;

    check_ok(hob_tls_config_new(&client_opts, NULL, &client_config));
    check_ok(hob_tls_config_new(&server_opts, NULL, &server_config));
    int r = tls_pair_of(client_config, server_config, name, &a, &b);
    if (r < 0)
        return r;
    check_ok(both_shake(a, b, &c, ret_server));
    snprintf(ret_words->text, sizeof ret_words->text, "%s", hob_tls_error(a));
    return c;
}

/* A certificate of these names, and a client that wants that one. */
static int meet_as(const char *names, const char *wanted, hob_tls_words *ret_words)
{
    CERT(ca);
    CERT(server);
    int s;
    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "common.example", .names = names, .issuer = &ca });
    return meet(&ca, &server, wanted, ret_words, &s);
}

TEST(trust, an_expired_certificate_is_refused_with_its_day)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;
    char          day[16], sentence[64];
    time_t        then = (time_t)(hob_wall_now() / HOB_SEC) - 2 * DAY_S;

    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example", .issuer = &ca,
                                           .from_s = -9 * DAY_S, .to_s = -2 * DAY_S });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    strftime(day, sizeof day, "%Y-%m-%d", gmtime(&then));
    snprintf(sentence, sizeof sentence, "certificate expired %s", day);
    check_str(words.text, sentence);
    check_err(s, HOB_ETLS); // the server hears of it
}

TEST(trust, one_that_is_not_valid_yet_is_refused)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;

    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example", .issuer = &ca,
                                           .from_s = 2 * DAY_S, .to_s = 9 * DAY_S });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    check_has(words.text, "certificate is not valid before ");
}

TEST(trust, one_signed_by_itself_is_refused)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;

    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example" });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    check_str(words.text, "certificate is signed by itself, and not one we trust");
}

TEST(trust, one_signed_by_somebody_else_is_refused_with_his_name)
{
    CERT(ca);
    CERT(other);
    CERT(server);
    hob_tls_words words;
    int           s;

    ca = make_ca("Test CA");
    other = make_ca("Somebody\n Else");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example", .issuer = &other });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    check_str(words.text,
              "certificate is signed by Somebody? Else, which we do not trust");
}

TEST(trust, one_that_is_not_for_servers_is_refused)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;

    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = "DNS:a.example", .issuer = &ca,
                                           .usage = "clientAuth" });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    check_str(words.text, "certificate is not for servers");
}

TEST(trust, one_for_somebody_else_is_refused_with_both_names)
{
    hob_tls_words words;
    check_err(meet_as("DNS:a.example,IP:10.1.2.3", "b.example", &words), HOB_ETLSCERT);
    check_str(words.text, "certificate is for a.example, 10.1.2.3, not b.example");
}

TEST(trust, names_are_matched_as_rfc_9525_says)
{
    static const struct {
        const char *names, *wanted;
        int         result;
    } cases[] = {
        { "DNS:a.example", "a.example", 0 },
        { "DNS:A.example", "a.EXAMPLE", 0 },
        { "DNS:a.example", "a.example.", 0 },            // the dot of the root
        { "DNS:*.example.org", "a.example.org", 0 },
        { "DNS:*.example.org", "example.org", HOB_ETLSCERT },
        { "DNS:*.example.org", "a.b.example.org", HOB_ETLSCERT },
        { "DNS:a*.example.org", "ab.example.org", HOB_ETLSCERT }, // not a whole label
        { "DNS:b.*.org", "b.example.org", HOB_ETLSCERT },         // not the first one
        { "DNS:b.example", "common.example", HOB_ETLSCERT },      // never the subject
        { NULL, "common.example", HOB_ETLSCERT },
        { "IP:127.0.0.1", "127.0.0.1", 0 },
        { "IP:::1", "::1", 0 },
        { "IP:::1", "0:0:0:0:0:0:0:1", 0 },
        { "DNS:127.0.0.1", "127.0.0.1", HOB_ETLSCERT },           // an address is no name
        { "IP:127.0.0.1", "127.1", HOB_ETLSCERT },
        { "DNS:*.0.0.1", "127.0.0.1", HOB_ETLSCERT },
        { "DNS:sub.a.example", ".a.example", -EINVAL },           // OpenSSL: "whatever ends so"
        { "DNS:a.example", "", -EINVAL },
        { "DNS:a.example", ".", -EINVAL },
        { "DNS:a.example", "a..example", -EINVAL },
        { "DNS:a.example", "*.example", -EINVAL },
        { "DNS:a.example", "a.example/x", -EINVAL },
        { "DNS:a.example", "b\xc3\xbc" "cher.example", -EINVAL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hob_tls_words words = { "" };
        int           r = meet_as(cases[i].names, cases[i].wanted, &words);
        if (r != cases[i].result)
            fail("%s for %s: %s, not %s (%s)", cases[i].names ? cases[i].names : "no name",
                 cases[i].wanted, hob_error_name(r), hob_error_name(cases[i].result), words.text);
    }
}

TEST(trust, a_name_that_is_too_long_is_never_cut)
{
    char          name[260];
    hob_tls_words words = { "" };

    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[254] = '\0';
    check_err(meet_as("DNS:a.example", name, &words), -EINVAL);
    name[253] = '\0';
    check_err(meet_as("DNS:a.example", name, &words), HOB_ETLSCERT);
}

TEST(trust, a_nul_in_a_name_hides_nothing)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;

    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .issuer = &ca,
                                           .nul_name = "a.example!.evil.example" });
    check_err(meet(&ca, &server, "a.example", &words, &s), HOB_ETLSCERT);
    check_str(words.text, "certificate is for a.example?, not a.example");
}

/* A certificate of 30,000 bytes: more than is sent, or read, at a time. */
TEST_ON_ALL(trust, a_large_certificate_goes_through)
{
    CERT(ca);
    CERT(server);
    hob_tls_words words;
    int           s;
    static char   names[40000];
    size_t        len = 0;

    for (int i = 0; i < 1200; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "DNS:host-number-%04d.example,", i);
    snprintf(names + len, sizeof names - len, "DNS:a.example");
    ca = make_ca("Test CA");
    server = make_cert((struct cert_opts){ .cn = "s", .names = names, .issuer = &ca });
    check_ok(meet(&ca, &server, "a.example", &words, &s));
    check_ok(s);
    check_err(meet(&ca, &server, "b.example", &words, &s), HOB_ETLSCERT);
    check_str(words.text, "certificate is for host-number-0000.example, host-number-0001.example, "
                          "host-number-0002.example, ..., not b.example");
}

TEST(trust, the_system_trusts_none_of_ours)
{
    WORLD(w);
    CONFIG(config);
    TLS(client);
    TLS(server);
    int c, s;

    check_ok(make_world(&w, NULL, NULL));
    check_ok(hob_tls_config_new(NULL, NULL, &config));
    check_ok(tls_pair_of(config, w.server_config, "a.example", &client, &server));
    check_ok(both_shake(client, server, &c, &s));
    check_err(c, HOB_ETLSCERT);
}

TEST(trust, who_says_so_accepts_everybody)
{
    WORLD(w);
    CONFIG(config);
    TLS(client);
    TLS(server);
    hob_tls_facts facts;
    int           c, s;

    check_ok(make_world(&w, NULL, NULL));
    check_ok(hob_tls_config_new(NULL, NULL, &config));
    hob_tls_insecure_skip_verify(config);
    check_ok(tls_pair_of(config, w.server_config, NULL, &client, &server));
    check_ok(both_shake(client, server, &c, &s));
    check_ok(c);
    check_ok(s);
    check_ok(hob_tls_negotiated(client, &facts));
    check_eq(facts.verified, 0);
    check_str(facts.peer_subject, "CN=server");
}

TEST(trust, without_it_a_client_needs_a_name)
{
    WORLD(w);
    TLS(client);
    TLS(server);
    check_ok(make_world(&w, NULL, NULL));
    check_err(tls_pair_of(w.client_config, w.server_config, NULL, &client, &server), -EINVAL);
}

/* ---- certificates of clients ---- */

/* Where a fault is tried, one side may have given up without a word to the other. */
#define PATIENTLY                                                                  \
    HOB_SCOPE(patience);                                                           \
    hob_scope_deadline(&patience, hob_in(100 * HOB_SEC))

static int meet_client(hob_tls_ask ask, const struct cert *client_cert, const char *expected_subject,
                       int *ret_server)
{
    PATIENTLY;
    WORLD(w);
    hob_tls_opts     server_opts = { .ask_client = ask };
    hob_tls_identity id = { 0 };
    hob_tls_opts     client_opts = { 0 };
    if (client_cert != NULL) {
        id = identity_of(client_cert);
        client_opts.identities = &id;
        client_opts.identity_count = 1;
    }
    check_ok(make_world(&w, &client_opts, &server_opts));

    // The one of the world is signed by its authority.
    CONFIG(with_own);
    if (client_cert == NULL && expected_subject != NULL) {
        id = identity_of(&w.client);
        hob_tls_opts own = { .ca = w.ca.pem, .ca_len = strlen(w.ca.pem), .identities = &id,
                             .identity_count = 1 };
        check_ok(hob_tls_config_new(&own, NULL, &with_own));
    }
    TLS(client);
    TLS(server);
    int c;
    check_ok(tls_pair_of(with_own != NULL ? with_own : w.client_config, w.server_config,
                         "a.example", &client, &server));
    check_ok(both_shake(client, server, &c, ret_server));
    if (*ret_server == 0) {
        hob_tls_facts facts;
        check_ok(hob_tls_negotiated(server, &facts));
        check_str(facts.peer_subject, expected_subject != NULL ? expected_subject : "");
        check_eq(facts.verified, expected_subject != NULL);
        return 0;
    }
    // A client of TLS 1.3 hears of it when it reads.
    char byte;
    check_err(hob_tls_read(client, &byte, 1), HOB_ETLS);
    check_has(hob_tls_error(client), "the peer refused: ");
    return 0;
}

TEST(trust, a_server_takes_clients_by_their_certificates)
{
    CERT(stranger);
    int s;
    stranger = make_cert((struct cert_opts){ .cn = "stranger" });

    check_ok(meet_client(HOB_TLS_ASK_NONE, &stranger, NULL, &s));
    check_ok(s);
    check_ok(meet_client(HOB_TLS_ASK_OPTIONAL, NULL, NULL, &s));
    check_ok(s);
    check_ok(meet_client(HOB_TLS_ASK_OPTIONAL, NULL, "CN=client", &s));
    check_ok(s);
    check_ok(meet_client(HOB_TLS_ASK_REQUIRED, NULL, "CN=client", &s));
    check_ok(s);
    check_ok(meet_client(HOB_TLS_ASK_REQUIRED, NULL, NULL, &s));
    check_err(s, HOB_ETLSCERT);
    check_ok(meet_client(HOB_TLS_ASK_OPTIONAL, &stranger, NULL, &s));
    check_err(s, HOB_ETLSCERT);
}

TEST(trust, a_server_says_whose_clients_it_takes)
{
    WORLD(w);
    CONFIG(config);
    hob_tls_words words;
    check_ok(make_world(&w, NULL, NULL));
    hob_tls_identity id = identity_of(&w.server);
    hob_tls_opts opts = { .identities = &id, .identity_count = 1,
                          .ask_client = HOB_TLS_ASK_REQUIRED };
    check_err(hob_tls_config_new(&opts, &words, &config), HOB_ETLSCONFIG);
    check_has(words.text, "say by ca_file, ca_dir or ca");
}

/* ---- versions, ciphers, ALPN ---- */

/* A client of OpenSSL's own, over memory, that offers what ours would never. Returns what the
 * server's handshake gave. */
struct raw_client {
    SSL_CTX    *ctx;
    SSL        *ssl;
    hob_stream *stream;
    int         result; /* of SSL_do_handshake: 1 is success */
};

static int raw_pump(struct raw_client *raw)
{
    char  buf[4096];
    BIO  *out = SSL_get_wbio(raw->ssl), *in = SSL_get_rbio(raw->ssl);
    int   n;
    while ((n = BIO_read(out, buf, sizeof buf)) > 0) {
        if (hob_stream_write(raw->stream, buf, (size_t)n) < 0)
            return -EPIPE;
    }
    ssize_t got = hob_stream_read(raw->stream, buf, sizeof buf);
    if (got > 0)
        BIO_write(in, buf, (int)got);
    return got > 0 ? 0 : -EPIPE;
}

static int raw_shake(void *arg)
{
    struct raw_client *raw = arg;
    for (;;) {
        ERR_clear_error();
        raw->result = SSL_do_handshake(raw->ssl);
        int why = SSL_get_error(raw->ssl, raw->result);
        ERR_clear_error();
        if (raw->result == 1 || why != SSL_ERROR_WANT_READ)
            break;
        if (raw_pump(raw) < 0)
            break;
    }
    char buf[4096];
    int  n;
    while ((n = BIO_read(SSL_get_wbio(raw->ssl), buf, sizeof buf)) > 0)
        ignore(hob_stream_write(raw->stream, buf, (size_t)n));
    return 0;
}

static void raw_open(struct raw_client *raw, hob_stream *stream, int min, int max,
                     const char *ciphers)
{
    *raw = (struct raw_client){ .ctx = SSL_CTX_new(TLS_client_method()), .stream = stream };
    SSL_CTX_set_security_level(raw->ctx, 0);
    SSL_CTX_set_min_proto_version(raw->ctx, min);
    SSL_CTX_set_max_proto_version(raw->ctx, max);
    if (ciphers != NULL)
        SSL_CTX_set_cipher_list(raw->ctx, ciphers);
    raw->ssl = SSL_new(raw->ctx);
    SSL_set_connect_state(raw->ssl);
    SSL_set_bio(raw->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(raw->ssl), -1);
    BIO_set_mem_eof_return(SSL_get_wbio(raw->ssl), -1);
}

static void raw_close(struct raw_client *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ctx);
    ERR_clear_error();
}

static int server_meets(int min, int max, const char *ciphers, hob_tls_words *ret_words)
{
    PATIENTLY;
    WORLD(w);
    TCP(a);
    hob_tcp          *b = NULL;
    struct raw_client raw;
    TLS(server);

    check_ok(make_world(&w, NULL, NULL));
    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    raw_open(&raw, hob_tcp_stream(a), min, max, ciphers);
    struct shaking shaking = { server, 0 };
    HOB_SCOPE(s);
    hob_go_with(&s, raw_shake, &raw, &(hob_task_opts){ .stack_bytes = 256 << 10 });
    hob_go(&s, shake_hands, &shaking);
    ignore(hob_scope_end(&s));
    snprintf(ret_words->text, sizeof ret_words->text, "%s", hob_tls_error(server));
    raw_close(&raw);
    return shaking.result;
}

/* SURVIVAL 51. */
TEST(trust, old_versions_and_weak_ciphers_are_refused)
{
    hob_tls_words words;

    check_ok(server_meets(TLS1_2_VERSION, TLS1_2_VERSION, NULL, &words));
    check_ok(server_meets(TLS1_3_VERSION, TLS1_3_VERSION, NULL, &words));
    check_err(server_meets(TLS1_VERSION, TLS1_VERSION, NULL, &words), HOB_ETLS);
    check_str(words.text, "no version of TLS in common");
    check_err(server_meets(TLS1_1_VERSION, TLS1_1_VERSION, NULL, &words), HOB_ETLS);
    check_err(server_meets(TLS1_2_VERSION, TLS1_2_VERSION, "eNULL", &words), HOB_ETLS);
    check_str(words.text, "no cipher in common");
    check_err(server_meets(TLS1_2_VERSION, TLS1_2_VERSION, "aNULL", &words), HOB_ETLS);
}

TEST(trust, a_server_can_want_the_newest_version)
{
    WORLD(w);
    hob_tls_opts opts = { .min_version = 13 };
    TLS(client);
    TLS(server);
    hob_tls_facts facts;
    check_ok(make_world(&w, NULL, &opts));
    check_ok(agreed_pair(&w, &client, &server));
    check_ok(hob_tls_negotiated(server, &facts));
    check_str(facts.version, "TLSv1.3");
}

/* Reads until the end or an error, which it notes. */
static int read_out(void *arg)
{
    struct io *io = arg;
    do {
        io->result = hob_stream_read(io->stream, io->room, sizeof io->room);
    } while (io->result > 0);
    return 0;
}

/* SURVIVAL 51: a client that asks for it again and again is told no, costs nothing that stays,
 * and what it says besides arrives. */
TEST(trust, renegotiation_is_refused)
{
    PATIENTLY;
    WORLD(w);
    TCP(a);
    hob_tcp          *b = NULL;
    struct raw_client raw;
    TLS(server);

    check_ok(make_world(&w, NULL, NULL));
    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    raw_open(&raw, hob_tcp_stream(a), TLS1_2_VERSION, TLS1_2_VERSION, NULL);
    struct shaking shaking = { server, 0 };
    struct io      reading = { .stream = hob_tls_stream(server) };
    HOB_SCOPE(s);
    hob_go_with(&s, raw_shake, &raw, &(hob_task_opts){ .stack_bytes = 256 << 10 });
    hob_go(&s, shake_hands, &shaking);
    settle();
    expect_eq(raw.result, 1);
    expect_eq(shaking.result, 0);
    if (raw.result == 1 && shaking.result == 0) { // else both have failed, and may be on their way yet
        hob_go(&s, read_out, &reading);
        expect_eq(SSL_renegotiate(raw.ssl), 1);
        ignore(raw_shake(&raw)); // the server answers with an alert, and the client gives up
        expect(raw.result != 1);
        ignore(hob_tcp_shutdown(a));
    }
    ignore(hob_scope_end(&s));
    expect(reading.result < 0);
    raw_close(&raw);
}

/* SURVIVAL 55. */
TEST(trust, no_protocol_in_common_fails_with_an_alert)
{
    static const char *const h2[] = { "h2", NULL };
    static const char *const http[] = { "http/1.1", NULL };
    WORLD(w);
    hob_tls_opts client_opts = { .alpn = h2 }, server_opts = { .alpn = http };
    TLS(client);
    TLS(server);
    int c, s;

    check_ok(make_world(&w, &client_opts, &server_opts));
    check_ok(tls_pair(&w, &client, &server));
    check_ok(both_shake(client, server, &c, &s));
    check_err(c, HOB_ETLS);
    check_err(s, HOB_ETLS);
    check_str(hob_tls_error(server), "no protocol in common (ALPN)");
    check_str(hob_tls_error(client), "the peer refused: no application protocol");
}

TEST(trust, who_offers_no_protocol_gets_none)
{
    static const char *const http[] = { "http/1.1", NULL };
    WORLD(w);
    hob_tls_opts  server_opts = { .alpn = http };
    hob_tls_facts facts;
    TLS(client);
    TLS(server);

    check_ok(make_world(&w, NULL, &server_opts));
    check_ok(agreed_pair(&w, &client, &server));
    check_ok(hob_tls_negotiated(server, &facts));
    check_str(facts.alpn, "");
}

/* SURVIVAL 52: key updates, as many as the peer likes, are answered by a reader that reads on. */
TEST(trust, key_updates_are_answered)
{
    PATIENTLY;
    WORLD(w);
    TCP(a);
    hob_tcp          *b = NULL;
    struct raw_client raw;
    TLS(server);
    char buf[8] = "";

    check_ok(make_world(&w, NULL, NULL));
    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_server(w.server_config, hob_tcp_stream(b), &server));
    raw_open(&raw, hob_tcp_stream(a), TLS1_3_VERSION, TLS1_3_VERSION, NULL);
    struct shaking shaking = { server, 0 };
    HOB_SCOPE(s);
    hob_go_with(&s, raw_shake, &raw, &(hob_task_opts){ .stack_bytes = 256 << 10 });
    hob_go(&s, shake_hands, &shaking);
    ignore(hob_scope_end(&s));
    expect_eq(raw.result, 1);
    for (int i = 0; i < 50; i++) {
        expect_eq(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        expect_eq(SSL_write(raw.ssl, "x", 1), 1);
        ERR_clear_error();
        char wire[4096];
        int  n;
        while ((n = BIO_read(SSL_get_wbio(raw.ssl), wire, sizeof wire)) > 0)
            expect_eq(hob_stream_write(raw.stream, wire, (size_t)n), n);
        expect_eq(hob_tls_read(server, buf, sizeof buf), 1);
        expect_eq(hob_tls_write(server, "y", 1), 1);
    }
    // All answers and all bytes are there, under keys that moved on.
    int got = 0;
    while (got < 50 && raw_pump(&raw) == 0) {
        int n;
        while ((n = SSL_read(raw.ssl, buf, sizeof buf)) > 0)
            got += n;
        ERR_clear_error();
    }
    expect_eq(got, 50);
    expect_eq(SSL_SESSION_get_max_early_data(SSL_get0_session(raw.ssl)), 0); // no 0-RTT
    expect(SSL_SESSION_has_ticket(SSL_get0_session(raw.ssl)));
    raw_close(&raw);
}

/* ---- sessions ---- */

static int resumed_after(struct world *w, int *ret_resumed)
{
    TLS(client);
    TLS(server);
    hob_tls_facts facts;
    char          buf[4];

    check_ok(agreed_pair(w, &client, &server));
    check_eq(hob_tls_write(server, "hi", 2), 2); // the tickets come before it
    check_eq(hob_stream_read_exactly(hob_tls_stream(client), buf, 2), 2);
    check_ok(hob_tls_negotiated(client, &facts));
    *ret_resumed = facts.resumed;
    check_eq(facts.verified, 1);
    return 0;
}

/* SURVIVAL 52. */
TEST(trust, a_client_resumes_its_session_with_the_same_peer)
{
    WORLD(w);
    int resumed = -1;
    check_ok(make_world(&w, NULL, NULL));
    check_ok(resumed_after(&w, &resumed));
    check_eq(resumed, 0);
    for (int i = 0; i < 5; i++) {
        check_ok(resumed_after(&w, &resumed));
        check_eq(resumed, 1);
    }
    check_ok(hob_tls_config_reload(w.server_config, NULL, NULL)); // its tickets are still good
    check_ok(resumed_after(&w, &resumed));
    check_eq(resumed, 1);
    check_ok(hob_tls_config_reload(w.client_config, NULL, NULL)); // it has forgotten all
    check_ok(resumed_after(&w, &resumed));
    check_eq(resumed, 0);
}

TEST(trust, a_client_without_sessions_begins_anew)
{
    WORLD(w);
    hob_tls_opts opts = { .sessions = -1 };
    int          resumed = -1;
    check_ok(make_world(&w, &opts, NULL));
    check_ok(resumed_after(&w, &resumed));
    check_ok(resumed_after(&w, &resumed));
    check_eq(resumed, 0);
}

/* ---- several certificates, and new ones ---- */

static int subject_for(hob_tls_config *client_config, hob_tls_config *server_config,
                       const char *name, char subject[64])
{
    TLS(client);
    TLS(server);
    hob_tls_facts facts;
    int           c, s;

    check_ok(tls_pair_of(client_config, server_config, name, &client, &server));
    check_ok(both_shake(client, server, &c, &s));
    if (c < 0)
        return c;
    check_ok(hob_tls_negotiated(client, &facts));
    snprintf(subject, 64, "%s", facts.peer_subject);
    return 0;
}

TEST(trust, a_server_shows_the_certificate_for_the_name_that_is_asked_for)
{
    CERT(ca);
    CERT(a);
    CERT(b);
    CERT(star);
    ca = make_ca("Test CA");
    // Of another kind of key than the first: what the client likes better must not decide.
    a = make_cert((struct cert_opts){ .cn = "a", .names = "DNS:a.example", .issuer = &ca });
    b = make_cert((struct cert_opts){ .cn = "b", .names = "DNS:b.example", .issuer = &ca,
                                      .rsa_bits = 2048 });
    star = make_cert((struct cert_opts){ .cn = "star", .names = "DNS:*.c.example", .issuer = &ca });
    hob_tls_identity ids[] = { identity_of(&a), identity_of(&b), identity_of(&star) };
    hob_tls_opts     client_opts = { .ca = ca.pem, .ca_len = strlen(ca.pem) };
    hob_tls_opts     server_opts = { .identities = ids, .identity_count = 3 };
    CONFIG(client_config);
    CONFIG(server_config);
    char subject[64] = "";

    check_ok(hob_tls_config_new(&client_opts, NULL, &client_config));
    check_ok(hob_tls_config_new(&server_opts, NULL, &server_config));
    check_ok(subject_for(client_config, server_config, "b.example", subject));
    check_str(subject, "CN=b");
    check_ok(subject_for(client_config, server_config, "a.example", subject));
    check_str(subject, "CN=a");
    check_ok(subject_for(client_config, server_config, "x.c.example", subject));
    check_str(subject, "CN=star");
    check_err(subject_for(client_config, server_config, "d.example", subject), HOB_ETLSCERT);
}

static int put_pem(const char *path, const char *pem)
{
    hob_file *file;
    check_ok(hob_file_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600, &file));
    ssize_t n = hob_file_write(file, pem, strlen(pem));
    hob_file_close(file);
    check_eq(n, strlen(pem));
    return 0;
}

struct load {
    struct world *w;
    int           made, until;
};

/* Makes connections, one after the other, and talks over each. */
static int keep_busy(void *arg)
{
    struct load *load = arg;
    while (load->made < load->until) {
        TLS(client);
        TLS(server);
        HOB_TRY(agreed_pair(load->w, &client, &server));
        HOB_TRY(both_ways(hob_tls_stream(client), hob_tls_stream(server), 3000, 1000));
        load->made++;
    }
    return 0;
}

/* SURVIVAL 57. */
TEST_ON_ALL(trust, a_reload_under_load_breaks_no_connection)
{
    WORLD(w);
    hob_tls_opts anew = { .sessions = -1 }; // a session goes on with the certificate it began with
    check_ok(make_world(&w, &anew, NULL));
    CERT(newer);
    char        path[256], subject[64] = "";
    struct load load = { .w = &w, .until = all_is_slow() ? 5 : 10 };
    newer = make_cert((struct cert_opts){ .cn = "newer", .names = "DNS:a.example", .issuer = &w.ca });
    snprintf(path, sizeof path, "%s/server.pem", hob_test_scratch());
    char both[8192];
    snprintf(both, sizeof both, "%s%s", w.server.key_pem, w.server.pem);
    check_ok(put_pem(path, both));
    hob_tls_identity id = { .cert_file = path };
    hob_tls_opts     opts = { .identities = &id, .identity_count = 1 };
    check_ok(hob_tls_config_reload(w.server_config, &opts, NULL));
    TLS(client);
    TLS(server);
    check_ok(agreed_pair(&w, &client, &server));

    HOB_SCOPE(s);
    hob_go(&s, keep_busy, &load);
    hob_go(&s, keep_busy, &load);
    snprintf(both, sizeof both, "%s%s", newer.pem, newer.key_pem);
    check_ok(put_pem(path, both));
    for (int i = 0; i < 5; i++)
        check_ok(hob_tls_config_reload(w.server_config, NULL, NULL));
    check_ok(hob_scope_end(&s));

    check_ok(subject_for(w.client_config, w.server_config, "a.example", subject));
    check_str(subject, "CN=newer");
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 3000, 1000)); // an old one
}

/* A config is for all workers, and may be reloaded while they use it. */
TEST_WITH_WORKERS(trust, workers_share_a_config_that_is_reloaded, 3)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    struct load loads[3];
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 3; i++) {
        loads[i] = (struct load){ .w = &w, .until = all_is_slow() ? 5 : 10 };
        go_on(&s, i, keep_busy, &loads[i]);
    }
    for (int i = 0; i < 10; i++) {
        check_ok(hob_tls_config_reload(w.server_config, NULL, NULL));
        check_ok(hob_tls_config_reload(w.client_config, NULL, NULL));
        hob_yield();
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 3; i++)
        check_eq(loads[i].made, loads[i].until);
    return 0;
}

TEST_ON_ALL(trust, a_reload_that_fails_changes_nothing)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    char          path[256], both[8192], subject[64] = "";
    hob_tls_words words = { "" };
    snprintf(path, sizeof path, "%s/server.pem", hob_test_scratch());
    snprintf(both, sizeof both, "%s%s", w.server.pem, w.server.key_pem);
    check_ok(put_pem(path, both));
    hob_tls_identity id = { .cert_file = path };
    hob_tls_opts     opts = { .identities = &id, .identity_count = 1 };
    check_ok(hob_tls_config_reload(w.server_config, &opts, &words));
    check_str(words.text, "");

    check_ok(put_pem(path, w.server.pem)); // half of it, as one sees who looks too early
    check_err(hob_tls_config_reload(w.server_config, NULL, &words), HOB_ETLSCONFIG);
    check_has(words.text, "server.pem: no key in it");
    snprintf(both, sizeof both, "%s%s", w.server.pem, w.client.key_pem);
    check_ok(put_pem(path, both));
    check_err(hob_tls_config_reload(w.server_config, NULL, &words), HOB_ETLSCONFIG);
    check_has(words.text, "server.pem: the key is not that of the certificate");
    opts.min_version = 11;
    check_err(hob_tls_config_reload(w.server_config, &opts, &words), -EINVAL);
    check_ok(subject_for(w.client_config, w.server_config, "a.example", subject));
    check_str(subject, "CN=server");
}

TEST_ON_ALL(trust, what_cannot_be_a_config_says_why)
{
    static const char *const long_alpn[] = { "", NULL };
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    hob_tls_words    words;
    CONFIG(none);
    hob_tls_identity missing = { .cert_file = "/does/not/exist.pem" };
    hob_tls_identity garbage = { .cert = "hello", .cert_len = 5 };
    hob_tls_identity neither = { .key_file = "x" };
    hob_tls_opts     opts = { .identities = &missing, .identity_count = 1 };

    check_err(hob_tls_config_new(&opts, &words, &none), -ENOENT);
    check_has(words.text, "/does/not/exist.pem: ");
    opts.identities = &garbage;
    check_err(hob_tls_config_new(&opts, &words, &none), HOB_ETLSCONFIG);
    check_str(words.text, "memory: no certificate in it");
    opts.identities = &neither;
    check_err(hob_tls_config_new(&opts, &words, &none), -EINVAL);
    opts = (hob_tls_opts){ .alpn = long_alpn };
    check_err(hob_tls_config_new(&opts, &words, &none), -EINVAL);
    opts = (hob_tls_opts){ .ca = "junk", .ca_len = 4 };
    check_err(hob_tls_config_new(&opts, &words, &none), HOB_ETLSCONFIG);
    check_str(words.text, "ca: no certificate in it");
    check(none == NULL);
    TLS(server);
    TCP(a);
    TCP(b);
    check_ok(tcp_pair(&a, &b));
    check_err(hob_tls_server(w.client_config, hob_tcp_stream(b), &server), -EINVAL);
}

/* OpenSSL would ask on the terminal for the password. */
TEST(trust, an_encrypted_key_needs_its_password_and_asks_nobody)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, w.server.key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6,
                             NULL, NULL);
    char            *encrypted = text_of(bio);
    hob_tls_identity id = { .cert = w.server.pem, .cert_len = strlen(w.server.pem),
                            .key = encrypted, .key_len = strlen(encrypted) };
    hob_tls_opts     opts = { .identities = &id, .identity_count = 1 };
    CONFIG(config);

    hob_tls_words words = { "" };
    expect_err(hob_tls_config_new(&opts, &words, &config), HOB_ETLSCONFIG);
    HOB_EXPECT_HAS(words.text, "memory: the key cannot be decrypted");
    id.key_password = "wrong";
    expect_err(hob_tls_config_new(&opts, NULL, &config), HOB_ETLSCONFIG);
    id.key_password = "secret";
    expect_ok(hob_tls_config_new(&opts, NULL, &config));
    free(encrypted);
}
