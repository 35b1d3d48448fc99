/* SPDX-License-Identifier: MIT */
/* The values of fields: what they are is found out when the line is made. */
#include "log/line.h"

hob_log_value hob_log_error(int error)
{
    return (hob_log_value){ .kind = error < 0 ? LOG_ERROR : LOG_INT, .as = { .i = error } };
}

hob_log_value hob_log_bytes(const void *bytes, size_t len)
{
    if (len > LOG_LINE_BYTES) // the rest would not be shown; that some was cut is seen by the rest
        len = LOG_LINE_BYTES;
    return (hob_log_value){ .kind = bytes != NULL ? LOG_BYTES : LOG_NULL,
                            .len = (unsigned)len,
                            .as = { .p = bytes } };
}

hob_log_value hob_log_bool(int value)
{
    return (hob_log_value){ .kind = LOG_BOOL, .as = { .i = value } };
}

hob_log_value hob_log_int(long long value)
{
    return (hob_log_value){ .kind = LOG_INT, .as = { .i = value } };
}

hob_log_value hob_log_uint(unsigned long long value)
{
    return (hob_log_value){ .kind = LOG_UINT, .as = { .u = value } };
}

hob_log_value hob_log_double(double value)
{
    return (hob_log_value){ .kind = LOG_DOUBLE, .as = { .f = value } };
}

hob_log_value hob_log_text(const char *text)
{
    return (hob_log_value){ .kind = text != NULL ? LOG_TEXT : LOG_NULL, .as = { .p = text } };
}

hob_log_value hob_log_pointer(const void *pointer)
{
    return (hob_log_value){ .kind = pointer != NULL ? LOG_POINTER : LOG_NULL,
                            .as = { .p = pointer } };
}

hob_log_value hob_log_addr(const hob_addr *addr)
{
    return (hob_log_value){ .kind = addr != NULL ? LOG_ADDR : LOG_NULL, .as = { .p = addr } };
}

hob_log_value hob_log_itself(hob_log_value value)
{
    return value;
}
