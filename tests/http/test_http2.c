/* SPDX-License-Identifier: MIT */
/* HTTP/2 as it should be: requests side by side, windows, bodies, trailers, ends. Rows are those of SURVIVAL. */
#include <malloc.h>

#include "hob/stop.h"
#include "http/cases.h"
#include "http/h1.h"
#include "http/h2_peer.h"
#include "http/server.h"
#include "support/tasks.h"

/* Answers with what it was asked. */
static int tell(hob_http_request *req, void *arg)
{
    char    text[600], buf[1000];
    ssize_t n, len = 0;

    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        len += n;
    snprintf(text, sizeof text, "%d %.32s %.200s?%.50s %.60s %zd\n", hob_http_version(req), hob_http_method(req),
             hob_http_path(req), hob_http_query(req), hob_http_host(req), len);
    return hob_http_reply_text(req, 200, text);
}

TEST_ON_ALL(http2, a_request_is_answered_by_the_same_handler)
{
    struct site site = { .handler = tell, .opts.server_name = "hob" };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1:/a?b post:3:/c data:3:hel end:3:lo"));
    H2_HEAR_UNTIL(peer, peer->answers == 2);
    h2_put(&peer->body, "", 1);
    check_has((char *)peer->body.at, "20 GET /a?b a 0\n");
    check_has((char *)peer->body.at, "20 POST /c? a 5\n");
    check_eq(peer->status[1], 200);
    check_has(peer->fields, "content-type: text/plain; charset=utf-8\ncontent-length: 16\n");
    check_has(peer->fields, "server: hob\n");
    check_has(peer->fields, "date: ");
    check_eq(site.stats.requests, 2);
    check_eq(site.stats.http2, 1);
}

/* ---- the same requests as those of HTTP/1.1 ---- */

static bool is_field_of_h1(const char *name, size_t len)
{
    static const char *const NAMES[] = { "host", "connection", "te", "transfer-encoding", "keep-alive", "upgrade",
                                         "proxy-connection" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (hob__h1_is(name, len, NAMES[i]))
            return true;
    }
    return false;
}

/* What the table says of a request of HTTP/1.1, told in HTTP/2; false where that makes no sense. */
static bool translate(const struct request_case *c, struct h2_bytes *to, char *path)
{
    static char     bytes[CASE_BYTES_MAX], name[CASE_BYTES_MAX];
    struct h1_field fields[200];
    struct h1_head  head = { .limits = { 60000, 60000, 200 }, .fields = fields };
    size_t          len = case_bytes(c, bytes);
    int64_t         head_len = hob__h1_head(&head, bytes, len);

    if (head_len <= 0 || head.target.len > 20000 || head.authority.len > 0 || head.body == H1_CHUNKED
        || head.minor == 0 || (size_t)head_len + head.length != len || head.host.len == 0)
        return false;
    H2_BYTES(block);
    h2_field(&block, ":method", 7, bytes + head.method.at, head.method.len);
    h2_text_field(&block, ":scheme", "http");
    h2_field(&block, ":path", 5, bytes + head.target.at, head.target.len);
    h2_field(&block, ":authority", 10, bytes + head.host.at, head.host.len);
    for (uint32_t i = 0; i < head.field_count; i++) {
        struct h1_span n = fields[i].name, v = fields[i].value;
        if (is_field_of_h1(bytes + n.at, n.len))
            continue;
        for (uint32_t k = 0; k < n.len; k++)
            name[k] = (char)tolower((unsigned char)bytes[n.at + k]);
        h2_field(&block, name, n.len, bytes + v.at, v.len);
    }
    bool has_body = head.body == H1_LENGTH;
    if (block.len > 16384)
        return false;
    h2_frame(to, H2_HEADERS, H2_END_HEADERS | (has_body ? 0 : H2_END_STREAM), 1, block.at, block.len);
    for (size_t at = (size_t)head_len; at < len; at += 16384)
        h2_frame(to, H2_DATA, len - at <= 16384 ? H2_END_STREAM : 0, 1, bytes + at, len - at < 16384 ? len - at : 16384);
    snprintf(path, 300, "%.*s", (int)(head.path.len < 200 ? head.path.len : 200), bytes + head.path.at);
    return true;
}

