/* SPDX-License-Identifier: MIT */
/*
 * The contract of a backend: who carries ops out.
 *
 * One backend belongs to one worker. All functions are called on its thread,
 * except wake(). A backend knows ops and descriptors and nothing else of Hob,
 * and it runs no code of theirs: finished ops join a list.
 *
 * What every backend promises (tests/backend/ holds each to it):
 *   1. An op that was submitted is finished once.
 *   2. The result wins: a cancelled op gives its real result, or -ECANCELED and
 *      had no effect. Bytes and connections that arrived for a cancelled op wait
 *      for the next one on that descriptor, or are closed with it.
 *   3. A finished op, and the memory it names, is not touched again.
 *   4. On one descriptor, RECVs (READs, ACCEPTs) finish in the order of
 *      submission, and so do SENDs (WRITEs). The two directions are independent.
 *      Ops that name an offset in a file, FSYNC and STAT have no order.
 *   5. release() gives -ECANCELED to what is in flight on the descriptor, closes
 *      it at the latest in the poll() that gives the last of those ops back, so
 *      that who waited there finds its address free, and then calls desc->gone():
 *      from release() itself or from a later poll(), but always after that one.
 *      A poll() that calls gone() does not sleep. One on which nothing was ever in flight is
 *      gone when release() returns.
 *   6. EINTR and EAGAIN are the backend's business. Nobody sees them.
 *   7. SEND never raises SIGPIPE; new descriptors are CLOEXEC.
 *
 * On a stream the order of finishing is: RECV takes what arrived first, and an
 * error of the connection only after it.
 *
 * A look (op_is_look) stands in line with the RECVs, and takes nothing: what it found is there for the
 * next.
 */
#ifndef HOB_BACKEND_BACKEND_H
#define HOB_BACKEND_BACKEND_H

#include <stdint.h>

#include "op/op.h"

struct backend {
    const struct backend_type *type;
};

struct backend_opts {
    uint32_t    ring_entries;     /* uring: submission entries                    */
    uint32_t    completions;      /* uring: completion entries; 0: eight times as many */
    uint32_t    recv_bufs;        /* uring: provided buffers                      */
    uint32_t    recv_buf_bytes;   /* uring: size of each; 0: 4096                 */
    int         blocking_threads; /* threads for calls on files                   */
    uint64_t    seed;             /* sim                                          */
    struct backend *sibling;      /* sim: another worker's, whose world it shares; NULL */
};

/* What a backend counts, added to hob_stats. */
struct backend_stats {
    uint64_t in_flight;       /* ops that poll() will still finish */
    uint64_t recv_pool_empty;
    uint64_t overflows;       /* uring: turns in which completions had to wait for room */
    uint64_t trace;           /* sim: a hash of what the world did  */
    uint64_t numbers;         /* sim: descriptors that are open     */
    uint64_t world_idle;      /* sim: 1 when nothing is done and nothing will happen by itself,
                                 so that poll() would bring nothing however long it slept; what
                                 is in flight then waits for what only a task can do */
};

struct backend_type {
    const char *name;

    /* Makes a backend for the calling thread. Returns 0 or a negative error, and
     * leaves nothing behind then. -ENOSYS, -EPERM, -ENOMEM mean: try another. */
    int (*open)(const struct backend_opts *opts, struct backend **ret_backend);

    /* Nothing is in flight any more and all descriptors are released. */
    void (*close)(struct backend *b);

    /* Takes the op: afterwards it is FLYING or, if it could be done at once, DONE.
     * Cannot fail: what the kernel refuses is the op's result. An op whose result
     * is known at once is DONE and in no list; the caller delivers it. */
    void (*submit)(struct backend *b, struct op *op);

    /* Asks for a FLYING op back soon. It still comes from poll(), once. Calling
     * it twice is the same as once. */
    void (*cancel)(struct backend *b, struct op *op);

    /* Takes a descriptor back: see promise 5. May call gone() at once. */
    void (*release)(struct backend *b, struct desc *desc);

