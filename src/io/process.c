/* SPDX-License-Identifier: MIT */
/* hob/process.h: processes, whatever they are made of, and their keepers. */
#include "io/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/worker.h"
#include "hob/task.h"
#include "hob/time.h"
#include "io/pipe.h"
#include "sync/promise.h"

#define GRACE      (5 * HOB_SEC)
#define LOOK_AGAIN (10 * HOB_MSEC)
#define KILL_AGAIN HOB_SEC

/* ---- from birth to death ---- */

/* It was left open at the end of the run. */
static void free_thing(struct thing *thing)
{
    hob_process_close(container_of(thing, hob_process, thing));
}

static const struct thing_kind process_thing = { "a process", "hob_process_close", free_thing };

static hob_process *process_new(const struct process_order *order)
{
    hob_process *p = hob__alloc_zero(sizeof *p);
    if (p == NULL)
        return NULL;
    if (hob_promise_new(&p->ended) < 0) {
        hob__free(p);
        return NULL;
    }
    const hob_process_opts *opts = order->opts;
    hob__thing_close(&p->ended->thing); // it is ours, and nobody's to free
    hob__thing_open(&p->thing, &process_thing, hob__place_of(order->made_at));
    p->thing.holds_descs = true;
    p->tag = TAG_PROCESS;
    p->refs = 1;
    p->worker = hob__worker;
    p->kind = p->worker->seeded ? &hob__process_simulated : &hob__process_real;
    p->pidfd = -1;
    p->end_signal = opts->end_signal != 0 ? opts->end_signal : SIGTERM;
    p->grace_ns = opts->grace_ns != 0 ? opts->grace_ns : GRACE;
    p->whole_group = opts->whole_group;
    return p;
}

static void unref(hob_process *p)
{
    if (--p->refs > 0)
        return;
    hob_promise_free(p->ended);
    p->tag = TAG_FREED;
    hob__free(p);
}

void hob__process_close_pipes(hob_process *p)
{
    for (int i = PROCESS_IN; i <= PROCESS_ERR; i++) {
        hob_pipe_close(p->pipes[i]);
        p->pipes[i] = NULL;
    }
    hob_pipe_close(p->terminal);
    p->terminal = NULL;
}

static hob_process *process_from(const hob_process *process, const char *caller)
{
    if (hob_unlikely(process == NULL || process->tag != TAG_PROCESS || process->is_closed))
        hob__misuse_of(caller, "this is no process, or it was closed");
    if (hob_unlikely(process->worker != hob__worker))
        hob__misuse_of(caller, "the process belongs to another worker; only that one may use it");
    return (hob_process *)(uintptr_t)process;
}

void hob_process_close(hob_process *process)
{
    if (process == NULL)
        return;
    hob_process *p = process_from(process, "hob_process_close");
    p->is_closed = true;
    hob__thing_close(&p->thing); // nobody is blamed for what the keeper still holds
    hob__process_close_pipes(p);
    unref(p);
}

/* ---- the keeper ---- */

/* Until it is dead, or the caller is cancelled. What else fails (memory) is only a delay. */
static int wait_until_dead(hob_process *p)
{
    for (;;) {
        int r = p->kind->wait(p);
        if (r == 0 || p->kind->reap(p))
            return 0;
        r = hob_cancelled();
        if (r == 0)
            r = hob_sleep(LOOK_AGAIN);
        if (r < 0)
            return r;
    }
}

/* The scope was cancelled, or ends, or somebody called hob_process_end. */
static void end_it(hob_process *p)
{
    int r = -ETIMEDOUT;
    if (p->grace_ns > 0) {
        (void)p->kind->signal(p, p->end_signal);
        (void)p->kind->signal(p, SIGCONT); // a stopped one could not obey
        HOB_SHIELD(p->grace_ns) {
            r = wait_until_dead(p);
        }
    }
    while (r < 0) { // again and again, because it may fail: it has become another user's
        (void)p->kind->signal(p, SIGKILL);
        HOB_SHIELD(KILL_AGAIN) {
            r = wait_until_dead(p);
        }
    }
}

static int wait_until_asked(hob_process *p)
{
    hob_scope asking;
    hob_scope_begin(&asking);
    p->asking = &asking;
    int r = wait_until_dead(p);
    p->asking = NULL;
    (void)!hob_scope_end(&asking);
    return r;
}

struct start {
    hob_process         *process;
    struct process_order order;
};

static int keep(void *arg)
{
    struct start *start = arg;
    hob_process  *p = start->process;
    const char   *step = "clone";
    int           r = hob_cancelled();
    if (r == 0)
        r = p->kind->launch(p, &start->order, &step);
    if (r < 0) {
        if (start->order.opts->ret_failed_step != NULL)
            *start->order.opts->ret_failed_step = step;
        return r;
    }
    p->refs++;
    hob_ready(NULL); // `start` is gone from here on

    if (wait_until_asked(p) < 0)
        end_it(p);
    while (!p->is_over && !p->kind->reap(p))
        (void)!wait_until_dead(p);
    (void)hob_promise_resolve(p->ended, p);
    unref(p);
    return 0;
}

