/* SPDX-License-Identifier: MIT */
/* What users call: an exchange, those that redirects ask for, and further attempts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch/exchange.h"
#include "fetch/memory.h"

enum { BODY_MAX = 16 << 20, HEADERS_MAX = 65536, REDIRECTS_MAX = 10 };

/* ---- making one ---- */

static void complete(hob_fetch_opts *opts, bool is_whole)
{
    const struct { int64_t *value, standard; } TIMES[] = {
        { &opts->connect_ns, 10 * HOB_SEC },
        { &opts->first_byte_ns, 60 * HOB_SEC },
        { &opts->total_ns, is_whole ? 5 * HOB_MINUTE : HOB_HOUR },
        { &opts->slow_ns, 30 * HOB_SEC },
        { &opts->retry_after_max_ns, 60 * HOB_SEC },
    };
    for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++)
        if (*TIMES[i].value <= 0)
            *TIMES[i].value = TIMES[i].standard;
    if (opts->body_bytes_max == 0)
        opts->body_bytes_max = is_whole ? BODY_MAX : UINT64_MAX;
    if (opts->header_bytes_max == 0)
        opts->header_bytes_max = HEADERS_MAX;
    if (opts->bytes_per_s_min == 0)
        opts->bytes_per_s_min = 100;
    if (opts->redirects_max == 0)
        opts->redirects_max = REDIRECTS_MAX;
}

/* The first request of an attempt. Returns 0, or -EINVAL ..., and why. */
static int ask_for(hob_fetch_answer *a, const char *url, const char **ret_why)
{
    const hob_fetch_opts *opts = &a->opts;
    bool has_body = opts->body != NULL || opts->part_count > 0 || opts->body_stream != NULL || opts->upload;
    hob__fetch_url_fini(&a->url);
    a->asked = (struct fetch_asked){ .method = opts->method, .has_body = has_body, .has_credentials = true };
    if (opts->method == NULL)
        a->asked.method = has_body ? "POST" : "GET";
    a->times.redirects = 0;
    int r = hob__fetch_check(opts, !a->is_whole, ret_why);
    return r < 0 ? r : hob__fetch_url_read(NULL, url, &a->url, ret_why);
}

/* ---- one attempt ---- */

struct job {
    hob_fetch_answer *answer;
    const char       *url;
};

/* A body kept, or discarded, to its end. */
static int wait_whole(hob_fetch_answer *a)
{
    int r = hob__fetch_wait_head(a);
    if (r == 0)
        r = hob__fetch_wait_end(a);
    if (a->state == FETCH_RUNNING) // cancelled
        hob__fetch_cut(a, r, a->is_head ? HOB_FETCH_BODY : HOB_FETCH_WAIT, NULL);
    return r;
}

/* The same, with what sends the request's body beside it. */
static int wait_sending(hob_fetch_answer *a)
{
    hob_task_opts pump = { .name = "body of a request" };
    HOB_SCOPE(sender);
    int r = hob_go_with(&sender, hob__fetch_pump, a, &pump);
    if (r < 0)
        hob__fetch_cut(a, r, HOB_FETCH_SEND, NULL);
    r = wait_whole(a);
    hob_scope_cancel(&sender, "the exchange has ended");
    (void)!hob_scope_end(&sender); // what it found is the exchange's error
    return r;
}

static int exchange_whole(hob_fetch_answer *a)
{
    int r = hob__fetch_begin(a);
    if (r < 0)
        return r;
    r = a->opts.body_stream != NULL && a->asked.has_body ? wait_sending(a) : wait_whole(a);
    return r == 0 ? hob__fetch_unpack(a) : r;
}

static int exchange_head(hob_fetch_answer *a)
{
    int r = hob__fetch_begin(a);
    if (r == 0 && !a->opts.upload)
        r = hob__fetch_wait_head(a);
    if (r == 0 && a->is_discarded) {
        r = hob__fetch_wait_end(a);
        if (r == -EMSGSIZE) // a long text beside the redirect: its connection is lost, no more
            r = 0;
    }
    return r;
}

static int exchange(hob_fetch_answer *a)
{
    int r = a->is_whole ? exchange_whole(a) : exchange_head(a);
    return r == -EMSGSIZE && a->is_redirect && a->is_head ? 0 : r;
}

