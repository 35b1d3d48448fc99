/* SPDX-License-Identifier: MIT */
/*
 * A server: who comes, who waits, who is too many, and when it ends.
 *
 *     accept ─▶ idle ── ready, in line ─▶ a task (conn.c) ─▶ idle ─▶ ...
 *
 * A connection that waits is an operation that no task awaits (hob_stream_ready_prep), and a place in
 * the list of the idle. All of them may wait for as long, so the first in the list is the next whose
 * time is over, and one task looks after them all.
 *
 * Clients that go away are looked for only where it is worth it: a request that is answered without
 * waiting is over before the loop's next turn, in which the others begin to be watched. Likewise for
 * deadlines of requests and of sending, and for the clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "hob/runtime.h"
#include "hob/stop.h"
#include "hob/task.h"
#include "http/h2.h"

/* ---- options ---- */

enum { HEAD_BYTES_LIMIT = 65536, WINDOW_BYTES_LIMIT = 16777216 };

static uint32_t or_else(uint32_t value, uint32_t normal)
{
    return value != 0 ? value : normal;
}

static int64_t time_or_else(int64_t value, int64_t normal)
{
    return value != 0 ? value : normal;
}

/* But for an eighth of the descriptors that this worker may have, which are for all else: where they are
 * short, accepting only pauses, and nobody is told, nor makes room. */
