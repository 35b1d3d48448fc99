/* SPDX-License-Identifier: MIT */
/* URLs of http and https, as far as one who sends requests has to know them. Bytes only. */
#ifndef HOB_CMD_URL_H
#define HOB_CMD_URL_H

#include <stdbool.h>
#include <stdint.h>

struct url {
    bool     is_https;
    uint16_t port;
    char     host[256];      /* without the brackets of IPv6 */
    char     authority[300]; /* as the Host header has it    */
    char     target[4096];   /* path and query: at least "/" */
};

/* Reads "http://host:port/path?query"; without a scheme it is http. Returns NULL, or what is wrong. */
const char *url_parse(const char *text, struct url *ret_url);

#endif
