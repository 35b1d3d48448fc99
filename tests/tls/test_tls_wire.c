/* SPDX-License-Identifier: MIT */
/*
 * The bytes on the wire (src/tls/wire.c) beside a model of them: two counters for each direction.
 *
 *   - what came is taken, and what was put is sent, in order and whole;
 *   - the room that a reader has is not used by a writer meanwhile;
 *   - a record for which room was reserved fits.
 */
#include <string.h>

#include "support/test.h"
#include "tls/engine.h"

static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)(i * 31 + i / 251);
}

struct model {
    struct wire    wire;
    unsigned char *lent; /* to the reader; NULL: nobody reads */
    size_t         lent_len;
    uint64_t       came, taken, put, sent;
};

/* The reader's room is filled all the time that it has it, as a kernel may do. */
static void scribble(struct model *m)
{
    for (size_t i = 0; i < m->lent_len; i++)
        m->lent[i] = byte_at(m->came + i);
}

static int begin_read(struct model *m)
{
    if (m->lent != NULL || m->came != m->taken)
        return 0;
    m->lent = hob__wire_in_room(&m->wire, &m->lent_len);
    check_ge(m->lent_len, WIRE_IN_SMALL);
    scribble(m);
    return 0;
}

/* Small, full, or in between; or cancelled. */
static int end_read(struct model *m)
{
    if (m->lent == NULL)
        return 0;
    size_t len = hob_random() % 3 == 0 ? m->lent_len : hob_random() % (m->lent_len + 1);
    if (hob_random() % 3 == 0)
        len = hob_random() % 100;
    scribble(m);
    m->lent = NULL;
    hob__wire_in_came(&m->wire, len);
    m->came += len;
    check_eq(wire_in_waits(&m->wire), len);
    return 0;
}

static int take(struct model *m)
{
    unsigned char buf[20000];
    size_t        want = 1 + hob_random() % (hob_random() % 2 == 0 ? 100 : sizeof buf);

    if (m->lent != NULL)
        return 0;
    size_t n = hob__wire_in_take(&m->wire, buf, want);
    check_eq(n, want < m->came - m->taken ? want : m->came - m->taken);
    for (size_t i = 0; i < n; i++)
        check_eq(buf[i], byte_at(m->taken + i));
    m->taken += n;
    return 0;
}

static size_t put(struct model *m, size_t len)
{
    unsigned char buf[WIRE_LARGE];

    for (size_t i = 0; i < len; i++)
        buf[i] = byte_at(m->put + i);
    size_t n = hob__wire_out_put(&m->wire, buf, len);
    m->put += n;
    return n;
}

/* As write_record of tls.c: with nothing left of before. */
static int write_record(struct model *m)
{
    size_t plain = hob_random() % 2 == 0 ? hob_random() % 300 : hob_random() % (ENGINE_WRITE_MAX + 1);

    if (m->put != m->sent)
        return 0;
    check_ok(hob__wire_out_reserve(&m->wire, plain));
    check_eq(put(m, plain + WIRE_OUT_MORE), plain + WIRE_OUT_MORE);
    return 0;
}

/* What the engine says while it reads: little, and it may be that there is no room. */
static int answer(struct model *m)
{
    size_t len = 1 + hob_random() % 60;
    size_t n = put(m, len);
    check(n == len || m->put - m->sent > 0);
    return 0;
}

static int send_some(struct model *m)
{
    size_t waits = wire_out_waits(&m->wire);

    check_eq(waits, m->put - m->sent);
    if (waits == 0)
        return 0;
    size_t n = hob_random() % 2 == 0 ? waits : 1 + hob_random() % waits;
    const unsigned char *bytes = m->wire.out.bytes + m->wire.out.begin;
    for (size_t i = 0; i < n; i++)
        check_eq(bytes[i], byte_at(m->sent + i));
    m->sent += n;
    hob__wire_out_sent(&m->wire, n);
    return 0;
}

TEST(tls_wire, is_as_the_model_in_any_order_of_steps)
{
    static int (*const steps[])(struct model *) = { begin_read, end_read, take, take, write_record,
                                                     answer, send_some, send_some };
    static struct model m;

    memset(&m, 0, sizeof m);
    for (int i = 0; i < 20000; i++)
        check_ok(steps[hob_random() % (sizeof steps / sizeof steps[0])](&m));
    check_gt(m.taken, 100000);
    check_gt(m.sent, 100000);
    hob__wire_free(&m.wire);
}

static int receive(struct model *m, size_t len)
{
    check_ok(begin_read(m));
    check_le(len, m->lent_len);
    m->lent = NULL;
    hob__wire_in_came(&m->wire, len);
    m->came += len;
    while (m->taken < m->came)
        check_ok(take(m));
    return 0;
}

TEST(tls_wire, who_answers_large_messages_has_one_large_room_and_who_talks_small_has_none)
{
    struct model m = { 0 };

    check_ok(receive(&m, WIRE_IN_SMALL)); // full: there is more
    check_ok(receive(&m, 16000));
    const unsigned char *room = m.wire.in.large;
    check(room != NULL);
    for (int i = 0; i < 3; i++) {
        check_ok(hob__wire_out_reserve(&m.wire, 16000));
        check(m.wire.out.bytes == room);
        check(m.wire.in.large == NULL);
        check_eq(put(&m, 16022), 16022);
        while (m.sent < m.put)
            check_ok(send_some(&m));
        check(m.wire.out.bytes == NULL);
        check_ok(receive(&m, 16000));
        check(m.wire.in.large == room);
    }
    check_ok(receive(&m, 100));
    check_ok(begin_read(&m));
    check(m.wire.in.large == NULL);
    check_eq(m.lent_len, WIRE_IN_SMALL);
    m.lent = NULL;
    hob__wire_in_came(&m.wire, 0);
    hob__wire_free(&m.wire);
}
