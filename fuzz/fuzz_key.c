/* SPDX-License-Identifier: MIT */
/*
 * Keys from noise. What is complete gives a key for at least one byte and at most all; what more
 * bytes could change gives none; and a key that was told stays the same with more bytes.
 */
#include <stdlib.h>

#include "hob/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        hob_key whole, part;
        size_t  n = hob_key_parse(data + at, size - at, 1, &whole);
        if (n == 0 || n > size - at)
            abort();
        for (size_t len = 1; len <= size - at && len <= 32; len++) {
            size_t taken = hob_key_parse(data + at, len, 0, &part);
            if (taken == 0)
                continue;
            if (taken != n || part.code != whole.code || part.modifiers != whole.modifiers)
                abort();
            break;
        }
        at += n;
    }
    return 0;
}
