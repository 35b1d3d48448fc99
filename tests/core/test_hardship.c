/* SPDX-License-Identifier: MIT */
/*
 * A machine that is hard on us (docs/inside/survival.md): signals at every call, a processor that
 * is often taken away, a user who may lock hardly any memory. Everything is slower then, and the
 * same.
 */
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "core/worker.h"
#include "support/io.h"
#include "support/tasks.h"

/* ---- 33: signals ---- */

enum { BYTES_EACH_WAY = 200000 };

struct pipe_end {
    struct traffic traffic;
    hob_pipe     **writer;
};

/* The reader's end of the stream comes with the close. */
static int send_and_close(void *arg)
{
    struct pipe_end *end = arg;
    int r = send_traffic(&end->traffic);
    close_pipe(end->writer);
    return r;
}

/* A bit of everything that asks the kernel: sockets, pipes, files, timers, threads for files. */
static int use_everything(void *folder)
{
    TCP(client);
    TCP(server);
    PIPE(reader);
    PIPE(writer);
    FILE_(file);
    char        path[300], text[8] = "";
    struct nap  naps[10];
    struct stat st;

    check_ok(tcp_pair(&client, &server));
    check_ok(hob_pipe_open(&reader, &writer));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(15 * HOB_SEC));
    struct traffic out = { .stream = hob_tcp_stream(client), .bytes = BYTES_EACH_WAY, .piece = 7001 };
    struct pipe_end into = {
        { .stream = hob_pipe_stream(writer), .bytes = BYTES_EACH_WAY, .piece = 501 }, &writer,
    };
    struct traffic in[2] = {
        { .stream = hob_tcp_stream(server), .bytes = BYTES_EACH_WAY, .piece = 6007 },
        { .stream = hob_pipe_stream(reader), .bytes = BYTES_EACH_WAY, .piece = 600 },
    };
    hob_go(&s, receive_traffic, &in[0]);
    hob_go(&s, send_traffic, &out);
    for (int i = 0; i < 10; i++) {
        naps[i] = (struct nap){ .ns = (i + 1) * HOB_MSEC };
        hob_go(&s, nap, &naps[i]);
    }
    snprintf(path, sizeof path, "%s/f", (char *)folder);
    ignore(hob_sim_put_file(path, "", 0)); // in sim: makes the folder, too
    for (int i = 0; i < 20; i++) {
        check_ok(hob_file_open(path, O_CREAT | O_RDWR | O_TRUNC, 0600, &file));
        check_eq(hob_file_write(file, "on disk", 7), 7);
        check_ok(hob_file_sync(file));
        check_ok(hob_file_stat(file, &st));
        check_eq(st.st_size, 7);
        check_eq(hob_file_pread(file, text, sizeof text, 0), 7);
        check_str(text, "on disk");
        close_file(&file);
    }
    hob_go(&s, receive_traffic, &in[1]);
    hob_go(&s, send_and_close, &into);
    for (int i = 0; i < 10; i++)
        check_ok(hob_sleep(HOB_MSEC));
    return hob_scope_end(&s);
}

static void no_more_interrupts(bool *were_on)
{
    (void)hob__interrupts_stop();
    if (*were_on)
        hob__interrupts_start();
}

TEST_BARE_ON_ALL(hardship, each_call_is_interrupted_once_and_nobody_notices)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", hob_test_scratch());
    CLOSED_BY(no_more_interrupts) bool were_on = hob__interrupts_all();
    hob__interrupts_start();
    check_ok(hob_test_run(use_everything, folder));
    uint64_t interrupted = hob__interrupts_stop();
    if (!in_sim())
        check_gt(interrupted, 50);
}

struct storm {
    timer_t          timer;
    struct sigaction before;
};

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    signals_seen++;
}

/* Ten thousand a second; the handler does not ask for SA_RESTART. */
static struct storm start_storm(void)
{
    struct storm      storm;
    struct sigaction  action = { .sa_handler = on_signal };
    struct sigevent   event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec often = { .it_interval = { 0, 100000 }, .it_value = { 0, 100000 } };

    signals_seen = 0;
    sigaction(SIGUSR1, &action, &storm.before);
    timer_create(CLOCK_MONOTONIC, &event, &storm.timer);
    timer_settime(storm.timer, 0, &often, NULL);
    return storm;
}

static void end_storm(struct storm *storm)
{
    timer_delete(storm->timer);
    sigaction(SIGUSR1, &storm->before, NULL);
}

