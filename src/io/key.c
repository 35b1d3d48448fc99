/* SPDX-License-Identifier: MIT */
/*
 * What terminals send for keys: characters as UTF-8, and sequences that begin with Escape (ECMA-48,
 * as xterm, VT220 and the Linux console use them). Bytes only.
 */
#include <stdbool.h>
#include <string.h>

#include "hob/terminal.h"

enum { ESC = 27, SEQUENCE_MAX = 24, NOT_UNICODE = 0xFFFD };

struct bytes {
    const unsigned char *at;
    size_t               len;
    bool                 complete;
};

static size_t give(hob_key *ret_key, uint32_t code, uint32_t modifiers, size_t len)
{
    *ret_key = (hob_key){ code, modifiers };
    return len;
}

/* ---- characters ---- */

static size_t parse_control(unsigned char c, hob_key *ret_key)
{
    if (c == HOB_KEY_ENTER || c == HOB_KEY_TAB || c == HOB_KEY_ESCAPE || c == HOB_KEY_BACKSPACE)
        return give(ret_key, c, 0, 1);
    if (c == 0)
        return give(ret_key, ' ', HOB_KEY_CTRL, 1);
    if (c <= 26)
        return give(ret_key, (uint32_t)('a' + c - 1), HOB_KEY_CTRL, 1);
    return give(ret_key, (uint32_t)(c + 0x40), HOB_KEY_CTRL, 1); // \ ] ^ _
}

