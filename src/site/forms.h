/* SPDX-License-Identifier: MIT */
/*
 * Forms: what their files share.
 *
 *     stream ──▶ reader->bytes[begin, end) ── pairs.c or multipart.c ──▶ a window of the part's data
 *
 * multipart.c, part.c and pairs.c know bytes and nothing else: they are shown what is there, and say
 * how much of it they took, or that they need more.
 */
#ifndef HOB_SITE_FORMS_H
#define HOB_SITE_FORMS_H

#include "hob/form.h"
#include "site/site.h"

enum {
    BOUNDARY_MAX = 70, /* RFC 2046 5.1.1 */
    PADDING_MAX = 64,  /* blanks behind a boundary */
    FORM_BYTES = 32768,
    HEAD_BYTES_MAX = 16384,
};

/* ---- part.c: headers ---- */

/* A parameter of a header's value, ";name=value" or ";name="value"", from *at on, which goes behind it.
 * The value is unescaped in place, with a NUL. Returns 1, 0 at the end, or HOB_EHTTP. */
int hob__form_param(char **at, char **ret_name, char **ret_value);

/* What a Content-Type says: the kinds of forms, and the boundary of multipart. */
enum form_kind { FORM_NONE, FORM_PAIRS, FORM_MULTIPART };
enum form_kind hob__form_kind(const char *content_type, char boundary[static BOUNDARY_MAX + 1]);

struct form_head {
    char *name, *filename, *type; /* in the head; or NULL */
};

/* The head of a part, `len` bytes with a NUL behind them, which are changed. 0 or HOB_EHTTP. */
int hob__form_head(char *bytes, size_t len, struct form_head *ret_head);

/* ---- multipart.c: where parts begin and end ---- */

struct form_boundary {
    char   bytes[BOUNDARY_MAX + 5]; /* CR LF - - and the boundary */
    size_t len;
};

void hob__form_boundary(struct form_boundary *boundary, const char *text);

/* How many of the bytes are data for sure; with 0 *ret_is_end tells whether a boundary begins there, or
 * more bytes are needed. */
size_t hob__form_data(const struct form_boundary *boundary, const char *bytes, size_t len,
                      bool *ret_is_end);

/* The rest of the line of the boundary that the bytes begin with. */
enum form_line { FORM_LINE_MORE, FORM_LINE_PART, FORM_LINE_LAST };
int hob__form_line(const struct form_boundary *boundary, const char *bytes, size_t len, bool is_all,
                   size_t *ret_used);

/* How long the head is, with the end of its last line, but without the blank one; 0: more is needed;
 * -EMSGSIZE, HOB_EHTTP. */
ssize_t hob__form_head_len(const char *bytes, size_t len, size_t max);

/* ---- pairs.c ---- */

enum form_stop { FORM_STOP_MORE, FORM_STOP_EQUALS, FORM_STOP_AND };

/* Decodes from `bytes` to `out` until `out` is full, more bytes are needed, or a & (in a name also a =)
 * ends it, which is taken. *ret_used is how many were taken. Returns how many were written. */
size_t hob__form_decode(const char *bytes, size_t len, bool is_all, bool is_name, char *out,
                        size_t size, size_t *ret_used, enum form_stop *ret_stop);

/* ---- reader.c ---- */

struct hob_form_reader {
    hob_stream    as_stream; /* of the part: the first field */
    hob_stream   *in;        /* NULL: all bytes are there */
    hob_form_opts opts;      /* the defaults filled in */
    enum form_kind kind;
    struct form_boundary boundary;

    char  *bytes, *room;     /* room: what of it is ours to free */
    size_t begin, end, cap;
    size_t known;            /* multipart: so many from `begin` on are data: looked for once */
    bool   is_all;           /* the stream has ended */
    int    error;            /* it stays */

    enum {
        FORM_AT_START,  /* before the first part: multipart may have something there */
        FORM_IN_PART,
        FORM_BETWEEN,   /* multipart: at a boundary; pairs: at a name */
        FORM_AT_END,
    } state;
    char    *texts;          /* of the part */
    bool     is_file;
    uint64_t part_bytes;     /* of its data, so far */
    uint32_t parts, files;
    size_t   fields_bytes;
    char     decoded[512];   /* a piece of a pair's text */
    size_t   decoded_at, decoded_len;
    bool     is_last_piece;  /* a & came behind it, or the end */
};

/* Shows data of the part that is there, or waits for some. Returns how many, or 0 at its end; take says how
 * many of them are not needed any more. */
ssize_t hob__form_show(hob_form_reader *reader, const char **ret_bytes);
void    hob__form_take(hob_form_reader *reader, size_t len);

/* A reader of a text that is pairs, and outlives it. */
int hob__form_reader_of_text(const char *text, size_t len, const hob_form_opts *opts,
                             hob_form_reader **ret_reader);

/* ---- save.c ---- */

/* Gives bytes to be written, as hob__form_show. */
typedef ssize_t form_source(void *arg, const char **ret_bytes);

int hob__form_save(form_source *source, void *arg, const char *path, unsigned flags, uint64_t *ret_bytes);

#endif
