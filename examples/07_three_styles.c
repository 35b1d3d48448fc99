/* SPDX-License-Identifier: MIT */
/*
 * The same small job in three styles: connect, ask, read the answer, in time.
 *
 *   callback   a function for each step, called by the loop when the step ended
 *   promise    each step settles a promise; what comes next is told to the promise
 *   await      one function, read from top to bottom
 *
 * Below them is one mechanism, the operation; so they mix freely, and the time
 * limit is the same three lines in each: a scope with a deadline.
 *
 *     build/hob run examples/07_three_styles.c
 */
#include <errno.h>
#include <string.h>

#include <hob.h>

#define QUESTION   "how much is the fish?\n"
#define TIME_LIMIT (200 * HOB_MSEC)

struct job {
    const hob_addr *service;
    hob_scope      *scope;
    hob_tcp        *conn;
    hob_op          op;
    hob_promise    *connected, *asked, *answered;
    char            answer[64];
    ssize_t         result; /* the length of the answer, or an error */
};

/* ---- callback ---- */

static void on_answer(void *arg, ssize_t result)
{
    struct job *job = arg;
    job->result = result;
}

static void on_asked(void *arg, ssize_t result)
{
    struct job *job = arg;
    job->result = result;
    if (result < 0)
        return;
    hob_tcp_read_prep(&job->op, job->conn, job->answer, sizeof job->answer - 1);
    hob_op_call(job->scope, &job->op, on_answer, job);
}

static void on_connected(void *arg, ssize_t result)
{
    struct job *job = arg;
    job->result = result;
    if (result < 0)
        return;
    hob_tcp_write_prep(&job->op, job->conn, QUESTION, strlen(QUESTION));
    hob_op_call(job->scope, &job->op, on_asked, job);
}

static int ask_by_callback(struct job *job)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(TIME_LIMIT));
    job->scope = &s;
    HOB_TRY(hob_tcp_connect_prep(&job->op, job->service, NULL, &job->conn));
    hob_op_call(&s, &job->op, on_connected, job);
    return hob_scope_end(&s); // when the last callback has started nothing more
}

/* ---- promise ---- */

static void then_read(void *arg, int error, void *value)
{
    struct job *job = arg;
    if (error < 0) {
        hob_promise_reject(job->answered, error);
        return;
    }
    hob_tcp_read_prep(&job->op, job->conn, job->answer, sizeof job->answer - 1);
    hob_op_settle(job->scope, &job->op, job->answered);
}

static void then_ask(void *arg, int error, void *value)
{
    struct job *job = arg;
    if (error < 0) {
        hob_promise_reject(job->asked, error);
        return;
    }
    hob_tcp_write_prep(&job->op, job->conn, QUESTION, strlen(QUESTION));
    hob_op_settle(job->scope, &job->op, job->asked);
}

static int start_and_wait(struct job *job)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(TIME_LIMIT));
    job->scope = &s;
    HOB_TRY(hob_tcp_connect_prep(&job->op, job->service, NULL, &job->conn));
    hob_op_settle(&s, &job->op, job->connected);
    HOB_TRY(hob_promise_then(&s, job->connected, then_ask, job));
    HOB_TRY(hob_promise_then(&s, job->asked, then_read, job));

    void *length; // anybody may await the answer, as many as like, now or later
    HOB_TRY(hob_promise_await(job->answered, &length));
    job->result = (ssize_t)(intptr_t)length;
    return hob_scope_end(&s);
}

static int ask_by_promise(struct job *job)
{
    int r = hob_promise_new(&job->connected);
    if (r == 0)
        r = hob_promise_new(&job->asked);
    if (r == 0)
        r = hob_promise_new(&job->answered);
    if (r == 0)
        r = start_and_wait(job);
    hob_promise_free(job->answered);
    hob_promise_free(job->asked);
    hob_promise_free(job->connected);
    return r;
}

/* ---- await ---- */

static int ask_by_await(struct job *job)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(TIME_LIMIT));
    HOB_TRY(hob_tcp_connect(job->service, NULL, &job->conn));
    HOB_TRY(hob_tcp_write(job->conn, QUESTION, strlen(QUESTION)));
    job->result = HOB_TRY(hob_tcp_read(job->conn, job->answer, sizeof job->answer - 1));
    return 0;
}

/* ---- asking a quick service and a silent one in each style ---- */

struct service {
    int64_t thinks_ns;
};

/* Answers one question, after thinking. */
static int answer(struct service *service, hob_tcp *conn)
{
    char question[64];
    if (HOB_TRY(hob_tcp_read(conn, question, sizeof question)) == 0)
        return 0;
    HOB_TRY(hob_sleep(service->thinks_ns));
    HOB_TRY(hob_tcp_write(conn, "3.95", 4));
    return 0;
}

static int run_service(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    hob_ready(&addr);

    int r;
    while ((r = hob_tcp_accept(listener, &conn)) == 0) {
        (void)answer(arg, conn); // a client that did not wait for it is no failure
        hob_tcp_close(conn);
    }
    hob_tcp_listener_close(listener);
    return r;
}

static int ask(const char *style, int (*how)(struct job *), const char *whom, void *service)
{
    struct job job = { .service = service };
    int64_t    began_ns = hob_now();

    int r = how(&job);
    hob_tcp_close(job.conn);

    if (r == 0 && job.result < 0)
        r = (int)job.result;
    printf("  %-9s asks the %-6s service: %-10s after %3d ms\n", style, whom,
           r < 0 ? hob_error_name(r) : job.answer, (int)((hob_now() - began_ns) / HOB_MSEC));
    return 0;
}

static int three_styles(void *arg)
{
    struct service quick = { 20 * HOB_MSEC }, silent = { 1 * HOB_HOUR };
    hob_task_opts  daemon = { .name = "service", .daemon = 1 };
    void          *quick_addr, *silent_addr;

    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, run_service, &quick, &daemon, &quick_addr));
    HOB_TRY(hob_go_ready(&s, run_service, &silent, &daemon, &silent_addr));

    HOB_TRY(ask("callback", ask_by_callback, "quick", quick_addr));
    HOB_TRY(ask("promise", ask_by_promise, "quick", quick_addr));
    HOB_TRY(ask("await", ask_by_await, "quick", quick_addr));
    HOB_TRY(ask("callback", ask_by_callback, "silent", silent_addr));
    HOB_TRY(ask("promise", ask_by_promise, "silent", silent_addr));
    HOB_TRY(ask("await", ask_by_await, "silent", silent_addr));
    return hob_scope_end(&s);
}

int main(void) { return hob_run(three_styles, NULL); }
