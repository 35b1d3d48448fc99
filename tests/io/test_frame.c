/* SPDX-License-Identifier: MIT */
/*
 * Frames, lines and UTF-8 as bytes. Invariant of every parser: what it says does not depend
 * on how the bytes are cut, and it agrees with a naive one that sees all of them at once.
 */
#include "support/io.h"

/* ---- small random things, from the test's seed or a fixed one in bare tests ---- */

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

/* ---- prefixes ---- */

static const hob_frame_format FORMATS[] = {
    { .prefix_bytes = 1 },
    { .prefix_bytes = 2 },
    { .prefix_bytes = 4 },
    { .prefix_bytes = 8, .frame_bytes_max = SIZE_MAX },
    { .prefix_bytes = 2, .little_endian = 1 },
    { .prefix_bytes = 4, .little_endian = 1 },
    { .prefix_bytes = 8, .little_endian = 1, .frame_bytes_max = SIZE_MAX },
    { .prefix_bytes = 0, .frame_bytes_max = SIZE_MAX },
    { .prefix_bytes = 0, .frame_bytes_max = 300 },
};

enum { FORMATS_COUNT = sizeof FORMATS / sizeof FORMATS[0] };

TEST_BARE(frame, a_prefix_that_was_written_is_read_at_every_cut)
{
    static const size_t lens[] = { 0, 1, 127, 128, 255, 256, 300, 301, 16383, 16384, 65535, 65536,
                                   1 << 20, ((size_t)1 << 20) + 1, (size_t)1 << 35, SIZE_MAX };

    for (int f = 0; f < FORMATS_COUNT; f++) {
        for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
            unsigned char prefix[HOB_FRAME_PREFIX_MAX] = { 0 };
            size_t        len = 12345;
            int           n = hob_frame_prefix(&FORMATS[f], lens[i], prefix);
            size_t        max = FORMATS[f].frame_bytes_max ? FORMATS[f].frame_bytes_max : 1 << 20;
            unsigned      bits = 8 * FORMATS[f].prefix_bytes;
            bool          fits = bits == 0 || bits == 64 || lens[i] >> bits == 0;
            if (lens[i] > max || !fits) {
                check_err(n, -EMSGSIZE);
                continue;
            }
            check_gt(n, 0);
            for (int cut = 0; cut < n; cut++)
                check_eq(hob_frame_parse(&FORMATS[f], prefix, (size_t)cut, &len), 0);
            check_eq(len, 12345);
            check_eq(hob_frame_parse(&FORMATS[f], prefix, (size_t)n, &len), n);
            check_eq(len, lens[i]);
        }
    }
}

TEST_BARE(frame, the_bytes_of_a_prefix_are_as_the_format_says)
{
    unsigned char prefix[HOB_FRAME_PREFIX_MAX];

    check_eq(hob_frame_prefix(&(hob_frame_format){ .prefix_bytes = 4 }, 0x010203, prefix), 4);
    check_mem(prefix, "\x00\x01\x02\x03", 4);
    check_eq(hob_frame_prefix(&(hob_frame_format){ .prefix_bytes = 2, .little_endian = 1 }, 0x0102,
                              prefix), 2);
    check_mem(prefix, "\x02\x01", 2);
    check_eq(hob_frame_prefix(&(hob_frame_format){ 0 }, 300, prefix), 2);
    check_mem(prefix, "\xac\x02", 2); // the example of the Protocol Buffers encoding guide
}

