/* SPDX-License-Identifier: MIT */
/*
 * A form, part by part.
 *
 *                 next               next: its end                next            no more
 *     AT_START ────────▶ IN_PART ──────────────────▶ BETWEEN ──────────▶ IN_PART ─────────▶ AT_END
 *
 *   IN_PART   what is shown is data of the part; its names are in `texts`.
 *   BETWEEN   multipart: a boundary is at `begin`. Pairs: a name is, or the end.
 *
 * A failure stays, a wait that was cancelled among them, so that nobody takes what follows for a form.
 *
 * Memory: one buffer for the form, which never grows, and the head of the current part.
 */
#include "site/forms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fail(hob_form_reader *reader, int error)
{
    reader->error = error;
    return error;
}

/* ---- options ---- */

static void fill_in(hob_form_opts *opts)
{
    if (opts->parts_max == 0)
        opts->parts_max = 1000;
    if (opts->files_max == 0)
        opts->files_max = 20;
    if (opts->name_bytes_max == 0)
        opts->name_bytes_max = 1000;
    if (opts->head_bytes_max == 0)
        opts->head_bytes_max = 4096;
    if (opts->head_bytes_max > HEAD_BYTES_MAX)
        opts->head_bytes_max = HEAD_BYTES_MAX;
    if (opts->field_bytes_max == 0)
        opts->field_bytes_max = 65536;
    if (opts->fields_bytes_max == 0)
        opts->fields_bytes_max = 1048576;
    if (opts->file_bytes_max == 0)
        opts->file_bytes_max = UINT64_C(64) << 20;
}

/* ---- bytes from below ---- */

/* More bytes behind those that are there, at least one. 0 at the end. */
static ssize_t fill(hob_form_reader *reader)
{
    if (reader->is_all)
        return 0;
    if (reader->begin > 0) {
        memmove(reader->bytes, reader->bytes + reader->begin, reader->end - reader->begin);
        reader->end -= reader->begin;
        reader->begin = 0;
    }
    ssize_t n = hob_stream_read(reader->in, reader->bytes + reader->end, reader->cap - reader->end);
    if (n < 0)
        return fail(reader, (int)n);
    reader->is_all = n == 0;
    reader->end += (size_t)n;
    return n;
}

static const char *there(const hob_form_reader *reader, size_t *ret_len)
{
    *ret_len = reader->end - reader->begin;
    return reader->bytes + reader->begin;
}

/* ---- data ---- */

static ssize_t show_multipart(hob_form_reader *reader, const char **ret_bytes)
{
    for (;;) {
        size_t      len;
        bool        is_end = false;
        const char *bytes = there(reader, &len);
        if (reader->known == 0)
            reader->known = hob__form_data(&reader->boundary, bytes, len, &is_end);
        *ret_bytes = bytes;
        if (reader->known > 0 || is_end)
            return (ssize_t)reader->known;
        ssize_t more = fill(reader);
        if (more < 0)
            return more;
        if (more == 0)
            return fail(reader, HOB_EHTTP); // it was cut off
    }
}

static void take_multipart(hob_form_reader *reader, size_t len)
{
    reader->begin += len;
    reader->known -= len;
}

static ssize_t show_pairs(hob_form_reader *reader, const char **ret_bytes)
{
    while (reader->decoded_at == reader->decoded_len && !reader->is_last_piece) {
        size_t         len, used;
        enum form_stop stop;
        const char    *bytes = there(reader, &len);
        reader->decoded_len = hob__form_decode(bytes, len, reader->is_all, false, reader->decoded,
                                               sizeof reader->decoded, &used, &stop);
        reader->decoded_at = 0;
        reader->begin += used;
        reader->is_last_piece = stop == FORM_STOP_AND;
        if (reader->decoded_len > 0 || reader->is_last_piece)
            break;
        ssize_t more = fill(reader);
        if (more < 0)
            return more;
        reader->is_last_piece = more == 0 && reader->begin == reader->end;
    }
    *ret_bytes = reader->decoded + reader->decoded_at;
    return (ssize_t)(reader->decoded_len - reader->decoded_at);
}