static int no_redirect(hob_fetch_answer *a, int error, const char *words)
{
    char text[300];
    snprintf(text, sizeof text, "%s: %.200s", words, hob__fetch_find_header(a, "Location"));
    a->error = error;
    a->is_head = false; // there is no answer
    hob__fetch_say(a, HOB_FETCH_REDIRECT, error, text);
    return error;
}

/* As browsers do: after a POST a 301 or 302 asks for a page; 303 always does. */
static void change_method(hob_fetch_answer *a)
{
    bool is_post = strcmp(a->asked.method, "POST") == 0, is_head = strcmp(a->asked.method, "HEAD") == 0;
    if ((a->status == 303 && !is_head) || (is_post && (a->status == 301 || a->status == 302))) {
        a->asked.method = "GET";
        a->asked.has_body = false;
    }
}

static int redirect(hob_fetch_answer *a)
{
    struct fetch_url next;
    const char      *why;
    if (a->times.redirects >= a->opts.redirects_max)
        return no_redirect(a, -ELOOP, "there were enough before the one to");
    int r = hob__fetch_url_read(a->url.text, hob__fetch_find_header(a, "Location"), &next, &why);
    if (r < 0)
        return no_redirect(a, r == -EINVAL ? HOB_EHTTP : r, why);
    change_method(a);
    if (!hob__fetch_url_same_origin(&a->url, &next))
        a->asked.has_credentials = false; // nor ever again, if it leads back
    hob__fetch_url_fini(&a->url);
    a->url = next;
    a->times.redirects++;
    a->client->stats.redirects++;
    return 0;
}

static bool is_busy(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Returns 0 with an answer; -EAGAIN with one that says "later"; or an error. */
static int attempt(void *arg)
{
    struct job       *job = arg;
    hob_fetch_answer *a = job->answer;
    const char       *why = NULL;

    a->client->stats.retries += a->times.attempts > 0;
    a->times.attempts++;
    hob__fetch_cut(a, -ECANCELED, HOB_FETCH_BODY, NULL); // what the last one left unread
    int r = ask_for(a, job->url, &why);
    if (r < 0) {
        a->error = r;
        hob__fetch_say(a, HOB_FETCH_REQUEST, r, why);
        return r;
    }
    do {
        r = exchange(a);
        if (r < 0 || !a->is_redirect)
            break;
        r = redirect(a);
    } while (r == 0);
    return r == 0 && is_busy(a->status) && a->is_head ? -EAGAIN : r;
}

/* ---- further attempts ---- */

static bool is_idempotent(const hob_fetch_answer *a)
{
    static const char *const NAMES[] = { "GET", "HEAD", "OPTIONS", "PUT", "DELETE" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(a->asked.method, NAMES[i]) == 0)
            return true;
    return a->opts.idempotent;
}

/* A number of seconds, or a date; < 0: neither. */
static int64_t retry_after_ns(const hob_fetch_answer *a)
{
    const char *value = hob__fetch_find_header(a, "Retry-After");
    if (value == NULL)
        return -1;
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && value[digits] == '\0')
        return digits > 9 ? HOB_FOREVER : strtoll(value, NULL, 10) * HOB_SEC;
    time_t at = curl_getdate(value, NULL);
    if (at < 0)
        return -1;
    int64_t left_s = (int64_t)at - hob_wall_now() / HOB_SEC;
    return left_s < 0 ? 0 : left_s > 1000000000 ? HOB_FOREVER : left_s * HOB_SEC;
}

/* What may be different next time. */
static bool is_passing(const hob_fetch_answer *a, int error)
{
    if (a->trouble.step == HOB_FETCH_REQUEST || a->trouble.step == HOB_FETCH_REDIRECT)
        return false;
    return hob_error_is_passing(error) || error == HOB_EOF;
}

static int64_t judge(void *arg, uint32_t number, int error)
{
    hob_fetch_answer *a = ((struct job *)arg)->answer;
    (void)number;
    if (!a->is_head || error != -EAGAIN)
        return is_passing(a, error) ? HOB_RETRY_YES : HOB_RETRY_NOT;
    int64_t after = retry_after_ns(a);
    if (after > a->opts.retry_after_max_ns)
        return HOB_RETRY_NOT;
    return after > 0 ? after : HOB_RETRY_YES;
}

