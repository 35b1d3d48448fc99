/* SPDX-License-Identifier: MIT */
/*
 * Topics: what is published is encoded once (a frame without a mask, as servers send them), and lies in
 * the topic's ring; each member is a place in it, and an operation that waits for news.
 *
 *     publish ─▶ ring ─▶ news ─▶ on_news, on each member's worker ─▶ a task that writes (write.c)
 *                                                                      │ up to BATCH in one write
 *     member: WAITS (op) ─▶ HAS NEWS ─────────────────────────────────▶ nothing left ─▶ WAITS
 *
 * A task for writing lives as long as there is something to write, one for each connection. While a
 * peer takes nothing its member stays where it is, and what the ring lost meanwhile it has missed.
 *
 * Memory: a topic lives until it is freed and its last member's operation has come back.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ws/feed.h"
#include "ws/ws.h"

enum { BATCH = 32, BATCH_BYTES = 64 * 1024 };

struct hob_ws_topic {
    struct feed    feed;
    hob_ws_slow    slow;
    atomic_uint    refs;
    atomic_ulong   published, joined, sent, writes, missed, closed;
};

struct ws_member {
    struct ws_member *next; /* of ws->members */
    hob_ws_topic     *topic;
    hob_ws           *ws;   /* NULL: it has left */
    uint64_t          pos;
    hob_subscriber    reader;
    hob_op            op;
    bool              waits, has_news, moves;
};

/* ---- topics ---- */

int hob_ws_topic_new(const hob_ws_topic_opts *opts, hob_ws_topic **ret_topic)
{
    static const hob_ws_topic_opts NONE;
    hob_ws_topic *topic = hob__ws_alloc(sizeof *topic);

    if (opts == NULL)
        opts = &NONE;
    if (topic == NULL)
        return -ENOMEM;
    memset(topic, 0, sizeof *topic);
    int r = hob__feed_init(&topic->feed, opts->messages_max != 0 ? opts->messages_max : 256,
                           opts->bytes_max != 0 ? opts->bytes_max : 4 * 1048576,
                           opts->name != NULL ? opts->name : "a topic");
    if (r < 0) {
        free(topic);
        return r;
    }
    topic->slow = opts->slow;
    atomic_init(&topic->refs, 1);
    *ret_topic = topic;
    return 0;
}

static void topic_unref(hob_ws_topic *topic)
{
    if (atomic_fetch_sub_explicit(&topic->refs, 1, memory_order_acq_rel) > 1)
        return;
    hob__feed_fini(&topic->feed);
    free(topic);
}

void hob_ws_topic_free(hob_ws_topic *topic)
{
    if (topic == NULL)
        return;
    if (atomic_load(&topic->joined) > 0)
        hob_mistake("hob_ws_topic_free", "connections are still joined to this topic");
    topic_unref(topic);
}

int hob_ws_topic_publish(hob_ws_topic *topic, hob_ws_kind kind, const void *data, size_t len)
{
    unsigned char  out[WS_HEAD_MAX];
    struct ws_head head = { .opcode = (uint8_t)kind, .is_last = true, .len = len };
    struct ws_text text = { 0 };

    if (kind != HOB_WS_TEXT && kind != HOB_WS_BINARY)
        hob_mistake("hob_ws_topic_publish", "a message is HOB_WS_TEXT or HOB_WS_BINARY");
    if (kind == HOB_WS_TEXT && (!hob__ws_text_more(&text, data, len) || !hob__ws_text_is_whole(&text)))
        return -EILSEQ;
    int r = hob_cancelled();
    if (r < 0)
        return r;
    size_t head_len = hob__ws_head_write(out, &head);
    if (len > topic->feed.bytes_max || head_len + len > topic->feed.bytes_max)
        return -EMSGSIZE;
    struct blob *blob = hob__blob_new(head_len + len);
    if (blob == NULL)
        return -ENOMEM;
    memcpy(blob->bytes, out, head_len);
    if (len > 0)
        memcpy(blob->bytes + head_len, data, len);
    atomic_fetch_add_explicit(&topic->published, 1, memory_order_relaxed);
    hob__feed_put(&topic->feed, blob);
    return 0;
}

void hob_ws_topic_stats_get(hob_ws_topic *topic, hob_ws_topic_stats *ret_stats)
{
    *ret_stats = (hob_ws_topic_stats){
        .published = atomic_load(&topic->published),
        .joined = atomic_load(&topic->joined),
        .sent = atomic_load(&topic->sent),
        .writes = atomic_load(&topic->writes),
        .missed = atomic_load(&topic->missed),
        .closed = atomic_load(&topic->closed),
    };
}

/* ---- members: waiting for news ---- */

static void member_free(struct ws_member *member)
{
    topic_unref(member->topic);
    free(member);
}

static void wait_for_news(struct ws_member *member);

static void on_news(void *arg, ssize_t result)
{
    struct ws_member *member = arg;

    member->waits = false;
    if (member->ws == NULL) {
        member_free(member);
        return;
    }
    if (member->moves) { // into another scope
        member->moves = false;
        wait_for_news(member);
        return;
    }
    if (result < 0) // the scope is cancelled, and the connection about to end
        return;
    member->has_news = true;
    hob__ws_start_flusher(member->ws);
}

static void wait_for_news(struct ws_member *member)
{
    member->waits = true;
    hob_subscriber_ready_prep(&member->op, &member->reader);
    hob_op_call(member->ws->scope, &member->op, on_news, member);
}

