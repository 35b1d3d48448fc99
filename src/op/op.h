/* SPDX-License-Identifier: MIT */
/*
 * The operation: one thing that somebody waits for.
 *
 *                 submit                    backend
 *     OP_IDLE ─────────────▶ OP_FLYING ───────────────▶ OP_DONE ──▶ done(op), OP_IDLE
 *         │                    │    ▲                      ▲
 *         │                    └────┘ cancel: asks         │
 *         └────────── submit, done at once ────────────────┘
 *
 *   OP_IDLE   -> OP_FLYING  backend.submit, or whoever starts a local op
 *   OP_IDLE   -> OP_DONE    backend.submit, when the result is known at once
 *   OP_FLYING -> OP_DONE    the backend, or hob__op_finish_local
 *   OP_DONE   -> OP_IDLE    hob__op_deliver, which then calls op->done
 *
 *   FLYING: somebody else (the kernel, another thread, the timer wheel, a promise)
 *           holds the op and may write into the buffers that it names.
 *   DONE:   `result` is final and nobody but the owner holds the op.
 *
 * Why an op, and its buffer, may lie on a task's stack: the task does not run
 * again until the op is DONE, also when it is cancelled; and an op is DONE only
 * when the kernel has let go of it.
 */
#ifndef HOB_OP_OP_H
#define HOB_OP_OP_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/list.h"
#include "base/mail.h"
#include "base/wheel.h"

/* Where an op is carried out. */
enum op_class {
    OP_LOCAL, /* inside the core: a timer, a promise, a join. `local.start` begins it;
                 `local.withdraw` undoes that when it is cancelled and returns true, or
                 false when it will end by itself soon; NULL: it cannot be cancelled     */
    OP_QUICK, /* by the backend, and it never waits: DONE when submit returns               */
    OP_WAITS, /* by the backend                                                             */
};

#define HOB_OPS(X)                        \
    X(SLEEP,      "sleep",      LOCAL)    \
    X(PROMISE,    "promise",    LOCAL)    \
    X(JOIN,       "join",       LOCAL)    \
    X(CHAN_SEND,  "channel send", LOCAL)  \
    X(CHAN_RECV,  "channel receive", LOCAL) \
    X(SELECT,     "select",     LOCAL)    \
    X(MANY,       "many promises", LOCAL) \
    X(SUSPEND,    "a foreign call", LOCAL) \
    X(SIGNAL,     "signal",     LOCAL)    \
    X(MUTEX,      "mutex",      LOCAL)    \
    X(READ_LOCK,  "rwlock, to read", LOCAL) \
    X(WRITE_LOCK, "rwlock, to write", LOCAL) \
    X(COND,       "condition",  LOCAL)    \
    X(SEM,        "semaphore",  LOCAL)    \
    X(LIMITER,    "limiter",    LOCAL)    \
    X(EVENT,      "event",      LOCAL)    \
    X(BARRIER,    "barrier",    LOCAL)    \
    X(LATEST,     "latest value", LOCAL)  \
    X(BROADCAST,  "broadcast",  LOCAL)    \
    X(ONCE,       "once",       LOCAL)    \
    X(OFFLOAD,    "an offloaded function", LOCAL) \
    X(PORTAL,     "portal",     LOCAL)    \
    X(SYNC,       "sync",       LOCAL)    \
    X(PARK,       "park",       LOCAL)    \
    X(SOCKET,     "socket",     QUICK)    \
    X(SOCKETPAIR, "socketpair", QUICK)    \
    X(PIPE,       "pipe",       QUICK)    \
    X(BIND,       "bind",       QUICK)    \
    X(LISTEN,     "listen",     QUICK)    \
    X(SHUTDOWN,   "shutdown",   QUICK)    \
    X(SOCKNAME,   "getsockname", QUICK)   \
    X(PEERNAME,   "getpeername", QUICK)   \
    X(SETOPT,     "setsockopt", QUICK)    \
    X(GETOPT,     "getsockopt", QUICK)    \
    X(ADOPT,      "adopt",      QUICK)    \
    X(UNLINK,     "unlink",     QUICK)    \
    X(ACCEPT,     "accept",     WAITS)    \
    X(CONNECT,    "connect",    WAITS)    \
    X(RECV,       "recv",       WAITS)    \
    X(SEND,       "send",       WAITS)    \
    X(RECVMSG,    "recvmsg",    WAITS)    \
    X(SENDMSG,    "sendmsg",    WAITS)    \
    X(RECVMANY,   "recvmmsg",   WAITS)    \
    X(SENDMANY,   "sendmmsg",   WAITS)    \
    X(READ,       "read",       WAITS)    \
    X(WRITE,      "write",      WAITS)    \
    X(OPEN,       "open",       WAITS)    \
    X(FSYNC,      "fsync",      WAITS)    \
    X(STAT,       "stat",       WAITS)    \
    X(SPLICE,     "splice",     WAITS)    \
    X(FS,         "file call",  WAITS)    \
    X(POLL,       "poll",       WAITS)

