/* SPDX-License-Identifier: MIT */
/*
 * hob/process.h: what a program gets, how it ends, and that nothing of it is left.
 *
 * Most tests run in both worlds, with a few programs that each of them has: real ones made of a
 * shell, and simulated ones. A zombie or a lost child would show at the end of each test.
 */
#include "support/io.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "support/waits.h"

/* Who was started in the background of a script ignores SIGINT, and so would the children. */
static __attribute__((constructor)) void hear_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
}

/* ---- programs ---- */

static int sim_copy(hob_sim_process *self)
{
    char    buf[4096];
    ssize_t n;
    while ((n = hob_stream_read(self->in, buf, sizeof buf)) > 0) {
        if (hob_stream_write(self->out, buf, (size_t)n) < 0)
            return 2;
    }
    return n < 0 ? 2 : 0;
}

static int sim_sleep(hob_sim_process *self)
{
    return hob_sleep(HOB_FOREVER);
}

static int sim_exit_3(hob_sim_process *self)
{
    return 3;
}

static int sim_ready_then_sleep(hob_sim_process *self)
{
    if (hob_stream_write(self->out, "ready\n", 6) == 6)
        (void)!hob_sleep(HOB_FOREVER);
    return 7;
}

static char zeros[300000];

static int sim_talk(hob_sim_process *self)
{
    if (hob_stream_write(self->out, zeros, sizeof zeros) < 0)
        return 1;
    return hob_stream_write(self->err, zeros, sizeof zeros) < 0;
}

static int sim_out_and_err(hob_sim_process *self)
{
    if (hob_stream_write(self->out, "out\n", 4) < 0)
        return 1;
    return hob_stream_write(self->err, "err\n", 4) < 0;
}

static const struct {
    hob_sim_program    sim;
    const char *const *real;
} programs[] = {
    { { .name = "copy", .fn = sim_copy }, (const char *const[]){ "cat", NULL } },
    { { .name = "sleeper", .fn = sim_sleep }, (const char *const[]){ "sleep", "1000", NULL } },
    { { .name = "exit3", .fn = sim_exit_3 }, (const char *const[]){ "sh", "-c", "exit 3", NULL } },
    { { .name = "stubborn", .fn = sim_ready_then_sleep, .ignores = (const int[]){ SIGTERM, 0 } },
      (const char *const[]){ "sh", "-c", "trap '' TERM; echo ready; exec sleep 1000", NULL } },
    { { .name = "polite", .fn = sim_ready_then_sleep, .handles = (const int[]){ SIGTERM, 0 } },
      (const char *const[]){ "sh", "-c",
                             "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", NULL } },
    { { .name = "talker", .fn = sim_talk },
      (const char *const[]){ "sh", "-c",
                             "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", NULL } },
    { { .name = "out_and_err", .fn = sim_out_and_err },
      (const char *const[]){ "sh", "-c", "echo out; echo err >&2", NULL } },
};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

static int learn_programs(void)
{
    for (int i = 0; i < PROGRAMS && in_sim(); i++)
        HOB_TRY(hob_sim_add_program(&programs[i].sim));
    return 0;
}

static const char *const *argv_of(const char *name)
{
    for (int i = 0; i < PROGRAMS; i++) {
        if (strcmp(programs[i].sim.name, name) == 0 && !in_sim())
            return programs[i].real;
    }
    static const char *simulated[2];
    simulated[0] = name;
    return simulated;
}

CLOSER(close_process, hob_process, hob_process_close)
#define PROCESS(name) CLOSED_BY(close_process) hob_process *name = NULL
#define OUTPUT(name)  CLOSED_BY(hob_process_output_free) hob_process_output name = { 0 }

/* Nobody is left, neither alive nor dead. */
static int no_children(void)
{
    siginfo_t info;
    int       r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    return r < 0 && errno == ECHILD;
}

#define PROCESSES_HERE()                                                            \
    do {                                                                            \
        check_ok(learn_programs());                                                 \
        int here_ = can_start();                                                    \
        if (here_ == -ENOSYS)                                                       \
            skip("this system has no descriptors of processes");                    \
    } while (0)

#define REAL_PROCESSES_HERE()                                                       \
    do {                                                                            \
        if (in_sim())                                                               \
            skip("a matter of real processes");                                     \
        PROCESSES_HERE();                                                           \
    } while (0)

/* -ENOSYS where a kernel or an emulator knows no pidfd. */
static int can_start(void)
{
    static int known = 1;
    if (in_sim() || known <= 0)
        return in_sim() ? 0 : known;
    OUTPUT(output);
    int r = hob_process_run(HOB_ARGV("true"), NULL, NULL, &output);
    if (r == 0 || r == -ENOSYS)
        known = r;
    return r;
}

static int try_one(void *arg)
{
    return *(int *)arg = can_start();
}

/* The same question for tests without a runtime. */
static bool can_start_bare(void)
{
    int r = 0;
    ignore(hob_test_run(try_one, &r));
    hob_test_report_clear();
    return r != -ENOSYS;
}

/* ---- starting and ending ---- */

