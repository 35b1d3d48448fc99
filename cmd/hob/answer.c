/* SPDX-License-Identifier: MIT */
/*
 *     STATUS ─▶ FIELDS ─▶ BODY ─────────────────────────▶ DONE       a length, or none
 *       ▲          │ └──▶ UNTIL_END                                  neither
 *       │ 1xx      └────▶ SIZE ─▶ DATA ─▶ DATA_END ─▶ SIZE           chunked
 *       └──────────┘        └───▶ TRAILERS ─────────────▶ DONE
 */
#include "answer.h"

#include <string.h>
#include <strings.h>

#include <hob/error.h>

enum step { STATUS, FIELDS, BODY, UNTIL_END, SIZE, DATA, DATA_END, TRAILERS };

void answer_begin(struct answer *answer, bool to_head)
{
    memset(answer, 0, offsetof(struct answer, line));
    answer->to_head = to_head;
}

bool answer_is_new(const struct answer *answer)
{
    return answer->step == STATUS && answer->head_len == 0 && answer->line_len == 0;
}

int answer_end(const struct answer *answer)
{
    return answer->step == UNTIL_END ? ANSWER_DONE : HOB_EOF;
}

/* ---- bytes ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return len > 0;
}

/* HTAB, SP, VCHAR, obs-text: RFC 9110 5.5. */
static bool is_text(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c != '\t' && (c < ' ' || c == 0x7f))
            return false;
    }
    return true;
}

static void trim(const char **bytes, size_t *len)
{
    while (*len > 0 && (**bytes == ' ' || **bytes == '\t')) {
        ++*bytes;
        --*len;
    }
    while (*len > 0 && ((*bytes)[*len - 1] == ' ' || (*bytes)[*len - 1] == '\t'))
        --*len;
}

static bool is_word(const char *bytes, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(bytes, word, len) == 0;
}

/* ---- lines ---- */

/* HTTP/1.1 200 and then a reason, or none: RFC 9112 4. */
static int status_line(struct answer *a, const char *line, size_t len)
{
    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' '
        || !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])
        || (len > 12 && line[12] != ' ') || !is_text(line, len))
        return HOB_EHTTP;
    a->minor = line[7] == '0' ? 0 : 1;
    a->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (a->status < 100)
        return HOB_EHTTP;
    a->is_asked_to_close = a->is_asked_to_stay = false;
    a->is_chunked = a->has_length = a->has_codings = false;
    a->left = 0;
    a->step = FIELDS;
    return ANSWER_MORE;
}

/* One length, in digits: RFC 9110 8.6. */
static int length_field(struct answer *a, const char *value, size_t len)
{
    uint64_t length = 0;

    if (a->has_length || len == 0 || len > 18)
        return HOB_EHTTP;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(value[i]))
            return HOB_EHTTP;
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    a->has_length = true;
    a->left = length;
    return ANSWER_MORE;
}

static void connection_field(struct answer *a, const char *value, size_t len)
{
    while (len > 0) {
        const char *comma = memchr(value, ',', len), *item = value;
        size_t      item_len = comma != NULL ? (size_t)(comma - value) : len, taken = item_len;

        trim(&item, &item_len);
        if (is_word(item, item_len, "close"))
            a->is_asked_to_close = true;
        else if (is_word(item, item_len, "keep-alive"))
            a->is_asked_to_stay = true;
        taken += comma != NULL;
        value += taken;
        len -= taken;
    }
}

static int field(struct answer *a, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || !is_token(line, (size_t)(colon - line)) || !is_text(line, len))
        return HOB_EHTTP; // and so is a line that goes on: RFC 9112 5.2
    size_t      name_len = (size_t)(colon - line), value_len = len - name_len - 1;
    const char *value = colon + 1;
    trim(&value, &value_len);

    if (a->step == TRAILERS)
        return ANSWER_MORE;
    if (is_word(line, name_len, "content-length"))
        return length_field(a, value, value_len);
    if (is_word(line, name_len, "connection"))
        connection_field(a, value, value_len);
    if (is_word(line, name_len, "transfer-encoding")) {
        // We asked for no other coding, and a server of HTTP/1.0 knows none.
        if (a->has_codings || !is_word(value, value_len, "chunked") || a->minor == 0)
            return HOB_EHTTP;
        a->has_codings = a->is_chunked = true;
    }
    return ANSWER_MORE;
}

