/* SPDX-License-Identifier: MIT */
/*
 * Real processes: from hob_process_opts to base/spawn.h, and what a pidfd can do.
 *
 * What is prepared lies in one plan, which one function takes apart again, however far it got.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "core/worker.h"
#include "hob/fd.h"
#include "hob/time.h"
#include "io/pipe.h"
#include "io/process.h"

enum {
    EXTRA_FDS_MAX = 32,
    LIMITS_MAX = 64,
};

static_assert(3 + EXTRA_FDS_MAX <= SPAWN_FDS_MAX, "the standard ones and the user's have room");
static_assert(sizeof(hob_process_limit) == sizeof(struct spawn_limit), "they are the same");
static_assert(offsetof(hob_process_limit, hard) == offsetof(struct spawn_limit, hard), "in all");

struct plan {
    struct spawn  spawn;
    char         *paths;      /* the text of the candidates        */
    const char  **candidates;
    const char  **env;        /* changed; NULL                     */
    char         *told;       /* what it says of sockets; NULL     */
    int           theirs[3];  /* the child's ends, ours to close   */
    int           ours[3];
    hob_pipe     *pipes[3];
    int           null;       /* /dev/null                         */
    int           slave, master;
    hob_pipe     *terminal;
};

static void close_fd(int fd)
{
    if (fd >= 0)
        hob__sys_close(fd);
}

static void plan_init(struct plan *plan)
{
    *plan = (struct plan){ .null = -1, .slave = -1, .master = -1 };
    for (int i = 0; i < 3; i++)
        plan->theirs[i] = plan->ours[i] = -1;
}

static void plan_fini(struct plan *plan)
{
    for (int i = 0; i < 3; i++) {
        close_fd(plan->theirs[i]);
        close_fd(plan->ours[i]);
        if (plan->pipes[i] != NULL)
            hob__pipe_free(plan->pipes[i]);
    }
    close_fd(plan->null);
    close_fd(plan->slave);
    close_fd(plan->master);
    if (plan->terminal != NULL)
        hob__pipe_free(plan->terminal);
    hob__free(plan->paths);
    hob__free(plan->candidates);
    hob__free(plan->env);
    hob__free(plan->told);
}

/* ---- the program ---- */

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* Each folder of PATH with the name after it. An empty one means the current folder: left out. */
static int list_path(struct plan *plan, const char *path, const char *name)
{
    size_t folders = 1, name_len = strlen(name) + 1;
    for (const char *c = path; *c != '\0'; c++)
        folders += *c == ':';
    plan->candidates = hob__alloc((folders + 1) * sizeof plan->candidates[0]);
    plan->paths = hob__alloc(strlen(path) + folders * (name_len + 1) + 1);
    if (plan->candidates == NULL || plan->paths == NULL)
        return -ENOMEM;

    size_t count = 0;
    char  *to = plan->paths;
    for (const char *from = path; *from != '\0';) {
        size_t len = strcspn(from, ":");
        if (len > 0) {
            plan->candidates[count++] = to;
            memcpy(to, from, len);
            to[len] = '/';
            memcpy(to + len + 1, name, name_len);
            to += len + 1 + name_len;
        }
        from += len + (from[len] == ':');
    }
    plan->candidates[count] = NULL;
    return 0;
}

static int find_program(struct plan *plan, const struct process_order *order)
{
    const char *name = order->opts->program != NULL ? order->opts->program : order->argv[0];
    const char *path = getenv("PATH");
    int         r;
    if (*name == '\0')
        return -ENOENT;
    if (strchr(name, '/') == NULL) {
        r = list_path(plan, path != NULL ? path : "/bin:/usr/bin", name);
    } else {
        plan->candidates = hob__alloc(2 * sizeof plan->candidates[0]);
        r = plan->candidates == NULL ? -ENOMEM : 0;
        if (r == 0)
            memcpy(plan->candidates, (const char *[]){ name, NULL }, 2 * sizeof name);
    }
    plan->spawn.candidates = plan->candidates;
    plan->spawn.argv = order->argv;
    return r;
}

/* ---- the environment ---- */

static size_t find_in(const char **env, size_t count, const char *change)
{
    size_t len = strcspn(change, "="), i = 0;
    while (i < count && (strncmp(env[i], change, len) != 0 || env[i][len] != '='))
        i++;
    return i;
}