static uint32_t connections_by_default(void)
{
    struct rlimit files;

    if (strcmp(hob_backend_name(), "sim") == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return CONNS_MAX_NORMAL;
    rlim_t mine = files.rlim_cur / 8 * 7 / hob_workers();
    return mine >= CONNS_MAX_NORMAL ? CONNS_MAX_NORMAL : mine < CONNS_MAX_LEAST ? CONNS_MAX_LEAST : (uint32_t)mine;
}

static void fill_in(hob_http_opts *opts)
{
    opts->target_bytes_max = or_else(opts->target_bytes_max, 8000);
    opts->head_bytes_max = or_else(opts->head_bytes_max, 16384);
    opts->headers_max = or_else(opts->headers_max, 100);
    if (opts->body_bytes_max == 0)
        opts->body_bytes_max = 1048576;
    if (opts->discard_bytes_max == 0)
        opts->discard_bytes_max = 65536;
    opts->idle_ns = time_or_else(opts->idle_ns, 75 * HOB_SEC);
    if (opts->idle_ns > 100000 * HOB_HOUR)
        opts->idle_ns = HOB_FOREVER; // so that nothing overflows
    opts->head_ns = time_or_else(opts->head_ns, 10 * HOB_SEC);
    if (opts->head_ns > 100000 * HOB_HOUR)
        opts->head_ns = HOB_FOREVER;
    opts->body_ns = time_or_else(opts->body_ns, 5 * HOB_MINUTE);
    opts->request_ns = time_or_else(opts->request_ns, 10 * HOB_MINUTE);
    opts->bytes_per_s_min = or_else(opts->bytes_per_s_min, 500);
    opts->connections_max = or_else(opts->connections_max, connections_by_default());
    opts->running_max = or_else(opts->running_max, 1000);
    opts->requests_max = or_else(opts->requests_max, 10000);
    opts->upgraded_max = or_else(opts->upgraded_max, opts->connections_max);
    if (opts->retry_after_s == 0)
        opts->retry_after_s = 1;
    opts->streams_max = or_else(opts->streams_max, 100);
    opts->window_bytes = or_else(opts->window_bytes, 65536);
    opts->resets_per_s_max = or_else(opts->resets_per_s_max, 50);
    opts->controls_per_s_max = or_else(opts->controls_per_s_max, 250);
}

static void check_opts(const hob_http_opts *opts, const char *function)
{
    if (opts->head_bytes_max > HEAD_BYTES_LIMIT)
        hob_mistake(function, "head_bytes_max is over 64 KiB");
    if (opts->target_bytes_max > HEAD_BYTES_LIMIT || opts->headers_max > 10000)
        hob_mistake(function, "target_bytes_max is over 64 KiB, or headers_max over 10,000");
    if (opts->window_bytes > WINDOW_BYTES_LIMIT)
        hob_mistake(function, "window_bytes is over 16 MiB");
    if (opts->idle_ns < 0 || opts->head_ns < 0 || opts->body_ns < 0 || opts->request_ns < 0
        || opts->retry_after_s < 0)
        hob_mistake(function, "a time is negative");
    if (opts->server_name != NULL
        && (strlen(opts->server_name) > VALUE_BYTES_MAX
            || !hob__h1_is_value(opts->server_name, strlen(opts->server_name))))
        hob_mistake(function, "server_name is not the value of a header");
}

static void server_init(struct http_server *server, const hob_http_opts *opts,
                        hob_http_handler *handler, void *arg, const char *function)
{
    memset(server, 0, sizeof *server);
    if (handler == NULL)
        hob_mistake(function, "there is no handler: it is NULL");
    if (opts != NULL)
        server->opts = *opts;
    check_opts(&server->opts, function);
    fill_in(&server->opts);
    server->handler = handler;
    server->arg = arg;
    server->stats = server->opts.stats != NULL ? server->opts.stats : &server->own_stats;
    server->someone_idle.name = "an idle connection";
    server->someone_half.name = "part of a request";
    server->someone_ready.name = "a request";
    server->next_turn.name = "the next turn of the loop";
}

bool hob__http_drains(const struct http_server *server)
{
    return server->is_draining || hob_event_is_set(hob_stopping());
}

/* ---- connections ---- */

static struct http_conn *conn_new(struct http_server *server, hob_stream *stream)
{
    size_t            below_size = server->opts.wrap != NULL ? sizeof(hob_tcp *) : 0;
    struct http_conn *conn = hob__http_alloc(sizeof *conn + below_size);
    if (conn == NULL)
        return NULL;
    conn->server = server;
    conn->stream = stream;
    server->stats->connections++;
    return conn;
}

static void give_work(struct http_conn *conn)
{
    hob__http_work_give(conn->server, conn->work);
    conn->work = NULL;
}

void hob__http_close(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    hob__http_count_out(conn);
    if (conn->is_http2)
        hob__h2_free(conn->h2);
    else if (conn->is_upgraded)
        hob__http_upgrade_free(conn);
    else
        hob__http_half_free(conn);
    give_work(conn);
    if (conn->is_refused)
        server->refusing--;
    if (conn->is_displaced)
        server->leaving--;
    if (!conn->is_lent)
        hob_stream_close(conn->stream);
    server->stats->connections--;
    free(conn);
}

bool hob__http_count_in(struct http_conn *conn)
{
    hob_http_stats *stats = conn->server->stats;
    if (conn->is_counted)
        return true;
    if (!hob__http_may_run(conn->server))
        return false;
    stats->running++;
    conn->is_counted = true;
    return true;
}

void hob__http_count_out(struct http_conn *conn)
{
    if (conn->is_counted)
        conn->server->stats->running--;
    conn->is_counted = false;
}

bool hob__http_start(struct http_conn *conn)
{
    hob_task_opts opts = { .name = "http", .stack_bytes = conn->server->opts.stack_bytes };
    if (hob_go_with(conn->server->scope, hob__http_run, conn, &opts) == 0)
        return true;
    if (hob__h2_starts_later(conn))
        return false;
    hob__http_close(conn);
    return true;
}

/* It gets a task that tells it, if there are not too many of those. */
static void turn_away(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    server->stats->refused++;
    if (server->refusing >= REFUSERS_MAX) {
        hob__http_close(conn);
        return;
    }
    server->refusing++;
    conn->is_refused = true;
    hob__http_start(conn);
}

/* ---- those who wait ---- */

/* What the clock said in this turn. */
static int64_t turn_time(struct http_server *server)
{
    if (!server->is_time_fresh) {
        server->now_ns = hob_now();
        server->is_time_fresh = server->is_ticking; // on_tick ends it
    }
    return server->now_ns;
}

static void idle_add(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_half   *half = hob__http_half(conn);

    server->stats->idle++;
    if (half != NULL) {
        half->is_waiting = true;
        return;
    }
    conn->idle_since_ns = turn_time(server);
    hob__http_list_add(server->idle, conn);
    if (conn->prev == NULL) // else it is set
        hob_event_set(&server->someone_idle);
}

static void idle_remove(struct http_conn *conn)
{
    struct http_half *half = hob__http_half(conn);

    conn->server->stats->idle--;
    if (half != NULL)
        half->is_waiting = false;
    else
        hob__http_list_remove(conn->server->idle, conn);
}

static struct http_conn *take_first(struct http_list *line)
{
    struct http_conn *conn = line->first;
    if (conn != NULL)
        line->first = conn->next;
    return conn;
}

/* Whether it is a newcomer's turn: a flood of them should not hold up those who are served already. */
static bool may_newcomer(struct http_server *server)
{
    if (server->is_draining)
        return true;
    if (server->newcomers++ == 0)
        server->newcomers_since_ns = hob_now();
    return server->newcomers <= NEWCOMERS_MAX
        && hob_now() - server->newcomers_since_ns < NEWCOMERS_NS;
}

/* Counted only now: those before it in line may wait for their clients by now, and do not count. Over TLS it
 * counts when there is a word of a request. */
struct http_conn *hob__http_next_ready(struct http_server *server)
{
    struct http_conn *conn;

    do {
        if (!hob__http_may_run(server) && server->ending > 0 && !server->is_draining)
            return NULL; // there will be room in the next turn
        conn = take_first(&server->ready[1]);
        if (conn == NULL && server->ready[0].first != NULL && may_newcomer(server))
            conn = take_first(&server->ready[0]);
        if (conn == NULL || !hob__http_hears_words(server) || hob__http_count_in(conn))
            return conn;
        turn_away(conn);
    } while (true);
}

/* In line rather than with a task at once: in a callback a task would only be made ready, with a stack and a
 * room for each of hundreds, none of them warm. The tasks that start_ready starts run at once, one after the
 * other, in the same stack and the same room, for as long as none of them waits. */
static void stand_in_line(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_list   *line = &server->ready[conn->requests > 0];

    conn->next = NULL;
    if (line->first == NULL) {
        line->first = conn;
        hob_event_set(&server->someone_ready);
    } else {
        line->last->next = conn;
    }
    line->last = conn;
}

static void start_all_ready(struct http_server *server)
{
    struct http_conn *conn;
    while ((conn = hob__http_next_ready(server)) != NULL)
        hob__http_start(conn);
}

static int start_ready(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        HOB_TRY(hob_event_wait(&server->someone_ready));
        hob_event_reset(&server->someone_ready);
        server->newcomers = 0;
        start_all_ready(server);
        while (server->ready[0].first != NULL || server->ready[1].first != NULL) {
            HOB_TRY(hob__http_step_aside(server));
            server->newcomers = 0;
            start_all_ready(server);
        }
    }
}