/* What follows the head: RFC 9112 6.3. */
static int end_of_head(struct answer *a)
{
    if (a->has_length && a->has_codings)
        return HOB_EHTTP;
    if (a->status == 101)
        return HOB_EHTTP; // we asked for no other protocol
    if (a->status < 200) {
        a->step = STATUS; // an interim answer; the real one is to come
        return ANSWER_MORE;
    }
    a->keep_alive = !a->is_asked_to_close && (a->minor == 1 || a->is_asked_to_stay);
    if (a->to_head || a->status == 204 || a->status == 304)
        return ANSWER_DONE;
    if (a->is_chunked) {
        a->head_len = 0; // each size line, and the trailers, are counted anew
        a->step = SIZE;
    } else if (a->has_length) {
        a->step = BODY;
        return a->left == 0 ? ANSWER_DONE : ANSWER_MORE;
    } else {
        a->step = UNTIL_END;
        a->keep_alive = false;
    }
    return ANSWER_MORE;
}

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* The size of a chunk, and extensions that we do not look into: RFC 9112 7.1. */
static int size_line(struct answer *a, const char *line, size_t len)
{
    size_t i = 0;

    a->left = 0;
    for (; i < len && hex(line[i]) >= 0; i++) {
        if (i == 15)
            return HOB_EHTTP;
        a->left = a->left * 16 + (uint64_t)hex(line[i]);
    }
    size_t digits = i;
    while (i < len && (line[i] == ' ' || line[i] == '\t'))
        i++;
    if (digits == 0 || (i < len && line[i] != ';') || (i == len && i != digits) || !is_text(line, len))
        return HOB_EHTTP;
    a->head_len = 0;
    a->step = a->left > 0 ? DATA : TRAILERS;
    return ANSWER_MORE;
}

static int whole_line(struct answer *a, const char *line, size_t len)
{
    switch (a->step) {
    case STATUS:
        return status_line(a, line, len);
    case FIELDS:
        return len == 0 ? end_of_head(a) : field(a, line, len);
    case SIZE:
        return size_line(a, line, len);
    case DATA_END:
        a->step = SIZE;
        return len == 0 ? ANSWER_MORE : HOB_EHTTP;
    default:
        return len == 0 ? ANSWER_DONE : field(a, line, len);
    }
}

/* ---- all of it ---- */

/* Takes bytes up to the end of a line. A line that came whole is looked at where it lies; of another, what
 * there is is kept. A CR that no LF follows, or a LF without it, is an error. */
static int feed_line(struct answer *a, const char *bytes, size_t len, size_t *ret_used)
{
    const char *lf = memchr(bytes, '\n', len), *line = bytes;
    size_t      part = lf != NULL ? (size_t)(lf - bytes) + 1 : len, line_len = part;

    *ret_used = part;
    if (a->head_len + part > ANSWER_HEAD_MAX || a->line_len + part > sizeof a->line)
        return HOB_EHTTP;
    a->head_len += (uint32_t)part;
    if (a->line_len > 0 || lf == NULL) {
        memcpy(a->line + a->line_len, bytes, part);
        a->line_len += (uint32_t)part;
        line = a->line;
        line_len = a->line_len;
    }
    if (lf == NULL)
        return ANSWER_MORE;
    a->line_len = 0;
    if (line_len < 2 || line[line_len - 2] != '\r' || memchr(line, '\r', line_len - 2) != NULL)
        return HOB_EHTTP;
    return whole_line(a, line, line_len - 2);
}

/* Takes bytes of the body. */
static size_t feed_data(struct answer *a, size_t len)
{
    size_t part = a->step != UNTIL_END && a->left < len ? (size_t)a->left : len;

    a->body_bytes += part;
    if (a->step != UNTIL_END)
        a->left -= part;
    return part;
}

int answer_feed(struct answer *answer, const char *bytes, size_t len, size_t *ret_used)
{
    size_t at = 0, part;
    int    r = ANSWER_MORE;

    while (r == ANSWER_MORE && at < len) {
        if (answer->step == BODY || answer->step == DATA || answer->step == UNTIL_END) {
            part = feed_data(answer, len - at);
            if (answer->left == 0 && answer->step == BODY)
                r = ANSWER_DONE;
            else if (answer->left == 0 && answer->step == DATA)
                answer->step = DATA_END;
        } else {
            r = feed_line(answer, bytes + at, len - at, &part);
        }
        at += part;
    }
    *ret_used = at;
    return r;
}
