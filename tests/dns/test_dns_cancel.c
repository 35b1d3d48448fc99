/* SPDX-License-Identifier: MIT */
/*
 * Cancelling, freeing and failing wherever a look-up can wait: nothing is lost, nothing is left, and
 * the resolver goes on.
 *
 * In this world each step of the network and of the disk takes a microsecond, and nothing else takes
 * time. So what is cancelled at each half of a microsecond is cancelled in each wait.
 */
#include <ares.h>

#include "dns/memory.h"
#include "dns/server.h"

enum { STEP_NS = 500, STEPS_MAX = 400 };

static const struct rr ZONE[] = {
    { "a.example", A, 300, "10.0.0.1" },
    { "a.example", AAAA, 300, "fd00::1" },
    { "text.a.example", TXT, 300, "hello" },
    { NULL, 0, 0, NULL },
};

static const hob_sim_world STEPS = {
    .latency_min_ns = 2 * STEP_NS, .latency_max_ns = 2 * STEP_NS,
    .disk_min_ns = 2 * STEP_NS, .disk_max_ns = 2 * STEP_NS,
};

static int put_files(void)
{
    static const char hosts[] = "10.0.0.9 other\n";
    static const char resolv[] = "nameserver 10.0.0.52\nnameserver 10.0.0.53\nsearch wrong.example example\n";
    check_ok(hob_sim_put_file("/etc/hosts", hosts, sizeof hosts - 1));
    check_ok(hob_sim_put_file("/etc/resolv.conf", resolv, sizeof resolv - 1));
    return 0;
}

/* Two servers, of which the first refuses, and the second has to be asked by TCP in the end. */
struct place {
    struct server refusing, server;
};

static void leave_place(struct place *p)
{
    close_server(&p->refusing);
    close_server(&p->server);
}

#define PLACE(name) CLOSED_BY(leave_place) struct place name = { \
    .refusing = { .zone = ZONE, .rcode = REFUSED, .no_tcp = true }, \
    .server = { .zone = ZONE, .is_cut = true, .no_ttl_s = 10 } }

static int make_place(hob_scope *scope, struct place *p)
{
    hob_addr addr;
    check_ok(put_files());
    check_ok(hob_addr_parse("10.0.0.52:53", &addr));
    check_ok(start_server_at(scope, &p->refusing, &addr));
    check_ok(hob_addr_parse("10.0.0.53:53", &addr));
    check_ok(start_server_at(scope, &p->server, &addr));
    check_ok(hob_sim_set_world(&STEPS));
    return 0;
}

/* What is done, with a resolver that has just been made. */
typedef int deed(hob_dns *dns);

static int look_up(hob_dns *dns)
{
    hob_addr addrs[4];
    return hob_dns_addrs(dns, "a", 80, AF_UNSPEC, addrs, 4);
}

static int read_text(hob_dns *dns)
{
    hob_dns_text *texts;
    int           r = hob_dns_texts(dns, "text.a.example", &texts);
    if (r >= 0)
        free(texts);
    return r;
}

static int connect_by_name(hob_dns *dns)
{
    TCP(conn);
    return hob_connect_with("a:80", &(hob_connect_opts){ .dns = dns }, NULL, &conn);
}

struct doing {
    deed    *deed;
    hob_dns *dns;
    int      r;
    bool     is_done;
};

static int do_it(void *arg)
{
    struct doing *d = arg;
    d->r = d->deed(d->dns);
    d->is_done = true;
    return 0;
}

/* Cancels it after so many steps. Returns 1 when it was under way until then. */
static int cancel_at(deed *deed, int at)
{
    DNS(dns);
    struct doing d = { .deed = deed };
    bool         was_there;
    HOB_SCOPE(questions);
    check_ok(hob_dns_new(&questions, NULL, &dns));
    d.dns = dns;
    {
        HOB_SCOPE(s);
        hob_go(&s, do_it, &d);
        ignore(hob_sleep(at * STEP_NS));
        was_there = !d.is_done;
        hob_scope_cancel(&s, "the test says so");
        ignore(hob_scope_end(&s));
    }
    check(d.is_done);
    if (was_there && d.r < 0)
        check_err(d.r, -ECANCELED);
    if (!was_there)
        check_ok(d.r);
    check_ok(deed(dns)); // as if nothing had been
    return was_there;
}

