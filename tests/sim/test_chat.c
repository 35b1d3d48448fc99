/* SPDX-License-Identifier: MIT */
/*
 * The chat of examples/05_chat.c, with many users.
 *
 * What is checked in each run:
 *   1. Everybody hears every line, in one order that is the same for all, and
 *      what one user says in the order in which they said it.
 *   2. Who does not listen holds up nobody, misses the oldest lines, and is told
 *      how many; who takes nothing at all is disconnected.
 *   3. The same seed gives the same run, event by event; another one another run.
 */
#define CHAT_NO_MAIN
#include "../../examples/05_chat.c"

#include "../support/test.h"

enum {
    GUESTS = 50,
    LINES = 4, /* that each of them says */
};

struct party {
    hob_addr     addr;
    uint64_t     trace_hash;
    hob_promise *all_here;
    int          here;
    char         heard[GUESTS * LINES][32]; /* as the first to hear them heard them */
    int          heard_count;
};

/* ---- the server ---- */

static int run_server(void *arg)
{
    (void)arg;
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    hob_ready(&addr);
    int r = chat_serve(listener);
    hob_tcp_listener_close(listener);
    return r;
}

static int start_server(hob_scope *scope, hob_addr *ret_addr)
{
    hob_task_opts opts = { .name = "chat", .daemon = 1 };
    void         *addr;
    HOB_TRY(hob_go_ready(scope, run_server, NULL, &opts, &addr));
    *ret_addr = *(hob_addr *)addr;
    return 0;
}

/* ---- a guest: uses struct user for its end of the connection ---- */

static void hang_up(void *arg)
{
    struct user *me = arg;
    hob_tcp_close(me->conn);
}

static int tell(struct user *me, const char *line)
{
    char text[64];
    int  len = snprintf(text, sizeof text, "%s\n", line);
    HOB_TRY(hob_tcp_write(me->conn, text, (size_t)len));
    return 0;
}

static int hear(struct user *me, char *line)
{
    int r = HOB_TRY(read_line(me, line));
    return r == 1 ? 0 : HOB_EOF;
}

/* Connects, gives a name, and waits until that is heard. */
static int join(struct user *me, const hob_addr *addr, const char *name)
{
    char line[sizeof me->in], joined[64];
    snprintf(joined, sizeof joined, "* %s joined", name);

    HOB_TRY(hob_tcp_connect(addr, NULL, &me->conn));
    HOB_TRY(hear(me, line));
    check_str(line, "* your name?");
    HOB_TRY(tell(me, name));
    do
        HOB_TRY(hear(me, line));
    while (strcmp(line, joined) != 0);
    return 0;
}

struct guest {
    struct party *party;
    int           number;
    struct user   me;
    int           heard;        /* lines of the party */
    int           next[GUESTS]; /* the number of the next line of each */
};

/* Takes down one line that somebody said; joining and leaving is passed over. */
static int note(struct guest *g, const char *line)
{
    struct party *party = g->party;
    int           who, number;
    if (sscanf(line, "guest %d: line %d", &who, &number) != 2)
        return 0;
    check_eq(number, g->next[who]);
    g->next[who]++;

    check_lt(g->heard, GUESTS * LINES);
    if (g->heard == party->heard_count)
        snprintf(party->heard[party->heard_count++], sizeof party->heard[0], "%.31s", line);
    check_str(line, party->heard[g->heard]);
    g->heard++;
    return 0;
}

/* Says its lines, each when it has heard the one before, and listens to the end. */
static int attend(void *arg)
{
    struct guest *g = arg;
    struct party *party = g->party;
    char          line[sizeof g->me.in], name[32];

    HOB_DEFER(hang_up, &g->me);
    snprintf(name, sizeof name, "guest %d", g->number);
    check_ok(join(&g->me, &party->addr, name));
    if (++party->here == GUESTS)
        hob_promise_resolve(party->all_here, NULL);
    check_ok(hob_promise_await(party->all_here, NULL));

    int said = 0;
    while (g->heard < GUESTS * LINES) {
        if (said < LINES && g->next[g->number] == said) {
            snprintf(line, sizeof line, "line %d", said++);
            check_ok(tell(&g->me, line));
        }
        check_ok(hear(&g->me, line));
        HOB_TRY(note(g, line));
    }
    return 0;
}