static struct ws_member *find(const hob_ws *ws, const hob_ws_topic *topic)
{
    struct ws_member *member = ws->members;
    while (member != NULL && member->topic != topic)
        member = member->next;
    return member;
}

int hob_ws_topic_join(hob_ws_topic *topic, hob_ws *ws)
{
    if (ws->scope == NULL)
        hob_mistake("hob_ws_topic_join", "a client's connection cannot join: its frames have masks");
    if (find(ws, topic) != NULL)
        return -EALREADY;
    struct ws_member *member = hob__ws_alloc(sizeof *member);
    if (member == NULL)
        return -ENOMEM;
    memset(member, 0, sizeof *member);
    member->topic = topic;
    member->ws = ws;
    member->next = ws->members;
    ws->members = member;
    atomic_fetch_add(&topic->refs, 1);
    atomic_fetch_add(&topic->joined, 1);
    hob_subscribe(topic->feed.news, &member->reader);
    member->pos = hob__feed_next(&topic->feed);
    wait_for_news(member);
    return 0;
}

/* Nothing more is sent for it; the member is freed when its operation is back. */
static void leave(struct ws_member *member)
{
    atomic_fetch_sub(&member->topic->joined, 1);
    member->ws = NULL;
    if (member->waits)
        hob_op_cancel(&member->op);
    else
        member_free(member);
}

void hob_ws_topic_leave(hob_ws_topic *topic, hob_ws *ws)
{
    struct ws_member *member = find(ws, topic), **at = &ws->members;
    if (member == NULL)
        return;
    WS_CALL(ws);
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    leave(member);
}

void hob__ws_leave_topics(hob_ws *ws)
{
    while (ws->members != NULL) {
        struct ws_member *member = ws->members;
        ws->members = member->next;
        leave(member);
    }
}

void hob__ws_move_topics(hob_ws *ws)
{
    for (struct ws_member *member = ws->members; member != NULL; member = member->next) {
        if (!member->waits)
            continue;
        member->moves = true;
        hob_op_cancel(&member->op);
    }
}

/* ---- sending ---- */

/* What it missed, as its topic has it. False: the connection is closed for it. */
static bool bear_loss(hob_ws *ws, hob_ws_topic *topic, uint64_t lost)
{
    if (lost == 0)
        return true;
    atomic_fetch_add_explicit(&topic->missed, lost, memory_order_relaxed);
    if (topic->slow != HOB_WS_DISCONNECT)
        return true;
    atomic_fetch_add_explicit(&topic->closed, 1, memory_order_relaxed);
    hob__ws_want_close(ws, HOB_WS_TRY_LATER, "too slow");
    return false;
}

/* Skips to the newest. */
static uint64_t conflate(struct ws_member *member)
{
    uint64_t next = hob__feed_next(&member->topic->feed);
    if (next == 0 || member->pos >= next - 1)
        return 0;
    uint64_t skipped = next - 1 - member->pos;
    member->pos = next - 1;
    return skipped;
}

/* The wire is ours. Returns whether something was sent. */
static bool send_batch(hob_ws *ws, struct ws_member *member)
{
    hob_ws_topic *topic = member->topic;
    struct blob  *blobs[BATCH];
    struct iovec  pieces[BATCH];
    size_t        len = 0;
    uint64_t      lost, skipped = topic->slow == HOB_WS_CONFLATE ? conflate(member) : 0;

    size_t n = hob__feed_take(&topic->feed, &member->pos, blobs, BATCH, BATCH_BYTES, &lost);
    if (bear_loss(ws, topic, lost + skipped) && n > 0) {
        for (size_t i = 0; i < n; i++) {
            pieces[i] = (struct iovec){ blobs[i]->bytes, blobs[i]->len };
            len += blobs[i]->len;
        }
        atomic_fetch_add(&topic->refs, 1); // the member may leave meanwhile
        if (hob__ws_write(ws, pieces, (int)n, len) == 0) {
            atomic_fetch_add_explicit(&topic->sent, n, memory_order_relaxed);
            atomic_fetch_add_explicit(&topic->writes, 1, memory_order_relaxed);
        }
        topic_unref(topic);
    }
    for (size_t i = 0; i < n; i++)
        hob__blob_unref(blobs[i]);
    return n > 0;
}

/* All of it was sent: waits for more. What came in between wakes it at once. */
static void is_up_to_date(struct ws_member *member)
{
    char     something;
    uint64_t lost;

    while (hob_subscriber_try_recv(&member->reader, &something, &lost) == 0)
        ;
    if (hob__feed_next(&member->topic->feed) != member->pos)
        return; // and it was before that
    member->has_news = false;
    wait_for_news(member);
}

static bool can_send(const hob_ws *ws)
{
    return ws->error == 0 && !ws->has_closed && !ws->close.is_wanted && !ws->is_broken;
}

bool hob__ws_flush_topics(hob_ws *ws)
{
    struct ws_member *member = ws->members;

    while (member != NULL && !member->has_news)
        member = member->next;
    if (member == NULL || !can_send(ws) || hob__ws_wire(ws) < 0)
        return false;
    // Whoever waited for the wire finds everything changed: it begins again.
    member = ws->members;
    while (member != NULL && !member->has_news)
        member = member->next;
    if (member != NULL && can_send(ws)) {
        hob_ws_topic *topic = member->topic;
        bool          has_sent = send_batch(ws, member);
        if (!has_sent && find(ws, topic) == member)
            is_up_to_date(member);
    }
    hob__ws_wire_end(ws);
    return true;
}