    /* Hands queued work to the kernel, sleeps until something is done, wake() was
     * called or the clock reached `deadline_ns` (0: does not sleep; INT64_MAX: no
     * deadline), and appends the finished ops to `done`, in order. */
    void (*poll)(struct backend *b, int64_t deadline_ns, struct list *done);

    /* Ends a poll(), this one or the next, early. Any thread, any signal handler. */
    void (*wake)(struct backend *b);

    /* A descriptor that is readable when poll() would bring something, if the last one was told
     * not to sleep. Returns it, the same each time; -ENOTSUP when there is nothing of the kernel's
     * to wait for, or what kept it from being made. It stays the backend's. */
    int (*poll_fd)(struct backend *b);

    /* When poll() is due though that is not readable; INT64_MAX: not at all. */
    int64_t (*due)(struct backend *b);

    int64_t  (*now)(struct backend *b);      /* the monotonic clock, ns              */
    int64_t  (*wall_now)(struct backend *b); /* the calendar clock, ns               */
    uint64_t (*random)(struct backend *b);

    void (*stats)(struct backend *b, struct backend_stats *ret_stats);
};

extern const struct backend_type hob__backend_uring;
extern const struct backend_type hob__backend_epoll;
extern const struct backend_type hob__backend_sim;

/* The simulated world behind hob/sim.h; -ENOTSUP for a backend that is not sim. */
struct hob_sim_world;
int hob__sim_set_world(struct backend *b, const struct hob_sim_world *world);

/* How long a function takes that a thread is to call; drawn from the world's seed. */
int64_t hob__sim_offload_ns(struct backend *b);

/* Lets the time of a world that several workers share go on: to its next event, or to
 * `deadline_ns`. */
void hob__sim_advance(struct backend *b, int64_t deadline_ns);
int hob__sim_put_file(struct backend *b, const char *path, const void *data, size_t len);
int hob__sim_put_folder(struct backend *b, const char *path);

/* Carries out an op of class OP_QUICK with plain system calls, and finishes it:
 * uring and epoll share this. */
void hob__quick_submit(struct op *op);

/* Takes a connection of a listener that is there now, past those that died in the queue; or -EAGAIN: none is.
 * uring and epoll share this. */
int64_t hob__accept_now(int fd);

/* What a look (op_is_look) finds now, or -EAGAIN: nothing. uring and epoll share this. */
int64_t hob__look_now(int fd);

/* Makes the call of a SPLICE whose descriptor never waits: the result, or -EAGAIN when that is
 * not ready (the pipe always is). uring and epoll share this. */
int64_t hob__splice_now(const struct op *op);

/* Whether what a file has in memory can be asked for without waiting for its disk: found out at the
 * first read, and kept with the descriptor. */
enum from_memory { FROM_MEMORY_UNKNOWN, FROM_MEMORY_YES, FROM_MEMORY_NO };

/* Makes a READ of a file if what it wants, or the beginning of that, is in memory: the result, or
 * -EAGAIN when the disk must be asked, and then nothing was done. uring and epoll share this. */
int64_t hob__read_from_memory(const struct op *op, uint8_t *from_memory);

/* Makes the call of a RECVMANY or SENDMANY: the result, or -EAGAIN when not even one went. uring
 * and epoll share this, since a ring knows one message at a time. */
int64_t hob__many_now(const struct op *op);

/* Carries out a call on files with plain system calls, on the descriptor `fd`; AT_FDCWD: it has
 * none. May block; any thread. */
struct fs_call;
int64_t hob__fs_carry_out(struct fs_call *call, int fd);

/* Opens the backend of that name, or with NULL the best that works here: uring,
 * else epoll. Writes one sentence about the choice to `why`. Returns 0, -ENOTSUP
 * for a name that is unknown or does not work here, or -ENOMEM. */
int hob__backend_probe(const char *name, const struct backend_opts *opts,
                       struct backend **ret_backend, char *why, size_t why_size);

#endif