TEST_ON_ALL(process, it_runs_and_tells_its_exit_code)
{
    PROCESSES_HERE();
    hob_process_result result;
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("exit3"), NULL, &p));
    check_gt(hob_process_id(p), 0);
    check_ok(hob_process_wait(p, &result));
    check_eq(result.code, 3);
    check_eq(result.signal, 0);
    check_ok(hob_process_wait(p, &result)); // again
    check_eq(result.code, 3);
    check_err(hob_process_kill(p, SIGTERM), -ESRCH);
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, what_it_reads_and_says_goes_through_pipes)
{
    PROCESSES_HERE();
    hob_process_opts opts = { .in = HOB_STDIO_PIPE, .out = HOB_STDIO_PIPE };
    char             buf[32];
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("copy"), &opts, &p));
    check_eq(hob_pipe_write(hob_process_in(p), "hello", 5), 5);
    check_eq(hob_stream_read_exactly(hob_pipe_stream(hob_process_out(p)), buf, 5), 5);
    check_mem(buf, "hello", 5);
    check(hob_process_err(p) == NULL);
    hob_process_close_in(p);
    check(hob_process_in(p) == NULL);
    check_eq(hob_pipe_read(hob_process_out(p), buf, sizeof buf), 0);
    hob_process_result result;
    check_ok(hob_process_wait(p, &result));
    check_eq(result.code, 0);
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, it_ends_with_its_scope)
{
    PROCESSES_HERE();
    hob_process_result result;
    PROCESS(p);
    {
        HOB_SCOPE(s);
        check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
        check_err(hob_process_result_get(p, &result), -EAGAIN);
        check_ok(hob_scope_end(&s));
    }
    check_ok(hob_process_result_get(p, &result));
    check_eq(result.code, -1);
    check_eq(result.signal, SIGTERM);
    check(no_children());
}

TEST_ON_ALL(process, it_ends_when_its_scope_is_cancelled)
{
    PROCESSES_HERE();
    hob_process_result result;
    PROCESS(p);
    {
        HOB_SCOPE(s);
        check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
        hob_scope_deadline(&s, hob_in(3 * HOB_MSEC));
        check_err(hob_process_wait(p, &result), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ok(hob_process_result_get(p, &result));
    check_eq(result.signal, SIGTERM);
    check(no_children());
}

static int is_ready(hob_process *p)
{
    char buf[6];
    return hob_stream_read_exactly(hob_pipe_stream(hob_process_out(p)), buf, 6) == 6 &&
           memcmp(buf, "ready\n", 6) == 0;
}

TEST_ON_ALL(process, one_that_will_not_end_is_killed_after_its_grace)
{
    PROCESSES_HERE();
    hob_process_opts   opts = { .out = HOB_STDIO_PIPE, .grace_ns = 20 * HOB_MSEC };
    hob_process_result result;
    int64_t            began;
    PROCESS(p);
    {
        HOB_SCOPE(s);
        check_ok(hob_process_start(&s, argv_of("stubborn"), &opts, &p));
        check(is_ready(p));
        began = hob_now();
        check_ok(hob_scope_end(&s));
    }
    check_ge(hob_now() - began, 20 * HOB_MSEC);
    check_ok(hob_process_result_get(p, &result));
    check_eq(result.signal, SIGKILL);
    check(no_children());
}

TEST_ON_ALL(process, one_that_ends_itself_when_asked_has_its_own_code)
{
    PROCESSES_HERE();
    hob_process_opts   opts = { .out = HOB_STDIO_PIPE, .grace_ns = HOB_HOUR };
    hob_process_result result;
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("polite"), &opts, &p));
    check(is_ready(p));
    check_ok(hob_process_end(p, &result));
    check_eq(result.code, 7);
    check_eq(result.signal, 0);
    check_ok(hob_process_end(p, &result)); // it has ended
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, without_grace_it_is_killed_at_once)
{
    PROCESSES_HERE();
    hob_process_opts   opts = { .out = HOB_STDIO_PIPE, .grace_ns = -1 };
    hob_process_result result;
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("polite"), &opts, &p));
    check(is_ready(p));
    check_ok(hob_process_end(p, &result));
    check_eq(result.signal, SIGKILL);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(process, signals_reach_it)
{
    PROCESSES_HERE();
    hob_process_result result;
    char               text[64];
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
    check_ok(hob_process_kill(p, 0));
    check_err(hob_process_kill(p, 999), -EINVAL);
    check_ok(hob_process_kill(p, SIGINT));
    check_ok(hob_process_wait(p, &result));
    check_eq(result.signal, SIGINT);
    check_str(hob_process_describe(&result, text, sizeof text), "signal 2 (Interrupt)");
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(process, without_a_handle_it_still_ends_with_its_scope)
{
    PROCESSES_HERE();
    HOB_SCOPE(s);
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, NULL));
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
    close_process(&p);
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, its_failure_is_no_failure_of_the_scope_and_no_success)
{
    PROCESSES_HERE();
    hob_process_result result;
    HOB_SCOPE(s);
    hob_scope_policy(&s, HOB_FIRST_SUCCESS);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("exit3"), NULL, &p));
    check_ok(hob_process_wait(p, &result));
    settle();
    check_ok(hob_scope_cancelled(&s));
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(process, the_three_styles_wait_for_it)
{
    PROCESSES_HERE();
    HOB_SCOPE(s);
    FOR_EACH_STYLE(wait)
    {
        hob_op             op;
        hob_process_result result;
        PROCESS(p);
        check_ok(hob_process_start(&s, argv_of("exit3"), NULL, &p));
        hob_process_wait_prep(&op, p);
        check_eq(wait(&op), 0);
        check_ok(hob_process_result_get(p, &result));
        check_eq(result.code, 3);
    }
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(process, it_is_a_case_of_select)
{
    PROCESSES_HERE();
    HOB_SCOPE(s);
    PROCESS(stays);
    PROCESS(goes);
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &stays));
    check_ok(hob_process_start(&s, argv_of("exit3"), NULL, &goes));
    check_eq(HOB_SELECT(NULL, HOB_PROCESS_ENDED(stays), HOB_PROCESS_ENDED(goes)), 1);
    check_ok(hob_scope_end(&s));
}

