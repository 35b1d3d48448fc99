/* SPDX-License-Identifier: MIT */
/*
 * The site's inside: what its files share.
 *
 *   files    static.c finds what a name stands for, send.c sends it, from the disk or from shelf.c,
 *            listing.c makes the page of a folder; names.c, accept.c and media.c are bytes only: which
 *            name a path means, which coding is wanted, which type a name has
 *   forms    forms.h introduces them
 *   cookies  cookie.c; session.c on top of it, by seal.c, which alone knows OpenSSL
 *
 * All of it sees Hob's public headers only. Memory is malloc's, by memory.c.
 */
#ifndef HOB_SITE_SITE_H
#define HOB_SITE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- memory.c ---- */

/* For tests: the allocation of that number fails, from 1 on; 0: none. */
extern long hob__site_fail_at;

void *hob__site_alloc(size_t size); /* cleared; NULL: there is none */
void *hob__site_grow(void *ptr, size_t size);
char *hob__site_copy(const char *text, size_t len); /* with a NUL behind it */

/* A text that grows, up to a limit. Zero is an empty one. */
struct text {
    char  *at; /* NULL as long as nothing was put; else with a NUL behind it */
    size_t len, cap;
};

int  hob__site_put(struct text *text, const void *bytes, size_t len); /* 0, or -ENOMEM */
void hob__site_text_free(struct text *text);

/* ---- names.c ---- */

enum { NAME_BYTES = 1024 }; /* of a name, with its NUL: some of them lie on the stack of a request */

/* A path of a URL, without its first slash, as a name relative to a folder. Returns 0, or
 * -EINVAL: it has a % that is no escape; -ENOENT: an escaped slash or a NUL; -ENAMETOOLONG. */
int hob__site_name_decode(const char *path, char *out, size_t size);

/* Whether a name may be looked for. */
bool hob__site_name_is_fine(const char *name, bool with_dots);

/* Whether its last part has a hash in it, as bundlers write them. */
bool hob__site_name_has_hash(const char *name);

int hob__site_hex(char c); /* -1: no digit */

/* ---- accept.c ---- */

/* How much a coding is wanted by an Accept-Encoding header (NULL: there is none), in thousandths; 0:
 * not at all. */
int hob__site_accepts(const char *header, const char *coding);

/* ---- media.c ---- */

/* What stands behind the last dot of a name's last part, in small letters; "": nothing. */
void hob__site_extension(const char *name, char out[static 16]);

#endif
