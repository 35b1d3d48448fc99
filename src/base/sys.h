/* SPDX-License-Identifier: MIT */
/*
 * Every system call once.
 *
 * Each function is the call of its name and returns what that returns, or a
 * negative errno; errno itself means nothing afterwards. A call that was
 * interrupted by a signal is made again, except where it says otherwise. Each
 * one that can fail can be made to fail on purpose (fault.h). Any thread.
 */
#ifndef HOB_BASE_SYS_H
#define HOB_BASE_SYS_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct epoll_event;
struct iovec;
struct mmsghdr;
struct msghdr;
struct pollfd;
struct sockaddr;
struct stat;
struct statvfs;
struct statx;
struct timespec;

/* Memory. */
int hob__sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset,
                  void **ret_map);
int hob__sys_munmap(void *addr, size_t len);
int hob__sys_madvise(void *addr, size_t len, int advice);
int hob__sys_mprotect(void *addr, size_t len, int prot);
int hob__sys_mincore(void *addr, size_t len, unsigned char *vec);

/* process_madvise on ourselves: returns how many bytes were advised, perhaps
 * fewer than asked for. -EPERM, -EINVAL: this kernel lets nobody, or not for
 * this advice. */
ssize_t hob__sys_madvise_many(const struct iovec *iov, size_t count, int advice);

/* Descriptors of every kind. close cannot fail and is never made twice: after an
 * error the number is gone all the same. */
void    hob__sys_close(int fd);
int     hob__sys_dup(int fd); /* CLOEXEC */
int     hob__sys_get_status_flags(int fd); /* F_GETFL */
int     hob__sys_set_status_flags(int fd, int flags);
int     hob__sys_set_cloexec(int fd);
ssize_t hob__sys_read(int fd, void *buf, size_t len);
ssize_t hob__sys_write(int fd, const void *buf, size_t len);
/* The same, but -EAGAIN instead of waiting, also on a blocking descriptor and on a
 * file that is not in memory; -EOPNOTSUPP where the kernel cannot tell. offset -1:
 * at the descriptor's position. */
ssize_t hob__sys_read_now(int fd, void *buf, size_t len, off_t offset);
ssize_t hob__sys_write_now(int fd, const void *buf, size_t len, off_t offset);
int     hob__sys_pipe(int fds[2], int flags);
ssize_t hob__sys_splice(int from, int to, size_t len); /* never waits for a pipe */
int     hob__sys_eventfd(unsigned initial, int flags);
int     hob__sys_timerfd(int flags); /* of the monotonic clock */
void    hob__sys_timerfd_set(int fd, int64_t when_ns); /* 0: never; cannot fail */
void    hob__sys_eventfd_raise(int fd); /* adds 1; cannot fail, keeps errno; in signal handlers too */
int     hob__sys_poll(struct pollfd *fds, size_t count, int timeout_ms); /* -EINTR at a signal */

/* Files. */
int64_t hob__sys_seek(int fd, int64_t offset, int whence);
int     hob__sys_open(const char *path, int flags, mode_t mode);
ssize_t hob__sys_pread(int fd, void *buf, size_t len, off_t offset);
ssize_t hob__sys_pwrite(int fd, const void *buf, size_t len, off_t offset);
int     hob__sys_fsync(int fd);
int     hob__sys_fstat(int fd, struct stat *ret_stat);
int     hob__sys_stat(const char *path, struct stat *ret_stat);
int     hob__sys_unlink(const char *path);

/* Files and folders, in sys_file.c. A path is relative to `dir`, which may be AT_FDCWD; where it may
 * be NULL, `dir` (or `fd`) itself is meant. `follow`: the last name, if it is a symbolic link. */
int     hob__sys_openat(int dir, const char *path, int flags, mode_t mode);
int     hob__sys_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
int     hob__sys_renameat(int dir, const char *from, const char *to, unsigned flags);
int     hob__sys_linkat(int dir, const char *from, const char *to, int flags);
int     hob__sys_link_fd(int fd, const char *to); /* by way of /proc: an O_TMPFILE's first name */
int     hob__sys_symlinkat(const char *target, int dir, const char *path);
ssize_t hob__sys_readlinkat(int dir, const char *path, char *buf, size_t len);
int     hob__sys_unlinkat(int dir, const char *path, int flags);
int     hob__sys_mkdirat(int dir, const char *path, mode_t mode);
int     hob__sys_statx(int dir, const char *path, int flags, unsigned mask,
                       struct statx *ret_stat);
void    hob__stat_from_statx(const struct statx *from, struct stat *to); /* no call */
int     hob__sys_chmod(int dir, const char *path, mode_t mode);
int     hob__sys_chown(int dir, const char *path, uid_t uid, gid_t gid, int flags);
int     hob__sys_utimens(int dir, const char *path, const struct timespec times[2], int flags);
int     hob__sys_faccessat(int dir, const char *path, int mode, int flags);
ssize_t hob__sys_getxattr(int fd, const char *path, bool follow, const char *name, void *value,
                          size_t len);