static int wait_too(void *arg)
{
    hob_process_result result;
    HOB_TRY(hob_process_wait(arg, &result));
    return result.signal == SIGTERM ? 0 : -EIO;
}

TEST_ON_ALL(process, many_may_wait_for_it_also_when_the_handle_is_closed)
{
    PROCESSES_HERE();
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, wait_too, p));
    settle();
    check_ok(hob_process_kill(p, SIGTERM));
    close_process(&p);
    check_ok(hob_scope_end(&s));
}

/* ---- what cannot be started ---- */

TEST_ON_ALL(process, a_program_that_is_not_there_is_told_by_start)
{
    PROCESSES_HERE();
    const char      *step = NULL;
    hob_process_opts opts = { .in = HOB_STDIO_PIPE, .ret_failed_step = &step };
    HOB_SCOPE(s);
    PROCESS(p);
    check_err(hob_process_start(&s, HOB_ARGV("hob-no-such-program"), &opts, &p), -ENOENT);
    check(p == NULL);
    check_str(step, "exec");
    check_ok(hob_scope_end(&s));
    check(no_children());
}

static int failure_of(const char *program, const char *directory, const char **step)
{
    hob_process_opts opts = { .directory = directory, .ret_failed_step = step };
    HOB_SCOPE(s);
    int r = hob_process_start(&s, HOB_ARGV(program), &opts, NULL);
    ignore(hob_scope_end(&s));
    return r;
}

static int put_file(char *path, size_t size, const char *name, const char *text, mode_t mode)
{
    snprintf(path, size, "%s/%s", hob_test_scratch(), name);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return -errno;
    fputs(text, f);
    fclose(f);
    return chmod(path, mode) < 0 ? -errno : 0;
}

TEST_ON_ALL(process, each_failure_tells_its_error_and_its_step)
{
    REAL_PROCESSES_HERE();
    hob_test_timeout(60); // of which Valgrind takes many
    const char *step = NULL;
    char        path[256];
    check_err(failure_of("/no/such/program", NULL, &step), -ENOENT);
    check_str(step, "exec");
    check_err(failure_of("", NULL, &step), -ENOENT);
    check_err(failure_of("true", "/no/such/folder", &step), -ENOENT);
    check_str(step, "chdir");
    check_err(failure_of("true", "/dev/null", &step), -ENOTDIR);
    check_str(step, "chdir");
    check_err(failure_of("/dev/null/x", NULL, &step), -ENOTDIR);
    check_ok(put_file(path, sizeof path, "plain", "#!/bin/sh\n", 0644));
    check_err(failure_of(path, NULL, &step), -EACCES);
    check_str(step, "exec");
    check_ok(put_file(path, sizeof path, "script", "exit 0\n", 0755)); // for which a shell is needed
    check_err(failure_of(path, NULL, &step), -ENOEXEC);

    hob_process_opts opts = { .fds = (hob_process_fd[]){ { 900, 5 } }, .fds_count = 1,
                              .ret_failed_step = &step };
    HOB_SCOPE(s);
    check_err(hob_process_start(&s, HOB_ARGV("true"), &opts, NULL), -EBADF);
    check_str(step, "dup");
    opts = (hob_process_opts){ .fds = (hob_process_fd[]){ { 0, 2 } }, .fds_count = 1 };
    check_err(hob_process_start(&s, HOB_ARGV("true"), &opts, NULL), -EINVAL);
    opts = (hob_process_opts){ .limits = (hob_process_limit[]){ { 999, 1, 1 } },
                               .limits_count = 1, .ret_failed_step = &step };
    check_err(hob_process_start(&s, HOB_ARGV("true"), &opts, NULL), -EINVAL);
    check_str(step, "setrlimit");
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, in_a_cancelled_scope_nothing_starts)
{
    PROCESSES_HERE();
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "enough");
    PROCESS(p);
    check_err(hob_process_start(&s, argv_of("exit3"), NULL, &p), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
    check(no_children());
}

/* ---- what the program gets ---- */

/* What a shell says, without the line's end. */
static int ask_shell(const char *script, const hob_process_opts *opts, char *text, size_t size)
{
    OUTPUT(output);
    HOB_TRY(hob_process_run(HOB_ARGV("sh", "-c", script, "sh", "one two", "$HOME"), opts, NULL,
                            &output));
    snprintf(text, size, "%s", output.out);
    text[strcspn(text, "\n")] = '\0';
    return output.result.code == 0 ? 0 : -EIO;
}

#define check_shell(script, opts, expected)                                         \
    do {                                                                            \
        char text_[512];                                                            \
        check_ok(ask_shell((script), (opts), text_, sizeof text_));                 \
        check_str(text_, expected);                                                 \
    } while (0)

TEST_ON_ALL(process, arguments_arrive_as_they_are)
{
    REAL_PROCESSES_HERE();
    check_shell("printf '%s|%s' \"$1\" \"$2\"", NULL, "one two|$HOME");
    hob_process_opts opts = { .program = "sh", .out = HOB_STDIO_PIPE };
    OUTPUT(output);
    check_ok(hob_process_run(HOB_ARGV("other", "-c", "echo $0"), &opts, NULL, &output));
    check_str(output.out, "other\n");
}

