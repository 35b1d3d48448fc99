/* SPDX-License-Identifier: MIT */
/*
 * What RFC 6455 and RFC 7692 say of bytes, and what peers do against it: a table, each row of which is
 * sent whole, cut at each point, and byte by byte. In front of each there is a message that must not be
 * lost.
 */
#include "ws/wire.h"
#include "ws/ws.h"

struct row {
    const char *what;
    unsigned    code;        /* of the server's goodbye                        */
    int         messages;    /* that reach the server, besides the first       */
    bool        deflate;     /* agreed upon                                    */
    bool        is_raw;      /* the bytes as they are; else one client's frame */
    unsigned    first;       /* of the frame                                   */
    const char *bytes;
    size_t      len;
};

#define RAW(what, code, messages, bytes) { what, code, messages, false, true, 0, bytes, sizeof bytes - 1 }
#define ONE(what, code, messages, first, bytes) \
    { what, code, messages, false, false, first, bytes, sizeof bytes - 1 }
#define DEFLATED(what, code, messages, first, bytes) \
    { what, code, messages, true, false, first, bytes, sizeof bytes - 1 }
/* Compressed, and a close behind it. */
#define HELLO(what, bytes) \
    { what, 1000, 1, true, true, 0, bytes "\x88\x80" MASK, sizeof bytes - 1 + 6 }
