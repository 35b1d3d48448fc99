/* SPDX-License-Identifier: MIT */
/*
 * What cannot fail, but by a bug of ours (close, munmap, a deregistration), is
 * not made to fail on purpose: nobody could do anything about it.
 */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/call.h"
#include "base/fault.h"
#include "base/lack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h> // 3.19 knows neither process_madvise nor epoll_pwait2
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* ---- memory ---- */

int hob__sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset, void **ret_map)
{
    if (hob__fault())
        return -ENOMEM;
    void *map = mmap(addr, len, prot, flags, fd, offset);
    if (map == MAP_FAILED)
        return -errno;
    *ret_map = map;
    return 0;
}

int hob__sys_munmap(void *addr, size_t len)
{
    return RESULT_OF(munmap(addr, len));
}

int hob__sys_madvise(void *addr, size_t len, int advice)
{
    if (hob__fault())
        return -ENOMEM;
    if (advice == MADV_GUARD_INSTALL && hob__lacks(LACK_GUARD_INSTALL))
        return -EINVAL;
    return RESULT_OF_RETRIED(madvise(addr, len, advice));
}

int hob__sys_mprotect(void *addr, size_t len, int prot)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF(mprotect(addr, len, prot));
}

int hob__sys_mincore(void *addr, size_t len, unsigned char *vec)
{
    if (hob__fault())
        return -EAGAIN;
    return RESULT_OF(mincore(addr, len, vec));
}

ssize_t hob__sys_madvise_many(const struct iovec *iov, size_t count, int advice)
{
    if (hob__fault())
        return -EPERM;
    if (RUNNING_ON_VALGRIND || hob__lacks(LACK_PROCESS_MADVISE))
        return -ENOSYS;
    if (advice == MADV_GUARD_INSTALL && hob__lacks(LACK_GUARD_INSTALL))
        return -EINVAL;

    // PIDFD_SELF_PROCESS names ourselves without a descriptor since Linux 6.14; before that -EBADF.
    static const int PIDFD_SELF = -10001;
    ssize_t          n = -EBADF;
    if (!hob__lacks(LACK_PIDFD_SELF))
        n = RESULT_OF_RETRIED(
            (ssize_t)syscall(SYS_process_madvise, PIDFD_SELF, iov, count, advice, 0));
    if (n != -EBADF)
        return n;

    int pidfd = RESULT_OF((int)syscall(SYS_pidfd_open, getpid(), 0));
    if (pidfd < 0)
        return pidfd;
    n = RESULT_OF_RETRIED((ssize_t)syscall(SYS_process_madvise, pidfd, iov, count, advice, 0));
    hob__sys_close(pidfd);
    return n;
}

/* ---- descriptors of every kind ---- */

void hob__sys_close(int fd)
{
    hob_assert(fd >= 0);
    int result = close(fd);
    hob_assert(result == 0 || errno != EBADF);
}

int hob__sys_dup(int fd)
{
    if (hob__fault())
        return -EMFILE;
    return RESULT_OF(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int hob__sys_get_status_flags(int fd)
{
    return RESULT_OF(fcntl(fd, F_GETFL));
}

int hob__sys_set_cloexec(int fd)
{
    if (hob__fault())
        return -EBADF;
    return RESULT_OF(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int hob__sys_set_status_flags(int fd, int flags)
{
    if (hob__fault())
        return -EPERM;
    return RESULT_OF(fcntl(fd, F_SETFL, flags));
}

ssize_t hob__sys_read(int fd, void *buf, size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(read(fd, buf, len));
}

ssize_t hob__sys_write(int fd, const void *buf, size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(write(fd, buf, len));
}

ssize_t hob__sys_read_now(int fd, void *buf, size_t len, off_t offset)
{
    if (hob__fault())
        return -EIO;
    if (hob__lacks(LACK_NOWAIT_IO))
        return -EOPNOTSUPP;
    struct iovec iov = { buf, len };
    return RESULT_OF_RETRIED(preadv2(fd, &iov, 1, offset, RWF_NOWAIT));
}

ssize_t hob__sys_write_now(int fd, const void *buf, size_t len, off_t offset)
{
    if (hob__fault())
        return -EIO;
    if (hob__lacks(LACK_NOWAIT_IO))
        return -EOPNOTSUPP;
    struct iovec iov = { (void *)buf, len };
    return RESULT_OF_RETRIED(pwritev2(fd, &iov, 1, offset, RWF_NOWAIT));
}

int hob__sys_pipe(int fds[2], int flags)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(pipe2(fds, flags));
}

ssize_t hob__sys_splice(int from, int to, size_t len)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF_RETRIED(splice(from, NULL, to, NULL, len, SPLICE_F_NONBLOCK));
}

int hob__sys_eventfd(unsigned initial, int flags)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(eventfd(initial, flags));
}

int hob__sys_timerfd(int flags)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(timerfd_create(CLOCK_MONOTONIC, flags));
}

