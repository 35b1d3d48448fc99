/* SPDX-License-Identifier: MIT */
/*
 * From one stream to another. Invariants: what arrives is what was sent, in order and once; what
 * `copied` says is true, also after a failure and a cancellation; a copy that ended leaves neither
 * memory nor descriptors.
 */
#include "base/alloc.h"
#include "support/io.h"

enum kind { TCP_KIND, UNIX_KIND, PIPE_KIND, MEM_KIND, KINDS };

/* Two ends: what is written to the first can be read from the second. */
static int pair_of(enum kind kind, hob_stream **ret_in, hob_stream **ret_out)
{
    hob_tcp  *client = NULL, *server = NULL;
    hob_unix *u, *v;
    hob_pipe *reader, *writer;

    switch (kind) {
    case TCP_KIND:
        HOB_TRY(tcp_pair(&client, &server));
        *ret_in = hob_tcp_stream(client);
        *ret_out = hob_tcp_stream(server);
        return 0;
    case UNIX_KIND:
        HOB_TRY(hob_unix_pair(&u, &v));
        *ret_in = hob_unix_stream(u);
        *ret_out = hob_unix_stream(v);
        return 0;
    case PIPE_KIND:
        HOB_TRY(hob_pipe_open(&reader, &writer));
        *ret_in = hob_pipe_stream(writer);
        *ret_out = hob_pipe_stream(reader);
        return 0;
    default:
        return hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 3000 }, ret_in, ret_out);
    }
}

#define PAIR(kind, in, out)                                \
    STREAM(in) = NULL;                                     \
    STREAM(out) = NULL;                                    \
    check_ok(pair_of((kind), &in, &out))

static void end_reader(hob_reader *reader)
{
    hob_reader_fini(reader);
}

#define READER(name, stream, ...)                                     \
    __attribute__((cleanup(end_reader))) hob_reader name;             \
    hob_reader_init(&name, (stream), &(hob_reader_opts){ __VA_ARGS__ })

/* Sends, and closes: a pipe ends in no other way. */
struct source {
    struct traffic traffic;
    hob_stream   **end;
};

static int send_and_close(void *arg)
{
    struct source *source = arg;
    int            r = send_traffic(&source->traffic);

    hob_stream_close(*source->end);
    *source->end = NULL;
    return r;
}

static int read_much(void *arg)
{
    struct io *io = arg;
    io->result = hob_stream_read_exactly(io->stream, io->buf, io->len);
    return 0;
}

struct copy {
    hob_stream    *from, *to;
    hob_copy_opts *opts;
    hob_copied     copied;
    hob_stream   **end; /* closed afterwards; NULL: it stays open */
    int            result;
};

static int copy_and_close(void *arg)
{
    struct copy *copy = arg;

    copy->result = hob_copy(copy->from, copy->to, copy->opts, &copy->copied);
    if (copy->end != NULL) {
        hob_stream_close(*copy->end);
        *copy->end = NULL;
    }
    return 0;
}

/* `bytes` through a copy from one pair to another. */
static int copy_between(enum kind from, enum kind to, hob_copy_opts *opts, uint64_t bytes,
                        hob_copied *ret_copied)
{
    PAIR(from, source_in, source);
    PAIR(to, target, target_out);
    struct source  src = { { source_in, bytes, 10000, from + 1, 0 }, &source_in };
    struct traffic dst = { target_out, bytes, 7000, from + 1, 0 };
    struct copy    copy = { .from = source, .to = target, .opts = opts, .end = &target };
    HOB_SCOPE(s);

    hob_go(&s, receive_traffic, &dst);
    hob_go(&s, copy_and_close, &copy);
    hob_go(&s, send_and_close, &src);
    check_ok(hob_scope_end(&s));
    check_ok(copy.result);
    check_eq(copy.copied.bytes, bytes);
    check_eq(copy.copied.undelivered, 0);
    check_eq(copy.copied.failed, HOB_COPY_NEITHER);
    check_eq(copy.copied.ended, 1);
    *ret_copied = copy.copied;
    return 0;
}

static bool can_splice(enum kind kind)
{
    return kind != MEM_KIND;
}

TEST_ON_ALL(copy, all_bytes_go_between_streams_of_all_kinds_in_each_way)
{
    for (enum kind from = TCP_KIND; from < KINDS; from++) {
        for (enum kind to = TCP_KIND; to < KINDS; to++) {
            for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
                hob_copy_opts opts = { .way = way };
                hob_copied    copied = { 0 };
                check_ok(copy_between(from, to, &opts, 100001, &copied));
                bool all = way == HOB_COPY_SPLICE && can_splice(from) && can_splice(to);
                if (way == HOB_COPY_BUFFER || !can_splice(from) || !can_splice(to))
                    check_eq(copied.spliced, 0);
                if (all)
                    check_eq(copied.spliced, 100001);
            }
        }
    }
}

