/* SPDX-License-Identifier: MIT */
/* Patterns of routes, and paths of requests: bytes only. */
#ifndef HOB_WEB_PATH_H
#define HOB_WEB_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENTS_MAX = 64 };

enum web_kind { WEB_TEXT, WEB_PARAM, WEB_TAIL };

struct web_segment {
    enum web_kind kind;
    const char   *text; /* or the name; not ended by a NUL */
    size_t        len;
};

struct web_pattern {
    size_t             count;
    struct web_segment at[SEGMENTS_MAX];
};

/* Takes a pattern apart; it stays in use. Returns NULL, or a sentence: why it is none. */
const char *hob__web_pattern(const char *text, struct web_pattern *ret_pattern);

/* A path in segments, each decoded and with a NUL behind it. */
struct web_path {
    char    *bytes;
    size_t   len; /* of all of it, a NUL in the place of each slash but the first */
    size_t   count;
    uint32_t at[SEGMENTS_MAX + 1]; /* the last: behind the end */
    bool     has_slash[SEGMENTS_MAX]; /* one that was escaped */
    bool     is_long;                 /* there are more than SEGMENTS_MAX */
};

static inline const char *web_path_segment(const struct web_path *path, size_t index)
{
    return path->bytes + path->at[index];
}

static inline size_t web_path_len(const struct web_path *path, size_t index)
{
    return path->at[index + 1] - path->at[index] - 1;
}

/* Decodes "/a/b%20c" into `room`, which has a byte more than it. Returns 0, or -EINVAL: no path. */
int hob__web_path(const char *text, char *room, struct web_path *ret_path);

/* Whether the segments from that one on may be a {tail...}: none with a slash, none empty but the last. */
bool hob__web_is_tail(const struct web_path *path, size_t from);

/* Decodes %XX, and + as a blank if so wanted, in place; ends it with a NUL. Returns the length, or
 * -EINVAL: a bad escape. */
int64_t hob__web_decode(char *bytes, size_t len, bool plus_is_blank);

/* Writes 16 hexadecimal digits, without a NUL. */
void hob__web_hex(uint64_t number, char *to);

/* Whether it is UTF-8 (RFC 3629). */
bool hob__web_is_utf8(const char *bytes, size_t len);

#endif
