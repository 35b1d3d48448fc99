/* SPDX-License-Identifier: MIT */
/*
 * Cookies: RFC 6265bis 4.1 (what servers send), 5.6 (what browsers take of it), 4.2 (what comes back).
 *
 * What comes is read as browsers write it: pairs with "; " between them, and what is no pair is passed
 * over. What goes is held to the grammar, and to what browsers would throw away without a word.
 */
#include "hob/cookie.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "site/site.h"

enum { PAIR_MAX = 4096, ATTRIBUTE_MAX = 1024, HEADER_MAX = PAIR_MAX + 2 * ATTRIBUTE_MAX + 256 };

/* ---- what came ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **at, size_t *len)
{
    while (*len > 0 && is_blank(**at)) {
        ++*at;
        --*len;
    }
    while (*len > 0 && is_blank((*at)[*len - 1]))
        --*len;
}

/* The next pair of a Cookie header. */
static bool next_pair(const char **at, hob_cookie_view *view)
{
    while (**at != '\0') {
        const char *from = *at;
        size_t      len = strcspn(from, ";");
        *at += len + (from[len] == ';');
        const char *equals = memchr(from, '=', len);
        if (equals == NULL)
            continue;
        *view = (hob_cookie_view){ from, equals + 1, (size_t)(equals - from), len - (size_t)(equals - from) - 1 };
        trim(&view->name, &view->name_len);
        trim(&view->value, &view->value_len);
        if (view->name_len == 0)
            continue;
        if (view->value_len >= 2 && view->value[0] == '"' && view->value[view->value_len - 1] == '"') {
            view->value++;
            view->value_len -= 2;
        }
        return true;
    }
    return false;
}

/* Of all Cookie headers: proxies may make several of one. */
int hob_cookie_at(const hob_http_request *req, size_t index, hob_cookie_view *ret_view)
{
    const char     *name, *value;
    hob_cookie_view view;

    for (size_t i = 0; hob_http_header_at(req, i, &name, &value) == 1; i++) {
        if (strcasecmp(name, "Cookie") != 0)
            continue;
        while (next_pair(&value, &view)) {
            if (index-- > 0)
                continue;
            *ret_view = view;
            return 1;
        }
    }
    return 0;
}

static ssize_t copy_value(const hob_cookie_view *view, char *buf, size_t size)
{
    if (view->value_len >= size)
        return -EMSGSIZE;
    memcpy(buf, view->value, view->value_len);
    buf[view->value_len] = '\0';
    return (ssize_t)view->value_len;
}

ssize_t hob_cookie_get(const hob_http_request *req, const char *name, char *buf, size_t size)
{
    const char     *header, *value;
    hob_cookie_view view;
    size_t          len = strlen(name);

    for (size_t i = 0; hob_http_header_at(req, i, &header, &value) == 1; i++) {
        if (strcasecmp(header, "Cookie") != 0)
            continue;
        while (next_pair(&value, &view)) {
            if (view.name_len == len && memcmp(view.name, name, len) == 0)
                return copy_value(&view, buf, size);
        }
    }
    return -ENOENT;
}

/* ---- what goes ---- */

static bool is_token(const char *text)
{
    size_t len = strspn(text, "!#$%&'*+-.^_`|~0123456789"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    return len > 0 && text[len] == '\0';
}

static bool is_value(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7f || strchr("\",;\\", *text) != NULL)
            return false;
    }
    return true;
}

static bool is_attribute(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text >= 0x7f || *text == ';')
            return false;
    }
    return true;
}

static bool is_path(const char *path)
{
    return path[0] == '/' && is_attribute(path);
}

static int check(const hob_cookie *c, const char *value, const char *path)
{
    bool is_host = strncasecmp(c->name, "__Host-", 7) == 0, is_secure = strncasecmp(c->name, "__Secure-", 9) == 0;

    if (!is_token(c->name) || !is_value(value) || !is_path(path)
        || (c->domain != NULL && (c->domain[0] == '\0' || !is_attribute(c->domain))) || c->max_age_s < 0)
        return -EINVAL;
    if (is_host && (c->domain != NULL || strcmp(path, "/") != 0))
        return -EINVAL;
    if (c->insecure && (is_host || is_secure || c->partitioned || c->same_site == HOB_SAME_SITE_NONE))
        return -EINVAL;
    if (strlen(c->name) + strlen(value) > PAIR_MAX || strlen(path) > ATTRIBUTE_MAX
        || (c->domain != NULL && strlen(c->domain) > ATTRIBUTE_MAX))
        return -EMSGSIZE;
    return 0;
}

/* RFC 9110 5.6.7, whatever the locale. */
static void print_date(int64_t seconds, char out[static 64])
{
    static const char DAYS[] = "SunMonTueWedThuFriSat", MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t    when = (time_t)(seconds < 0 ? 0 : seconds > INT64_C(253402300799) ? INT64_C(253402300799) : seconds);
    struct tm tm;

    gmtime_r(&when, &tm);
    snprintf(out, 64, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", DAYS + 3 * tm.tm_wday, tm.tm_mday,
             MONTHS + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* `ends`: taken away. */
static ssize_t print(const hob_cookie *c, bool ends, char *buf, size_t size)
{
    static const char *const SAME_SITE[] = { "Lax", "Strict", "None" };
    const char *value = c->value != NULL && !ends ? c->value : "", *path = c->path != NULL ? c->path : "/";
    char        age[40] = "", date[64], expires[80] = "";

    if ((unsigned)c->same_site > HOB_SAME_SITE_NONE)
        hob_mistake("hob_cookie_set", "same_site is none of hob_same_site");
    int r = check(c, value, path);
    if (r < 0)
        return r;
    if (ends || c->max_age_s > 0)
        snprintf(age, sizeof age, "; Max-Age=%lld", ends ? 0LL : (long long)c->max_age_s);
    if (ends || c->expires_s != 0) {
        print_date(ends ? 0 : c->expires_s, date);
        snprintf(expires, sizeof expires, "; Expires=%s", date);
    }
    int len = snprintf(buf, size, "%s=%s; Path=%s%s%s%s%s%s%s; SameSite=%s%s", c->name, value, path,
                       c->domain != NULL ? "; Domain=" : "", c->domain != NULL ? c->domain : "", age, expires,
                       c->insecure ? "" : "; Secure", c->script ? "" : "; HttpOnly", SAME_SITE[c->same_site],
                       c->partitioned ? "; Partitioned" : "");
    return len < 0 || (size_t)len >= size ? -EMSGSIZE : len;
}

ssize_t hob_cookie_print(const hob_cookie *cookie, char *buf, size_t size)
{
    return print(cookie, false, buf, size);
}

static int add(hob_http_request *req, const hob_cookie *cookie, bool ends)
{
    char    header[HEADER_MAX];
    ssize_t len = print(cookie, ends, header, sizeof header);
    return len < 0 ? (int)len : hob_http_add_header(req, "Set-Cookie", header);
}

int hob_cookie_set(hob_http_request *req, const hob_cookie *cookie)
{
    return add(req, cookie, false);
}

int hob_cookie_delete(hob_http_request *req, const hob_cookie *cookie)
{
    return add(req, cookie, true);
}
