/* SPDX-License-Identifier: MIT */
/* permessage-deflate: RFC 7692. What was agreed upon is bytes only; what compresses is zlib. */
#ifndef HOB_WS_DEFLATE_H
#define HOB_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include <zlib.h>

/* ---- extension.c: what was agreed upon ---- */

enum { WS_EXTENSION_MAX = 160 };

struct ws_extension {
    bool server_keeps, client_keeps; /* their windows, from one message to the next */
    int  server_bits, client_bits;   /* of the windows with which each compresses   */
};

/* A server's choice among the offers of one header; what is wanted is the most that may be. Writes
 * the answer. False: none of them can be. */
bool hob__ws_extension_choose(const char *offers, const struct ws_extension *wanted,
                              struct ws_extension *ret_chosen, char answer[static WS_EXTENSION_MAX]);

/* A client's offer, and whether the answer is one to it. */
void hob__ws_extension_offer(const struct ws_extension *wanted, char offer[static WS_EXTENSION_MAX]);
bool hob__ws_extension_agree(const char *answer, const struct ws_extension *wanted,
                             struct ws_extension *ret_agreed);

/* ---- deflate.c ---- */

struct ws_deflate {
    bool     in_keeps, out_keeps;
    int      in_bits, out_bits, level;
    z_stream in, out;
    bool     has_in, has_out;
    bool     is_between_blocks; /* what came ends with one */
};

/* Up to `cap` bytes of a message from what came; takes that off *in. Returns how many, which is less
 * than `cap` only if all was taken; -EBADMSG, -ENOMEM. */
long hob__ws_inflate(struct ws_deflate *d, const unsigned char **in, size_t *in_len, void *out,
                     size_t cap);

/* The message has ended, and all of it was given. Returns 0, or -EBADMSG: it was cut. */
int hob__ws_inflate_end(struct ws_deflate *d);

/* Compresses a message, into memory that is to be freed. Returns 0, -ENOMEM. */
int hob__ws_deflate(struct ws_deflate *d, const void *data, size_t len, unsigned char **ret_data,
                    size_t *ret_len);

void hob__ws_deflate_forget(struct ws_deflate *d); /* what was compressed: nobody got it */
void hob__ws_deflate_fini(struct ws_deflate *d);

#endif
