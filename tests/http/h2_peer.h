/* SPDX-License-Identifier: MIT */
/*
 * A client of HTTP/2 that says what it is told to, right or wrong: its frames are written by hand, and
 * only what comes back is decoded by nghttp2.
 *
 * Words of a script, with blanks between them:
 *
 *     PRI                 the preface and an empty SETTINGS
 *     get:ID[:PATH]       HEADERS of a GET that has ended         post:ID[:PATH]  one that goes on
 *     conn:ID:PROTOCOL    HEADERS of an extended CONNECT
 *     head:ID:FLAGS:FIELDS  HEADERS with n=v fields, separated by |; a name may begin with a colon
 *     data:ID:TEXT        DATA                                    end:ID:TEXT     DATA, END_STREAM
 *     rst:ID:CODE         win:ID:N        ping        ack         prio:ID:DEPENDS
 *     goaway:CODE         set:ID=N,ID=N   setack
 *     f:TYPE:FLAGS:ID:HEX any frame       x:HEX       any bytes
 *     WORD*N, WORD^N      the word N times; with * ids grow by two from one to the next
 */
#ifndef HOB_TESTS_HTTP_H2_PEER_H
#define HOB_TESTS_HTTP_H2_PEER_H

#include <ctype.h>

#include <nghttp2/nghttp2.h>

#include "http/site.h"

enum {
    H2_DATA, H2_HEADERS, H2_PRIORITY, H2_RST, H2_SETTINGS, H2_PUSH, H2_PING, H2_GOAWAY, H2_WINDOW,
    H2_CONTINUATION, H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8,
};

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* ---- bytes ---- */

struct h2_bytes {
    unsigned char *at;
    size_t         len, cap;
};

static inline void h2_put(struct h2_bytes *b, const void *bytes, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->at = realloc(b->at, b->cap);
    }
    if (len > 0)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

static inline void h2_free_bytes(struct h2_bytes *b)
{
    free(b->at);
}

#define H2_BYTES(name) __attribute__((cleanup(h2_free_bytes))) struct h2_bytes name = { 0 }

static inline void h2_frame_head(struct h2_bytes *b, size_t len, int type, int flags, uint32_t id)
{
    unsigned char head[9] = { (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
                              (unsigned char)type, (unsigned char)flags, (unsigned char)(id >> 24),
                              (unsigned char)(id >> 16), (unsigned char)(id >> 8), (unsigned char)id };
    h2_put(b, head, 9);
}

static inline void h2_frame(struct h2_bytes *b, int type, int flags, uint32_t id, const void *bytes, size_t len)
{
    h2_frame_head(b, len, type, flags, id);
    h2_put(b, bytes, len);
}

static inline void h2_u32(unsigned char *to, uint32_t n)
{
    to[0] = (unsigned char)(n >> 24);
    to[1] = (unsigned char)(n >> 16);
    to[2] = (unsigned char)(n >> 8);
    to[3] = (unsigned char)n;
}

/* An HPACK string without Huffman. */
static inline void h2_string(struct h2_bytes *b, const char *text, size_t len)
{
    unsigned char bytes[8];
    size_t        n = 0, rest = len;
    if (len < 127) {
        bytes[n++] = (unsigned char)len;
    } else {
        bytes[n++] = 127;
        for (rest = len - 127; rest >= 128; rest /= 128)
            bytes[n++] = (unsigned char)(rest % 128 + 128);
        bytes[n++] = (unsigned char)rest;
    }
    h2_put(b, bytes, n);
    h2_put(b, text, len);
}

/* A literal that is not indexed. */
static inline void h2_field(struct h2_bytes *b, const char *name, size_t name_len, const char *value, size_t value_len)
{
    h2_put(b, "\0", 1);
    h2_string(b, name, name_len);
    h2_string(b, value, value_len);
}

static inline void h2_text_field(struct h2_bytes *b, const char *name, const char *value)
{
    h2_field(b, name, strlen(name), value, strlen(value));
}

static inline void h2_request(struct h2_bytes *b, uint32_t id, const char *method, const char *path, bool ends)
{
    H2_BYTES(block);
    h2_text_field(&block, ":method", method);
    h2_text_field(&block, ":scheme", "http");
    h2_text_field(&block, ":path", path);
    h2_text_field(&block, ":authority", "a");
    h2_frame(b, H2_HEADERS, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), id, block.at, block.len);
}