static int try_case(const struct site *site, const struct request_case *c, int *tried)
{
    char path[300], want[400], method[40] = "", body[20] = "";
    H2_BYTES(bytes);
    H2_PEER(peer);

    h2_script(&bytes, "PRI");
    if (!translate(c, &bytes, path))
        return 0;
    ++*tried;
    check_ok(h2_visit(site, &peer));
    ssize_t n = hob_tcp_write(peer->conn, bytes.at, bytes.len);
    if (n >= 0)
        ignore(hob_tcp_shutdown(peer->conn));
    H2_HEAR_UNTIL(peer, false);
    bool is_ok = sscanf(c->outcome, "ok %39s %*s %19s", method, body) == 2;
    int  status = is_ok ? 200 : atoi(c->outcome);
    if (peer->status[1] != status)
        HOB_EXPECT_NOT("%s: %s, not %d", c->what, peer->words, status);
    if (!is_ok || strcmp(method, "HEAD") == 0)
        return 0;
    h2_put(&peer->body, "", 1);
    snprintf(want, sizeof want, "20 %s %s?", method, path);
    if (strncmp((char *)peer->body.at, want, strlen(want)) != 0)
        HOB_EXPECT_NOT("%s: %s, not %s", c->what, (char *)peer->body.at, want);
    snprintf(want, sizeof want, " %s\n", body);
    check_has((char *)peer->body.at, want);
    return 0;
}

TEST_AS(http2, what_the_table_says_of_requests_holds_in_both_versions, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED,
        NULL)
{
    struct site site = { .handler = tell };
    int         tried = 0;
    HOB_SCOPE(s);

    hob_test_timeout(120);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < CASES; i++)
        check_ok(try_case(&site, &REQUESTS[i], &tried));
    check_ge(tried, 60);
}

/* ---- bodies ---- */

static int echo(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, NULL, hob_http_body_length(req)));
    HOB_TRY(hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL));
    const char *x = hob_http_trailer(req, "X-A");
    return x != NULL ? hob_http_add_trailer(req, "X-B", x) : 0;
}

TEST_ON_ALL(http2, bodies_and_trailers_go_both_ways)
{
    struct site site = { .handler = echo };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI post:1 data:1:hello head:1:5:x-a=seen"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    check_eq(peer->body.len, 5);
    check_has(peer->fields, "x-b: seen\n");
}

TEST_ON_ALL(http2, a_body_is_asked_for_when_the_client_wants_to_be_asked)
{
    struct site site = { .handler = tell };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI head:1:4::method=POST|:scheme=http|:path=/|:authority=a|expect=100-continue"));
    H2_HEAR_UNTIL(peer, peer->continues == 1);
    check_ok(h2_say(peer, "end:1:hello"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    h2_put(&peer->body, "", 1);
    check_str((char *)peer->body.at, "20 POST /? a 5\n");
    check_eq(peer->status[1], 200);
}

static int read_slowly(hob_http_request *req, void *arg)
{
    hob_event *go_on = arg;
    char       buf[20000];
    HOB_TRY(hob_event_wait(go_on));
    ssize_t n, len = 0;
    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        len += n;
    snprintf(buf, 100, "%zd", len);
    return hob_http_reply_text(req, 200, buf);
}

/* Row 102. */
TEST_ON_ALL(http2, a_window_opens_only_as_the_handler_reads)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = read_slowly, .arg = &go_on, .opts.window_bytes = 20000 };
    static char piece[10000];
    H2_BYTES(data);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    H2_HEAR_UNTIL(peer, peer->settings == 1);
    int before = peer->updates;
    check_ok(h2_say(peer, "setack post:1"));
    h2_frame(&data, H2_DATA, 0, 1, piece, 10000);
    h2_frame(&data, H2_DATA, 0, 1, piece, 10000);
    check_ok(hob_tcp_write(peer->conn, data.at, data.len));
    check_ok(h2_say(peer, "ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    before = peer->updates;
    hob_event_set(&go_on);
    H2_HEAR_UNTIL(peer, peer->updates > before);
    check_ok(h2_say(peer, "end:1:x"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    check_eq(peer->status[1], 200);
}

/* Row 96. */
TEST_ON_ALL(http2, data_past_the_window_is_an_error)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = read_slowly, .arg = &go_on, .opts.window_bytes = 20000 };
    static char piece[16000];
    H2_BYTES(data);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    H2_HEAR_UNTIL(peer, peer->settings == 1);
    check_ok(h2_say(peer, "setack post:1"));
    h2_frame(&data, H2_DATA, 0, 1, piece, 16000);
    h2_frame(&data, H2_DATA, 0, 1, piece, 16000);
    check_ok(hob_tcp_write(peer->conn, data.at, data.len));
    H2_HEAR_UNTIL(peer, peer->reset[1] != 0 || peer->goaways > 0);
    check(peer->reset[1] == 3 + 1 || peer->goaway == 3);
    WAIT_FOR(site.stats.running == 0);
}

TEST_ON_ALL(http2, a_body_over_the_limit_gets_413)
{
    struct site site = { .handler = tell, .opts.body_bytes_max = 4 };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI post:1 end:1:hello post:3 end:3:hell "
                          "head:5:4::method=POST|:scheme=http|:path=/|:authority=a|content-length=5 end:5:hello"));
    H2_HEAR_UNTIL(peer, peer->answers == 3);
    check_eq(peer->status[1], 413);
    check_eq(peer->status[3], 200);
    check_eq(peer->status[5], 413);
}