TEST(copy, cut_late_and_short_bytes_go_all_in_each_way)
{
    hob_sim_world world = { .latency_max_ns = 1000000, .short_io_percent = 50,
                            .stream_bytes = 1 + (uint32_t)(hob_random() % 5000) };

    check_ok(hob_sim_set_world(&world));
    for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
        hob_copy_opts opts = { .way = way, .buf_bytes = 1 + hob_random() % 300 };
        hob_copied    copied;
        enum kind     from = (enum kind)(hob_random() % KINDS);
        enum kind     to = (enum kind)(hob_random() % KINDS);
        check_ok(copy_between(from, to, &opts, 5000, &copied));
    }
}

TEST_ON_ALL(copy, a_buffer_that_comes_full_begins_to_splice_and_short_ones_do_not)
{
    hob_copy_opts opts = { .buf_bytes = 1000 };
    hob_copied    copied;

    check_ok(copy_between(UNIX_KIND, TCP_KIND, &opts, 50000, &copied));
    check_gt(copied.spliced, 0);
    check_lt(copied.spliced, 50000);
    check_ok(copy_between(UNIX_KIND, TCP_KIND, NULL, 200, &copied));
    check_eq(copied.spliced, 0);
}

TEST_ON_ALL(copy, stops_at_the_limit_and_the_rest_stays)
{
    for (hob_copy_way way = HOB_COPY_BUFFER; way <= HOB_COPY_SPLICE; way++) {
        hob_copied copied;
        char       buf[16];
        PAIR(TCP_KIND, in, from);
        PAIR(TCP_KIND, to, out);

        check_eq(hob_stream_write(in, "0123456789", 10), 10);
        check_ok(hob_copy(from, to, &(hob_copy_opts){ .bytes_max = 4, .way = way }, &copied));
        check_eq(copied.bytes, 4);
        check_eq(copied.ended, 0);
        check_eq(hob_stream_read_exactly(out, buf, 4), 4);
        check_mem(buf, "0123", 4);
        check_eq(hob_stream_read_exactly(from, buf, 6), 6);
        check_mem(buf, "456789", 6);
        check_eq(hob_stream_write(to, "!", 1), 1); // it stayed open
        check_eq(hob_stream_read(out, buf, 16), 1);
    }
}

TEST_ON_ALL(copy, what_came_ahead_goes_first)
{
    hob_copied copied;
    char       buf[16];
    PAIR(TCP_KIND, in, from);
    PAIR(TCP_KIND, to, out);

    // On uring the first read has more received ahead, which then must not be passed by.
    check_eq(hob_stream_write(in, "first", 5), 5);
    check_eq(hob_stream_read_exactly(from, buf, 1), 1);
    check_eq(hob_stream_write(in, " second", 7), 7);
    check_ok(hob_sleep(1 * HOB_MSEC));
    check_ok(hob_stream_shutdown(in));
    check_ok(hob_copy(from, to, &(hob_copy_opts){ .way = HOB_COPY_SPLICE }, &copied));
    check_eq(copied.bytes, 11);
    check_eq(hob_stream_read_exactly(out, buf, 11), 11);
    check_mem(buf, "irst second", 11);
}

TEST_ON_ALL(copy, what_a_reader_holds_goes_first_and_then_its_stream)
{
    for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
        hob_copied copied;
        char      *line, buf[16];
        PAIR(TCP_KIND, in, from);
        PAIR(UNIX_KIND, to, out);
        READER(reader, from, .buf_bytes = 8);

        check_eq(hob_stream_write(in, "HEAD\nthe body", 13), 13);
        check_eq(hob_reader_line(&reader, &line), 4);
        check_ok(hob_stream_shutdown(in));
        check_ok(hob_copy(hob_reader_stream(&reader), to, &(hob_copy_opts){ .way = way }, &copied));
        check_eq(copied.bytes, 8);
        check_eq(hob_stream_read_exactly(out, buf, 8), 8);
        check_mem(buf, "the body", 8);
    }
}

/* ---- files ---- */

static int open_scratch(const char *name, int flags, hob_file **ret_file)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", hob_test_scratch(), name);
    return hob_file_open(path, flags, 0644, ret_file);
}

static int make_file(const char *name, uint64_t bytes, unsigned salt)
{
    FILE_(file);
    BYTES(buf, bytes);

    fill(buf, bytes, 0, salt);
    HOB_TRY(open_scratch(name, O_WRONLY | O_CREAT | O_TRUNC, &file));
    check_eq(hob_file_write(file, buf, bytes), bytes);
    return 0;
}

