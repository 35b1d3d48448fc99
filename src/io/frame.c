/* SPDX-License-Identifier: MIT */
/*
 * Frames, lines and UTF-8, as bytes: hob/frame.h. No I/O, no memory, any thread.
 *
 * Each parser answers the same however the bytes are cut: what it says of a beginning
 * it says of everything that begins so, or it says 0.
 */
#include "hob/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"

enum { FRAME_BYTES_MAX = 1 << 20 };

/* ---- a length, then so many bytes ---- */

static size_t frame_max(const hob_frame_format *format)
{
    return format->frame_bytes_max != 0 ? format->frame_bytes_max : FRAME_BYTES_MAX;
}

static void check_format(const hob_frame_format *format, const char *caller)
{
    unsigned n = format->prefix_bytes;

    if (n != 0 && n != 1 && n != 2 && n != 4 && n != 8)
        hob__misuse_of(caller, "a prefix has 1, 2, 4 or 8 bytes, or 0 for a varint");
}

static uint64_t fixed_value(const hob_frame_format *format, const unsigned char *bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < format->prefix_bytes; i++)
        value = value << 8 | bytes[format->little_endian ? format->prefix_bytes - 1 - i : i];
    return value;
}

/* Returns how long it is, 0 if more is needed, or -EBADMSG. */
static int varint_parse(const unsigned char *bytes, size_t len, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < HOB_FRAME_PREFIX_MAX; i++) {
        if (i == len)
            return 0;
        uint64_t bits = bytes[i] & 0x7f;
        if (i == HOB_FRAME_PREFIX_MAX - 1 && bytes[i] > 1) // 64 bits end here
            return -EBADMSG;
        value |= bits << (7 * i);
        if ((bytes[i] & 0x80) == 0) {
            if (bits == 0 && i > 0)
                return -EBADMSG; // written longer than it needs
            *ret_value = value;
            return (int)i + 1;
        }
    }
    hob_unreachable("a varint is over at its tenth byte");
}

int hob_frame_parse(const hob_frame_format *format, const void *bytes, size_t len,
                    size_t *ret_frame_len)
{
    uint64_t value;
    int      n = (int)format->prefix_bytes;

    check_format(format, "hob_frame_parse");
    if (n == 0)
        n = varint_parse(bytes, len, &value);
    else if (len < format->prefix_bytes)
        n = 0;
    else
        value = fixed_value(format, bytes);
    if (n <= 0)
        return n;
    if (value > frame_max(format))
        return -EMSGSIZE;

    *ret_frame_len = (size_t)value;
    return n;
}

static int varint_write(uint64_t value, unsigned char *to)
{
    int n = 0;

    for (; value > 0x7f; value >>= 7)
        to[n++] = (unsigned char)(value | 0x80);
    to[n++] = (unsigned char)value;
    return n;
}

int hob_frame_prefix(const hob_frame_format *format, size_t frame_len,
                     unsigned char ret_prefix[HOB_FRAME_PREFIX_MAX])
{
    unsigned n = format->prefix_bytes;

    check_format(format, "hob_frame_prefix");
    if (frame_len > frame_max(format) || (n != 0 && n < 8 && frame_len >> (8 * n) != 0))
        return -EMSGSIZE;
    if (n == 0)
        return varint_write(frame_len, ret_prefix);
    for (unsigned i = 0; i < n; i++)
        ret_prefix[format->little_endian ? i : n - 1 - i] =
            (unsigned char)((uint64_t)frame_len >> (8 * i));
    return (int)n;
}

/* ---- lines ---- */

ssize_t hob_line_parse(hob_line_end end, size_t max, const void *bytes, size_t len,
                       size_t *looked_at, size_t *ret_line_len)
{
    const unsigned char *text = bytes;
    const size_t         enough = SIZE_MAX / 4;

    if (max > enough)
        max = enough;
    // An LF that ends a line short enough is among the first so many.
    size_t within = max + (end == HOB_LINE_LF ? 1 : 2);
    size_t to = len < within ? len : within;
    size_t from = *looked_at < to ? *looked_at : to;
    const unsigned char *lf = from < to ? memchr(text + from, '\n', to - from) : NULL;

    if (lf != NULL) {
        size_t at = (size_t)(lf - text);
        bool   cr = end != HOB_LINE_LF && at > 0 && text[at - 1] == '\r';
        size_t line_len = cr ? at - 1 : at;
        if (line_len > max)
            return -EMSGSIZE;
        if (end == HOB_LINE_CRLF && !cr)
            return -EBADMSG;
        *ret_line_len = line_len;
        return (ssize_t)at + 1;
    }
    // One byte more than `max` is too long, unless it may be the CR of the end.
    if (len >= within || (len > max && text[max] != '\r'))
        return -EMSGSIZE;
    *looked_at = to;
    return 0;
}

/* ---- UTF-8 ---- */

/* How many bytes the character has, or 0: RFC 3629, section 4. */
static size_t utf8_char(const unsigned char *s, size_t len)
{
    static const struct { unsigned char first, last, low, high, bytes; } forms[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        if (len < forms[i].bytes || s[1] < forms[i].low || s[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < forms[i].bytes; k++) {
            if ((s[k] & 0xC0) != 0x80)
                return 0;
        }
        return forms[i].bytes;
    }
    return 0;
}

int hob_utf8_is_valid(const void *bytes, size_t len)
{
    const unsigned char *s = bytes;

    while (len > 0) {
        size_t n = *s < 0x80 ? 1 : utf8_char(s, len);
        if (n == 0)
            return 0;
        s += n;
        len -= n;
    }
    return 1;
}
