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
static bool read_port(const char *text, size_t len, unsigned normal, unsigned *ret_port)
{
    unsigned port = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= 5)
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    *ret_port = len > 0 ? port : normal;
    return len == 0 || (port > 0 && port <= 65535);
}

/* The length of the host in `text`, with its brackets, if it has any. 0: it is none. */
static size_t host_len(const char *text, size_t len)
{
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        return end != NULL && end > text + 1 ? (size_t)(end - text) + 1 : 0;
    }
    const char *colon = memchr(text, ':', len);
    return colon != NULL ? (size_t)(colon - text) : len;
}

static bool has_only_its_bytes(const char *url)
{
    for (; *url != '\0'; url++) {
        if ((unsigned char)*url <= ' ' || (unsigned char)*url >= 127)
            return false;
    }
    return true;
}

bool hob__ws_target_is_fine(const char *target)
{
    return (*target == '\0' || *target == '/' || *target == '?') && has_only_its_bytes(target)
           && strchr(target, '#') == NULL;
}

/* What is wrong with the parts of it, in the order in which they stand there; NULL: nothing. */
static const char *find_fault(const char *host, size_t authority, size_t len)
{
    if (memchr(host, '@', authority) != NULL)
        return "names and passwords belong into a header, not before an @";
    if (authority == 0 || host[0] == ':')
        return "there is no host in it";
    if (len == 0)
        return "an address of IPv6 is [between brackets]";
    if (len > WS_HOST_MAX)
        return "the host is too long";
    if (len < authority && host[len] != ':')
        return "behind the bracket comes a colon and the port";
    return strchr(host + authority, '#') != NULL ? "a fragment (#) means nothing to a server" : NULL;
}

int hob__ws_url_parse(const char *url, struct ws_url *ret_url, const char **ret_why)
{
    bool        is_secure = strncasecmp(url, "wss://", 6) == 0;
    const char *host = url + (is_secure ? 6 : 5);
    unsigned    port = 0;

    if (!is_secure && strncasecmp(url, "ws://", 5) != 0) {
        *ret_why = "it begins with ws:// or wss://";
        return -EINVAL;
    }
    size_t authority = strcspn(host, "/?#"), len = host_len(host, authority);
    *ret_why = has_only_its_bytes(url) ? find_fault(host, authority, len)
                                       : "blanks and bytes beyond ASCII are written as %XX";
    size_t digits = len < authority ? authority - len - 1 : 0;
    if (*ret_why == NULL && !read_port(host + len + 1, digits, is_secure ? 443 : 80, &port))
        *ret_why = "the port is a number from 1 to 65535";
    if (*ret_why != NULL)
        return -EINVAL;
    bool has_brackets = host[0] == '[';
    ret_url->is_secure = is_secure;
    ret_url->target = host + authority;
    snprintf(ret_url->host, sizeof ret_url->host, "%.*s", (int)(has_brackets ? len - 2 : len),
             host + has_brackets);
    snprintf(ret_url->host_port, sizeof ret_url->host_port, "%.*s:%u", (int)len, host, port);
    snprintf(ret_url->authority, sizeof ret_url->authority, "%.*s", (int)(digits > 0 ? authority : len), host);
    return 0;
}
