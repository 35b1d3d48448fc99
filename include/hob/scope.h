/* SPDX-License-Identifier: MIT */
/*
 * Scopes: what tasks live in.
 *
 * A scope does not end before its children did. When a child fails, the others
 * are cancelled and its error becomes the scope's result. A scope can have a
 * deadline. Inside a cancelled scope every call that can be cancelled returns
 * -ECANCELED (-ETIMEDOUT when a deadline did it), again and again, until the
 * scope is left. Scopes nest: cancelling one cancels all inside it.
 *
 *     HOB_SCOPE(s);
 *     hob_scope_deadline(&s, hob_in(2 * HOB_SEC));
 *     hob_go(&s, load_user, o);
 *     hob_go(&s, ask_price, o);
 *     return hob_scope_end(&s);
 *
 * A scope belongs to the task that opened it, lives on its stack, and is left
 * in the order opposite to opening. Other tasks of the same worker may start
 * children in it and cancel it while it is open.
 */
#ifndef HOB_SCOPE_H
#define HOB_SCOPE_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* A place for one scope. */
struct hob_scope {
    HOB_OPAQUE(64);
};

/* Opens a scope named `s` that ends with the surrounding block, also on return.
 *
 * At the block's end it waits for its children, as hob_scope_end does; a
 * failure that nobody collected becomes a failure of the enclosing scope. When
 * the block is left by HOB_TRY or hob_fail, the children are cancelled first. */
#define HOB_SCOPE(s)                                                              \
    __attribute__((cleanup(hob_scope_leave))) hob_scope s;                        \
    hob_scope_begin(&s)

/* Opens a scope by hand; hob_scope_end must follow. HOB_SCOPE is the usual way.
 * Does not wait. */
HOB_API void hob_scope_begin(hob_scope *scope);

/* Waits for all children, runs what was deferred, and closes the scope. Waits;
 * being cancelled reaches the children, but this call still waits for them.
 *
 * Returns 0 when all went well; the error of the child that failed first; or,
 * when no child failed, -ETIMEDOUT or -ECANCELED if the scope was cancelled.
 * The result counts as collected. Ending a scope twice returns the same result
 * again. */
HOB_API HOB_MUST_USE int hob_scope_end(hob_scope *scope);

/* What the end of one child means to the others. */
typedef enum hob_policy {
    HOB_FAIL_FAST,     /* the first failure cancels the others: what scopes do unless told  */
    HOB_WAIT_ALL,      /* nobody is cancelled; the result is the first failure in time      */
    HOB_FIRST_SUCCESS, /* the first child that returns 0 cancels the others, and then the
                          scope's result is 0; when all fail, the first failure             */
} hob_policy;

/* Sets the policy of a scope that has no children yet. Does not wait. */
HOB_API void hob_scope_policy(hob_scope *scope, hob_policy policy);

/* What HOB_SCOPE calls at the end of its block. */
HOB_API void hob_scope_leave(hob_scope *scope);

/* Cancels everything in the scope, with a reason for people, such as "the user
 * closed the window". The text is kept, not copied: pass a literal, or NULL.
 * Only the first cancellation counts. Does not wait. */
HOB_API void hob_scope_cancel(hob_scope *scope, const char *reason);

/* Cancels the scope with -ETIMEDOUT at `deadline_ns`, at once if that has
 * passed. A later call replaces the deadline; HOB_FOREVER takes it away. A
 * deadline of an enclosing scope holds as well. Does not wait. */
HOB_API void hob_scope_deadline(hob_scope *scope, int64_t deadline_ns);

/* 0, or the code of its cancellation if the scope, or one around it, was
 * cancelled: -ECANCELED, -ETIMEDOUT, HOB_ESTUCK. Does not wait. */
HOB_API int hob_scope_cancelled(const hob_scope *scope);

/* The same question for the innermost scope of the calling task. */
HOB_API int hob_cancelled(void);

