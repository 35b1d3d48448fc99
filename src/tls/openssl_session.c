/* SPDX-License-Identifier: MIT */
/*
 * The sessions that clients resume: a few of the newest, by whom they are with.
 *
 * A ticket of TLS 1.3 is used once, so that two connections cannot be told to be of the same
 * client (RFC 8446, C.4). Servers remember nothing: their tickets hold it all.
 */
#include <errno.h>
#include <string.h>

#include "tls/openssl.h"

static void forget(struct remembered *entry)
{
    SSL_SESSION_free(entry->session);
    hob__tls_free(entry->whom);
    *entry = (struct remembered){ 0 };
}

/* Returns 1 when it kept the session, which is OpenSSL's way. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const struct engine   *engine = SSL_get_app_data(ssl);
    struct engine_context *context = engine->context;
    if (engine->is_server || engine->whom == NULL || context->session_count == 0)
        return 0;
    char *whom = hob__tls_copy(engine->whom, strlen(engine->whom));
    if (whom == NULL)
        return 0; // a full handshake next time

    pthread_mutex_lock(&context->lock);
    struct remembered *entry = &context->sessions[context->session_next];
    context->session_next = (context->session_next + 1) % context->session_count;
    struct remembered old = *entry;
    *entry = (struct remembered){ whom, session };
    pthread_mutex_unlock(&context->lock);

    forget(&old);
    return 1;
}

/* Gives the newest session with `whom`, and a reference to it. */
static SSL_SESSION *recall(struct engine_context *context, const char *whom)
{
    struct remembered used = { 0 };
    SSL_SESSION      *session = NULL;

    pthread_mutex_lock(&context->lock);
    for (size_t i = 1; i <= context->session_count; i++) {
        size_t             at = (context->session_next + context->session_count - i) %
                    context->session_count;
        struct remembered *entry = &context->sessions[at];
        if (entry->session == NULL || strcmp(entry->whom, whom) != 0)
            continue;
        session = entry->session;
        SSL_SESSION_up_ref(session);
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
            used = *entry;
            *entry = (struct remembered){ 0 };
        }
        break;
    }
    pthread_mutex_unlock(&context->lock);

    forget(&used);
    return session;
}

void hob__openssl_session_resume(struct engine *engine)
{
    if (engine->is_server || engine->whom == NULL || engine->context->session_count == 0)
        return;
    SSL_SESSION *session = recall(engine->context, engine->whom);
    if (session == NULL)
        return;
    if (SSL_SESSION_is_resumable(session))
        (void)SSL_set_session(engine->ssl, session); // else a full handshake
    SSL_SESSION_free(session);
}

int hob__openssl_sessions_init(struct engine_context *context, int count)
{
    SSL_CTX_set_session_cache_mode(context->ssl, count > 0 ? SSL_SESS_CACHE_CLIENT |
                                                                 SSL_SESS_CACHE_NO_INTERNAL
                                                           : SSL_SESS_CACHE_OFF);
    if (count <= 0)
        return 0;
    context->sessions = hob__tls_alloc_zero((size_t)count * sizeof *context->sessions);
    if (context->sessions == NULL)
        return -ENOMEM;
    context->session_count = (size_t)count;
    SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
    return 0;
}

void hob__openssl_sessions_fini(struct engine_context *context)
{
    for (size_t i = 0; i < context->session_count; i++)
        forget(&context->sessions[i]);
    hob__tls_free(context->sessions);
}
