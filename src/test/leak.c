/* SPDX-License-Identifier: MIT */
/*
 * The leak check: looks at the process before and after a test.
 *
 * It compares the numbers of open descriptors one by one, the threads, and the
 * blocks and bytes of Hob's memory. What a runtime still had open when it ended it
 * reports itself, with the place where that was made.
 */
#include "test/state.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum { FDS_SEEN_MAX = 65536, WAIT_FOR_THREADS_MS = 5000 };

static struct {
    unsigned char fds[FDS_SEEN_MAX / 8];
    unsigned      threads;
    uint64_t      blocks, bytes;
} before;

static bool has_fd(const unsigned char *fds, int fd)
{
    return fds[fd / 8] >> (fd % 8) & 1;
}

/* The descriptors that are open, except the one that looks. */
static void read_fds(unsigned char *fds)
{
    memset(fds, 0, FDS_SEEN_MAX / 8);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < FDS_SEEN_MAX)
            fds[fd / 8] |= (unsigned char)(1 << fd % 8);
    }
    closedir(dir);
}

static unsigned count_threads(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void *do_nothing(void *arg)
{
    return arg;
}

/* ThreadSanitizer starts a thread of its own together with the first one of the program, and
 * keeps it: then it is there before anybody counts. */
static void start_the_sanitizers_thread(void)
{
    static bool   done;
    pthread_t     thread;
    if (!done && pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        pthread_join(thread, NULL);
    done = true;
}

void hob__test_leak_begin(void)
{
    start_the_sanitizers_thread();
    read_fds(before.fds);
    before.threads = count_threads();
    before.blocks = hob__alloc_blocks();
    before.bytes = hob__alloc_bytes();
}

static void check_fds(void)
{
    static unsigned char after[FDS_SEEN_MAX / 8];
    read_fds(after);
    for (int fd = 0; fd < FDS_SEEN_MAX; fd++) {
        if (has_fd(after, fd) == has_fd(before.fds, fd))
            continue;
        if (!has_fd(after, fd)) {
            hob__test_show_failure("descriptor %d was closed, and it was not the test's", fd);
            continue;
        }
        char link[64], target[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
        hob__test_show_failure("left over: descriptor %d, %s", fd, target);
        close(fd); // so that the next test is not blamed
    }
}

/* A thread that was joined, and those that the kernel had for a ring, may be listed for a while
 * longer: on a busy machine for more than a second. */
static void check_threads(void)
{
    unsigned now = count_threads();
    for (int i = 0; i < WAIT_FOR_THREADS_MS && now > before.threads; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        now = count_threads();
    }
    if (now > before.threads)
        hob__test_show_failure("left over: %u thread(s)", now - before.threads);
}

static void check_memory(void)
{
    int64_t blocks = (int64_t)(hob__alloc_blocks() - before.blocks);
    int64_t bytes = (int64_t)(hob__alloc_bytes() - before.bytes);
    if (blocks != 0 || bytes != 0)
        hob__test_show_failure("left over: %lld block(s) of Hob's memory, %lld bytes",
                               (long long)blocks, (long long)bytes);
}

void hob__test_leak_check(void)
{
    check_fds();
    check_threads();
    check_memory();
}
