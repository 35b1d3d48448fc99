/* SPDX-License-Identifier: MIT */
/*
 * hob/portal.h.
 *
 * The way in is a mail (core/mail.h), so a thread takes no lock, and a signal handler may post.
 * The line, and all but a few words, are the worker's.
 *
 * Closing has three parts, so that nobody falls between:
 *   1. `closed` is set, and whoever saw it open (`entering`) is waited for: some instructions.
 *   2. A mail of the worker to itself comes after all of theirs: what was sent is in the line.
 *   3. When the posts in the line have become tasks, the portal leaves its scope.
 * Until then it counts as an outsider of the crew, so the loop reads its mail.
 *
 * Memory: the portal, with its posts, lives as long as a reference; a call's visit is its
 * thread's and the worker's, and whoever is done with it last frees it. So a thread that has
 * taken its call back need not wait for the worker.
 */
#include "sync/portal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/time.h"
#include "sync/pool.h"

enum {
    POSTS = 64,
    POSTS_MAX = 65536,
    AT_ONCE = 64,
    TAKEN_BACK_MAX = 1024, /* that the worker has not looked at: it is held up */
};

static hob_portal *portal_from(hob_portal *portal, const char *caller)
{
    if (hob_unlikely(portal == NULL || portal->tag != TAG_PORTAL))
        hob__misuse_of(caller, "this is not a portal, or the last reference to it was given back");
    return portal;
}

/* ---- references ---- */

hob_portal *hob_portal_ref(hob_portal *portal)
{
    atomic_fetch_add(&portal_from(portal, "hob_portal_ref")->refs, 1);
    return portal;
}

static void unref(hob_portal *portal)
{
    if (atomic_fetch_sub(&portal->refs, 1) > 1)
        return;
    portal->tag = TAG_FREED;
    hob__free(portal);
}

void hob_portal_unref(hob_portal *portal)
{
    unref(portal_from(portal, "hob_portal_unref"));
}

static void visit_unref(struct visit *v)
{
    if (atomic_fetch_sub(&v->refs, 1) == 1)
        hob__free(v);
}

/* ---- on the worker: calls and posts come, begin and end ---- */

/* Out of the line: by us, or by the thread. */
static bool move_on(struct visit *v, enum visit_state to)
{
    unsigned in_line = VISIT_IN_LINE;
    return atomic_compare_exchange_strong(&v->state, &in_line, to);
}

/* The thread may go on. */
static void end_call(struct visit *v, int result)
{
    v->result = result;
    atomic_store(&v->state, VISIT_ENDED);
    hob__sys_futex_wake(&v->state, 1);
    visit_unref(v);
}

static void refuse_call(struct visit *v, int error)
{
    if (move_on(v, VISIT_BEGUN)) {
        end_call(v, error);
        return;
    }
    atomic_fetch_sub(&v->portal->taken_back, 1);
    visit_unref(v);
}

static void free_post(hob_portal *portal, struct visit *v)
{
    size_t index = (size_t)(v - portal->posts);
    atomic_fetch_and(&portal->posts_used[index / 64], ~(UINT64_C(1) << (index % 64)));
}

/* A task that came by a portal: copied onto its stack. */
struct guest {
    hob_portal   *portal;
    struct visit *call; /* NULL: a post */
    hob_task_fn  *fn;
    void         *arg;
    int64_t       deadline_ns;
};

static void see_to_line(hob_portal *portal);

static int run_until(const struct guest *guest)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(guest->deadline_ns - hob__sys_clock_ns(CLOCK_MONOTONIC)));
    int r = guest->fn(guest->arg);
    (void)!hob_scope_end(&s); // it says that the deadline passed; what fn returned is the result
    return r;
}

static int run_guest(void *arg)
{
    const struct guest *guest = arg;
    hob_portal         *portal = guest->portal;
    hob__task_self()->fn = guest->fn; // for reports
    int r = guest->deadline_ns != HOB_FOREVER ? run_until(guest) : guest->fn(guest->arg);
    portal->running--;
    if (guest->call != NULL)
        end_call(guest->call, r);
    see_to_line(portal);
    unref(portal);
    return guest->call != NULL ? 0 : r;
}

