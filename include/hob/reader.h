/* SPDX-License-Identifier: MIT */
/*
 * A buffer in front of a stream that is read.
 *
 *     hob_reader in;
 *     hob_reader_init(&in, hob_tcp_stream(conn), NULL);
 *     while ((n = hob_reader_line(&in, &line)) >= 0)
 *         answer(line, (size_t)n);                // a view into the buffer
 *     hob_reader_fini(&in);
 *
 * What was read and not consumed stays for the next call, also when a call was
 * cancelled or failed: no byte is lost. Views that calls give out are good until
 * the next call on the reader. One task at a time.
 *
 * The buffer is made when it is needed, grows to what a call needs, and no further
 * than to a limit. The stream stays the caller's: it must stay open while it is
 * read, and while the reader is used nobody else reads it.
 *
 * Unless said otherwise a function waits, and returns a negative error: those of
 * the stream, -ENOMEM, -ECANCELED, -ETIMEDOUT. An end of the stream is remembered.
 */
#ifndef HOB_READER_H
#define HOB_READER_H

#include "hob/frame.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_reader_opts {
    size_t       buf_bytes;      /* of the first buffer; 0: 4096                            */
    size_t       buf_bytes_max;  /* it does not grow over this; 0: 64 KiB                   */
    size_t       line_bytes_max; /* without its end; 0: as long as the buffer can be        */
    hob_line_end line_end;       /* what ends a line; 0: LF, and a CR before it belongs to it */
    unsigned     give_back : 1;  /* 1: an empty buffer is given back before waiting, and the
                                    first 64 bytes come into the reader itself: an idle
                                    connection then holds no buffer                         */
} hob_reader_opts;

typedef struct hob_reader {
    HOB_OPAQUE(24);
} hob_reader;

/* Begins and ends to use it. The options are copied. Do not wait, and cannot fail. What
 * is in the buffer at the end is lost: hob_reader_buffered tells how much that is. */
HOB_API void hob_reader_init(hob_reader *reader, hob_stream *stream, const hob_reader_opts *opts);
HOB_API void hob_reader_fini(hob_reader *reader);

/* Sees to it that at least `want` bytes are in the buffer, and shows all that are there
 * without taking them; `want` 0 does not wait. Returns how many there are: fewer than
 * `want` only at the end of the stream. -ENOBUFS when `want` is over buf_bytes_max. */
HOB_API HOB_MUST_USE ssize_t hob_reader_peek(hob_reader *reader, size_t want,
                                             const void **ret_bytes);

/* Takes `len` bytes out, that are in the buffer. Does not wait. */
HOB_API void hob_reader_consume(hob_reader *reader, size_t len);

/* How many bytes are in the buffer. Does not wait. */
HOB_API size_t hob_reader_buffered(const hob_reader *reader);

/* Reads up to `len` bytes, as hob_stream_read: what is in the buffer, or else what comes. */
HOB_API HOB_MUST_USE ssize_t hob_reader_read(hob_reader *reader, void *buf, size_t len);

/* Reads exactly `len` bytes, as hob_stream_read_exactly. When it fails nothing was taken, if
 * `len` is at most buf_bytes_max; of more, an unknown part is in `buf`. */
HOB_API HOB_MUST_USE ssize_t hob_reader_read_exactly(hob_reader *reader, void *buf, size_t len);

/* Takes `len` bytes and forgets them. Returns how many: fewer than `len` at the end of the
 * stream, or when an error came after some; then the next call tells which. */
HOB_API HOB_MUST_USE int64_t hob_reader_skip(hob_reader *reader, uint64_t len);

/* Reads to the end of the stream. Returns how many bytes came, and shows them, with a NUL after
 * the last. -EMSGSIZE when there are more than `max`, which may be over buf_bytes_max; then
 * they stay to be read otherwise. */
HOB_API HOB_MUST_USE ssize_t hob_reader_rest(hob_reader *reader, size_t max, char **ret_bytes);

/* Takes a line. Returns its length without its end, and shows it, with a NUL in the place of
 * the end. What follows the last end is a line too, unless lines end with CRLF only. HOB_EOF
 * at the end of the stream. In the other cases nothing is taken; hob_reader_skip_line goes on
 * with the next line:
 *   -EMSGSIZE  longer than line_bytes_max
 *   -EBADMSG   an LF without CR, where lines end with CRLF only
 *   -EPROTO    the stream ended within a line, where lines end with CRLF only */
HOB_API HOB_MUST_USE ssize_t hob_reader_line(hob_reader *reader, char **ret_line);

/* Takes all up to the next LF, in as little memory as the reader has, and forgets it. Returns
 * 0, or HOB_EOF when there was nothing any more. */
HOB_API HOB_MUST_USE int hob_reader_skip_line(hob_reader *reader);

/* Takes a line that may hold JSON (JSON Lines, jsonlines.org): those that are blank are
 * skipped. Otherwise as hob_reader_line, and -EILSEQ for one that is not UTF-8: it is taken,
 * and the next call goes on behind it. Whether it is JSON is not looked at. */
HOB_API HOB_MUST_USE ssize_t hob_reader_json_line(hob_reader *reader, char **ret_line);

/* Takes all up to a delimiter of 1 or more bytes, and the delimiter. Returns how many bytes
 * are before it, and shows them, with a NUL after the last. HOB_EOF at the end of the
 * stream. In the other cases nothing is taken:
 *   -EMSGSIZE  none in line_bytes_max bytes and the delimiter's length
 *   -EPROTO    the stream ended before one came */
HOB_API HOB_MUST_USE ssize_t hob_reader_until(hob_reader *reader, const void *delimiter,
                                              size_t delimiter_len, char **ret_bytes);

/* Takes a frame: see hob/frame.h. Returns its length, and shows its bytes. The buffer grows
 * as bytes come, never by what a prefix says, and for this call up to the format's
 * frame_bytes_max. HOB_EOF at the end of the stream. In the other cases nothing is taken:
 *   -EMSGSIZE  the prefix says more than frame_bytes_max
 *   -EBADMSG   the prefix is no number of the format
 *   -EPROTO    the stream ended within a frame */
HOB_API HOB_MUST_USE ssize_t hob_reader_frame(hob_reader *reader, const hob_frame_format *format,
                                              const void **ret_bytes);

/* The reader as a stream: reads what is in the buffer first; all else is done by the stream
 * below. Closing it is hob_reader_fini and closes the stream below. Does not wait. */
HOB_API hob_stream *hob_reader_stream(hob_reader *reader);

HOB_END_DECLS

#endif
