/* SPDX-License-Identifier: MIT */
/*
 * Heads, masks, texts and closes.
 *
 *     FIN RSV1 RSV2 RSV3 opcode(4) │ MASK len(7) │ 2 or 8 more of it │ key(4) │ payload
 *
 * A head is refused at the first byte that shows that it is bad: so what is wrong is told, and nothing
 * is waited for, or allocated, that was only announced.
 */
#include "ws/frame.h"

#include <string.h>

enum { PROTOCOL_ERROR = 1002, BAD_DATA = 1007 };

/* ---- heads ---- */

static bool is_control(unsigned opcode)
{
    return opcode >= 8;
}

static int check_first(unsigned char first, bool may_deflate)
{
    unsigned opcode = first & 15;

    if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return -PROTOCOL_ERROR;
    if ((first & 0x30) != 0)
        return -PROTOCOL_ERROR;
    if ((first & 0x40) != 0 && (!may_deflate || is_control(opcode) || opcode == WS_CONTINUATION))
        return -PROTOCOL_ERROR;
    if (is_control(opcode) && (first & 0x80) == 0)
        return -PROTOCOL_ERROR;
    return 0;
}

static int check_second(unsigned char first, unsigned char second, bool wants_mask)
{
    if (((second & 0x80) != 0) != wants_mask)
        return -PROTOCOL_ERROR;
    if (is_control(first & 15) && (second & 127) > WS_CONTROL_MAX)
        return -PROTOCOL_ERROR;
    return 0;
}

/* Of 2 or 8 bytes; the fewest must be used, and the highest bit is 0. */
static int read_len(const unsigned char *bytes, size_t count, uint64_t *ret_len)
{
    uint64_t len = 0;
    for (size_t i = 0; i < count; i++)
        len = len << 8 | bytes[i];
    if (len <= (count == 2 ? 125 : 65535) || len >> 63 != 0)
        return -PROTOCOL_ERROR;
    *ret_len = len;
    return 0;
}

int hob__ws_head_parse(const unsigned char *bytes, size_t len, bool wants_mask, bool may_deflate,
                       struct ws_head *ret_head)
{
    if (len == 0)
        return 0;
    int r = check_first(bytes[0], may_deflate);
    if (r == 0 && len >= 2)
        r = check_second(bytes[0], bytes[1], wants_mask);
    if (r < 0 || len < 2)
        return r;

    struct ws_head head = {
        .opcode = bytes[0] & 15,
        .is_last = (bytes[0] & 0x80) != 0,
        .is_deflated = (bytes[0] & 0x40) != 0,
        .is_masked = wants_mask,
        .len = bytes[1] & 127,
    };
    size_t more = head.len == 126 ? 2 : head.len == 127 ? 8 : 0;
    if (len < 2 + more)
        return 0;
    if (more > 0) {
        r = read_len(bytes + 2, more, &head.len);
        if (r < 0)
            return r;
    }
    size_t head_len = 2 + more + (wants_mask ? 4 : 0);
    if (len < head_len)
        return 0;
    if (wants_mask)
        memcpy(head.key, bytes + 2 + more, 4);
    *ret_head = head;
    return (int)head_len;
}

size_t hob__ws_head_write(unsigned char out[static WS_HEAD_MAX], const struct ws_head *head)
{
    size_t len = 2, more = head->len > 65535 ? 8 : head->len > 125 ? 2 : 0;

    out[0] = (unsigned char)((head->is_last ? 0x80 : 0) | (head->is_deflated ? 0x40 : 0) | head->opcode);
    out[1] = (unsigned char)((head->is_masked ? 0x80 : 0)
                             | (more == 8 ? 127 : more == 2 ? 126 : (unsigned)head->len));
    for (size_t i = more; i > 0; i--)
        out[len++] = (unsigned char)(head->len >> (8 * (i - 1)));
    if (head->is_masked) {
        memcpy(out + len, head->key, 4);
        len += 4;
    }
    return len;
}

/* ---- masks ---- */

void hob__ws_mask(void *to, const void *from, size_t len, const uint8_t key[static 4], uint64_t at)
{
    unsigned char       *out = to;
    const unsigned char *in = from;
    unsigned char        turned[8];
    uint64_t             word, mask;

    for (unsigned i = 0; i < 8; i++)
        turned[i] = key[(at + i) & 3];
    memcpy(&mask, turned, 8);
    for (; len >= 8; len -= 8, in += 8, out += 8) { // the compiler makes vectors of it
        memcpy(&word, in, 8);
        word ^= mask;
        memcpy(out, &word, 8);
    }
    for (size_t i = 0; i < len; i++)
        out[i] = in[i] ^ turned[i];
}

/* ---- texts ---- */

/* What may follow a first byte from 0xC2 on: RFC 3629 4. */
static bool begin_character(struct ws_text *text, unsigned char c)
{
    if (c < 0xC2 || c > 0xF4)
        return false;
    text->wants = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    text->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80; // no longer than need be
    text->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF; // no surrogate, none over 0x10FFFF
    return true;
}

/* How many bytes at the beginning are ASCII, in steps. */
static size_t ascii_len(const unsigned char *s, size_t len)
{
    size_t   n = 0;
    uint64_t a, b;
    for (; len - n >= 16; n += 16) {
        memcpy(&a, s + n, 8);
        memcpy(&b, s + n + 8, 8);
        if (((a | b) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (n < len && s[n] < 0x80)
        n++;
    return n;
}

bool hob__ws_text_more(struct ws_text *text, const void *bytes, size_t len)
{
    if (len == 0) // and `bytes` may be NULL
        return true;
    const unsigned char *s = bytes, *end = s + len;

    while (s < end) {
        if (text->wants == 0) {
            s += ascii_len(s, (size_t)(end - s));
            if (s == end)
                break;
            if (!begin_character(text, *s++))
                return false;
            continue;
        }
        if (*s < text->low || *s > text->high)
            return false;
        text->low = 0x80;
        text->high = 0xBF;
        text->wants--;
        s++;
    }
    return true;
}

/* ---- closes ---- */

bool hob__ws_code_is_sent(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
        || (code >= 3000 && code <= 4999);
}

int hob__ws_close_parse(const unsigned char *payload, size_t len, unsigned *ret_code)
{
    struct ws_text text = { 0 };

    if (len == 0) {
        *ret_code = 1005;
        return 0;
    }
    if (len == 1)
        return PROTOCOL_ERROR;
    unsigned code = (unsigned)payload[0] << 8 | payload[1];
    if (!hob__ws_code_is_sent(code))
        return PROTOCOL_ERROR;
    if (!hob__ws_text_more(&text, payload + 2, len - 2) || !hob__ws_text_is_whole(&text))
        return BAD_DATA;
    *ret_code = code;
    return 0;
}