/* Frees the resolver under it. */
static int free_at(deed *deed, int at)
{
    struct doing d = { .deed = deed };
    bool         was_there;
    HOB_SCOPE(questions);
    check_ok(hob_dns_new(&questions, NULL, &d.dns));
    HOB_SCOPE(s);
    hob_go(&s, do_it, &d);
    ignore(hob_sleep((at + 1) * STEP_NS)); // it has begun
    was_there = !d.is_done;
    hob_dns_free(d.dns);
    check_ok(hob_scope_end(&s));
    if (was_there && d.r < 0)
        check_err(d.r, -ECANCELED);
    return was_there;
}

/* Ends the scope of its questions under it. */
static int end_at(deed *deed, int at)
{
    DNS(dns);
    struct doing d = { .deed = deed };
    bool         was_there;
    HOB_SCOPE(s);
    {
        HOB_SCOPE(questions);
        check_ok(hob_dns_new(&questions, NULL, &dns));
        d.dns = dns;
        hob_go(&s, do_it, &d);
        ignore(hob_sleep(at * STEP_NS));
        was_there = !d.is_done;
        check_ok(hob_scope_end(&questions));
    }
    check_ok(hob_scope_end(&s));
    if (was_there && d.r < 0)
        check_err(d.r, -ECANCELED);
    return was_there;
}

/* A deadline in place of a cancellation. */
static int deadline_at(deed *deed, int at)
{
    DNS(dns);
    int64_t began_ns = hob_now();
    HOB_SCOPE(questions);
    check_ok(hob_dns_new(&questions, NULL, &dns));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(at * STEP_NS));
    int r = deed(dns);
    ignore(hob_scope_end(&s));
    if (r < 0) {
        check_err(r, -ETIMEDOUT);
        check_le(hob_now() - began_ns, (at + 2) * STEP_NS); // a call on the disk is not broken off
    }
    check_ok(deed(dns));
    return r < 0;
}

static int everywhere(int (*interrupt)(deed *deed, int at), deed *deed)
{
    PLACE(place);
    LISTENER(listener);
    hob_addr addr;
    int      at = 0, was_there = 1;
    HOB_SCOPE(s);
    check_ok(make_place(&s, &place));
    check_ok(hob_addr_parse("[::]:80", &addr));
    check_ok(hob_tcp_listen(&addr, NULL, &listener));
    for (; was_there > 0 && at < STEPS_MAX; at++) {
        was_there = interrupt(deed, at);
        TCP(conn); // what was connected meanwhile
        HOB_SCOPE(now);
        hob_scope_deadline(&now, hob_in(STEP_NS));
        while (hob_tcp_accept(listener, &conn) == 0) {
            hob_tcp_close(conn);
            conn = NULL;
        }
        ignore(hob_scope_end(&now));
    }
    HOB_TRY(was_there);
    check_gt(at, 20); // it does take so many steps
    check_lt(at, STEPS_MAX);
    check_gt(place.server.asked_tcp, 1);
    return 0;
}

static int with_each(int (*interrupt)(deed *deed, int at))
{
    static deed *const DEEDS[] = { look_up, read_text, connect_by_name };
    long               blocks = hob__dns_blocks;
    for (size_t i = 0; i < sizeof DEEDS / sizeof DEEDS[0]; i++)
        check_ok(everywhere(interrupt, DEEDS[i]));
    check_eq(hob__dns_blocks, blocks);
    return 0;
}

TEST_ONCE(cancel, at_any_wait_nothing_is_left_and_the_resolver_goes_on)
{
    check_ok(with_each(cancel_at));
}

TEST_ONCE(cancel, a_deadline_at_any_wait_is_kept)
{
    check_ok(with_each(deadline_at));
}

TEST_ONCE(cancel, freeing_the_resolver_at_any_wait_leaves_nothing)
{
    check_ok(with_each(free_at));
}

TEST_ONCE(cancel, ending_the_scope_of_the_questions_at_any_wait_leaves_nothing)
{
    check_ok(with_each(end_at));
}

/* The same at one wait of many, in another order of everything each time; and, with torture, while
 * something fails besides. */
TEST(cancel, at_random_waits_nothing_is_left)
{
    static int (*const WAYS[])(deed *deed, int at) = { cancel_at, free_at, end_at };
    static deed *const DEEDS[] = { look_up, read_text, connect_by_name };
    PLACE(place);
    LISTENER(listener);
    uint64_t random = hob_test_seed();
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(make_place(&s, &place));
    check_ok(hob_addr_parse("[::]:80", &addr));
    check_ok(hob_tcp_listen(&addr, NULL, &listener));
    for (int i = 0; i < 3; i++)
        check_ok(WAYS[i](DEEDS[next_random(&random) % 3], (int)(next_random(&random) % 30)));
}

