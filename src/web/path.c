/* SPDX-License-Identifier: MIT */
/*
 * Patterns of routes, and paths of requests.
 *
 * A path is cut at its slashes first and decoded then, so that "%2F" never makes another segment. What
 * could mislead a handler is no path: a NUL, at which texts of C end; control characters, which
 * break lines of logs and heads; "." and "..", however they are written.
 */
#include "web/path.h"

#include <errno.h>
#include <string.h>

/* ---- patterns ---- */

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
              || (i > 0 && ((c >= '0' && c <= '9') || c == '-'))))
            return false;
    }
    return len > 0;
}

static const char *braces(struct web_segment *segment)
{
    segment->text++;
    segment->len -= 2;
    segment->kind = WEB_PARAM;
    if (segment->len > 3 && memcmp(segment->text + segment->len - 3, "...", 3) == 0) {
        segment->kind = WEB_TAIL;
        segment->len -= 3;
    }
    return is_name(segment->text, segment->len)
               ? NULL
               : "between { and } stands a name of letters, digits, _ and -";
}

static const char *one_segment(struct web_segment *segment)
{
    const char *text = segment->text;
    size_t      len = segment->len;

    if (len >= 2 && text[0] == '{' && text[len - 1] == '}')
        return braces(segment);
    segment->kind = WEB_TEXT;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '{' || text[i] == '}')
            return "{ and } enclose a whole segment";
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f || text[i] == '?' || text[i] == '#')
            return "a pattern has no blanks, no control characters, no ? and no #";
        if (text[i] == '%')
            return "a pattern is written without escapes: no %";
    }
    if ((len == 1 && text[0] == '.') || (len == 2 && memcmp(text, "..", 2) == 0))
        return "no path has the segments . and ..";
    return hob__web_is_utf8(text, len) ? NULL : "a pattern is UTF-8";
}

static bool is_named_twice(const struct web_pattern *pattern, const struct web_segment *segment)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->at[i].kind != WEB_TEXT && pattern->at[i].len == segment->len
            && memcmp(pattern->at[i].text, segment->text, segment->len) == 0)
            return true;
    }
    return false;
}

const char *hob__web_pattern(const char *text, struct web_pattern *ret_pattern)
{
    ret_pattern->count = 0;
    if (*text != '/')
        return "a path begins with /";
    while (*text == '/') {
        struct web_segment segment = { WEB_TEXT, text + 1, strcspn(text + 1, "/") };
        text += 1 + segment.len;
        if (ret_pattern->count == SEGMENTS_MAX)
            return "a path has at most 64 segments";
        const char *wrong = one_segment(&segment);
        if (wrong != NULL)
            return wrong;
        if (segment.kind == WEB_TAIL && *text != '\0')
            return "{name...} stands at the end";
        if (segment.kind != WEB_TEXT && is_named_twice(ret_pattern, &segment))
            return "two parameters have the same name";
        ret_pattern->at[ret_pattern->count++] = segment;
    }
    return NULL;
}

/* ---- bytes ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void hob__web_hex(uint64_t number, char *to)
{
    for (int i = 15; i >= 0; i--, number >>= 4)
        to[i] = "0123456789abcdef"[number & 15];
}

int64_t hob__web_decode(char *bytes, size_t len, bool plus_is_blank)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        if (c == '+' && plus_is_blank) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < len ? hex(bytes[i + 1]) : -1;
            int low = high >= 0 ? hex(bytes[i + 2]) : -1;
            if (low < 0)
                return -EINVAL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        bytes[to++] = c;
    }
    bytes[to] = '\0';
    return (int64_t)to;
}

/* How many bytes the character has that begins there; 0: it is none. */
static size_t utf8_len(const unsigned char *at, size_t left)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (len <= 1)
        return len;
    if (len > left)
        return 0;
    unsigned c = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (at[i] & 0x3f);
    }
    return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

bool hob__web_is_utf8(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len((const unsigned char *)bytes + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* ---- paths ---- */

static bool is_dots(const char *text, size_t len)
{
    return (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.');
}

/* What a byte of a path means. Most are plain: they are copied, and that is all. */
enum byte_class { PLAIN, SLASH, ESCAPE, END, BAD, HIGH };

static const unsigned char CLASS[256] = {
    [0] = END, [1 ... 31] = BAD, ['/'] = SLASH, ['%'] = ESCAPE, [127] = BAD, [128 ... 255] = HIGH,
};

/* The escape at text[0]: its byte; or -1. */
static int escaped_byte(const char *text)
{
    int high = hex(text[1]);
    int low = high >= 0 ? hex(text[2]) : -1;
    return low < 0 ? -1 : high * 16 + low;
}

struct copied {
    char *to;
    bool  has_slash, has_high;
};

/* Copies a segment, decoded, up to the slash or the end behind it. Returns where that is; NULL: something
 * is in it that no path has. */
static const char *copy_segment(const char *text, struct copied *copied)
{
    char *to = copied->to;

    for (;; text++) {
        unsigned char c = (unsigned char)*text;
        unsigned char class = CLASS[c];
        if (__builtin_expect(class != PLAIN, 0)) {
            if (class == SLASH || class == END)
                break;
            if (class == ESCAPE) {
                int byte = escaped_byte(text);
                if (byte < 0)
                    return NULL;
                text += 2;
                c = (unsigned char)byte;
                class = CLASS[c];
                copied->has_slash |= class == SLASH;
            }
            if (class == BAD || class == END)
                return NULL;
            copied->has_high |= class == HIGH;
        }
        *to++ = (char)c;
    }
    copied->to = to;
    return text;
}

int hob__web_path(const char *text, char *room, struct web_path *ret_path)
{
    struct copied copied = { .to = room };
    size_t        count = 0;

    ret_path->bytes = room;
    ret_path->count = 0;
    ret_path->is_long = false;
    if (*text != '/')
        return -EINVAL;
    while (*text == '/') {
        char *begin = copied.to;
        copied.has_slash = copied.has_high = false;
        text = copy_segment(text + 1, &copied);
        if (text == NULL)
            return -EINVAL;
        size_t len = (size_t)(copied.to - begin);
        if (is_dots(begin, len) || (copied.has_high && !hob__web_is_utf8(begin, len)))
            return -EINVAL;
        *copied.to++ = '\0';
        if (count == SEGMENTS_MAX) {
            ret_path->is_long = true;
            continue;
        }
        ret_path->has_slash[count] = copied.has_slash;
        ret_path->at[count] = (uint32_t)(begin - room);
        ret_path->at[++count] = (uint32_t)(copied.to - room);
    }
    ret_path->count = count;
    ret_path->len = (size_t)(copied.to - room) - 1;
    return 0;
}

bool hob__web_is_tail(const struct web_path *path, size_t from)
{
    for (size_t i = from; i < path->count; i++) {
        if (path->has_slash[i] || (web_path_len(path, i) == 0 && i + 1 < path->count))
            return false;
    }
    return true;
}
