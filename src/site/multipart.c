/* SPDX-License-Identifier: MIT */
/*
 * Where the parts of multipart begin and end: RFC 2046 5.1.1, RFC 7578. Bytes only.
 *
 *     CRLF --boundary CRLF  Header: value CRLF  CRLF  data  CRLF --boundary CRLF ... CRLF --boundary-- CRLF
 *          ▲                                    ▲           ▲
 *          hob__form_line                       │           hob__form_data: the CRLF is the boundary's
 *                                hob__form_head_len: and this one may be, of a part without data
 *
 * The first boundary may be the first of all: the reader puts a CRLF before what comes.
 */
#include "site/forms.h"

#include <errno.h>
#include <string.h>

void hob__form_boundary(struct form_boundary *boundary, const char *text)
{
    size_t len = strlen(text);
    memcpy(boundary->bytes, "\r\n--", 4);
    memcpy(boundary->bytes + 4, text, len + 1);
    boundary->len = 4 + len;
}

/* How many bytes at the end may be the beginning of a boundary. */
static size_t beginning_at_end(const struct form_boundary *boundary, const char *bytes, size_t len)
{
    size_t n = len < boundary->len - 1 ? len : boundary->len - 1;
    while (n > 0 && memcmp(bytes + len - n, boundary->bytes, n) != 0)
        n--;
    return n;
}

size_t hob__form_data(const struct form_boundary *boundary, const char *bytes, size_t len,
                      bool *ret_is_end)
{
    const char *found = len > 0 ? memmem(bytes, len, boundary->bytes, boundary->len) : NULL;

    *ret_is_end = found != NULL && found == bytes;
    return found != NULL ? (size_t)(found - bytes) : len - beginning_at_end(boundary, bytes, len);
}

/* Nothing but blanks may follow: a boundary with more behind it would be data to some readers. */
int hob__form_line(const struct form_boundary *boundary, const char *bytes, size_t len, bool is_all,
                   size_t *ret_used)
{
    size_t at = boundary->len;
    bool   is_last = len >= at + 2 && bytes[at] == '-' && bytes[at + 1] == '-';

    if (is_last)
        at += 2;
    else if (len == at + 1 && bytes[at] == '-')
        return is_all ? HOB_EHTTP : FORM_LINE_MORE;
    size_t blanks = 0;
    for (; at < len && (bytes[at] == ' ' || bytes[at] == '\t'); at++) {
        if (++blanks > PADDING_MAX)
            return HOB_EHTTP;
    }
    if (at == len && is_last && is_all) {
        *ret_used = at;
        return FORM_LINE_LAST;
    }
    if (len - at >= 2 && bytes[at] == '\r' && bytes[at + 1] == '\n') {
        *ret_used = at + 2;
        return is_last ? FORM_LINE_LAST : FORM_LINE_PART;
    }
    bool may_be = at == len || (len - at == 1 && bytes[at] == '\r');
    return may_be && !is_all ? FORM_LINE_MORE : HOB_EHTTP;
}

ssize_t hob__form_head_len(const char *bytes, size_t len, size_t max)
{
    if (len >= 2 && memcmp(bytes, "\r\n", 2) == 0)
        return HOB_EHTTP; // no header at all, and so no name
    const char *end = len > 0 ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return len > max + 4 ? -EMSGSIZE : 0;
    size_t head_len = (size_t)(end - bytes) + 2;
    return head_len > max ? -EMSGSIZE : (ssize_t)head_len;
}
