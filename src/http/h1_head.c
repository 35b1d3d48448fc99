/* SPDX-License-Identifier: MIT */
/*
 * Heads of requests, and trailers: line by line, then what the fields mean together.
 *
 *     bytes ──▶ next_line ──▶ request_line ──▶ field, field, ... ──▶ an empty line ──▶ meaning
 *
 * A line is looked into when it is whole; before that only its bytes are: so nothing depends on
 * where the bytes were cut. Every limit is of a position, and no byte behind it is looked at.
 */
#include <string.h>

#include "http/h1_text.h"

enum { METHOD_MAX = 32, VERSION_LEN = 8 /* HTTP/1.1 */, NEED_MORE = -1 };

static const char *at(const char *bytes, struct h1_span span)
{
    return bytes + span.at;
}

/* How many bytes of that kind there are at the beginning of what is in a line: the CR at its end is of
 * no kind. Four in a row: names are short, and the loop around one byte is half of its work. */
static uint32_t kind_len(const char *bytes, unsigned kind)
{
    for (const char *p = bytes;; p += 4) {
        if (!h1_has_kind(p[0], kind))
            return (uint32_t)(p - bytes);
        if (!h1_has_kind(p[1], kind))
            return (uint32_t)(p - bytes) + 1;
        if (!h1_has_kind(p[2], kind))
            return (uint32_t)(p - bytes) + 2;
        if (!h1_has_kind(p[3], kind))
            return (uint32_t)(p - bytes) + 3;
    }
}

/* ---- lines ---- */

/* Where the line that begins at head->line must have ended, with its CRLF: at or behind its begin. */
static uint32_t line_end_max(const struct h1_head *head)
{
    uint32_t of_request = head->line + METHOD_MAX + head->limits.target_max + VERSION_LEN + 4;
    uint32_t of_head = head->limits.head_max;
    return !head->has_line && of_request < of_head ? of_request : of_head;
}

/* What a line that is too long is answered with; `known` bytes of the head are there. */
static int too_long(const struct h1_head *head, const char *bytes, size_t known)
{
    size_t len = known - head->line < METHOD_MAX + 1 ? known - head->line : METHOD_MAX + 1;
    if (head->has_line)
        return -431;
    // A method without an end is no URL that is too long.
    return memchr(bytes + head->line, ' ', len) != NULL ? -414 : -400;
}

/* The line that begins at head->line, without its CRLF: its length; NEED_MORE; or a status. */
static int64_t next_line(struct h1_head *head, const char *bytes, size_t len)
{
    size_t end = line_end_max(head), known = len < end ? len : end;
    size_t stop = head->scanned + hob__h1_text(bytes + head->scanned, known - head->scanned);

    head->scanned = (uint32_t)stop;
    if (stop < known && bytes[stop] != '\r')
        return -400; // NUL, a bare LF, or another control byte: RFC 9110 5.5, RFC 9112 2.2
    if (stop + 1 < known)
        return bytes[stop + 1] == '\n' ? (int64_t)(stop - head->line) : -400; // a bare CR
    return known == end ? too_long(head, bytes, known) : NEED_MORE;
}

/* ---- the request line: RFC 9112 3 ---- */

