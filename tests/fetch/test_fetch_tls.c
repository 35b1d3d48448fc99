/* SPDX-License-Identifier: MIT */
/* The client over TLS: whom it trusts, what it shows, and what it says when it does not. */
#include <openssl/sha.h>

#include "fetch/peers.h"
#include "tls/peers.h"

struct secure {
    struct world w;
    struct site  site;
    int          wrapped; /* connections */
};

static void free_secure(struct secure *secure)
{
    free_world(&secure->w);
}

#define SECURE(name) __attribute__((cleanup(free_secure))) struct secure name = { 0 }

static int over_tls(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    struct secure *secure = arg;
    hob_tls       *tls;
    HOB_TRY(hob_tls_server(secure->w.server_config, below, &tls));
    secure->wrapped++;
    *ret_stream = hob_tls_stream(tls);
    return 0;
}

static int tell(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "secret\n");
}

static int open_secure(hob_scope *scope, struct secure *secure, const hob_tls_opts *server)
{
    HOB_TRY(make_world(&secure->w, NULL, server));
    secure->site.handler = tell;
    secure->site.opts.wrap = over_tls;
    secure->site.opts.wrap_arg = secure;
    return open_site(scope, &secure->site);
}

static struct url tls_url(const struct secure *secure, const char *rest)
{
    struct url url;
    snprintf(url.text, sizeof url.text, "https://127.0.0.1:%u%s", hob_addr_port(&secure->site.addr), rest);
    return url;
}

static int client_of(hob_scope *scope, const struct secure *secure, hob_fetch_client_opts opts,
                     hob_fetch_client **ret_client)
{
    opts.ca = secure->w.ca.pem;
    opts.ca_len = strlen(secure->w.ca.pem);
    return hob_fetch_client_new(scope, &opts, ret_client);
}

TEST_ON_ALL(fetch_tls, who_is_trusted_is_asked_and_the_connection_is_kept)
{
    NOT_IN_SIM();
    hob_fetch_times times = { 0 };
    SECURE(secure);
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_secure(&s, &secure, NULL));
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ 0 }, &client));
    for (int i = 0; i < 10; i++) {
        ANSWER(page);
        check_ok(hob_fetch_with(client, tls_url(&secure, "/").text, NULL, NULL, &page));
        check_str(hob_fetch_body(page), "secret\n");
        hob_fetch_times_get(page, &times);
        check_eq(times.is_reused, i > 0);
        check_eq(times.tls_ns > 0, i == 0);
    }
    check_eq(secure.wrapped, 1);
}

TEST_ON_ALL(fetch_tls, who_is_not_trusted_gets_no_request)
{
    NOT_IN_SIM();
    hob_fetch_trouble trouble;
    struct url        url, where = { "" };
    SECURE(secure);
    SECURE(other);
    HOB_SCOPE(s);
    CLIENT(client);
    CLIENT(stranger);
    ANSWER(page);
    check_ok(open_secure(&s, &secure, NULL));
    other.w.ca = make_ca("Somebody Else");
    check_ok(client_of(&s, &other, (hob_fetch_client_opts){ 0 }, &stranger));
    url = tls_url(&secure, "/");
    snprintf(where.text, sizeof where.text, "127.0.0.1:%u: the TLS handshake: ", hob_addr_port(&secure.site.addr));
    hob_fetch_client *clients[] = { NULL, stranger };
    for (int i = 0; i < 2; i++) {
        check_err(hob_fetch_with(clients[i], url.text, NULL, &trouble, &page), HOB_ETLSCERT);
        check_eq(trouble.step, HOB_FETCH_TLS);
        check_has(trouble.text, where.text);
        check_has(trouble.text, "certificate");
    }
    // Another name than that of the certificate: an address that it is not for.
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ 0 }, &client));
    snprintf(url.text, sizeof url.text, "https://localhost:%u/", hob_addr_port(&secure.site.addr));
    check_err(hob_fetch_with(client, url.text, NULL, &trouble, &page), HOB_ETLSCERT);
    check_has(trouble.text, "localhost");
    check_eq(secure.site.stats.requests, 0);
    // Who trusts everybody says so.
    CLIENT(careless);
    check_ok(hob_fetch_client_new(&s, NULL, &careless));
    hob_fetch_insecure_skip_verify(careless);
    check_ok(hob_fetch_with(careless, url.text, NULL, &trouble, &page));
    check_eq(secure.site.stats.requests, 1);
}

/* "sha256//BASE64" of its public key. */
static void pin_of(const struct cert *cert, char text[100])
{
    unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
    int            len = i2d_PUBKEY(cert->key, &der);
    SHA256(der, (size_t)len, digest);
    OPENSSL_free(der);
    strcpy(text, "sha256//");
    EVP_EncodeBlock((unsigned char *)text + 8, digest, sizeof digest);
}

TEST_ON_ALL(fetch_tls, a_key_that_is_not_the_pinned_one_is_refused)
{
    NOT_IN_SIM();
    hob_fetch_trouble trouble;
    char              right[100], wrong[100];
    SECURE(secure);
    HOB_SCOPE(s);
    CLIENT(good);
    CLIENT(bad);
    ANSWER(page);
    check_ok(open_secure(&s, &secure, NULL));
    pin_of(&secure.w.server, right);
    pin_of(&secure.w.client, wrong);
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ .pin = right }, &good));
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ .pin = wrong }, &bad));
    check_err(hob_fetch_with(bad, tls_url(&secure, "/").text, NULL, &trouble, &page), HOB_ETLSCERT);
    check_eq(trouble.step, HOB_FETCH_TLS);
    check_ok(hob_fetch_with(good, tls_url(&secure, "/").text, NULL, NULL, &page));
    check_eq(secure.site.stats.requests, 1);
}