TEST_ON_ALL(copy, a_file_goes_to_a_connection_and_a_connection_to_a_file)
{
    enum { BYTES_COUNT = 300000 };

    check_ok(make_file("source", BYTES_COUNT, 5));
    for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
        FILE_(source);
        FILE_(target);
        FILE_(again);
        hob_copy_opts opts = { .way = way };
        PAIR(TCP_KIND, in, out);
        check_ok(open_scratch("source", O_RDONLY, &source));
        check_ok(open_scratch("target", O_WRONLY | O_CREAT | O_TRUNC, &target));
        struct copy send = { .from = hob_file_stream(source), .to = in, .opts = &opts, .end = &in };
        struct copy save = { .from = out, .to = hob_file_stream(target), .opts = &opts,
                             .end = &out };
        HOB_SCOPE(s);

        hob_go(&s, copy_and_close, &send);
        hob_go(&s, copy_and_close, &save);
        check_ok(hob_scope_end(&s));
        check_ok(send.result);
        check_ok(save.result);
        check_eq(send.copied.bytes, BYTES_COUNT);
        check_eq(save.copied.bytes, BYTES_COUNT);
        if (way == HOB_COPY_SPLICE)
            check_eq(send.copied.spliced, BYTES_COUNT);
        check_ok(open_scratch("target", O_RDONLY, &again));
        struct traffic t = { hob_file_stream(again), BYTES_COUNT, 5000, 5, 0 };
        check_ok(receive_traffic(&t));
    }
}

TEST_ON_ALL(copy, from_file_to_file_it_goes_by_a_buffer_unless_splice_is_asked_for)
{
    enum { BYTES_COUNT = 700001 };

    check_ok(make_file("source", BYTES_COUNT, 6));
    for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
        FILE_(source);
        FILE_(target);
        FILE_(again);
        hob_copied copied;
        check_ok(open_scratch("source", O_RDONLY, &source));
        check_ok(open_scratch("target", O_WRONLY | O_CREAT | O_TRUNC, &target));
        check_ok(hob_copy(hob_file_stream(source), hob_file_stream(target),
                          &(hob_copy_opts){ .way = way }, &copied));
        check_eq(copied.bytes, BYTES_COUNT);
        check_eq(copied.spliced, way == HOB_COPY_SPLICE ? BYTES_COUNT : 0);
        check_ok(open_scratch("target", O_RDONLY, &again));
        struct traffic t = { hob_file_stream(again), BYTES_COUNT, 5000, 6, 0 };
        check_ok(receive_traffic(&t));
    }
}

TEST_ON_ALL(copy, a_file_for_appending_takes_what_splice_cannot_give_it)
{
    FILE_(target);
    FILE_(again);
    hob_copied    copied;
    hob_copy_opts opts = { .way = HOB_COPY_SPLICE };
    char          buf[32] = "";
    PAIR(UNIX_KIND, in, out);

    check_ok(open_scratch("log", O_WRONLY | O_CREAT | O_APPEND, &target));
    check_eq(hob_file_write(target, "old ", 4), 4);
    check_eq(hob_stream_write(in, "new", 3), 3);
    check_ok(hob_stream_shutdown(in));
    check_ok(hob_copy(out, hob_file_stream(target), &opts, &copied));
    check_eq(copied.bytes, 3);
    check_eq(copied.spliced, 0);
    check_ok(open_scratch("log", O_RDONLY, &again));
    check_eq(hob_file_read(again, buf, 32), 7);
    check_str(buf, "old new");
}


/* A receiver that cuts the file off when it has so much of it. */
struct truncation {
    hob_stream *stream;
    uint64_t    read, cut_at;
    unsigned    salt;
    bool        cut;
};