int     hob__sys_setxattr(int fd, const char *path, bool follow, const char *name,
                          const void *value, size_t len, int flags);
ssize_t hob__sys_listxattr(int fd, const char *path, bool follow, char *names, size_t len);
int     hob__sys_removexattr(int fd, const char *path, bool follow, const char *name);
ssize_t hob__sys_getdents(int fd, void *buf, size_t len);
int     hob__sys_statvfs(int fd, const char *path, struct statvfs *ret_stat);
int     hob__sys_truncate(int fd, const char *path, off_t len);
int     hob__sys_fallocate(int fd, int mode, off_t offset, off_t len);
int     hob__sys_fdatasync(int fd);
ssize_t hob__sys_preadv(int fd, const struct iovec *iov, size_t count, off_t offset);
ssize_t hob__sys_pwritev(int fd, const struct iovec *iov, size_t count, off_t offset);
int     hob__sys_flock(int fd, int what);
int     hob__sys_lock_range(int fd, short kind, off_t offset, off_t len); /* F_OFD_SETLK */
int     hob__sys_inotify_init(int flags);
int     hob__sys_inotify_add(int fd, const char *path, uint32_t mask);
int     hob__sys_inotify_remove(int fd, int wd);

/* Sockets. connect interrupted by a signal goes on by itself: -EINPROGRESS. */
int     hob__sys_socket(int domain, int type, int protocol);
int     hob__sys_socketpair(int domain, int type, int protocol, int fds[2]);
int     hob__sys_bind(int fd, const struct sockaddr *addr, socklen_t len);
int     hob__sys_listen(int fd, int backlog);
int     hob__sys_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int     hob__sys_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t hob__sys_recv(int fd, void *buf, size_t len, int flags);
ssize_t hob__sys_send(int fd, const void *buf, size_t len, int flags);
ssize_t hob__sys_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t hob__sys_sendmsg(int fd, const struct msghdr *msg, int flags);
int     hob__sys_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags);
int     hob__sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags);
int     hob__sys_shutdown(int fd, int how);
int     hob__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int     hob__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int     hob__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int     hob__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/* Readiness. The wait is one system call; `timeout_ns` < 0: for ever. -EINTR at
 * a signal. On kernels before 5.11 it is rounded up to milliseconds. */
int hob__sys_epoll_create(int flags);
int hob__sys_epoll_ctl(int epoll_fd, int what, int fd, struct epoll_event *event);
int hob__sys_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int64_t timeout_ns);

/* 1 when the calling thread has a shadow stack, which knows where each call may return
 * to; 0 when it has none, or the kernel knows of no such thing. A fault on purpose: 1. */
int hob__sys_has_shadow_stack(void);

/* Sleeps while *word is `value`, and may wake for no reason, as at a signal; wakes up to
 * `count` who sleep on it. Neither can fail. */
void hob__sys_futex_wait(atomic_uint *word, unsigned value);
void hob__sys_futex_wait_until(atomic_uint *word, unsigned value, int64_t deadline_ns); /* monotonic */
void hob__sys_futex_wake(atomic_uint *word, int count);

/* Processes. clone gives the child's pid, and with CLONE_PIDFD its descriptor. What asks about
 * or reaps a child cannot fail on purpose: nobody could do without. waitid says -ECHILD when
 * somebody else has reaped it; without WEXITED having come, info->si_pid is 0. */
struct rusage;
struct termios;
struct winsize;
int hob__sys_clone(int (*fn)(void *arg), void *stack_top, int flags, void *arg, int *ret_pidfd);
int hob__sys_pidfd_open(pid_t pid);
int hob__sys_pidfd_send_signal(int pidfd, int signal);
int hob__sys_kill(pid_t pid, int signal); /* -pid: its group */
int hob__sys_waitid_pidfd(int pidfd, siginfo_t *ret_info, int options, struct rusage *ret_usage);

/* Terminals. A new pseudo terminal: our side, CLOEXEC and not blocking, and the program's. What
 * gives a terminal back to its user (tcsetattr) cannot fail on purpose. */
int hob__sys_open_pty(int *ret_master, int *ret_slave);
int hob__sys_tcgetattr(int fd, struct termios *ret_state);
int hob__sys_tcsetattr(int fd, const struct termios *state); /* now, dropping nothing */
int hob__sys_get_winsize(int fd, struct winsize *ret_size);
int hob__sys_set_winsize(int fd, const struct winsize *size);

/* Time, chance, signals. */
int64_t hob__sys_clock_ns(clockid_t clock); /* cannot fail for the clocks that everybody has */
ssize_t hob__sys_getrandom(void *buf, size_t len, unsigned flags);
int     hob__sys_sigaltstack(const stack_t *stack, stack_t *ret_old);
int     hob__sys_sigaction(int signal, const struct sigaction *action, struct sigaction *ret_old);

#endif
