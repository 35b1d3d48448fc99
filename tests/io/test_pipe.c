/* SPDX-License-Identifier: MIT */
#include "support/io.h"

static int flow(uint64_t bytes, size_t write_piece, size_t read_piece);

TEST_ON_ALL(pipe, what_goes_in_comes_out)
{
    PIPE(reader);
    PIPE(writer);
    char buf[16];

    check_ok(hob_pipe_open(&reader, &writer));
    check_eq(hob_pipe_write(writer, "hello", 5), 5);
    check_eq(hob_pipe_write_some(writer, "!", 1), 1);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 6);
    check_mem(buf, "hello!", 6);
}

TEST_ON_ALL(pipe, the_reader_sees_the_end_when_the_writer_closed)
{
    PIPE(reader);
    PIPE(writer);
    char buf[16];

    check_ok(hob_pipe_open(&reader, &writer));
    check_eq(hob_pipe_write(writer, "last", 4), 4);
    close_pipe(&writer);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 4);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 0);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 0);
}

/* SURVIVAL 20: an error, and no SIGPIPE that would end this program. */
TEST_ON_ALL(pipe, writing_what_nobody_can_read_is_an_error_and_no_signal)
{
    PIPE(reader);
    PIPE(writer);

    check_ok(hob_pipe_open(&reader, &writer));
    close_pipe(&reader);
    check_err(hob_pipe_write(writer, "x", 1), -EPIPE);
    check_err(hob_pipe_write_some(writer, "x", 1), -EPIPE);
}

static int write_task(void *arg)
{
    struct io *io = arg;
    io->result = hob_pipe_write((hob_pipe *)io->stream, io->buf, io->len);
    return 0;
}

enum { MUCH = 1 << 20 };

TEST_ON_ALL(pipe, a_writer_that_waits_learns_that_the_reader_is_gone)
{
    PIPE(reader);
    PIPE(writer);
    BYTES(much, MUCH);

    memset(much, 'm', MUCH);
    check_ok(hob_pipe_open(&reader, &writer));
    struct io io = { .stream = hob_pipe_stream(writer), .buf = much, .len = MUCH, .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, write_task, &io);
    settle();
    check_eq(io.result, 1);
    close_pipe(&reader);
    check_ok(hob_scope_end(&s));
    check_err(io.result, -EPIPE);
}

TEST_ON_ALL(pipe, more_than_fits_arrives_whole)
{
    check_ok(flow(MUCH, 100000, 65536));
}

/* SURVIVAL 32. */
TEST_ON_ALL(pipe, single_bytes_arrive_as_whole_ones_do)
{
    check_ok(flow(3000, 1, 4096));
    check_ok(flow(3000, 4096, 1));
}

static int send_and_close(void *arg)
{
    struct traffic *t = arg;
    int             r = send_traffic(t);

    hob_stream_close(t->stream);
    return r;
}

static int flow(uint64_t bytes, size_t write_piece, size_t read_piece)
{
    PIPE(reader);
    hob_pipe *writer;

    check_ok(hob_pipe_open(&reader, &writer));
    struct traffic in = { .stream = hob_pipe_stream(writer), .bytes = bytes, .piece = write_piece };
    struct traffic out = { .stream = hob_pipe_stream(reader), .bytes = bytes, .piece = read_piece };
    HOB_SCOPE(s);
    if (hob_go(&s, send_and_close, &in) < 0)
        hob_pipe_close(writer);
    hob_go(&s, receive_traffic, &out);
    return hob_scope_end(&s);
}

TEST_ON_ALL(pipe, a_cancelled_read_loses_no_byte)
{
    PIPE(reader);
    PIPE(writer);
    char buf[16];

    check_ok(hob_pipe_open(&reader, &writer));
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
        check_err(hob_pipe_read(reader, buf, sizeof buf), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_eq(hob_pipe_write(writer, "kept", 4), 4);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 4);
}

