/* SPDX-License-Identifier: MIT */
/*
 * Addresses from noise. What is read can be written, and reading what was written
 * gives the same address.
 */
#include <stdlib.h>
#include <string.h>

#include "hob/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';

    hob_addr addr, again;
    if (hob_addr_parse(text, &addr) == 0) {
        char written[HOB_ADDR_TEXT_MAX];
        hob_addr_format(&addr, written, sizeof written);
        if (hob_addr_parse(written, &again) < 0 || !hob_addr_equal(&addr, &again))
            abort();
    }
    free(text);
    return 0;
}
