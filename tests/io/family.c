/* SPDX-License-Identifier: MIT */
/*
 * A family: starts children for ever, which start children, which only sleep; in tasks of two workers.
 *
 *     family GENERATIONS FD
 *
 * All of them have the descriptor: it is closed when the last has ended. A byte is written to it by each
 * that begins. test_process.c kills the eldest.
 */
#include <stdlib.h>
#include <unistd.h>

#include <hob.h>

enum { CHILDREN = 3, MOST_NAPS = 8 };

static const char *program;
static int         generations, fd;

/* A child that dies with us, and is ended after a while. */
static int bear(void *arg)
{
    char             left[12], number[12];
    hob_process_fd   fds[] = { { fd, fd } };
    hob_process_opts opts = { .fds = fds, .fds_count = 1, .death_signal = SIGKILL, .grace_ns = -1 };
    (void)arg;
    snprintf(left, sizeof left, "%d", generations - 1);
    snprintf(number, sizeof number, "%d", fd);
    HOB_SCOPE(s);
    if (hob_process_start(&s, HOB_ARGV(program, left, number), &opts, NULL) < 0)
        return hob_sleep(HOB_MSEC); // no process to be had for the moment
    return hob_sleep((int64_t)(hob_random() % MOST_NAPS) * HOB_MSEC);
}

static int bear_for_ever(void *arg)
{
    for (;;)
        HOB_TRY(bear(arg));
}

static int live(void *arg)
{
    (void)arg;
    if (write(fd, ".", 1) != 1 || generations == 0)
        return hob_sleep(HOB_HOUR);
    HOB_SCOPE(s);
    for (int i = 0; i < CHILDREN; i++) {
        hob_task_opts opts = { .where = HOB_ON((uint32_t)i % hob_workers()) };
        HOB_TRY(hob_go_with(&s, bear_for_ever, NULL, &opts));
    }
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    program = argv[0];
    generations = atoi(argv[1]);
    fd = atoi(argv[2]);
    hob_run_opts opts = { .workers = 2, .slow_ns = -1 };
    return hob_run_with(&opts, live, NULL) < 0;
}
