/* SPDX-License-Identifier: MIT */
/*
 * Simulated processes: tasks that are looked up by name. Signals are cancellations.
 *
 * A program runs in the root scope of its worker, behind a shield, so that only a signal reaches
 * it, as a real one. What its keeper holds and what the program holds meet in one record, which
 * is freed when the program was reaped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/select.h"
#include "io/pipe.h"
#include "io/process.h"

enum { FIRST_PID = 1000, SIGNAL_MAX = 64, NOT_FOUND = 127 };

/* Among the crew's programs. */
struct program {
    struct list_node    link; /* first */
    hob_sim_program_fn *fn;
    void               *arg;
    uint64_t            handles, ignores; /* bit n - 1: signal n */
    char                name[];
};

struct sim_run {
    hob_sim_process self;
    struct program *program;
    hob_stdio       how[3];
    hob_pipe       *theirs[3];
    hob_future     *future;
    hob_scope      *scope;      /* of the program, while it runs           */
    int             killed_by;  /* a signal that it does not handle        */
    bool            cancelled;
    bool            is_dead;
    int             code;
};

/* ---- the programs ---- */

static uint64_t set_of(const int *signals)
{
    uint64_t set = 0;
    for (; signals != NULL && *signals != 0; signals++) {
        hob_require(*signals > 0 && *signals <= SIGNAL_MAX, "hob_sim_add_program: no such signal");
        set |= UINT64_C(1) << (*signals - 1);
    }
    return set;
}

static struct program *find(const struct crew *crew, const char *name)
{
    list_for_each(node, &crew->sim_programs) {
        struct program *program = container_of(node, struct program, link);
        if (strcmp(program->name, name) == 0)
            return program;
    }
    return NULL;
}

int hob_sim_add_program(const hob_sim_program *given)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_sim_add_program: called outside of hob_run");
    if (!w->seeded)
        return -ENOTSUP;
    struct program *program = find(w->crew, given->name);
    size_t          size = strlen(given->name) + 1;
    if (program == NULL) {
        program = hob__alloc(sizeof *program + size);
        if (program == NULL)
            return -ENOMEM;
        memcpy(program->name, given->name, size);
        list_push_back(&w->crew->sim_programs, &program->link);
    }
    program->fn = given->fn;
    program->arg = given->arg;
    program->handles = set_of(given->handles);
    program->ignores = set_of(given->ignores);
    return 0;
}

/* ---- nowhere ---- */

static ssize_t read_nothing(hob_stream *stream, void *buf, size_t len)
{
    (void)stream, (void)buf, (void)len;
    return hob_cancelled();
}

static ssize_t write_nowhere(hob_stream *stream, const void *buf, size_t len)
{
    int code = hob_cancelled();
    (void)stream, (void)buf;
    return code < 0 ? code : (ssize_t)len;
}

static void close_nothing(hob_stream *stream)
{
    (void)stream;
}

static const hob_stream_type null_type = {
    .name = "null",
    .read = read_nothing,
    .write_some = write_nowhere,
    .write = write_nowhere,
    .close = close_nothing,
};
static hob_stream null_stream = { &null_type };

/* ---- the program runs ---- */

static int open_stream(struct sim_run *run, int which, hob_stream **ret_stream)
{
    *ret_stream = &null_stream;
    if (run->how[which] == HOB_STDIO_INHERIT) {
        int r = hob_pipe_from_fd(which, &run->theirs[which]);
        if (r < 0)
            return r;
    }
    if (run->theirs[which] != NULL)
        *ret_stream = hob_pipe_stream(run->theirs[which]);
    return 0;
}

static int run_in_scope(struct sim_run *run)
{
    hob_sim_process *self = &run->self;
    if (open_stream(run, PROCESS_IN, &self->in) < 0 ||
        open_stream(run, PROCESS_OUT, &self->out) < 0 ||
        open_stream(run, PROCESS_ERR, &self->err) < 0)
        return NOT_FOUND;
    if (run->how[PROCESS_ERR] == HOB_STDIO_MERGE)
        self->err = self->out;
    int code = run->program->fn(self);
    return code < 0 ? 1 : code & 0xff;
}

static void close_streams(struct sim_run *run)
{
    for (int i = 0; i < 3; i++) {
        hob_pipe_close(run->theirs[i]);
        run->theirs[i] = NULL;
    }
}

static int run_program(void *arg)
{
    struct sim_run *run = arg;
    HOB_SHIELD(HOB_FOREVER) {
        hob_scope scope;
        hob_scope_begin(&scope);
        run->scope = &scope;
        if (run->cancelled) // before it began
            hob_scope_cancel(&scope, "a signal");
        run->code = run_in_scope(run);
        (void)!hob_scope_end(&scope);
        run->scope = NULL;
    }
    close_streams(run);
    run->is_dead = true;
    return 0;
}

/* ---- starting ---- */

static size_t bytes_of(const char *const *list)
{
    size_t bytes = sizeof *list;
    for (; list != NULL && *list != NULL; list++)
        bytes += sizeof *list + strlen(*list) + 1;
    return bytes;
}

