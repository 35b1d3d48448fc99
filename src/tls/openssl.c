/* SPDX-License-Identifier: MIT */
/*
 * The engine by OpenSSL 3: the steps of one connection.
 *
 * Each step is one call of SSL_*, between emptying the error queue of this thread and emptying
 * it again; no task runs in between. What another library of this thread left in the queue is
 * not ours to be blamed for, and what we leave would be blamed on the next connection.
 *
 * The contract is engine.h; openssl_context.c makes what connections share.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/openssl.h"

enum { SUBJECT_MAX = 256 };

struct engine_facts {
    char server_name[HOB_TLS_NAME_MAX + 1];
    char alpn[HOB_TLS_ALPN_MAX + 1];
    char subject[SUBJECT_MAX];
    char fingerprint[2 * EVP_MAX_MD_SIZE + 1];
    bool resumed, verified;
};

/* ---- steps ---- */

enum { EXTRAS_MAX = 32 }; /* messages of TLS in a row, as tickets and new keys, without data between them */

/* To empty a queue that is empty takes OpenSSL longer than to encrypt a short message. */
static void clear_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

bool hob__engine_lacks_input(const struct engine *engine)
{
    return engine->error == 0 && wire_in_waits(engine->wire) == 0 && SSL_has_pending(engine->ssl) == 0 &&
           SSL_get_shutdown(engine->ssl) == 0 && SSL_is_init_finished(engine->ssl);
}

/* What `ret`, from a call of SSL_*, means. */
static enum engine_step end_step(struct engine *engine, int ret)
{
    enum engine_step step = STEP_FAILED;

    switch (SSL_get_error(engine->ssl, ret)) {
    case SSL_ERROR_NONE:
        step = STEP_DONE;
        break;
    case SSL_ERROR_WANT_READ:
        step = STEP_WANTS_INPUT;
        break;
    case SSL_ERROR_WANT_WRITE:
        step = STEP_WANTS_ROOM;
        break;
    case SSL_ERROR_ZERO_RETURN:
        step = STEP_END;
        break;
    default:
        hob__openssl_explain(engine);
        break;
    }
    clear_errors();
    return step;
}

enum engine_step hob__engine_handshake(struct engine *engine, int64_t wall_s)
{
    if (engine->error != 0)
        return STEP_FAILED;
    if (!engine->has_begun) {
        engine->has_begun = true;
        X509_VERIFY_PARAM_set_time(SSL_get0_param(engine->ssl), (time_t)wall_s);
        hob__openssl_session_resume(engine);
    }
    clear_errors();
    enum engine_step step = end_step(engine, SSL_do_handshake(engine->ssl));
    engine->is_agreed = step == STEP_DONE;
    return step;
}

bool hob__engine_peer_waits(const struct engine *engine)
{
    return !engine->is_server || SSL_version(engine->ssl) < TLS1_3_VERSION;
}

enum engine_step hob__engine_read(struct engine *engine, void *buf, size_t len, size_t *ret_len)
{
    if (engine->error != 0)
        return STEP_FAILED;
    if (engine->was_read && SSL_want_nothing(engine->ssl) && hob__engine_lacks_input(engine))
        return STEP_WANTS_INPUT; // as SSL_read would say, for more
    clear_errors();
    enum engine_step step = end_step(engine, SSL_read_ex(engine->ssl, buf, len, ret_len));
    engine->was_read = step == STEP_DONE;
    if (step == STEP_DONE) {
        engine->extras = 0;
    } else if (engine->wire->is_deaf) {
        engine->error = HOB_ETLS;
        hob__tls_say(&engine->words, "the peer sent %u messages of TLS in a row, and no data", engine->extras);
        return STEP_FAILED;
    }
    return step;
}

enum engine_step hob__engine_write(struct engine *engine, const void *buf, size_t len,
                                   size_t *ret_len)
{
    if (engine->error != 0)
        return STEP_FAILED;
    clear_errors();
    return end_step(engine,
                    SSL_write_ex(engine->ssl, buf, len < ENGINE_WRITE_MAX ? len : ENGINE_WRITE_MAX,
                                 ret_len));
}

enum engine_step hob__engine_goodbye(struct engine *engine)
{
    if (engine->error != 0)
        return STEP_FAILED;
    ERR_clear_error();
    int ret = SSL_shutdown(engine->ssl);
    if (ret >= 0) { // 0: said, and the peer has not yet
        ERR_clear_error();
        return STEP_DONE;
    }
    return end_step(engine, ret);
}

int hob__engine_error(const struct engine *engine, hob_tls_words *ret_words)
{
    *ret_words = engine->words;
    return engine->error;
}

/* ---- making one ---- */

/* Whom a client wants: the certificate must be for it, and the server hears it (not addresses). */
static bool set_peer(struct engine *engine, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(engine->ssl);
    unsigned char      ip[16];
    bool is_ip = inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;

    if (is_ip)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           SSL_set_tlsext_host_name(engine->ssl, name) == 1;
}

static bool set_client(struct engine *engine, const char *name)
{
    SSL_set_connect_state(engine->ssl);
    SSL_set_verify(engine->ssl, engine->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                   engine->verifies ? hob__openssl_on_verify : NULL);
    if (engine->verifies && !hob__openssl_trust_system(engine->context))
        return false;
    if (name == NULL)
        return true;

    // A session that nobody verified is not for somebody who verifies.
    char whom[HOB_TLS_NAME_MAX + 2];
    snprintf(whom, sizeof whom, "%c%s", engine->verifies ? '=' : '?', name);
    engine->whom = hob__tls_copy(whom, strlen(whom));
    engine->name = hob__tls_copy(name, strlen(name));
    return engine->whom != NULL && engine->name != NULL && set_peer(engine, name);
}

