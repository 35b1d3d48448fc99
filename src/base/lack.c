/* SPDX-License-Identifier: MIT */
#include "base/lack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint32_t hob__lack_mask;

static const char *const names[LACK_FEATURES] = {
#define X(feature, name) [LACK_##feature] = name,
    HOB_FEATURES(X)
#undef X
};

static_assert(LACK_FEATURES < 31, "the mask has room for all, and for the mark that it was read");

static int feature_of(const char *name, size_t len)
{
    for (int i = 0; i < LACK_FEATURES; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    return -1;
}

/* The features that are named; *ret_unknown: the first name that is none, or NULL. */
static uint32_t read_names(const char **ret_unknown)
{
    const char *text = getenv("HOB_WITHOUT");
    uint32_t    mask = 0;
    *ret_unknown = NULL;
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        int    feature = feature_of(text, len);
        if (feature >= 0)
            mask |= UINT32_C(1) << feature;
        else if (len > 0 && *ret_unknown == NULL)
            *ret_unknown = text;
        text += len + (text[len] == ',');
    }
    return mask;
}

uint32_t hob__lack_read(void)
{
    const char *unknown;
    uint32_t    mask = read_names(&unknown) | HOB__LACK_KNOWN;
    __atomic_store_n(&hob__lack_mask, mask, __ATOMIC_RELAXED);
    return mask;
}

const char *hob__lacks_unknown(void)
{
    const char *unknown;
    (void)read_names(&unknown);
    return unknown;
}