/* ---- answers ---- */

static int answer_much(hob_http_request *req, void *arg)
{
    static char much[200000];
    memset(much, 'x', sizeof much);
    return hob_http_reply(req, 200, NULL, much, sizeof much);
}

TEST_ON_ALL(http2, an_answer_waits_for_the_clients_windows_and_head_has_no_body)
{
    struct site site = { .handler = answer_much };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI set:4=30000 head:1:5::method=HEAD|:scheme=http|:path=/|:authority=a get:3"));
    H2_HEAR_UNTIL(peer, peer->data[3] == 30000);
    check_eq(peer->data[1], 0);
    check(peer->ended[1]);
    check_ok(h2_say(peer, "win:0:1000000 win:3:70000"));
    H2_HEAR_UNTIL(peer, peer->data[3] == 100000);
    check_ok(h2_say(peer, "ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_eq(peer->data[3], 100000);
    check_ok(h2_say(peer, "win:3:1000000"));
    H2_HEAR_UNTIL(peer, peer->ended[3]);
    check_eq(peer->data[3], 200000);
}

static int answer_in_two(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    HOB_TRY(hob_http_write(req, "hello", 5));
    return hob_http_flush(req);
}

/* All of it has gone, and the window is closed: its end has no length. */
TEST_ON_ALL(http2, the_end_of_an_answer_waits_for_no_window)
{
    struct site site = { .handler = answer_in_two };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI set:4=5 get:1*3 post:7"));
    H2_HEAR_UNTIL(peer, peer->answers == 4 && peer->resets == 4);
    check_eq(site.stats.timed_out, 0);
    for (int id = 1; id <= 7; id += 2) {
        check_eq(peer->data[id], 5);
        check_eq(peer->reset[id], 0 + 1);
    }
    check_ok(h2_say(peer, "win:1:1 win:3:1 win:7:1 get:9"));
    H2_HEAR_UNTIL(peer, peer->ended[9]);
    check_eq(peer->goaways, 0);
}

static int fail_in_the_middle(hob_http_request *req, void *arg)
{
    if (strcmp(hob_http_path(req), "/late") == 0) {
        HOB_TRY(hob_http_write(req, "hello", 5));
        HOB_TRY(hob_http_flush(req));
    } else if (strcmp(hob_http_path(req), "/early") == 0) {
        HOB_TRY(hob_http_write(req, "hello", 5));
    }
    return strcmp(hob_http_path(req), "/nothing") == 0 ? 0 : -EIO;
}

TEST_ON_ALL(http2, a_handler_that_fails_gives_500_or_cuts_its_answer_off)
{
    struct site site = { .handler = fail_in_the_middle };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1:/late get:3:/early get:5 get:7:/nothing"));
    H2_HEAR_UNTIL(peer, peer->answers == 3 && peer->resets == 1);
    check_eq(peer->status[1], 200);
    check_eq(peer->reset[1], 2 + 1);
    check_eq(peer->status[3], 500);
    check_eq(peer->status[5], 500);
    check_eq(peer->status[7], 500);
    check_eq(site.stats.failed, 4);
}

static int ignore_body(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "no, thank you");
}

TEST_ON_ALL(http2, a_body_that_nobody_wants_is_stopped_after_the_answer)
{
    struct site site = { .handler = ignore_body };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI post:1 data:1:hello"));
    H2_HEAR_UNTIL(peer, peer->resets == 1);
    check_str(peer->words, "1=200 1!0");
}

static int reply_file(hob_http_request *req, void *arg)
{
    hob_file *file;
    HOB_TRY(hob_file_open(arg, O_RDONLY, 0, &file));
    int r = hob_http_reply_file(req, "text/plain", file);
    hob_file_close(file);
    return r;
}

TEST_ON_ALL(http2, a_file_and_a_part_of_one_are_sent)
{
    const char *path = scratch_path("much");
    struct site site = { .handler = reply_file, .arg = (void *)(uintptr_t)path };
    BYTES(much, 100000);
    H2_PEER(peer);
    HOB_SCOPE(s);

    fill(much, 100000, 0, 7);
    check_ok(hob_path_write(path, much, 100000, 0600));
    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI win:0:1000000 set:4=1000000 get:1"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    check_eq(peer->body.len, 100000);
    check_mem(peer->body.at, much, 100000);
    check_ok(h2_say(peer, "head:3:5::method=GET|:scheme=http|:path=/|:authority=a|range=bytes=10-19"));
    H2_HEAR_UNTIL(peer, peer->answers == 2);
    check_eq(peer->status[3], 206);
    check_eq(peer->data[3], 10);
}

/* ---- clients that go away ---- */

struct hold {
    hob_event began, ended;
    int       error;
    int       count;
};

static int hold(hob_http_request *req, void *arg)
{
    struct hold *h = arg;
    if (strcmp(hob_http_path(req), "/hold") != 0)
        return hob_http_reply_text(req, 200, "hello");
    h->count++;
    hob_event_set(&h->began);
    int r = hob_sleep(HOB_FOREVER);
    h->error = r;
    hob_event_set(&h->ended);
    return r;
}

TEST_ON_ALL(http2, a_request_that_is_taken_back_cancels_its_handler_and_no_other)
{
    struct hold h = { .began.name = "began", .ended.name = "ended" };
    struct site site = { .handler = hold, .arg = &h };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1:/hold"));
    check_ok(hob_event_wait(&h.began));
    check_ok(h2_say(peer, "rst:1:8 get:3"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    check_ok(hob_event_wait(&h.ended));
    check_eq(h.error, -ECANCELED);
    check_str(peer->words, "3=200");
    check_eq(site.stats.gone, 1);
    check_eq(site.stats.reset, 1);
    check_eq(site.stats.failed, 0);
}

/* Row 101. */
TEST_ON_ALL(http2, a_connection_that_breaks_cancels_all_of_its_handlers)
{
    struct hold h = { .began.name = "began", .ended.name = "ended" };
    struct site site = { .handler = hold, .arg = &h };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    {
        H2_PEER(peer);
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI get:1:/hold get:3:/hold get:5:/hold"));
        WAIT_FOR(h.count == 3);
    } // closed with SETTINGS unread: a reset
    WAIT_FOR(site.stats.connections == 0);
    check_eq(h.error, -ECANCELED);
    check_eq(site.stats.running, 0);
}

/* ---- ends ---- */

TEST_ONCE(http2, an_idle_connection_has_no_task_and_is_told_when_its_time_is_over)
{
    struct site site = { .handler = tell };
    hob_stats   before, after;
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    settle();
    hob_stats_get(&before);
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    settle();
    check_eq(site.stats.idle, 1);
    hob_stats_get(&after);
    check_eq(after.tasks_alive, before.tasks_alive);
    int64_t begun_ns = hob_now();
    H2_HEAR_UNTIL(peer, false);
    check_ge(hob_now() - begun_ns, 75 * HOB_SEC);
    check_le(hob_now() - begun_ns, 78 * HOB_SEC);
    check_eq(peer->goaways, 2);
    check_eq(peer->last_id, 1);
    check_eq(peer->goaway, 0);
    WAIT_FOR(site.stats.connections == 0);
}

/* Both ends of TCP, Hob's part, and nghttp2's, of which the most is its buffer for a frame and two tables of
 * fields: malloc(3) gives all of it. */
TEST_ON_ALL(http2, an_idle_connection_takes_little)
{
    enum { MANY = 100 };
    struct site site = { .handler = tell };
    hob_tcp    *conns[MANY] = { 0 };
    char        buf[2000];
    H2_BYTES(bytes);
    HOB_SCOPE(s);

    if (IS_SANITIZED)
        skip("a sanitizer has its own malloc");
    check_ok(open_site(&s, &site));
    h2_script(&bytes, "PRI get:1");
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(hob_tcp_write(conns[i], bytes.at, bytes.len));
        check_ok(hob_tcp_read(conns[i], buf, sizeof buf));
    }
    WAIT_FOR(site.stats.idle == MANY);
    size_t each = (mallinfo2().uordblks - before) / MANY;
    for (int i = 0; i < MANY; i++)
        hob_tcp_close(conns[i]);
    check_lt(each, in_sim() ? 36000u : 32000u);
}

TEST_ONCE(http2, pings_do_not_keep_an_idle_connection_for_ever)
{
    struct site site = { .handler = tell };
    int64_t     begun_ns = hob_now();
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    while (peer->goaways == 0 && h2_say(peer, "ping") == 0) {
        check_ok(hob_sleep(5 * HOB_SEC));
        int pings = peer->pings;
        H2_HEAR_UNTIL(peer, peer->pings > pings || peer->goaways > 0);
    }
    check_le(hob_now() - begun_ns, 90 * HOB_SEC);
}

struct drained {
    struct site site;
    hob_event   began;
    char        words[4096];
};

static int slow(hob_http_request *req, void *arg)
{
    struct drained *d = arg;
    hob_event_set(&d->began);
    HOB_TRY(hob_sleep(100 * HOB_MSEC));
    return hob_http_reply_text(req, 200, "hello");
}

static int hear_drain(void *arg)
{
    struct drained *d = arg;
    H2_PEER(peer);
    check_ok(h2_visit(&d->site, &peer));
    check_ok(h2_say(peer, "PRI get:1"));
    H2_HEAR_UNTIL(peer, peer->goaways == 1);
    check_eq(peer->last_id, 0x7fffffff);
    check_ok(h2_say(peer, "get:3")); // on its way: it is answered, too
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_ok(h2_say(peer, "ack"));
    H2_HEAR_UNTIL(peer, peer->goaways == 2);
    check_eq(peer->last_id, 3);
    check_ok(h2_say(peer, "get:5")); // it is not, and the client knows
    H2_HEAR_UNTIL(peer, false);
    snprintf(d->words, sizeof d->words, "%s", peer->words);
    return 0;
}

static int serve_and_stop(void *arg)
{
    struct drained *d = arg;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, run_site, &d->site, NULL, NULL));
    hob_go(&s, hear_drain, d);
    WAIT_FOR(hob_event_is_set(&d->began));
    hob_stop("the test wants it");
    return hob_scope_end(&s);
}