/* Makes a task of it. A call that cannot have one is told so; a post fails the scope. */
static void begin(hob_portal *portal, struct visit *v)
{
    struct guest  guest = { portal, v->is_post ? NULL : v, v->fn, v->arg, v->deadline_ns };
    hob_task_opts opts = { .name = portal->name, .stack_bytes = portal->stack_bytes,
                           .copy_bytes = sizeof guest };
    const void   *called_at = v->called_at;
    bool          is_post = v->is_post;
    int           r;
    if (is_post)
        free_post(portal, v);
    hob_portal_ref(portal);
    portal->running++;
    if (is_post)
        r = hob__go(portal->scope, run_guest, &guest, &opts, called_at);
    else
        r = hob__task_start(scope_from(portal->scope), run_guest, &guest, &opts, called_at, NULL, NULL);
    if (r == 0)
        return;
    portal->running--;
    unref(portal);
    if (!is_post)
        end_call(v, r);
}

static void serve(hob_portal *portal)
{
    struct list_node *node;
    while (portal->running < portal->at_once && (node = list_pop_front(&portal->line)) != NULL) {
        struct visit *v = container_of(node, struct visit, link);
        if (v->is_post || move_on(v, VISIT_BEGUN))
            begin(portal, v);
        else
            refuse_call(v, 0); // it was taken back
    }
    if (portal->is_drained && list_is_empty(&portal->line) && portal->child.op.state == OP_FLYING)
        hob__op_finish_local(&portal->child.op, 0);
}

/* From the loop, so that who begins inherits nothing from who has just ended. */
static void take_turn(struct op *turn)
{
    hob_portal *portal = container_of(turn, struct hob_portal, turn);
    portal->turn_is_due = false;
    serve(portal);
    unref(portal);
}

static void see_to_line(hob_portal *portal)
{
    if (portal->turn_is_due || list_is_empty(&portal->line))
        return;
    portal->turn_is_due = true;
    hob_portal_ref(portal);
    portal->turn = (struct op){ .kind = OP_PARK, .state = OP_DONE, .done = take_turn };
    list_push_back(&portal->worker->done, &portal->turn.link);
}

static void open_visit(struct worker *w, struct mail *mail)
{
    struct visit *v = container_of(mail, struct visit, mail);
    (void)w;
    if (!v->is_post && atomic_load(&v->portal->closed)) {
        refuse_call(v, -EPIPE);
        return;
    }
    list_push_back(&v->portal->line, &v->link);
    serve(v->portal);
}

/* ---- on the worker: open and closed ---- */

static void open_closing(struct worker *w, struct mail *mail)
{
    hob_portal *portal = container_of(mail, struct hob_portal, closing);
    (void)w;
    portal->is_drained = true;
    serve(portal);
}

static void shut(hob_portal *portal)
{
    if (!portal->is_open)
        return;
    portal->is_open = false;
    atomic_store(&portal->closed, true);
    while (atomic_load(&portal->entering) > 0)
        sched_yield();
    list_for_each(node, &portal->line) {
        struct visit *v = container_of(node, struct visit, link);
        if (v->is_post)
            continue;
        list_remove(&v->link);
        refuse_call(v, -EPIPE);
    }
    portal->closing.open = open_closing;
    hob__mail_post(portal->worker, &portal->closing);
}

static void start(struct op *op)
{
    hob_portal *portal = op->local.on;
    op->state = OP_FLYING;
    portal->is_open = true;
    atomic_store(&portal->closed, false);
    crew_waits_outside(portal->worker->crew);
}

static bool withdraw(struct op *op)
{
    shut(op->local.on);
    return false; // when nobody is left
}