/* Though nothing has come: it is to be told that it is late, or to wait with a task from now on. */
static bool goes_on(const struct http_conn *conn)
{
    const struct http_half *half = hob__http_half(conn);
    return half != NULL && (half->is_late || conn->server->is_draining);
}

static void on_ready(void *arg, ssize_t result)
{
    struct http_conn *conn = arg;

    idle_remove(conn);
    if (conn->is_http2) {
        bool has_more = hob__h2_wake(conn, result);
        hob__http_stays(conn);
        if (has_more)
            hob__http_start(conn);
        else
            hob__http_close(conn);
        return;
    }
    if (result > 0)
        hob__http_stays(conn);
    if (result <= 0 && (conn->is_displaced || !goes_on(conn))) // it has ended; a limit; the server's end
        hob__http_close(conn);
    else if (!conn->server->is_draining)
        stand_in_line(conn);
    else if (!hob__http_hears_words(conn->server) || hob__http_count_in(conn))
        hob__http_start(conn); // who starts the others may be gone
    else
        turn_away(conn);
}

bool hob__http_idle(struct http_conn *conn)
{
    if (hob_stream_ready_prep(&conn->op, conn->stream) < 0)
        return false;
    hob__http_count_out(conn);
    give_work(conn);
    idle_add(conn);
    hob_op_call(conn->server->scope, &conn->op, on_ready, conn);
    return true;
}

static struct http_conn *first_idle(const struct http_server *server)
{
    struct http_conn *a = server->idle[0].first, *b = server->idle[1].first;
    return b == NULL || (a != NULL && a->idle_since_ns <= b->idle_since_ns) ? a : b;
}

static void end_idle(struct http_conn *first, int64_t since_ns)
{
    for (struct http_conn *conn = first; conn != NULL && conn->idle_since_ns <= since_ns; conn = conn->next)
        hob_op_cancel(&conn->op);
}

/* A task beside the others: asks those back who have waited for too long. Each leaves the list when its
 * operation has come back; until then it is the first no more. */