/* Of one byte, which is a memory location of its own: other workers read it (sync/line.h)
 * while the op's own writes the bits beside it. */
enum __attribute__((packed)) op_kind {
#define X(kind, name, op_class) OP_##kind,
    HOB_OPS(X)
#undef X
    OP_KINDS
};

enum op_state {
    OP_IDLE,
    OP_FLYING,
    OP_DONE,
};

struct fs_call;
struct hob_addr;
struct worker;
struct mmsghdr;
struct msghdr;
struct stat;
struct op;

/* What a descriptor is, which decides how its ops are carried out. */
enum desc_kind {
    DESC_STREAM,   /* a connected or connecting stream socket: RECV, SEND           */
    DESC_LISTENER, /* ACCEPT                                                        */
    DESC_DGRAM,    /* RECVMSG, SENDMSG, RECVMANY, SENDMANY                          */
    DESC_PIPE,     /* READ and WRITE that wait for the other end; also terminals    */
    DESC_FILE,     /* READ and WRITE that wait for the disk                         */
};

/*
 * An open descriptor, as its worker sees it. Part of the object that a user
 * holds (hob_tcp and so on); the owner keeps it until gone() is called.
 */
struct desc {
    int             fd;         /* the kernel's, or in sim the simulated world's; -1: none   */
    enum desc_kind  kind;
    bool            closing;    /* hob__desc_close was called; only what flies is still here */
    bool            passes_fds; /* descriptors may come with the bytes: receive nothing ahead */
    bool            keep_open;  /* the number is not ours to close (0, 1, 2)                 */
    bool            while_stopping; /* a listener that goes on when the run stops            */
    bool            slow_close; /* close(2) of it takes milliseconds: not on the worker      */
    uint32_t        flying;     /* ops in flight on it; the backend counts                   */
    struct list     ops;        /* these ops, by op.link                                     */
    void          (*gone)(struct desc *desc); /* the number is closed: free the object       */
    struct worker  *worker;     /* whose it is                                               */
    struct list_node link;      /* among the worker's open descriptors                       */
    const void     *made_at;    /* the address of the user's call, for reports               */
    const char     *what;       /* "TCP connection", for reports                             */
    uint64_t        carrier[10]; /* the backend's own; all zero when the descriptor is new   */
};

struct op {
    enum op_kind  kind;
    enum op_state state : 8;
    unsigned      cancel_asked : 1; /* cancel() was called while it flew               */
    unsigned      view : 8;     /* sim: which worker's                                   */
    unsigned      waits_outside : 1; /* counted in crew.outsiders                      */
    unsigned      stop_asked : 1; /* and because the run stops: ACCEPT                 */
    unsigned      done_at_once : 1; /* done() runs no user code: called in the finish  */
    union {
        uint32_t  slot;             /* the backend's own                               */
        uint32_t  taken;            /* local, of an object that workers share: out of its
                                       list, and about to be finished; under its lock  */
    };
    union {
        struct desc   *desc;        /* NULL for an op that has none (yet)              */
        struct worker *worker;      /* local: whose it is, where others may finish it  */
    };

