/* SPDX-License-Identifier: MIT */
/* The memory of connections, and of what they need while they have a task. */
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

long hob__http_fail_at;

_Static_assert(sizeof(struct http_conn) <= 216, "an idle connection is small");

void *hob__http_alloc(size_t size)
{
    if (hob__http_fail_at > 0 && --hob__http_fail_at == 0)
        return NULL;
    return calloc(1, size);
}

static struct http_work *new_work(const hob_http_opts *opts)
{
    size_t in_bytes = (size_t)opts->head_bytes_max + IN_EXTRA;
    size_t text_bytes = (size_t)opts->target_bytes_max + 4;
    size_t fields_bytes = opts->headers_max * sizeof(struct h1_field);

    // Not cleared: most of it is never touched.
    struct http_work *work = NULL;
    if (hob__http_fail_at == 0 || --hob__http_fail_at > 0)
        work = malloc(sizeof *work + 2 * fields_bytes + in_bytes + text_bytes);
    if (work == NULL)
        return NULL;
    work->fields = (struct h1_field *)(void *)(work + 1);
    work->trailer_fields = work->fields + opts->headers_max;
    work->in = (char *)(work->trailer_fields + opts->headers_max);
    work->texts = work->in + in_bytes;
    work->in_cap = in_bytes;
    return work;
}

struct http_work *hob__http_work_take(struct http_server *server)
{
    struct http_work *work = server->spare;
    if (work != NULL) {
        server->spare = work->next_spare;
        server->spares--;
    } else {
        work = new_work(&server->opts);
    }
    if (work != NULL) {
        work->in_begin = work->in_end = work->out_len = 0;
        work->head_since_ns = 0;
        work->req.state = ANSWER_NONE;
        work->quiet = (hob_event){ .name = "a client is no longer watched" };
        work->written = (hob_event){ .name = "what is being sent" };
        work->waiting = work->sending = work->slow.scope = NULL;
        work->is_writing = work->has_waiter = false;
    }
    return work;
}

void hob__http_work_give(struct http_server *server, struct http_work *work)
{
    if (work == NULL)
        return;
    if (server->spares == SPARES_MAX) {
        free(work);
        return;
    }
    work->next_spare = server->spare;
    server->spare = work;
    server->spares++;
}

void hob__http_spares_free(struct http_server *server)
{
    while (server->spare != NULL) {
        struct http_work *work = server->spare;
        server->spare = work->next_spare;
        free(work);
    }
    server->spares = 0;
}
