/* SPDX-License-Identifier: MIT */
/* Streams around a stream: limited, counted, copied aside, throttled. */
#include "support/io.h"

#define MEM_PAIR(a, b)                            \
    STREAM(a) = NULL;                             \
    STREAM(b) = NULL;                             \
    check_ok(hob_mem_pair(NULL, &a, &b))

TEST_ON_ALL(limited, reading_ends_after_so_many_bytes_and_the_rest_stays)
{
    hob_limited limited;
    char        buf[16];
    MEM_PAIR(a, b);
    hob_stream *first = hob_limited_init(&limited, b, 5);

    check_eq(hob_stream_write(a, "0123456789", 10), 10);
    check_eq(hob_stream_read(first, buf, 3), 3);
    check_eq(hob_stream_read(first, buf, 16), 2);
    check_mem(buf, "34", 2);
    check_eq(hob_stream_read(first, buf, 16), 0);
    check_eq(hob_stream_read(b, buf, 16), 5);
    check_mem(buf, "56789", 5);
    check_eq(hob_stream_write(first, "back", 4), 4);
    check_eq(hob_stream_read(a, buf, 16), 4);
    check_ok(hob_stream_shutdown(first));
    check_eq(hob_stream_read(a, buf, 16), 0);
}

TEST_ON_ALL(counted, counts_what_moved_and_nothing_else)
{
    hob_counted counted;
    char        buf[16];
    MEM_PAIR(a, b);
    hob_stream *stream = hob_counted_init(&counted, a);

    check_eq(hob_stream_write(stream, "12345", 5), 5);
    struct iovec pieces[] = { { "67", 2 }, { "", 0 }, { "8", 1 } };
    check_eq(hob_stream_writev(stream, pieces, 3), 3);
    check_eq(hob_stream_read_exactly(b, buf, 8), 8);
    check_mem(buf, "12345678", 8);
    check_eq(hob_stream_write(b, "abc", 3), 3);
    check_eq(hob_stream_read(stream, buf, 16), 3);
    hob_mem_fail_reads(a, -EIO, 0);
    check_err(hob_stream_read(stream, buf, 16), -EIO);
    check_eq(counted.bytes_written, 8);
    check_eq(counted.writes, 3);
    check_eq(counted.bytes_read, 3);
    check_eq(counted.reads, 1);
}

TEST_ON_ALL(tee, both_directions_are_copied_aside)
{
    hob_tee tee;
    char    buf[16];
    MEM_PAIR(a, b);
    MEM_PAIR(heard_in, heard);
    MEM_PAIR(said_in, said);
    hob_stream *stream = hob_tee_init(&tee, a, heard_in, said_in);

    check_eq(hob_stream_write(b, "hello", 5), 5);
    check_eq(hob_stream_read(stream, buf, 16), 5);
    check_eq(hob_stream_write(stream, "good day", 8), 8);
    check_eq(hob_stream_read(heard, buf, 16), 5);
    check_mem(buf, "hello", 5);
    check_eq(hob_stream_read(said, buf, 16), 8);
    check_mem(buf, "good day", 8);
    check_eq(tee.error, 0);
}

TEST_ON_ALL(tee, a_copy_that_fails_does_not_disturb)
{
    hob_tee tee;
    char    buf[16];
    MEM_PAIR(a, b);
    MEM_PAIR(aside, unread);
    hob_stream *stream = hob_tee_init(&tee, a, aside, NULL);

    hob_mem_fail_writes(aside, -ENOSPC, 3);
    check_eq(hob_stream_write(b, "12345", 5), 5);
    check_eq(hob_stream_read(stream, buf, 16), 5);
    check_eq(tee.error, -ENOSPC);
    check_eq(hob_stream_write(b, "6", 1), 1);
    check_eq(hob_stream_read(stream, buf, 16), 1);
    check_eq(hob_stream_read(unread, buf, 16), 3);
}

/* ---- throttled ---- */