ssize_t hob__form_show(hob_form_reader *reader, const char **ret_bytes)
{
    if (reader->error != 0)
        return reader->error;
    if (reader->state != FORM_IN_PART)
        return 0;
    ssize_t n = reader->kind == FORM_PAIRS ? show_pairs(reader, ret_bytes)
                                           : show_multipart(reader, ret_bytes);
    if (n == 0)
        reader->state = FORM_BETWEEN;
    if (n <= 0)
        return n;
    uint64_t most = reader->is_file ? reader->opts.file_bytes_max : reader->opts.field_bytes_max;
    if (reader->part_bytes + (uint64_t)n > most
        || (!reader->is_file && reader->fields_bytes + (size_t)n > reader->opts.fields_bytes_max))
        return fail(reader, -EMSGSIZE);
    return n;
}

void hob__form_take(hob_form_reader *reader, size_t len)
{
    if (reader->kind == FORM_PAIRS)
        reader->decoded_at += len;
    else
        take_multipart(reader, len);
    reader->part_bytes += len;
    if (!reader->is_file)
        reader->fields_bytes += len;
}

/* ---- the next part ---- */

static int skip_rest(hob_form_reader *reader)
{
    const char *bytes;
    ssize_t     n;
    while ((n = hob__form_show(reader, &bytes)) > 0)
        hob__form_take(reader, (size_t)n);
    return (int)n;
}

/* Counts a part whose head is there. */
static int count_part(hob_form_reader *reader, const hob_form_part *part)
{
    size_t name_len = strlen(part->name), max = reader->opts.name_bytes_max;

    reader->is_file = part->filename != NULL;
    reader->part_bytes = 0;
    reader->fields_bytes += name_len;
    if (++reader->parts > reader->opts.parts_max || name_len > max
        || reader->fields_bytes > reader->opts.fields_bytes_max)
        return fail(reader, -EMSGSIZE);
    if (reader->is_file && (++reader->files > reader->opts.files_max || strlen(part->filename) > max))
        return fail(reader, -EMSGSIZE);
    reader->state = FORM_IN_PART;
    return 1;
}

/* What comes before the first boundary and behind the last is nobody's. */
static int skip_preamble(hob_form_reader *reader)
{
    const char *bytes;
    ssize_t     n;
    while ((n = show_multipart(reader, &bytes)) > 0)
        take_multipart(reader, (size_t)n);
    if (n == 0)
        reader->state = FORM_BETWEEN;
    return (int)n;
}

static int skip_epilogue(hob_form_reader *reader)
{
    ssize_t n = 1;
    while (n > 0) {
        reader->begin = reader->end;
        n = fill(reader);
    }
    if (n == 0)
        reader->state = FORM_AT_END;
    return (int)n;
}

/* The line of the boundary. Returns 1: a part follows; 0: none does. */
static int next_line(hob_form_reader *reader)
{
    for (;;) {
        size_t      len, used = 0;
        const char *bytes = there(reader, &len);
        int         r = hob__form_line(&reader->boundary, bytes, len, reader->is_all, &used);
        if (r < 0)
            return fail(reader, r);
        if (r != FORM_LINE_MORE) {
            reader->begin += used;
            return r == FORM_LINE_PART;
        }
        ssize_t more = fill(reader);
        if (more < 0)
            return (int)more;
    }
}

static int take_head(hob_form_reader *reader, size_t head_len, hob_form_part *ret_part)
{
    struct form_head head;

    free(reader->texts);
    reader->texts = hob__site_copy(reader->bytes + reader->begin, head_len);
    if (reader->texts == NULL)
        return fail(reader, -ENOMEM);
    int r = hob__form_head(reader->texts, head_len, &head);
    if (r < 0)
        return fail(reader, r);
    reader->begin += head_len;
    *ret_part = (hob_form_part){ head.name, head.filename, head.type != NULL ? head.type : "" };
    return 0;
}

