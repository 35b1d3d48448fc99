/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text and as values.
 *
 * A hob_addr holds the very bytes that bind(2) takes. What it does not use of
 * them is zero.
 */
#include "hob/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/check.h"

enum { PATH_AT = offsetof(struct sockaddr_un, sun_path) };

static_assert(sizeof(struct sockaddr_in) <= sizeof((hob_addr *)0)->u.raw, "IPv4 fits");
static_assert(sizeof(struct sockaddr_in6) <= sizeof((hob_addr *)0)->u.raw, "IPv6 fits");
static_assert(sizeof(struct sockaddr_un) <= sizeof((hob_addr *)0)->u.raw, "a Unix path fits");

static hob_addr addr_of(const void *sockaddr, size_t len)
{
    hob_addr addr = { .len = (uint16_t)len };
    memcpy(addr.u.raw, sockaddr, len);
    return addr;
}

static hob_addr ipv4_addr(struct in_addr host, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = host, .sin_port = htons(port) };
    return addr_of(&in, sizeof in);
}

static struct sockaddr_in as_ipv4(const hob_addr *addr)
{
    struct sockaddr_in in;
    memcpy(&in, addr->u.raw, sizeof in);
    return in;
}

static struct sockaddr_in6 as_ipv6(const hob_addr *addr)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, addr->u.raw, sizeof in6);
    return in6;
}

/* ---- from text ---- */

/* Reads a decimal number up to `max` that fills the whole text: no sign, no blank. */
static bool parse_number(const char *text, uint32_t max, uint32_t *ret_number)
{
    uint64_t number = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > max)
            return false;
    }
    *ret_number = (uint32_t)number;
    return true;
}

/* Copies the bytes from `text` to before `end`, if they fit with a NUL. */
static bool copy_part(char *part, size_t size, const char *text, const char *end)
{
    size_t len = (size_t)(end - text);
    if (len >= size)
        return false;
    memcpy(part, text, len);
    part[len] = '\0';
    return true;
}

static int parse_ipv4(const char *text, hob_addr *ret_addr)
{
    char           host[INET_ADDRSTRLEN];
    struct in_addr in = { .s_addr = htonl(INADDR_ANY) };
    uint32_t       port;

    const char *colon = strchr(text, ':');
    if (colon == NULL || !copy_part(host, sizeof host, text, colon))
        return -EINVAL;
    if (host[0] != '\0' && inet_pton(AF_INET, host, &in) != 1)
        return -EINVAL;
    if (!parse_number(colon + 1, UINT16_MAX, &port))
        return -EINVAL;

    *ret_addr = ipv4_addr(in, (uint16_t)port);
    return 0;
}

/* Reads what follows a '[': "::1]:80", "fe80::1%2]:80". */
static int parse_ipv6(const char *text, hob_addr *ret_addr)
{
    char                host[INET6_ADDRSTRLEN];
    char                zone[16];
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    uint32_t            port;

    const char *bracket = strchr(text, ']');
    if (bracket == NULL || bracket[1] != ':')
        return -EINVAL;
    const char *percent = memchr(text, '%', (size_t)(bracket - text));
    if (percent != NULL) {
        if (!copy_part(zone, sizeof zone, percent + 1, bracket))
            return -EINVAL;
        if (!parse_number(zone, UINT32_MAX, &in6.sin6_scope_id))
            return -EINVAL;
    }
    if (!copy_part(host, sizeof host, text, percent != NULL ? percent : bracket))
        return -EINVAL;
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
        return -EINVAL;
    if (!parse_number(bracket + 2, UINT16_MAX, &port))
        return -EINVAL;

    in6.sin6_port = htons((uint16_t)port);
    *ret_addr = addr_of(&in6, sizeof in6);
    return 0;
}

static int parse_unix(const char *path, hob_addr *ret_addr)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    bool               is_abstract = path[0] == '@';
    size_t             len = strlen(path);

    if (len == (is_abstract ? 1 : 0))
        return -EINVAL;
    if (len >= sizeof un.sun_path)
        return -ENAMETOOLONG;

    // An abstract name begins with a NUL and ends with its length; a path ends with a NUL.
    memcpy(un.sun_path, path, len);
    if (is_abstract)
        un.sun_path[0] = '\0';
    *ret_addr = addr_of(&un, PATH_AT + len + (is_abstract ? 0 : 1));
    return 0;
}

int hob_addr_parse(const char *text, hob_addr *ret_addr)
{
    hob_require(text != NULL, "hob_addr_parse: the text is NULL");

    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret_addr);
    if (text[0] == '[')
        return parse_ipv6(text + 1, ret_addr);
    return parse_ipv4(text, ret_addr);
}

/* ---- from other values ---- */

hob_addr hob_addr_loopback(uint16_t port)
{
    return ipv4_addr((struct in_addr){ htonl(INADDR_LOOPBACK) }, port);
}

