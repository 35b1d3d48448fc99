/* SPDX-License-Identifier: MIT */
/*
 * Frames, lines and UTF-8 from noise, beside the plainest parsers. What is said of the bytes must
 * not depend on how they are cut.
 *
 * Input: a byte that chooses, a byte for the limit, then the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

/* ---- frames ---- */

/* The value of a prefix of `n` bytes, or of the varint; returns how long it is, or 0. */
static int naive_prefix(const hob_frame_format *format, const uint8_t *bytes, size_t len,
                        unsigned __int128 *ret_value)
{
    unsigned __int128 value = 0;
    unsigned          n = format->prefix_bytes;

    if (n > 0) {
        if (len < n)
            return 0;
        for (unsigned i = 0; i < n; i++)
            value += (unsigned __int128)bytes[i] << 8 * (format->little_endian ? i : n - 1 - i);
        *ret_value = value;
        return (int)n;
    }
    for (unsigned i = 0; i < len; i++) {
        value += (unsigned __int128)(bytes[i] % 128) << 7 * i;
        if (bytes[i] < 128 || i == HOB_FRAME_PREFIX_MAX - 1) {
            *ret_value = value;
            return (int)i + 1;
        }
    }
    return 0;
}

static void try_frame(unsigned choice, size_t limit, const uint8_t *bytes, size_t len)
{
    static const unsigned sizes[] = { 0, 1, 2, 4, 8 };
    hob_frame_format format = { sizes[choice % 5], choice / 5 % 2, limit * limit * limit + 1 };
    size_t           frame_len = 0, cut_len = 0;
    int              whole = hob_frame_parse(&format, bytes, len, &frame_len), cut = 0;

    for (size_t have = 0; have <= len && cut == 0; have++)
        cut = hob_frame_parse(&format, bytes, have, &cut_len);
    must(cut == whole && cut_len == frame_len);

    unsigned __int128 value = 0;
    int               n = naive_prefix(&format, bytes, len, &value);
    if (whole > 0) {
        uint8_t prefix[HOB_FRAME_PREFIX_MAX];
        must(n == whole && value == frame_len && frame_len <= format.frame_bytes_max);
        must(hob_frame_prefix(&format, frame_len, prefix) == whole);
        must(memcmp(prefix, bytes, (size_t)whole) == 0);
    } else if (whole == -EMSGSIZE) {
        must(n > 0 && value > format.frame_bytes_max);
    } else if (whole == -EBADMSG) {
        must(format.prefix_bytes == 0 && n > 0);
        must(bytes[n - 1] >= 128 || value >> 64 != 0 || (n > 1 && bytes[n - 1] == 0));
    } else {
        must(whole == 0 && n == 0);
    }
}

/* ---- lines ---- */

static ssize_t naive_line(hob_line_end end, size_t max, const uint8_t *bytes, size_t len,
                          size_t *ret_len)
{
    size_t at = 0;

    while (at < len && bytes[at] != '\n')
        at++;
    int    cr = end != HOB_LINE_LF && at > 0 && bytes[at - 1] == '\r';
    size_t line_len = at - (size_t)(cr && (at < len || at == max + 1));
    if (at == len)
        return line_len > max ? -EMSGSIZE : 0;
    if (line_len > max)
        return -EMSGSIZE;
    if (end == HOB_LINE_CRLF && !cr)
        return -EBADMSG;
    *ret_len = line_len;
    return (ssize_t)at + 1;
}

static void try_line(unsigned choice, size_t max, const uint8_t *bytes, size_t len)
{
    hob_line_end end = (hob_line_end)(choice % 3);
    size_t       line_len = 0, expected_len = 0, looked_at = 0;
    ssize_t      found = 0;

    for (size_t have = 0; have <= len && found == 0; have++)
        found = hob_line_parse(end, max, bytes, have, &looked_at, &line_len);
    must(found == naive_line(end, max, bytes, len, &expected_len));
    must(line_len == expected_len);
    looked_at = 0;
    must(found == hob_line_parse(end, max, bytes, len, &looked_at, &line_len));
    must(line_len == expected_len);
}

/* ---- UTF-8 ---- */

static int naive_utf8(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned n = s[i] < 0x80 ? 1 : s[i] >> 5 == 6 ? 2 : s[i] >> 4 == 14 ? 3
                   : s[i] >> 3 == 30 ? 4 : 0;
        if (n == 0 || n > len - i)
            return 0;
        uint32_t value = n == 1 ? s[i] : s[i] & (0x7fu >> n);
        for (unsigned k = 1; k < n; k++) {
            if (s[i + k] >> 6 != 2)
                return 0;
            value = value << 6 | (s[i + k] & 0x3f);
        }
        unsigned shortest = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
        if (n != shortest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return 0;
        i += n;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    try_frame(data[0], data[1], data + 2, size - 2);
    try_line(data[0], data[1] % 32, data + 2, size - 2);
    must(hob_utf8_is_valid(data + 2, size - 2) == naive_utf8(data + 2, size - 2));
    return 0;
}