static int read_and_truncate(void *arg)
{
    struct truncation *t = arg;
    unsigned char      buf[4096];
    ssize_t            n;

    while ((n = HOB_TRY(hob_stream_read(t->stream, buf, sizeof buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) // of the file; cut off: zero, never somebody else's
            check(buf[i] == byte_at(t->read + (uint64_t)i, t->salt) || (t->cut && buf[i] == 0));
        t->read += (uint64_t)n;
        if (t->read >= t->cut_at && !t->cut) {
            FILE_(file);
            check_ok(open_scratch("shrinks", O_WRONLY | O_TRUNC, &file));
            t->cut = true;
        }
    }
    return 0;
}

TEST_ON_ALL(copy, a_file_that_is_cut_off_while_it_is_sent_is_told_and_never_made_longer)
{
    enum { WHOLE = 2000000 };

    for (hob_copy_way way = HOB_COPY_BUFFER; way <= HOB_COPY_SPLICE; way++) {
        FILE_(file);
        hob_copy_opts opts = { .way = way, .bytes_max = WHOLE, .all = 1 };
        check_ok(make_file("shrinks", WHOLE, 3));
        check_ok(open_scratch("shrinks", O_RDONLY, &file));
        PAIR(UNIX_KIND, in, out);
        struct copy       send = { .from = hob_file_stream(file), .to = in, .opts = &opts,
                                   .end = &in };
        struct truncation peer = { .stream = out, .cut_at = 50000, .salt = 3 };
        HOB_SCOPE(s);

        hob_go(&s, copy_and_close, &send);
        hob_go(&s, read_and_truncate, &peer);
        check_ok(hob_scope_end(&s));
        check_err(send.result, HOB_EOF);
        check_eq(send.copied.failed, HOB_COPY_READING);
        check_eq(send.copied.ended, 1);
        check_eq(send.copied.bytes, peer.read);
        check_ge(peer.read, 50000);
        check_lt(peer.read, WHOLE);
    }
}

/* ---- failures ---- */

TEST_ON_ALL(copy, says_which_side_failed_and_how_much_had_gone)
{
    hob_copied copied;
    char       buf[16];
    PAIR(MEM_KIND, in, from);
    PAIR(MEM_KIND, to, out);

    check_eq(hob_stream_write(in, "0123456789", 10), 10);
    hob_mem_fail_reads(from, -ECONNRESET, 4);
    check_err(hob_copy(from, to, NULL, &copied), -ECONNRESET);
    check_eq(copied.failed, HOB_COPY_READING);
    check_eq(copied.bytes, 4);
    check_eq(copied.undelivered, 0);
    hob_mem_fail_reads(from, 0, 0);
    hob_mem_fail_writes(to, -ENOSPC, 2);
    check_err(hob_copy(from, to, NULL, &copied), -ENOSPC);
    check_eq(copied.failed, HOB_COPY_WRITING);
    check_eq(copied.bytes, 2);
    check_eq(copied.undelivered, 4);
    check_eq(hob_stream_read(out, buf, 16), 6);
    check_mem(buf, "012345", 6);
}

TEST_ON_ALL(copy, from_a_reader_by_a_buffer_a_failure_loses_nothing)
{
    hob_copied copied;
    char       buf[16];
    PAIR(MEM_KIND, in, from);
    PAIR(MEM_KIND, to, out);
    READER(reader, from, 0);

    check_eq(hob_stream_write(in, "0123456789", 10), 10);
    hob_mem_fail_writes(to, -ENOSPC, 3);
    check_err(hob_copy(hob_reader_stream(&reader), to, NULL, &copied), -ENOSPC);
    check_eq(copied.bytes, 3);
    check_eq(copied.undelivered, 0);
    check_eq(hob_reader_read_exactly(&reader, buf, 7), 7);
    check_mem(buf, "3456789", 7);
}

TEST_ON_ALL(copy, a_target_that_is_gone_fails_the_writing_in_each_way)
{
    for (hob_copy_way way = HOB_COPY_BUFFER; way <= HOB_COPY_SPLICE; way++) {
        hob_copied copied;
        PAIR(UNIX_KIND, in, from);
        PAIR(PIPE_KIND, to, out);

        check_eq(hob_stream_write(in, "0123", 4), 4);
        hob_stream_close(out);
        out = NULL;
        check_err(hob_copy(from, to, &(hob_copy_opts){ .way = way }, &copied), -EPIPE);
        check_eq(copied.failed, HOB_COPY_WRITING);
        check_eq(copied.bytes, 0);
        check_eq(copied.undelivered, 4);
    }
}

/* Until the copy cannot go on: it has copied so much, and no more comes in a while. */
static int wait_until_stuck(const hob_copied *copied, uint64_t at_least)
{
    uint64_t seen = 0;

    for (int same = 0, tries = 0; same < 10 || copied->bytes < at_least; tries++) {
        if (tries == 10000)
            return -ETIMEDOUT; // ten seconds: it failed, or who writes did
        HOB_TRY(hob_sleep(1 * HOB_MSEC));
        same = copied->bytes == seen ? same + 1 : 0;
        seen = copied->bytes;
    }
    return 0;
}

TEST_ON_ALL(copy, cancelled_while_it_waits_to_read_it_leaves_the_source_as_it_was)
{
    for (hob_copy_way way = HOB_COPY_AUTO; way <= HOB_COPY_SPLICE; way++) {
        hob_copy_opts opts = { .way = way };
        char          buf[16];
        PAIR(UNIX_KIND, in, from);
        PAIR(UNIX_KIND, to, out);
        struct copy copy = { .from = from, .to = to, .opts = &opts, .end = &to };
        HOB_SCOPE(s);

        hob_go(&s, copy_and_close, &copy);
        check_eq(hob_stream_write(in, "0123", 4), 4);
        check_eq(hob_stream_read_exactly(out, buf, 4), 4);
        check_ok(wait_until_stuck(&copy.copied, 4));
        hob_scope_cancel(&s, NULL);
        ignore(hob_scope_end(&s));
        check_eq(copy.result, -ECANCELED);
        check_eq(copy.copied.failed, HOB_COPY_READING);
        check_eq(copy.copied.bytes, 4);
        check_eq(copy.copied.undelivered, 0);
        check_eq(hob_stream_write(in, "45", 2), 2);
        check_eq(hob_stream_read(from, buf, 16), 2);
        check_mem(buf, "45", 2);
    }
}

TEST_ON_ALL(copy, cancelled_while_it_waits_to_write_it_says_what_is_lost)
{
    for (hob_copy_way way = HOB_COPY_BUFFER; way <= HOB_COPY_SPLICE; way++) {
        enum { MUCH = 2000000 };
        hob_copy_opts opts = { .way = way };
        BYTES(much, MUCH);
        PAIR(UNIX_KIND, in, from);
        PAIR(UNIX_KIND, to, out);
        struct copy copy = { .from = from, .to = to, .opts = &opts, .end = &to };
        struct io   writer = { .stream = in, .buf = much, .len = MUCH };
        HOB_SCOPE(s);

        fill(much, MUCH, 0, 1);
        hob_go(&s, write_all, &writer);
        hob_go(&s, copy_and_close, &copy);
        check_ok(wait_until_stuck(&copy.copied, 1000));
        hob_scope_cancel(&s, NULL);
        ignore(hob_scope_end(&s));
        check_eq(copy.result, -ECANCELED);
        check_eq(copy.copied.failed, HOB_COPY_WRITING);
        check_gt(copy.copied.undelivered, 0);
        // What it said of the other side is what is there, and the rest of the source follows.
        struct traffic arrived = { out, copy.copied.bytes, 10000, 1, 0 };
        check_ok(receive_traffic(&arrived));
        unsigned char next[100];
        check_eq(hob_stream_read_exactly(from, next, 100), 100);
        check(is_filled(next, 100, copy.copied.bytes + copy.copied.undelivered, 1));
    }
}

static int stop_at_7000(void *arg, const hob_copied *so_far)
{
    *(uint64_t *)arg = so_far->bytes;
    return so_far->bytes >= 7000 ? -EDQUOT : 0;
}

TEST_ON_ALL(copy, progress_is_told_after_each_piece_and_can_stop_it)
{
    uint64_t      told = 0;
    hob_copied    copied;
    hob_copy_opts opts = { .buf_bytes = 1000, .progress = stop_at_7000, .progress_arg = &told };
    PAIR(UNIX_KIND, in, from);
    PAIR(UNIX_KIND, to, out);
    BYTES(bytes, 20000);

    memset(bytes, 'x', 20000);
    check_eq(hob_stream_write(in, bytes, 20000), 20000);
    check_err(hob_copy(from, to, &opts, &copied), -EDQUOT);
    check_eq(copied.failed, HOB_COPY_NEITHER);
    check_eq(told, copied.bytes);
    check_ge(told, 7000);
}

/* ---- memory ---- */

TEST_ON_ALL(copy, one_that_is_idle_holds_neither_memory_nor_descriptors)
{
    enum { MUCH = 50000 };
    hob_stats before, idle;
    char      buf[8];
    BYTES(much, MUCH);
    PAIR(TCP_KIND, in, from);
    PAIR(TCP_KIND, to, out);
    struct copy    copy = { .from = from, .to = to, .end = &to };
    struct io      reader = { .stream = out, .buf = much, .len = MUCH };
    HOB_SCOPE(s);

    memset(much, 'x', MUCH);
    hob_go(&s, copy_and_close, &copy);
    for (int i = 0; i < 2; i++) { // the first byte is also for what a connection needs once
        check_eq(hob_stream_write(in, "a", 1), 1);
        check_eq(hob_stream_read_exactly(out, buf, 1), 1);
    }
    uint64_t bytes = hob__alloc_bytes();
    hob_stats_get(&before);
    check_eq(hob_stream_write(in, "b", 1), 1);
    check_eq(hob_stream_read_exactly(out, buf, 1), 1);
    settle();
    check_lt(hob__alloc_bytes(), bytes + 1000);
    hob_stats_get(&idle);
    check_eq(idle.descriptors, before.descriptors);

    hob_go(&s, read_much, &reader);
    check_eq(hob_stream_write(in, much, MUCH), MUCH);
    check_ok(hob_stream_shutdown(in));
    check_ok(hob_scope_end(&s));
    check_eq(reader.result, MUCH);
    check_ok(copy.result);
}

TEST_ON_ALL(copy, a_buffer_for_much_is_given_back_when_little_comes)
{
    hob_copy_opts opts = { .way = HOB_COPY_BUFFER };
    char          buf[8];
    BYTES(much, 50000);
    PAIR(TCP_KIND, in, from);
    PAIR(TCP_KIND, to, out);
    struct copy copy = { .from = from, .to = to, .opts = &opts, .end = &to };
    HOB_SCOPE(s);

    memset(much, 'x', 50000);
    check_eq(hob_stream_write(in, much, 50000), 50000); // sim needs memory for as much once
    check_eq(hob_stream_read_exactly(from, much, 50000), 50000);
    check_eq(hob_stream_write(to, much, 50000), 50000);
    check_eq(hob_stream_read_exactly(out, much, 50000), 50000);
    hob_go(&s, copy_and_close, &copy);
    uint64_t bytes = 0;
    for (int round = 0; round < 2; round++) {
        check_eq(hob_stream_write(in, "a", 1), 1);
        check_eq(hob_stream_read_exactly(out, buf, 1), 1);
        settle();
        if (round == 0)
            bytes = hob__alloc_bytes();
        else
            check_lt(hob__alloc_bytes(), bytes + 1000);
        check_eq(hob_stream_write(in, much, 50000), 50000);
        check_eq(hob_stream_read_exactly(out, much, 50000), 50000);
    }
    check_ok(hob_stream_shutdown(in));
    check_ok(hob_scope_end(&s));
    check_ok(copy.result);
}

/* ---- both ways ---- */

struct proxy {
    hob_stream *a, *b;
    hob_stream **ends[2]; /* closed afterwards, so that nobody waits for a proxy that failed */
    hob_copied  there, back;
    int         result;
};

static int run_proxy(void *arg)
{
    struct proxy *proxy = arg;

    proxy->result = hob_copy_both(proxy->a, proxy->b, NULL, &proxy->there, &proxy->back);
    for (int i = 0; i < 2 && proxy->ends[i] != NULL; i++) {
        hob_stream_close(*proxy->ends[i]);
        *proxy->ends[i] = NULL;
    }
    return 0;
}

TEST_ON_ALL(copy_both, a_half_close_goes_through_and_the_answer_comes_back)
{
    enum { ASKED = 200000, ANSWERED = 300000 };
    PAIR(TCP_KIND, client, a);
    PAIR(TCP_KIND, server, b);
    struct proxy   proxy = { .a = a, .b = b, .ends = { &a, &b } };
    struct traffic question = { client, ASKED, 9000, 1, 0 }, asked = { server, ASKED, 5000, 1, 0 };
    struct traffic answer = { server, ANSWERED, 9000, 2, 0 };
    struct traffic answered = { client, ANSWERED, 5000, 2, 0 };
    HOB_SCOPE(s);

    hob_go(&s, run_proxy, &proxy);
    {
        HOB_SCOPE(t);
        hob_go(&t, send_traffic, &question);
        hob_go(&t, receive_traffic, &asked); // to the end: the client's half-close arrived
        check_ok(hob_scope_end(&t));
    }
    hob_go(&s, send_traffic, &answer);
    hob_go(&s, receive_traffic, &answered);
    check_ok(hob_scope_end(&s));
    check_ok(proxy.result);
    check_eq(proxy.there.bytes, ASKED);
    check_eq(proxy.back.bytes, ANSWERED);
}

TEST_ON_ALL(copy_both, the_failure_of_one_direction_ends_both)
{
    PAIR(MEM_KIND, client, a);
    PAIR(MEM_KIND, server, b);
    struct proxy proxy = { .a = a, .b = b, .ends = { &a, &b } };
    HOB_SCOPE(s);

    hob_go(&s, run_proxy, &proxy);
    settle();
    check_eq(hob_stream_write(client, "hello", 5), 5);
    settle();
    hob_mem_fail_reads(b, -ECONNRESET, 0);
    check_ok(hob_scope_end(&s));
    check_eq(proxy.result, -ECONNRESET);
    check_eq(proxy.there.bytes, 5);
    check_eq(proxy.back.failed, HOB_COPY_READING);
    check_eq(proxy.there.failed, HOB_COPY_READING); // cancelled
}

/* A stream in two pipes: it cannot be shut down. */
struct duplex {
    hob_stream  stream;
    hob_stream *in, *out;
};

static ssize_t duplex_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_stream_read(((struct duplex *)stream)->in, buf, len);
}

static ssize_t duplex_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write_some(((struct duplex *)stream)->out, buf, len);
}