TEST_ON_ALL(process, the_environment_is_given_or_changed)
{
    REAL_PROCESSES_HERE();
    setenv("HOB_TEST_KEPT", "kept", 1);
    setenv("HOB_TEST_GONE", "here", 1);
    const char *script = "echo $HOB_TEST_KEPT,$HOB_TEST_GONE,$HOB_TEST_NEW";
    check_shell(script, NULL, "kept,here,");
    hob_process_opts opts = { .env_changes = HOB_ARGV("HOB_TEST_GONE", "HOB_TEST_NEW=a=b",
                                                      "HOB_TEST_NEVER") };
    check_shell(script, &opts, "kept,,a=b");
    opts = (hob_process_opts){ .env = HOB_ARGV("HOB_TEST_NEW=1"),
                               .env_changes = HOB_ARGV("HOB_TEST_NEW=2", "HOB_TEST_KEPT=3") };
    check_shell(script, &opts, "3,,2");
    unsetenv("HOB_TEST_KEPT");
    unsetenv("HOB_TEST_GONE");
}

TEST_ON_ALL(process, folder_umask_limits_and_niceness_are_set)
{
    REAL_PROCESSES_HERE();
    if (is_in_valgrind())
        skip("it keeps descriptors of its own above the limit");
    hob_process_limit limits[] = { { RLIMIT_NOFILE, 57, 58 } };
    hob_process_opts  opts = { .directory = "/", .set_umask = 1, .umask = 027,
                               .limits = limits, .limits_count = 1 };
    check_shell("echo $(pwd) $(umask) $(ulimit -Sn) $(ulimit -Hn)", &opts, "/ 0027 57 58");
    int now = getpriority(PRIO_PROCESS, 0);
    if (now < 15) {
        char expected[16];
        snprintf(expected, sizeof expected, "%d", now + 3);
        opts = (hob_process_opts){ .nice = 3 };
        check_shell("nice", &opts, expected);
    }
}

TEST_ON_ALL(process, another_user_is_for_root)
{
    REAL_PROCESSES_HERE();
    const char      *step = NULL;
    hob_process_opts opts = { .set_uid = 1, .uid = 65534, .set_gid = 1, .gid = 65534,
                              .directory = "/", .ret_failed_step = &step };
    char             text[64];
    int              r = ask_shell("id -u; id -g", &opts, text, sizeof text);
    if (r == -EPERM || r == -EINVAL) { // no root, or one of a namespace with few users
        check_str(step, "setgroups");
        return;
    }
    check_ok(r);
    check_str(text, "65534");
    check_shell("id -G", &opts, "65534");
}

/* SURVIVAL 20: no descriptor of ours, nor a signal of ours, goes into a child. */
TEST_ON_ALL(process, it_gets_the_named_descriptors_and_no_others)
{
    REAL_PROCESSES_HERE();
    int loose[2];
    check_eq(pipe(loose), 0); // without CLOEXEC
    int  moved = fcntl(loose[0], F_DUPFD, 700);
    char fds[64] = "", again[64] = "";
    int  r = ask_shell("echo $(ls /proc/self/fd)", NULL, fds, sizeof fds);
    hob_process_opts opts = { .fds = (hob_process_fd[]){ { loose[0], 9 }, { loose[1], 5 } },
                              .fds_count = 2 };
    int r2 = ask_shell("echo $(ls /proc/self/fd)", &opts, again, sizeof again);
    close(moved);
    close(loose[0]);
    close(loose[1]);
    check_ok(r);
    check_str(fds, "0 1 2 3"); // 3 is that of ls, for the folder
    check_ok(r2);
    check_str(again, "0 1 2 3 5 9");
}

TEST_ON_ALL(process, descriptors_can_trade_places)
{
    REAL_PROCESSES_HERE();
    int a[2], b[2];
    check_eq(pipe2(a, O_CLOEXEC), 0);
    check_eq(pipe2(b, O_CLOEXEC), 0);
    int low = fcntl(a[1], F_DUPFD_CLOEXEC, 20), high = fcntl(b[1], F_DUPFD_CLOEXEC, low + 1);
    hob_process_opts opts = { .fds = (hob_process_fd[]){ { low, high }, { high, low } },
                              .fds_count = 2 };
    char script[128], from_a[8] = "", from_b[8] = "", text[8];
    snprintf(script, sizeof script, "printf x >/proc/self/fd/%d; printf yy >/proc/self/fd/%d", low, high);
    int r = ask_shell(script, &opts, text, sizeof text);
    close(a[1]), close(b[1]), close(low), close(high);
    ignore(read(a[0], from_a, 7));
    ignore(read(b[0], from_b, 7));
    close(a[0]), close(b[0]);
    check_ok(r);
    check_str(from_a, "yy");
    check_str(from_b, "x");
}

/* What this process ignores, a bit for each signal. */
static uint64_t signals_ignored(void)
{
    char     line[256];
    uint64_t ignored = 0;
    FILE    *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "SigIgn:", 7) == 0)
            ignored = strtoull(line + 7, NULL, 16);
    }
    if (status != NULL)
        fclose(status);
    return ignored;
}