/* ---- scripts ---- */

static inline size_t h2_hex(const char *text, size_t len, unsigned char *to)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        char pair[3] = { text[i], text[i + 1], 0 };
        to[n++] = (unsigned char)strtol(pair, NULL, 16);
    }
    return n;
}

/* \0, \r, \n and \u (an underscore is a blank) in fields. */
static inline size_t h2_unescape(char *text)
{
    size_t n = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
            text[n++] = *at == 'r' ? '\r' : *at == 'n' ? '\n' : *at == '0' ? '\0' : *at == 't' ? '\t' : *at;
        } else {
            text[n++] = *at == '_' ? ' ' : *at;
        }
    }
    return n;
}

static inline void h2_fields(struct h2_bytes *block, char *fields)
{
    char *save;
    for (char *field = strtok_r(fields, "|", &save); field != NULL; field = strtok_r(NULL, "|", &save)) {
        char *equals = strchr(field, '=');
        *equals = '\0';
        size_t name_len = h2_unescape(field), value_len = h2_unescape(equals + 1);
        h2_field(block, field, name_len, equals + 1, value_len);
    }
}

static inline void h2_word(struct h2_bytes *b, const char *text, uint32_t more)
{
    static unsigned char bytes[70000];
    static char          word[70000];
    char                *parts[6] = { "", "", "", "", "", "" };
    int                  count = 0, max = 6;

    snprintf(word, sizeof word, "%s", text);
    if (strncmp(word, "head:", 5) == 0)
        max = 4;
    else if (strncmp(word, "data:", 5) == 0 || strncmp(word, "end:", 4) == 0)
        max = 3;
    for (char *at = word; at != NULL && count < max;) {
        parts[count++] = at;
        if (count < max && (at = strchr(at, ':')) != NULL)
            *at++ = '\0';
        else
            break;
    }
    const char *name = parts[0];
    uint32_t    id = (uint32_t)strtoul(parts[1], NULL, 0) + more;
    size_t      len = strlen(parts[2]);

    if (strcmp(name, "PRI") == 0) {
        h2_put(b, H2_PREFACE, strlen(H2_PREFACE));
        h2_frame(b, H2_SETTINGS, 0, 0, NULL, 0);
    } else if (strcmp(name, "get") == 0 || strcmp(name, "post") == 0) {
        bool is_get = name[0] == 'g';
        h2_request(b, id, is_get ? "GET" : "POST", count > 2 ? parts[2] : "/", is_get);
    } else if (strcmp(name, "conn") == 0) {
        H2_BYTES(block);
        h2_text_field(&block, ":method", "CONNECT");
        h2_text_field(&block, ":protocol", parts[2]);
        h2_text_field(&block, ":scheme", "http");
        h2_text_field(&block, ":path", "/tunnel");
        h2_text_field(&block, ":authority", "a");
        h2_frame(b, H2_HEADERS, H2_END_HEADERS, id, block.at, block.len);
    } else if (strcmp(name, "head") == 0) {
        H2_BYTES(block);
        h2_fields(&block, parts[3]);
        h2_frame(b, H2_HEADERS, atoi(parts[2]), id, block.at, block.len);
    } else if (strcmp(name, "data") == 0 || strcmp(name, "end") == 0) {
        h2_frame(b, H2_DATA, name[0] == 'e' ? H2_END_STREAM : 0, id, parts[2], len);
    } else if (strcmp(name, "rst") == 0 || strcmp(name, "win") == 0) {
        h2_u32(bytes, (uint32_t)strtoul(parts[2], NULL, 0));
        h2_frame(b, name[0] == 'r' ? H2_RST : H2_WINDOW, 0, id, bytes, 4);
    } else if (strcmp(name, "prio") == 0) {
        h2_u32(bytes, (uint32_t)strtoul(parts[2], NULL, 0));
        bytes[4] = 15;
        h2_frame(b, H2_PRIORITY, 0, id, bytes, 5);
    } else if (strcmp(name, "ping") == 0 || strcmp(name, "ack") == 0) {
        h2_frame(b, H2_PING, name[0] == 'a' ? H2_ACK : 0, 0, "12345678", 8);
    } else if (strcmp(name, "setack") == 0) {
        h2_frame(b, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    } else if (strcmp(name, "goaway") == 0) {
        h2_u32(bytes, 0);
        h2_u32(bytes + 4, id);
        h2_frame(b, H2_GOAWAY, 0, 0, bytes, 8);
    } else if (strcmp(name, "set") == 0) {
        size_t n = 0;
        for (char *at = parts[1]; *at != '\0'; n += 6) {
            uint32_t key = (uint32_t)strtoul(at, &at, 0);
            bytes[n] = (unsigned char)(key >> 8);
            bytes[n + 1] = (unsigned char)key;
            h2_u32(bytes + n + 2, (uint32_t)strtoul(at + 1, &at, 0));
            at += *at == ',';
        }
        h2_frame(b, H2_SETTINGS, 0, 0, bytes, n);
    } else if (strcmp(name, "f") == 0) {
        size_t n = h2_hex(parts[4], strlen(parts[4]), bytes);
        h2_frame(b, atoi(parts[1]), atoi(parts[2]), (uint32_t)strtoul(parts[3], NULL, 0) + more, bytes, n);
    } else if (strcmp(name, "x") == 0) {
        size_t n = h2_hex(parts[1], strlen(parts[1]), bytes);
        h2_put(b, bytes, n);
    } else {
        hob_mistake("h2_word", text);
    }
}

static inline void h2_script(struct h2_bytes *b, const char *script)
{
    static char text[70000];
    char       *save;

    snprintf(text, sizeof text, "%s", script);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char    *star = strpbrk(word, "*^");
        bool     grows = star != NULL && *star == '*';
        uint32_t times = 1;
        if (star != NULL && isdigit((unsigned char)star[1])) {
            times = (uint32_t)strtoul(star + 1, NULL, 10);
            *star = '\0';
        }
        for (uint32_t i = 0; i < times; i++)
            h2_word(b, word, grows ? 2 * i : 0);
    }
}