/* Row 101, from the server's side. */
TEST_BARE_ON_ALL(http2, a_run_that_stops_says_goodbye_in_two_steps_and_finishes_what_was_asked)
{
    static struct drained d;
    hob_run_opts          opts;

    memset(&d, 0, sizeof d);
    d.site.handler = slow;
    d.site.arg = &d;
    d.site.result = 1;
    hob_test_run_opts(&opts);
    opts.workers = 1;
    check_ok(hob_run_with(&opts, serve_and_stop, &d));
    check_eq(d.site.result, 0);
    check_str(d.words, "1=200 3=200");
    check_eq(d.site.stats.connections, 0);
}

static int close_after(hob_http_request *req, void *arg)
{
    hob_http_close_after(req);
    return hob_http_reply_text(req, 200, "the last");
}

TEST_ON_ALL(http2, a_handler_can_end_the_connection)
{
    struct site site = { .handler = close_after };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_ok(h2_say(peer, "ack"));
    H2_HEAR_UNTIL(peer, false);
    check_str(peer->words, "1=200");
    check_eq(peer->goaways, 2);
    WAIT_FOR(site.stats.connections == 0);
}

static int sleep_long(hob_http_request *req, void *arg)
{
    return hob_sleep(HOB_FOREVER);
}

TEST_ONCE(http2, a_handler_has_its_time_and_then_the_answer_is_503)
{
    struct site site = { .handler = sleep_long, .opts.request_ns = 3 * HOB_SEC };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    check_str(peer->words, "1=503");
}

