/* SPDX-License-Identifier: MIT */
/*
 * Whether a TLS connection has ended with a goodbye (close_notify).
 *
 * libcurl takes any end for the end of a body that says nothing of its length, so whoever cuts the
 * connection could make a short body look whole. So each connection's context, which libcurl makes for
 * it alone, notes the goodbye; and an answer that ends with its connection holds the context, and looks
 * when it has ended.
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

#include "fetch/exchange.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int            said_goodbye = -1; /* the index of the note */

static void make_index(void)
{
    said_goodbye = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* A callback of OpenSSL. */
static void on_info(const SSL *ssl, int where, int alert)
{
    if (where == SSL_CB_READ_ALERT && (alert & 0xFF) == SSL_AD_CLOSE_NOTIFY)
        (void)!SSL_CTX_set_ex_data(SSL_get_SSL_CTX(ssl), said_goodbye, &once); // the slot is there
}

/* A callback of libcurl, which has made the context. */
static CURLcode watch(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    pthread_once(&once, make_index);
    if (said_goodbye < 0 || SSL_CTX_set_ex_data(context, said_goodbye, NULL) != 1)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_set_info_callback(context, on_info);
    return CURLE_OK;
}

CURLcode hob__fetch_goodbye_watch(hob_fetch_client *client, CURL *easy)
{
    return client->has_openssl ? curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch) : CURLE_OK;
}

static bool ends_with_connection(const hob_fetch_answer *a)
{
    bool is_bodiless = strcmp(a->asked.method, "HEAD") == 0 || a->status == 204 || a->status == 304;
    return a->version < 20 && !is_bodiless && (a->told & (TOLD_LENGTH | TOLD_TRANSFER)) == 0;
}

void hob__fetch_goodbye_expect(hob_fetch_answer *a)
{
    struct curl_tlssessioninfo *info = NULL;
    if (!a->url.is_tls || !a->client->has_openssl || !ends_with_connection(a))
        return;
    if (curl_easy_getinfo(a->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL
        || info->internals == NULL || info->backend != CURLSSLBACKEND_OPENSSL)
        return;
    SSL_CTX *context = SSL_get_SSL_CTX(info->internals);
    if (SSL_CTX_up_ref(context) == 1)
        a->expects_goodbye = context;
}

bool hob__fetch_goodbye_is_missing(hob_fetch_answer *a)
{
    if (a->expects_goodbye == NULL)
        return false;
    bool was_said = SSL_CTX_get_ex_data(a->expects_goodbye, said_goodbye) != NULL;
    SSL_CTX_free(a->expects_goodbye);
    a->expects_goodbye = NULL;
    return !was_said;
}
