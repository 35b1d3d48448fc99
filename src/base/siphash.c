/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void add_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* Up to eight bytes, the first one lowest, on every machine. */
static uint64_t word_of(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t hob__siphash(const struct siphash_key *key, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    struct sip     s = {
        key->k0 ^ UINT64_C(0x736F6D6570736575),
        key->k1 ^ UINT64_C(0x646F72616E646F6D),
        key->k0 ^ UINT64_C(0x6C7967656E657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t at = 0;
    for (; len - at >= 8; at += 8)
        add_word(&s, word_of(bytes + at, 8));
    add_word(&s, (uint64_t)(uint8_t)len << 56 | word_of(bytes + at, len - at));
    s.v2 ^= 0xFF;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