TEST_ONCE(http2, a_body_that_does_not_come_is_answered_by_408)
{
    struct site site = { .handler = tell };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI post:1 data:1:hel"));
    H2_HEAR_UNTIL(peer, peer->resets == 1);
    check_str(peer->words, "1=408 1!0");
    check_eq(site.stats.timed_out, 1);
}

/* ---- records ---- */

struct record {
    int  count, status, version;
    char method[20], target[20];
    uint64_t body_bytes, answer_bytes;
};

static void see(void *arg, const hob_http_record *record)
{
    struct record *r = arg;
    r->count++;
    r->status = record->status;
    r->version = record->version;
    snprintf(r->method, sizeof r->method, "%s", record->method);
    snprintf(r->target, sizeof r->target, "%s", record->target);
    r->body_bytes = record->body_bytes;
    r->answer_bytes = record->answer_bytes;
}

TEST_ON_ALL(http2, each_answer_is_recorded_with_its_version)
{
    struct record seen = { 0 };
    struct site   site = { .handler = echo, .opts = { .record = see, .record_arg = &seen } };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI post:1:/a?b end:1:hello"));
    H2_HEAR_UNTIL(peer, peer->answers == 1);
    WAIT_FOR(seen.count == 1);
    check_eq(seen.status, 200);
    check_eq(seen.version, 20);
    check_str(seen.method, "POST");
    check_str(seen.target, "/a?b");
    check_eq(seen.body_bytes, 5);
    check_eq(seen.answer_bytes, 5);
    check_ok(h2_say(peer, "head:3:5::method=GET|:scheme=http|:path=/#|:authority=a"));
    H2_HEAR_UNTIL(peer, peer->answers == 2);
    check_eq(seen.count, 2);
    check_eq(seen.status, 400);
}