static void change_env(const char **env, size_t *count, const char *change)
{
    size_t at = find_in(env, *count, change);
    if (strchr(change, '=') != NULL) {
        env[at] = change;
        *count += at == *count;
    } else if (at < *count) {
        env[at] = env[--*count];
    }
}

/* ---- sockets, as sd_listen_fds(3) wants to be told of them ---- */

#define TELL_PID "LISTEN_PID="
#define TELL_FDS "LISTEN_FDS="
#define TELL_NAMES "LISTEN_FDNAMES="

enum { SOCKET_NAME_MAX = 255, NUMBER_MAX = 11 };

static const char *name_of(const hob_process_socket *socket)
{
    return socket->name != NULL ? socket->name : "unknown";
}

static bool is_socket_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 127 || name[i] == ':')
            return false;
    }
    return len <= SOCKET_NAME_MAX;
}

/* Three texts in one piece of memory, each with its NUL; the child fills in its number. */
static int tell_of_sockets(struct plan *plan, const hob_process_opts *opts, const char *ret_told[4])
{
    size_t size = sizeof TELL_PID + sizeof TELL_FDS + sizeof TELL_NAMES + 2 * NUMBER_MAX;
    ret_told[0] = NULL;
    if (opts->sockets_count == 0)
        return 0;
    if (opts->sockets_count > EXTRA_FDS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < opts->sockets_count; i++) {
        if (!is_socket_name(name_of(&opts->sockets[i])))
            return -EINVAL;
        size += strlen(name_of(&opts->sockets[i])) + 1;
    }
    char *to = plan->told = hob__alloc(size);
    if (to == NULL)
        return -ENOMEM;

    ret_told[0] = to;
    memcpy(to, TELL_PID, sizeof TELL_PID);
    plan->spawn.pid_text = to + sizeof TELL_PID - 1;
    ret_told[1] = to += sizeof TELL_PID + NUMBER_MAX;
    to += sprintf(to, TELL_FDS "%zu", opts->sockets_count) + 1;
    ret_told[2] = to;
    to += sprintf(to, TELL_NAMES);
    for (size_t i = 0; i < opts->sockets_count; i++)
        to += sprintf(to, "%s%s", i > 0 ? ":" : "", name_of(&opts->sockets[i]));
    ret_told[3] = NULL;
    return 0;
}

static int make_env(struct plan *plan, const hob_process_opts *opts)
{
    const char *const *base = opts->env != NULL ? opts->env : (const char *const *)environ;
    size_t             count = count_of(base), changes = count_of(opts->env_changes);
    const char        *told[4];
    static const char *const nothing[] = { NULL };
    plan->spawn.env = base != NULL ? base : nothing;
    int r = tell_of_sockets(plan, opts, told);
    if (r < 0)
        return r;
    changes += count_of(told);
    if (changes == 0)
        return 0;
    plan->env = hob__alloc((count + changes + 1) * sizeof plan->env[0]);
    if (plan->env == NULL)
        return -ENOMEM;
    if (count > 0)
        memcpy(plan->env, base, count * sizeof plan->env[0]);
    for (size_t i = 0; i < count_of(opts->env_changes); i++)
        change_env(plan->env, &count, opts->env_changes[i]);
    for (size_t i = 0; i < count_of(told); i++)
        change_env(plan->env, &count, told[i]);
    plan->env[count] = NULL;
    plan->spawn.env = plan->env;
    return 0;
}

/* ---- descriptors ---- */

static void give(struct plan *plan, int from, int to)
{
    plan->spawn.fds[plan->spawn.fd_count++] = (struct spawn_fd){ from, to };
}

static int set_not_blocking(int fd)
{
    int flags = hob__sys_get_status_flags(fd);
    return flags < 0 ? flags : hob__sys_set_status_flags(fd, flags | O_NONBLOCK);
}

/* Only our end does not block: programs expect theirs to. */
static int make_pipe(struct plan *plan, int which)
{
    int ends[2];
    int r = hob__sys_pipe(ends, O_CLOEXEC);
    if (r < 0)
        return r;
    plan->theirs[which] = ends[which == PROCESS_IN ? 0 : 1];
    plan->ours[which] = ends[which == PROCESS_IN ? 1 : 0];
    plan->pipes[which] = hob__pipe_new();
    if (plan->pipes[which] == NULL)
        return -ENOMEM;
    give(plan, plan->theirs[which], which);
    return set_not_blocking(plan->ours[which]);
}

