/* SPDX-License-Identifier: MIT */
/* Certificates and keys from PEM: who we are, and whom we trust. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/openssl.h"

enum { CHAIN_MAX = 16, CLIENT_CA_NAMES_MAX = 64 };

/* OpenSSL would ask on the terminal. */
static int give_password(char *buf, int size, int writes, void *password)
{
    (void)writes;
    size_t len = password != NULL ? strlen(password) : 0;
    if (len == 0 || size < 0 || len > (size_t)size)
        return -1;
    memcpy(buf, password, len);
    return (int)len;
}

static BIO *open_pem(const struct engine_pem *pem)
{
    return BIO_new_mem_buf(pem->bytes, (int)pem->len); // config.c keeps it under HOB_TLS_PEM_MAX
}

/* Whether PEM_read_ has ended well: there is nothing more in the text. */
static bool is_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Has OpenSSL note what a certificate says before several threads look at it: it would do so at
 * the first look, with locks of its own. What is wrong with it is found when it is checked. */
static void note_extensions(X509 *cert)
{
    (void)X509_check_purpose(cert, -1, 0);
    ERR_clear_error();
}

static int read_chain(BIO *bio, const char *from, hob_tls_words *words, struct identity *id)
{
    id->cert = PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL);
    if (id->cert == NULL)
        return hob__openssl_blame(from, is_end_of_pem() ? "no certificate in it" : NULL, words);
    note_extensions(id->cert);
    id->chain = sk_X509_new_null();
    if (id->chain == NULL)
        return hob__openssl_blame(from, NULL, words);

    for (;;) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, give_password, NULL);
        if (cert == NULL)
            break;
        note_extensions(cert);
        if (sk_X509_num(id->chain) >= CHAIN_MAX) {
            X509_free(cert);
            return hob__openssl_blame(from, "a chain of more than 16 certificates", words);
        }
        if (sk_X509_push(id->chain, cert) <= 0) {
            X509_free(cert);
            return hob__openssl_blame(from, NULL, words);
        }
    }
    if (!is_end_of_pem())
        return hob__openssl_blame(from, NULL, words);
    ERR_clear_error();
    return 0;
}

/* OpenSSL's decoders say "unsupported" to all of these. */
static const char *why_no_key(const struct engine_pem *pem)
{
    if (memmem(pem->bytes, pem->len, "PRIVATE KEY-----", 16) == NULL)
        return "no key in it";
    if (memmem(pem->bytes, pem->len, "ENCRYPTED", 9) != NULL)
        return "the key cannot be decrypted: the password is wrong, or there is none";
    return "a key that cannot be read";
}

int hob__openssl_identity_load(const struct engine_identity *from, hob_tls_words *words,
                               struct identity *ret_identity)
{
    struct identity id = { 0 };
    BIO            *cert = open_pem(&from->cert);
    BIO            *key = open_pem(&from->key);
    int             r;

    if (cert == NULL || key == NULL)
        r = hob__openssl_blame(from->cert.from, NULL, words);
    else
        r = read_chain(cert, from->cert.from, words, &id);
    if (r == 0) {
        id.key = PEM_read_bio_PrivateKey(key, NULL, give_password, (void *)(uintptr_t)from->password);
        if (id.key == NULL)
            r = hob__openssl_blame(from->key.from, why_no_key(&from->key), words);
    }
    if (r == 0 && X509_check_private_key(id.cert, id.key) != 1)
        r = hob__openssl_blame(from->key.from, "the key is not that of the certificate", words);
    BIO_free(cert);
    BIO_free(key);

    if (r < 0)
        hob__openssl_identity_free(&id);
    else
        *ret_identity = id;
    return r;
}

void hob__openssl_identity_free(struct identity *identity)
{
    X509_free(identity->cert);
    EVP_PKEY_free(identity->key);
    sk_X509_pop_free(identity->chain, X509_free);
    *identity = (struct identity){ 0 };
}

int hob__openssl_trust(SSL_CTX *ssl, const struct engine_pem *pem, bool names_to_clients,
                       hob_tls_words *words)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    BIO        *bio = open_pem(pem);
    size_t      count = 0;
    bool        ok = bio != NULL;

    while (ok) {
        X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL);
        if (cert == NULL)
            break;
        note_extensions(cert);
        ok = X509_STORE_add_cert(store, cert) == 1;
        if (ok && names_to_clients && count < CLIENT_CA_NAMES_MAX)
            ok = SSL_CTX_add_client_CA(ssl, cert) == 1;
        X509_free(cert);
        count++;
    }
    BIO_free(bio);
    if (!ok || !is_end_of_pem())
        return hob__openssl_blame(pem->from, NULL, words);
    if (count == 0)
        return hob__openssl_blame(pem->from, "no certificate in it", words);
    ERR_clear_error();
    return 0;
}