TEST_BARE(frame, a_varint_that_is_too_long_too_large_or_not_the_shortest_is_refused)
{
    static const char nine[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    hob_frame_format  format = { .frame_bytes_max = SIZE_MAX };
    char              ten[11];
    size_t            len;

    for (unsigned last = 0; last < 256; last++) {
        snprintf(ten, sizeof ten, "%s%c", nine, (char)last);
        check_eq(hob_frame_parse(&format, ten, 10, &len), last == 1 ? 10 : -EBADMSG);
    }
    check_eq(len, UINT64_MAX);
    check_err(hob_frame_parse(&format, "\x80\x00", 2, &len), -EBADMSG);
    check_eq(hob_frame_parse(&format, "\x00", 1, &len), 1);
    check_eq(len, 0);
}

TEST_BARE(frame, a_length_over_the_limit_is_refused_before_anything_of_it_came)
{
    hob_frame_format format = { .prefix_bytes = 4, .frame_bytes_max = 10 };
    size_t           len;

    check_eq(hob_frame_parse(&format, "\x00\x00\x00\x0a", 4, &len), 4);
    check_err(hob_frame_parse(&format, "\x00\x00\x00\x0b", 4, &len), -EMSGSIZE);
    check_err(hob_frame_parse(&format, "\xff\xff\xff\xff", 4, &len), -EMSGSIZE);
    format = (hob_frame_format){ .prefix_bytes = 8 };
    check_err(hob_frame_parse(&format, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, &len), -EMSGSIZE);
}

TEST_DIES(frame, a_prefix_of_three_bytes_is_a_mistake,
          "*hob_frame_parse*1, 2, 4 or 8 bytes*")
{
    size_t len;
    ignore(hob_frame_parse(&(hob_frame_format){ .prefix_bytes = 3 }, "", 0, &len));
}

/* ---- lines ---- */

/* All bytes at once, in the plainest way. */
static ssize_t naive_line(hob_line_end end, size_t max, const char *bytes, size_t len,
                          size_t *ret_line_len)
{
    for (size_t i = 0; i < len; i++) {
        bool   is_cr_of_end = end != HOB_LINE_LF && bytes[i] == '\r' && i == max &&
                              (i + 1 == len || bytes[i + 1] == '\n');
        size_t line_len = i;
        if (bytes[i] != '\n') {
            if (i >= max && !is_cr_of_end)
                return -EMSGSIZE;
            continue;
        }
        bool cr = end != HOB_LINE_LF && i > 0 && bytes[i - 1] == '\r';
        if (cr)
            line_len--;
        if (end == HOB_LINE_CRLF && !cr)
            return -EBADMSG;
        *ret_line_len = line_len;
        return (ssize_t)i + 1;
    }
    return 0;
}

/* Gives it one byte more each time, as a reader would. */
static ssize_t line_by_bytes(hob_line_end end, size_t max, const char *bytes, size_t len,
                             size_t step, size_t *ret_line_len)
{
    size_t looked_at = 0;

    for (size_t have = 0;; have += step) {
        if (have > len)
            have = len;
        ssize_t n = hob_line_parse(end, max, bytes, have, &looked_at, ret_line_len);
        if (n != 0 || have == len)
            return n;
    }
}

TEST_BARE(line, every_short_text_is_read_the_same_at_every_cut)
{
    static const char letters[] = { 'a', '\r', '\n' };

    for (unsigned number = 0; number < 729; number++) { // all texts of six letters
        char text[6];
        for (unsigned i = 0, left = number; i < 6; i++, left /= 3)
            text[i] = letters[left % 3];
        for (int end = HOB_LINE_ANY; end <= HOB_LINE_CRLF; end++) {
            for (size_t max = 0; max <= 6; max++) {
                for (size_t len = 0; len <= 6; len++) {
                    size_t  expected_len = 99;
                    ssize_t expected = naive_line(end, max, text, len, &expected_len);
                    for (size_t step = 1; step <= 6; step++) {
                        size_t  found_len = 99;
                        ssize_t found = line_by_bytes(end, max, text, len, step, &found_len);
                        check_eq(found, expected);
                        check_eq(found_len, expected_len);
                    }
                }
            }
        }
    }
}

TEST_BARE(line, no_byte_is_looked_at_twice)
{
    size_t looked_at = 0, len;

    check_eq(hob_line_parse(HOB_LINE_ANY, 100, "abc", 3, &looked_at, &len), 0);
    check_eq(looked_at, 3);
    check_eq(hob_line_parse(HOB_LINE_ANY, 100, "abc\nx", 5, &looked_at, &len), 4);
    check_eq(len, 3);
}

/* ---- UTF-8 ---- */

/* By the numbers: decodes, and asks whether the shortest form would have been as long. */
static bool naive_utf8(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned bytes = s[i] < 0x80 ? 1 : s[i] >> 5 == 6 ? 2 : s[i] >> 4 == 14 ? 3
                       : s[i] >> 3 == 30 ? 4 : 0;
        if (bytes == 0 || i + bytes > len)
            return false;
        uint32_t value = bytes == 1 ? s[i] : s[i] & (0x7f >> bytes);
        for (unsigned k = 1; k < bytes; k++) {
            if (s[i + k] >> 6 != 2)
                return false;
            value = value << 6 | (s[i + k] & 0x3f);
        }
        unsigned shortest = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
        if (bytes != shortest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return false;
        i += bytes;
    }
    return true;
}

TEST_BARE(utf8, all_of_two_bytes_and_the_borders_of_three_and_four_are_as_decoding_says)
{
    static const unsigned char edges[] = {
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
        0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
    };
    enum { EDGES = sizeof edges };

    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            unsigned char s[2] = { (unsigned char)a, (unsigned char)b };
            check_eq(hob_utf8_is_valid(s, 2), naive_utf8(s, 2));
        }
    }
    for (unsigned n = 0; n < EDGES * EDGES * EDGES * EDGES; n++) {
        unsigned char s[4] = { edges[n % EDGES], edges[n / EDGES % EDGES],
                               edges[n / EDGES / EDGES % EDGES], edges[n / EDGES / EDGES / EDGES] };
        if (hob_utf8_is_valid(s, 4) != naive_utf8(s, 4) ||
            hob_utf8_is_valid(s, 3) != naive_utf8(s, 3))
            fail("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
    }
    check(hob_utf8_is_valid("", 0));
    check(hob_utf8_is_valid("h\xc3\xb6r \xe2\x82\xac \xf0\x9f\x8d\xb2", 13));
}

/* ---- noise ---- */

TEST_BARE(frame, noise_is_read_the_same_at_every_cut)
{
    random_state = 42;
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[24];
        size_t        len = draw(sizeof bytes + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(draw(3) == 0 ? 0x80 | draw(128)
                                       : draw(4) == 0 ? 0 : draw(256));
        const hob_frame_format *format = &FORMATS[draw(FORMATS_COUNT)];
        size_t                  whole_len = 77, cut_len = 77;
        int                     whole = hob_frame_parse(format, bytes, len, &whole_len), cut = 0;
        for (size_t have = 0; have <= len && cut == 0; have++)
            cut = hob_frame_parse(format, bytes, have, &cut_len);
        check_eq(cut, whole);
        check_eq(cut_len, whole_len);
    }
}