#define MASK "\0\0\0\0"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct row ROWS[] = {
    /* Row 103: heads. */
    RAW("unmasked from a client", 1002, 0, "\x81\x01" "a"),
    RAW("unmasked and empty", 1002, 0, "\x81\x00"),
    ONE("RSV1 without an extension", 1002, 0, 0xc1, "a"),
    ONE("RSV2", 1002, 0, 0xa1, "a"),
    ONE("RSV3", 1002, 0, 0x91, "a"),
    ONE("opcode 3", 1002, 0, 0x83, ""),
    ONE("opcode 4", 1002, 0, 0x84, ""),
    ONE("opcode 5", 1002, 0, 0x85, ""),
    ONE("opcode 6", 1002, 0, 0x86, ""),
    ONE("opcode 7", 1002, 0, 0x87, ""),
    ONE("opcode 11", 1002, 0, 0x8b, ""),
    ONE("opcode 12", 1002, 0, 0x8c, ""),
    ONE("opcode 13", 1002, 0, 0x8d, ""),
    ONE("opcode 14", 1002, 0, 0x8e, ""),
    ONE("opcode 15", 1002, 0, 0x8f, ""),
    ONE("a ping in fragments", 1002, 0, 0x09, "a"),
    ONE("a pong in fragments", 1002, 0, 0x0a, "a"),
    ONE("a close in fragments", 1002, 0, 0x08, ""),
    RAW("a ping of 126 bytes", 1002, 0, "\x89\xfe\x00\x7e" MASK HUNDRED),
    RAW("a close of 65536 bytes", 1002, 0, "\x88\xff\0\0\0\0\0\1\0\0" MASK),
    RAW("125 in two bytes", 1002, 0, "\x82\xfe\x00\x7d" MASK),
    RAW("0 in two bytes", 1002, 0, "\x82\xfe\x00\x00" MASK),
    RAW("65535 in eight bytes", 1002, 0, "\x82\xff\0\0\0\0\0\0\xff\xff" MASK),
    RAW("5 in eight bytes", 1002, 0, "\x82\xff\0\0\0\0\0\0\0\5" MASK),
    ONE("a continuation of nothing", 1002, 0, 0x80, "a"),
    ONE("an unfinished continuation of nothing", 1002, 0, 0x00, "a"),
    RAW("a text within a text", 1002, 0, "\x01\x81" MASK "a" "\x81\x81" MASK "b"),
    RAW("a binary within a text", 1002, 0, "\x01\x81" MASK "a" "\x02\x81" MASK "b"),
    RAW("a continuation behind the last", 1002, 1, "\x01\x81" MASK "a" "\x80\x81" MASK "b" "\x80\x80" MASK),

    /* Row 105. */
    RAW("announced: 2^40", 1009, 0, "\x82\xff\0\0\1\0\0\0\0\0" MASK),
    RAW("announced: 2^63", 1002, 0, "\x82\xff\x80\0\0\0\0\0\0\0" MASK),
    RAW("announced: 2^63 - 1", 1009, 0, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK),
    RAW("announced: 2^63 - 1, behind another fragment", 1009, 0,
        "\x02\x81" MASK "a" "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK),

    /* Row 106; the limits here are 1,000 bytes and 5 fragments. */
    RAW("a byte too much", 1009, 0, "\x82\xfe\x03\xe9" MASK),
    RAW("a byte too much in two fragments", 1009, 0, "\x02\x81" MASK "a" "\x80\xfe\x03\xe8" MASK),
    RAW("six fragments", 1008, 0, "\x02\x80" MASK "\x00\x80" MASK "\x00\x80" MASK "\x00\x80" MASK
        "\x00\x80" MASK "\x80\x80" MASK),
    RAW("five fragments, and a close", 1000, 1, "\x02\x80" MASK "\x00\x80" MASK "\x00\x80" MASK
        "\x00\x80" MASK "\x80\x80" MASK "\x88\x80" MASK),

    /* Row 104: texts. */
    ONE("a byte of no character", 1007, 0, 0x81, "a\x80"),
    ONE("0xFF", 1007, 0, 0x81, "a\xff"),
    ONE("too long: 0xC0 0x80", 1007, 0, 0x81, "\xc0\x80"),
    ONE("too long: 0xE0 0x80 0x80", 1007, 0, 0x81, "\xe0\x80\x80"),
    ONE("too long: 0xF0 0x80 0x80 0x80", 1007, 0, 0x81, "\xf0\x80\x80\x80"),
    ONE("a surrogate", 1007, 0, 0x81, "\xed\xa0\x80"),
    ONE("over 0x10FFFF", 1007, 0, 0x81, "\xf4\x90\x80\x80"),
    ONE("cut at the end", 1007, 0, 0x81, "\xf0\x9f\x98"),
    ONE("early, in a fragment that is not the last", 1007, 0, 0x01, "a\x80"),
    RAW("a character over three fragments, then wrong", 1007, 0,
        "\x01\x81" MASK "\xf0" "\x00\x81" MASK "\x9f" "\x80\x82" MASK "\x98" "a"),
    RAW("early, in a frame that is not whole", 1007, 0, "\x81\xe4" MASK "a\xff"),
    RAW("a character over four fragments, and a close", 1000, 1, "\x01\x81" MASK "\xf0" "\x00\x81" MASK "\x9f"
        "\x00\x81" MASK "\x98" "\x80\x81" MASK "\x80" "\x88\x80" MASK),

    /* Row 108: closes. */
    ONE("a close without a code", 1000, 0, 0x88, ""),
    ONE("a close of one byte", 1002, 0, 0x88, "a"),
    ONE("code 0", 1002, 0, 0x88, "\0\0"),
    ONE("code 999", 1002, 0, 0x88, "\x03\xe7"),
    ONE("code 1004", 1002, 0, 0x88, "\x03\xec"),
    ONE("code 1005", 1002, 0, 0x88, "\x03\xed"),
    ONE("code 1006", 1002, 0, 0x88, "\x03\xee"),
    ONE("code 1015", 1002, 0, 0x88, "\x03\xf7"),
    ONE("code 1016", 1002, 0, 0x88, "\x03\xf8"),
    ONE("code 2999", 1002, 0, 0x88, "\x0b\xb7"),
    ONE("code 5000", 1002, 0, 0x88, "\x13\x88"),
    ONE("code 65535", 1002, 0, 0x88, "\xff\xff"),
    ONE("a bad reason", 1007, 0, 0x88, "\x03\xe8" "a\xff"),
    ONE("a cut reason", 1007, 0, 0x88, "\x03\xe8" "a\xc3"),
    ONE("code 1001", 1001, 0, 0x88, "\x03\xe9"),
    ONE("code 1003 and a reason", 1003, 0, 0x88, "\x03\xeb" "because \xc3\xa4"),
    ONE("code 1014", 1014, 0, 0x88, "\x03\xf6"),
    ONE("code 3000", 3000, 0, 0x88, "\x0b\xb8"),
    ONE("code 4999", 4999, 0, 0x88, "\x13\x87"),
    RAW("data behind a close", 1000, 0, "\x88\x82" MASK "\x03\xe8" "\x81\x81" MASK "a"),
    RAW("nonsense behind a close", 1000, 0, "\x88\x82" MASK "\x03\xe8" "\xff\xff\xff"),

    /* Row 110: compressed. */
    HELLO("Hello, 7.2.3.1", "\xc1\x87" MASK "\xf2\x48\xcd\xc9\xc9\x07\x00"),
    HELLO("Hello in two fragments", "\x41\x83" MASK "\xf2\x48\xcd" "\x80\x84" MASK "\xc9\xc9\x07\x00"),
    HELLO("Hello in a block without compression, 7.2.3.3",
          "\xc1\x8b" MASK "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
    HELLO("Hello with a last block, 7.2.3.4", "\xc1\x88" MASK "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
    HELLO("Hello in two blocks, 7.2.3.5",
          "\xc1\x8d" MASK "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    HELLO("not compressed, though it might be", "\x81\x85" MASK "Hello"),
    HELLO("nothing, compressed", "\xc1\x81" MASK "\x00"),
    DEFLATED("bad compressed data", 1007, 0, 0xc1, "\xff\xff\xff\xff\xff\xff"),
    DEFLATED("cut in the middle", 1007, 0, 0xc1, "\xf2\x48\xcd"),
    DEFLATED("compressed, but not UTF-8", 1007, 0, 0xc1, "\x52\x70\x04\x00\x00"),
    DEFLATED("RSV1 on a ping", 1002, 0, 0xc9, ""),
    DEFLATED("RSV1 on a continuation", 1002, 0, 0xc0, ""),
    DEFLATED("RSV2 beside it", 1002, 0, 0xe1, ""),
};

static int hear_it_through(const struct row *row, hob_tcp *conn)
{
    check_ok(hears_frame(conn, 0x81, "first"));
    for (int i = 0; i < row->messages; i++) {
        unsigned char payload[2048];
        size_t        len;
        check_ge(hear_frame(conn, payload, sizeof payload, &len), 0x81);
    }
    check_ok(hears_close(conn, row->code));
    return 0;
}

static int try_row(const struct site *site, struct seen *seen, const struct row *row, size_t cut,
                   bool by_bytes)
{
    struct bytes b = { .len = 0 };
    TCP(conn);

    add_frame(&b, 0x81, "first", 5);
    if (row->is_raw)
        add(&b, row->bytes, row->len);
    else
        add_frame(&b, row->first, row->bytes, row->len);
    if (cut > b.len)
        return 1;
    *seen = (struct seen){ .kept = seen->kept, .opts = { .message_bytes_max = 1000, .fragments_max = 5,
                                     .deflate = row->deflate } };
    check_ok(upgrade_with(site, row->deflate
                 ? HANDSHAKE_WITH("Sec-WebSocket-Extensions: permessage-deflate\r\n") : HANDSHAKE, &conn));
    for (size_t at = 0; at < b.len;) {
        size_t n = by_bytes ? 1 : at < cut ? cut : b.len - at;
        if (hob_tcp_write(conn, b.at + at, n) < 0)
            break; // it has been refused already
        at += n;
        settle();
    }
    check_ok(hear_it_through(row, conn));
    hob_tcp_close(conn);
    conn = NULL;
    WAIT_FOR(site->stats.connections == 0);
    check_eq(seen->ends, 1);
    check_eq(seen->messages, 1 + row->messages);
    bool is_goodbye = row->code != 1002 && row->code < 1007;
    check_eq(seen->last, is_goodbye || row->code >= 1010 ? HOB_EOF : HOB_EWS);
    check_eq(seen->end.sent_code, (int)row->code);
    return 0;
}

static int try_all(bool kept, bool cuts)
{
    WS_SITE(site, seen);
    seen.kept = kept;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        int r = 0;
        for (size_t cut = 0; r == 0 && cut < 200; cut++) {
            r = try_row(&site, &seen, &ROWS[i], cut, false);
            if (!cuts)
                break;
        }
        if (r >= 0 && cuts)
            r = try_row(&site, &seen, &ROWS[i], 0, true);
        if (r < 0)
            fail("this was: %s", ROWS[i].what);
    }
    return 0;
}

TEST_ON_ALL(ws_hostile, each_row_ends_as_it_deserves)
{
    check_ok(try_all(false, false));
}

TEST_ONCE(ws_hostile, each_row_cut_anywhere_ends_as_it_deserves)
{
    check_ok(try_all(false, true));
}

TEST_ONCE(ws_hostile, the_same_without_a_task)
{
    check_ok(try_all(true, true));
}

/* ---- too much ---- */

#define DEFLATE HANDSHAKE_WITH("Sec-WebSocket-Extensions: permessage-deflate\r\n")

/* Row 110: 64 MiB of zeros in 64 KiB, in frames of 4,000 bytes: it ends when a megabyte is inflated. */
TEST_ONCE(ws_hostile, a_bomb_goes_off_at_the_limit_of_a_message)
{
    static const unsigned char zeros[65536];
    WS_SITE(site, seen);
    TCP(conn);
    seen.opts.deflate = 1;
    check_ok(upgrade_with(&site, DEFLATE, &conn));
    BYTES(bomb, 100000);
    z_stream z = { 0 };
    check_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = bomb;
    z.avail_out = 100000;
    for (int i = 0; i < 1024; i++) {
        z.next_in = (unsigned char *)(uintptr_t)zeros;
        z.avail_in = sizeof zeros;
        check_eq(deflate(&z, Z_NO_FLUSH), Z_OK);
        check_eq(z.avail_in, 0);
    }
    deflate(&z, Z_SYNC_FLUSH);
    size_t len = 100000 - z.avail_out;
    deflateEnd(&z);
    size_t at = 0;
    for (; at < len; at += 4000) {
        struct bytes b = { .len = 0 };
        add_frame(&b, at == 0 ? 0x42 : 0, bomb + at, len - at < 4000 ? len - at : 4000);
        if (say_bytes(conn, &b) < 0)
            break;
        settle();
        if (seen.ends > 0)
            break;
    }
    check_lt(at, 4000); // the first frame was enough
    check_ok(hears_close(conn, 1009));
    check_eq(seen.messages, 0);
}

/* Row 107: who pings and does not read the pongs gets the latest, and costs nothing. */
TEST_ONCE(ws_hostile, a_flood_of_pings_is_answered_as_far_as_it_is_read)
{
    hob_sim_world world = { .stream_bytes = 4096 };
    WS_SITE(site, seen);
    TCP(conn);
    check_ok(hob_sim_set_world(&world));
    check_ok(upgrade(&site, &conn));
    // All that come with one read are one pong.
    struct bytes b = { .len = 0 };
    for (int i = 0; i < 300; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        add_frame(&b, 0x89, text, strlen(text));
    }
    check_ok(say_bytes(conn, &b));
    settle();
    unsigned char payload[200];
    size_t        len, pongs = 0;
    do {
        check_eq(hear_frame(conn, payload, sizeof payload, &len), 0x8a);
        pongs++;
    } while (strcmp((char *)payload, "299") != 0);
    check_lt(pongs, 10);
    // And who never reads has its time.
    int64_t begun = hob_now();
    while (seen.ends == 0 && hob_now() < begun + HOB_HOUR) {
        b.len = 0;
        for (int i = 0; i < 20; i++)
            add_frame(&b, 0x89, "0123456789012345678901234567890123456789", 40);
        if (say_bytes(conn, &b) < 0)
            break;
        settle();
    }
    WAIT_FOR(seen.ends == 1);
    check_eq(seen.end.error, -ETIMEDOUT);
    check_le(hob_now() - begun, HOB_MINUTE);
}

/* ---- what an idle one costs ---- */

TEST_ONCE(ws_hostile, idle_ones_that_are_kept_have_no_task_and_little_memory)
{
    WS_SITE(site, seen);
    seen.kept = true;
    static hob_tcp *conns[200];
    for (int i = 0; i < 200; i++)
        check_ok(upgrade(&site, &conns[i]));
    WAIT_FOR(site.stats.running == 0);
    settle();
    check_eq(site.stats.upgraded, 200);
    check_le(sizeof(hob_ws), 1200);
    for (int i = 0; i < 200; i++)
        hob_tcp_close(conns[i]);
    WAIT_FOR(site.stats.connections == 0);
    check_eq(seen.ends, 200);
}
