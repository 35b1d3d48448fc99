/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 as bytes: heads, trailers and chunks, without I/O, memory or time.
 *
 *     bytes so far ──▶ hob__h1_head   ──▶ more wanted, a whole head, or the status that refuses it
 *     bytes so far ──▶ hob__h1_chunk  ──▶ more wanted, data, the end, or the status
 *
 * Each may be called again with more of the same bytes, cut anywhere: what is said of them in the
 * end is the same, and no byte is looked at much more than once. It holds to RFC 9112 and 9110
 * wherever leniency would let two readers of the same bytes disagree; rfc numbers are at the rules.
 */
#ifndef HOB_HTTP_H1_H
#define HOB_HTTP_H1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- kinds of bytes ---- */

enum {
    H1_TOKEN = 1,  /* tchar of RFC 9110 5.6.2                                             */
    H1_HOST = 2,   /* unreserved and sub-delims of RFC 3986: of a reg-name, but for %41   */
    H1_TARGET = 4, /* VCHAR, but no #                                                     */
    H1_TEXT = 8,   /* of a field's value, RFC 9110 5.5: HTAB, SP, VCHAR, obs-text         */
};

extern const uint8_t hob__h1_kinds[256];

static inline bool h1_has_kind(char c, unsigned kind)
{
    return (hob__h1_kinds[(unsigned char)c] & kind) != 0;
}

/* ---- finding bytes ---- */

/* The first byte that is no H1_TEXT, or `len`. The plain one is for other machines, and for checking the quick one. */
size_t hob__h1_text(const char *bytes, size_t len);
size_t hob__h1_text_plain(const char *bytes, size_t len);

bool hob__h1_is_token(const char *bytes, size_t len); /* RFC 9110 5.6.2; not an empty one */
bool hob__h1_is_value(const char *bytes, size_t len); /* of a field; an empty one, too    */

/* They may differ in the bit of a letter that makes it small. */
static inline bool h1_are_8(const char *bytes, const char *word)
{
    uint64_t b, w;
    memcpy(&b, bytes, 8);
    memcpy(&w, word, 8);
    return ((b ^ w) & ~((w & 0x4040404040404040) >> 1)) == 0;
}

/* Whether `len` bytes are this word, without regard to case. The word has small letters, digits and
 * what lies before the capital letters in ASCII: - : / */
static inline bool hob__h1_is(const char *bytes, size_t len, const char *word)
{
    if (len != strlen(word))
        return false;
    if (len < 8) {
        for (size_t i = 0; i < len; i++) {
            if (((bytes[i] ^ word[i]) & ~((word[i] & 0x40) >> 1)) != 0)
                return false;
        }
        return true;
    }
    for (size_t i = 0; i + 8 <= len; i += 8) {
        if (!h1_are_8(bytes + i, word + i))
            return false;
    }
    return h1_are_8(bytes + len - 8, word + len - 8);
}

/* The next element of a list (RFC 9110 5.6.1) of which [*at, end) is left: trimmed, never empty.
 * False: there is no more. */
bool hob__h1_list_next(const char **at, const char *end, const char **ret_item, size_t *ret_len);

/* 1*DIGIT, checked at each of them; false for anything else, and for more than INT64_MAX. */
bool hob__h1_number(const char *bytes, size_t len, uint64_t *ret_number);

/* ---- heads ---- */

/* Where it lies in the head. */
struct h1_span {
    uint32_t at, len;
};

struct h1_field {
    struct h1_span name, value; /* of the value without the blanks around it */
};

enum h1_body {
    H1_NO_BODY,
    H1_LENGTH,
    H1_CHUNKED,
};

struct h1_limits {
    uint32_t target_max, head_max, fields_max;
};

/* A head on its way; zero, with `limits` and `fields`, to begin with. */
struct h1_head {
    struct h1_limits limits;
    struct h1_field *fields; /* the caller's, with room for limits.fields_max */
    bool             is_trailer; /* has no request line; and what fields it may have */

    /* What was found: whole when hob__h1_head gave a length. */
    struct h1_span method, target;
    struct h1_span authority, path, query; /* of the target; an empty path of http://host is "/" */
    uint32_t       field_count;
    struct h1_span host;       /* the target's authority, or else the Host field */
    int            minor;      /* of the version 1.x */
    enum h1_body   body;
    uint64_t       length;     /* H1_LENGTH */
    bool           keep_alive, expects_continue;

    /* Where it is. */
    uint32_t line;    /* where the line begins that is looked at now */
    uint32_t scanned; /* up to here it is known to have no end       */
    bool     has_line, has_blank; /* the request line; an empty one before it */
};

/* Returns the length of the head, when all of it is there; 0: more is wanted; or minus the status
 * of the answer that it deserves: 400, 414, 417, 431, 501, 505. After that it is not called again. */
int64_t hob__h1_head(struct h1_head *head, const char *bytes, size_t len);

/* ---- chunks ---- */

enum { H1_EXTENSIONS_MAX = 16384 }; /* bytes of chunk extensions, in a whole body */

struct h1_chunks {
    uint64_t left;       /* data of the chunk that is read */
    uint32_t extensions; /* bytes of them so far           */
    uint8_t  state;
    uint8_t  digits;
};

enum { H1_CHUNKS_MORE = 0, H1_CHUNKS_DATA = 1, H1_CHUNKS_END = 2 };

/* Takes what frames the data, and says in *ret_used how many bytes that was. Returns DATA:
 * chunks->left bytes of data come next, and the caller takes as many as he has off `left`; END: the
 * trailer section comes next, a head with is_trailer; MORE: all was used; or -400. */
int hob__h1_chunk(struct h1_chunks *chunks, const char *bytes, size_t len, size_t *ret_used);

#endif
