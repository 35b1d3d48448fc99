/* SPDX-License-Identifier: MIT */
#include "fetch/url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/memory.h"

enum { URL_BYTES_MAX = 65536 };

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

int hob__fetch_url_read(const char *base, const char *text, struct fetch_url *ret_url,
                        const char **ret_why)
{
    struct fetch_url url = { 0 };
    CURLU           *handle = curl_url();
    *ret_why = "no memory";
    if (handle == NULL)
        return -ENOMEM;
    int r = read_into(handle, base, text, &url, ret_why);
    curl_url_cleanup(handle);
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
    *url = (struct fetch_url){ 0 };
}

bool hob__fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b)
{
    return a->is_tls == b->is_tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}