void hob__sys_timerfd_set(int fd, int64_t when_ns)
{
    struct itimerspec when = { .it_value = { when_ns / 1000000000, when_ns % 1000000000 } };
    int               r = timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    hob_assert(r == 0);
}

void hob__sys_eventfd_raise(int fd)
{
    int      errno_before = errno;
    uint64_t one = 1;
    ssize_t  written;
    do
        written = write(fd, &one, sizeof one);
    while (written < 0 && errno == EINTR);
    hob_assert(written == sizeof one || errno == EAGAIN); // EAGAIN: it counts its 2^64 already
    errno = errno_before;
}

int hob__sys_poll(struct pollfd *fds, size_t count, int timeout_ms)
{
    if (hob__fault())
        return -ENOMEM;
    int n = RESULT_OF(poll(fds, count, timeout_ms));
    return n == 0 && hob__interrupt() ? -EINTR : n; // what is ready is told all the same
}

/* ---- files ---- */

int hob__sys_open(const char *path, int flags, mode_t mode)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF_RETRIED(open(path, flags, mode));
}

int64_t hob__sys_seek(int fd, int64_t offset, int whence)
{
    if (hob__fault())
        return -ESPIPE;
    return RESULT_OF((int64_t)lseek(fd, offset, whence));
}

ssize_t hob__sys_pread(int fd, void *buf, size_t len, off_t offset)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(pread(fd, buf, len, offset));
}

ssize_t hob__sys_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    if (hob__fault())
        return -ENOSPC;
    return RESULT_OF_RETRIED(pwrite(fd, buf, len, offset));
}

int hob__sys_fsync(int fd)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(fsync(fd));
}

int hob__sys_fstat(int fd, struct stat *ret_stat)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF(fstat(fd, ret_stat));
}

int hob__sys_stat(const char *path, struct stat *ret_stat)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(stat(path, ret_stat));
}

int hob__sys_unlink(const char *path)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(unlink(path));
}

/* ---- sockets ---- */

int hob__sys_socket(int domain, int type, int protocol)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(socket(domain, type, protocol));
}

int hob__sys_socketpair(int domain, int type, int protocol, int fds[2])
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(socketpair(domain, type, protocol, fds));
}

int hob__sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF(bind(fd, addr, len));
}

int hob__sys_listen(int fd, int backlog)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF(listen(fd, backlog));
}

int hob__sys_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF_RETRIED(accept4(fd, addr, len, flags));
}

int hob__sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (hob__fault())
        return -ENETUNREACH;
    int result = RESULT_OF(connect(fd, addr, len));
    return result == -EINTR ? -EINPROGRESS : result;
}

/* recv(3) and send(3) may end a thread that was cancelled, and look before and after whether it was:
 * that is four atomic operations for each request of a server, in a program that has threads. Ours are
 * not cancelled. The sanitizers know the calls by their names. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALLS_BY_NAME 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CALLS_BY_NAME 1
#endif
#endif

#ifdef CALLS_BY_NAME
#define plain_recv recv
#define plain_send send
#else
static ssize_t plain_recv(int fd, void *buf, size_t len, int flags)
{
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

static ssize_t plain_send(int fd, const void *buf, size_t len, int flags)
{
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}
#endif

ssize_t hob__sys_recv(int fd, void *buf, size_t len, int flags)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF_RETRIED(plain_recv(fd, buf, len, flags));
}

ssize_t hob__sys_send(int fd, const void *buf, size_t len, int flags)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF_RETRIED(plain_send(fd, buf, len, flags));
}

ssize_t hob__sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF_RETRIED(recvmsg(fd, msg, flags));
}

ssize_t hob__sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF_RETRIED(sendmsg(fd, msg, flags));
}

int hob__sys_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF_RETRIED(recvmmsg(fd, msgs, count, flags, NULL));
}

int hob__sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF_RETRIED(sendmmsg(fd, msgs, count, flags));
}

int hob__sys_shutdown(int fd, int how)
{
    if (hob__fault())
        return -ENOTCONN;
    return RESULT_OF(shutdown(fd, how));
}

int hob__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF(getsockname(fd, addr, len));
}

int hob__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF(getpeername(fd, addr, len));
}

int hob__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF(setsockopt(fd, level, name, value, len));
}

int hob__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    if (hob__fault())
        return -ENOBUFS;
    return RESULT_OF(getsockopt(fd, level, name, value, len));
}

/* ---- readiness ---- */

int hob__sys_epoll_create(int flags)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF(epoll_create1(flags));
}

int hob__sys_epoll_ctl(int epoll_fd, int what, int fd, struct epoll_event *event)
{
    if (what != EPOLL_CTL_DEL && hob__fault())
        return -ENOMEM;
    return RESULT_OF(epoll_ctl(epoll_fd, what, fd, event));
}

static int wait_in_ms(int epoll_fd, struct epoll_event *events, int count, int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000; // never early
    return RESULT_OF_ONCE(epoll_wait(epoll_fd, events, count, ms > 3600000 ? 3600000 : (int)ms));
}

