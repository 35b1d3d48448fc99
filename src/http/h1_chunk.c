/* SPDX-License-Identifier: MIT */
/*
 * Chunked bodies: RFC 9112 7.1, and no blank more.
 *
 *     SIZE ── ; ──▶ EXTENSION ── CR ──▶ LF ──▶ data ──▶ DATA_CR ──▶ DATA_LF ──▶ SIZE
 *       └──────────── CR ───────────────▲ └── size 0 ──▶ END
 */
#include "http/h1.h"

enum { SIZE, EXTENSION, LF, DATA, DATA_CR, DATA_LF, END };

enum { DIGITS_MAX = 15 }; /* so that no size can overflow anything */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static int size_byte(struct h1_chunks *chunks, char c)
{
    int digit = hex_of(c);
    if (digit >= 0) {
        if (chunks->digits == DIGITS_MAX)
            return -400;
        chunks->digits++;
        chunks->left = chunks->left << 4 | (unsigned)digit;
        return 0;
    }
    if (chunks->digits == 0 || (c != ';' && c != '\r'))
        return -400;
    chunks->state = c == ';' ? EXTENSION : LF;
    return 0;
}

static int extension_byte(struct h1_chunks *chunks, char c)
{
    if (c == '\r') {
        chunks->state = LF;
        return 0;
    }
    if (++chunks->extensions > H1_EXTENSIONS_MAX || hob__h1_text_plain(&c, 1) == 0)
        return -400;
    return 0;
}

static int take_byte(struct h1_chunks *chunks, char c)
{
    switch (chunks->state) {
    case SIZE:
        return size_byte(chunks, c);
    case EXTENSION:
        return extension_byte(chunks, c);
    case LF:
        chunks->state = chunks->left > 0 ? DATA : END;
        return c == '\n' ? 0 : -400;
    case DATA_CR:
        chunks->state = DATA_LF;
        return c == '\r' ? 0 : -400;
    default: // DATA_LF
        chunks->state = SIZE;
        chunks->digits = 0;
        return c == '\n' ? 0 : -400;
    }
}

int hob__h1_chunk(struct h1_chunks *chunks, const char *bytes, size_t len, size_t *ret_used)
{
    size_t used = 0;

    for (;;) {
        if (chunks->state == DATA && chunks->left == 0)
            chunks->state = DATA_CR;
        if (chunks->state == DATA || chunks->state == END || used == len)
            break;
        int r = take_byte(chunks, bytes[used]);
        if (r < 0)
            return r;
        used++;
    }
    *ret_used = used;
    return chunks->state == DATA ? H1_CHUNKS_DATA : chunks->state == END ? H1_CHUNKS_END : H1_CHUNKS_MORE;
}