TEST_ON_ALL(process, its_signals_are_as_new)
{
    REAL_PROCESSES_HERE();
    sigset_t         block, before;
    struct sigaction ignore_it = { .sa_handler = SIG_IGN }, old;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    sigaction(SIGUSR2, &ignore_it, &old); // as nohup does with SIGHUP
    char wanted[64]; // whoever started the tests may ignore some, too; but SIGPIPE is ignored by us
    snprintf(wanted, sizeof wanted, "SigIgn:\t%016llx",
             (unsigned long long)(signals_ignored() & ~(UINT64_C(1) << (SIGPIPE - 1))));
    OUTPUT(output);
    int r = hob_process_run(HOB_ARGV("cat", "/proc/self/status"), NULL, NULL, &output);
    sigaction(SIGUSR2, &old, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    check_ok(r);
    check_has(output.out, "SigBlk:\t0000000000000000");
    check_has(output.out, wanted);
    check_has(output.out, "SigCgt:\t0000000000000000");
}

TEST_ON_ALL(process, a_session_or_a_group_of_its_own)
{
    REAL_PROCESSES_HERE();
    const char      *script = "set -- $(cut -d' ' -f5,6 /proc/$$/stat); echo $(($1 == $$)) $(($2 == $$))";
    hob_process_opts opts = { 0 };
    check_shell(script, NULL, "0 0");
    opts.new_group = 1;
    check_shell(script, &opts, "1 0");
    opts.new_session = 1;
    check_shell(script, &opts, "1 1");
}

static int said(hob_process *p, char *text, size_t size)
{
    ssize_t n = HOB_TRY(hob_pipe_read(hob_process_out(p), text, size - 1));
    text[n] = '\0';
    return (int)n;
}

TEST_ON_ALL(process, with_the_whole_group_its_children_end_too)
{
    REAL_PROCESSES_HERE();
    hob_process_opts opts = { .out = HOB_STDIO_PIPE, .whole_group = 1 };
    char             text[32];
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, HOB_ARGV("sh", "-c", "sleep 1000 & echo $!; wait"), &opts, &p));
    check_gt(said(p, text, sizeof text), 0);
    check_ok(hob_process_end(p, NULL));
    check_eq(hob_pipe_read(hob_process_out(p), text, sizeof text), 0); // the grandchild had it, too

    close_process(&p);
    check_ok(hob_process_start(&s, HOB_ARGV("sh", "-c", "sleep 1000 & echo $!"), &opts, &p));
    check_gt(said(p, text, sizeof text), 0);
    check_ok(hob_process_wait(p, NULL)); // ended by itself: what is left of the group is killed
    check_eq(hob_pipe_read(hob_process_out(p), text, sizeof text), 0);
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, where_its_output_goes_can_be_chosen)
{
    PROCESSES_HERE();
    {
        OUTPUT(output);
        hob_process_opts opts = { .err = HOB_STDIO_MERGE };
        check_ok(hob_process_run(argv_of("out_and_err"), &opts, NULL, &output));
        check_str(output.out, "out\nerr\n");
        check_str(output.err, "");
    }
    {
        OUTPUT(output);
        hob_process_opts opts = { .out = HOB_STDIO_NULL };
        check_ok(hob_process_run(argv_of("out_and_err"), &opts, NULL, &output));
        check_str(output.out, "");
        check_str(output.err, "err\n");
    }
    if (in_sim())
        return;
    int ends[2];
    check_eq(pipe2(ends, O_CLOEXEC), 0);
    OUTPUT(output);
    hob_process_opts opts = { .out = HOB_STDIO_FD, .out_fd = ends[1], .err = HOB_STDIO_MERGE };
    char             buf[16] = "";
    int              r = hob_process_run(argv_of("out_and_err"), &opts, NULL, &output);
    close(ends[1]);
    ssize_t n = read(ends[0], buf, sizeof buf - 1);
    close(ends[0]);
    check_ok(r);
    check_eq(n, 8);
    check_str(buf, "out\nerr\n");
}

/* ---- a terminal of its own ---- */

static int read_line(hob_pipe *pipe, char *line, size_t size)
{
    size_t len = 0;
    do {
        if (hob_pipe_read(pipe, line + len, 1) != 1)
            return -EIO;
    } while (line[len++] != '\n' && len < size - 1);
    line[len] = '\0';
    return 0;
}