static int invite(struct party *party)
{
    HOB_SCOPE(s);
    HOB_TRY(start_server(&s, &party->addr));
    for (int i = 0; i < GUESTS; i++) {
        struct guest guest = { .party = party, .number = i };
        hob_go_copy(&s, attend, &guest, sizeof guest);
    }
    return hob_scope_end(&s);
}

static int have_party(void *arg)
{
    struct party *party = arg;
    hob_sim_world world = {
        .latency_min_ns = 1 * HOB_MSEC,
        .latency_max_ns = 20 * HOB_MSEC,
        .short_io_percent = 20,
    };
    int r = hob_sim_set_world(&world);
    if (r < 0 && r != -ENOTSUP)
        return r;

    HOB_TRY(hob_promise_new(&party->all_here));
    r = invite(party);
    hob_promise_free(party->all_here);

    hob_stats stats;
    hob_stats_get(&stats);
    party->trace_hash = stats.trace_hash;
    return r;
}

TEST_AS(chat, fifty_users_hear_every_line_in_one_order,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    static struct party party;
    party = (struct party){ 0 };
    check_ok(have_party(&party));
    check_eq(party.heard_count, GUESTS * LINES);
}

/* ---- slow readers ---- */

/* Says `count` lines, and listens to them. */
static int speak(struct user *me, int count)
{
    char line[sizeof me->in], mine[64];
    for (int i = 0; i < count; i++) {
        snprintf(mine, sizeof mine, "line %d", i);
        HOB_TRY(tell(me, mine));
        snprintf(mine, sizeof mine, "ann: line %d", i);
        do
            HOB_TRY(hear(me, line));
        while (strcmp(line, mine) != 0);
    }
    return 0;
}

TEST_ONCE(chat, a_slow_reader_misses_the_oldest_lines_and_is_told_how_many)
{
    enum { SAID = 2000 };
    hob_sim_world world = { .stream_bytes = 4096 };
    hob_addr      addr;
    check_ok(hob_sim_set_world(&world));

    HOB_SCOPE(s);
    check_ok(start_server(&s, &addr));
    struct user ann = { 0 }, bob = { 0 };
    HOB_DEFER(hang_up, &ann);
    HOB_DEFER(hang_up, &bob);
    check_ok(join(&ann, &addr, "ann"));
    check_ok(join(&bob, &addr, "bob"));
    check_ok(speak(&ann, SAID)); // while bob sleeps

    char line[sizeof bob.in];
    int  next = 0, missed = 0;
    while (next < SAID) {
        int lines, number;
        check_ok(hear(&bob, line));
        if (sscanf(line, "* you missed %d lines", &lines) == 1) {
            missed += lines;
            next += lines;
        } else if (sscanf(line, "ann: line %d", &number) == 1) {
            check_eq(number, next);
            next++;
        }
    }
    check_eq(next, SAID);
    check_gt(missed, 0);
}

TEST_ONCE(chat, who_takes_nothing_is_disconnected)
{
    hob_sim_world world = { .stream_bytes = 4096 };
    hob_addr      addr;
    check_ok(hob_sim_set_world(&world));

    HOB_SCOPE(s);
    check_ok(start_server(&s, &addr));
    struct user ann = { 0 }, bob = { 0 };
    HOB_DEFER(hang_up, &ann);
    HOB_DEFER(hang_up, &bob);
    check_ok(join(&ann, &addr, "ann"));
    check_ok(join(&bob, &addr, "bob"));
    check_ok(speak(&ann, 1000));

    int64_t began_ns = hob_now();
    char    line[sizeof ann.in];
    do
        check_ok(hear(&ann, line));
    while (strcmp(line, "* bob left") != 0);
    check_le(hob_now() - began_ns, PATIENCE);
}

/* ---- names and limits ---- */

TEST_ON_ALL(chat, a_name_is_taken_once)
{
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &addr));
    struct user ann = { 0 }, other = { 0 };
    HOB_DEFER(hang_up, &ann);
    HOB_DEFER(hang_up, &other);
    check_ok(join(&ann, &addr, "ann"));

    char line[sizeof other.in];
    check_ok(hob_tcp_connect(&addr, NULL, &other.conn));
    check_ok(hear(&other, line));
    check_ok(tell(&other, "ann"));
    check_ok(hear(&other, line));
    check_str(line, "* that name is taken, or too long");
    check_ok(hear(&other, line));
    check_ok(tell(&other, "bob\r"));
    check_ok(hear(&other, line));
    check_str(line, "* bob joined");
    check_ok(hear(&ann, line));
    check_str(line, "* bob joined");
}

