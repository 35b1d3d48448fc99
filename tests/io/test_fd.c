/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <sys/eventfd.h>

#include "support/io.h"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define FD(name, value) CLOSED_BY(close_fd) int name = (value)

static int raise_later(void *fd)
{
    HOB_TRY(hob_sleep(2 * HOB_MSEC));
    check_ok(eventfd_write(*(int *)fd, 1));
    return 0;
}

TEST_ON_ALL(fd, a_foreign_descriptor_is_waited_for)
{
    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    FD(fd, eventfd(0, EFD_CLOEXEC));
    check_ok(fd);
    HOB_SCOPE(s);
    hob_go(&s, raise_later, &fd);
    check_eq(hob_fd_wait(fd, POLLIN), POLLIN);
    check_eq(hob_fd_wait(fd, POLLIN), POLLIN); // it still is
    check_eq(hob_fd_wait(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(fd, a_hang_up_is_told_though_nobody_asked)
{
    int fds[2];

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    check_ok(pipe2(fds, O_CLOEXEC));
    FD(reader, fds[0]);
    close(fds[1]);
    check_ne(check_ok(hob_fd_wait(reader, POLLIN)) & POLLHUP, 0);
}

TEST_ON_ALL(fd, a_number_that_is_no_descriptor_is_refused)
{
    check_err(hob_fd_wait(-1, POLLIN), -EBADF);
    check_err(hob_fd_wait(987654, POLLIN), -EBADF);
}

TEST_ON_ALL(fd, a_file_is_always_ready_and_says_so)
{
    char path[256];

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    snprintf(path, sizeof path, "%s/f", hob_test_scratch());
    FD(fd, open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    check_ok(fd);
    check_err(hob_fd_wait(fd, POLLIN), -EPERM);
}

TEST_ON_ALL(fd, a_wait_can_be_cancelled)
{
    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    FD(fd, eventfd(0, EFD_CLOEXEC));
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(2 * HOB_MSEC));
        check_err(hob_fd_wait(fd, POLLIN), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ok(eventfd_write(fd, 1));
    check_eq(hob_fd_wait(fd, POLLIN), POLLIN);
}

/* A pipe whose end for reading has this number; its other end. */
static int pipe_at(int number)
{
    int fds[2];

    check_ok(pipe2(fds, O_CLOEXEC));
    if (fds[0] != number) {
        check_eq(dup3(fds[0], number, O_CLOEXEC), number);
        close(fds[0]);
    }
    return fds[1];
}

TEST_ON_ALL(fd, a_number_that_is_another_file_by_now_is_waited_for_anew)
{
    enum { NUMBER = 200 };

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    FD(old_writer, pipe_at(NUMBER));
    check_eq(write(old_writer, "x", 1), 1);
    check_eq(hob_fd_wait(NUMBER, POLLIN), POLLIN);
    FD(copy, dup(NUMBER)); // the old file lives on, elsewhere, and is ready
    FD(new_writer, pipe_at(NUMBER));
    FD(reader, NUMBER);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(2 * HOB_MSEC));
        check_err(hob_fd_wait(reader, POLLIN), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_eq(write(new_writer, "y", 1), 1);
    check_eq(hob_fd_wait(reader, POLLIN), POLLIN);
    check_eq(hob_fd_wait(copy, POLLIN), POLLIN);
}

static int write_later(void *fd)
{
    HOB_TRY(hob_sleep(2 * HOB_MSEC));
    check_eq(write(*(int *)fd, "y", 1), 1);
    return 0;
}

TEST_ON_ALL(fd, a_number_that_was_waited_for_can_become_a_pipe_of_ours)
{
    int       fds[2];
    char      byte = 0;
    hob_pipe *pipe;

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    check_ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    FD(writer, fds[1]);
    check_eq(write(writer, "x", 1), 1);
    check_eq(hob_fd_wait(fds[0], POLLIN), POLLIN);
    check_ok(hob_pipe_from_fd(fds[0], &pipe));
    check_eq(hob_pipe_read(pipe, &byte, 1), 1);
    check_eq(byte, 'x');
    HOB_SCOPE(s);
    hob_go(&s, write_later, &writer);
    check_eq(hob_pipe_read(pipe, &byte, 1), 1); // has to wait
    check_eq(byte, 'y');
    check_ok(hob_scope_end(&s));
    hob_pipe_close(pipe);
}

static int wait_task(void *arg)
{
    struct io *io = arg;
    io->result = hob_fd_wait(*(int *)io->buf, (unsigned)io->len);
    return 0;
}

TEST_ON_ALL(fd, many_may_wait_for_one_descriptor)
{
    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    FD(fd, eventfd(0, EFD_CLOEXEC));
    struct io first = { .buf = &fd, .len = POLLIN, .result = 0 }, second = first;
    HOB_SCOPE(s);
    hob_go(&s, wait_task, &first);
    hob_go(&s, wait_task, &second);
    settle();
    check_ok(eventfd_write(fd, 1));
    check_ok(hob_scope_end(&s));
    check_eq(first.result, POLLIN);
    check_eq(second.result, POLLIN);
}

TEST_ON_ALL(fd, the_three_styles_give_the_same_answers)
{
    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    FD(fd, eventfd(1, EFD_CLOEXEC));
    FOR_EACH_STYLE(wait)
    {
        hob_op op;

        hob_fd_wait_prep(&op, fd, POLLIN);
        check_eq(wait(&op), POLLIN);
        hob_fd_wait_prep(&op, -1, POLLIN);
        check_err(wait(&op), -EBADF);
    }
}