TEST_BARE_ON_ALL(hardship, a_storm_of_signals_changes_nothing)
{
    char folder[256];
    if (in_sim())
        skip("no system call is interrupted here");
    if (all_is_slow())
        skip("there is no time left between two signals");
    snprintf(folder, sizeof folder, "%s", hob_test_scratch());
    CLOSED_BY(end_storm) struct storm storm = start_storm();
    for (int i = 0; i < 3; i++)
        check_ok(hob_test_run(use_everything, folder));
    check_gt(signals_seen, 20);
}

/* ---- 24: a processor that is taken away ---- */

enum { TIMERS = 200, STOPS = 20 };

/* In a process of its own: lets the other one run for 2 ms in 10, as a quota of 20 % does. */
static __attribute__((noreturn)) void take_away(pid_t whom)
{
    struct timespec off = { 0, 8000000 }, on = { 0, 2000000 };
    for (int i = 0; i < STOPS && kill(whom, SIGSTOP) == 0; i++) {
        nanosleep(&off, NULL);
        kill(whom, SIGCONT);
        nanosleep(&on, NULL);
    }
    kill(whom, SIGCONT);
    _exit(0);
}

static int sleep_often(void *arg)
{
    struct nap naps[TIMERS];
    (void)arg;
    int64_t start = hob_now();
    HOB_SCOPE(s);
    for (int i = 0; i < TIMERS; i++) {
        naps[i] = (struct nap){ .ns = (i % 150 + 1) * HOB_MSEC, .result = 1 };
        check_ok(hob_go(&s, nap, &naps[i]));
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < TIMERS; i++) {
        check_eq(naps[i].result, 0);                      // none is lost
        check_ge(naps[i].woke_at - start, naps[i].ns);    // none is early
    }
    return 0;
}

TEST_BARE_ON_ALL(hardship, timers_are_right_where_the_processor_is_taken_away)
{
    int status;
    if (in_sim())
        skip("virtual time needs no processor");
    if (is_in_valgrind() || is_emulated())
        skip("a fork of these is another process altogether");
    pid_t self = getpid(), helper = fork();
    if (helper == 0)
        take_away(self);
    check_gt(helper, 0);
    int r = hob_test_run(sleep_often, NULL);
    check_eq(waitpid(helper, &status, 0), helper);
    check_ok(r);
}

/* ---- io_uring where hardly any memory may be locked ---- */

enum { CREW = 8, NOBODY = 65534 };

static const char *carried_by[CREW];

static int say_who_carries(void *arg)
{
    (void)arg;
    carried_by[hob_worker_number()] = hob__worker->backend->type->name;
    return hob_sleep(HOB_MSEC);
}

static int go_to_all(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < CREW; i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        check_ok(hob_go_with(&s, say_who_carries, arg, &opts));
    }
    return hob_scope_end(&s);
}

/* In a process of its own: as a user who may lock memory for some rings and not for eight. */
static __attribute__((noreturn)) void be_nobody(void)
{
    struct rlimit little = { 64 << 10, 64 << 10 };
    hob_run_opts  opts = { .workers = CREW, .ring_entries = 256, .slow_ns = -1 };
    if (setrlimit(RLIMIT_MEMLOCK, &little) < 0 || setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 ||
        setuid(NOBODY) < 0)
        _exit(77);
    int r = hob_run_with(&opts, go_to_all, NULL);
    int by_uring = 0, by_epoll = 0;
    for (int i = 0; i < CREW; i++) {
        by_uring += carried_by[i] != NULL && strcmp(carried_by[i], "uring") == 0;
        by_epoll += carried_by[i] != NULL && strcmp(carried_by[i], "epoll") == 0;
    }
    if (r < 0 || by_uring + by_epoll != CREW)
        fprintf(stderr, "%d, with %d on uring and %d on epoll\n", r, by_uring, by_epoll);
    _exit(r < 0 || by_uring + by_epoll != CREW ? 1 : by_epoll > 0 ? 0 : 76);
}

TEST_BARE_ON_ALL(hardship, workers_without_memory_for_a_ring_have_epoll)
{
    int status;
    if (strcmp(hob_test_backend(), "uring") != 0)
        skip("there is no ring");
    if (all_is_slow())
        skip("sanitizers and Valgrind need more than nobody has");
    pid_t child = fork();
    if (child == 0)
        be_nobody();
    check_gt(child, 0);
    check_eq(waitpid(child, &status, 0), child);
    check(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip("only root can become nobody");
    if (WEXITSTATUS(status) == 76)
        skip("this kernel does not count the memory of rings");
    check_eq(WEXITSTATUS(status), 0);
}