int hob__sys_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int64_t timeout_ns)
{
    static bool no_pwait2; // Linux before 5.11, and some emulators

    if (timeout_ns <= 0)
        return RESULT_OF_ONCE(epoll_wait(epoll_fd, events, count, timeout_ns < 0 ? -1 : 0));
    if (__atomic_load_n(&no_pwait2, __ATOMIC_RELAXED) || RUNNING_ON_VALGRIND ||
        hob__lacks(LACK_EPOLL_PWAIT2))
        return wait_in_ms(epoll_fd, events, count, timeout_ns);

    struct timespec timeout = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    int             n = RESULT_OF_ONCE(epoll_pwait2(epoll_fd, events, count, &timeout, NULL));
    if (n != -ENOSYS)
        return n;
    __atomic_store_n(&no_pwait2, true, __ATOMIC_RELAXED);
    return wait_in_ms(epoll_fd, events, count, timeout_ns);
}

/* ---- shadow stacks ---- */

#ifdef __x86_64__
enum { ARCH_SHSTK_STATUS_ = 0x5005, SHADOW_STACK_ON = 1 };
#else
enum { PR_GET_SHADOW_STACK_STATUS_ = 74, SHADOW_STACK_ON = 1 };
#endif

int hob__sys_has_shadow_stack(void)
{
    unsigned long status = 0;
    if (hob__fault())
        return 1;
#ifdef __x86_64__
    long r = syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS_, &status);
#else
    long r = prctl(PR_GET_SHADOW_STACK_STATUS_, &status, 0, 0, 0);
#endif
    return r == 0 && (status & SHADOW_STACK_ON) != 0;
}

/* ---- sleeping on a word ---- */

void hob__sys_futex_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void hob__sys_futex_wait_until(atomic_uint *word, unsigned value, int64_t deadline_ns)
{
    struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void hob__sys_futex_wake(atomic_uint *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* ---- processes ---- */

int hob__sys_clone(int (*fn)(void *arg), void *stack_top, int flags, void *arg, int *ret_pidfd)
{
    if (hob__fault())
        return -EAGAIN;
    return RESULT_OF(clone(fn, stack_top, flags, arg, ret_pidfd));
}

int hob__sys_pidfd_open(pid_t pid)
{
    return RESULT_OF((int)syscall(SYS_pidfd_open, pid, 0));
}

int hob__sys_pidfd_send_signal(int pidfd, int signal)
{
    if (hob__fault())
        return -EPERM;
    return RESULT_OF((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int hob__sys_kill(pid_t pid, int signal)
{
    if (hob__fault())
        return -EPERM;
    return RESULT_OF(kill(pid, signal));
}

int hob__sys_waitid_pidfd(int pidfd, siginfo_t *ret_info, int options, struct rusage *ret_usage)
{
    enum { PIDFD = 3 }; // P_PIDFD, which older headers lack
    *ret_info = (siginfo_t){ 0 };
    return RESULT_OF_RETRIED((int)syscall(SYS_waitid, PIDFD, pidfd, ret_info, options, ret_usage));
}

/* ---- terminals ---- */

int hob__sys_open_pty(int *ret_master, int *ret_slave)
{
    int locked = 0;
    int master = hob__sys_open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0);
    if (master < 0)
        return master;
    int r = RESULT_OF(ioctl(master, TIOCSPTLCK, &locked));
    if (r == 0)
        r = hob__fault() ? -ENFILE
                         : RESULT_OF(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (r < 0) {
        hob__sys_close(master);
        return r;
    }
    *ret_master = master;
    *ret_slave = r;
    return 0;
}

int hob__sys_tcgetattr(int fd, struct termios *ret_state)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF(tcgetattr(fd, ret_state));
}

int hob__sys_tcsetattr(int fd, const struct termios *state)
{
    return RESULT_OF_RETRIED(tcsetattr(fd, TCSANOW, state));
}

int hob__sys_get_winsize(int fd, struct winsize *ret_size)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF(ioctl(fd, TIOCGWINSZ, ret_size));
}

int hob__sys_set_winsize(int fd, const struct winsize *size)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF(ioctl(fd, TIOCSWINSZ, size));
}

/* ---- time, chance, signals ---- */

int64_t hob__sys_clock_ns(clockid_t clock)
{
    struct timespec now;
    int             result = clock_gettime(clock, &now);
    hob_assert(result == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

ssize_t hob__sys_getrandom(void *buf, size_t len, unsigned flags)
{
    if (hob__fault())
        return -ENOSYS;
    return RESULT_OF_RETRIED(getrandom(buf, len, flags));
}

int hob__sys_sigaltstack(const stack_t *stack, stack_t *ret_old)
{
    if (hob__fault())
        return -ENOMEM;
    return RESULT_OF(sigaltstack(stack, ret_old));
}

int hob__sys_sigaction(int signal, const struct sigaction *action, struct sigaction *ret_old)
{
    return RESULT_OF(sigaction(signal, action, ret_old));
}