/* ---- extended CONNECT: RFC 8441 ---- */

static int tunnel(hob_http_request *req, void *arg)
{
    hob_stream *stream;
    char        buf[100];
    ssize_t     n;

    check_str(hob_http_method(req), "GET");
    check_str(hob_http_path(req), "/tunnel");
    if (strcmp(hob_http_protocol(req), "echo") != 0)
        return hob_http_reply_text(req, 501, NULL);
    HOB_TRY(hob_http_upgrade(req, "echo", &stream));
    while ((n = HOB_TRY(hob_stream_read(stream, buf, sizeof buf))) > 0)
        HOB_TRY(hob_stream_write(stream, buf, (size_t)n));
    HOB_TRY(hob_stream_shutdown(stream));
    return 0;
}

TEST_ON_ALL(http2, an_extended_connect_becomes_a_stream_both_ways)
{
    struct site site = { .handler = tunnel, .opts = { .body_bytes_max = 8, .request_ns = HOB_SEC } };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI conn:1:echo conn:3:other"));
    H2_HEAR_UNTIL(peer, peer->status[1] == 200 && peer->ended[3]);
    check_eq(peer->status[3], 501);
    for (int i = 1; i <= 4; i++) {
        check_ok(h2_say(peer, "data:1:hello"));
        H2_HEAR_UNTIL(peer, peer->data[1] == 5 * (uint64_t)i);
        if (in_sim())
            check_ok(hob_sleep(HOB_HOUR / 2)); // no limit of a request is one of a tunnel
    }
    check_ok(h2_say(peer, "end:1:bye"));
    H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_eq(peer->data[1], 23);
    check_str(peer->words, "3=501 3!0 1=200");
}

/* ---- memory ---- */

/* The nth allocation of the server, or of nghttp2, fails: others do not notice. */
TEST(http2, a_server_without_memory_goes_on)
{
    struct site site = { .handler = echo };
    HOB_SCOPE(s);

    hob_test_timeout(60);
    check_ok(open_site(&s, &site));
    int whole = 0;
    for (int at = 1; at < 90; at++) {
        H2_PEER(peer);
        H2_PEER(other);
        check_ok(h2_visit(&site, &peer));
        check_ok(hob_sleep(HOB_MSEC));
        hob__http_fail_at = at;
        if (h2_say(peer, "PRI set:4=3 post:1 data:1:hello head:1:5:x-a=b get:3 win:1:1 win:1:5 win:3:5") == 0)
            ignore(hob_tcp_shutdown(peer->conn));
        H2_HEAR_UNTIL(peer, false);
        whole += hob__http_fail_at > 0 && peer->answers == 2;
        hob__http_fail_at = 0;
        check_ok(h2_visit(&site, &other));
        check_ok(h2_say(other, "PRI get:1"));
        H2_HEAR_UNTIL(other, other->answers == 1);
        check_eq(other->status[1], 200);
    }
    check_gt(whole, 0); // there were fewer than that
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
}