static const hob_stream_type duplex_type = {
    .name = "duplex",
    .read = duplex_read,
    .write_some = duplex_write_some,
};

TEST_ON_ALL(copy_both, where_an_end_cannot_be_told_it_is_the_end_of_all)
{
    PAIR(PIPE_KIND, x, in);
    PAIR(PIPE_KIND, out, y);
    PAIR(MEM_KIND, server, b);
    struct duplex duplex = { { &duplex_type }, in, out };
    struct proxy  proxy = { .a = &duplex.stream, .b = b };
    HOB_SCOPE(s);

    hob_go(&s, run_proxy, &proxy);
    check_eq(hob_stream_write(server, "bye", 3), 3);
    check_ok(hob_stream_shutdown(server));
    check_ok(hob_scope_end(&s));
    check_ok(proxy.result);
    check_eq(proxy.back.bytes, 3);
    check_eq(proxy.there.ended, 0);
}

/* ---- much ---- */

/* Bytes without end, of no memory. */
struct spring {
    hob_stream stream;
    uint64_t   given, bytes;
};

static ssize_t spring_read(hob_stream *stream, void *buf, size_t len)
{
    struct spring *spring = (struct spring *)stream;

    if (len > spring->bytes - spring->given)
        len = (size_t)(spring->bytes - spring->given);
    if (len > 0)
        memset(buf, (int)(spring->given >> 14), len);
    spring->given += len;
    return (ssize_t)len;
}

