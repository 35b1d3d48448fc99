/* SPDX-License-Identifier: MIT */
/*
 * Names of hosts.
 *
 * What is let through can be put into a query, into a search for a name in a file, and into a
 * message for people, as it is: it has letters, digits, - and _ only. A name is never cut, and never
 * taken for a number: what inet_aton(3) would read as one (0x7f.1, 127.1, 2130706433) is refused.
 */
#include "dns/name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- punycode (RFC 3492) ---- */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS_FIRST = 72, N_FIRST = 128 };

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
    uint32_t k = 0;
    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / count;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static int digit_of(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : is_digit(c) ? c - '0' + 26 : -1;
}

/* One number of the form. Returns how many bytes it took, or 0 when it is none. */
static size_t read_number(const char *text, size_t len, uint32_t bias, uint32_t *number)
{
    uint32_t weight = 1;
    size_t   at = 0;
    for (uint32_t k = BASE;; k += BASE) {
        int digit = at < len ? digit_of(text[at++]) : -1;
        if (digit < 0 || (uint32_t)digit > (UINT32_MAX - *number) / weight)
            return 0;
        *number += (uint32_t)digit * weight;
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if ((uint32_t)digit < t)
            return at;
        if (weight > UINT32_MAX / (BASE - t))
            return 0;
        weight *= BASE - t;
    }
}

/* Whether what follows xn-- stands for characters, of which one at least is not ASCII. Which ones
 * they are is of no account here. */
static bool is_punycode(const char *text, size_t len)
{
    size_t   basic = 0; // how many stand there as they are, before the last -
    uint32_t n = N_FIRST, bias = BIAS_FIRST, i = 0;
    for (size_t at = 0; at < len; at++)
        if (text[at] == '-')
            basic = at;
    size_t   at = basic > 0 ? basic + 1 : 0;
    uint32_t count = (uint32_t)basic;
    if (at == len)
        return false; // nothing but ASCII
    while (at < len) {
        uint32_t before = i;
        size_t   took = read_number(text + at, len - at, bias, &i);
        if (took == 0)
            return false;
        at += took;
        count++;
        bias = adapt(i - before, count, before == 0);
        if (i / count > 0x10FFFF - n)
            return false;
        n += i / count;
        if (n >= 0xD800 && n <= 0xDFFF)
            return false;
        i = i % count + 1;
    }
    return true;
}

/* ---- names ---- */

/* In small letters. */
static bool is_label(const char *label, size_t len)
{
    if (label[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = label[i];
        if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return len < 4 || memcmp(label, "xn--", 4) != 0 || is_punycode(label + 4, len - 4);
}

/* As in the URL standard: all digits, or 0x and what could be digits. */
static bool looks_like_a_number(const char *label, size_t len)
{
    bool is_hex = len >= 2 && label[0] == '0' && label[1] == 'x';
    for (size_t i = is_hex ? 2 : 0; i < len; i++)
        if (!is_digit(label[i]) && !(is_hex && label[i] >= 'a' && label[i] <= 'f'))
            return false;
    return true;
}

/* One label of text[0..len), and whether it is fine. */
static int read_label(struct dns_name *name, const char *label, size_t len, bool is_last)
{
    if (len > LABEL_MAX)
        return -ENAMETOOLONG;
    if (len == 0)
        return -EINVAL;
    char *copy = name->text + name->len;
    for (size_t i = 0; i < len; i++)
        copy[i] = lower(label[i]);
    if (!is_label(copy, len) || (is_last && looks_like_a_number(copy, len)))
        return -EINVAL;
    name->len += len;
    return 0;
}

int hob__dns_name_read(const char *text, struct dns_name *ret_name)
{
    struct dns_name name = { .len = 0 };
    size_t          len = strnlen(text, HOB_DNS_NAME_MAX + 2);

    name.is_whole = len > 0 && text[len - 1] == '.';
    if (name.is_whole)
        len--;
    if (len > HOB_DNS_NAME_MAX)
        return -ENAMETOOLONG;
    for (size_t at = 0;;) {
        const char *dot = memchr(text + at, '.', len - at);
        size_t      end = dot != NULL ? (size_t)(dot - text) : len;
        int         r = read_label(&name, text + at, end - at, dot == NULL);
        if (r < 0)
            return r;
        if (dot == NULL)
            break;
        name.text[name.len++] = '.';
        name.dots++;
        at = end + 1;
    }
    name.text[name.len] = '\0';
    *ret_name = name;
    return 0;
}

bool hob__dns_name_is_fine(const char *text)
{
    struct dns_name name;
    return hob__dns_name_read(text, &name) == 0;
}

int hob__dns_name_join(const struct dns_name *name, const char *suffix, struct dns_name *ret_name)
{
    char text[2 * HOB_DNS_NAME_MAX + 3];
    int  len = snprintf(text, sizeof text, "%s.%s", name->text, suffix);
    if (len > HOB_DNS_NAME_MAX)
        return -ENAMETOOLONG;
    return hob__dns_name_read(text, ret_name);
}

bool hob__dns_name_is_in(const char *name, const char *domain)
{
    size_t len = strlen(name), domain_len = strlen(domain);
    if (domain_len == 0)
        return true;
    if (len < domain_len || strcasecmp(name + len - domain_len, domain) != 0)
        return false;
    return len == domain_len || name[len - domain_len - 1] == '.';
}

/* ---- addresses ---- */

bool hob__dns_literal(const char *text, uint16_t port, hob_addr *ret_addr)
{
    char   with_port[HOB_ADDR_TEXT_MAX];
    size_t len = strlen(text);
    bool   has_colon = memchr(text, ':', len) != NULL;

    if (len == 0 || len > 80)
        return false;
    snprintf(with_port, sizeof with_port, has_colon && text[0] != '[' ? "[%s]:%u" : "%s:%u", text,
             port);
    // A host may be called "unix", and then this would be a path.
    return hob_addr_parse(with_port, ret_addr) == 0 &&
           (ret_addr->u.family == AF_INET || ret_addr->u.family == AF_INET6);
}

hob_addr hob__dns_addr_of(int family, const uint8_t *ip, uint16_t port)
{
    return hob_addr_from_ip(ip, family == AF_INET ? 4 : 16, port);
}

int hob__dns_name_of_addr(const hob_addr *addr, struct dns_name *ret_name)
{
    uint8_t ip[16];
    size_t  count = hob_addr_ip(addr, ip);
    char    text[HOB_DNS_NAME_MAX + 1];
    size_t  len = 0;

    if (count == 0)
        return -EAFNOSUPPORT;
    static const uint8_t v4_in_v6[12] = { [10] = 0xFF, [11] = 0xFF };
    bool is_mapped = count == 16 && memcmp(ip, v4_in_v6, sizeof v4_in_v6) == 0;
    if (is_mapped)
        memmove(ip, ip + 12, count = 4);
    for (size_t i = count; i-- > 0;)
        len += (size_t)snprintf(text + len, sizeof text - len, count == 4 ? "%u." : "%x.%x.",
                                count == 4 ? ip[i] : ip[i] & 15, ip[i] >> 4);
    snprintf(text + len, sizeof text - len, count == 4 ? "in-addr.arpa." : "ip6.arpa.");
    return hob__dns_name_read(text, ret_name);
}