/* It has left its scope; or never was in it, which was cancelled. */
static void on_left(void *arg, ssize_t result)
{
    hob_portal *portal = arg;
    (void)result;
    if (portal->is_drained)
        crew_waited_outside(portal->worker->crew);
    unref(portal);
}

static hob_portal *portal_new(const hob_portal_opts *opts)
{
    uint32_t    posts = opts->posts > 0 ? opts->posts : POSTS;
    size_t      words = (posts + 63) / 64;
    hob_portal *portal;
    hob_require(posts <= POSTS_MAX, "hob_portal_open: at most 65,536 posts");
    portal = hob__alloc_zero(sizeof *portal + words * sizeof(uint64_t) + posts * sizeof(struct visit));
    if (portal == NULL)
        return NULL;
    portal->tag = TAG_PORTAL;
    portal->posts_max = posts;
    portal->posts_used = (_Atomic(uint64_t) *)(portal + 1);
    portal->posts = (struct visit *)(portal->posts_used + words);
    portal->at_once = opts->at_once > 0 ? opts->at_once : AT_ONCE;
    portal->stack_bytes = opts->stack_bytes;
    strncpy(portal->name, opts->name != NULL ? opts->name : "portal", sizeof portal->name - 1);
    for (uint32_t i = 0; i < posts; i++)
        list_node_init(&portal->posts[i].link);
    list_init(&portal->line);
    atomic_init(&portal->closed, true);
    atomic_init(&portal->refs, 2); // the opener's, and while it is in its scope
    return portal;
}

static void close_thing(struct thing *thing)
{
    hob_portal_close(container_of(thing, struct hob_portal, thing));
}

static const struct thing_kind kind = { "a portal", "hob_portal_close", close_thing };

int hob_portal_open(hob_scope *scope, const hob_portal_opts *opts, hob_portal **ret_portal)
{
    static const hob_portal_opts defaults;
    struct scope *in = hob__scope_open(scope, "hob_portal_open");
    hob_require(in->worker == hob__worker, "hob_portal_open: the scope belongs to another worker");
    hob_portal *portal = portal_new(opts != NULL ? opts : &defaults);
    if (portal == NULL)
        return -ENOMEM;
    portal->worker = in->worker;
    portal->scope = scope;
    hob__thing_open(&portal->thing, &kind, hob__place_of(__builtin_return_address(0)));
    struct op *op = hob__op_prep((hob_op *)&portal->child, OP_PORTAL, NULL);
    op->local.start = start;
    op->local.withdraw = withdraw;
    op->local.on = portal;
    hob_op_call(scope, (hob_op *)&portal->child, on_left, portal);
    *ret_portal = portal;
    return 0;
}

void hob_portal_close(hob_portal *portal)
{
    if (portal == NULL)
        return;
    portal_from(portal, "hob_portal_close");
    hob_require(portal->worker == hob__worker,
                "hob_portal_close: the portal belongs to another worker; only that one may close it");
    hob_require(list_node_is_linked(&portal->thing.link), "hob_portal_close: it was closed before");
    hob__thing_close(&portal->thing);
    shut(portal);
    unref(portal);
}

/* ---- in any thread ---- */

/* True: the worker is there until leave(). */
static bool enter(hob_portal *portal)
{
    atomic_fetch_add(&portal->entering, 1);
    if (!atomic_load(&portal->closed))
        return true;
    atomic_fetch_sub(&portal->entering, 1);
    return false;
}

static void leave(hob_portal *portal)
{
    atomic_fetch_sub(&portal->entering, 1);
}

static int send(hob_portal *portal, struct visit *v)
{
    if (!enter(portal))
        return -EPIPE;
    v->mail.open = open_visit;
    hob__mail_post(portal->worker, &v->mail);
    leave(portal);
    return 0;
}

static void take_back(struct visit *v)
{
    atomic_fetch_add(&v->portal->taken_back, 1); // before the worker can find it
    if (!move_on(v, VISIT_TAKEN_BACK))
        atomic_fetch_sub(&v->portal->taken_back, 1);
}

