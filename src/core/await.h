/* SPDX-License-Identifier: MIT */
/*
 * What the rest of the house uses of the core: how to wait, and how to hold a descriptor.
 *
 * io/ is written on this header alone.
 */
#ifndef HOB_CORE_AWAIT_H
#define HOB_CORE_AWAIT_H

#include "hob/op.h"
#include "op/op.h"

struct task;

/* The place hob_op from inside. */
struct user_op {
    struct op        op;
    struct scope    *scope;      /* started by hob_op_call or hob_op_settle: its scope */
    struct list_node scope_link;
    hob_op_fn       *fn;
    void            *arg;
};

/* Submits the op, parks the task until it is finished, and leaves the answer in
 * op->result. The one way to wait. In a cancelled scope the result is -ECANCELED
 * or -ETIMEDOUT and the op was not submitted: finish() is still called. */
void hob__op_await(struct op *op);

/* The second half of it, for a local op that the caller made fly itself, after
 * hob__inline_begin: parks, and leaves the answer in op->result. */
void hob__op_await_flying(struct task *task, struct op *op);

/* For what is mostly done at once, without an op: begin returns 0, or the code with which the
 * call is refused; end counts what was done, so that who never waits lets others run. */
int  hob__inline_begin(struct task *task, const char *caller);
void hob__inline_end(struct task *task);

/* Carries out an op of class OP_QUICK, which never waits, cancelled or not. */
int64_t hob__op_quick(struct op *op);

/* hob_promise_on_cancel in the name of `caller`. */
void hob__promise_expect(hob_promise *promise, void (*fn)(void *arg), void *arg, const char *caller);

/* Starts an op of io's own, which nobody awaits. True: it flies, and done(op) will be called on the
 * loop; false: it ended at once, and op->result says how. Whoever starts one sees to it that it ends
 * before what it works on does. */
bool hob__op_start(struct op *op);
void hob__op_ask_back(struct op *op); /* if it flies: it still ends once */

/* Ends a local op that flies, on its own worker. */
void hob__op_finish_local(struct op *op, int64_t result);

/* Makes the place ready for an op of this kind; the caller fills the rest in. */
struct op *hob__op_prep(hob_op *place, enum op_kind kind, struct desc *desc);

/* Takes charge of an open descriptor: it is counted, and reported if it is still
 * open when the runtime ends. `made_at` is __builtin_return_address(0) of the
 * public function that the user called. Cannot fail. */
void hob__desc_open(struct desc *desc, int fd, enum desc_kind kind, const char *what,
                    const void *made_at, void (*gone)(struct desc *desc));

/* Gives it back: what is in flight on it ends with -ECANCELED, then the number is
 * closed, then gone() is called, perhaps at once. Safe to call once. */
void hob__desc_close(struct desc *desc);

/* Stops the program if this worker is not the descriptor's. */
void hob__desc_check(const struct desc *desc);

bool hob__desc_is_here(const struct desc *desc); /* Or says so. */

/* Makes `desc` one of this worker's for the number of another worker's, which must stay open meanwhile: for
 * a single op that is awaited, and changes nothing of it. It is not closed. */
void hob__desc_visit(struct desc *desc, const struct desc *host);

/* Closes a bare descriptor number that no desc was made for (an unwanted one). */
void hob__fd_close(int fd, enum desc_kind kind);

/* One more listener that is open, or (-1) one less. */
void hob__count_listener(int change);

/* Counts an accept that had to pause because descriptors or memory ran out. */
void hob__count_accept_pause(void);

#endif
