/* SPDX-License-Identifier: MIT */
/* What the files of the OpenSSL engine share. */
#ifndef HOB_TLS_OPENSSL_H
#define HOB_TLS_OPENSSL_H

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/ssl.h>

#include "tls/engine.h"

/* Who we are, once. */
struct identity {
    X509           *cert;
    EVP_PKEY       *key;
    STACK_OF(X509) *chain;
};

/* A session that a client may resume, and with whom. */
struct remembered {
    char        *whom;
    SSL_SESSION *session;
};

/* Made once, and then only read, by any worker; but for what has a lock. */
struct engine_context {
    atomic_uint      refs;
    SSL_CTX         *ssl;
    BIO_METHOD      *wire_method;
    struct identity *identities;
    size_t           identity_count;
    hob_tls_ask      ask_client;
    unsigned char   *alpn;
    size_t           alpn_len;

    pthread_mutex_t    lock;     /* never held across a wait */
    bool               wants_system_trust; /* not read yet */
    struct remembered *sessions;      /* a ring: the oldest is replaced */
    size_t             session_count, session_next;
};

struct engine {
    SSL                   *ssl;
    struct engine_context *context;
    struct wire           *wire;
    char                  *whom; /* whose sessions we may resume; NULL: nobody's */
    char                  *name; /* the name that a client checks; NULL: none    */
    bool                   is_server;
    bool                   verifies;
    bool                   has_begun;
    bool                   is_agreed;
    unsigned               extras;   /* messages of TLS itself since the last data */
    bool                   was_read; /* the last SSL_read gave something: so its buffer is released */
    int                    error;
    bool                   cert_refused; /* and `words` say why */
    hob_tls_words          words;
    struct engine_facts   *facts;
};

/* ---- openssl_bio.c ---- */

BIO_METHOD *hob__openssl_wire_method(void);

/* ---- openssl_identity.c ---- */

int  hob__openssl_identity_load(const struct engine_identity *from, hob_tls_words *words,
                                struct identity *ret_identity);
void hob__openssl_identity_free(struct identity *identity);
int  hob__openssl_trust(SSL_CTX *ssl, const struct engine_pem *pem, bool names_to_clients,
                        hob_tls_words *words);

/* ---- openssl_session.c ---- */

int  hob__openssl_sessions_init(struct engine_context *context, int count);
void hob__openssl_sessions_fini(struct engine_context *context);
void hob__openssl_session_resume(struct engine *engine);

/* ---- openssl_context.c ---- */

bool hob__openssl_trust_system(struct engine_context *context);

/* ---- openssl_words.c ---- */

/* The SSL_verify_cb of all connections: notes why a certificate is refused. */
int hob__openssl_on_verify(int ok, X509_STORE_CTX *store);

/* Turns the error queue of this thread into the engine's error and words, and empties it. */
void hob__openssl_explain(struct engine *engine);

/* The same for a call on our own certificates: "FROM: what it says". HOB_ETLSCONFIG or -ENOMEM. */
int hob__openssl_blame(const char *from, const char *what, hob_tls_words *words);

#endif