/* Sleeps until it has ended, or its time is up before it has begun: then it is taken back. Before
 * that the result is the worker's to write. */
static int wait_for(struct visit *v)
{
    unsigned state;
    while ((state = atomic_load(&v->state)) == VISIT_IN_LINE || state == VISIT_BEGUN) {
        if (state == VISIT_BEGUN || v->deadline_ns == HOB_FOREVER)
            hob__sys_futex_wait(&v->state, state);
        else if (hob__sys_clock_ns(CLOCK_MONOTONIC) < v->deadline_ns)
            hob__sys_futex_wait_until(&v->state, state, v->deadline_ns);
        else
            take_back(v);
    }
    return state == VISIT_ENDED ? v->result : -ETIMEDOUT;
}

static int call(hob_portal *portal, int64_t timeout_ns, hob_task_fn *fn, void *arg,
                const void *called_at, const char *caller)
{
    portal_from(portal, caller);
    if (hob_unlikely(hob__worker != NULL || hob__job_is_simulated()))
        hob__misuse_of(caller, "called on the thread of a loop, which would wait for the loop that "
                               "it holds up. In a task use hob_go or hob_on; in sim a function of "
                               "hob_offload runs on the loop's thread, too");
    if (hob_unlikely(fn == NULL))
        hob__misuse_of(caller, "there is no function to run: it is NULL");
    if (atomic_load(&portal->taken_back) >= TAKEN_BACK_MAX)
        return -EAGAIN;
    struct visit *v = hob__alloc_zero(sizeof *v);
    if (v == NULL)
        return -ENOMEM;
    v->portal = portal;
    v->fn = fn;
    v->arg = arg;
    v->called_at = called_at;
    v->deadline_ns = HOB_FOREVER;
    list_node_init(&v->link);
    atomic_init(&v->refs, 2);
    if (timeout_ns != HOB_FOREVER &&
        __builtin_add_overflow(hob__sys_clock_ns(CLOCK_MONOTONIC), timeout_ns, &v->deadline_ns))
        v->deadline_ns = HOB_FOREVER;

    int r = send(portal, v);
    if (r < 0) {
        hob__free(v);
        return r;
    }
    r = wait_for(v);
    visit_unref(v);
    return r;
}

int hob_portal_call(hob_portal *portal, hob_task_fn *fn, void *arg)
{
    return call(portal, HOB_FOREVER, fn, arg, __builtin_return_address(0), "hob_portal_call");
}

int hob_portal_call_within(hob_portal *portal, int64_t timeout_ns, hob_task_fn *fn, void *arg)
{
    return call(portal, timeout_ns, fn, arg, __builtin_return_address(0), "hob_portal_call_within");
}

/* A free place for a post, or NULL. */
static struct visit *claim_post(hob_portal *portal)
{
    for (uint32_t word = 0; word * 64 < portal->posts_max; word++) {
        uint64_t used = atomic_load(&portal->posts_used[word]);
        while (used != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~used);
            if (word * 64 + bit >= portal->posts_max)
                break;
            if (atomic_compare_exchange_weak(&portal->posts_used[word], &used,
                                             used | UINT64_C(1) << bit))
                return &portal->posts[word * 64 + bit];
        }
    }
    return NULL;
}

int hob_portal_post(hob_portal *portal, hob_task_fn *fn, void *arg)
{
    portal_from(portal, "hob_portal_post");
    hob_require(fn != NULL, "hob_portal_post: there is no function to run: it is NULL");
    struct visit *v = claim_post(portal);
    if (v == NULL)
        return atomic_load(&portal->closed) ? -EPIPE : -EAGAIN;
    v->portal = portal;
    v->fn = fn;
    v->arg = arg;
    v->called_at = __builtin_return_address(0);
    v->is_post = true;
    v->deadline_ns = HOB_FOREVER;
    int r = send(portal, v);
    if (r < 0)
        free_post(portal, v);
    return r;
}