/* ---- what comes back ---- */

enum { H2_STREAMS_MAX = 4096 };

struct h2_seen {
    hob_tcp              *conn;
    nghttp2_hd_inflater  *inflater;
    struct h2_bytes       in, block;
    size_t                taken;
    char                  words[4096]; /* "1=200 3!5 goaway:1 eof", as they come */
    int                   status[H2_STREAMS_MAX];
    int                   reset[H2_STREAMS_MAX]; /* code + 1 */
    bool                  ended[H2_STREAMS_MAX];
    uint64_t              data[H2_STREAMS_MAX];
    int                   answers, resets, refused, goaway, goaways, pings, updates, settings, continues;
    uint32_t              last_id, streams_max; /* as GOAWAY and SETTINGS say */
    bool                  is_over;
    char                  fields[4096]; /* of all heads and trailers: "name: value\n" */
    struct h2_bytes       body; /* of all streams */
};

static inline void h2_see_word(struct h2_seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void h2_see_word(struct h2_seen *seen, const char *format, ...)
{
    size_t  len = strlen(seen->words);
    va_list args;
    va_start(args, format);
    if (len + 40 < sizeof seen->words) {
        if (len > 0)
            seen->words[len++] = ' ';
        vsnprintf(seen->words + len, sizeof seen->words - len, format, args);
    }
    va_end(args);
}

static inline void h2_see_head(struct h2_seen *seen, uint32_t id, const unsigned char *bytes, size_t len)
{
    for (;;) {
        nghttp2_nv field;
        int        flags = 0;
        ssize_t    n = nghttp2_hd_inflate_hd2(seen->inflater, &field, &flags, bytes, len, 1);
        if (n < 0)
            hob_mistake("h2_see_head", "the server's head cannot be decoded");
        bytes += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            if (field.namelen == 7 && memcmp(field.name, ":status", 7) == 0)
                seen->status[id] = atoi((const char *)field.value);
            size_t at = strlen(seen->fields);
            snprintf(seen->fields + at, sizeof seen->fields - at, "%.*s: %.*s\n", (int)field.namelen,
                     (const char *)field.name, (int)field.valuelen, (const char *)field.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0 || (flags & NGHTTP2_HD_INFLATE_EMIT) == 0)
            break;
    }
    nghttp2_hd_inflate_end_headers(seen->inflater);
}

static inline uint32_t h2_number(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_see_frame(struct h2_seen *seen, int type, int flags, uint32_t id, const unsigned char *p, size_t len)
{
    if (id >= H2_STREAMS_MAX)
        id = H2_STREAMS_MAX - 1;
    switch (type) {
    case H2_DATA:
        seen->data[id] += len;
        h2_put(&seen->body, p, len);
        break;
    case H2_HEADERS:
        h2_see_head(seen, id, p, len);
        if (seen->status[id] == 100) {
            seen->continues++;
            h2_see_word(seen, "%u=100", id);
        }
        break;
    case H2_RST:
        seen->reset[id] = (int)h2_number(p) + 1;
        seen->resets++;
        seen->refused += h2_number(p) == 7;
        h2_see_word(seen, "%u!%u", id, h2_number(p));
        break;
    case H2_SETTINGS:
        seen->settings += (flags & H2_ACK) == 0;
        for (size_t i = 0; i + 6 <= len; i += 6)
            seen->streams_max = p[i] == 0 && p[i + 1] == 3 ? h2_number(p + i + 2) : seen->streams_max;
        break;
    case H2_PING:
        seen->pings++;
        break;
    case H2_WINDOW:
        seen->updates++;
        break;
    case H2_GOAWAY:
        seen->goaways++;
        seen->last_id = h2_number(p);
        seen->goaway = (int)h2_number(p + 4);
        if (seen->goaway != 0)
            h2_see_word(seen, "goaway:%d", seen->goaway);
        break;
    default:
        hob_mistake("h2_see_frame", "the server sent a frame that it should not know");
    }
    if ((type == H2_DATA || type == H2_HEADERS) && (flags & H2_END_STREAM) != 0) {
        seen->ended[id] = true;
        seen->answers++;
        h2_see_word(seen, "%u=%d", id, seen->status[id]);
    }
}

/* Takes whole frames off what has come. */
static inline void h2_take(struct h2_seen *seen)
{
    while (seen->in.len - seen->taken >= 9) {
        const unsigned char *at = seen->in.at + seen->taken;
        size_t               len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        if (seen->in.len - seen->taken - 9 < len)
            return;
        h2_see_frame(seen, at[3], at[4], h2_number(at + 5) & 0x7fffffff, at + 9, len);
        seen->taken += 9 + len;
    }
    if (seen->taken == seen->in.len)
        seen->taken = seen->in.len = 0;
}

/* Reads once. Returns as hob_tcp_read. */
static inline ssize_t h2_hear(struct h2_seen *seen)
{
    static char buf[65536];
    ssize_t     n = hob_tcp_read(seen->conn, buf, sizeof buf);
    if (n > 0) {
        h2_put(&seen->in, buf, (size_t)n);
        h2_take(seen);
    } else {
        seen->is_over = true;
    }
    return n;
}

#define H2_HEAR_UNTIL(seen, cond)                 \
    while (!(cond) && !(seen)->is_over)           \
        (void)!h2_hear(seen);

static inline void h2_seen_free(struct h2_seen **seen)
{
    if (*seen == NULL)
        return;
    hob_tcp_close((*seen)->conn);
    nghttp2_hd_inflate_del((*seen)->inflater);
    free((*seen)->in.at);
    free((*seen)->block.at);
    free((*seen)->body.at);
    free(*seen);
}

static inline int h2_visit(const struct site *site, struct h2_seen **ret_seen)
{
    struct h2_seen *seen = calloc(1, sizeof *seen);
    *ret_seen = seen;
    nghttp2_hd_inflate_new(&seen->inflater);
    return visit(site, &seen->conn);
}

#define H2_PEER(name) __attribute__((cleanup(h2_seen_free))) struct h2_seen *name = NULL

static inline int h2_say(struct h2_seen *seen, const char *script)
{
    H2_BYTES(bytes);
    h2_script(&bytes, script);
    ssize_t n = hob_tcp_write(seen->conn, bytes.at, bytes.len);
    return n < 0 ? (int)n : 0;
}

#endif
