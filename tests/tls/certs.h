/* SPDX-License-Identifier: MIT */
/*
 * Certificates made while the test runs, so that none of them can expire in the repository.
 * Times are relative to hob_wall_now(), which in sim is the world's.
 */
#ifndef HOB_TESTS_TLS_CERTS_H
#define HOB_TESTS_TLS_CERTS_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "support/io.h"

#include <hob/tls.h>

enum { DAY_S = 86400 };

/* Each test is a process of its own: what OpenSSL does once, it does before they part. */
__attribute__((constructor)) static void warm_openssl_up(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    EVP_PKEY_free(EVP_EC_gen("P-256"));
    SSL_CTX_free(ctx);
}

struct cert {
    X509     *x509;
    EVP_PKEY *key;
    char     *pem, *key_pem; /* the chain is up to the test */
};

struct cert_opts {
    const char        *cn;
    const char        *names;   /* "DNS:a.example,IP:127.0.0.1"; NULL: none  */
    const struct cert *issuer;  /* NULL: itself                              */
    bool               is_ca;
    const char        *usage;   /* "serverAuth"; NULL: both                   */
    long               from_s, to_s; /* from now; both 0: from a day ago, for 30 days */
    const char        *nul_name; /* a DNS name with a NUL instead of its first ! */
    unsigned           rsa_bits; /* 0: an elliptic curve                      */
    long               serial;
};

static inline void free_cert(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    free(cert->pem);
    free(cert->key_pem);
    memset(cert, 0, sizeof *cert);
}

#define CERT(name) __attribute__((cleanup(free_cert))) struct cert name = { 0 }

static inline char *text_of(BIO *bio)
{
    char *data;
    long  len = BIO_get_mem_data(bio, &data);
    char *text = malloc((size_t)len + 1);
    memcpy(text, data, (size_t)len);
    text[len] = '\0';
    BIO_free(bio);
    return text;
}

static inline void add_ext(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (ext != NULL)
        X509_add_ext(x509, ext, -1);
    X509_EXTENSION_free(ext);
}

static inline void add_nul_name(X509 *x509, const char *text)
{
    GENERAL_NAMES  *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME   *name = GENERAL_NAME_new();
    ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
    char            bytes[128];
    size_t          len = strlen(text);

    memcpy(bytes, text, len);
    *(char *)memchr(bytes, '!', len) = '\0';
    ASN1_STRING_set(dns, bytes, (int)len);
    GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
}

/* The first that is wanted takes a tenth of a second, and serves all: they are told apart by the rest. */
static inline EVP_PKEY *rsa_key(unsigned bits)
{
    static EVP_PKEY *key;
    if (key != NULL && (unsigned)EVP_PKEY_get_bits(key) != bits) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    if (key == NULL)
        key = EVP_RSA_gen(bits);
    EVP_PKEY_up_ref(key);
    return key;
}

static inline struct cert make_cert(struct cert_opts o)
{
    static long serial = 1000;
    struct cert cert = { .x509 = X509_new() };
    time_t      now = (time_t)(hob_wall_now() / HOB_SEC);
    long        from = o.from_s == 0 && o.to_s == 0 ? -DAY_S : o.from_s;
    long        to = o.from_s == 0 && o.to_s == 0 ? 30 * DAY_S : o.to_s;

    cert.key = o.rsa_bits > 0 ? rsa_key(o.rsa_bits) : EVP_EC_gen("P-256");
    X509     *issuer = o.issuer != NULL ? o.issuer->x509 : cert.x509;
    EVP_PKEY *signer = o.issuer != NULL ? o.issuer->key : cert.key;

    X509_set_version(cert.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), o.serial != 0 ? o.serial : serial++);
    X509_time_adj_ex(X509_getm_notBefore(cert.x509), 0, from, &now);
    X509_time_adj_ex(X509_getm_notAfter(cert.x509), 0, to, &now);
    X509_set_pubkey(cert.x509, cert.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)o.cn, -1, -1, 0);
    X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer));
    add_ext(cert.x509, issuer, NID_basic_constraints, o.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add_ext(cert.x509, issuer, NID_subject_key_identifier, "hash");
    if (o.issuer != NULL)
        add_ext(cert.x509, issuer, NID_authority_key_identifier, "keyid");
    if (o.is_ca)
        add_ext(cert.x509, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    else
        add_ext(cert.x509, issuer, NID_ext_key_usage, o.usage ? o.usage : "serverAuth,clientAuth");
    if (o.names != NULL)
        add_ext(cert.x509, issuer, NID_subject_alt_name, o.names);
    if (o.nul_name != NULL)
        add_nul_name(cert.x509, o.nul_name);
    X509_sign(cert.x509, signer, EVP_sha256());

    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert.x509);
    cert.pem = text_of(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, cert.key, NULL, NULL, 0, NULL, NULL);
    cert.key_pem = text_of(bio);
    return cert;
}

static inline struct cert make_ca(const char *cn)
{
    return make_cert((struct cert_opts){ .cn = cn, .is_ca = true });
}

static inline hob_tls_identity identity_of(const struct cert *cert)
{
    return (hob_tls_identity){
        .cert = cert->pem,
        .cert_len = strlen(cert->pem),
        .key = cert->key_pem,
        .key_len = strlen(cert->key_pem),
    };
}

#endif