static int look_after_idle(void *arg)
{
    struct http_server *server = arg;
    int64_t             idle_ns = server->opts.idle_ns;

    while (idle_ns != HOB_FOREVER) {
        struct http_conn *first = first_idle(server);
        if (first == NULL) {
            hob_event_reset(&server->someone_idle);
            HOB_TRY(hob_event_wait(&server->someone_idle));
            continue;
        }
        HOB_TRY(hob_sleep_until(first->idle_since_ns + idle_ns));
        for (int i = 0; i < 2; i++)
            end_idle(server->idle[i].first, hob_now() - idle_ns);
        HOB_TRY(hob_sleep(10 * HOB_MSEC)); // while they come back
    }
    return 0;
}

/* ---- what is mostly over in the turn in which it began ---- */

static void on_tick(void *arg, ssize_t result);

static void tick_later(struct http_server *server)
{
    if (server->is_ticking)
        return;
    server->is_ticking = true;
    hob_sleep_prep(&server->tick, 0);
    hob_op_call(server->scope, &server->tick, on_tick, server);
}

int hob__http_step_aside(struct http_server *server)
{
    tick_later(server);
    return hob_event_wait(&server->next_turn);
}

void hob__http_sending_begin(struct http_conn *conn, hob_scope *scope, uint64_t len)
{
    struct http_work *work = conn->work, *next = conn->server->writing;

    work->slow.is_displaced = false;
    work->sender = conn;
    work->sending_kind = conn->is_counted ? SLOW_REQUEST : SLOW_CONN;
    work->sending = scope;
    work->sending_len = len;
    work->sending_prev = NULL;
    work->sending_next = next;
    if (next != NULL)
        next->sending_prev = work;
    conn->server->writing = work;
    tick_later(conn->server);
}

void hob__http_sending_end(struct http_conn *conn)
{
    struct http_work *work = conn->work;

    if (work->sending == NULL) { // its time had begun
        hob__http_slow_end(conn->server, &work->slow);
        return;
    }
    work->sending = NULL;
    if (work->sending_prev != NULL)
        work->sending_prev->sending_next = work->sending_next;
    else
        conn->server->writing = work->sending_next;
    if (work->sending_next != NULL)
        work->sending_next->sending_prev = work->sending_prev;
}

static void limit_sending(struct http_server *server)
{
    struct http_work *next;

    for (struct http_work *work = server->writing; work != NULL; work = next) {
        next = work->sending_next;
        hob_scope_deadline(work->sending, hob__http_rate_deadline(server, work->sending_len));
        hob__http_slow_begin(work->sender, &work->slow, work->sending_kind, work->sending, hob_now(),
                             work->sending_len);
        work->sending = NULL;
    }
    server->writing = NULL;
}

/* ---- clients that go away, and handlers that take too long ---- */

void hob__http_limit(hob_http_request *req)
{
    int64_t request_ns = req->conn->server->opts.request_ns;

    if (!req->is_limited && request_ns != HOB_FOREVER)
        hob_scope_deadline(req->scope, hob_in(request_ns));
    req->is_limited = true;
}

static void fresh_remove(struct http_conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        conn->server->fresh = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->is_fresh = false;
}

static void on_watched(void *arg, ssize_t result)
{
    struct http_conn *conn = arg;
    hob_http_request *req = &conn->work->req;
    bool is_gone = (result < 0 && result != -ECANCELED && result != -ETIMEDOUT)
                || (result == 0 && conn->server->opts.end_is_gone);

    conn->is_watching = false;
    if (is_gone && req->scope != NULL) {
        conn->server->stats->gone++;
        req->is_gone = true;
        hob_scope_cancel(req->scope, "the client went away");
    }
    hob_event_set(&conn->work->quiet);
}

static void on_tick(void *arg, ssize_t result)
{
    struct http_server *server = arg;
    (void)result;

    server->is_ticking = server->is_date_fresh = server->is_time_fresh = false;
    hob_event_set(&server->next_turn);
    hob_event_reset(&server->next_turn);
    limit_sending(server);
    while (server->fresh != NULL) {
        struct http_conn *conn = server->fresh;
        fresh_remove(conn);
        hob__http_limit(&conn->work->req);
        if (hob_stream_ready_prep(&conn->op, conn->stream) < 0)
            continue;
        conn->is_watching = true;
        hob_event_reset(&conn->work->quiet);
        hob_op_call(server->scope, &conn->op, on_watched, conn);
    }
}

void hob__http_watch(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    if (conn->work->req.scope == NULL || conn->is_fresh || conn->is_watching)
        return;
    conn->prev = NULL;
    conn->next = server->fresh;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->fresh = conn;
    conn->is_fresh = true;
    tick_later(server);
}