/* ---- starting ---- */

static void check_order(const struct process_order *order)
{
    hob_require(order->argv != NULL && order->argv[0] != NULL,
                "hob_process_start: there is no program: argv is empty");
    hob_require(order->opts->in != HOB_STDIO_MERGE && order->opts->out != HOB_STDIO_MERGE,
                "hob_process_start: HOB_STDIO_MERGE is for standard error only");
}

static int start_process(hob_scope *scope, const struct process_order *order,
                         hob_process **ret_process)
{
    check_order(order);
    struct start start = { process_new(order), *order };
    if (start.process == NULL)
        return -ENOMEM;
    hob_task_opts task = { .name = order->argv[0], .daemon = 1 };
    int           r = hob_go_ready(scope, keep, &start, &task, NULL);
    if (r == HOB_EBROKEN) // the keeper is never without a word
        hob_unreachable("a process was neither started nor refused");
    if (r < 0 || ret_process == NULL)
        hob_process_close(start.process);
    else
        *ret_process = start.process;
    return r;
}

int hob_process_start(hob_scope *scope, const char *const *argv, const hob_process_opts *opts,
                      hob_process **ret_process)
{
    static const hob_process_opts defaults;
    struct process_order order = { argv, opts != NULL ? opts : &defaults,
                                   __builtin_return_address(0) };
    return start_process(scope, &order, ret_process);
}

/* ---- using ---- */

pid_t hob_process_id(const hob_process *process)
{
    return process_from(process, "hob_process_id")->pid;
}

hob_pipe *hob_process_in(hob_process *process)
{
    return process_from(process, "hob_process_in")->pipes[PROCESS_IN];
}

hob_pipe *hob_process_out(hob_process *process)
{
    return process_from(process, "hob_process_out")->pipes[PROCESS_OUT];
}

hob_pipe *hob_process_err(hob_process *process)
{
    return process_from(process, "hob_process_err")->pipes[PROCESS_ERR];
}

hob_pipe *hob_process_terminal(hob_process *process)
{
    return process_from(process, "hob_process_terminal")->terminal;
}

void hob_process_close_in(hob_process *process)
{
    hob_process *p = process_from(process, "hob_process_close_in");
    hob_pipe_close(p->pipes[PROCESS_IN]);
    p->pipes[PROCESS_IN] = NULL;
}

int hob_process_resize(hob_process *process, hob_terminal_size size)
{
    hob_process *p = process_from(process, "hob_process_resize");
    hob_require(p->terminal != NULL, "hob_process_resize: the process was not given a terminal");
    struct winsize ws = { .ws_row = size.rows, .ws_col = size.columns };
    return hob__sys_set_winsize(hob__pipe_fd(p->terminal), &ws);
}

hob_promise *hob_process_promise(hob_process *process)
{
    return process_from(process, "hob_process_promise")->ended;
}

static int result_of(const hob_process *p, hob_process_result *ret_result)
{
    if (!p->is_over)
        return -EAGAIN;
    if (p->error == 0 && ret_result != NULL)
        *ret_result = p->result;
    return p->error;
}

int hob_process_result_get(const hob_process *process, hob_process_result *ret_result)
{
    return result_of(process_from(process, "hob_process_result_get"), ret_result);
}

void hob_process_wait_prep(hob_op *op, hob_process *process)
{
    hob_promise_await_prep(op, process_from(process, "hob_process_wait_prep")->ended);
}

/* The handle may be closed meanwhile. */
static int wait_for_end(hob_process *p, hob_process_result *ret_result)
{
    p->refs++;
    int r = hob_promise_await(p->ended, NULL);
    if (r == 0)
        r = result_of(p, ret_result);
    unref(p);
    return r;
}

int hob_process_wait(hob_process *process, hob_process_result *ret_result)
{
    return wait_for_end(process_from(process, "hob_process_wait"), ret_result);
}

int hob_process_kill(hob_process *process, int signal)
{
    hob_process *p = process_from(process, "hob_process_kill");
    return p->is_over ? -ESRCH : p->kind->signal(p, signal);
}

int hob_process_end(hob_process *process, hob_process_result *ret_result)
{
    hob_process *p = process_from(process, "hob_process_end");
    if (p->asking != NULL)
        hob_scope_cancel(p->asking, "hob_process_end");
    return wait_for_end(p, ret_result);
}

const char *hob_process_describe(const hob_process_result *result, char *buf, size_t size)
{
    if (result->signal == 0) {
        snprintf(buf, size, "exit code %d", result->code);
        return buf;
    }
    const char *words = sigdescr_np(result->signal);
    snprintf(buf, size, "signal %d (%s)%s", result->signal, words != NULL ? words : "unknown",
             result->core_dumped ? ", core dumped" : "");
    return buf;
}