/* Behind the head there is an empty line; its end may be that of a boundary, if there is no data. */
static int skip_empty_line(hob_form_reader *reader)
{
    for (;;) {
        size_t      len;
        bool        is_end;
        const char *bytes = there(reader, &len);
        size_t      n = hob__form_data(&reader->boundary, bytes, len, &is_end);
        if (n > 0)
            reader->begin += 2;
        if (n > 0 || is_end)
            return 0;
        ssize_t more = fill(reader);
        if (more <= 0)
            return more < 0 ? (int)more : fail(reader, HOB_EHTTP);
    }
}

static int next_head(hob_form_reader *reader, hob_form_part *ret_part)
{
    for (;;) {
        size_t      len;
        const char *bytes = there(reader, &len);
        ssize_t     head_len = hob__form_head_len(bytes, len, reader->opts.head_bytes_max);
        if (head_len < 0)
            return fail(reader, (int)head_len);
        if (head_len > 0) {
            int r = take_head(reader, (size_t)head_len, ret_part);
            if (r == 0)
                r = skip_empty_line(reader);
            return r < 0 ? fail(reader, r) : count_part(reader, ret_part);
        }
        ssize_t more = fill(reader);
        if (more <= 0)
            return more < 0 ? (int)more : fail(reader, HOB_EHTTP);
    }
}

static int next_multipart(hob_form_reader *reader, hob_form_part *ret_part)
{
    int r = reader->state == FORM_AT_START ? skip_preamble(reader) : 0;
    if (r == 0)
        r = next_line(reader);
    if (r < 0)
        return r;
    return r == 0 ? skip_epilogue(reader) : next_head(reader, ret_part);
}

/* The name of a pair, up to its =, or up to a &: then its text is empty. */
static int next_name(hob_form_reader *reader, struct text *name)
{
    for (;;) {
        size_t         len, used;
        enum form_stop stop;
        const char    *bytes = there(reader, &len);
        size_t n = hob__form_decode(bytes, len, reader->is_all, true, reader->decoded,
                                    sizeof reader->decoded, &used, &stop);
        if (n > 0 && hob__site_put(name, reader->decoded, n) < 0)
            return fail(reader, -ENOMEM);
        reader->begin += used;
        if (name->len > reader->opts.name_bytes_max)
            return fail(reader, -EMSGSIZE);
        bool is_empty = name->len == 0 && stop == FORM_STOP_AND; // "a=1&&b=2"
        if (stop != FORM_STOP_MORE && !is_empty) {
            reader->is_last_piece = stop == FORM_STOP_AND;
            return 1;
        }
        if (used > 0)
            continue;
        ssize_t more = fill(reader);
        if (more < 0)
            return (int)more;
        if (more == 0 && reader->begin == reader->end) {
            reader->is_last_piece = true;
            return name->len > 0;
        }
    }
}

static int next_pair(hob_form_reader *reader, hob_form_part *ret_part)
{
    struct text name = { 0 };

    reader->decoded_at = reader->decoded_len = 0;
    int r = next_name(reader, &name);
    reader->decoded_at = reader->decoded_len = 0;
    if (r == 1 && name.at == NULL && hob__site_put(&name, "", 0) < 0)
        r = fail(reader, -ENOMEM);
    if (r == 1 && strlen(name.at) != name.len)
        r = fail(reader, HOB_EHTTP);
    if (r < 1) {
        hob__site_text_free(&name);
        reader->state = r == 0 ? FORM_AT_END : reader->state;
        return r;
    }
    free(reader->texts);
    reader->texts = name.at;
    *ret_part = (hob_form_part){ name.at, NULL, "" };
    return count_part(reader, ret_part);
}

int hob_form_reader_next(hob_form_reader *reader, hob_form_part *ret_part)
{
    hob_form_part part;

    int r = skip_rest(reader);
    if (r < 0 || reader->state == FORM_AT_END)
        return r;
    r = reader->kind == FORM_PAIRS ? next_pair(reader, &part) : next_multipart(reader, &part);
    if (r == 1)
        *ret_part = part;
    return r;
}

/* ---- reading a part ---- */

