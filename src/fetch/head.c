/* SPDX-License-Identifier: MIT */
/*
 * The answer's head, line by line as libcurl hands it over: kept as name NUL value NUL, and looked at
 * for what must not be trusted.
 *
 * Heads of 1xx come before, trailers behind; all of them count as bytes of the head.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "fetch/exchange.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t refuse(hob_fetch_answer *a, int error, const char *words)
{
    a->own_error = error;
    a->own_words = words;
    return 0;
}

static void keep(struct fetch_bytes *head, const char *text, size_t len)
{
    memcpy(head->data + head->end, text, len);
    head->data[head->end + len] = '\0';
    head->end += len + 1;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": libcurl has seen that it is one. */
static void begin_head(hob_fetch_answer *a, const char *line, size_t len)
{
    const char *end = line + len, *at = line + 5;
    a->head.begin = a->head.end = 0;
    a->told = 0;
    a->wrong = NULL;
    a->version = 10 * (at < end ? *at - '0' : 0);
    if (at + 2 < end && at[1] == '.')
        a->version += at[2] - '0';
    while (at < end && *at != ' ')
        at++;
    a->status = 0;
    for (at++; at < end && *at >= '0' && *at <= '9' && a->status < 1000; at++)
        a->status = 10 * a->status + (*at - '0');
}

static bool is_redirect(const hob_fetch_answer *a)
{
    int  status = a->status;
    bool is_one = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!is_one || a->opts.redirects_max < 0 || a->opts.upload
        || (a->told & TOLD_LOCATION) == 0)
        return false;
    bool is_same = status == 307 || status == 308;
    return !is_same || !a->asked.has_body || hob__fetch_can_send_again(a);
}

static bool is_announced_too_long(const hob_fetch_answer *a)
{
    curl_off_t announced = -1;
    bool       is_bodiless = strcmp(a->asked.method, "HEAD") == 0 || a->status == 204 || a->status == 304;
    if ((a->told & (TOLD_LENGTH | TOLD_TRANSFER)) != TOLD_LENGTH || is_bodiless || a->is_discarded)
        return false;
    if (curl_easy_getinfo(a->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced) != CURLE_OK)
        return false;
    return announced > 0 && (uint64_t)announced > a->opts.body_bytes_max;
}

static size_t end_head(hob_fetch_answer *a, size_t len)
{
    if (a->status < 200 && a->status != 101) // what counts comes behind it
        return len;
    if (a->status == 101)
        return refuse(a, HOB_EHTTP, "it changes the protocol, which nobody has asked for");
    if (a->wrong != NULL)
        return refuse(a, HOB_EHTTP, a->wrong);
    a->is_discarded = a->is_redirect = is_redirect(a);
    if (is_announced_too_long(a))
        return refuse(a, -EMSGSIZE, "the body is longer than body_bytes_max");
    hob__fetch_goodbye_expect(a);
    a->is_head = true;
    hob_event_set(&a->in);
    return len;
}

/* Two lengths are two answers, for someone; and one that libcurl cannot hold it would not look at. */
static void look_at_length(hob_fetch_answer *a, size_t at)
{
    enum { DIGITS_MAX = 18 };
    const char *value = a->head.data + at;
    size_t      digits = 0;
    while (value[digits] >= '0' && value[digits] <= '9')
        digits++;
    if (digits == 0 || digits > DIGITS_MAX || value[digits] != '\0')
        a->wrong = "a length that is none";
    else if ((a->told & TOLD_LENGTH) != 0 && strcmp(a->head.data + a->length_at, value) != 0)
        a->wrong = "two lengths that differ";
    else
        a->length_at = at;
}

static unsigned told_by(const char *name, size_t len)
{
    static const struct {
        const char *name;
        unsigned    len, told;
    } KNOWN[] = {
        { "Content-Length", 14, TOLD_LENGTH },
        { "Transfer-Encoding", 17, TOLD_TRANSFER },
        { "Content-Encoding", 16, TOLD_CODING },
        { "Location", 8, TOLD_LOCATION },
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (len == KNOWN[i].len && strncasecmp(name, KNOWN[i].name, len) == 0)
            return KNOWN[i].told;
    }
    return 0;
}

static bool keep_field(hob_fetch_answer *a, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL) // libcurl lets some through; it is nothing that can be named
        return true;
    size_t      name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + len;
    while (value < end && is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    if (a->client->opts.cookies && name_len == 10 && strncasecmp(line, "Set-Cookie", 10) == 0)
        a->client->cookies_seen++;
    unsigned told = told_by(line, name_len);
    if (!hob__fetch_bytes_room(&a->head, name_len + (size_t)(end - value) + 2))
        return false;
    keep(&a->head, line, name_len);
    keep(&a->head, value, (size_t)(end - value));
    if (told == TOLD_LENGTH)
        look_at_length(a, a->head.end - (size_t)(end - value) - 1);
    a->told |= told;
    return true;
}

size_t hob__fetch_on_header(char *data, size_t one, size_t len, void *arg)
{
    hob_fetch_answer *a = fetch_answer_of(arg);
    size_t            text_len = len;
    (void)one; // 1
    if (a->state != FETCH_RUNNING)
        return 0;
    if (len > a->opts.header_bytes_max - a->head_bytes)
        return refuse(a, -EMSGSIZE, "the head is longer than header_bytes_max");
    a->head_bytes += (uint32_t)len;
    while (text_len > 0 && (data[text_len - 1] == '\n' || data[text_len - 1] == '\r'))
        text_len--;
    if (a->is_head) // a trailer: counted, and let go
        return len;
    if (text_len >= 5 && strncmp(data, "HTTP/", 5) == 0) {
        begin_head(a, data, text_len);
        return len;
    }
    if (text_len == 0)
        return end_head(a, len);
    if (!keep_field(a, data, text_len))
        return refuse(a, -ENOMEM, NULL);
    return len;
}

const char *hob__fetch_find_header(const hob_fetch_answer *a, const char *wanted)
{
    const char *name, *value;
    for (size_t i = 0; hob_fetch_header_at(a, i, &name, &value) != 0; i++) {
        if (strcasecmp(name, wanted) == 0)
            return value;
    }
    return NULL;
}
