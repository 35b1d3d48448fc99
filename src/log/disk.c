/* SPDX-License-Identifier: MIT */
/* The two disks of log/sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "hob/path.h"
#include "log/sink.h"

enum { LOOK_MS = 100 };

/* ---- the real one ---- */

/* A FIFO that nobody reads is an error, not a wait. */
static int real_open(const char *path, struct log_file *ret_file, int64_t *ret_size)
{
    struct stat st;
    int         fd = STDERR_FILENO, r;
    if (path != NULL)
        fd = hob__sys_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           LOG_FILE_MODE);
    if (fd < 0)
        return fd;
    r = hob__sys_fstat(fd, &st);
    if (r < 0) {
        if (path != NULL)
            close(fd);
        return r;
    }
    *ret_file = (struct log_file){ .fd = fd, .is_regular = S_ISREG(st.st_mode) };
    *ret_size = st.st_size;
    return 0;
}

/* So much that a pipe takes it at once, and in one piece; whole lines if there are any. */
static size_t piece_for_pipe(const char *bytes, size_t len)
{
    if (len <= PIPE_BUF)
        return len;
    const char *newline = memrchr(bytes, '\n', PIPE_BUF);
    return newline != NULL ? (size_t)(newline + 1 - bytes) : PIPE_BUF;
}

static ssize_t real_write(struct log_file *file, const char *bytes, size_t len)
{
    if (file->is_regular)
        return hob__sys_write(file->fd, bytes, len);
    struct pollfd look = { .fd = file->fd, .events = POLLOUT };
    int           r = hob__sys_poll(&look, 1, LOOK_MS);
    if (r == 0 || r == -EINTR)
        return -EAGAIN;
    if (r < 0)
        return r;
    ssize_t n = hob__sys_write(file->fd, bytes, piece_for_pipe(bytes, len));
    if (n == -EAGAIN) // there is room, but too little
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return n;
}

static void real_close(struct log_file *file)
{
    if (file->fd != STDERR_FILENO)
        close(file->fd);
    file->fd = -1;
}

static int real_rename(const char *from, const char *to)
{
    return hob__sys_renameat(AT_FDCWD, from, to, 0);
}

static int real_exists(const char *path)
{
    return hob__sys_faccessat(AT_FDCWD, path, F_OK, 0);
}

const struct log_disk hob__log_disk_real = { real_open, real_write, real_close, real_rename,
                                             real_exists };

/* ---- that of sim, for tasks ---- */

static int sim_open(const char *path, struct log_file *ret_file, int64_t *ret_size)
{
    hob_file   *file;
    struct stat st;
    int         r = hob_file_open(path, O_WRONLY | O_APPEND | O_CREAT, LOG_FILE_MODE, &file);
    if (r < 0)
        return r;
    r = hob_file_stat(file, &st);
    if (r < 0) {
        hob_file_close(file);
        return r;
    }
    *ret_file = (struct log_file){ .fd = -1, .in_sim = file, .is_regular = true };
    *ret_size = st.st_size;
    return 0;
}

static ssize_t sim_write(struct log_file *file, const char *bytes, size_t len)
{
    return hob_file_write(file->in_sim, bytes, len);
}

static void sim_close(struct log_file *file)
{
    hob_file_close(file->in_sim);
    file->in_sim = NULL;
}

static int sim_rename(const char *from, const char *to)
{
    return hob_path_rename(from, to, 0);
}

static int sim_exists(const char *path)
{
    return hob_path_access(path, F_OK);
}

const struct log_disk hob__log_disk_sim = { sim_open, sim_write, sim_close, sim_rename,
                                            sim_exists };
