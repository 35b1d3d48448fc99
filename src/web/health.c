/* SPDX-License-Identifier: MIT */
/*
 * Health: whether requests are answered at all. Readiness: whether they should come here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hob/log.h"
#include "hob/stop.h"
#include "web/web.h"

#define ANSWER_WITHIN_NS (2 * HOB_SEC)

enum { QUESTIONS_MAX = 64 };

struct web_question {
    struct web_question *next;
    char                *name;
    int (*ready)(void *arg);
    void *arg;
};

int hob_web_is_ready(const hob_web *web)
{
    return web->service->error == 0 && !__atomic_load_n(&web->service->drains, __ATOMIC_RELAXED)
        && !hob_event_is_set(hob_stopping());
}

void hob_web_ready_when(hob_web *web, const char *name, int (*ready)(void *arg), void *arg)
{
    struct web_question *question = hob__web_alloc(sizeof *question), **last;

    if (__atomic_load_n(&web->service->is_serving, __ATOMIC_RELAXED))
        hob_mistake("hob_web_ready_when",
                    "the service answers requests already, and does not change any more");
    char *its_name = question != NULL ? hob__web_copy(name) : NULL;
    if (its_name == NULL) {
        hob__web_free(question);
        web->service->error = -ENOMEM;
        return;
    }
    *question = (struct web_question){ NULL, its_name, ready, arg };
    size_t count = 0;
    for (last = &web->service->questions; *last != NULL; count++)
        last = &(*last)->next;
    if (count == QUESTIONS_MAX)
        hob_mistake("hob_web_ready_when", "there are 64 questions already");
    *last = question;
}

void hob__web_questions_free(struct web_service *service)
{
    while (service->questions != NULL) {
        struct web_question *question = service->questions;
        service->questions = question->next;
        hob__web_free(question->name);
        hob__web_free(question);
    }
}

static int ask(void *arg)
{
    struct web_question *question = arg;
    return question->ready(question->arg);
}

/* All are asked at the same time. Returns 0 or the first error; *ret_name is whose. */
static int ask_all(struct web_service *service, const char **ret_name)
{
    hob_future *futures[QUESTIONS_MAX];
    size_t      count = 0;
    int         first = 0;
    hob_scope   scope;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(ANSWER_WITHIN_NS));
    struct web_question *question = service->questions;
    for (; question != NULL; question = question->next)
        futures[count++] = hob_async(&scope, ask, question);
    question = service->questions;
    for (size_t i = 0; i < count; i++, question = question->next) {
        int r = hob_await(futures[i]);
        if (r < 0 && first == 0) {
            first = r;
            *ret_name = question->name;
        }
    }
    (void)!hob_scope_end(&scope);
    return first;
}

static int show_health(hob_http_request *req, void *arg)
{
    (void)arg;
    HOB_TRY(hob_http_set_header(req, "Cache-Control", "no-store"));
    return hob_http_reply_text(req, 200, "ok\n");
}

static int show_readiness(hob_http_request *req, void *arg)
{
    struct web_service *service = arg;
    const char         *name = "";

    HOB_TRY(hob_http_set_header(req, "Cache-Control", "no-store"));
    if (!hob_web_is_ready(&service->root))
        return hob_http_reply_text(req, 503, "stopping\n");
    int r = ask_all(service, &name);
    if (r < 0) {
        if (hob_cancelled() != 0)
            return r;
        HOB_LOG(WARNING, "not ready", "what", name, "error", hob_log_error(r));
        char *text = hob_web_printf(req, "not ready: %s\n", name);
        return text != NULL ? hob_http_reply_text(req, 503, text) : -ENOMEM;
    }
    return hob_http_reply_text(req, 200, "ready\n");
}

void hob_web_add_health(hob_web *web)
{
    hob_web_handle(web, "GET /healthz", show_health, web->service);
    hob_web_handle(web, "GET /readyz", show_readiness, web->service);
}