static ssize_t sink_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct spring *sink = (struct spring *)stream;

    if (((const unsigned char *)buf)[0] != (unsigned char)(sink->given >> 14))
        return -EBADMSG;
    sink->given += len;
    return (ssize_t)len;
}

static const hob_stream_type spring_type = { .name = "spring", .read = spring_read };
static const hob_stream_type sink_type = { .name = "sink", .write_some = sink_write_some };

static int note_memory(void *arg, const hob_copied *so_far)
{
    uint64_t *most = arg;

    if (hob__alloc_bytes() > *most)
        *most = hob__alloc_bytes();
    return 0;
}

/* Four in the long run, 64 MiB otherwise. */
TEST_ONCE(copy, four_gigabytes_go_through_a_throttled_stream_in_constant_memory)
{
    bool          all = hob_test_is_deep() && !all_is_slow();
    uint64_t      bytes = all ? UINT64_C(4) << 30 : UINT64_C(64) << 20;
    uint64_t      rate = 1 << 20, burst = 1 << 16;
    struct spring spring = { { &spring_type }, 0, bytes }, sink = { { &sink_type }, 0, 0 };
    hob_throttled slow;
    hob_copied    copied;
    int64_t       start = hob_now();

    hob_test_timeout(120);
    hob_stream *from = hob_throttled_init(&slow, &spring.stream,
        &(hob_throttle_opts){ .read_bytes_per_s = rate, .burst_bytes = burst });
    uint64_t    memory = hob__alloc_bytes(), most = 0;
    check_ok(hob_copy(from, &sink.stream,
                      &(hob_copy_opts){ .progress = note_memory, .progress_arg = &most }, &copied));
    check_eq(copied.bytes, bytes);
    check_eq(sink.given, bytes);
    check_gt(most, 0);
    check_le(most, memory + 16384);
    int64_t least = (int64_t)((bytes - burst) / rate) * HOB_SEC;
    check_ge(hob_now() - start, least);
    check_le(hob_now() - start, least + HOB_SEC);
}

