/* SPDX-License-Identifier: MIT */
/* The memory of this library, and texts that grow in it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "site/site.h"

long hob__site_fail_at;

static bool fails(void)
{
    return hob__site_fail_at > 0 && --hob__site_fail_at == 0;
}

void *hob__site_alloc(size_t size)
{
    return fails() ? NULL : calloc(1, size);
}

void *hob__site_grow(void *ptr, size_t size)
{
    return fails() ? NULL : realloc(ptr, size);
}

char *hob__site_copy(const char *text, size_t len)
{
    char *copy = hob__site_alloc(len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}

int hob__site_put(struct text *text, const void *bytes, size_t len)
{
    if (text->cap - text->len <= len) {
        size_t cap = text->cap < 64 ? 64 : text->cap * 2;
        while (cap - text->len <= len)
            cap *= 2;
        char *at = hob__site_grow(text->at, cap);
        if (at == NULL)
            return -ENOMEM;
        text->at = at;
        text->cap = cap;
    }
    if (len > 0)
        memcpy(text->at + text->len, bytes, len);
    text->len += len;
    text->at[text->len] = '\0';
    return 0;
}

void hob__site_text_free(struct text *text)
{
    free(text->at);
    *text = (struct text){ 0 };
}