TEST_ON_ALL(fetch_tls, a_client_shows_its_certificate_when_asked)
{
    NOT_IN_SIM();
    hob_tls_opts      server = { .ask_client = HOB_TLS_ASK_REQUIRED };
    hob_fetch_trouble trouble;
    SECURE(secure);
    HOB_SCOPE(s);
    CLIENT(good);
    CLIENT(bad);
    CLIENT(broken);
    ANSWER(page);
    check_ok(open_secure(&s, &secure, &server));
    hob_fetch_client_opts shows = { .cert = secure.w.client.pem, .key = secure.w.client.key_pem };
    check_ok(client_of(&s, &secure, shows, &good));
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ 0 }, &bad));
    shows.key = secure.w.ca.key_pem;
    check_ok(client_of(&s, &secure, shows, &broken));
    check_ok(hob_fetch_with(good, tls_url(&secure, "/").text, NULL, NULL, &page));
    int r = hob_fetch_with(bad, tls_url(&secure, "/").text, NULL, &trouble, &page);
    if (r != HOB_ETLS && r != -ECONNRESET && r != -EPIPE) // the alert may be lost with the connection
        fail("%s", trouble.text);
    check_err(hob_fetch_with(broken, tls_url(&secure, "/").text, NULL, &trouble, &page), HOB_ETLSCONFIG);
    check_eq(trouble.step, HOB_FETCH_TLS);
    check_eq(secure.site.stats.requests, 1);
    hob_fetch_client *none;
    check_err(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cert = "x" }, &none), -EINVAL);
    check_err(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .ca = "x", .ca_file = "y" }, &none), -EINVAL);
}

/* ---- servers that mean ill ---- */

static int say_plain(struct liar *liar, hob_tcp *conn, int number)
{
    char buf[100];
    HOB_TRY(hob_tcp_read(conn, buf, sizeof buf));
    if (liar->arg == NULL)
        return hob_sleep(HOB_FOREVER);
    HOB_TRY(say(conn, liar->arg));
    return 0;
}

TEST_ON_ALL(fetch_tls, a_handshake_that_is_none_or_never_ends_is_left)
{
    NOT_IN_SIM();
    static const struct { const char *text; int error; } CASES[] = {
        { "HTTP/1.1 400 Bad Request\r\n\r\n", HOB_ETLS }, { "\x16\x03\x03\xff\xff", HOB_ETLS },
        { "\x15\x03\x03\x01\x02\x02\x28", HOB_ETLS }, { "", HOB_ETLS }, { NULL, -ETIMEDOUT },
    };
    hob_fetch_opts opts = { .connect_ns = 50 * HOB_MSEC };
    struct liar    liar = { .talk = say_plain };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        hob_fetch_trouble trouble;
        struct url        url;
        ANSWER(page);
        liar.arg = (void *)CASES[i].text;
        snprintf(url.text, sizeof url.text, "https://127.0.0.1:%u/", hob_addr_port(&liar.addr));
        int r = hob_fetch_with(NULL, url.text, CASES[i].text == NULL ? &opts : NULL, &trouble, &page);
        if ((r != CASES[i].error && !(CASES[i].error == HOB_ETLS && r == -ECONNRESET))
            || trouble.step != HOB_FETCH_TLS)
            fail("%zu gave %s at step %d: %s", i, hob_error_name(r), (int)trouble.step, trouble.text);
    }
}

/* An answer that ends with its connection; the first one ends without a goodbye. */
static int cut_off(struct liar *liar, hob_tcp *conn, int number)
{
    struct secure *secure = liar->arg;
    char           buf[4096];
    TLS(tls);
    HOB_TRY(hob_tls_server(secure->w.server_config, hob_tcp_stream(conn), &tls));
    if (hob_tls_read(tls, buf, sizeof buf) > 0)
        ignore(hob_tls_write(tls, "HTTP/1.1 200 OK\r\n\r\nhalf", 23));
    if (number > 0)
        ignore(hob_tls_shutdown(tls));
    return TAKEN; // closed with `tls`
}

TEST_ON_ALL(fetch_tls, an_end_without_a_goodbye_is_no_end_of_a_body)
{
    NOT_IN_SIM();
    struct liar       liar = { .talk = cut_off };
    hob_fetch_trouble trouble;
    SECURE(secure);
    HOB_SCOPE(s);
    CLIENT(client);
    ANSWER(page);
    check_ok(make_world(&secure.w, NULL, NULL));
    liar.arg = &secure;
    check_ok(open_liar(&s, &liar));
    check_ok(client_of(&s, &secure, (hob_fetch_client_opts){ 0 }, &client));
    secure.site.addr = liar.addr;
    check_err(hob_fetch_with(client, tls_url(&secure, "/").text, NULL, &trouble, &page), HOB_ETLSTRUNCATED);
    check_eq(trouble.step, HOB_FETCH_BODY);
    check_ok(hob_fetch_with(client, tls_url(&secure, "/").text, NULL, &trouble, &page));
    check_str(hob_fetch_body(page), "half");
}
