/* SPDX-License-Identifier: MIT */
/*
 * What the programs in bench/ share: the clock of CPU time, the form of the answer,
 * and a listening socket.
 *
 * A program prints lines of "name number"; bench/run.py reads them. A server prints
 * "port N" and serves until it is killed, for five minutes at most.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BENCH_SERVE_SECONDS_MAX = 300 };

static inline void bench_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* CPU time of all threads of this process. */
static inline int64_t bench_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t bench_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* CPU time of all threads of another process, to the nanosecond, while it sleeps. */
static inline int64_t bench_process_cpu_ns(int pid)
{
    char           path[300];
    int64_t        sum = 0;
    struct dirent *entry;
    DIR           *dir;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    dir = opendir(path);
    if (dir == NULL)
        bench_die("the server is gone");
    while ((entry = readdir(dir)) != NULL) {
        long long ns = 0;
        FILE     *f;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        f = fopen(path, "r");
        if (f != NULL) {
            if (fscanf(f, "%lld", &ns) == 1)
                sum += ns;
            fclose(f);
        }
    }
    closedir(dir);
    return sum;
}

static inline void bench_print(const char *name, double value)
{
    printf("%s %.4f\n", name, value);
    fflush(stdout);
}

/* Says where the server listens, and bounds its life. */
static inline void bench_serving(unsigned port)
{
    alarm(BENCH_SERVE_SECONDS_MAX);
    printf("port %u\n", port);
    fflush(stdout);
}

/* The line "VmHWM: 123 kB" of /proc/self/status, in bytes. */
static inline double bench_status_bytes(const char *name)
{
    char   line[256];
    size_t len = strlen(name);
    double bytes = 0;
    FILE  *f = fopen("/proc/self/status", "r");

    if (f == NULL)
        bench_die("/proc/self/status");
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            bytes = strtod(line + len + 1, NULL) * 1024;
    fclose(f);
    return bytes;
}

/* A socket that listens on a port of 127.0.0.1 that the kernel chose. */
static inline int bench_listen(int type_flags, unsigned *ret_port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          len = sizeof addr;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        bench_die("listen");
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

static inline void bench_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A small fast generator (xorshift), the same numbers in each run. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
