/* SPDX-License-Identifier: MIT */
/*
 * Integers that int64_t does not hold. They are JSON, and a double has room for them, but jansson refuses
 * the whole document. So when it does, they are written as reals, and it is asked again:
 *
 *     {"id": 7, "sum": 18446744073709551616}  ──▶  {"id": 7, "sum": 18446744073709551616.0}
 *
 * The same with -0, which to jansson is 0: a double has that sign, too.
 *
 * All others stay integers, and exact. Whether the text is JSON is jansson's to say: of what is not, it does
 * not matter what becomes.
 */
#include "json/json.h"

/* Where we are in a text. */
struct seeker {
    const char *bytes;
    size_t      len, at;
    bool        is_in_text, is_escaped;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the number goes on behind its digits, as a real. */
static bool goes_on(const struct seeker *s, size_t at)
{
    return at < s->len && (s->bytes[at] == '.' || s->bytes[at] == 'e' || s->bytes[at] == 'E');
}

/* Whether digits that begin there are those of a fraction or an exponent. */
static bool is_in_fraction(const struct seeker *s, size_t begin)
{
    begin -= begin > 0 && (s->bytes[begin - 1] == '-' || s->bytes[begin - 1] == '+');
    char before = begin > 0 ? s->bytes[begin - 1] : ' ';
    return before == '.' || before == 'e' || before == 'E';
}

/* Beyond int64_t; or -0. */
static bool is_wide(const char *digits, size_t len, bool is_negative)
{
    static const char most[2][20] = { "9223372036854775807", "9223372036854775808" };
    enum { MOST_LEN = 19 };
    return (is_negative && len == 1 && digits[0] == '0') || len > MOST_LEN || (len == MOST_LEN && memcmp(digits, most[is_negative], MOST_LEN) > 0);
}

/* Steps over what is in a text. */
static bool is_outside(struct seeker *s, char c)
{
    if (!s->is_in_text) {
        s->is_in_text = c == '"';
        return !s->is_in_text;
    }
    if (s->is_escaped)
        s->is_escaped = false;
    else if (c == '\\')
        s->is_escaped = true;
    else if (c == '"')
        s->is_in_text = false;
    return false;
}

/* Goes behind the next integer that is to be a real, and returns true; false: to the end. */
static bool seek(struct seeker *s)
{
    while (s->at < s->len) {
        char c = s->bytes[s->at];
        if (!is_outside(s, c) || !is_digit(c)) {
            s->at++;
            continue;
        }
        size_t begin = s->at;
        while (s->at < s->len && is_digit(s->bytes[s->at]))
            s->at++;
        bool is_negative = begin > 0 && s->bytes[begin - 1] == '-';
        bool is_fraction = is_in_fraction(s, begin);
        if (!is_fraction && !goes_on(s, s->at) && is_wide(s->bytes + begin, s->at - begin, is_negative))
            return true;
    }
    return false;
}

int hob__json_widen(const char *bytes, size_t len, char **ret_bytes, size_t *ret_len)
{
    struct seeker s = { .bytes = bytes, .len = len };
    size_t        count = 0, from = 0, to = 0;

    while (seek(&s))
        count++;
    if (count == 0)
        return 0;
    char *wide = hob_json_alloc(NULL, len + 2 * count);
    if (wide == NULL)
        return -ENOMEM;
    s = (struct seeker){ .bytes = bytes, .len = len };
    while (seek(&s)) {
        memcpy(wide + to, bytes + from, s.at - from);
        to += s.at - from;
        from = s.at;
        memcpy(wide + to, ".0", 2);
        to += 2;
    }
    memcpy(wide + to, bytes + from, len - from);
    *ret_bytes = wide;
    *ret_len = to + len - from;
    return 1;
}

unsigned hob__json_narrow_column(const char *bytes, size_t len, unsigned line, unsigned column)
{
    struct seeker s = { .bytes = bytes, .len = len };
    unsigned      at_line = 1, at_column = 0, added = 0;
    size_t        seen = 0;

    while (seek(&s)) {
        for (; seen < s.at; seen++) {
            bool ends = bytes[seen] == '\n';
            at_line += ends;
            at_column = ends ? 0 : at_column + (((unsigned char)bytes[seen] & 0xc0) != 0x80);
            added = ends ? 0 : added;
        }
        if (at_line > line || (at_line == line && at_column + added >= column))
            break;
        added += 2;
    }
    return at_line == line && column > added ? column - added : column;
}
