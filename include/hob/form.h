/* SPDX-License-Identifier: MIT */
/*
 * Forms that browsers send: application/x-www-form-urlencoded (WHATWG URL) and multipart/form-data (RFC
 * 7578), with files.
 *
 *     hob_form *form;                              // small ones: all of it
 *     int r = hob_form_read(req, NULL, &form);
 *     if (r < 0)
 *         return hob_form_refuse(req, r);
 *     const char *name = hob_form_get(form, "name");
 *
 *     hob_form_reader *in;                         // or part by part, as they come
 *     int r = hob_form_reader_open(req, NULL, &in);
 *     while (r >= 0 && (r = hob_form_reader_next(in, &part)) > 0)
 *         if (part.filename != NULL)
 *             r = hob_form_reader_save(in, path, 0, &bytes);
 *     hob_form_reader_close(in);
 *     return r < 0 ? hob_form_refuse(req, r) : ...
 *
 * Not part of hob.h: link libhob-site (pkg-config).
 *
 * What comes is bounded by the options, beside the limits of the server (body_bytes_max is 1 MiB unless
 * raised). What is not a form to the letter is refused, and so is what two readers could read
 * differently: a boundary with something behind it, two names for a part, lines without CR.
 *
 * Names, filenames and types are what somebody says: any bytes but NUL, CR and LF.
 */
#ifndef HOB_FORM_H
#define HOB_FORM_H

#include "hob/http.h"

struct hob_json_pair;

HOB_BEGIN_DECLS

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_form_opts {
    uint32_t parts_max;        /* fields and files; 0: 1,000                                    */
    uint32_t files_max;        /* 0: 20                                                         */
    size_t   name_bytes_max;   /* of a field's name, and of a filename; 0: 1,000                */
    size_t   head_bytes_max;   /* of what is before a part of multipart; 0: 4 KiB, at most 16   */
    size_t   field_bytes_max;  /* of a field's text; 0: 64 KiB                                  */
    size_t   fields_bytes_max; /* of the names and texts of all fields; 0: 1 MiB                */
    uint64_t file_bytes_max;   /* of a file; 0: 64 MiB                                          */
    const char *folder;        /* hob_form_read keeps files in it, without names; NULL: in
                                  $TMPDIR, or /tmp. Lent until then                             */
} hob_form_opts;

/* What all that reads a form can give, beside its own:
 *   -EMSGSIZE  over a limit
 *   HOB_EHTTP  it is no form, or was cut off
 *   -ENOMEM; and the errors of hob_http_read, or of the stream
 * Of a reader they stay: every later call gives the same. */

/* Answers a request whose form could not be had: -EMSGSIZE by 413, HOB_EHTTP by 400, -ENOTSUP by 415,
 * -EEXIST by 409, -ENOSPC and -EDQUOT by 507. Returns as hob_http_reply; other errors it returns, for
 * the handler to return them. */
HOB_API HOB_MUST_USE int hob_form_refuse(hob_http_request *req, int error);

/* ---- all of it -------------------------------------------------------------- */

typedef struct hob_form hob_form;

typedef struct hob_form_file {
    const char *name;     /* of its field                                            */
    const char *filename; /* as it was sent: hob_form_safe_name makes a name of it   */
    const char *type;     /* the media type that it is said to have; "": not said    */
    uint64_t    bytes;
    hob_file   *file;     /* open, at its beginning; without a name on the disk, and gone with the form */
} hob_form_file;

/* Reads the form that the request has as its body, into memory, and its files to the disk. A file
 * field in which none was chosen is left out. Waits. Returns 0, or as above; -ENOTSUP: the request's
 * Content-Type is no form; or an error of the disk: -ENOSPC, ... */
HOB_API HOB_MUST_USE int hob_form_read(hob_http_request *req, const hob_form_opts *opts,
                                       hob_form **ret_form);

/* The same of text: of hob_http_query(req), of links. Does not wait. */
HOB_API HOB_MUST_USE int hob_form_parse(const char *text, size_t len, const hob_form_opts *opts,
                                        hob_form **ret_form);

/* Frees it and closes its files; NULL is fine. Does not wait. */
HOB_API void hob_form_free(hob_form *form);

/* The text of the first field of that name; NULL: there is none. It ends with a NUL, and may have
 * others in it: hob_form_pairs tells its length. All live as long as the form. None waits. */