static int give_null(struct plan *plan, int which)
{
    if (plan->null < 0)
        plan->null = hob__sys_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    if (plan->null < 0)
        return plan->null;
    give(plan, plan->null, which);
    return 0;
}

/* Where standard output leads: what was given for it, or what it is here. */
static void merge(struct plan *plan)
{
    int out = STDOUT_FILENO;
    for (size_t i = 0; i < plan->spawn.fd_count; i++) {
        if (plan->spawn.fds[i].to == STDOUT_FILENO)
            out = plan->spawn.fds[i].from;
    }
    give(plan, out, STDERR_FILENO);
}

static int make_standard(struct plan *plan, int which, hob_stdio how, int fd, const char **step)
{
    switch (how) {
    case HOB_STDIO_INHERIT:
        return 0;
    case HOB_STDIO_NULL:
        *step = "open /dev/null";
        return give_null(plan, which);
    case HOB_STDIO_PIPE:
        *step = "pipe";
        return make_pipe(plan, which);
    case HOB_STDIO_FD:
        give(plan, fd, which);
        return 0;
    case HOB_STDIO_MERGE:
        merge(plan);
        return 0;
    }
    return -EINVAL;
}

static int make_terminal(struct plan *plan, const hob_process_opts *opts)
{
    struct winsize ws = { .ws_row = opts->terminal_size.rows,
                          .ws_col = opts->terminal_size.columns };
    int r = hob__sys_open_pty(&plan->master, &plan->slave);
    if (r == 0 && (ws.ws_row != 0 || ws.ws_col != 0))
        r = hob__sys_set_winsize(plan->master, &ws);
    if (r < 0)
        return r;
    plan->terminal = hob__pipe_new();
    if (plan->terminal == NULL)
        return -ENOMEM;
    for (int i = 0; i < 3; i++)
        give(plan, plan->slave, i);
    plan->spawn.new_session = plan->spawn.take_terminal = true;
    return 0;
}

static int make_fds(struct plan *plan, const hob_process_opts *opts, const char **step)
{
    int r;
    if (opts->terminal) {
        *step = "pty";
        r = make_terminal(plan, opts);
    } else {
        r = make_standard(plan, PROCESS_IN, opts->in, opts->in_fd, step);
        if (r == 0)
            r = make_standard(plan, PROCESS_OUT, opts->out, opts->out_fd, step);
        if (r == 0)
            r = make_standard(plan, PROCESS_ERR, opts->err, opts->err_fd, step);
    }
    if (r < 0)
        return r;
    *step = "dup";
    if (opts->fds_count > EXTRA_FDS_MAX - opts->sockets_count)
        return -EINVAL;
    for (size_t i = 0; i < opts->sockets_count; i++)
        give(plan, opts->sockets[i].fd, 3 + (int)i);
    for (size_t i = 0; i < opts->fds_count; i++) {
        if (opts->fds[i].as < 3 + (int)opts->sockets_count || opts->fds[i].as > SPAWN_FD_NUMBER_MAX)
            return -EINVAL;
        give(plan, opts->fds[i].fd, opts->fds[i].as);
    }
    return 0;
}

/* ---- the rest ---- */

static int take_options(struct plan *plan, const hob_process_opts *opts, const char **step)
{
    struct spawn *s = &plan->spawn;
    *step = "setrlimit";
    if (opts->limits_count > LIMITS_MAX)
        return -EINVAL;
    s->directory = opts->directory;
    s->limits = (const struct spawn_limit *)opts->limits;
    s->limit_count = opts->limits_count;
    s->groups = opts->groups;
    s->group_count = opts->groups_count;
    s->uid = opts->uid;
    s->gid = opts->gid;
    s->umask = opts->umask;
    s->nice = opts->nice;
    s->death_signal = opts->death_signal;
    s->new_session |= opts->new_session;
    s->new_group = opts->new_group || opts->whole_group;
    s->set_umask = opts->set_umask;
    s->set_uid = opts->set_uid;
    s->set_gid = opts->set_gid;
    return 0;
}

static int make_plan(struct plan *plan, const struct process_order *order, const char **step)
{
    *step = "exec";
    int r = find_program(plan, order);
    if (r == 0)
        r = make_env(plan, order->opts);
    if (r == 0)
        r = take_options(plan, order->opts, step);
    if (r == 0)
        r = make_fds(plan, order->opts, step);
    return r;
}

