/* SPDX-License-Identifier: MIT */
/*
 * What connections of one config have in common: an SSL_CTX, and what its callbacks need.
 *
 * It is not changed once it was made, but for what `lock` guards. A reload makes another one; connections hold theirs.
 */
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/openssl.h"

/* ---- memory ---- */

void *hob__tls_alloc(size_t size)
{
    void *ptr = OPENSSL_malloc(size);
    if (ptr == NULL)
        ERR_clear_error();
    return ptr;
}

void *hob__tls_alloc_zero(size_t size)
{
    void *ptr = hob__tls_alloc(size);
    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

void *hob__tls_copy(const void *bytes, size_t len)
{
    char *copy = hob__tls_alloc(len + 1);
    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

void hob__tls_free(void *ptr)
{
    OPENSSL_free(ptr);
}

void hob__tls_free_secret(void *ptr, size_t len)
{
    OPENSSL_clear_free(ptr, len);
}

/* ---- what servers are asked ---- */

/* Is the certificate for the name that the client asks for? By its alternative names. */
static bool is_for(const struct identity *identity, const char *name)
{
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    return X509_check_host(identity->cert, name, strlen(name), flags, NULL) == 1;
}

/* Shows the certificates for the name that was asked for: one of each kind of key. The first of
 * all is there already, for when there is none. Returns 1, or 0 when the handshake must fail. */
static int on_choice_of_certificate(SSL *ssl, void *arg)
{
    const struct engine_context *context = arg;
    const char                  *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    bool                         found = false;
    if (!SSL_is_server(ssl) || name == NULL)
        return 1;

    for (size_t i = 0; i < context->identity_count; i++) {
        const struct identity *identity = &context->identities[i];
        if (!is_for(identity, name))
            continue;
        if (!found)
            SSL_certs_clear(ssl); // or the client could be shown the first of all
        bool is_taken = SSL_use_cert_and_key(ssl, identity->cert, identity->key,
                                             identity->chain, 0) == 1;
        if (!is_taken && !found)
            return 0;
        found = true; // another one of the same kind stays behind the first
    }
    ERR_clear_error();
    return 1;
}

static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    const struct engine_context *context = arg;
    unsigned char               *name;
    (void)ssl;

    if (SSL_select_next_proto(&name, ret_len, context->alpn, (unsigned)context->alpn_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // no_application_protocol
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- making one ---- */

/* What never depends on the user, nor on the system's openssl.cnf. */
static bool set_rules(SSL_CTX *ssl, int min_version)
{
    int version = min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
                                   SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                                   SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS); // memory of a connection that is idle
    return SSL_CTX_set_min_proto_version(ssl, version) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
           SSL_CTX_set_recv_max_early_data(ssl, 0) == 1 &&
           SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"hob", 3) == 1;
}

static int set_trust(struct engine_context *context, const struct engine_setup *setup,
                     hob_tls_words *words)
{
    SSL_CTX *ssl = context->ssl;
    bool     is_system = setup->ca_dir == NULL;

    for (size_t i = 0; i < 2; i++) {
        if (setup->ca[i].bytes == NULL)
            continue;
        is_system = false;
        int r = hob__openssl_trust(ssl, &setup->ca[i], setup->ask_client != HOB_TLS_ASK_NONE, words);
        if (r < 0)
            return r;
    }
    if (setup->ca_dir != NULL && SSL_CTX_load_verify_dir(ssl, setup->ca_dir) != 1)
        return hob__openssl_blame(setup->ca_dir, NULL, words);
    if (!is_system)
        return 0;
    if (setup->ask_client != HOB_TLS_ASK_NONE)
        return hob__openssl_blame("clients' certificates",
                                  "say by ca_file, ca_dir or ca whose are accepted", words);
    context->wants_system_trust = true;
    return 0;
}

/* For the first client of a config that named nobody: a server would read it for nothing. */
bool hob__openssl_trust_system(struct engine_context *context)
{
    pthread_mutex_lock(&context->lock);
    if (context->wants_system_trust && SSL_CTX_set_default_verify_paths(context->ssl) == 1)
        context->wants_system_trust = false;
    bool is_done = !context->wants_system_trust;
    pthread_mutex_unlock(&context->lock);
    ERR_clear_error(); // a file of it may not be there
    return is_done;
}

static int set_identities(struct engine_context *context, const struct engine_setup *setup,
                          hob_tls_words *words)
{
    context->identities = hob__tls_alloc_zero((setup->identity_count + 1) *
                                              sizeof *context->identities);
    if (context->identities == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < setup->identity_count; i++) {
        int r = hob__openssl_identity_load(&setup->identities[i], words, &context->identities[i]);
        if (r < 0)
            return r;
        context->identity_count++;
    }

    // Each must be fit to be shown: keys that are too weak are found here.
    for (size_t i = context->identity_count; i-- > 0;) {
        const struct identity *identity = &context->identities[i];
        if (SSL_CTX_use_cert_and_key(context->ssl, identity->cert, identity->key, identity->chain,
                                     1) != 1)
            return hob__openssl_blame(setup->identities[i].cert.from, NULL, words);
    }
    return 0;
}

static int set_alpn(struct engine_context *context, const struct engine_setup *setup)
{
    if (setup->alpn_len == 0)
        return 0;
    context->alpn = hob__tls_copy(setup->alpn, setup->alpn_len);
    if (context->alpn == NULL)
        return -ENOMEM;
    context->alpn_len = setup->alpn_len;
    SSL_CTX_set_alpn_select_cb(context->ssl, on_alpn, context);
    if (SSL_CTX_set_alpn_protos(context->ssl, context->alpn, (unsigned)context->alpn_len) != 0)
        return -ENOMEM; // they were checked
    return 0;
}

/* So that tickets of before a reload are still good. */
static int take_ticket_keys(struct engine_context *context, struct engine_context *before)
{
    unsigned char keys[256];
    if (before == NULL)
        return 0;
    long len = SSL_CTX_get_tlsext_ticket_keys(before->ssl, NULL, 0);
    bool ok = len > 0 && (size_t)len <= sizeof keys &&
              SSL_CTX_get_tlsext_ticket_keys(before->ssl, keys, len) == 1 &&
              SSL_CTX_set_tlsext_ticket_keys(context->ssl, keys, len) == 1;
    OPENSSL_cleanse(keys, sizeof keys);
    return ok ? 0 : -ENOMEM;
}

static int fill_context(struct engine_context *context, const struct engine_setup *setup,
                        struct engine_context *before, hob_tls_words *words)
{
    context->ssl = SSL_CTX_new(TLS_method());
    context->wire_method = hob__openssl_wire_method();
    if (context->ssl == NULL || context->wire_method == NULL)
        return hob__openssl_blame("OpenSSL", NULL, words);
    if (!set_rules(context->ssl, setup->min_version))
        return hob__openssl_blame("OpenSSL", NULL, words);
    SSL_CTX_set_cert_cb(context->ssl, on_choice_of_certificate, context);
    context->ask_client = setup->ask_client;

    int r = set_trust(context, setup, words);
    if (r == 0)
        r = set_identities(context, setup, words);
    if (r == 0)
        r = set_alpn(context, setup);
    if (r == 0)
        r = hob__openssl_sessions_init(context, setup->sessions);
    if (r == 0)
        r = take_ticket_keys(context, before);
    return r;
}

int hob__engine_context_new(const struct engine_setup *setup, struct engine_context *before,
                            hob_tls_words *ret_words, struct engine_context **ret_context)
{
    struct engine_context *context = hob__tls_alloc_zero(sizeof *context);
    if (context == NULL)
        return -ENOMEM;
    atomic_init(&context->refs, 1);
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        hob__tls_free(context);
        return -ENOMEM;
    }

    ERR_clear_error();
    int r = fill_context(context, setup, before, ret_words);
    ERR_clear_error();
    if (r < 0) {
        hob__engine_context_unref(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

struct engine_context *hob__engine_context_ref(struct engine_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void hob__engine_context_unref(struct engine_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) > 1)
        return;
    hob__openssl_sessions_fini(context);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->wire_method);
    for (size_t i = 0; i < context->identity_count; i++)
        hob__openssl_identity_free(&context->identities[i]);
    hob__tls_free(context->identities);
    hob__tls_free(context->alpn);
    pthread_mutex_destroy(&context->lock);
    hob__tls_free(context);
}

bool hob__engine_context_can_serve(const struct engine_context *context)
{
    return context->identity_count > 0;
}
