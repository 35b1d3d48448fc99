/* SPDX-License-Identifier: MIT */
/*
 * Cookies: RFC 6265bis.
 *
 *     char theme[32];
 *     if (hob_cookie_get(req, "theme", theme, sizeof theme) < 0)
 *         strcpy(theme, "light");
 *     ...
 *     hob_cookie cookie = { .name = "theme", .value = "dark", .max_age_s = 86400 * 365 };
 *     HOB_TRY(hob_cookie_set(req, &cookie));
 *
 * Not part of hob.h: link libhob-site (pkg-config). None of these waits.
 *
 * A cookie of zero options is as safe as one can be: sent over TLS alone (browsers make an exception for
 * localhost), to this host alone, not with requests that other sites cause but for links, and unseen by
 * scripts. What a client sends in one is anybody's: hob/session.h is for what must be true.
 */
#ifndef HOB_COOKIE_H
#define HOB_COOKIE_H

#include "hob/http.h"

HOB_BEGIN_DECLS

/* Copies the value of the request's cookie of that name, with a NUL; of several the first, which is that
 * of the longest path. Quotation marks around it are taken away. Returns its length, or
 *   -ENOENT    there is none
 *   -EMSGSIZE  it does not fit into `size` bytes */
HOB_API HOB_MUST_USE ssize_t hob_cookie_get(const hob_http_request *req, const char *name,
                                            char *buf, size_t size);

/* A cookie of a request, where it lies: without NULs behind. */
typedef struct hob_cookie_view {
    const char *name, *value;
    size_t      name_len, value_len;
} hob_cookie_view;

/* The cookie of that index, from 0 on. Returns 1, or 0 when there are no more. */
HOB_API int hob_cookie_at(const hob_http_request *req, size_t index, hob_cookie_view *ret_view);

/* When a cookie goes with requests that another site causes. */
typedef enum hob_same_site {
    HOB_SAME_SITE_LAX,    /* with links that are followed            */
    HOB_SAME_SITE_STRICT, /* never                                   */
    HOB_SAME_SITE_NONE,   /* always: for what is embedded elsewhere  */
} hob_same_site;

typedef struct hob_cookie {
    const char   *name;
    const char   *value;     /* NULL: empty */
    const char   *path;      /* NULL: "/" */
    const char   *domain;    /* it and what is under it get the cookie, too; NULL: this host alone */
    int64_t       max_age_s; /* 0: until the browser is closed                                     */
    int64_t       expires_s; /* on the clock of hob_wall_now, in seconds; 0: by max_age_s alone    */
    hob_same_site same_site;
    unsigned      script : 1;      /* scripts may read it: no HttpOnly                             */
    unsigned      insecure : 1;    /* also without TLS: no Secure                                  */
    unsigned      partitioned : 1; /* embedded, one for each site around it                        */
} hob_cookie;

/* Adds Set-Cookie to the answer; one of the same name that was added before stays, and browsers take the
 * last. Returns as hob_http_add_header, and -EINVAL for what browsers would not take:
 *   a name that is no token, a value with blanks, quotation marks, commas, semicolons, backslashes,
 *   control bytes or what is not ASCII; a path or a domain with a semicolon or control bytes
 *   a name that begins with __Host- with a domain, another path than / or insecure; with __Secure- and
 *   insecure (whatever the case of the letters)
 *   HOB_SAME_SITE_NONE or partitioned, and insecure
 * -EMSGSIZE: name and value over 4,096 bytes, or path or domain over 1,024. */
HOB_API HOB_MUST_USE int hob_cookie_set(hob_http_request *req, const hob_cookie *cookie);

/* Takes it away: with the name, the path and the domain that it was set with, and the rest of it as far
 * as browsers ask for that. Returns as hob_cookie_set. */
HOB_API HOB_MUST_USE int hob_cookie_delete(hob_http_request *req, const hob_cookie *cookie);

/* The value of a Set-Cookie header, as hob_cookie_set makes it. Returns its length, or -EINVAL or
 * -EMSGSIZE as above; -EMSGSIZE also when it does not fit into `size` bytes. */
HOB_API HOB_MUST_USE ssize_t hob_cookie_print(const hob_cookie *cookie, char *buf, size_t size);

HOB_END_DECLS

#endif
