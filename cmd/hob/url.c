/* SPDX-License-Identifier: MIT */
#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char WRONG_PORT[] = "the port is no number from 1 to 65535";

/* The port behind the host, or the usual one. */
static const char *parse_port(const char *text, size_t len, struct url *url)
{
    unsigned long port = 0;

    if (len == 0)
        return NULL;
    if (text[0] != ':' || len == 1 || len > 6)
        return WRONG_PORT;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return WRONG_PORT;
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    if (port == 0 || port > 65535)
        return WRONG_PORT;
    url->port = (uint16_t)port;
    return NULL;
}

static const char *parse_authority(const char *text, size_t len, struct url *url)
{
    const char *host = text, *end;

    if (memchr(text, '@', len) != NULL)
        return "names and passwords are not sent; use -H 'Authorization: ...'";
    if (len > 0 && text[0] == '[') {
        host = text + 1;
        end = memchr(text, ']', len);
        if (end == NULL)
            return "there is no ] behind the address";
        len -= (size_t)(end + 1 - text);
        text = end + 1;
    } else {
        end = memchr(text, ':', len);
        if (end != NULL && memchr(end + 1, ':', (size_t)(text + len - end - 1)) != NULL)
            return "an address of IPv6 is in brackets, such as [::1]";
        end = end != NULL ? end : text + len;
        len -= (size_t)(end - text);
        text = end;
    }
    if (end == host || (size_t)(end - host) >= sizeof url->host)
        return end == host ? "there is no host" : "the host is too long";
    memcpy(url->host, host, (size_t)(end - host));
    url->host[end - host] = '\0';
    return parse_port(text, len, url);
}

/* Any one in front; what is in a path or a query is none. */
static bool has_scheme(const char *text)
{
    size_t len = strcspn(text, "/?#");
    return len > 0 && text[len - 1] == ':' && strncmp(text + len, "//", 2) == 0;
}

const char *url_parse(const char *text, struct url *ret_url)
{
    struct url  url = { .port = 80 };
    const char *rest = text;

    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return "it has a blank or a letter that is not ASCII; write it as %20 and the like";
    if (strncasecmp(rest, "http://", 7) == 0) {
        rest += 7;
    } else if (strncasecmp(rest, "https://", 8) == 0) {
        rest += 8;
        url.is_https = true;
        url.port = 443;
    } else if (strncasecmp(rest, "http:/", 6) == 0 || strncasecmp(rest, "https:/", 7) == 0) {
        return "it begins with http:// or https://, with two slashes";
    } else if (has_scheme(rest)) {
        return "only http:// and https:// are known";
    }

    size_t      len = strcspn(rest, "/?#");
    const char *wrong = parse_authority(rest, len, &url);
    if (wrong != NULL)
        return wrong;
    if (len >= sizeof url.authority)
        return "the host is too long";
    memcpy(url.authority, rest, len);

    rest += len;
    len = strcspn(rest, "#"); // a fragment is not sent
    if (len + 2 > sizeof url.target)
        return "it is too long";
    snprintf(url.target, sizeof url.target, "%s%.*s", rest[0] == '/' ? "" : "/", (int)len, rest);
    *ret_url = url;
    return NULL;
}
