/* SPDX-License-Identifier: MIT */
/*
 * What the cases of the conformance suite stand on: one backend, without tasks.
 *
 * Every op and every peer is an op of the backend under test, so that the same
 * case runs on a kernel and on a simulated world. Each case runs in a process
 * of its own; a check that fails ends it. The world watches all the time that
 * each op is finished once, in a right state, and only by poll() or submit().
 */
#ifndef TESTS_BACKEND_WORLD_H
#define TESTS_BACKEND_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "base/rand.h"
#include "hob/addr.h"

struct world {
    struct backend *b;
    struct backend_opts opts;
    bool            is_sim;
    uint32_t        flying;     /* requests that have not come back */
    uint32_t        descs;      /* things that are not gone         */
    uint64_t        finished;   /* requests that came back, in all  */
    uint64_t        races;      /* ops that were cancelled, released or outrun */
    int             fds_before;
    uint64_t        blocks_before;
};

/* A descriptor with what the suite knows of it. */
struct thing {
    struct desc   desc;
    struct world *w;
    bool          open;
    uint32_t      out; /* requests on it that did not come back */
};

/* An op with what the suite knows of it. */
struct req {
    struct op      op;
    struct world  *w;
    struct thing  *on;
    bool           flying;
    bool           ended;
    uint64_t       nth;      /* it was the nth to come back */
    int64_t        result;
    struct msghdr *msg;
};

/* Said when a check fails: where in a long case it was. */
extern const char *doing, *doing_more;

__attribute__((noreturn, format(printf, 3, 4)))
void fail(const char *file, int line, const char *format, ...);

#define check(cond)                                                  \
    do {                                                             \
        if (!(cond))                                                 \
            fail(__FILE__, __LINE__, "%s", #cond);                   \
    } while (0)

#define check_eq(a, b)                                               \
    do {                                                             \
        int64_t a_ = (int64_t)(a), b_ = (int64_t)(b);                \
        if (a_ != b_)                                                \
            fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", #a, (long long)a_, #b, \
                 (long long)b_);                                     \
    } while (0)

/* Leaves the case: what it needs is not there. */
__attribute__((noreturn)) void skip(const char *reason);

/* ---- the world ---- */

const struct backend_type *backend_by_name(const char *name);
void world_open(struct world *w, const struct backend_type *type, const struct backend_opts *opts);
void world_close(struct world *w); /* checks that nothing is left */
int  open_fds(struct world *w); /* of the kernel, and of the simulated world */

/* ---- ops ---- */

void req_init(struct req *req, struct world *w, enum op_kind kind, struct thing *on);
void submit(struct req *req);
void cancel(struct req *req);
void turn(struct world *w, int64_t timeout_ns);    /* one poll(); 0: does not sleep */
void wait_for(struct req *req);                    /* fails after ten seconds */
void wait_gone(struct thing *thing);
void settle(struct world *w);                      /* until a while brings nothing more */
int64_t run(struct req *req);                      /* submit, wait, result */

void want_recv(struct req *req, struct thing *on, void *buf, size_t len);
void want_send(struct req *req, struct thing *on, const void *buf, size_t len);
void want_accept(struct req *req, struct thing *on);
void want_connect(struct req *req, struct thing *on, const hob_addr *addr);
void want_rw(struct req *req, struct thing *on, enum op_kind kind, void *buf, size_t len,
             int64_t offset);
void want_poll(struct req *req, struct world *w, int fd, unsigned events);
void want_open(struct req *req, struct world *w, const char *path, int flags, unsigned mode);

/* ---- things ---- */

void thing_adopt(struct thing *thing, struct world *w, int64_t fd, enum desc_kind kind);
void thing_release(struct thing *thing);           /* returns at once */
void thing_close(struct thing *thing);             /* waits until it is gone */
void socket_open(struct thing *thing, struct world *w, int domain, int type);
int64_t quick(struct req *req);                    /* of class QUICK: done at once */

/* Kinds of byte streams that a case runs over. */
enum stream_kind { STREAM_TCP, STREAM_UNIX, STREAM_PIPE, STREAM_KINDS };
extern const char *const stream_names[STREAM_KINDS];

/* For pipes, b is the reading end and a the writing end. */
void stream_pair(struct world *w, enum stream_kind kind, struct thing *a, struct thing *b);
void stream_want_read(struct req *req, struct thing *on, void *buf, size_t len);
void stream_want_write(struct req *req, struct thing *on, const void *buf, size_t len);

void tcp_listen(struct world *w, struct thing *listener, hob_addr *ret_addr);
void tcp_connect(struct world *w, const hob_addr *addr, struct thing *ret_client);
void write_all(struct thing *on, const void *buf, size_t len);
void read_all(struct thing *on, void *buf, size_t len);

/* Writes until nothing more fits, and returns how much did. */
size_t fill_up(struct thing *on);

/* A name in the scratch folder of this case. */
const char *scratch(struct world *w, const char *name);

/* ---- cases ---- */

struct test_case {
    const char *name; /* a sentence */
    void      (*run)(struct world *w);
    unsigned    needs; /* NEEDS_... */
    struct backend_opts opts;
};

enum {
    NEEDS_KERNEL = 1, /* not for sim: looks at real descriptors */
    NEEDS_TIME = 2,   /* more than a minute */
};

extern const struct test_case stream_cases[], splice_cases[], socket_cases[], file_cases[],
    fs_cases[], loop_cases[], model_cases[];
extern uint64_t seed;
extern uint64_t races_wanted;
extern uint64_t wakes_wanted;
extern int      depth;
extern char     scratch_folder[4096]; /* of the kernel's file system; in sim there is another */

#endif