TEST_ON_ALL(pipe, a_cancelled_write_says_so)
{
    PIPE(reader);
    PIPE(writer);
    BYTES(much, MUCH);

    memset(much, 'm', MUCH);
    check_ok(hob_pipe_open(&reader, &writer));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
    check_err(hob_pipe_write(writer, much, MUCH), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* SURVIVAL 16. */
TEST_ON_ALL(pipe, closing_gives_the_reader_and_the_writer_back)
{
    PIPE(empty_reader);
    PIPE(empty_writer);
    PIPE(reader);
    PIPE(writer);
    BYTES(much, MUCH);

    memset(much, 'm', MUCH);
    check_ok(hob_pipe_open(&empty_reader, &empty_writer));
    check_ok(hob_pipe_open(&reader, &writer));
    struct io reads = { .stream = hob_pipe_stream(empty_reader), .result = 1 };
    struct io writes = { .stream = hob_pipe_stream(writer), .buf = much, .len = MUCH, .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, read_once, &reads);
    hob_go(&s, write_task, &writes);
    settle();
    close_pipe(&empty_reader);
    close_pipe(&writer);
    check_ok(hob_scope_end(&s));
    check_err(reads.result, -ECANCELED);
    check_err(writes.result, -ECANCELED);
}

TEST_ON_ALL(pipe, the_three_styles_give_the_same_answers)
{
    FOR_EACH_STYLE(wait)
    {
        PIPE(reader);
        PIPE(writer);
        hob_op op;
        char   buf[8];

        check_ok(hob_pipe_open(&reader, &writer));
        hob_pipe_write_prep(&op, writer, "hello", 5);
        check_eq(wait(&op), 5);
        hob_pipe_write_some_prep(&op, writer, "!", 1);
        check_eq(wait(&op), 1);
        hob_pipe_read_prep(&op, reader, buf, sizeof buf);
        check_eq(wait(&op), 6);
        close_pipe(&writer);
        hob_pipe_read_prep(&op, reader, buf, sizeof buf);
        check_eq(wait(&op), 0);
    }
}

TEST_ON_ALL(pipe, a_pipe_cannot_be_half_closed)
{
    PIPE(reader);
    PIPE(writer);

    check_ok(hob_pipe_open(&reader, &writer));
    check_err(hob_stream_shutdown(hob_pipe_stream(writer)), -ENOTSUP);
}

TEST_ON_ALL(pipe, reading_the_writing_end_is_an_error)
{
    PIPE(reader);
    PIPE(writer);
    char buf[1] = { 0 };

    check_ok(hob_pipe_open(&reader, &writer));
    check_err(hob_pipe_read(writer, buf, 1), -EBADF);
    check_err(hob_pipe_write(reader, buf, 1), -EBADF);
}

/* ---- descriptors of the user's ---- */

static int write_later(void *fd)
{
    HOB_TRY(hob_sleep(2 * HOB_MSEC));
    check_eq(write(*(int *)fd, "late", 4), 4);
    return 0;
}

TEST_ON_ALL(pipe, a_blocking_descriptor_of_the_users_does_not_stop_the_others)
{
    PIPE(reader);
    char buf[8];
    int  fds[2];

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    check_ok(pipe2(fds, O_CLOEXEC));
    int r = hob_pipe_from_fd(fds[0], &reader);
    if (r < 0)
        close(fds[0]);
    else {
        HOB_SCOPE(s);
        hob_go(&s, write_later, &fds[1]);
        r = (int)hob_pipe_read(reader, buf, sizeof buf);
        expect_ok(hob_scope_end(&s));
    }
    close(fds[1]);
    check_eq(r, 4);
    close_pipe(&reader);
    check_eq(fcntl(fds[0], F_GETFD), -1); // closed with it
}

TEST_ON_ALL(pipe, a_file_can_stand_in_for_a_pipe)
{
    PIPE(reader);
    FILE_(file);
    char path[256], buf[16];

    if (in_sim())
        skip("descriptors of the kernel are not part of this world");
    snprintf(path, sizeof path, "%s/input", hob_test_scratch());
    check_ok(hob_file_open(path, O_CREAT | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, "a line\n", 7), 7);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check_ok(fd);
    int r = hob_pipe_from_fd(fd, &reader);
    if (r < 0)
        close(fd);
    check_ok(r);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 7);
    check_eq(hob_pipe_read(reader, buf, sizeof buf), 0);
}

TEST_ON_ALL(pipe, a_number_that_is_no_descriptor_is_refused)
{
    PIPE(pipe);

    check_err(hob_pipe_from_fd(-1, &pipe), -EBADF);
    check_err(hob_pipe_from_fd(987654, &pipe), -EBADF);
    check(pipe == NULL);
}

TEST_ON_ALL(pipe, standard_output_stays_open)
{
    PIPE(out);

    check_ok(hob_pipe_from_fd(1, &out));
    close_pipe(&out);
    check_ok(fcntl(1, F_GETFD));
}

TEST_DIES(pipe, two_readers_are_a_mistake, "hob_pipe_read: another task, or an operation, is reading")
{
    hob_pipe *reader, *writer;
    char      buf[1];
    HOB_SCOPE(s);

    check_ok(hob_pipe_open(&reader, &writer));
    struct io io = { .stream = hob_pipe_stream(reader) };
    hob_go(&s, read_once, &io);
    settle();
    (void)!hob_pipe_read(reader, buf, 1);
}
