/* SPDX-License-Identifier: MIT */
/* What takes messages out of a reader: lines, delimited bytes, frames, the rest of the stream. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "io/reader.h"

/* The bytes at the beginning as a text: `len`, then what is taken with them. */
static ssize_t take_text(struct reader *r, size_t len, size_t with_end, char **ret_text)
{
    char *text = (char *)reader_bytes(r);

    text[len] = '\0'; // where the end was, or in the byte that every buffer has more than its cap
    reader_take(r, with_end);
    *ret_text = text;
    return (ssize_t)len;
}

/* One more piece is needed. Returns 1, 0 at the end of the stream, or a negative error; a buffer
 * that is as large as it gets means that the message is too long. */
static int more(struct reader *r, size_t max)
{
    ssize_t n = hob__reader_fill(r, max);

    if (n == -ENOBUFS)
        return -EMSGSIZE;
    return n > 0 ? 1 : (int)n;
}

/* ---- lines ---- */

static size_t line_max(const struct reader *r)
{
    size_t end_bytes = r->line_end == HOB_LINE_LF ? 1 : 2;
    size_t most = r->buf_bytes_max > end_bytes ? r->buf_bytes_max - end_bytes : 0;

    return r->line_bytes_max < most ? r->line_bytes_max : most;
}

/* The stream has ended, and no end of a line came. */
static ssize_t last_line(struct reader *r, size_t max, char **ret_line)
{
    size_t len = reader_len(r);

    if (len == 0)
        return HOB_EOF;
    if (r->line_end == HOB_LINE_CRLF)
        return -EPROTO;
    if (len > max)
        return -EMSGSIZE; // its last byte is a CR that no LF followed
    return take_text(r, len, len, ret_line);
}

static ssize_t take_line(struct reader *r, char **ret_line)
{
    size_t max = line_max(r), looked_at = 0, len = 0;

    for (;;) {
        ssize_t n = hob_line_parse((hob_line_end)r->line_end, max, reader_bytes(r), reader_len(r),
                                   &looked_at, &len);
        if (n < 0)
            return n;
        if (n > 0)
            return take_text(r, len, (size_t)n, ret_line);
        int rc = more(r, r->buf_bytes_max);
        if (rc == 0)
            return last_line(r, max, ret_line);
        if (rc < 0)
            return rc;
    }
}

ssize_t hob_reader_line(hob_reader *reader, char **ret_line)
{
    struct reader *r;

    int rc = hob__reader_begin(reader, "hob_reader_line", &r);
    return rc < 0 ? rc : take_line(r, ret_line);
}

int hob_reader_skip_line(hob_reader *reader)
{
    struct reader *r;
    bool           any = false;

    int rc = hob__reader_begin(reader, "hob_reader_skip_line", &r);
    if (rc < 0)
        return rc;
    for (;;) {
        const unsigned char *bytes = reader_bytes(r);
        const unsigned char *lf = memchr(bytes, '\n', reader_len(r));
        any = any || reader_len(r) > 0;
        if (lf != NULL) {
            reader_take(r, (size_t)(lf - bytes) + 1);
            return 0;
        }
        reader_take(r, reader_len(r));
        rc = more(r, r->buf_bytes_max);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return any ? 0 : HOB_EOF;
    }
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    }
    return true;
}

ssize_t hob_reader_json_line(hob_reader *reader, char **ret_line)
{
    struct reader *r;
    char          *line;
    ssize_t        len;

    int rc = hob__reader_begin(reader, "hob_reader_json_line", &r);
    if (rc < 0)
        return rc;
    do
        len = take_line(r, &line);
    while (len >= 0 && is_blank(line, (size_t)len));
    if (len < 0)
        return len;
    if (!hob_utf8_is_valid(line, (size_t)len))
        return -EILSEQ;
    *ret_line = line;
    return len;
}

/* ---- a delimiter ---- */

ssize_t hob_reader_until(hob_reader *reader, const void *delimiter, size_t delimiter_len,
                         char **ret_bytes)
{
    struct reader *r;
    size_t         looked_at = 0;

    hob_require(delimiter_len > 0, "hob_reader_until: a delimiter has at least one byte");
    int rc = hob__reader_begin(reader, "hob_reader_until", &r);
    if (rc < 0)
        return rc;
    if (delimiter_len > r->buf_bytes_max)
        return -EMSGSIZE;
    size_t most = r->buf_bytes_max - delimiter_len;
    size_t max = r->line_bytes_max < most ? r->line_bytes_max : most;
    for (;;) {
        const unsigned char *bytes = reader_bytes(r);
        size_t               len = reader_len(r);
        size_t               within = len < max + delimiter_len ? len : max + delimiter_len;
        const unsigned char *found = within > looked_at
            ? memmem(bytes + looked_at, within - looked_at, delimiter, delimiter_len) : NULL;
        if (found != NULL) {
            size_t before = (size_t)(found - bytes);
            return take_text(r, before, before + delimiter_len, ret_bytes);
        }
        if (within == max + delimiter_len)
            return -EMSGSIZE;
        if (len >= delimiter_len)
            looked_at = len - (delimiter_len - 1);
        rc = more(r, r->buf_bytes_max);
        if (rc == 0)
            return len == 0 ? HOB_EOF : -EPROTO;
        if (rc < 0)
            return rc;
    }
}

/* ---- frames ---- */

ssize_t hob_reader_frame(hob_reader *reader, const hob_frame_format *format,
                         const void **ret_bytes)
{
    struct reader *r;
    size_t         len;

    int rc = hob__reader_begin(reader, "hob_reader_frame", &r);
    if (rc < 0)
        return rc;
    for (;;) {
        size_t max = r->buf_bytes_max > HOB_FRAME_PREFIX_MAX ? r->buf_bytes_max
                                                             : HOB_FRAME_PREFIX_MAX;
        int    prefix = hob_frame_parse(format, reader_bytes(r), reader_len(r), &len);
        if (prefix < 0)
            return prefix;
        if (prefix > 0 && reader_len(r) - (size_t)prefix >= len) {
            *ret_bytes = reader_bytes(r) + prefix;
            reader_take(r, (size_t)prefix + len);
            return (ssize_t)len;
        }
        if (prefix > 0 && len > max - (size_t)prefix)
            max = (size_t)prefix + len;
        rc = more(r, max);
        if (rc == 0)
            return reader_len(r) == 0 ? HOB_EOF : -EPROTO;
        if (rc < 0)
            return rc;
    }
}

/* ---- the rest ---- */

ssize_t hob_reader_rest(hob_reader *reader, size_t max, char **ret_bytes)
{
    struct reader *r;
    size_t         cap = max < SIZE_MAX / 4 ? max + 1 : SIZE_MAX / 4; // one more: it is too much

    int rc = hob__reader_begin(reader, "hob_reader_rest", &r);
    if (rc < 0)
        return rc;
    for (;;) {
        if (reader_len(r) > max)
            return -EMSGSIZE;
        rc = more(r, cap);
        if (rc == 0)
            return take_text(r, reader_len(r), reader_len(r), ret_bytes);
        if (rc < 0)
            return rc;
    }
}