/* ---- a large file ---- */

/* Nothing but holes, and a stamp at each border: of the beginning, of what 31 and 32 bits hold, and of
 * the end. */
static const char STAMP[] = "a stamp!";
enum { STAMP_LEN = sizeof STAMP - 1, STAMPS = 4, AND_SOME = 12345 };

struct large {
    uint64_t bytes, stamps[STAMPS];
    uint64_t got;      /* so far                                        */
    uint64_t calls;    /* of progress                                   */
    long     pages;    /* of memory that the program has, at most       */
    uint64_t memory;   /* of Hob's, at most                             */
};

static long pages_now(void)
{
    long  all = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL && fscanf(statm, "%ld %ld", &all, &resident) != 2)
        resident = 0;
    if (statm != NULL)
        fclose(statm);
    return resident;
}

static int make_large(const char *path, struct large *l, uint64_t bytes)
{
    FILE_(file);
    *l = (struct large){ .bytes = bytes, .stamps = { 0, (bytes - AND_SOME) / 2 - 3, bytes - AND_SOME - 3,
                                                     bytes - STAMP_LEN } };
    check_ok(hob_file_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600, &file));
    check_ok(hob_file_truncate(file, bytes));
    for (int i = 0; i < STAMPS; i++)
        check_eq(hob_file_pwrite(file, STAMP, STAMP_LEN, l->stamps[i]), STAMP_LEN);
    return 0;
}

