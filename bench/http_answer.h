/* SPDX-License-Identifier: MIT */
/*
 * What the hand-written HTTP servers share: the least that turns requests into answers.
 *
 * A request ends at its first empty line (all of ours are GET), and the byte behind "GET /" says
 * which it is. Nothing else is looked at: this is the limit, and no server. The answers are whole
 * texts, made anew once a second for the sake of their Date.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "bench.h"

enum { ANSWER_MAX = 192, PARTIAL_MAX = 4096 };

static struct {
    char   json[ANSWER_MAX], text[ANSWER_MAX];
    size_t json_len, text_len;
    time_t made_at;
} http;

static inline size_t http_make(char *to, const char *date, const char *type, const char *body)
{
    return (size_t)snprintf(to, ANSWER_MAX, "HTTP/1.1 200 OK\r\nDate: %s\r\nServer: bench\r\n"
                            "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                            date, type, strlen(body), body);
}

/* Once a turn of the loop. */
static inline void http_tick(void)
{
    char            date[64];
    struct tm       tm;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == http.made_at)
        return;
    http.made_at = now.tv_sec;
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    http.json_len = http_make(http.json, date, "application/json", "{\"message\":\"Hello, World!\"}");
    http.text_len = http_make(http.text, date, "text/plain", "Hello, World!");
}

/* Answers each whole request of `in`, while there is room. Returns how many bytes of it these were;
 * *out_len grows by the answers. */
static inline size_t http_answer(const char *in, size_t len, char *out, size_t cap, size_t *out_len)
{
    size_t used = 0;

    while (used < len && cap - *out_len >= ANSWER_MAX) {
        const char *end = memmem(in + used, len - used, "\r\n\r\n", 4);

        if (end == NULL)
            break;
        if (in[used + 5] == 'j') {
            memcpy(out + *out_len, http.json, ANSWER_MAX);
            *out_len += http.json_len;
        } else {
            memcpy(out + *out_len, http.text, ANSWER_MAX);
            *out_len += http.text_len;
        }
        used = (size_t)(end - in) + 4;
    }
    return used;
}

#endif