/* The pointers, then the text. */
static const char *const *copy_list(const char *const *list, char **room)
{
    const char **copy = (const char **)*room;
    size_t       count = 0, pad = sizeof *list;
    if (list == NULL)
        return NULL;
    while (list[count] != NULL)
        count++;
    char *text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]) + 1;
        copy[i] = memcpy(text, list[i], len);
        text += len;
    }
    copy[count] = NULL;
    *room = (char *)(((uintptr_t)text + pad - 1) & ~(uintptr_t)(pad - 1));
    return copy;
}

static struct sim_run *run_new(const struct process_order *order, struct program *program)
{
    const hob_process_opts *opts = order->opts;
    size_t folder = opts->directory != NULL ? strlen(opts->directory) + 1 : 0;
    size_t padding = 4 * sizeof(void *);
    struct sim_run *run = hob__alloc_zero(sizeof *run + bytes_of(order->argv) + bytes_of(opts->env) +
                                          bytes_of(opts->env_changes) + folder + padding);
    if (run == NULL)
        return NULL;
    char *room = (char *)(run + 1);
    run->self.argv = copy_list(order->argv, &room);
    run->self.env = copy_list(opts->env, &room);
    run->self.env_changes = copy_list(opts->env_changes, &room);
    run->self.directory = folder > 0 ? memcpy(room, opts->directory, folder) : NULL;
    run->self.arg = program->arg;
    run->program = program;
    run->how[PROCESS_IN] = opts->in;
    run->how[PROCESS_OUT] = opts->out;
    run->how[PROCESS_ERR] = opts->err;
    return run;
}

static int make_pipes(hob_process *p, struct sim_run *run, const void *made_at)
{
    for (int i = 0; i < 3; i++) {
        bool in = i == PROCESS_IN;
        if (run->how[i] == HOB_STDIO_FD)
            return -EBADF;
        if (run->how[i] != HOB_STDIO_PIPE)
            continue;
        int r = hob__pipe_open(made_at, in ? &run->theirs[i] : &p->pipes[i],
                               in ? &p->pipes[i] : &run->theirs[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int start(hob_process *p, struct sim_run *run)
{
    hob_scope    *root = hob_root("simulated processes");
    hob_task_opts task = { .name = run->self.argv[0] };
    if (root == NULL)
        return -ENOMEM;
    run->self.id = p->pid = FIRST_PID + p->worker->crew->sim_processes++;
    run->future = hob_async_with(root, run_program, run, &task);
    return run->future != NULL ? 0 : -ENOMEM;
}

static int sim_launch(hob_process *p, const struct process_order *order, const char **ret_step)
{
    const hob_process_opts *opts = order->opts;
    const char     *name = opts->program != NULL ? opts->program : order->argv[0];
    struct program *program = find(p->worker->crew, name);
    *ret_step = opts->terminal ? "pty" : "dup";
    if (opts->terminal)
        return -ENOTSUP;
    if (opts->fds_count > 0 || opts->sockets_count > 0)
        return -EBADF;
    *ret_step = "exec";
    if (program == NULL)
        return -ENOENT;
    struct sim_run *run = run_new(order, program);
    if (run == NULL)
        return -ENOMEM;
    *ret_step = "pipe";
    int r = make_pipes(p, run, order->made_at);
    if (r == 0) {
        *ret_step = "clone";
        p->sim = run; // before: it may end at once
        r = start(p, run);
    }
    if (r < 0) {
        p->sim = NULL;
        close_streams(run);
        hob__process_close_pipes(p);
        hob__free(run);
    }
    return r;
}

/* ---- a process that runs ---- */

static bool has_no_effect(const struct sim_run *run, int signal)
{
    static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH,
                                    SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (signal == harmless[i])
            return true;
    }
    return signal != SIGKILL && (run->program->ignores >> (signal - 1) & 1) != 0;
}

static int sim_signal(hob_process *p, int signal)
{
    struct sim_run *run = p->sim;
    if (signal < 0 || signal > SIGNAL_MAX)
        return -EINVAL;
    if (signal == 0 || run->is_dead || has_no_effect(run, signal))
        return 0;
    bool handled = signal != SIGKILL && (run->program->handles >> (signal - 1) & 1) != 0;
    if (!handled && (run->killed_by == 0 || signal == SIGKILL))
        run->killed_by = signal;
    run->cancelled = true;
    if (run->scope != NULL)
        hob_scope_cancel(run->scope, "a signal");
    return 0;
}

static int sim_wait(hob_process *p)
{
    int r = HOB_SELECT(NULL, HOB_ENDED(p->sim->future));
    return r < 0 ? r : 0;
}

static bool sim_reap(hob_process *p)
{
    struct sim_run *run = p->sim;
    if (p->is_over)
        return true;
    if (!run->is_dead)
        return false;
    HOB_SHIELD(HOB_FOREVER) {
        (void)!hob_await(run->future);
    }
    p->result.signal = run->killed_by;
    p->result.code = run->killed_by != 0 ? -1 : run->code;
    p->is_over = true;
    p->sim = NULL;
    hob__free(run);
    return true;
}

const struct process_kind hob__process_simulated = {
    .launch = sim_launch,
    .signal = sim_signal,
    .wait = sim_wait,
    .reap = sim_reap,
};
