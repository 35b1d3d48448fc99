/* SPDX-License-Identifier: MIT */
/*
 * A server on several workers under uneven load: one of them computes, and does not come to accept. (That each
 * gets its share when all are well is in tests/io/test_shards.c.)
 */
#include <stdatomic.h>

#include "http/site.h"
#include "support/workers.h"

struct shards {
    struct site site; /* of which only the address is used */
    int         fd; /* one queue for all */
};

static int serve_shard(hob_tcp_listener *listener, void *arg)
{
    struct shards *shards = arg;
    return hob_http_serve(listener, NULL, shards->site.handler, shards->site.arg);
}

static int serve_all(void *arg)
{
    struct shards *shards = arg;
    int            r = hob_tcp_serve_sharded_fd(shards->fd, NULL, serve_shard, shards);
    return r == -ECANCELED ? 0 : r;
}

static int open_shards(hob_scope *scope, struct shards *shards)
{
    void *addr;
    HOB_TRY(hob_go_ready(scope, serve_all, shards, &(hob_task_opts){ .daemon = 1 }, &addr));
    shards->site.addr = *(const hob_addr *)addr;
    return 0;
}

/* A handler that computes on worker 1 until it is told to stop, or in any case for so long. */
enum { QUESTIONS = 40, HELD_SECONDS_MAX = 10 };

static atomic_int is_held, let_go, gave_up; // each test is a process of its own

static int hold_worker_1(hob_http_request *req, void *arg)
{
    if (strcmp(hob_http_path(req), "/hold") == 0 && hob_worker_number() == 1) {
        int64_t end = hob_now() + HELD_SECONDS_MAX * HOB_SEC;
        atomic_store(&is_held, 1);
        while (!atomic_load(&let_go) && hob_now() < end)
            continue;
        atomic_store(&gave_up, !atomic_load(&let_go));
        return hob_http_reply_text(req, 200, "held");
    }
    return hob_http_reply_text(req, 200, "free");
}

static int ask_for_hold(void *arg)
{
    struct shards *shards = arg;
    char           got[512];
    while (!atomic_load(&is_held)) {
        check_ok(ask(&shards->site, GET("/hold"), got, sizeof got));
        check_eq(status_in(got), 200);
    }
    return 0;
}

static int ask_many(void *arg)
{
    struct shards *shards = arg;
    char           got[512];
    for (int i = 0; i < QUESTIONS; i++) {
        check_ok(ask(&shards->site, GET("/"), got, sizeof got));
        check_has(got, "free");
    }
    return 0;
}

static int ask_while_held(void *arg)
{
    struct shards shards;
    LISTENER(listener);
    HOB_SCOPE(s);
    HOB_SCOPE(holding);

    memset(&shards, 0, sizeof shards);
    check_ok(listen_here(&listener));
    shards.fd = hob_tcp_listener_fd(listener);
    shards.site.handler = hold_worker_1;
    check_ok(open_shards(&s, &shards));
    for (int i = 0; i < 4; i++)
        hob_go(&holding, ask_for_hold, &shards);
    WAIT_FOR(atomic_load(&is_held));

    // On uring the kernel tells the one that computes of one connection, and the next one that comes
    // brings it to the other: so two ask at once.
    HOB_SCOPE(asking);
    hob_go(&asking, ask_many, &shards);
    hob_go(&asking, ask_many, &shards);
    check_ok(hob_scope_end(&asking));
    check(!atomic_load(&gave_up));
    atomic_store(&let_go, 1);
    check_ok(hob_scope_end(&holding));
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    return 0;
}

TEST_AS(http_shards, with_one_queue_a_worker_that_computes_keeps_nobody_waiting,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim())
        skip("computing takes no time here");
    check_ok(run_with_workers(2, ask_while_held, NULL));
}