    /* What is wanted. The caller writes these before submitting. */
    union {
        struct timer sleep;                                              /* SLEEP            */
        struct { void (*start)(struct op *op); bool (*withdraw)(struct op *op);
                 void *on; void *extra; } local;                         /* LOCAL but SLEEP  */
        struct { void *buf; size_t len; size_t so_far; } recv;           /* RECV; without a buf it
                                                     takes nothing: op_is_look          */
        struct { const void *buf; size_t len; size_t so_far; } send;     /* SEND             */
        struct { void *buf; size_t len; int64_t offset; size_t so_far; } rw; /* READ, WRITE;
                                                     offset -1: at the file's position       */
        struct { int pipe_fd; bool inward; size_t len; } splice;         /* SPLICE: from desc into
                                                     a pipe that is empty, or out of one
                                                     that has so many; nobody else uses it.
                                                     -EINVAL: not with such a desc    */
        struct { struct msghdr *msg; int flags; } msg;                   /* RECVMSG, SENDMSG */
        struct { struct mmsghdr *msgs; unsigned count; } many;           /* RECVMANY, SENDMANY; result:
                                                     how many of them, at least 1     */
        struct { struct desc *child; void *out; const void *from; } accept; /* result: the fd */
        struct { const struct hob_addr *addr; void *out; void *conn; } connect;
        struct { const char *path; int flags; unsigned mode; void *out; } open; /* result: the fd */
        struct { const char *path; struct stat *out; } stat;             /* path or desc     */
        struct { struct fs_call *call; void *out; } fs;                  /* FS: op/fs.h      */
        struct { int fd; unsigned events; } poll;                        /* result: revents  */
        struct { int domain; int type; } socket;                         /* result: the fd   */
        struct { int domain; int type; int *fds; } pair;                 /* PIPE too         */
        struct { const struct hob_addr *addr; uint64_t *ret_file; } bind; /* ret_file, unless NULL:
                                                     a Unix address's file, as a number, not 0 */
        struct { int backlog; } listen;
        struct { struct hob_addr *out; } name;                           /* SOCKNAME, PEERNAME */
        struct { int level; int name; int value; const void *data; unsigned len; } setopt; /* data,
                                                     unless NULL, in the place of value */
        struct { int level; int name; void *out; unsigned len; } getopt; /* result: how many bytes */
        struct { int fd; int domain; int type; bool listens; bool copy; } adopt; /* a socket that others
                                                     made, made as ours are; domain AF_INET: or
                                                     AF_INET6; result: the fd, or its copy */
        struct { const struct hob_addr *addr; uint64_t file; } unlink;   /* a socket's file; only
                                                     if it still is `file`; 0: in any case  */
    };

    /* How it ended: >= 0, or a negative error. The backend writes this once. */
    int64_t result;

    /* Looks at the result before it is delivered, in every style: wraps a new
     * descriptor, or returns false to submit the op again for the rest. May be NULL. */
    bool (*finish)(struct op *op);

    /* Who is waiting. Called on the worker that submitted it, from the loop. */
    void (*done)(struct op *op);
    void  *waiter;

    /* FLYING: in desc->ops, or in a list of whoever holds it; or finished by another thread,
     * and on its way to the worker that waits. DONE: in the done list. */
    union {
        struct list_node link;
        struct mail      mail;
    };
};

static_assert(sizeof(struct op) <= 128, "an op fits in two cache lines");

/* A RECV that only waits until another would not: the result is 1 (bytes are there), 0 (the end of
 * the stream), or the error of the connection. */
static inline bool op_is_look(const struct op *op)
{
    return op->kind == OP_RECV && op->recv.buf == NULL;
}

static inline bool op_is_local(const struct op *op)
{
    return op->kind <= OP_PARK;
}

const char   *hob__op_name(enum op_kind kind);
enum op_class hob__op_class(enum op_kind kind);

#endif