void hob__http_unwatch(struct http_conn *conn)
{
    if (conn->is_fresh)
        fresh_remove(conn);
    if (!conn->is_watching)
        return;
    hob_op_cancel(&conn->op);
    HOB_SHIELD(HOB_FOREVER) {
        while (conn->is_watching)
            (void)!hob_event_wait(&conn->work->quiet);
    }
}

/* ---- those who wait with a task, since their stream cannot tell when it is ready ---- */

ssize_t hob__http_wait_until(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                             bool *ret_is_late)
{
    struct http_server *server = conn->server;
    hob_scope           scope;

    hob_scope_begin(&scope);
    conn->work->waiting = &scope;
    conn->idle_since_ns = turn_time(server);
    hob__http_list_add(server->waiting, conn);
    ssize_t n = hob__http_read_until(conn, buf, len, deadline_ns, ret_is_late);
    (void)!hob_scope_end(&scope);
    hob__http_list_remove(server->waiting, conn);
    conn->work->waiting = NULL;
    if (n > 0)
        hob__http_stays(conn);
    return n;
}

int hob__http_wrap(struct http_conn *conn, hob_stream **ret_stream)
{
    struct http_server *server = conn->server;
    int64_t             head_ns = server->opts.head_ns;
    hob_scope           scope;

    if (!hob__http_make_wrapping_room(server)) {
        server->stats->refused++;
        return -EBUSY;
    }
    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(head_ns));
    conn->wrapping = &scope;
    conn->is_wrapping = true;
    hob__http_list_add(server->wrapping, conn);
    server->wrapping_count++;
    int r = server->opts.wrap(server->opts.wrap_arg, conn->stream, ret_stream);
    bool is_late = hob_scope_cancelled(&scope) == -ETIMEDOUT;
    (void)!hob_scope_end(&scope);
    server->wrapping_count--;
    hob__http_list_remove(server->wrapping, conn);
    conn->wrapping = NULL;
    conn->is_wrapping = false;
    server->stats->timed_out += is_late;
    if (r >= 0) // also when it failed, and the first read will tell
        hob__http_stays(conn);
    return r;
}

ssize_t hob__http_wait(struct http_conn *conn, void *buf, size_t len)
{
    int64_t idle_ns = conn->server->opts.idle_ns;
    bool    is_late;
    return hob__http_wait_until(conn, buf, len, idle_ns == HOB_FOREVER ? HOB_FOREVER : hob_in(idle_ns),
                                &is_late);
}

/* ---- serving ---- */

static void take_in(struct http_server *server, hob_tcp *tcp)
{
    bool              is_one_too_many = !hob__http_make_room(server);
    bool              can_be_told = server->opts.wrap == NULL && server->refusing < REFUSERS_MAX;
    struct http_conn *conn = NULL;

    server->stats->accepted++;
    if (!is_one_too_many || can_be_told)
        conn = conn_new(server, hob_tcp_stream(tcp));
    if (conn == NULL) {
        server->stats->refused++;
        hob_tcp_close(tcp);
        return;
    }
    if (server->opts.wrap != NULL)
        conn->below[0] = tcp;
    if (is_one_too_many) {
        conn->is_wrapped = true;
        turn_away(conn);
    } else {
        conn->is_wrapped = server->opts.wrap == NULL; // else when it says something
        if (!hob__http_idle(conn))
            hob__http_start(conn);
    }
}

/* Who makes the server wait is known when those who stand in line were heard: as long as there are any, and no
 * room, newcomers wait in the kernel. */
static int hear_those_in_line(struct http_server *server)
{
    while (hob__http_is_full(server) && server->ready[0].first != NULL)
        HOB_TRY(hob__http_step_aside(server));
    return 0;
}

static int accept_all(struct http_server *server, hob_tcp_listener *listener)
{
    for (unsigned in_a_row = 1;; in_a_row++) {
        hob_tcp *tcp;
        HOB_TRY(hear_those_in_line(server));
        int      r = hob_tcp_accept(listener, &tcp);
        if (r < 0)
            return r;
        take_in(server, tcp);
        if (in_a_row % ACCEPTED_IN_A_ROW_MAX == 0)
            HOB_TRY(hob__http_step_aside(server));
    }
}

/* A client that does not read should not fill the kernel with what was sent to it: some 4 MB for each, and
 * the time that copying it takes. What is on its way is not limited by this. */
