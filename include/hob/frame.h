/* SPDX-License-Identifier: MIT */
/*
 * Where one message ends and the next begins, in bytes.
 *
 * These functions look at bytes and do no I/O; none of them waits. hob/reader.h and
 * hob/writer.h do the same on streams. They may be called anywhere.
 *
 * A parser is given what has come so far, and says 0 when it needs more: what it
 * says does not depend on how the bytes were cut. Nothing a peer sends stops the
 * program.
 */
#ifndef HOB_FRAME_H
#define HOB_FRAME_H

#include "hob/error.h"

HOB_BEGIN_DECLS

/* ---- a length, then so many bytes ---- */

enum { HOB_FRAME_PREFIX_MAX = 10 }; /* bytes of the longest prefix */

/* How the length is written: in 1, 2, 4 or 8 bytes, the highest first; or as a varint, seven
 * bits a byte, the lowest first, at most ten bytes (as in Protocol Buffers). */
typedef struct hob_frame_format {
    unsigned prefix_bytes;      /* 1, 2, 4, 8; 0: a varint                                 */
    unsigned little_endian : 1; /* 1: the lowest byte first                                */
    size_t   frame_bytes_max;   /* a longer frame is refused, sending too; 0: 1 MiB        */
} hob_frame_format;

/* Reads the prefix at the beginning of `len` bytes. Returns how long the prefix is, and the
 * length that it says; 0: more bytes are needed.
 *   -EMSGSIZE  over frame_bytes_max
 *   -EBADMSG   a varint of more than ten bytes, or over 64 bits, or with a zero byte at its end
 *              (then the same number has a shorter form) */
HOB_API HOB_MUST_USE int hob_frame_parse(const hob_frame_format *format, const void *bytes,
                                         size_t len, size_t *ret_frame_len);

/* Writes the prefix of a frame of `frame_len` bytes. Returns how long the prefix is; -EMSGSIZE
 * when the frame is over frame_bytes_max, or the prefix too small for it. */
HOB_API HOB_MUST_USE int hob_frame_prefix(const hob_frame_format *format, size_t frame_len,
                                          unsigned char ret_prefix[HOB_FRAME_PREFIX_MAX]);

/* ---- lines ---- */

typedef enum hob_line_end {
    HOB_LINE_ANY,  /* LF; a CR before it belongs to the end                      */
    HOB_LINE_LF,   /* LF; a CR before it belongs to the line                     */
    HOB_LINE_CRLF, /* CR and LF, nothing else: an LF alone is an error           */
} hob_line_end;

/* Finds the first line. Returns how many bytes it has with its end, and its length without;
 * 0: more bytes are needed. `*looked_at` is how far it looked: 0 at first, then it is left
 * alone until the line was found, so that no byte is looked at twice.
 *   -EMSGSIZE  longer than `max`
 *   -EBADMSG   an LF without a CR, with HOB_LINE_CRLF */
HOB_API HOB_MUST_USE ssize_t hob_line_parse(hob_line_end end, size_t max, const void *bytes,
                                            size_t len, size_t *looked_at, size_t *ret_line_len);

/* Whether the bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing over
 * U+10FFFF, nothing cut off. */
HOB_API int hob_utf8_is_valid(const void *bytes, size_t len);

HOB_END_DECLS

#endif
