/* SPDX-License-Identifier: MIT */
/* What the io_uring backend keeps: its ring, its slots, its pool of receive buffers. */
#ifndef HOB_BACKEND_URING_H
#define HOB_BACKEND_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/blocking.h"
#include "base/chance.h"
#include "base/list.h"
#include "op/fs.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h> // 3.19 does not see what the kernel writes by way of a ring
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_DEFINED(at, len) ((void)(at), (void)(len))
#endif

#define SLOT_NONE   UINT32_MAX
#define NAME_WAKE   (UINT64_MAX - 1)   /* user_data that names no slot; UINT64_MAX is liburing's */
#define NAME_CANCEL (UINT64_C(1) << 31) /* with the name of the slot: a cancel of what is in it   */

enum slot_use { SLOT_FREE, SLOT_OP, SLOT_AGAIN, SLOT_DETOUR, SLOT_PAUSE, SLOT_MULTISHOT, SLOT_THREAD };
enum slot_cancel { CANCEL_NO, CANCEL_OWED, CANCEL_SENT };

/* Something that the kernel knows: an op, or a descriptor's multishot receive. */
struct slot {
    void            *owner;
    void            *extra;             /* STAT: where the kernel writes; THREAD: the job */
    uint32_t         generation;
    uint32_t         cancel_generation; /* for whom a cancel is owed                  */
    uint32_t         next_free;
    uint32_t         next_owed;
    enum slot_use    use : 8;
    enum slot_cancel cancel : 8;
    bool             interrupted;       /* on purpose: the kernel was not asked       */
    bool             in_owed;           /* linked by next_owed, perhaps for an earlier owner */
};

/* A buffer of the pool while it holds bytes that nobody has read. */
struct recv_buf {
    uint32_t offset;
    uint32_t len;
    uint16_t next; /* of the same connection */
};

/* What is kept in desc->carrier. All zero when the descriptor is new. */
struct __attribute__((may_alias)) carrier {
    uint32_t         multishot;  /* its slot + 1; 0: not armed                          */
    uint32_t         in_kernel;  /* SQEs that name the descriptor and are not done      */
    bool             busy[2];    /* an ordered op is in the kernel: [outward], [inward] */
    bool             stopping;   /* the multishot is asked to end                       */
    bool             has_end;    /* how the stream ended is still to be told            */
    uint8_t          from_memory; /* of a file: enum from_memory                        */
    uint8_t          misses;     /* grows with each read that was not in memory         */
    uint8_t          passes;     /* so many reads do not look there                     */
    bool             more_wait;  /* of a listener: there may be more to accept          */
    int32_t          end;
    uint16_t         held_first, held_last;
    uint32_t         held_count;
    struct list_node leave_link; /* released: in uring.leaving                          */
};

static_assert(sizeof(struct carrier) <= sizeof(((struct desc *)NULL)->carrier),
              "what uring keeps fits into a descriptor");

struct uring {
    struct backend  base;
    struct io_uring ring;
    bool            ring_is_open;
    bool            tells_of_work;  /* the kernel flags completions that wait for an enter */

    struct slot    *slots;
    uint32_t        slots_cap;
    uint32_t        slot_free;
    uint32_t        owed;           /* slots whose cancel is to be sent                    */

    struct io_uring_cqe *aside;     /* completions that had to leave the queue, in order   */
    uint32_t        aside_next, aside_count, aside_cap;

    struct list     done;           /* finished, not handed out                            */
    struct list     loose;          /* FLYING ops without a descriptor                     */
    struct list     leaving;        /* carriers of released descriptors                    */
    uint32_t        leaving_count;
    uint64_t        flying;
    uint64_t        in_kernel;

    struct io_uring_buf_ring *buf_ring;
    struct recv_buf *bufs;
    char            *pool;
    uint32_t         buf_count;
    uint32_t         buf_bytes;
    uint32_t         bufs_out;      /* not in the kernel's hands                           */
    bool             receives_ahead;
    bool             multishot_seen;
    bool             accept_tells;  /* this kernel says whether more wait (Linux 6.10)      */
    uint64_t         pool_empty;
    uint64_t         overflows;     /* times completions had to wait for room              */

    uint64_t         opcodes;      /* of OP_FS: a bit for each that this kernel knows           */
    struct blocking_client threads; /* do the others                                           */
    int              jobs_mail;    /* atomic: jobs can be collected                             */

    int              wake_fd;
    int              event_fd;     /* the kernel raises it when there is work; -1: nobody asked */
    bool             event_told;   /* it is registered                                          */
    uint64_t         wake_count;
    bool             wake_armed;
    bool             was_interrupted; /* the last enter, on purpose */
    struct __kernel_timespec retry_time;
    struct chance    chance;
};

/* uring_ring.c: opens the ring with fewer entries where locked memory is scarce (it counts for users
 * who are not root), and without what older kernels do not know. 0, -ENOSYS, -ENOMEM, -EPERM... */
int hob__uring_open_ring(struct uring *u, const struct backend_opts *opts);

/* Hands over the entries, and sleeps for at least one completion if told to. */
void hob__uring_enter(struct uring *u, int64_t deadline_ns);

/* uring_prep.c */
void hob__uring_prep(struct op *op, struct io_uring_sqe *sqe, struct slot *slot);

/* A detour: the op's own call said EAGAIN (a descriptor that others made non-blocking, or a Unix
 * socket's queue is full, which its own readiness does not tell); it is made again when the
 * descriptor is ready, or soon. */
void hob__uring_prep_detour(struct uring *u, struct op *op, struct io_uring_sqe *sqe);

/* A write at the file's position that a full disk or a limit cuts short leaves the position where
 * it was (Linux 6.18 and before): the kernel tries the rest at once, and an error there hides what
 * was done from it. The next write would overwrite these bytes. */
void hob__uring_mend_position(const struct op *op, int64_t before, int64_t written);

/* Tells Valgrind what the kernel wrote. */
void hob__uring_mark_written(const struct op *op, const struct statx *statx, int64_t result);

/* uring_fs.c: the calls on files that the kernel carries out by the ring. */
bool hob__uring_knows_fs(const struct uring *u, const struct fs_call *call);
void hob__uring_prep_fs(struct io_uring_sqe *sqe, struct fs_call *call, int fd);
void hob__uring_probe_fs(struct uring *u);

static inline struct carrier *carrier_of(struct desc *desc)
{
    return (struct carrier *)desc->carrier;
}

static inline bool uring_is_inward(const struct op *op)
{
    return op->kind == OP_RECV || op->kind == OP_RECVMSG || op->kind == OP_RECVMANY ||
           op->kind == OP_READ || op->kind == OP_ACCEPT || (op->kind == OP_SPLICE && op->splice.inward);
}

/* Buffers lie a cache line more than their size apart, so that their beginnings, which is all
 * that short messages use, do not compete for the same sets. */
static inline size_t pool_stride(const struct uring *u)
{
    return (size_t)u->buf_bytes + 64;
}

static inline char *pool_address(const struct uring *u, uint16_t id)
{
    return u->pool + id * pool_stride(u);
}

#endif