/* The reason given to the cancellation that reached the calling task: the text
 * given to hob_scope_cancel, or one of Hob's ("deadline", "a sibling failed",
 * "its block was left by an error" and so on); NULL when it is not cancelled.
 * Does not wait. */
HOB_API const char *hob_cancel_reason(void);

/* Has fn(arg) run when the scope ends, after its children ended; the last
 * deferred runs first. It runs shielded from cancellation for the scope's grace
 * time (5 s); then its calls return -ETIMEDOUT, and the delay is reported.
 * Returns 0, or -ENOMEM, and then fn(arg) was run already. Does not wait. Not for
 * root scopes. */
HOB_API HOB_MUST_USE int hob_scope_defer(hob_scope *scope, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) at the end of the surrounding block: clean-up for one function,
 * without memory and without a scope. */
#define HOB_DEFER(fn, arg)                                                        \
    __attribute__((cleanup(hob_deferred_run), unused)) hob_deferred HOB_JOIN(     \
        hob_deferred_, __LINE__) = { (fn), (arg) }

typedef struct hob_deferred {
    void (*fn)(void *arg);
    void *arg;
} hob_deferred;

HOB_API void hob_deferred_run(hob_deferred *deferred);

/* A block in which cancellation from outside does not reach, for cleaning up.
 * It is bounded: after `limit_ns` its calls return -ETIMEDOUT.
 *
 *     HOB_SHIELD(2 * HOB_SEC) {
 *         sent = hob_tcp_write(conn, goodbye, sizeof goodbye);
 *     }
 *
 * The block may be left by break and by return; being a loop, it takes the `break` and
 * `continue` of a loop around it for its own. */
#define HOB_SHIELD(limit_ns)                                                      \
    for (__attribute__((cleanup(hob_shield_leave))) hob_shield HOB_JOIN(          \
             hob_shield_, __LINE__) = { { { 0 } }, 0 };                           \
         hob_shield_enter(&HOB_JOIN(hob_shield_, __LINE__), (limit_ns));)

typedef struct hob_shield {
    hob_scope scope;
    int       entered;
} hob_shield;

/* Begins the shield and returns 1 the first time; returns 0 the second. */
HOB_API int  hob_shield_enter(hob_shield *shield, int64_t limit_ns);
HOB_API void hob_shield_leave(hob_shield *shield);

/* One failure of a scope, for reports: hob_describe_address has words for the
 * addresses. */
typedef struct hob_failure {
    int         error;
    char        task[32];     /* the name of the task that failed; "": it had none   */
    const void *function;     /* the task's function                                 */
    const void *spawned_at;   /* the call of hob_go                                  */
    const void *failed_at;    /* the HOB_TRY by which it left; NULL: it just returned */
    uint64_t    cause;        /* for hob_failure_cause; 0: it began here             */
} hob_failure;

/* How many children failed, and the first of them in time (index 0), then the
 * later ones, of which 3 are kept. hob_scope_failure returns 0, or
 * -ENOENT for an index that is not kept. Neither waits. */
HOB_API size_t           hob_scope_failures(const hob_scope *scope);
HOB_API HOB_MUST_USE int hob_scope_failure(const hob_scope *scope, size_t index,
                                           hob_failure *ret_failure);

/* The failure that the task had collected, from a scope or by hob_await, when it
 * returned the same error. Returns 0, or -ENOENT when there is none, or when it
 * was forgotten: a worker remembers the last 32. Does not wait. */
HOB_API HOB_MUST_USE int hob_failure_cause(const hob_failure *failure, hob_failure *ret_cause);

/* The root scope of that name, made at the first call. Root scopes live until
 * hob_run ends: when its main task has returned they are cancelled, and ended.
 * A failure in one is printed and makes hob_run fail. The name is copied.
 * Returns NULL when memory ran out. Does not wait. */
HOB_API HOB_MUST_USE hob_scope *hob_root(const char *name);

HOB_END_DECLS

#endif
