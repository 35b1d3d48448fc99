/* SPDX-License-Identifier: MIT */
/* What went wrong, in words and as a number. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/exchange.h"

static const char *const STEPS[] = {
    [HOB_FETCH_NOTHING] = "nothing",
    [HOB_FETCH_REQUEST] = "the request",
    [HOB_FETCH_TURN] = "waiting for a turn",
    [HOB_FETCH_NAME] = "looking up the name",
    [HOB_FETCH_CONNECT] = "connecting",
    [HOB_FETCH_TLS] = "the TLS handshake",
    [HOB_FETCH_SEND] = "sending the request",
    [HOB_FETCH_WAIT] = "waiting for the answer",
    [HOB_FETCH_BODY] = "reading the body",
    [HOB_FETCH_REDIRECT] = "following a redirect",
};

static const char *words_of(hob_fetch_step step, int error)
{
    return step == HOB_FETCH_NAME ? hob_dns_strerror(error) : hob_strerror(error);
}

static const char *name_shown(const hob_fetch_answer *a, hob_fetch_step step)
{
    const struct fetch_proxy *proxy;
    if (step != HOB_FETCH_NAME || a->url.host == NULL)
        return a->url.host;
    proxy = hob__fetch_proxy_for(a->client, a->url.is_tls, a->url.host);
    return proxy != NULL ? proxy->host : a->url.host;
}

void hob__fetch_say(hob_fetch_answer *a, hob_fetch_step step, int error, const char *words)
{
    hob_fetch_trouble *trouble = &a->trouble;
    const char        *host = name_shown(a, step);
    char               where[300] = "";

    if (host != NULL)
        snprintf(where, sizeof where, strchr(host, ':') != NULL ? "[%s]:%u: " : "%s:%u: ", host, a->url.port);
    trouble->step = step;
    trouble->error = error;
    snprintf(trouble->text, sizeof trouble->text, "%s%s: %s%s%s", where, STEPS[step], words_of(step, error),
             words != NULL && words[0] != '\0' ? ": " : "", words != NULL ? words : "");
    for (char *c = trouble->text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

/* ---- what libcurl says ---- */

static int system_error(const hob_fetch_answer *a, int otherwise)
{
    long os = 0;
    if (curl_easy_getinfo(a->easy, CURLINFO_OS_ERRNO, &os) != CURLE_OK || os <= 0)
        return otherwise;
    return -(int)os;
}

/* Where it was when it failed. */
static hob_fetch_step step_of(const hob_fetch_answer *a)
{
    char *peer = NULL; // known when there is a connection
    if (a->is_head)
        return HOB_FETCH_BODY;
    if (a->sendings > 0)
        return (a->opts.upload || a->opts.body_stream != NULL) && !a->is_finished ? HOB_FETCH_SEND
                                                                                  : HOB_FETCH_WAIT;
    curl_easy_getinfo(a->easy, CURLINFO_PRIMARY_IP, &peer);
    return peer != NULL && peer[0] != '\0' && a->url.is_tls ? HOB_FETCH_TLS : HOB_FETCH_CONNECT;
}

static int connect_error(const hob_fetch_answer *a)
{
    return a->socket_error != 0 ? a->socket_error : system_error(a, -ECONNREFUSED);
}

/* A broken connection: of these errors no other is the wire's. */
static int wire_error(const hob_fetch_answer *a, int otherwise)
{
    int error = system_error(a, otherwise);
    return error == -EPIPE || error == -ECONNRESET || error == -ETIMEDOUT || error == -EHOSTUNREACH
                || error == -ENETUNREACH
             ? error
             : otherwise;
}

/* libcurl has one code for a connection that broke and for chunks that are none. */
static int recv_error(const hob_fetch_answer *a, hob_fetch_step step)
{
    int error = wire_error(a, 0);
    if (error != 0)
        return error;
    if (step == HOB_FETCH_TLS)
        return HOB_ETLS;
    if (strncmp(a->handle->said, "OpenSSL", 7) != 0)
        return HOB_EHTTP;
    return strstr(a->handle->said, "unexpected eof") != NULL ? HOB_ETLSTRUNCATED : HOB_ETLS;
}

static int send_error(const hob_fetch_answer *a, hob_fetch_step step)
{
    return wire_error(a, step == HOB_FETCH_TLS ? HOB_ETLS : -EPIPE);
}

int hob__fetch_error_of(hob_fetch_answer *a, CURLcode code, hob_fetch_step *ret_step,
                        const char **ret_words)
{
    hob_fetch_step step = step_of(a);
    *ret_step = step;
    *ret_words = a->handle->said[0] != '\0' ? a->handle->said : curl_easy_strerror(code);
    switch (code) {
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        *ret_words = a->own_words;
        return a->own_error != 0 ? a->own_error : HOB_EHTTP;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        // It is given addresses, so there is nothing that it could not find.
        *ret_step = HOB_FETCH_CONNECT;
        return strchr(a->url.host, ':') != NULL ? -EAFNOSUPPORT : -ENOMEM;
    case CURLE_COULDNT_CONNECT:
        *ret_step = HOB_FETCH_CONNECT;
        return connect_error(a);
    case CURLE_PROXY:
        *ret_step = HOB_FETCH_CONNECT;
        return -ECONNREFUSED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        *ret_step = HOB_FETCH_TLS;
        return HOB_ETLSCERT;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CRL_BADFILE:
        *ret_step = HOB_FETCH_TLS;
        return HOB_ETLSCONFIG;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_USE_SSL_FAILED:
        *ret_step = HOB_FETCH_TLS;
        return wire_error(a, HOB_ETLS);
    case CURLE_SEND_ERROR:
        *ret_step = a->sendings > 0 ? HOB_FETCH_SEND : step;
        return send_error(a, *ret_step);
    case CURLE_SEND_FAIL_REWIND:
        *ret_step = HOB_FETCH_SEND;
        return -ECONNRESET;
    case CURLE_RECV_ERROR:
        return recv_error(a, step);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return HOB_EOF;
    default:
        return HOB_EHTTP; // a head, chunks, a coding, a stream of HTTP/2 that is none
    }
}
