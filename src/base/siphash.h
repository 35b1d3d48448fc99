/* SPDX-License-Identifier: MIT */
/*
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): a hash under a
 * secret key, for tables whose keys come from strangers, who then cannot choose keys that meet.
 */
#ifndef HOB_BASE_SIPHASH_H
#define HOB_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t hob__siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
