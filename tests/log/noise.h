/* SPDX-License-Identifier: MIT */
/* Texts that are trouble: random bytes, with a liking for what has to be escaped. */
#ifndef HOB_TESTS_LOG_NOISE_H
#define HOB_TESTS_LOG_NOISE_H

#include <stddef.h>
#include <string.h>

#include "base/rand.h"

/* Up to `cap` bytes, none of them 0 if it is to be a text. Returns how many. */
static inline size_t make_noise(struct rand *rand, char *text, size_t cap, int with_zeros)
{
    static const char *const pieces[] = {
        "\"", "\\", "\n", "\r\n", "\t", "\x1b[31m", "\x7f", " ", "=", "a", "order",
        "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8d\xb2", // ä € 🍲
        "\xc3", "\xe2\x82", "\xf0\x9f\x8d", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80", "\xff",
        "\xe2\x80\xa8", "\xe2\x80\xae", "\xc2\x85", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf",
    };
    size_t len = 0, want = rand_below(rand, cap);
    while (len < want) {
        char        byte = (char)rand_below(rand, 256);
        const char *piece = pieces[rand_below(rand, sizeof pieces / sizeof pieces[0])];
        size_t      n = strlen(piece);
        if (rand_below(rand, 4) == 0 || n > cap - len) {
            piece = &byte;
            n = 1;
        }
        if (byte == 0 && !with_zeros && piece == &byte)
            byte = 1;
        memcpy(text + len, piece, n);
        len += n;
    }
    return len;
}

#endif
