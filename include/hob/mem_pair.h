/* SPDX-License-Identifier: MIT */
/*
 * Two streams in memory: what is written to one is read from the other.
 *
 * They work on each backend, wait as sockets do, and can be told to fail: for tests
 * of what speaks on streams, and for parts of a program that speak to each other.
 */
#ifndef HOB_MEM_PAIR_H
#define HOB_MEM_PAIR_H

#include "hob/stream.h"

HOB_BEGIN_DECLS

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_mem_pair_opts {
    size_t buf_bytes;   /* on the way in each direction, then writing waits; 0: 64 KiB     */
    size_t piece_bytes; /* a read or a write moves at most so many; 0: as many as there are */
} hob_mem_pair_opts;

/* Makes the two. Each end is closed by itself (hob_stream_close). Does not wait. Returns 0,
 * -ENOMEM.
 *
 * Reading gives 0 when the other end was closed or shut down and its bytes are read. Writing
 * gives -EPIPE when the other end is closed, or this one was shut down. A task that waits on
 * an end gets -ECANCELED when another closes that end. One reader and one writer at a time. */
HOB_API HOB_MUST_USE int hob_mem_pair(const hob_mem_pair_opts *opts, hob_stream **ret_a,
                                      hob_stream **ret_b);

/* Errors on purpose: after `after_bytes` more bytes, reading from this end (writing to it) gives
 * `error`, which is negative, each time. 0 takes it back. `end` is one of hob_mem_pair. Who waits
 * is told. Do not wait. */
HOB_API void hob_mem_fail_reads(hob_stream *end, int error, uint64_t after_bytes);
HOB_API void hob_mem_fail_writes(hob_stream *end, int error, uint64_t after_bytes);

HOB_END_DECLS

#endif
