/* SPDX-License-Identifier: MIT */
/* hob_describe_address. */
#include <dlfcn.h>
#include <stdio.h>

#include "hob/inspect.h"

const char *hob_describe_address(const void *address, char *text, size_t size)
{
    Dl_info info;
    if (address != NULL && dladdr(address, &info) != 0 && info.dli_sname != NULL)
        snprintf(text, size, "%s+0x%zx", info.dli_sname,
                 (size_t)((const char *)address - (const char *)info.dli_saddr));
    else
        snprintf(text, size, "%p", address);
    return text;
}
