/* SPDX-License-Identifier: MIT */
/* What users read of an answer, and its end. */
#include <errno.h>
#include <string.h>

#include "fetch/exchange.h"
#include "fetch/memory.h"

static const hob_fetch_answer *answer_from(const hob_fetch_answer *a, const char *function)
{
    if (a->tag != FETCH_TAG)
        hob_mistake(function, "this is no answer, or it was closed");
    return a;
}

int hob_fetch_status(const hob_fetch_answer *answer)
{
    return answer_from(answer, "hob_fetch_status")->is_head ? answer->status : 0;
}

int hob_fetch_version_of(const hob_fetch_answer *answer)
{
    return answer_from(answer, "hob_fetch_version_of")->is_head ? answer->version : 0;
}

const char *hob_fetch_url(const hob_fetch_answer *answer)
{
    return answer_from(answer, "hob_fetch_url")->url.text;
}

const char *hob_fetch_body(const hob_fetch_answer *answer)
{
    const struct fetch_bytes *body = &answer_from(answer, "hob_fetch_body")->body;
    if (!answer->is_whole || body->end == 0)
        return "";
    return body->data; // with a NUL, by hob_fetch_with
}

size_t hob_fetch_body_len(const hob_fetch_answer *answer)
{
    return answer_from(answer, "hob_fetch_body_len")->is_whole ? answer->body.end : 0;
}

const char *hob_fetch_header_of(const hob_fetch_answer *answer, const char *name)
{
    answer_from(answer, "hob_fetch_header_of");
    return answer->is_head ? hob__fetch_find_header(answer, name) : NULL;
}

int hob_fetch_header_at(const hob_fetch_answer *answer, size_t index, const char **ret_name,
                        const char **ret_value)
{
    const struct fetch_bytes *head = &answer_from(answer, "hob_fetch_header_at")->head;
    const char               *at = head->data, *end = head->data + head->end;
    for (size_t i = 0; head->end > 0 && at < end; i++) {
        const char *value = at + strlen(at) + 1;
        if (i == index) {
            *ret_name = at;
            *ret_value = value;
            return 1;
        }
        at = value + strlen(value) + 1;
    }
    return 0;
}

void hob_fetch_times_get(const hob_fetch_answer *answer, hob_fetch_times *ret_times)
{
    *ret_times = answer_from(answer, "hob_fetch_times_get")->times;
}

const hob_fetch_trouble *hob_fetch_answer_trouble(const hob_fetch_answer *answer)
{
    return &answer_from(answer, "hob_fetch_answer_trouble")->trouble;
}

void hob_fetch_close(hob_fetch_answer *answer)
{
    if (answer == NULL)
        return;
    answer_from(answer, "hob_fetch_close");
    if (answer->is_read || answer->is_written)
        hob_mistake("hob_fetch_close", "a task still waits in it");
    hob__fetch_cut(answer, -ECANCELED, HOB_FETCH_WAIT, NULL);
    answer->tag = FETCH_TAG_CLOSED;
    hob__fetch_url_fini(&answer->url);
    hob__fetch_free(answer->head.data);
    hob__fetch_free(answer->body.data);
    hob__fetch_free(answer->to_send.data);
    hob__fetch_unzip_free(answer->unzip);
    hob__fetch_leave(answer->client);
    hob__fetch_free(answer);
}

/* ---- as a stream ---- */

static hob_fetch_answer *of_stream(hob_stream *stream)
{
    return (hob_fetch_answer *)stream; // its first member
}

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_fetch_read(of_stream(stream), buf, len);
}

static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    size_t n = len < FETCH_WINDOW ? len : FETCH_WINDOW;
    return hob_fetch_write(of_stream(stream), buf, n);
}

static int stream_shutdown(hob_stream *stream)
{
    return hob_fetch_finish(of_stream(stream));
}

static void stream_close(hob_stream *stream)
{
    hob_fetch_close(of_stream(stream));
}

const hob_stream_type hob__fetch_stream_type = {
    .name = "fetch",
    .read = stream_read,
    .write_some = stream_write_some,
    .shutdown = stream_shutdown,
    .close = stream_close,
};

hob_stream *hob_fetch_stream(hob_fetch_answer *answer)
{
    answer_from(answer, "hob_fetch_stream");
    return &answer->stream;
}
