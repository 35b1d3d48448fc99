/* SPDX-License-Identifier: MIT */
/* Finding bytes in HTTP/1.1: sixteen at a time where the machine can, one at a time elsewhere. */
#include <string.h>

#include "http/h1.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* ---- kinds ---- */

/* Sixteen to a line, as in ASCII: of these the third begins with the blank. */
const uint8_t hob__h1_kinds[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  8,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     8, 15, 12,  9, 15, 13, 15, 15, 14, 14, 15, 15, 14, 15, 15, 12,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 14, 12, 14, 12, 12,
    12, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 12, 12, 13, 15,
    13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 13, 12, 15,  0,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
};

/* ---- text ---- */

size_t hob__h1_text_plain(const char *bytes, size_t len)
{
    size_t i = 0;
    while (i < len && h1_has_kind(bytes[i], H1_TEXT))
        i++;
    return i;
}

#if defined(__SSE2__)

static inline __m128i load16(const char *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline __m128i load8(const char *bytes)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)bytes);
}

/* A bit for each of 16 bytes that are no text. */
static inline unsigned others_of(__m128i c)
{
    const __m128i last_control = _mm_set1_epi8(0x1f);
    __m128i is_control = _mm_cmpeq_epi8(_mm_max_epu8(c, last_control), last_control);
    __m128i is_tab = _mm_cmpeq_epi8(c, _mm_set1_epi8('\t'));
    __m128i is_delete = _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(is_tab, is_control), is_delete));
}

size_t hob__h1_text(const char *bytes, size_t len)
{
    size_t   i = 0;
    unsigned others;

    for (; len - i >= 16; i += 16) {
        others = others_of(load16(bytes + i));
        if (others != 0)
            return i + (size_t)__builtin_ctz(others);
    }
    if (i == len)
        return len;
    if (len >= 16) { // the last sixteen: those of them that were seen are text
        others = others_of(load16(bytes + len - 16));
        return others != 0 ? len - 16 + (size_t)__builtin_ctz(others) : len;
    }
    if (len < 8)
        return hob__h1_text_plain(bytes, len);
    others = others_of(_mm_unpacklo_epi64(load8(bytes), load8(bytes + len - 8)));
    if ((others & 0xff) != 0)
        return (size_t)__builtin_ctz(others);
    return others != 0 ? len - 16 + (size_t)__builtin_ctz(others) : len;
}

#elif defined(__aarch64__) && defined(__ARM_NEON)

size_t hob__h1_text(const char *bytes, size_t len)
{
    size_t i = 0;
    for (; len - i >= 16; i += 16) {
        uint8x16_t c = vld1q_u8((const uint8_t *)bytes + i);
        uint8x16_t others = vorrq_u8(vbicq_u8(vcltq_u8(c, vdupq_n_u8(' ')),
                                              vceqq_u8(c, vdupq_n_u8('\t'))),
                                     vceqq_u8(c, vdupq_n_u8(0x7f)));
        if (vmaxvq_u8(others) != 0)
            break;
    }
    return i + hob__h1_text_plain(bytes + i, len - i);
}

#else

size_t hob__h1_text(const char *bytes, size_t len)
{
    return hob__h1_text_plain(bytes, len);
}

#endif

/* ---- tokens, words, numbers ---- */

bool hob__h1_is_token(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!h1_has_kind(bytes[i], H1_TOKEN))
            return false;
    }
    return len > 0;
}

bool hob__h1_is_value(const char *bytes, size_t len)
{
    return hob__h1_text(bytes, len) == len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool hob__h1_list_next(const char **at, const char *end, const char **ret_item, size_t *ret_len)
{
    const char *p = *at;
    while (p < end && (is_blank(*p) || *p == ','))
        p++;
    if (p == end) {
        *at = end;
        return false;
    }
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *last = comma != NULL ? comma : end;
    *at = last;
    while (is_blank(last[-1]))
        last--;
    *ret_item = p;
    *ret_len = (size_t)(last - p);
    return true;
}

bool hob__h1_number(const char *bytes, size_t len, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(bytes[i] - '0');
        if (number > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return len > 0;
}