ssize_t hob_form_reader_read(hob_form_reader *reader, void *buf, size_t len)
{
    const char *bytes;

    if (len == 0)
        return 0;
    ssize_t n = hob__form_show(reader, &bytes);
    if (n <= 0)
        return n;
    if ((size_t)n > len)
        n = (ssize_t)len;
    memcpy(buf, bytes, (size_t)n);
    hob__form_take(reader, (size_t)n);
    return n;
}

int hob_form_reader_text(hob_form_reader *reader, char **ret_text, size_t *ret_len)
{
    struct text text = { 0 };
    const char *bytes;
    ssize_t     n;
    int         r = hob__site_put(&text, "", 0);

    while (r == 0 && (n = hob__form_show(reader, &bytes)) != 0) {
        if (n > 0 && text.len + (size_t)n > reader->opts.field_bytes_max)
            n = fail(reader, -EMSGSIZE);
        r = n < 0 ? (int)n : hob__site_put(&text, bytes, (size_t)n);
        if (r == 0)
            hob__form_take(reader, (size_t)n);
    }
    if (r < 0) {
        hob__site_text_free(&text);
        return r;
    }
    *ret_text = text.at;
    *ret_len = text.len;
    return 0;
}

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_form_reader_read((hob_form_reader *)stream, buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    (void)stream, (void)buf, (void)len;
    return -ENOTSUP;
}

static void stream_close(hob_stream *stream)
{
    (void)stream;
    hob_mistake("hob_stream_close", "a form's stream ends with its reader, and is not to be closed");
}

static const hob_stream_type part_stream = {
    .name = "form",
    .read = stream_read,
    .write_some = stream_write,
    .close = stream_close,
};

hob_stream *hob_form_reader_stream(hob_form_reader *reader)
{
    return &reader->as_stream;
}

/* ---- making one ---- */

static hob_form_reader *new_reader(enum form_kind kind, const hob_form_opts *opts)
{
    hob_form_reader *reader = hob__site_alloc(sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->as_stream.type = &part_stream;
    if (opts != NULL)
        reader->opts = *opts;
    fill_in(&reader->opts);
    reader->kind = kind;
    return reader;
}

int hob_form_reader_open_stream(hob_stream *stream, const char *content_type,
                                const hob_form_opts *opts, hob_form_reader **ret_reader)
{
    char           boundary[BOUNDARY_MAX + 1];
    enum form_kind kind = hob__form_kind(content_type, boundary);
    if (kind == FORM_NONE)
        return -ENOTSUP;
    hob_form_reader *reader = new_reader(kind, opts);
    if (reader == NULL)
        return -ENOMEM;
    reader->in = stream;
    reader->cap = FORM_BYTES;
    reader->bytes = reader->room = hob__site_grow(NULL, FORM_BYTES);
    if (reader->bytes == NULL) {
        hob_form_reader_close(reader);
        return -ENOMEM;
    }
    if (kind == FORM_MULTIPART) {
        hob__form_boundary(&reader->boundary, boundary);
        memcpy(reader->bytes, "\r\n", 2);
        reader->end = 2;
    }
    *ret_reader = reader;
    return 0;
}

int hob_form_reader_open(hob_http_request *req, const hob_form_opts *opts,
                         hob_form_reader **ret_reader)
{
    const char *coding = hob_http_header(req, "Content-Encoding");

    if (coding != NULL && *coding != '\0' && strcasecmp(coding, "identity") != 0)
        return -ENOTSUP; // nobody unpacks it
    return hob_form_reader_open_stream(hob_http_stream(req), hob_http_header(req, "Content-Type"), opts,
                                       ret_reader);
}

int hob__form_reader_of_text(const char *text, size_t len, const hob_form_opts *opts,
                             hob_form_reader **ret_reader)
{
    hob_form_reader *reader = new_reader(FORM_PAIRS, opts);
    if (reader == NULL)
        return -ENOMEM;
    reader->bytes = (char *)(uintptr_t)text; // nothing writes to it: fill() has nothing to do
    reader->end = len;
    reader->is_all = true;
    *ret_reader = reader;
    return 0;
}

void hob_form_reader_close(hob_form_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->texts);
    free(reader->room);
    free(reader);
}