TEST(cancel, in_a_cancelled_scope_nothing_is_asked)
{
    PLACE(place);
    DNS(dns);
    HOB_SCOPE(questions);
    check_ok(make_place(&questions, &place));
    check_ok(hob_dns_new(&questions, NULL, &dns));
    check_eq(look_up(dns), 2);
    unsigned asked = place.server.asked_udp;
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "the test says so");
    check_err(look_up(dns), -ECANCELED); // though it is known
    check_err(read_text(dns), -ECANCELED);
    check_err(connect_by_name(dns), -ECANCELED);
    check_err(hob_dns_addrs(dns, "10.0.0.1", 80, AF_INET, NULL, 0), -ECANCELED);
    ignore(hob_scope_end(&s));
    check_eq(place.server.asked_udp, asked);
    check_eq(look_up(dns), 2);
}

/* One of those who wait for the same answer is cancelled: the others have it. */
TEST(cancel, who_leaves_does_not_take_the_answer_from_the_others)
{
    PLACE(place);
    DNS(dns);
    HOB_SCOPE(questions);
    check_ok(make_place(&questions, &place));
    check_ok(hob_dns_new(&questions, NULL, &dns));
    struct doing first = { .deed = read_text, .dns = dns }, second = first;
    HOB_SCOPE(of_second);
    HOB_SCOPE(of_first);
    hob_go(&of_first, do_it, &first);
    hob_go(&of_second, do_it, &second);
    check_ok(hob_sleep(5 * STEP_NS));
    hob_scope_cancel(&of_first, "the test says so");
    ignore(hob_scope_end(&of_first));
    check_ok(hob_scope_end(&of_second));
    check_err(first.r, -ECANCELED);
    check_eq(second.r, 1);
    check_eq(place.server.asked_tcp, 1);
}

/* ---- memory ---- */

/* All of the library's, and c-ares': counted, and the one that is to fail does. */
static long calls, fail_at, ares_blocks;

static void *failing_malloc(size_t size)
{
    return ++calls == fail_at ? NULL : malloc(size);
}

static void *ares_malloc(size_t size)
{
    void *ptr = failing_malloc(size);
    ares_blocks += ptr != NULL;
    return ptr;
}

static void ares_free(void *ptr)
{
    ares_blocks -= ptr != NULL;
    free(ptr);
}

static void *ares_realloc(void *ptr, size_t size)
{
    if (ptr == NULL)
        return ares_malloc(size);
    return ++calls == fail_at ? NULL : realloc(ptr, size);
}

static int all_deeds(void)
{
    DNS(dns);
    HOB_SCOPE(questions);
    hob_dns_service services[2];
    HOB_TRY(hob_dns_new(&questions, NULL, &dns));
    HOB_TRY(look_up(dns));
    HOB_TRY(read_text(dns));
    HOB_TRY(hob_dns_addrs(dns, "other", 80, AF_INET, NULL, 0));
    HOB_TRY(hob_dns_addrs(dns, "localhost", 80, AF_INET, NULL, 0));
    int r = hob_dns_services(dns, "none.example", services, 2);
    return r == -ENOENT ? 0 : r;
}

static void back_to_normal(void *arg)
{
    hob__dns_malloc = malloc;
    fail_at = 0;
    ares_library_cleanup();
}

TEST_ONCE(memory, any_piece_may_be_lacking_and_nothing_is_left)
{
    PLACE(place);
    HOB_SCOPE(s);
    check_ok(make_place(&s, &place));
    HOB_DEFER(back_to_normal, NULL);
    check_eq(ares_library_init_mem(ARES_LIB_INIT_ALL, ares_malloc, ares_free, ares_realloc), 0);
    hob__dns_malloc = failing_malloc;
    long blocks = hob__dns_blocks;
    calls = fail_at = ares_blocks = 0;
    check_ok(all_deeds());
    long total = calls;
    check_gt(total, 40);
    for (long at = 1; at <= total; at++) {
        calls = 0;
        fail_at = at;
        int r = all_deeds();
        if (r < 0) // or it was a try that was made again
            check_err(r, -ENOMEM);
        check_eq(hob__dns_blocks, blocks);
        check_eq(ares_blocks, 0);
    }
    fail_at = 0;
    check_ok(all_deeds());
}