HOB_API const char *hob_form_get(const hob_form *form, const char *name);

/* All fields, in the order in which they came: for hob_json_from_pairs, which makes a struct of them
 * and tells what is wrong with which (hob/json.h). */
HOB_API const struct hob_json_pair *hob_form_pairs(const hob_form *form, size_t *ret_count);

/* The first file of that name, or NULL; all files. */
HOB_API const hob_form_file *hob_form_get_file(const hob_form *form, const char *name);
HOB_API const hob_form_file *hob_form_files(const hob_form *form, size_t *ret_count);

/* Puts a file there under a name, as hob_form_reader_save. Waits. */
HOB_API HOB_MUST_USE int hob_form_file_save(const hob_form_file *file, const char *path,
                                            unsigned flags);

/* ---- part by part ----------------------------------------------------------- */

typedef struct hob_form_reader hob_form_reader;

typedef struct hob_form_part {
    const char *name;
    const char *filename; /* NULL: a field; "": a file field in which none was chosen */
    const char *type;     /* the media type that it is said to have; "": not said     */
} hob_form_part;

/* Begins to read the form of a request. Does not wait. Returns 0; -ENOTSUP: its Content-Type is no
 * form, or has no boundary, or it is compressed (Content-Encoding). The second form is for any stream, which stays the caller's. */
HOB_API HOB_MUST_USE int hob_form_reader_open(hob_http_request *req, const hob_form_opts *opts,
                                              hob_form_reader **ret_reader);
HOB_API HOB_MUST_USE int hob_form_reader_open_stream(hob_stream *stream, const char *content_type,
                                                     const hob_form_opts *opts,
                                                     hob_form_reader **ret_reader);

/* Ends it, at any point; NULL is fine. Does not wait. */
HOB_API void hob_form_reader_close(hob_form_reader *reader);

/* The next part; what was not read of the one before is left out. Waits. Returns 1, or 0 when there
 * are no more. The texts of the part live until the next call of this. */
HOB_API HOB_MUST_USE int hob_form_reader_next(hob_form_reader *reader, hob_form_part *ret_part);

/* Reads up to `len` bytes of the part. Waits for at least one. Returns how many came, or 0 at its
 * end. */
HOB_API HOB_MUST_USE ssize_t hob_form_reader_read(hob_form_reader *reader, void *buf, size_t len);

/* Reads the rest of the part into memory that is yours to free(3), with a NUL behind it; at most
 * field_bytes_max, also of a file. Waits. Returns 0. */
HOB_API HOB_MUST_USE int hob_form_reader_text(hob_form_reader *reader, char **ret_text,
                                              size_t *ret_len);

enum {
    HOB_FORM_NEW = 1, /* -EEXIST when something has the name already */
};

/* Writes the rest of the part to a file, which is there under its name when it is whole and durable, and
 * not before: see hob/replace.h. Otherwise nothing is left of it: when the disk is full (-ENOSPC), the
 * client goes away, or the task is cancelled. What had the name is replaced. Waits. Returns 0, or an
 * error of the form or of hob_replace_begin, hob_file_write and hob_replace_commit. */
HOB_API HOB_MUST_USE int hob_form_reader_save(hob_form_reader *reader, const char *path,
                                              unsigned flags, uint64_t *ret_bytes);

/* The part as a stream that is read, for hob_copy and its like. It is not closed. */
HOB_API hob_stream *hob_form_reader_stream(hob_form_reader *reader);

/* ---- names ------------------------------------------------------------------ */

enum { HOB_FORM_SAFE_NAME = 201 }; /* room for a safe name and its NUL */

/* Makes a name for a file of what a client calls it: its last part, in UTF-8 of at most 200 bytes, without
 * what leads elsewhere, hides it, is special on some system or to a shell, or changes how names look:
 * control bytes, / \ : * ? " < > | and their like become _; dots and blanks at its ends go, and
 * so do the names of devices. "file" when nothing is left. What ends its name stays, whatever was
 * cut. Writes it to `buf`, of HOB_FORM_SAFE_NAME bytes, and gives that back. Does not wait. */
HOB_API const char *hob_form_safe_name(const char *filename, char *buf);

HOB_END_DECLS

#endif