/* Nothing can fail any more. */
static void hand_over_pipes(struct plan *plan, hob_process *p, const void *made_at)
{
    for (int i = 0; i < 3; i++) {
        if (plan->pipes[i] == NULL)
            continue;
        hob__pipe_adopt(plan->pipes[i], plan->ours[i], made_at);
        p->pipes[i] = plan->pipes[i];
        plan->pipes[i] = NULL;
        plan->ours[i] = -1;
    }
    if (plan->terminal != NULL) {
        hob__pipe_adopt(plan->terminal, plan->master, made_at);
        p->terminal = plan->terminal;
        plan->terminal = NULL;
        plan->master = -1;
    }
}

/* The watchdog would blame the task for the time of the clone, which nobody can do without. */
static int spawn_unwatched(const struct spawn *what, struct spawned *ret_child,
                           enum spawn_step *ret_failed)
{
    struct worker *w = hob__worker;
    bool           before = __atomic_exchange_n(&w->sleeps, true, __ATOMIC_RELAXED);
    int            r = hob__spawn(what, ret_child, ret_failed);
    __atomic_store_n(&w->sleeps, before, __ATOMIC_RELAXED);
    return r;
}

static int real_launch(hob_process *p, const struct process_order *order, const char **ret_step)
{
    struct plan     plan;
    struct spawned  child;
    enum spawn_step failed;
    plan_init(&plan);
    int r = make_plan(&plan, order, ret_step);
    if (r == 0) {
        r = spawn_unwatched(&plan.spawn, &child, &failed);
        *ret_step = hob__spawn_step_name(failed);
    }
    if (r == 0) {
        p->pid = child.pid;
        p->pidfd = child.pidfd;
        hand_over_pipes(&plan, p, order->made_at);
    }
    plan_fini(&plan);
    return r;
}

/* ---- a process that runs ---- */

static int real_signal(hob_process *p, int signal)
{
    if (p->whole_group) // nobody else can have the number: its leader is not reaped
        return hob__sys_kill(-p->pid, signal);
    int r = hob__sys_pidfd_send_signal(p->pidfd, signal);
    return r == -ENOSYS ? hob__sys_kill(p->pid, signal) : r; // Valgrind; and the same holds here
}

static int real_wait(hob_process *p)
{
    int r = hob_fd_wait(p->pidfd, POLLIN);
    return r < 0 ? r : 0;
}

static int64_t ns_of(struct timeval time)
{
    return (int64_t)time.tv_sec * HOB_SEC + (int64_t)time.tv_usec * HOB_USEC;
}

static hob_process_result result_of(const siginfo_t *info, const struct rusage *usage)
{
    bool signalled = info->si_code != CLD_EXITED;
    return (hob_process_result){
        .code = signalled ? -1 : info->si_status,
        .signal = signalled ? info->si_status : 0,
        .core_dumped = info->si_code == CLD_DUMPED,
        .user_ns = ns_of(usage->ru_utime),
        .system_ns = ns_of(usage->ru_stime),
        .memory_bytes_max = (int64_t)usage->ru_maxrss * 1024,
    };
}

/* Before the leader is reaped, and its number anybody's. */
static void kill_the_rest(hob_process *p)
{
    siginfo_t info;
    if (!p->whole_group)
        return;
    int r = hob__sys_waitid_pidfd(p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    if (r == 0 && info.si_pid != 0 && hob__sys_kill(-p->pid, SIGKILL) == -EPERM)
        (void)hob__sys_kill(-p->pid, SIGKILL);
}

static bool real_reap(hob_process *p)
{
    siginfo_t     info;
    struct rusage usage = { 0 };
    if (p->is_over)
        return true;
    kill_the_rest(p);
    int r = hob__sys_waitid_pidfd(p->pidfd, &info, WEXITED | WNOHANG, &usage);
    if (r == 0 && info.si_pid == 0)
        return false;
    if (r < 0)
        p->error = r; // -ECHILD: SIGCHLD is ignored, or somebody waits for everything
    else
        p->result = result_of(&info, &usage);
    hob__sys_close(p->pidfd);
    p->pidfd = -1;
    p->is_over = true;
    return true;
}

const struct process_kind hob__process_real = {
    .launch = real_launch,
    .signal = real_signal,
    .wait = real_wait,
    .reap = real_reap,
};
