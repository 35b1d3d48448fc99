/* SPDX-License-Identifier: MIT */
/*
 * What only the simulated world has: virtual time, latency, chance, one seed for
 * all. That it keeps the contract of the backends is the conformance suite's.
 *
 * Checked here: time costs nothing and moves only when everybody waits; bytes
 * keep their order whatever the latency; a knob does what it says and nothing is
 * lost by it; the same seed gives the same run, another seed another.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "support/test.h"

enum { BYTES = 20000 };

static void close_tcp(void *arg)
{
    hob_tcp_close(arg);
}

/* Both ends of a connection within the world. */
static int connect_both(hob_tcp **ret_client, hob_tcp **ret_server)
{
    hob_addr          any = hob_addr_loopback(0), addr;
    hob_tcp_listener *listener;
    HOB_TRY(hob_tcp_listen(&any, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    int rc = hob_tcp_connect(&addr, NULL, ret_client);
    if (rc >= 0) {
        rc = hob_tcp_accept(listener, ret_server);
        if (rc < 0)
            hob_tcp_close(*ret_client);
    }
    hob_tcp_listener_close(listener);
    return rc;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 131 >> 4);
}

/* Writes BYTES bytes in pieces of many sizes, then the end. */
static int write_task(void *arg)
{
    static unsigned char bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = byte_at(i);
    for (size_t at = 0, piece = 1; at < BYTES; at += piece, piece = piece % 611 + 7) {
        size_t len = BYTES - at < piece ? BYTES - at : piece;
        HOB_TRY(hob_tcp_write(arg, bytes + at, len));
    }
    return hob_tcp_shutdown(arg);
}

/* Reads to the end. Returns how many bytes came, all of them right. */
static int read_to_end(hob_tcp *conn)
{
    unsigned char buf[1000];
    size_t        got = 0;
    for (;;) {
        ssize_t n = HOB_TRY(hob_tcp_read(conn, buf, sizeof buf));
        if (n == 0)
            return (int)got;
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != byte_at(got + (size_t)i))
                return hob_fail(-EBADMSG);
        got += (size_t)n;
    }
}

static int transfer(hob_tcp *from, hob_tcp *to)
{
    HOB_SCOPE(s);
    hob_go(&s, write_task, from);
    int got = read_to_end(to);
    if (got < 0)
        hob_scope_cancel(&s, "the connection broke");
    int written = hob_scope_end(&s);
    return got == -ECANCELED || got >= 0 ? (written < 0 ? written : got) : got;
}

/* ---- time --------------------------------------------------------------- */

TEST(sim, a_year_of_sleep_takes_no_time_and_is_exact)
{
    int64_t begin = hob_now(), wall = hob_wall_now();
    for (int day = 0; day < 365; day++)
        check_ok(hob_sleep(24 * HOB_HOUR));
    check_eq(hob_now() - begin, 365 * 24 * HOB_HOUR);
    check_eq(hob_wall_now() - wall, 365 * 24 * HOB_HOUR);
}

TEST(sim, time_stands_still_while_somebody_works)
{
    int64_t begin = hob_now();
    for (int i = 0; i < 1000; i++)
        hob_yield();
    check_eq(hob_now(), begin);
}

TEST(sim, without_knobs_the_network_takes_no_time)
{
    int64_t  begin = hob_now();
    hob_tcp *client, *server;
    check_ok(connect_both(&client, &server));
    HOB_DEFER(close_tcp, client);
    HOB_DEFER(close_tcp, server);
    check_eq(transfer(client, server), BYTES);
    check_eq(hob_now(), begin);
}

TEST(sim, each_network_step_takes_its_latency)
{
    hob_sim_world world = { .latency_min_ns = 3 * HOB_MSEC, .latency_max_ns = 5 * HOB_MSEC };
    hob_tcp      *client, *server;
    char          buf[8];
    check_ok(hob_sim_set_world(&world));

    int64_t begin = hob_now();
    check_ok(connect_both(&client, &server));
    HOB_DEFER(close_tcp, client);
    HOB_DEFER(close_tcp, server);
    check_ge(hob_now() - begin, 3 * HOB_MSEC);
    check_le(hob_now() - begin, 5 * HOB_MSEC);

    for (int i = 0; i < 100; i++) {
        begin = hob_now();
        check_eq(hob_tcp_write(client, "ping", 4), 4);
        check_eq(hob_now(), begin);
        check_eq(hob_tcp_read(server, buf, sizeof buf), 4);
        check_ge(hob_now() - begin, 3 * HOB_MSEC);
        check_le(hob_now() - begin, 5 * HOB_MSEC);
    }
}

/* ---- chance ------------------------------------------------------------- */