TEST_ON_ALL(chat, a_line_without_end_ends_the_connection)
{
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &addr));
    struct user ann = { 0 };
    HOB_DEFER(hang_up, &ann);
    check_ok(join(&ann, &addr, "ann"));

    char line[sizeof ann.in];
    memset(line, 'x', sizeof line);
    check_ok(hob_tcp_write(ann.conn, line, sizeof line));
    check_ok(hear(&ann, line));
    check_str(line, "* that line was too long, good bye");
    check_err(hear(&ann, line), HOB_EOF);
}

/* ---- seeds ---- */

static uint64_t hash_of(uint64_t seed)
{
    static struct party party;
    hob_run_opts        opts;
    hob_test_run_opts(&opts);
    opts.backend = "sim";
    opts.seed = seed;
    party = (struct party){ 0 };
    expect_ok(hob_run_with(&opts, have_party, &party));
    expect_eq(party.heard_count, GUESTS * LINES);
    return party.trace_hash;
}

/* A hundred runs, and a thousand with --deep; where the program runs on another backend than sim, which
 * makes no difference to this test, only ten. The hash is said, so that two processes can be compared. */
TEST_AS(chat, a_seed_repeats_the_whole_run, HOB_TEST_NO_RUNTIME | HOB_TEST_ONE_SEED, NULL)
{
    bool     few = all_is_slow() || strcmp(hob_test_backend(), "sim") != 0;
    int      runs = few ? 10 : hob_test_is_deep() ? 1000 : 100;
    uint64_t hash = hash_of(1), other = hash_of(2);
    hob_test_timeout(300);
    for (int i = 1; i < runs; i++)
        check_eq(hash_of(1), hash);
    check_eq(hash_of(2), other);
    check_ne(other, hash);
    printf("%d runs of the chat with seed 1: trace %016llx; seed 2: %016llx\n", runs,
           (unsigned long long)hash, (unsigned long long)other);
}

/* ---- what the trace is of ---- */

static int sleep_so_long(void *arg)
{
    return hob_sleep(*(int64_t *)arg);
}

static int send_so_much(void *arg)
{
    int64_t   n = *(int64_t *)arg;
    hob_unix *a, *b;
    char      buf[8] = "";
    HOB_TRY(hob_unix_pair(&a, &b));
    ssize_t sent = hob_unix_write(a, buf, (size_t)n);
    ssize_t got = hob_unix_read(b, buf, sizeof buf);
    hob_unix_close(a);
    hob_unix_close(b);
    return sent == n && got == n ? 0 : -EIO;
}

struct traced {
    hob_task_fn *fn;
    int64_t      value;
    uint64_t     hash;
};

static int run_traced(void *arg)
{
    struct traced *t = arg;
    hob_stats      stats;
    HOB_SCOPE(s);
    hob_go(&s, t->fn, &t->value);
    int r = hob_scope_end(&s);
    hob_stats_get(&stats);
    t->hash = stats.trace_hash;
    return r;
}

static uint64_t trace_of(hob_task_fn *fn, int64_t value)
{
    struct traced t = { fn, value, 0 };
    hob_run_opts  opts;
    hob_test_run_opts(&opts);
    opts.backend = "sim";
    opts.seed = 1;
    expect_ok(hob_run_with(&opts, run_traced, &t));
    return t.hash;
}

TEST_BARE(trace, tells_times_and_results_apart)
{
    check_eq(trace_of(sleep_so_long, 1000), trace_of(sleep_so_long, 1000));
    check_ne(trace_of(sleep_so_long, 1000), trace_of(sleep_so_long, 1001));
    check_eq(trace_of(send_so_much, 3), trace_of(send_so_much, 3));
    check_ne(trace_of(send_so_much, 3), trace_of(send_so_much, 4));
    check_ne(trace_of(send_so_much, 3), trace_of(sleep_so_long, 3));
}