/* How long a UTF-8 character is that begins so, or 0. */
static size_t utf8_len(unsigned char first)
{
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

static bool is_unicode(uint32_t code, size_t len)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    return code >= least[len] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static size_t parse_utf8(struct bytes b, hob_key *ret_key)
{
    size_t   len = utf8_len(b.at[0]);
    uint32_t code = len > 0 ? b.at[0] & (0x7Fu >> len) : 0;
    for (size_t i = 1; i < len; i++) {
        if (i == b.len)
            return b.complete ? give(ret_key, NOT_UNICODE, 0, 1) : 0;
        if ((b.at[i] & 0xC0) != 0x80)
            return give(ret_key, NOT_UNICODE, 0, 1);
        code = code << 6 | (b.at[i] & 0x3F);
    }
    if (len == 0 || !is_unicode(code, len))
        return give(ret_key, NOT_UNICODE, 0, 1);
    return give(ret_key, code, 0, len);
}

static size_t parse_character(struct bytes b, hob_key *ret_key)
{
    unsigned char c = b.at[0];
    if (c < 0x20 || c == 0x7F)
        return parse_control(c, ret_key);
    if (c < 0x7F)
        return give(ret_key, c, 0, 1);
    return parse_utf8(b, ret_key);
}

/* ---- sequences ---- */

static uint32_t key_of_letter(unsigned char letter)
{
    switch (letter) {
    case 'A': return HOB_KEY_UP;
    case 'B': return HOB_KEY_DOWN;
    case 'C': return HOB_KEY_RIGHT;
    case 'D': return HOB_KEY_LEFT;
    case 'F': return HOB_KEY_END;
    case 'H': return HOB_KEY_HOME;
    case 'P': return HOB_KEY_F1;
    case 'Q': return HOB_KEY_F2;
    case 'R': return HOB_KEY_F3;
    case 'S': return HOB_KEY_F4;
    case 'Z': return HOB_KEY_BACKTAB;
    default: return HOB_KEY_UNKNOWN;
    }
}

/* ESC [ number ~ */
static uint32_t key_of_number(unsigned number)
{
    static const uint32_t keys[] = {
        [1] = HOB_KEY_HOME,   [2] = HOB_KEY_INSERT,  [3] = HOB_KEY_DELETE,    [4] = HOB_KEY_END,
        [5] = HOB_KEY_PAGE_UP, [6] = HOB_KEY_PAGE_DOWN, [7] = HOB_KEY_HOME,   [8] = HOB_KEY_END,
        [11] = HOB_KEY_F1,    [12] = HOB_KEY_F2,     [13] = HOB_KEY_F3,       [14] = HOB_KEY_F4,
        [15] = HOB_KEY_F5,    [17] = HOB_KEY_F6,     [18] = HOB_KEY_F7,       [19] = HOB_KEY_F8,
        [20] = HOB_KEY_F9,    [21] = HOB_KEY_F10,    [23] = HOB_KEY_F11,      [24] = HOB_KEY_F12,
    };
    uint32_t key = number < sizeof keys / sizeof keys[0] ? keys[number] : 0;
    return key != 0 ? key : HOB_KEY_UNKNOWN;
}

/* xterm says 1 + these in the second number. */
static uint32_t modifiers_of(unsigned number)
{
    return number >= 2 && number <= 8 ? number - 1 : 0;
}

static size_t end_csi(const unsigned numbers[2], unsigned char final, size_t len, hob_key *ret_key)
{
    uint32_t code = final == '~' ? key_of_number(numbers[0]) : key_of_letter(final);
    return give(ret_key, code, code != HOB_KEY_UNKNOWN ? modifiers_of(numbers[1]) : 0, len);
}

/* A sequence that is cut off, or too long: as much of it as there is. */
static size_t cut_off(struct bytes b, size_t len, hob_key *ret_key)
{
    if (len < SEQUENCE_MAX && !b.complete)
        return 0;
    return give(ret_key, HOB_KEY_UNKNOWN, 0, len);
}

/* ESC [ numbers final */
static size_t parse_csi(struct bytes b, hob_key *ret_key)
{
    unsigned numbers[2] = { 0, 0 };
    size_t   which = 0, i;
    if (b.len > 2 && b.at[2] == '[') { // F1 to F5 of the Linux console
        if (b.len == 3)
            return cut_off(b, 3, ret_key);
        bool is_key = b.at[3] >= 'A' && b.at[3] <= 'E';
        return give(ret_key, is_key ? HOB_KEY_F1 + (uint32_t)(b.at[3] - 'A') : HOB_KEY_UNKNOWN, 0, 4);
    }
    for (i = 2; i < b.len && i < SEQUENCE_MAX; i++) {
        unsigned char c = b.at[i];
        if (c >= 0x40 && c <= 0x7E)
            return end_csi(numbers, c, i + 1, ret_key);
        if (c < 0x20 || c > 0x7E) // not of a sequence: that ends here
            return give(ret_key, HOB_KEY_UNKNOWN, 0, i);
        if (c == ';')
            which++;
        else if (c >= '0' && c <= '9' && which < 2 && numbers[which] < 1000)
            numbers[which] = 10 * numbers[which] + (unsigned)(c - '0');
    }
    return cut_off(b, i, ret_key);
}

static size_t parse_alt(struct bytes b, hob_key *ret_key)
{
    struct bytes rest = { b.at + 1, b.len - 1, b.complete };
    size_t       n = parse_character(rest, ret_key);
    if (n == 0)
        return 0;
    ret_key->modifiers |= HOB_KEY_ALT;
    return n + 1;
}

static size_t parse_escape(struct bytes b, hob_key *ret_key)
{
    if (b.len == 1)
        return b.complete ? give(ret_key, HOB_KEY_ESCAPE, 0, 1) : 0;
    if (b.at[1] == ESC)
        return give(ret_key, HOB_KEY_ESCAPE, 0, 1);
    bool opens = b.at[1] == '[' || b.at[1] == 'O';
    if (!opens || (b.len == 2 && b.complete))
        return parse_alt(b, ret_key);
    if (b.len == 2)
        return 0;
    if (b.at[1] == '[')
        return parse_csi(b, ret_key);
    return give(ret_key, key_of_letter(b.at[2]), 0, 3);
}

size_t hob_key_parse(const void *bytes, size_t len, int complete, hob_key *ret_key)
{
    struct bytes b = { bytes, len, complete != 0 };
    if (len == 0)
        return 0;
    return b.at[0] == ESC ? parse_escape(b, ret_key) : parse_character(b, ret_key);
}
