/* SPDX-License-Identifier: MIT */
/*
 * The URL of a WebSocket, as far as it says where to connect to. What the host is, a name or an address,
 * hob_connect finds out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "wsopen/url.h"

/* Up to five digits, of which there may be none. */
static int parse_port(const char *text, size_t len, unsigned normal, unsigned *ret_port)
{
    unsigned port = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= 5)
            return -EINVAL;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (len > 0 && (port == 0 || port > 65535))
        return -EINVAL;
    *ret_port = len > 0 ? port : normal;
    return 0;
}

/* The length of the host in `text`, with its brackets, if it has any. 0: it is none. */
static size_t host_len(const char *text, size_t len)
{
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        return end != NULL ? (size_t)(end - text) + 1 : 0;
    }
    const char *colon = memchr(text, ':', len);
    return colon != NULL ? (size_t)(colon - text) : len;
}

/* Of which URLs consist; a fragment has no meaning here, and a password belongs into a header. */
static bool has_only_its_bytes(const char *url)
{
    for (const char *at = url; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 127 || *at == '#')
            return false;
    }
    return true;
}

int hob__ws_url_parse(const char *url, struct ws_url *ret_url)
{
    bool        is_secure = strncasecmp(url, "wss://", 6) == 0;
    const char *host = url + (is_secure ? 6 : 5);
    unsigned    port;

    if ((!is_secure && strncasecmp(url, "ws://", 5) != 0) || !has_only_its_bytes(url))
        return -EINVAL;
    size_t authority = strcspn(host, "/?#"), len = host_len(host, authority);
    if (len == 0 || len > WS_HOST_MAX || memchr(host, '@', authority) != NULL)
        return -EINVAL;
    if (len < authority && host[len] != ':')
        return -EINVAL;
    size_t digits = len < authority ? authority - len - 1 : 0;
    if (parse_port(host + len + 1, digits, is_secure ? 443 : 80, &port) < 0)
        return -EINVAL;
    bool has_brackets = host[0] == '[';
    if (has_brackets && len < 3)
        return -EINVAL;
    ret_url->is_secure = is_secure;
    snprintf(ret_url->host, sizeof ret_url->host, "%.*s", (int)(has_brackets ? len - 2 : len),
             host + has_brackets);
    snprintf(ret_url->host_port, sizeof ret_url->host_port, "%.*s:%u", (int)len, host, port);
    return 0;
}