static bool set_server(struct engine *engine)
{
    int mode = SSL_VERIFY_NONE;

    if (engine->context->ask_client != HOB_TLS_ASK_NONE)
        mode = SSL_VERIFY_PEER;
    if (engine->context->ask_client == HOB_TLS_ASK_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    engine->verifies = mode != SSL_VERIFY_NONE;
    SSL_set_verify(engine->ssl, mode, engine->verifies ? hob__openssl_on_verify : NULL);
    SSL_set_accept_state(engine->ssl);
    return true;
}

/* A new key costs more than sending for it, and OpenSSL takes as many as there are: one peer alone would keep
 * its worker busy. */
static void on_message(int is_ours, int version, int type, const void *bytes, size_t len, SSL *ssl, void *arg)
{
    struct engine *engine = arg;

    (void)version, (void)bytes, (void)len, (void)ssl;
    if (is_ours || type != SSL3_RT_HANDSHAKE || !engine->is_agreed)
        return;
    engine->extras++;
    engine->wire->is_deaf = engine->extras > EXTRAS_MAX;
}

static bool set_up(struct engine *engine, const char *name)
{
    engine->ssl = SSL_new(engine->context->ssl);
    if (engine->ssl == NULL || SSL_set_app_data(engine->ssl, engine) != 1)
        return false; // the callbacks find the engine by it
    SSL_set_msg_callback(engine->ssl, on_message);
    SSL_set_msg_callback_arg(engine->ssl, engine);

    BIO *bio = BIO_new(engine->context->wire_method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, engine->wire);
    SSL_set_bio(engine->ssl, bio, bio); // they are the SSL's from now on
    return engine->is_server ? set_server(engine) : set_client(engine, name);
}

int hob__engine_new(struct engine_context *context, struct wire *wire, bool is_server,
                    const char *name, bool verifies, struct engine **ret_engine)
{
    struct engine *engine = hob__tls_alloc_zero(sizeof *engine);
    if (engine == NULL)
        return -ENOMEM;
    engine->context = hob__engine_context_ref(context);
    engine->wire = wire;
    engine->is_server = is_server;
    engine->verifies = verifies;

    ERR_clear_error();
    bool ok = set_up(engine, name);
    ERR_clear_error();
    if (!ok) {
        hob__engine_free(engine);
        return -ENOMEM; // the name was checked: nothing else can be the matter
    }
    *ret_engine = engine;
    return 0;
}

int hob__engine_offer(struct engine *engine, const unsigned char *alpn, size_t len)
{
    int r = SSL_set_alpn_protos(engine->ssl, alpn, (unsigned)len); // 0 is success, here alone
    ERR_clear_error();
    return r == 0 ? 0 : -ENOMEM; // they were checked
}

bool hob__engine_is_client(const struct engine *engine)
{
    return !engine->is_server;
}

void hob__engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    // OpenSSL takes a session for broken whose connection ended without a goodbye. Only one that
    // failed is.
    if (engine->ssl != NULL && engine->error == 0 && SSL_is_init_finished(engine->ssl))
        SSL_set_shutdown(engine->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(engine->ssl);
    ERR_clear_error();
    hob__engine_context_unref(engine->context);
    hob__tls_free(engine->whom);
    hob__tls_free(engine->name);
    hob__tls_free(engine->facts);
    hob__tls_free(engine);
}

/* ---- what was agreed upon ---- */

static void write_subject(const X509 *cert, char *text, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());

    text[0] = '\0';
    if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        int len = BIO_read(bio, text, (int)size - 1); // what does not fit is cut
        text[len > 0 ? len : 0] = '\0';
    }
    BIO_free(bio);
}

static void write_fingerprint(const X509 *cert, char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      len = 0;

    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
        len = 0;
    for (unsigned i = 0; i < len; i++)
        sprintf(text + 2 * (size_t)i, "%02x", digest[i]);
}

static struct engine_facts *look(struct engine *engine)
{
    struct engine_facts *facts = hob__tls_alloc_zero(sizeof *facts);
    if (facts == NULL)
        return NULL;

    const char          *name = SSL_get_servername(engine->ssl, TLSEXT_NAMETYPE_host_name);
    const unsigned char *alpn;
    unsigned             alpn_len;
    SSL_get0_alpn_selected(engine->ssl, &alpn, &alpn_len);
    snprintf(facts->server_name, sizeof facts->server_name, "%s", name != NULL ? name : "");
    snprintf(facts->alpn, sizeof facts->alpn, "%.*s", (int)alpn_len,
             alpn != NULL ? (const char *)alpn : "");
    X509 *cert = SSL_get0_peer_certificate(engine->ssl);
    if (cert != NULL) {
        write_subject(cert, facts->subject, sizeof facts->subject);
        write_fingerprint(cert, facts->fingerprint);
    }
    facts->resumed = SSL_session_reused(engine->ssl) == 1;
    facts->verified = engine->verifies && cert != NULL &&
                      SSL_get_verify_result(engine->ssl) == X509_V_OK;
    return facts;
}

int hob__engine_facts(struct engine *engine, hob_tls_facts *ret_facts)
{
    ERR_clear_error();
    if (engine->facts == NULL)
        engine->facts = look(engine);
    ERR_clear_error();
    if (engine->facts == NULL)
        return -ENOMEM;
    *ret_facts = (hob_tls_facts){
        .version = SSL_get_version(engine->ssl),
        .cipher = SSL_get_cipher_name(engine->ssl),
        .alpn = engine->facts->alpn,
        .server_name = engine->facts->server_name,
        .peer_subject = engine->facts->subject,
        .peer_fingerprint = engine->facts->fingerprint,
        .resumed = engine->facts->resumed,
        .verified = engine->facts->verified,
    };
    return 0;
}