TEST_ON_ALL(process, it_can_have_a_terminal)
{
    REAL_PROCESSES_HERE();
    hob_process_opts opts = { .terminal = 1, .terminal_size = { 33, 77 } };
    char             line[128];
    HOB_SCOPE(s);
    PROCESS(p);
    const char *script = "test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty; read x; stty size;"
                         " echo got $x";
    check_ok(hob_process_start(&s, HOB_ARGV("sh", "-c", script), &opts, &p));
    hob_pipe *t = hob_process_terminal(p);
    check_ok(read_line(t, line, sizeof line));
    check_str(line, "33 77\r\n");
    check_ok(hob_process_resize(p, (hob_terminal_size){ 20, 60 }));
    check_eq(hob_pipe_write(t, "word\n", 5), 5);
    check_ok(read_line(t, line, sizeof line));
    check_str(line, "word\r\n"); // the echo
    check_ok(read_line(t, line, sizeof line));
    check_str(line, "20 60\r\n");
    check_ok(read_line(t, line, sizeof line));
    check_str(line, "got word\r\n");
    check_err(hob_pipe_read(t, line, sizeof line), -EIO);
    hob_process_result result;
    check_ok(hob_process_wait(p, &result));
    check_eq(result.code, 0);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(process, closing_its_terminal_hangs_it_up)
{
    REAL_PROCESSES_HERE();
    signal(SIGHUP, SIG_DFL); // nohup, which may have started us, is inherited
    hob_process_opts   opts = { .terminal = 1 };
    HOB_SCOPE(s);
    PROCESS(p);
    check_ok(hob_process_start(&s, HOB_ARGV("sleep", "1000"), &opts, &p));
    hob_op op;
    hob_process_wait_prep(&op, p);
    hob_promise *ended;
    check_ok(hob_promise_new(&ended));
    hob_op_settle(&s, &op, ended);
    close_process(&p);
    int r = hob_promise_await(ended, NULL); // by SIGHUP, with nobody asking it to end
    hob_promise_free(ended);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check(no_children());
}

/* ---- all in one ---- */

TEST_ON_ALL(process, run_feeds_it_and_takes_what_it_says)
{
    PROCESSES_HERE();
    OUTPUT(output);
    hob_process_input input = { .bytes = "hello", .len = 5 };
    check_ok(hob_process_run(argv_of("copy"), NULL, &input, &output));
    check_eq(output.result.code, 0);
    check_eq(output.out_len, 5);
    check_str(output.out, "hello");
    check_str(output.err, "");
    check(no_children());
}

TEST_ON_ALL(process, more_than_a_pipe_holds_goes_both_ways_without_a_deadlock)
{
    PROCESSES_HERE();
    OUTPUT(output);
    hob_process_input input = { .bytes = zeros, .len = sizeof zeros };
    check_ok(hob_process_run(argv_of("copy"), NULL, &input, &output));
    check_eq(output.out_len, sizeof zeros);
    hob_process_output_free(&output);
    check_ok(hob_process_run(argv_of("talker"), NULL, NULL, &output));
    check_eq(output.out_len, sizeof zeros);
    check_eq(output.err_len, sizeof zeros);
}

TEST_ON_ALL(process, too_much_output_ends_it)
{
    PROCESSES_HERE();
    OUTPUT(output);
    hob_process_input input = { .out_max = 100000, .err_max = sizeof zeros };
    check_err(hob_process_run(argv_of("talker"), NULL, &input, &output), -EMSGSIZE);
    check(output.out == NULL);
    input.out_max = sizeof zeros; // just enough
    check_ok(hob_process_run(argv_of("talker"), NULL, &input, &output));
    check_eq(output.result.code, 0);
    check(no_children());
}

TEST_ON_ALL(process, no_limit_of_its_output_is_one_that_it_never_reaches)
{
    PROCESSES_HERE();
    for (size_t less = 0; less < 4; less++) {
        OUTPUT(output);
        hob_process_input input = { .out_max = SIZE_MAX - less, .err_max = SIZE_MAX - less };
        check_ok(hob_process_run(argv_of("talker"), NULL, &input, &output));
        check_eq(output.out_len, sizeof zeros);
        check_eq(output.err_len, sizeof zeros);
    }
}

TEST_ON_ALL(process, one_that_does_not_read_its_input_is_no_error)
{
    PROCESSES_HERE();
    OUTPUT(output);
    hob_process_input input = { .bytes = zeros, .len = sizeof zeros };
    check_ok(hob_process_run(argv_of("exit3"), NULL, &input, &output));
    check_eq(output.result.code, 3);
}

TEST_ON_ALL(process, a_deadline_ends_what_runs_too_long)
{
    PROCESSES_HERE();
    OUTPUT(output);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
    check_err(hob_process_run(argv_of("sleeper"), NULL, NULL, &output), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check(no_children());
}

/* ---- nothing is left ---- */

static int run_copy(void *arg)
{
    OUTPUT(output);
    hob_process_input input = { .bytes = zeros, .len = 10000 };
    HOB_TRY(hob_process_run(argv_of("copy"), NULL, &input, &output));
    return output.out_len == 10000 && output.result.code == 0 ? 0 : -EIO;
}

/* Whatever it waits for when it is cancelled, nobody is left. */
TEST_ON_ALL(process, cancelled_at_any_moment_it_leaves_nothing)
{
    PROCESSES_HERE();
    int rounds = in_sim() ? 60 : all_is_slow() ? 20 : 60;
    for (int i = 0; i < rounds; i++) {
        HOB_SCOPE(s);
        check_ok(hob_go(&s, run_copy, NULL));
        int64_t after_ns = (int64_t)(hob_random() % (in_sim() ? 20 : 4 * HOB_MSEC));
        for (int64_t turn = 0; in_sim() && turn < after_ns; turn++)
            hob_yield();
        if (!in_sim())
            check_ok(hob_sleep(after_ns));
        hob_scope_cancel(&s, "the test says so");
        int r = hob_scope_end(&s);
        check(r == 0 || r == -ECANCELED);
        check(no_children());
    }
}

/* The same by count: first the waits of a run that nobody disturbs, then a cancellation at each. What
 * waits is hob_process_run, and the two tasks of its pipes. */
TEST_ON_ALL(process, cancelled_at_any_wait_it_leaves_nothing)
{
    PROCESSES_HERE();
    hob_test_timeout(60);
    struct cancelled whole = { .fn = run_copy };
    check_ok(cancel_at_wait(&whole));
    check_ok(whole.result);
    check_gt(whole.waits, 3);
    uint64_t step = all_is_slow() && !in_sim() ? 3 : 1;
    int      cancelled = 0;
    for (uint64_t at = 1; at <= whole.waits + 3; at += step) {
        struct cancelled c = { .fn = run_copy, .at = at };
        check_ok(cancel_at_wait(&c));
        check(c.result == 0 || (c.result == -ECANCELED && c.was_there));
        check(no_children());
        cancelled += c.result != 0;
    }
    check_gt(cancelled, 1);
}

static int run_one_and_end_one(void *arg)
{
    hob_process_opts opts = { .grace_ns = 5 * HOB_MSEC };
    HOB_SCOPE(s);
    HOB_TRY(hob_process_start(&s, argv_of("sleeper"), &opts, NULL));
    HOB_TRY(run_copy(NULL));
    return hob_scope_end(&s);
}

/* As torture in sim: each system call and each allocation of a run fails in turn. */
TEST_AS(process, each_call_that_fails_leaves_no_zombie_and_no_descriptor,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim() || is_emulated() || !can_start_bare())
        skip("a matter of real processes");
    hob_test_timeout(60);
    hob__fault_start(INT64_MAX);
    check_ok(hob_test_run(run_one_and_end_one, NULL));
    uint64_t points = hob__fault_stop(), step = all_is_slow() ? 7 : 1;
    for (uint64_t at = hob_test_seed() % step; at < points + 10; at += step) {
        hob__fault_start(at);
        ignore(hob_test_run(run_one_and_end_one, NULL));
        hob__fault_stop();
        hob_test_report_clear();
        if (!no_children())
            fail("a process was left at point %d of %d", (int)at, (int)points);
    }
}

static int run_some(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        OUTPUT(output);
        HOB_TRY(hob_process_run(argv_of("exit3"), NULL, NULL, &output));
        check_eq(output.result.code, 3);
    }
    return 0;
}

