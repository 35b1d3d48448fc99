/* SPDX-License-Identifier: MIT */
/*
 * libcurl takes URLs apart, and is given the parts that came out. Most need no change and are seen through
 * at a glance, which costs a tenth: it must never take what libcurl would not, or would read as something
 * else, and leaves to it whatever is not quite plain.
 */
#include "fetch/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/memory.h"

enum { URL_BYTES_MAX = 65536, NAME_BYTES_MAX = 253 };

bool hob__fetch_is_address(const char *host)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

static int error_of(CURLUcode code, const char **ret_why)
{
    *ret_why = curl_url_strerror(code);
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* A part as a text of ours. */
static int take_part(CURLU *handle, CURLUPart part, unsigned flags, char **ret_text,
                     const char **ret_why)
{
    char     *theirs;
    CURLUcode code = curl_url_get(handle, part, &theirs, flags);
    if (code != CURLUE_OK)
        return error_of(code, ret_why);
    *ret_text = hob__fetch_strdup(theirs);
    curl_free(theirs);
    return *ret_text != NULL ? 0 : -ENOMEM;
}

/* "[fe80::1%eth0]" is somebody else on each machine. */
static int refuse_zone(CURLU *handle, const char **ret_why)
{
    char     *zone = NULL;
    CURLUcode code = curl_url_get(handle, CURLUPART_ZONEID, &zone, 0);
    curl_free(zone);
    if (code == CURLUE_NO_ZONEID)
        return 0;
    *ret_why = "an address with a zone";
    return -EINVAL;
}

/* The host in ASCII, put back in its place; and without its brackets. */
static int take_host(CURLU *handle, struct fetch_url *url, const char **ret_why)
{
    int r = take_part(handle, CURLUPART_HOST, CURLU_PUNYCODE, &url->host, ret_why);
    if (r < 0)
        return r;
    CURLUcode code = curl_url_set(handle, CURLUPART_HOST, url->host, 0);
    if (code != CURLUE_OK)
        return error_of(code, ret_why);
    size_t len = strlen(url->host);
    if (url->host[0] == '[' && len >= 2) {
        memmove(url->host, url->host + 1, len - 2);
        url->host[len - 2] = '\0';
    }
    url->is_address = hob__fetch_is_address(url->host);
    if (url->host[0] != '\0')
        return 0;
    *ret_why = "no host that can be asked";
    return -EINVAL;
}

static int take_scheme(CURLU *handle, struct fetch_url *url, const char **ret_why)
{
    char *scheme = NULL;
    int   r = take_part(handle, CURLUPART_SCHEME, 0, &scheme, ret_why);
    if (r < 0)
        return r;
    url->is_tls = strcasecmp(scheme, "https") == 0;
    if (!url->is_tls && strcasecmp(scheme, "http") != 0) {
        *ret_why = "neither http nor https";
        r = -EPROTONOSUPPORT;
    }
    hob__fetch_free(scheme);
    return r;
}

static int take_port(CURLU *handle, struct fetch_url *url, const char **ret_why)
{
    char *port = NULL;
    int   r = take_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port, ret_why);
    if (r < 0)
        return r;
    url->port = (uint16_t)strtoul(port, NULL, 10); // libcurl has looked at it
    hob__fetch_free(port);
    if (url->port != 0)
        return 0;
    *ret_why = "there is no port 0";
    return -EINVAL;
}

static int refuse_user(CURLU *handle, const char **ret_why)
{
    char     *user = NULL;
    CURLUcode code = curl_url_get(handle, CURLUPART_USER, &user, 0);
    curl_free(user);
    if (code == CURLUE_NO_USER)
        return 0;
    if (code != CURLUE_OK)
        return error_of(code, ret_why);
    *ret_why = "a user in a URL is shown everywhere: give it as an option";
    return -EINVAL;
}

static int read_into(CURLU *handle, const char *base, const char *text, struct fetch_url *url,
                     const char **ret_why)
{
    if (strlen(text) > URL_BYTES_MAX) {
        *ret_why = "too long";
        return -EINVAL;
    }
    // Servers name places with blanks in them; who writes a program is told.
    unsigned  flags = CURLU_NON_SUPPORT_SCHEME | (base != NULL ? CURLU_URLENCODE : 0u);
    CURLUcode code = CURLUE_OK;
    if (base != NULL)
        code = curl_url_set(handle, CURLUPART_URL, base, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_URL, text, flags);
    if (code != CURLUE_OK)
        return error_of(code, ret_why);
    int r = take_scheme(handle, url, ret_why);
    if (r == 0)
        r = refuse_user(handle, ret_why);
    if (r == 0)
        r = refuse_zone(handle, ret_why);
    if (r == 0)
        r = take_host(handle, url, ret_why);
    if (r == 0)
        r = take_port(handle, url, ret_why);
    if (r == 0)
        r = take_part(handle, CURLUPART_URL, 0, &url->text, ret_why);
    return r;
}