struct told {
    struct job            job;  /* first: the judge's argument */
    const hob_retry_opts *user;
};

static void on_retry(void *arg, uint32_t number, int error, int64_t pause_ns)
{
    struct told *told = arg;
    told->user->on_retry(told->user->arg, number, error, pause_ns);
}

static int attempts(hob_fetch_answer *a, const char *url)
{
    struct told told = { { a, url }, a->opts.retry };
    const char *method = a->opts.method;
    a->asked.method = method != NULL ? method : a->opts.body != NULL || a->opts.part_count > 0 ? "POST" : "GET";
    int r;
    if (a->opts.retry == NULL || !is_idempotent(a) || !hob__fetch_can_send_again(a)) {
        r = attempt(&told);
    } else {
        hob_retry_opts retry = *a->opts.retry;
        retry.judge = judge;
        retry.on_retry = told.user->on_retry != NULL ? on_retry : NULL;
        retry.arg = &told;
        int64_t left = a->deadline_ns == HOB_FOREVER ? 0 : a->deadline_ns - hob_now();
        if (left > 0 && (retry.time_max_ns <= 0 || retry.time_max_ns > left))
            retry.time_max_ns = left;
        r = hob_retry(&retry, attempt, &told);
    }
    // An answer that says "later" is one; but not to who was cancelled in the pause behind it.
    return r == -EAGAIN && a->is_head ? 0 : r;
}

/* ---- for users ---- */

static void end_with_nul(hob_fetch_answer *a)
{
    if (a->is_whole && a->body.end > 0)
        a->body.data[a->body.end] = '\0'; // there is room: see hob__fetch_on_body
}

/* What there is to say; `a` may be NULL. */
static void tell(const hob_fetch_answer *a, int error, hob_fetch_trouble *ret_trouble)
{
    if (ret_trouble == NULL)
        return;
    if (a != NULL && a->trouble.error == error) {
        *ret_trouble = a->trouble;
        return;
    }
    // Before the first exchange, or in a pause between two.
    *ret_trouble = (hob_fetch_trouble){ .step = a != NULL ? HOB_FETCH_WAIT : HOB_FETCH_REQUEST, .error = error };
    snprintf(ret_trouble->text, sizeof ret_trouble->text, "%s", hob_strerror(error));
}

static int run(hob_fetch_client *client, const char *url, const hob_fetch_opts *opts, bool is_whole,
               const char *caller, hob_fetch_trouble *ret_trouble, hob_fetch_answer **ret_answer)
{
    hob_fetch_client *entered;
    int               r = hob__fetch_enter(client, caller, &entered);
    hob_fetch_answer *a = r == 0 ? hob__fetch_alloc(sizeof *a) : NULL;
    if (a == NULL) {
        if (r == 0)
            hob__fetch_leave(entered);
        r = r == 0 ? -ENOMEM : r;
        tell(NULL, r, ret_trouble);
        return r;
    }
    a->stream.type = &hob__fetch_stream_type;
    a->tag = FETCH_TAG;
    a->client = entered;
    a->is_whole = is_whole;
    a->in.name = "an answer";
    a->out.name = "room for a request's body";
    if (opts != NULL)
        a->opts = *opts;
    complete(&a->opts, is_whole);
    a->deadline_ns = hob_in(a->opts.total_ns);
    r = attempts(a, url);
    if (r < 0) {
        tell(a, r, ret_trouble);
        hob_fetch_close(a);
        return r;
    }
    end_with_nul(a);
    *ret_answer = a;
    return 0;
}

int hob_fetch(const char *url, hob_fetch_answer **ret_answer)
{
    return run(NULL, url, NULL, true, "hob_fetch", NULL, ret_answer);
}

int hob_fetch_with(hob_fetch_client *client, const char *url, const hob_fetch_opts *opts,
                   hob_fetch_trouble *ret_trouble, hob_fetch_answer **ret_answer)
{
    return run(client, url, opts, true, "hob_fetch_with", ret_trouble, ret_answer);
}

int hob_fetch_open(hob_fetch_client *client, const char *url, const hob_fetch_opts *opts,
                   hob_fetch_trouble *ret_trouble, hob_fetch_answer **ret_answer)
{
    return run(client, url, opts, false, "hob_fetch_open", ret_trouble, ret_answer);
}
