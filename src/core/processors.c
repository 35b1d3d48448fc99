/* SPDX-License-Identifier: MIT */
/*
 * How many processors this process may use: its affinity, sched_getaffinity(2), and its
 * share of time, cpu.max of cgroups(7) version 2. Looked at once.
 */
#include "core/processors.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not by base/sys.h: what a process may use is no part of a run that a test can break. */

static uint32_t found = 1;

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Processors' worth of time that the cgroup of that path gives; 0: no limit. */
static double share_of(const char *cgroup)
{
    char path[512], text[128];
    long quota, period;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", cgroup);
    if (!read_text(path, text, sizeof text) || sscanf(text, "%ld %ld", &quota, &period) != 2)
        return 0;
    return period > 0 ? (double)quota / (double)period : 0;
}

/* The smallest share on the way up from our cgroup. */
static double smallest_share(void)
{
    char   text[512];
    double smallest = 0;
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return 0;
    char *cgroup = strstr(text, "0::");
    if (cgroup == NULL)
        return 0;
    cgroup += 3;
    cgroup[strcspn(cgroup, "\n")] = '\0';
    for (char *slash; (slash = strrchr(cgroup, '/')) != NULL; *slash = '\0') {
        double share = share_of(cgroup);
        if (share > 0 && (smallest == 0 || share < smallest))
            smallest = share;
    }
    return smallest;
}

static void look(void)
{
    cpu_set_t set;
    double    share = smallest_share();
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        found = (uint32_t)CPU_COUNT(&set);
    if (share > 0 && share < found)
        found = share > 1 ? (uint32_t)(share + 0.5) : 1;
}

uint32_t hob__processors(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return found;
}