/* ---- what most are ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* A name in lower case, or an address as it is written; not what libcurl would read as another form of
 * an address (0x7f.1), nor one with a dot at its end. Returns its length; 0: it is something else. */
static size_t plain_host(const char *at)
{
    char          host[NAME_BYTES_MAX + 1];
    unsigned char raw[4];
    size_t        len = 0;

    while (is_lower(at[len]) || is_digit(at[len]) || at[len] == '-'
           || (at[len] == '.' && len > 0 && at[len - 1] != '.'))
        len++;
    if (len == 0 || len > NAME_BYTES_MAX || at[len - 1] == '.')
        return 0;
    if (is_lower(at[0]))
        return len;
    memcpy(host, at, len);
    host[len] = '\0';
    return inet_pton(AF_INET, host, raw) == 1 ? len : 0;
}

static bool is_plain(char c)
{
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("-_~/.?=&+,:;", c) != NULL);
}

/* From a slash to the end: nothing that is taken out (dots, a fragment, an empty query) or encoded. */
static bool is_plain_path(const char *at)
{
    size_t len = 0;

    while (is_plain(at[len])) // strspn would make a table first, each time
        len++;
    return at[0] == '/' && at[len] == '\0' && at[len - 1] != '?' && strstr(at, "/.") == NULL;
}

/* Its parts, the path from `path_at` on. Returns 1; 0: libcurl would not take one, after all; -ENOMEM. */
static int give_parts(struct fetch_url *url, const char *port, size_t path_at)
{
    char     *path = url->text + path_at, *query = strchr(path, '?');
    CURLU    *parts = url->parts = curl_url();
    CURLUcode code = parts != NULL ? curl_url_set(parts, CURLUPART_SCHEME, url->is_tls ? "https" : "http", 0)
                                   : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_HOST, url->host, 0);
    if (code == CURLUE_OK && port[0] != '\0')
        code = curl_url_set(parts, CURLUPART_PORT, port, 0);
    if (query != NULL)
        *query = '\0'; // for a moment
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_PATH, path, 0);
    if (code == CURLUE_OK && query != NULL)
        code = curl_url_set(parts, CURLUPART_QUERY, query + 1, 0);
    if (query != NULL)
        *query = '?';
    return code == CURLUE_OK ? 1 : code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : 0;
}

int hob__fetch_url_plain(const char *text, struct fetch_url *ret_url)
{
    struct fetch_url url = { .is_tls = strncmp(text, "https://", 8) == 0 };
    const char      *host = text + (url.is_tls ? 8 : 7);
    unsigned         port = url.is_tls ? 443 : 80;
    char             digits[6] = "";

    if (!url.is_tls && strncmp(text, "http://", 7) != 0)
        return 0;
    size_t      host_len = plain_host(host);
    const char *at = host + host_len;
    if (host_len == 0)
        return 0;
    if (*at == ':') {
        port = 0;
        if (*++at == '0')
            return 0;
        for (; is_digit(*at) && port <= UINT16_MAX; at++)
            port = 10 * port + (unsigned)(*at - '0');
        if (port == 0 || port > UINT16_MAX)
            return 0;
        memcpy(digits, host + host_len + 1, (size_t)(at - host) - host_len - 1); // five at most
    }
    if (!is_plain_path(at) || strlen(at) > URL_BYTES_MAX / 2)
        return 0;
    url.port = (uint16_t)port;
    url.is_address = !is_lower(host[0]); // see plain_host
    url.host = hob__fetch_realloc(NULL, host_len + 1);
    url.text = hob__fetch_strdup(text);
    int r = -ENOMEM;
    if (url.host != NULL && url.text != NULL) {
        memcpy(url.host, host, host_len);
        url.host[host_len] = '\0';
        r = give_parts(&url, digits, (size_t)(at - text));
    }
    if (r > 0)
        *ret_url = url;
    else
        hob__fetch_url_fini(&url);
    return r;
}

/* ---- all ---- */

int hob__fetch_url_read(const char *base, const char *text, struct fetch_url *ret_url,
                        const char **ret_why)
{
    struct fetch_url url = { 0 };

    *ret_why = "no memory";
    int r = base == NULL ? hob__fetch_url_plain(text, ret_url) : 0;
    if (r != 0)
        return r < 0 ? r : 0;
    CURLU *handle = curl_url();
    if (handle == NULL)
        return -ENOMEM;
    url.parts = handle;
    r = read_into(handle, base, text, &url, ret_why);
    if (r < 0)
        hob__fetch_url_fini(&url);
    else
        *ret_url = url;
    return r;
}

void hob__fetch_url_fini(struct fetch_url *url)
{
    hob__fetch_free(url->text);
    hob__fetch_free(url->host);
    curl_url_cleanup(url->parts);
    *url = (struct fetch_url){ 0 };
}

bool hob__fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b)
{
    return a->is_tls == b->is_tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}