/* Reads all, and stands in for a peer that is always faster. */
static int swallow(void *arg)
{
    char buf[4096];
    while (HOB_TRY(hob_stream_read(arg, buf, sizeof buf)) > 0)
        continue;
    return 0;
}

TEST(throttled, writing_takes_exactly_the_time_that_the_rate_says)
{
    static const struct { uint64_t rate, burst, bytes; } cases[] = {
        { 1000, 100, 1100 }, { 1000, 1, 501 }, { 3, 1, 31 }, { 7, 2, 100 }, { 1000000, 64, 10064 },
        { 1, 1, 3 }, { 999999937, 5, 1000005 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hob_throttled     throttled;
        hob_throttle_opts opts = { .write_bytes_per_s = cases[i].rate,
                                   .burst_bytes = cases[i].burst };
        BYTES(bytes, cases[i].bytes);
        MEM_PAIR(a, b);
        HOB_SCOPE(s);

        memset(bytes, 0, cases[i].bytes);
        hob_go_with(&s, swallow, b, &(hob_task_opts){ .daemon = 1 });
        hob_stream *slow = hob_throttled_init(&throttled, a, &opts);
        int64_t     start = hob_now();
        check_eq(hob_stream_write(slow, bytes, cases[i].bytes), cases[i].bytes);
        uint64_t parts = (cases[i].bytes - cases[i].burst) * UINT64_C(1000000000);
        check_eq(hob_now() - start, (parts + cases[i].rate - 1) / cases[i].rate);
        check_ok(hob_scope_end(&s));
    }
}

TEST(throttled, never_more_goes_through_than_burst_and_rate_allow)
{
    hob_throttled throttled;
    uint64_t      rate = 1 + hob_random() % 100000, burst = 1 + hob_random() % 1000, done = 0;
    MEM_PAIR(a, b);
    hob_stream *slow = hob_throttled_init(&throttled, b, &(hob_throttle_opts){
        .read_bytes_per_s = rate, .burst_bytes = burst });
    int64_t start = hob_now();
    char    buf[2000];

    for (int step = 0; step < 300; step++) {
        size_t len = 1 + hob_random() % sizeof buf;
        memset(buf, 'x', len);
        check_eq(hob_stream_write(a, buf, len), len);
        if (hob_random() % 5 == 0)
            check_ok(hob_sleep((int64_t)(hob_random() % (100 * HOB_MSEC))));
        while (len > 0) {
            ssize_t n = check_ok(hob_stream_read(slow, buf, 1 + hob_random() % sizeof buf));
            done += (uint64_t)n;
            len -= (size_t)n;
            check_le(done, burst + rate * (uint64_t)(hob_now() - start) / 1000000000);
        }
    }
}

TEST(throttled, a_cancelled_wait_moves_nothing)
{
    hob_throttled throttled;
    char          buf[8];
    MEM_PAIR(a, b);
    hob_stream *slow = hob_throttled_init(&throttled, b, &(hob_throttle_opts){
        .read_bytes_per_s = 1, .burst_bytes = 1 });

    check_eq(hob_stream_write(a, "ab", 2), 2);
    check_eq(hob_stream_read(slow, buf, 8), 1);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(500 * HOB_MSEC));
        check_err(hob_stream_read(slow, buf, 8), -ETIMEDOUT);
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_stream_read(slow, buf, 8), 1);
    check_eq(buf[0], 'b');
}

TEST(throttled, without_a_rate_nothing_is_slowed)
{
    hob_throttled throttled;
    char          buf[8];
    MEM_PAIR(a, b);
    hob_stream *stream = hob_throttled_init(&throttled, b, NULL);
    int64_t     start = hob_now();

    check_eq(hob_stream_write(stream, "abc", 3), 3);
    check_eq(hob_stream_read(a, buf, 8), 3);
    check_eq(hob_stream_write(a, "abc", 3), 3);
    check_eq(hob_stream_read(stream, buf, 8), 3);
    check_eq(hob_now(), start);
}
