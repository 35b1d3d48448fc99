/* SPDX-License-Identifier: MIT */
/* What went wrong, in words: from OpenSSL's error queue, and from the check of certificates. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/openssl.h"

enum { NAMES_MAX = 3 }; /* of a certificate in a sentence */

void hob__tls_say(hob_tls_words *words, const char *format, ...)
{
    va_list args;
    if (words == NULL)
        return;
    va_start(args, format);
    int len = vsnprintf(words->text, sizeof words->text, format, args);
    va_end(args);
    if (len < 0)
        words->text[0] = '\0';
    for (char *c = words->text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

/* ---- certificates ---- */

/* A day, as people write it; "an unknown day" when the certificate has none that can be read. */
static const char *day(const ASN1_TIME *time, char text[16])
{
    struct tm tm;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1 ||
        strftime(text, 16, "%Y-%m-%d", &tm) == 0)
        return "an unknown day";
    return text;
}

static void add(char *text, size_t size, const char *piece, size_t len)
{
    size_t at = strlen(text);
    snprintf(text + at, size - at, "%s%.*s", at > 0 ? ", " : "", (int)len, piece);
}

/* The first names that the certificate is for. A NUL in one is shown as what it is: the end of
 * what could be read, with a ? for it. */
static void names_of(const X509 *cert, char *text, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int            shown = 0, count = sk_GENERAL_NAME_num(names);

    text[0] = '\0';
    for (int i = 0; i < count && shown < NAMES_MAX; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char                ip[INET6_ADDRSTRLEN];
        if (name->type == GEN_DNS) {
            const char *dns = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
            size_t      len = dns != NULL ? (size_t)ASN1_STRING_length(name->d.dNSName) : 0;
            if (dns == NULL)
                dns = "";
            add(text, size, dns, strnlen(dns, len));
            if (strnlen(dns, len) < len)
                snprintf(text + strlen(text), size - strlen(text), "?");
            shown++;
        } else if (name->type == GEN_IPADD) {
            int len = ASN1_STRING_length(name->d.iPAddress);
            if ((len == 4 || len == 16) &&
                inet_ntop(len == 4 ? AF_INET : AF_INET6,
                          ASN1_STRING_get0_data(name->d.iPAddress), ip, sizeof ip) != NULL) {
                add(text, size, ip, strlen(ip));
                shown++;
            }
        }
    }
    if (shown == 0)
        snprintf(text, size, "no name");
    else if (shown < count)
        snprintf(text + strlen(text), size - strlen(text), ", ...");
    GENERAL_NAMES_free(names);
}

static void issuer_of(const X509 *cert, char *text, size_t size)
{
    if (X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, text, (int)size) < 0)
        snprintf(text, size, "an issuer without a name");
}

static void say_refusal(struct engine *engine, X509_STORE_CTX *store)
{
    hob_tls_words *words = &engine->words;
    int            error = X509_STORE_CTX_get_error(store);
    X509          *cert = X509_STORE_CTX_get_current_cert(store);
    const char    *whose = X509_STORE_CTX_get_error_depth(store) == 0 ? "certificate"
                                                                      : "certificate of an issuer";
    char           text[128], date[16];
    if (cert == NULL) {
        hob__tls_say(words, "certificate refused: %s", X509_verify_cert_error_string(error));
        return;
    }

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        hob__tls_say(words, "%s expired %s", whose, day(X509_get0_notAfter(cert), date));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        hob__tls_say(words, "%s is not valid before %s", whose, day(X509_get0_notBefore(cert), date));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        names_of(cert, text, sizeof text);
        hob__tls_say(words, "certificate is for %s, not %s", text,
                     engine->name != NULL ? engine->name : "this peer");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        hob__tls_say(words, "certificate is signed by itself, and not one we trust");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        issuer_of(cert, text, sizeof text);
        hob__tls_say(words, "%s is signed by %s, which we do not trust", whose, text);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        hob__tls_say(words, "%s is not for %s", whose, engine->is_server ? "clients" : "servers");
        break;
    default:
        hob__tls_say(words, "%s refused: %s", whose, X509_verify_cert_error_string(error));
        break;
    }
}

int hob__openssl_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL           *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct engine *engine = SSL_get_app_data(ssl);

    if (!ok && !engine->cert_refused) {
        engine->cert_refused = true;
        say_refusal(engine, store);
    }
    return ok;
}

/* ---- the error queue ---- */

static bool is_no_memory(void)
{
    bool          found = false;
    unsigned long error;
    while ((error = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            found = true;
    }
    return found;
}

static void say_reason(hob_tls_words *words, unsigned long error)
{
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;

    if (reason > SSL_AD_REASON_OFFSET) {
        hob__tls_say(words, "the peer refused: %s",
                     SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
        return;
    }
    switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        hob__tls_say(words, "the peer speaks HTTP without TLS");
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
        hob__tls_say(words, "the peer does not speak TLS");
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
        hob__tls_say(words, "no version of TLS in common");
        break;
    case SSL_R_NO_SHARED_CIPHER:
        hob__tls_say(words, "no cipher in common");
        break;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        hob__tls_say(words, "no protocol in common (ALPN)");
        break;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        hob__tls_say(words, "the peer showed no certificate");
        break;
    default: {
        const char *text = ERR_reason_error_string(error);
        hob__tls_say(words, "the peer broke the protocol: %s", text != NULL ? text : "no reason given");
        break;
    }
    }
}

void hob__openssl_explain(struct engine *engine)
{
    unsigned long error = ERR_peek_error();
    int           reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;

    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && engine->cert_refused) {
        engine->error = HOB_ETLSCERT;
    } else {
        say_reason(&engine->words, error);
        engine->error =
            reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ? HOB_ETLSCERT : HOB_ETLS;
    }
    if (is_no_memory() || engine->wire->no_memory) {
        engine->error = -ENOMEM;
        hob__tls_say(&engine->words, "%s", hob_strerror(-ENOMEM));
    }
}

int hob__openssl_blame(const char *from, const char *what, hob_tls_words *words)
{
    unsigned long error = ERR_peek_last_error();
    const char   *text = what != NULL ? what : ERR_reason_error_string(error);
    if (is_no_memory()) {
        hob__tls_say(words, "%s: %s", from, hob_strerror(-ENOMEM));
        return -ENOMEM;
    }
    hob__tls_say(words, "%s: %s", from, text != NULL ? text : "OpenSSL gives no reason");
    return HOB_ETLSCONFIG;
}