TEST(sim, bytes_never_overtake_each_other)
{
    hob_sim_world world = {
        .latency_max_ns = 50 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 300,
    };
    hob_tcp *client, *server;
    check_ok(hob_sim_set_world(&world));
    check_ok(connect_both(&client, &server));
    HOB_DEFER(close_tcp, client);
    HOB_DEFER(close_tcp, server);
    check_eq(transfer(client, server), BYTES);
    check_eq(transfer(server, client), BYTES);
}

TEST(sim, resets_come_and_nothing_wrong_comes_before_them)
{
    hob_sim_world world = { .latency_max_ns = HOB_MSEC, .reset_percent = 2 };
    check_ok(hob_sim_set_world(&world));
    int resets = 0;
    for (int i = 0; i < 30; i++) {
        hob_tcp *client, *server;
        check_ok(connect_both(&client, &server));
        int got = transfer(client, server);
        hob_tcp_close(client);
        hob_tcp_close(server);
        check(got == BYTES || got == -ECONNRESET || got == -EPIPE);
        resets += got < 0;
    }
    check_gt(resets, 0);
}

static void close_udp(void *arg)
{
    hob_udp_close(arg);
}

TEST(sim, datagrams_are_lost_about_as_often_as_asked)
{
    hob_sim_world world = { .loss_percent = 30, .datagrams = 1000 };
    hob_addr      any = hob_addr_loopback(0);
    hob_udp      *from, *to;
    check_ok(hob_udp_open(&any, &from));
    HOB_DEFER(close_udp, from);
    check_ok(hob_udp_open(&any, &to));
    HOB_DEFER(close_udp, to);
    check_ok(hob_sim_set_world(&world));

    hob_addr addr = hob_udp_local_addr(to);
    for (int i = 0; i < 1000; i++)
        check_eq(hob_udp_send(from, "x", 1, &addr), 1);
    int came = 0;
    {
        HOB_SCOPE(s);
        char buf[4];
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        while (hob_udp_recv(to, buf, sizeof buf, NULL) == 1)
            came++;
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ge(came, 600);
    check_le(came, 800);
}

/* ---- the disk ----------------------------------------------------------- */

static void close_file(void *arg)
{
    hob_file_close(arg);
}

static void close_pipe(void *arg)
{
    hob_pipe_close(arg);
}

TEST(sim, a_full_disk_takes_what_fits_and_then_says_so)
{
    hob_sim_world world = { .disk_bytes = 5000 };
    static char   bytes[8000], back[8000];
    hob_file     *file;
    struct stat   st;
    memset(bytes, 'x', sizeof bytes);
    check_ok(hob_sim_set_world(&world));
    check_err(hob_file_open("/log/a", O_RDWR | O_CREAT, 0600, &file), -ENOENT);
    check_ok(hob_sim_put_file("/log/b", "", 0));
    check_ok(hob_file_open("/log/a", O_RDWR | O_CREAT, 0600, &file));
    HOB_DEFER(close_file, file);
    check_eq(hob_file_write(file, bytes, sizeof bytes), 5000);
    check_err(hob_file_write(file, bytes, 1), -ENOSPC);
    check_ok(hob_file_stat(file, &st));
    check_eq(st.st_size, 5000);
    check_eq(hob_file_pread(file, back, sizeof back, 0), 5000);
    check_mem(back, bytes, 5000);

    world.disk_bytes = 0;
    check_ok(hob_sim_set_world(&world));
    check_eq(hob_file_write(file, bytes, 1), 1);
}

TEST(sim, descriptors_run_out_where_the_limit_is)
{
    hob_sim_world world = { .descriptors = 3 };
    hob_pipe     *reader, *writer, *no_reader, *no_writer;
    hob_file     *file;
    hob_udp      *udp;
    hob_unix     *a, *b;
    hob_addr      any = hob_addr_loopback(0);
    struct stat   st;
    check_ok(hob_sim_set_world(&world));
    check_ok(hob_pipe_open(&reader, &writer));
    HOB_DEFER(close_pipe, reader);
    HOB_DEFER(close_pipe, writer);
    check_err(hob_pipe_open(&no_reader, &no_writer), -EMFILE); // one of two is not enough
    check_err(hob_unix_pair(&a, &b), -EMFILE);
    check_ok(hob_file_open("/one", O_WRONLY | O_CREAT, 0600, &file)); // and the one is still there
    check_err(hob_udp_open(&any, &udp), -EMFILE);
    hob_file_close(file);
    check_ok(hob_udp_open(&any, &udp));
    check_err(hob_file_open("/two", O_WRONLY | O_CREAT, 0600, &file), -EMFILE);
    hob_udp_close(udp);
    check_err(hob_path_stat("/two", &st), -ENOENT);

    world.descriptors = 1; // those that are open stay so
    check_ok(hob_sim_set_world(&world));
    check_eq(hob_pipe_write(writer, "x", 1), 1);
    check_err(hob_udp_open(&any, &udp), -EMFILE);
    world.descriptors = 0;
    check_ok(hob_sim_set_world(&world));
    check_ok(hob_udp_open(&any, &udp));
    hob_udp_close(udp);
}

TEST(sim, holes_read_as_zeros)
{
    hob_file *file;
    char      buf[10], zeros[10] = { 0 };
    check_ok(hob_file_open("sparse", O_RDWR | O_CREAT, 0600, &file));
    HOB_DEFER(close_file, file);
    check_eq(hob_file_pwrite(file, "end", 3, INT64_C(1) << 40), 3);
    check_eq(hob_file_pread(file, buf, 10, INT64_C(1) << 39), 10);
    check_mem(buf, zeros, 10);
    check_eq(hob_file_pread(file, buf, 10, INT64_C(1) << 40), 3);
    check_mem(buf, "end", 3);
}

TEST(sim, paths_are_what_a_file_system_would_make_of_them)
{
    hob_file   *file;
    struct stat st;
    check_ok(hob_sim_put_file("/etc/app/conf", "a=1", 3));
    check_ok(hob_path_stat("/etc//app/../app/./conf", &st));
    check_eq(st.st_size, 3);
    check(S_ISREG(st.st_mode));
    check_ok(hob_path_stat("etc/app/", &st));
    check(S_ISDIR(st.st_mode));
    check_err(hob_path_stat("/etc/app/conf/", &st), -ENOTDIR);
    check_err(hob_path_stat("/etc/app/conf/x", &st), -ENOTDIR);
    check_err(hob_path_stat("/etc/none", &st), -ENOENT);
    check_err(hob_file_open("/etc/app", O_RDWR, 0, &file), -EISDIR);
    check_err(hob_file_open("/etc/app/conf", O_RDWR | O_CREAT | O_EXCL, 0, &file), -EEXIST);
    check_err(hob_file_open("/etc/app/conf/x", O_RDWR | O_CREAT, 0, &file), -ENOTDIR);

    char name[5000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    check_err(hob_path_stat(name, &st), -ENAMETOOLONG);
}

TEST(sim, the_disk_takes_its_time_and_fails_when_asked)
{
    hob_sim_world world = { .disk_min_ns = 2 * HOB_MSEC, .disk_max_ns = 4 * HOB_MSEC };
    struct stat   st;
    check_ok(hob_sim_put_file("/a", "a", 1));
    check_ok(hob_sim_set_world(&world));
    int64_t begin = hob_now();
    check_ok(hob_path_stat("/a", &st));
    check_ge(hob_now() - begin, 2 * HOB_MSEC);
    check_le(hob_now() - begin, 4 * HOB_MSEC);

    world.disk_error_percent = 100;
    check_ok(hob_sim_set_world(&world));
    check_err(hob_path_stat("/a", &st), -EIO);
}

TEST(sim, standard_output_can_be_written_and_other_numbers_are_strange)
{
    hob_pipe *out;
    check_ok(hob_pipe_from_fd(1, &out));
    check_eq(hob_pipe_write(out, "", 0), 0);
    hob_pipe_close(out);
    check_err(hob_fd_wait(1, 1), -EBADF);
    check_err(hob_pipe_from_fd(7, &out), -EBADF);
}

/* ---- one seed ----------------------------------------------------------- */

static int busy_main(void *arg)
{
    hob_sim_world world = {
        .latency_max_ns = 10 * HOB_MSEC, .short_io_percent = 20, .stream_bytes = 1000,
        .disk_max_ns = HOB_MSEC,
    };
    hob_tcp    *client, *server;
    struct stat st;
    hob_stats   stats;
    HOB_TRY(hob_sim_set_world(&world));
    HOB_TRY(hob_sim_put_file("/a", "a", 1));
    HOB_TRY(connect_both(&client, &server));
    int got = transfer(client, server);
    hob_tcp_close(client);
    hob_tcp_close(server);
    HOB_TRY(got);
    HOB_TRY(hob_path_stat("/a", &st));
    hob_stats_get(&stats);
    *(uint64_t *)arg = stats.trace_hash;
    return 0;
}

static int run_with_seed(uint64_t seed, uint64_t *ret_hash)
{
    hob_run_opts opts = { .backend = "sim", .seed = seed };
    return hob_run_with(&opts, busy_main, ret_hash);
}

TEST_AS(sim, the_same_seed_gives_the_same_run_and_another_seed_another,
        HOB_TEST_NO_RUNTIME | HOB_TEST_ONE_SEED, NULL)
{
    uint64_t first, again, other, last = 0;
    unsetenv("HOB_SEED"); // it would win
    unsetenv("HOB_BACKEND");
    for (uint64_t seed = 1; seed <= 20; seed++) {
        check_ok(run_with_seed(seed, &first));
        check_ok(run_with_seed(seed, &again));
        check_ok(run_with_seed(seed + 1000, &other));
        check_eq(first, again);
        check_ne(first, other);
        check_ne(first, last);
        last = first;
    }
}
