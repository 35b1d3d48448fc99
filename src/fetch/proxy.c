/* SPDX-License-Identifier: MIT */
/* Proxies: which, and for whom not. Read from the environment only when told to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/client.h"
#include "fetch/memory.h"

static bool is_scheme(const char *scheme)
{
    return strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0
        || strcasecmp(scheme, "socks5h") == 0; // one that looks names up itself
}

static int default_port(const char *scheme)
{
    return strcasecmp(scheme, "https") == 0 ? 443 : strcasecmp(scheme, "http") == 0 ? 80 : 1080;
}

static int take_parts(CURLU *url, struct fetch_proxy *proxy)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    int   r = -EINVAL;
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && is_scheme(scheme)
        && curl_url_get(url, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK && host[0] != '\0') {
        r = 0;
        if (curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK)
            proxy->port = (uint16_t)strtoul(port, NULL, 10);
        if (proxy->port == 0)
            proxy->port = (uint16_t)default_port(scheme);
        size_t len = strlen(host);
        if (host[0] == '[') {
            host[len - 1] = '\0';
            proxy->host = hob__fetch_strdup(host + 1);
        } else {
            proxy->host = hob__fetch_strdup(host);
        }
        if (proxy->host == NULL)
            r = -ENOMEM;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return r;
}

/* The whole of it goes to libcurl, with a user if there is one. */
static int read_proxy(const char *text, const char *no_proxy, struct fetch_proxy *proxy)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    CURLU *url = curl_url();
    if (url == NULL)
        return -ENOMEM;
    int       r = 0;
    unsigned  flags = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, flags);
    if (code != CURLUE_OK)
        r = code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    if (r == 0)
        r = take_parts(url, proxy);
    curl_url_cleanup(url);
    if (r < 0)
        return r;
    proxy->url = hob__fetch_strdup(text);
    proxy->no_proxy = hob__fetch_strdup(no_proxy);
    return proxy->url == NULL || (no_proxy != NULL && proxy->no_proxy == NULL) ? -ENOMEM : 0;
}

/* In small letters first; HTTP_PROXY is a header of CGI programs, and not looked at. */
static const char *environment(const char *small, const char *large)
{
    const char *value = getenv(small);
    if (value == NULL && large != NULL)
        value = getenv(large);
    return value;
}

int hob__fetch_proxies_init(hob_fetch_client *client, const hob_fetch_client_opts *opts)
{
    const char *plain = opts->proxy, *tls = opts->proxy, *no_proxy = opts->no_proxy;
    if (plain == NULL && opts->environment_proxy) {
        const char *all = environment("all_proxy", "ALL_PROXY");
        plain = environment("http_proxy", NULL);
        tls = environment("https_proxy", "HTTPS_PROXY");
        if (plain == NULL)
            plain = all;
        if (tls == NULL)
            tls = all;
        if (no_proxy == NULL)
            no_proxy = environment("no_proxy", "NO_PROXY");
    }
    int r = read_proxy(plain, no_proxy, &client->plain_proxy);
    return r < 0 ? r : read_proxy(tls, no_proxy, &client->tls_proxy);
}

static void fini(struct fetch_proxy *proxy)
{
    hob__fetch_free(proxy->url);
    hob__fetch_free(proxy->host);
    hob__fetch_free(proxy->no_proxy);
}

void hob__fetch_proxies_fini(hob_fetch_client *client)
{
    fini(&client->plain_proxy);
    fini(&client->tls_proxy);
}

/* "example.com" and ".example.com" are the name and all below it. */
static bool is_below(const char *host, const char *name, size_t len)
{
    size_t host_len = strlen(host);
    if (len > 0 && name[0] == '.') {
        name++;
        len--;
    }
    if (len == 0 || host_len < len || strncasecmp(host + host_len - len, name, len) != 0)
        return false;
    return host_len == len || host[host_len - len - 1] == '.';
}

static bool is_exempt(const char *list, const char *host)
{
    static const char BETWEEN[] = ", \t";
    for (const char *at = list; *(at += strspn(at, BETWEEN)) != '\0';) {
        size_t len = strcspn(at, BETWEEN);
        if ((len == 1 && *at == '*') || is_below(host, at, len))
            return true;
        at += len;
    }
    return false;
}

const struct fetch_proxy *hob__fetch_proxy_for(const hob_fetch_client *client, bool is_tls,
                                               const char *host)
{
    const struct fetch_proxy *proxy = is_tls ? &client->tls_proxy : &client->plain_proxy;
    if (proxy->url == NULL || (proxy->no_proxy != NULL && is_exempt(proxy->no_proxy, host)))
        return NULL;
    return proxy;
}