static int version(struct h1_head *head, const char *text)
{
    if (memcmp(text, "HTTP/", 5) != 0 || text[6] != '.')
        return -400;
    if (text[5] < '0' || text[5] > '9' || text[7] < '0' || text[7] > '9')
        return -400;
    if (text[5] != '1')
        return -505;
    head->minor = text[7] == '0' ? 0 : 1; // RFC 9110 2.5: a higher minor is read as the highest known
    return 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_escape(const char *bytes, size_t len)
{
    return bytes[0] == '%' && len > 2 && is_hex(bytes[1]) && is_hex(bytes[2]);
}

/* uri-host [":" port], as in Host and in a target: RFC 9110 7.2, RFC 3986 3.2.2. What is behind it in the line is
 * of no host's kind. */
static bool is_host(const char *host, size_t len)
{
    size_t i = 0;

    if (len > 0 && host[0] == '[') {
        for (i = 1; i < len && host[i] != ']'; i++) {
            if (!is_hex(host[i]) && host[i] != ':' && host[i] != '.')
                return false; // a zone, or an address of a later version: none of ours
        }
        if (i == len || i < 3)
            return false;
        i++;
    } else {
        i = kind_len(host, H1_HOST);
        while (i < len && is_escape(host + i, len - i))
            i += 1 + kind_len(host + i + 1, H1_HOST); // its digits are of a host's kind
        if (i < len && host[i] != ':')
            return false;
        if (i == 0)
            return false;
    }
    if (i == len)
        return true;

    uint64_t port = 0;
    if (host[i] != ':')
        return false;
    return i + 1 == len || (hob__h1_number(host + i + 1, len - i - 1, &port) && port <= 65535);
}

static void split_path(struct h1_head *head, const char *bytes, struct h1_span rest)
{
    const char *mark = memchr(at(bytes, rest), '?', rest.len);
    uint32_t    path_len = mark != NULL ? (uint32_t)(mark - at(bytes, rest)) : rest.len;

    head->path = (struct h1_span){ rest.at, path_len };
    if (mark != NULL)
        head->query = (struct h1_span){ rest.at + path_len + 1, rest.len - path_len - 1 };
}

/* http://host/path; the scheme decides nothing here. */
static int absolute_form(struct h1_head *head, const char *bytes)
{
    const char *target = at(bytes, head->target);
    uint32_t    len = head->target.len;
    uint32_t    scheme = len > 7 && hob__h1_is(target, 7, "http://")    ? 7
                         : len > 8 && hob__h1_is(target, 8, "https://") ? 8
                                                                        : 0;
    uint32_t    end = scheme;
    if (scheme == 0)
        return -400;
    while (end < len && target[end] != '/' && target[end] != '?')
        end++;
    if (!is_host(target + scheme, end - scheme))
        return -400;
    head->authority = (struct h1_span){ head->target.at + scheme, end - scheme };
    split_path(head, bytes, (struct h1_span){ head->target.at + end, len - end });
    return 0;
}

static int target_form(struct h1_head *head, const char *bytes)
{
    const char *target = at(bytes, head->target);
    uint32_t    len = head->target.len;

    if (head->method.len == 7 && memcmp(at(bytes, head->method), "CONNECT", 7) == 0)
        return is_host(target, len) && target[len - 1] != ':' && memchr(target, ':', len) != NULL
                   ? -501 // nobody's tunnel
                   : -400;
    if (target[0] == '/') {
        split_path(head, bytes, head->target);
        return 0;
    }
    if (len == 1 && target[0] == '*') {
        head->path = head->target;
        return head->method.len == 7 && memcmp(at(bytes, head->method), "OPTIONS", 7) == 0 ? 0 : -400;
    }
    return absolute_form(head, bytes);
}

/* method SP target SP version, with one blank each. */
static int request_line(struct h1_head *head, const char *bytes, uint32_t len)
{
    const char *line = bytes + head->line;
    uint32_t    method_len = kind_len(line, H1_TOKEN);
    if (method_len == 0 || method_len > METHOD_MAX || line[method_len] != ' ')
        return -400;

    const char *target = line + method_len + 1;
    uint32_t    target_len = kind_len(target, H1_TARGET);
    if (target_len == 0 || target[target_len] != ' ' || len - method_len - target_len - 2 != VERSION_LEN)
        return -400;
    if (target_len > head->limits.target_max)
        return -414;

    head->method = (struct h1_span){ head->line, method_len };
    head->target = (struct h1_span){ head->line + method_len + 1, target_len };
    int r = version(head, target + target_len + 1);
    return r < 0 ? r : target_form(head, bytes);
}

/* ---- fields: RFC 9112 5 ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int field(struct h1_head *head, const char *bytes, uint32_t len)
{
    const char *line = bytes + head->line;
    uint32_t    name_len = kind_len(line, H1_TOKEN);
    // Else it is no field; or a line that goes on (obs-fold, RFC 9112 5.2); or there is a blank before
    // the colon (RFC 9112 5.1).
    if (name_len == 0 || line[name_len] != ':')
        return -400;
    if (head->field_count == head->limits.fields_max)
        return -431;

    uint32_t begin = name_len + 1, end = len;
    while (begin < end && is_blank(line[begin]))
        begin++;
    while (end > begin && is_blank(line[end - 1]))
        end--;
    head->fields[head->field_count++] = (struct h1_field){
        .name = { head->line, name_len },
        .value = { head->line + begin, end - begin },
    };
    return 0;
}

/* ---- what they mean together: RFC 9112 6 and 3.2, RFC 9110 7.6.1 and 10.1.1 ---- */

struct seen {
    unsigned hosts, lengths, codings;
    bool     close, keep_alive;
};

/* Of Transfer-Encoding only "chunked" is known. A coding before it is one that we do not know (501);
 * without it at the end nobody knows where the body ends (400). */
static int coding(const char *value, const char *end)
{
    const char *item;
    size_t      len, count = 0;
    bool        is_chunked = false;

    // An empty element here is somebody's trick.
    if (value == end || *value == ',' || end[-1] == ',')
        return -400;
    while (hob__h1_list_next(&value, end, &item, &len)) {
        if (is_chunked || !hob__h1_is_token(item, len))
            return -400;
        is_chunked = hob__h1_is(item, len, "chunked");
        count++;
    }
    if (!is_chunked)
        return -400;
    return count == 1 ? 0 : -501;
}

static void connection(struct seen *seen, const char *value, const char *end)
{
    const char *item;
    size_t      len;

    if (hob__h1_is(value, (size_t)(end - value), "keep-alive")) { // as most say
        seen->keep_alive = true;
        return;
    }
    while (hob__h1_list_next(&value, end, &item, &len)) {
        if (hob__h1_is(item, len, "close"))
            seen->close = true;
        else if (hob__h1_is(item, len, "keep-alive"))
            seen->keep_alive = true;
    }
}

static int weigh(struct h1_head *head, struct seen *seen, const char *bytes,
                 const struct h1_field *field)
{
    const char *name = at(bytes, field->name), *value = at(bytes, field->value);
    const char *end = value + field->value.len;

    switch (field->name.len) {
    case 4:
        if (!hob__h1_is(name, 4, "host"))
            return 0;
        head->host = field->value;
        return seen->hosts++ == 0 ? 0 : -400;
    case 6:
        if (!hob__h1_is(name, 6, "expect") || head->minor == 0)
            return 0;
        head->expects_continue = hob__h1_is(value, field->value.len, "100-continue");
        return head->expects_continue ? 0 : -417;
    case 10:
        if (hob__h1_is(name, 10, "connection"))
            connection(seen, value, end);
        return 0;
    case 14:
        if (!hob__h1_is(name, 14, "content-length"))
            return 0;
        head->body = H1_LENGTH;
        if (seen->lengths++ > 0 || !hob__h1_number(value, field->value.len, &head->length))
            return -400;
        return 0;
    case 17:
        if (!hob__h1_is(name, 17, "transfer-encoding"))
            return 0;
        if (seen->codings++ > 0 || head->minor == 0)
            return -400;
        head->body = H1_CHUNKED;
        return coding(value, end);
    default:
        return 0;
    }
}

/* The first rule that is broken, in the order of the fields; of a 417 or 501 a later 400 is not
 * hidden, since it closes the connection as well. */
static int meaning(struct h1_head *head, const char *bytes)
{
    struct seen seen = { 0 };
    int         refused = 0;

    for (uint32_t i = 0; i < head->field_count; i++) {
        int r = weigh(head, &seen, bytes, &head->fields[i]);
        if (r == -400)
            return r;
        if (r < 0 && refused == 0)
            refused = r;
    }
    if (seen.lengths > 0 && seen.codings > 0)
        return -400; // two lengths: request smuggling
    if (seen.hosts == 0 && head->minor >= 1)
        return -400;
    if (seen.hosts > 0 && (head->host.len > 0 || head->minor >= 1)
        && !is_host(at(bytes, head->host), head->host.len))
        return -400;
    if (head->authority.len > 0)
        head->host = head->authority; // RFC 9112 3.2.2
    if (head->body == H1_LENGTH && head->length == 0)
        head->body = H1_NO_BODY;
    if (head->body == H1_NO_BODY)
        head->expects_continue = false;
    head->keep_alive = !seen.close && (head->minor >= 1 || seen.keep_alive);
    return refused;
}

/* RFC 9110 6.5.1: what must be known before the body cannot come behind it. */
static int trailer_meaning(const struct h1_head *head, const char *bytes)
{
    static const char *const FORBIDDEN[] = {
        "content-length", "transfer-encoding", "host", "connection", "trailer", "te", "upgrade",
        "expect", "content-encoding", "content-type", "content-range", "authorization", "cookie",
        "set-cookie", "cache-control", "max-forwards", "range",
    };

    for (uint32_t i = 0; i < head->field_count; i++) {
        struct h1_span name = head->fields[i].name;
        for (size_t k = 0; k < sizeof FORBIDDEN / sizeof FORBIDDEN[0]; k++) {
            if (hob__h1_is(at(bytes, name), name.len, FORBIDDEN[k]))
                return -400;
        }
    }
    return 0;
}

/* ---- lines as most are ----
 *
 * In one look, where a line is whole and has nothing unusual: all else is left to the rules above. These
 * need no bound while they look for a byte that is of no such kind, since `end` is behind an LF. */

static bool is_end_of_line(const char *at, const char *end)
{
    return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

/* "GET /path HTTP/1.1". Returns where the next line begins; 0: it is not so, and nothing was done. */
static uint32_t plain_request_line(struct h1_head *head, const char *bytes, const char *end)
{
    const char *method = bytes + head->line;
    const char *target = method + kind_len(method, H1_TOKEN) + 1;
    if (target == method + 1 || target - method - 1 > METHOD_MAX || target[-1] != ' ' || target[0] != '/')
        return 0;
    const char *version = target + kind_len(target, H1_TARGET) + 1;
    if (version - target - 1 > head->limits.target_max || version[-1] != ' ' || end - version < VERSION_LEN + 2
        || memcmp(version, "HTTP/1.1\r\n", VERSION_LEN + 2) != 0 || memcmp(method, "CONNECT ", 8) == 0)
        return 0;
    head->has_line = true;
    head->minor = 1;
    head->method = (struct h1_span){ head->line, (uint32_t)(target - method) - 1 };
    head->target = (struct h1_span){ (uint32_t)(target - bytes), (uint32_t)(version - target) - 1 };
    split_path(head, bytes, head->target);
    return (uint32_t)(version - bytes) + VERSION_LEN + 2;
}

/* "Name: value" without other blanks at its ends. The same. */
static uint32_t plain_field(struct h1_head *head, const char *bytes, const char *end)
{
    const char *name = bytes + head->line;
    const char *colon = name + kind_len(name, H1_TOKEN);
    const char *value = colon + 2;
    if (colon == name || end - value < 2 || colon[0] != ':' || colon[1] != ' ' || is_blank(value[0])
        || head->field_count == head->limits.fields_max)
        return 0;
    const char *stop = value + h1_text(value, (size_t)(end - value));
    if (!is_end_of_line(stop, end) || is_blank(stop[-1]))
        return 0;
    head->fields[head->field_count++] = (struct h1_field){
        .name = { head->line, (uint32_t)(colon - name) },
        .value = { (uint32_t)(value - bytes), (uint32_t)(stop - value) },
    };
    return (uint32_t)(stop - bytes) + 2;
}

/* As many as there are of these. Returns whether the head ends with an empty line behind them. */
static bool plain_lines(struct h1_head *head, const char *bytes, size_t len)
{
    const char *last = memrchr(bytes + head->scanned, '\n', len - head->scanned);
    uint32_t    next;

    if (last == NULL)
        return false;
    if (!head->has_line && (next = plain_request_line(head, bytes, last + 1)) > 0)
        head->line = head->scanned = next;
    while (head->has_line && bytes + head->line <= last && (next = plain_field(head, bytes, last + 1)) > 0)
        head->line = head->scanned = next;
    return head->has_line && is_end_of_line(bytes + head->line, last + 1);
}

/* ---- all of it ---- */

static int whole_line(struct h1_head *head, const char *bytes, uint32_t len)
{
    if (!head->has_line && len == 0) { // RFC 9112 2.2: one empty line before a request is forgiven
        if (head->has_blank)
            return -400;
        head->has_blank = true;
        return 0;
    }
    if (!head->has_line) {
        int r = request_line(head, bytes, len);
        head->has_line = true;
        return r;
    }
    return field(head, bytes, len);
}

int64_t hob__h1_head(struct h1_head *head, const char *bytes, size_t len)
{
    size_t end = len < head->limits.head_max ? len : head->limits.head_max;

    if (head->is_trailer)
        head->has_line = true;
    for (;;) {
        int64_t line_len = plain_lines(head, bytes, end) ? 0 : next_line(head, bytes, len);
        if (line_len == NEED_MORE)
            return 0;
        if (line_len < 0)
            return line_len;
        uint32_t next = head->line + (uint32_t)line_len + 2;
        if (line_len == 0 && head->has_line) {
            int r = head->is_trailer ? trailer_meaning(head, bytes) : meaning(head, bytes);
            return r < 0 ? r : (int64_t)next;
        }
        int r = whole_line(head, bytes, (uint32_t)line_len);
        if (r < 0)
            return r;
        head->line = head->scanned = next;
    }
}