/* What byte of the file comes at `at`. */
static char large_byte(const struct large *l, uint64_t at)
{
    for (int i = 0; i < STAMPS; i++) {
        if (at >= l->stamps[i] && at < l->stamps[i] + STAMP_LEN)
            return STAMP[at - l->stamps[i]];
    }
    return 0;
}

static bool is_hole(const struct large *l, uint64_t at, size_t len)
{
    for (int i = 0; i < STAMPS; i++) {
        if (at < l->stamps[i] + STAMP_LEN && l->stamps[i] < at + len)
            return false;
    }
    return true;
}

static const char nothing[1 << 16];

struct large_reader {
    struct large *large;
    hob_stream   *from;
};

static int receive_large(void *arg)
{
    struct large_reader *reader = arg;
    struct large        *l = reader->large;
    BYTES(buf, sizeof nothing);
    for (;;) {
        size_t n = (size_t)HOB_TRY(hob_stream_read(reader->from, buf, sizeof nothing));
        if (n == 0)
            return 0;
        if (is_hole(l, l->got, n))
            check_mem(buf, nothing, n);
        for (size_t i = 0; i < n && !is_hole(l, l->got, n); i++)
            check_eq(buf[i], large_byte(l, l->got + i));
        l->got += n;
    }
}

static int note_all_memory(void *arg, const hob_copied *so_far)
{
    struct large *l = arg;
    note_memory(&l->memory, so_far);
    if (l->calls++ % 512 == 0) {
        long pages = pages_now();
        l->pages = pages > l->pages ? pages : l->pages;
    }
    return 0;
}

/* Sends the file to a connection whose other end is read, throttled if there is a rate. */
static int send_large(const char *path, struct large *l, uint64_t rate, uint64_t burst)
{
    FILE_(file);
    TCP(client);
    TCP(server);
    hob_throttled slow;
    hob_copied    copied;
    hob_copy_opts opts = { .progress = note_all_memory, .progress_arg = l };
    check_ok(tcp_pair(&client, &server));
    check_ok(hob_file_open(path, O_RDONLY, 0, &file));
    hob_stream *from = hob_file_stream(file);
    if (rate != 0)
        from = hob_throttled_init(&slow, from,
            &(hob_throttle_opts){ .read_bytes_per_s = rate, .burst_bytes = burst });
    struct large_reader reader = { l, hob_tcp_stream(server) };
    HOB_SCOPE(s);
    hob_go(&s, receive_large, &reader);
    int r = hob_copy(from, hob_tcp_stream(client), &opts, &copied);
    ignore(hob_tcp_shutdown(client));
    check_ok(hob_scope_end(&s));
    check_ok(r);
    check_eq(copied.bytes, l->bytes);
    check_eq(l->got, l->bytes);
    return 0;
}

/* Four and some in the long run, 64 MiB otherwise. In sim the rate makes an hour of it. The system may
 * keep as much of the file as it likes: what counts is what the program has. */
TEST_AS(copy, a_file_of_four_gigabytes_takes_no_more_memory_than_a_small_one,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    bool         deep = hob_test_is_deep() && !all_is_slow();
    uint64_t     some = (UINT64_C(1) << (all_is_slow() ? 23 : 26)) + AND_SOME;
    uint64_t     bytes = deep ? (UINT64_C(1) << 32) + AND_SOME : some;
    uint64_t     rate = in_sim() ? 1 << 20 : 1 << 30, burst = 1 << 20;
    const char  *path = scratch_path("large");
    struct large small, large;
    hob_test_timeout(deep ? 300 : 60);

    check_ok(make_large(path, &small, (1 << 20) + AND_SOME));
    check_ok(send_large(path, &small, rate, burst)); // what the first use takes is taken
    uint64_t memory = small.memory;
    check_ok(make_large(path, &large, bytes));
    large.pages = pages_now();
    long    before = large.pages;
    int64_t start = hob_now();
    check_ok(send_large(path, &large, rate, burst));
    check_ge(hob_now() - start, (int64_t)((bytes - burst) / rate) * HOB_SEC); // never too fast
    check_le(large.memory, memory + 65536);
    if (!in_sim() && !all_is_slow()) // in sim the kernel's memory is ours, too
        check_le((large.pages - before) * sysconf(_SC_PAGESIZE), 8 << 20);

    check_ok(make_large(path, &small, (1 << 20) + AND_SOME));
    check_ok(send_large(path, &small, 0, 0));
    check_ok(make_large(path, &large, some)); // and as fast as it goes, by splice where there is one
    check_ok(send_large(path, &large, 0, 0));
    check_le(large.memory, small.memory + 65536);
    check_ok(hob_path_unlink(path));
}