static void limit_unsent(hob_tcp_listener *listener)
{
    int bytes;

    if (hob_tcp_listener_get_option(listener, HOB_OPT_NOT_SENT_LOW_BYTES, &bytes) == 0 && bytes == 0)
        (void)!hob_tcp_listener_set_option(listener, HOB_OPT_NOT_SENT_LOW_BYTES, NOT_SENT_BYTES);
    // Without it a server works as well, but for those clients.
}

static void end_waiting(struct http_server *server, int has_asked)
{
    for (struct http_conn *conn = server->idle[has_asked].first; conn != NULL; conn = conn->next)
        hob_op_cancel(&conn->op);
    struct http_list in_tasks[] = { server->waiting[has_asked], server->wrapping[has_asked] };
    for (int i = 0; i < 2; i++)
        for (struct http_conn *conn = in_tasks[i].first; conn != NULL; conn = conn->next)
            hob_scope_cancel(hob__http_waits_in(conn), "the server takes no more requests");
}

/* Nobody new; who waits between two requests goes. Whoever was accepted just now has his first one on the way,
 * perhaps: closing would lose it, though another server has taken over. */
static void drain(struct http_server *server)
{
    server->is_draining = true;
    server->last_call_ns = hob_in(FIRST_ASK_NS);
    start_all_ready(server);
    end_waiting(server, 1);
    hob__http_wake_halves(server);
    hob__http_drain_upgraded(server);
}

static void end_drain(struct http_server *server)
{
    server->is_too_late = true;
    end_waiting(server, 0);
}

/* A task beside the others. */
static int end_drain_later(void *arg)
{
    int r = hob_sleep(FIRST_ASK_NS);
    end_drain(arg);
    return r;
}

int hob_http_serve(hob_tcp_listener *listener, const hob_http_opts *opts, hob_http_handler *handler,
                   void *arg)
{
    struct http_server server;
    hob_scope          scope;
    hob_task_opts      beside = { .name = "http: idle", .daemon = 1 };
    hob_task_opts      halves = { .name = "http: halves", .daemon = 1 };
    hob_task_opts      starter = { .name = "http: ready", .daemon = 1 };
    hob_task_opts      last = { .name = "http: last call", .daemon = 1 };

    if (listener == NULL)
        hob_mistake("hob_http_serve", "there is no listener: it is NULL");
    server_init(&server, opts, handler, arg, "hob_http_serve");
    limit_unsent(listener);
    hob_scope_begin(&scope);
    hob_scope_policy(&scope, HOB_WAIT_ALL); // a task that could not start is one client's misfortune
    server.scope = &scope;
    int r = hob_go_with(&scope, look_after_idle, &server, &beside);
    if (r >= 0)
        r = hob_go_with(&scope, hob__http_look_after_halves, &server, &halves);
    if (r >= 0)
        r = hob_go_with(&scope, start_ready, &server, &starter);
    if (r >= 0)
        r = accept_all(&server, listener);
    if (r != HOB_ESTOPPING)
        hob_scope_cancel(&scope, "the server has ended");
    drain(&server);
    if (r != HOB_ESTOPPING || hob_go_with(&scope, end_drain_later, &server, &last) < 0)
        end_drain(&server);
    (void)!hob_scope_end(&scope);
    hob__http_spares_free(&server);
    return r == HOB_ESTOPPING ? 0 : r;
}

static int drain_when_stopping(void *arg)
{
    HOB_TRY(hob_event_wait(hob_stopping()));
    drain(arg);
    return end_drain_later(arg);
}

int hob_http_serve_stream(hob_stream *stream, const hob_http_opts *opts, hob_http_handler *handler,
                          void *arg)
{
    struct http_server server;
    hob_scope          scope;
    hob_task_opts      beside = { .name = "http: stopping", .daemon = 1 };

    if (stream == NULL)
        hob_mistake("hob_http_serve_stream", "there is no stream: it is NULL");
    server_init(&server, opts, handler, arg, "hob_http_serve_stream");
    hob_scope_begin(&scope);
    hob_scope_policy(&scope, HOB_WAIT_ALL);
    server.scope = &scope;
    int               r = hob_go_with(&scope, drain_when_stopping, &server, &beside);
    struct http_conn *conn = r == 0 ? conn_new(&server, stream) : NULL;
    if (r == 0 && conn == NULL)
        r = -ENOMEM;
    if (conn != NULL) {
        conn->is_lent = conn->is_wrapped = true;
        r = hob__http_run_lent(conn);
        hob__http_close(conn);
    }
    (void)!hob_scope_end(&scope);
    hob__http_spares_free(&server);
    return r;
}