int hob_addr_from_sockaddr(const struct sockaddr *sa, size_t len, hob_addr *ret_addr)
{
    sa_family_t family;
    size_t      len_min, len_max;

    if (len < sizeof family)
        return -EINVAL;
    memcpy(&family, sa, sizeof family);

    switch (family) {
    case AF_INET:
        len_min = len_max = sizeof(struct sockaddr_in);
        break;
    case AF_INET6:
        len_min = len_max = sizeof(struct sockaddr_in6);
        break;
    case AF_UNIX:
        len_min = PATH_AT;
        len_max = sizeof(struct sockaddr_un);
        break;
    default:
        return -EINVAL;
    }
    if (len < len_min || len > len_max)
        return -EINVAL;

    *ret_addr = addr_of(sa, len);
    return 0;
}

/* ---- looking at them ---- */

hob_addr hob_addr_from_ip(const void *ip, size_t len, uint16_t port)
{
    hob_require(ip != NULL, "hob_addr_from_ip: the IP is NULL");
    hob_require(len == 4 || len == 16, "hob_addr_from_ip: an IP has 4 or 16 bytes");
    if (len == 4) {
        struct in_addr host;
        memcpy(&host, ip, sizeof host);
        return ipv4_addr(host, port);
    }
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    memcpy(&in6.sin6_addr, ip, sizeof in6.sin6_addr);
    return addr_of(&in6, sizeof in6);
}

size_t hob_addr_ip(const hob_addr *addr, uint8_t ret_ip[16])
{
    if (addr->len >= sizeof(struct sockaddr_in) && addr->u.family == AF_INET) {
        memcpy(ret_ip, addr->u.raw + offsetof(struct sockaddr_in, sin_addr), 4);
        return 4;
    }
    if (addr->len >= sizeof(struct sockaddr_in6) && addr->u.family == AF_INET6) {
        memcpy(ret_ip, addr->u.raw + offsetof(struct sockaddr_in6, sin6_addr), 16);
        return 16;
    }
    return 0;
}

uint16_t hob_addr_port(const hob_addr *addr)
{
    if (addr->len == 0)
        return 0;
    if (addr->u.family == AF_INET)
        return ntohs(as_ipv4(addr).sin_port);
    if (addr->u.family == AF_INET6)
        return ntohs(as_ipv6(addr).sin6_port);
    return 0;
}

static void format_ipv4(const hob_addr *addr, char *text, size_t size)
{
    struct sockaddr_in in = as_ipv4(addr);
    char               host[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    snprintf(text, size, "%s:%u", host, ntohs(in.sin_port));
}

static void format_ipv6(const hob_addr *addr, char *text, size_t size)
{
    struct sockaddr_in6 in6 = as_ipv6(addr);
    char                host[INET6_ADDRSTRLEN];
    char                zone[16] = "";

    inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
    if (in6.sin6_scope_id != 0)
        snprintf(zone, sizeof zone, "%%%u", in6.sin6_scope_id);
    snprintf(text, size, "[%s%s]:%u", host, zone, ntohs(in6.sin6_port));
}

static void format_unix(const hob_addr *addr, char *text, size_t size)
{
    const char *path = (const char *)addr->u.raw + PATH_AT;
    size_t      len = addr->len - PATH_AT;

    if (len > 0 && path[0] == '\0')
        snprintf(text, size, "unix:@%.*s", (int)(len - 1), path + 1);
    else
        snprintf(text, size, "unix:%.*s", (int)len, path); // stops at the path's NUL
}

const char *hob_addr_format(const hob_addr *addr, char *text, size_t size)
{
    if (addr->len == 0)
        snprintf(text, size, "none");
    else if (addr->u.family == AF_INET)
        format_ipv4(addr, text, size);
    else if (addr->u.family == AF_INET6)
        format_ipv6(addr, text, size);
    else if (addr->u.family == AF_UNIX)
        format_unix(addr, text, size);
    else
        snprintf(text, size, "family %u", addr->u.family);
    return text;
}

/* The bytes of a Unix address without the NUL that a path may or may not end with. */
static size_t unix_len(const hob_addr *addr)
{
    const char *path = (const char *)addr->u.raw + PATH_AT;
    size_t      len = addr->len - PATH_AT;

    return len > 0 && path[0] != '\0' ? strnlen(path, len) : len;
}

int hob_addr_equal(const hob_addr *a, const hob_addr *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->u.family != b->u.family)
        return 0;

    if (a->u.family == AF_INET) {
        struct sockaddr_in x = as_ipv4(a), y = as_ipv4(b);
        return x.sin_addr.s_addr == y.sin_addr.s_addr && x.sin_port == y.sin_port;
    }
    if (a->u.family == AF_INET6) {
        struct sockaddr_in6 x = as_ipv6(a), y = as_ipv6(b);
        return memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0 &&
               x.sin6_port == y.sin6_port && x.sin6_scope_id == y.sin6_scope_id;
    }
    if (a->u.family == AF_UNIX) {
        return unix_len(a) == unix_len(b) &&
               memcmp(a->u.raw + PATH_AT, b->u.raw + PATH_AT, unix_len(a)) == 0;
    }
    return a->len == b->len && memcmp(a->u.raw, b->u.raw, a->len) == 0;
}