/* SURVIVAL 20. */
TEST_AS(process, hundreds_leave_no_zombie, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    PROCESSES_HERE();
    hob_test_timeout(hob_test_is_deep() ? 300 : 60);
    int each = hob_test_is_deep() ? 1250 : all_is_slow() ? 5 : 25;
    HOB_SCOPE(s);
    for (int i = 0; i < 8; i++)
        check_ok(hob_go(&s, run_some, &each));
    check_ok(hob_scope_end(&s));
    check(no_children());
}

TEST_ON_ALL(process, where_others_take_the_results_that_is_told)
{
    REAL_PROCESSES_HERE();
    struct sigaction ignored = { .sa_handler = SIG_IGN }, before;
    sigaction(SIGCHLD, &ignored, &before); // children are reaped by the kernel
    hob_process_result result;
    int                r, r2;
    {
        HOB_SCOPE(s);
        PROCESS(p);
        r = hob_process_start(&s, argv_of("exit3"), NULL, &p);
        r2 = r == 0 ? hob_process_wait(p, &result) : r;
        ignore(hob_scope_end(&s));
    }
    sigaction(SIGCHLD, &before, NULL);
    check_ok(r);
    check_err(r2, -ECHILD);
}

/* ---- random steps beside a model ---- */

/* What a process should be by now. */
struct expected {
    const char        *program;
    hob_process       *process; /* NULL: closed */
    bool               is_dead;
    hob_process_result result;
};

static void expect_signal(struct expected *e, int signal)
{
    bool polite = strcmp(e->program, "polite") == 0, stubborn = strcmp(e->program, "stubborn") == 0;
    if (e->is_dead || signal == 0 || signal == SIGCONT || (signal == SIGTERM && stubborn))
        return;
    e->is_dead = true;
    if (signal == SIGTERM && polite)
        e->result.code = 7;
    else
        e->result = (hob_process_result){ .code = -1, .signal = signal };
}

static int check_expected(const struct expected *e)
{
    hob_process_result result = { 0 };
    if (e->process == NULL)
        return 0;
    int r = hob_process_result_get(e->process, &result);
    check_eq(r, e->is_dead ? 0 : -EAGAIN);
    check_eq(hob_process_kill(e->process, 0), e->is_dead ? -ESRCH : 0);
    check_eq(result.code, e->is_dead ? e->result.code : 0);
    check_eq(result.signal, e->is_dead ? e->result.signal : 0);
    return 0;
}

static int do_something(struct expected *e)
{
    static const int signals[] = { 0, SIGCONT, SIGTERM, SIGINT, SIGKILL };
    int              signal = signals[hob_random() % 5];
    switch (e->process == NULL ? 9 : hob_random() % 8) {
    case 0:
        check_ok(hob_process_end(e->process, NULL)); // the stubborn are killed after their grace
        expect_signal(e, SIGTERM);
        expect_signal(e, SIGKILL);
        return 0;
    case 1: {
        HOB_SCOPE(s); // given up at once; and it goes on
        hob_scope_deadline(&s, hob_in(HOB_MSEC));
        check_eq(hob_process_wait(e->process, NULL), e->is_dead ? 0 : -ETIMEDOUT);
        ignore(hob_scope_end(&s));
        return 0;
    }
    case 2:
        close_process(&e->process);
        return 0;
    case 3:
    case 4:
        check_eq(hob_process_kill(e->process, signal), e->is_dead ? -ESRCH : 0);
        expect_signal(e, signal);
        return 0;
    default:
        return hob_sleep(HOB_MSEC);
    }
}

static void close_all(struct expected (*all)[4])
{
    for (int i = 0; i < 4; i++)
        hob_process_close((*all)[i].process);
}

