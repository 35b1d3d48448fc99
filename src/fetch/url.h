/* SPDX-License-Identifier: MIT */
/* Where to go: URLs, taken apart by libcurl. */
#ifndef HOB_FETCH_URL_H
#define HOB_FETCH_URL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct fetch_url {
    char    *text;  /* the whole of it, without a user; the host in ASCII */
    char    *host;  /* without brackets                                   */
    CURLU   *parts; /* as libcurl will ask for it: it does not read the text again */
    uint16_t port;
    bool     is_tls, is_address; /* the host is an address, and no name */
};

bool hob__fetch_is_address(const char *host);

/* Reads a URL; or `text` as a reference in the URL `base` (which may be NULL). Returns 0, -EINVAL,
 * -EPROTONOSUPPORT (neither http nor https), -ENOMEM; and why in *ret_why. */
int  hob__fetch_url_read(const char *base, const char *text, struct fetch_url *ret_url,
                         const char **ret_why);

/* The same of an absolute URL that is plain. Returns 1; 0: it is not; -ENOMEM. */
int hob__fetch_url_plain(const char *text, struct fetch_url *ret_url);

void hob__fetch_url_fini(struct fetch_url *url);

/* Whether both are the same scheme, host and port: what credentials are for. */
bool hob__fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b);

#endif
