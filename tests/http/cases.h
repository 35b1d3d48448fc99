/* SPDX-License-Identifier: MIT */
/* The bytes of a case of requests.h. */
#ifndef HOB_TESTS_HTTP_CASES_H
#define HOB_TESTS_HTTP_CASES_H

#include <stdlib.h>
#include <string.h>

#include "http/requests.h"

enum { CASES = sizeof REQUESTS / sizeof REQUESTS[0], CASE_BYTES_MAX = 256 * 1024 };

static inline int case_hex(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Writes the bytes that [text, end) stands for, and returns how many. */
static inline size_t case_bytes_of(const char *text, const char *end, char *out)
{
    size_t n = 0;
    while (text < end) {
        if (*text == '~') {
            memcpy(out + n, "\r\n", 2);
            n += 2;
            text++;
        } else if (*text == '\\') {
            char c = text[1];
            text += 2;
            if (c == 'x') {
                out[n++] = (char)(case_hex(text[0]) * 16 + case_hex(text[1]));
                text += 2;
            } else {
                out[n++] = c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : '\0';
            }
        } else if (*text == '{' && text[1] >= '0' && text[1] <= '9') {
            char       *colon;
            long        times = strtol(text + 1, &colon, 10);
            const char *close = strchr(colon, '}');
            for (long i = 0; i < times; i++)
                n += case_bytes_of(colon + 1, close, out + n);
            text = close + 1;
        } else {
            out[n++] = *text++;
        }
    }
    return n;
}

static inline size_t case_bytes(const struct request_case *c, char *out)
{
    return case_bytes_of(c->bytes, c->bytes + strlen(c->bytes), out);
}

#endif