static int random_steps(void *arg)
{
    static const char *const names[] = { "sleeper", "polite", "stubborn" };
    hob_process_opts opts = { .in = HOB_STDIO_NULL, .out = HOB_STDIO_NULL, .grace_ns = HOB_SEC };
    CLOSED_BY(close_all) struct expected all[4] = { 0 };
    {
        HOB_SCOPE(s);
        for (int i = 0; i < 4; i++) {
            all[i].program = names[hob_random() % 3];
            HOB_TRY(hob_process_start(&s, argv_of(all[i].program), &opts, &all[i].process));
        }
        settle();
        for (int step = 0; step < 40; step++) {
            HOB_TRY(do_something(&all[hob_random() % 4]));
            settle();
            for (int i = 0; i < 4; i++)
                HOB_TRY(check_expected(&all[i]));
        }
        if (hob_random() % 2 == 0)
            hob_scope_cancel(&s, "enough");
        ignore(hob_scope_end(&s));
    }
    for (int i = 0; i < 4; i++) { // the scope has ended them
        expect_signal(&all[i], SIGTERM);
        expect_signal(&all[i], SIGKILL);
        HOB_TRY(check_expected(&all[i]));
    }
    return 0;
}

TEST(process, random_steps_agree_with_a_model)
{
    check_ok(learn_programs());
    for (int round = 0; round < 10; round++)
        check_ok(random_steps(NULL));
}

static int leave_one(void *arg)
{
    check_ok(learn_programs());
    hob_process **p = arg;
    HOB_SCOPE(s);
    hob_process_opts opts = { .out = HOB_STDIO_PIPE };
    return hob_process_start(&s, argv_of("exit3"), &opts, p);
}

TEST_BARE_ON_ALL(process, one_that_is_left_open_is_told_and_closed)
{
    hob_process *p;
    if (!can_start_bare())
        skip("this system has no descriptors of processes");
    check_ok(hob_test_run(leave_one, &p));
    check_has(hob_test_report_text(), "left at the end: a process, made at");
    check(no_children());
}

/* ---- a parent that dies ---- */

static int start_two_that_die_with_us(void *arg)
{
    hob_process_opts opts = { .out = HOB_STDIO_FD, .out_fd = *(int *)arg, .death_signal = SIGKILL };
    HOB_SCOPE(s);
    HOB_TRY(hob_process_start(&s, HOB_ARGV("sleep", "1000"), &opts, NULL));
    HOB_TRY(hob_process_start(&s, HOB_ARGV("sleep", "1000"), &opts, NULL));
    ignore(write(*(int *)arg, "2", 1));
    return hob_sleep(HOB_FOREVER);
}

/* They hold the writing end of a pipe: when it ends, so have they. */
TEST_BARE_ON_ALL(process, a_parent_that_is_killed_leaves_no_child_behind)
{
    if (in_sim() || is_in_valgrind() || is_emulated() || !can_start_bare())
        skip("a matter of real processes");
    int  ends[2];
    char c = 0;
    check_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        die_with_parent();
        close(ends[0]);
        hob_run_opts opts = { .backend = hob_test_backend(), .slow_ns = -1 };
        _exit(hob_run_with(&opts, start_two_that_die_with_us, &ends[1]) != 0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &c, 1);
    kill(parent, SIGKILL);
    ssize_t end = n == 1 ? read(ends[0], &c, 1) : -1;
    close(ends[0]);
    waitpid(parent, NULL, 0);
    check_eq(n, 1);
    check_eq(end, 0);
}

/* The program beside this one. */
static void path_of_family(char *path, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    path[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        snprintf(slash, size - (size_t)(slash - path), "/io/family");
}

/* Kills the eldest of a family when it has been there for `after_ns`. True: all are gone. */
static bool family_dies(const char *path, int64_t after_ns)
{
    int   ends[2];
    char  number[12], buf[64];
    pid_t eldest;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    snprintf(number, sizeof number, "%d", ends[1]);
    eldest = fork();
    if (eldest == 0) {
        die_with_parent();
        fcntl(ends[1], F_SETFD, 0);
        setenv("HOB_BACKEND", hob_test_backend(), 1);
        execl(path, path, "2", number, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    bool began = read(ends[0], buf, 1) == 1;
    usleep((useconds_t)(after_ns / HOB_USEC));
    kill(eldest, SIGKILL);
    while (read(ends[0], buf, sizeof buf) > 0) // until nobody has the other end
        ;
    close(ends[0]);
    waitpid(eldest, NULL, 0);
    return began;
}

/* SURVIVAL 20: children and grandchildren are started all the time, by both workers; whenever it comes,
 * none remains: not one that was just being made, either. */
TEST_AS(process, a_parent_killed_at_any_moment_leaves_no_child_and_no_grandchild,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim() || is_in_valgrind() || is_emulated() || !can_start_bare())
        skip("a matter of real processes");
    char path[512];
    path_of_family(path, sizeof path);
    int rounds = hob_test_is_deep() ? 400 : all_is_slow() ? 10 : 40;
    hob_test_timeout(hob_test_is_deep() ? 300 : 60);
    uint64_t chance = hob_test_seed();
    for (int i = 0; i < rounds; i++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        if (!family_dies(path, (int64_t)(chance >> 33) % (30 * HOB_MSEC)))
            fail("%s did not begin", path);
    }
}

TEST_DIES(process, a_closed_one_is_refused, "*hob_process_wait: this is no process, or it was closed*")
{
    check_ok(learn_programs());
    HOB_SCOPE(s);
    hob_process *p;
    check_ok(hob_process_start(&s, argv_of("sleeper"), NULL, &p));
    hob_process_close(p);
    ignore(hob_process_wait(p, NULL));
}
