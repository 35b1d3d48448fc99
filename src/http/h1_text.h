/* SPDX-License-Identifier: MIT */
/*
 * The end of text in HTTP/1.1, sixteen bytes at a time where the machine can, one at a time elsewhere. For
 * those who ask for it so often that a call would count; all others take hob__h1_text.
 */
#ifndef HOB_HTTP_H1_TEXT_H
#define HOB_HTTP_H1_TEXT_H

#include "http/h1.h"

#if defined(__SSE2__)
#include <emmintrin.h>

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

static inline size_t h1_text(const char *bytes, size_t len)
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
#include <arm_neon.h>

static inline size_t h1_text(const char *bytes, size_t len)
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

static inline size_t h1_text(const char *bytes, size_t len)
{
    return hob__h1_text_plain(bytes, len);
}

#endif

#endif
