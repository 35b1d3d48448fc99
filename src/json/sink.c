/* SPDX-License-Identifier: MIT */
/* Where emitted bytes go: memory that grows, a buffer, a writer. */
#include "json/sink.h"

/* ---- memory ---- */

static int grow(struct sink *sink, size_t more)
{
    size_t cap = sink->cap > 0 ? sink->cap : 128;

    while (cap - sink->len < more) {
        if (cap > SIZE_MAX / 2)
            return -ENOMEM;
        cap *= 2;
    }
    if (cap == sink->cap)
        return 0;
    char *buf = hob_json_alloc(sink->memory, cap);
    if (buf == NULL)
        return -ENOMEM;
    if (sink->len > 0)
        memcpy(buf, sink->buf, sink->len);
    hob_json_release(sink->memory, sink->buf);
    sink->buf = buf;
    sink->cap = cap;
    return 0;
}

static int put_to_memory(struct sink *sink, const char *bytes, size_t len)
{
    int r = grow(sink, len);
    if (r < 0)
        return r;
    memcpy(sink->buf + sink->len, bytes, len);
    sink->len += len;
    return 0;
}

struct sink hob__json_sink_memory(const hob_json_memory *memory)
{
    return (struct sink){ .put = put_to_memory, .memory = memory };
}

int hob__json_sink_take(struct sink *sink, char **ret_text)
{
    int r = put_to_memory(sink, "", 1);
    if (r < 0)
        return r;
    *ret_text = sink->buf;
    sink->buf = NULL;
    return 0;
}

void hob__json_sink_drop(struct sink *sink)
{
    hob_json_release(sink->memory, sink->buf);
    sink->buf = NULL;
}

/* ---- a buffer ---- */

static int put_to_buffer(struct sink *sink, const char *bytes, size_t len)
{
    if (len >= sink->cap - sink->len) // one byte stays for the NUL
        return -EMSGSIZE;
    memcpy(sink->buf + sink->len, bytes, len);
    sink->len += len;
    sink->buf[sink->len] = '\0';
    return 0;
}

struct sink hob__json_sink_buffer(char *buf, size_t size)
{
    return (struct sink){ .put = put_to_buffer, .buf = buf, .cap = size };
}

/* ---- a writer ---- */

static int put_to_writer(struct sink *sink, const char *bytes, size_t len)
{
    // It may take a part, and say with the next call why it was not more.
    while (len > 0) {
        ssize_t n = hob_writer_write(sink->writer, bytes, len);
        if (n < 0)
            return (int)n;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

struct sink hob__json_sink_writer(hob_writer *out)
{
    return (struct sink){ .put = put_to_writer, .writer = out };
}
