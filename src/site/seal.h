/* SPDX-License-Identifier: MIT */
/* Bytes that leave us and come back: as they were, or not at all. */
#ifndef HOB_SITE_SEAL_H
#define HOB_SITE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SEAL_EXTRA = 33 }; /* what a seal adds at most */

struct seal_key {
    unsigned char sign[32], encrypt[32];
};

/* Of a secret, for one purpose: what was sealed for another is no good. 0 or -ENOMEM. */
int  hob__seal_derive(const void *secret, size_t len, const char *purpose, struct seal_key *ret_key);
void hob__seal_forget(struct seal_key *key);

/* Seals `len` bytes, into `len` + SEAL_EXTRA. Returns how many these are; -ENOMEM; -EIO: no randomness. */
ssize_t hob__seal(const struct seal_key *key, bool encrypts, const unsigned char *bytes, size_t len,
                  unsigned char *out);

/* Opens what was sealed in the same way, into at most `len` bytes. Returns how many; -EBADMSG: it was not;
 * -ENOMEM. */
ssize_t hob__unseal(const struct seal_key *key, bool encrypts, const unsigned char *sealed, size_t len,
                    unsigned char *out);

/* 0 or -EIO. */
int hob__seal_random(unsigned char *out, size_t len);

/* In a time that tells nothing. */
bool hob__seal_is_same(const unsigned char *a, const unsigned char *b, size_t len);

/* base64url without padding, RFC 4648 5. Encode: `out` has room for (len * 4 + 2) / 3 and a NUL. Decode: -1,
 * or how many bytes; only what encode could have made is taken, so that there is one text for each. */
size_t  hob__seal_encode(const unsigned char *bytes, size_t len, char *out);
ssize_t hob__seal_decode(const char *text, size_t len, unsigned char *out);

#endif
