/* SPDX-License-Identifier: MIT */
/*
 * WebSockets from noise: heads, texts, closes, offers, and compressed data. What is said of the bytes must
 * not depend on how they are cut; a head that was read is one that is written the same; and a text is
 * good for us if it is for the plain check of the core.
 *
 * Input: two bytes that choose, then the bytes.
 */
// links: ws
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/frame.h"
#include "ws/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

/* Once a part is refused, so is the whole, by the same code; and nothing is read behind what is there. */
static void look_at_head(const uint8_t *bytes, size_t len, bool wants_mask, bool may_deflate)
{
    struct ws_head head, again;
    int            whole = hob__ws_head_parse(bytes, len, wants_mask, may_deflate, &head);

    for (size_t cut = 0; cut < len && cut < WS_HEAD_MAX; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        int part = hob__ws_head_parse(copy, cut, wants_mask, may_deflate, &again);
        must(part == 0 || part == whole);
        free(copy);
    }
    if (whole <= 0)
        return;
    unsigned char out[WS_HEAD_MAX];
    must((size_t)whole == hob__ws_head_write(out, &head));
    must(memcmp(out, bytes, (size_t)whole) == 0);
    must(head.opcode < WS_CLOSE || (head.len <= WS_CONTROL_MAX && head.is_last));
}

static void look_at_text(const uint8_t *bytes, size_t len, size_t step)
{
    struct ws_text whole = { 0 }, cut = { 0 };
    bool           ok = hob__ws_text_more(&whole, bytes, len), ok_cut = true;

    for (size_t at = 0; ok_cut && at < len; at += step)
        ok_cut = hob__ws_text_more(&cut, bytes + at, len - at < step ? len - at : step);
    must(ok == ok_cut);
    must((ok && hob__ws_text_is_whole(&whole)) == (hob_utf8_is_valid(bytes, len) != 0));
}

static void look_at_close(const uint8_t *bytes, size_t len)
{
    unsigned code = 0;
    if (len > WS_CONTROL_MAX || hob__ws_close_parse(bytes, len, &code) != 0)
        return;
    must(len == 0 ? code == 1005 : hob__ws_code_is_sent(code));
    must(len < 2 || hob_utf8_is_valid(bytes + 2, len - 2));
}

static void look_at_offer(const uint8_t *bytes, size_t len, unsigned choice)
{
    struct ws_extension wanted = { choice & 1, choice >> 1 & 1, 9 + (int)(choice >> 2) % 7, 12 }, chosen, agreed;
    char                answer[WS_EXTENSION_MAX];
    char               *text = malloc(len + 1);

    memcpy(text, bytes, len);
    text[len] = '\0';
    if (hob__ws_extension_choose(text, &wanted, &chosen, answer)) {
        must(chosen.server_bits >= 9 && chosen.server_bits <= wanted.server_bits);
        must(chosen.client_bits >= 8 && chosen.client_bits <= 15);
        must(strlen(answer) < WS_EXTENSION_MAX - 1);
    }
    if (hob__ws_extension_agree(text, &wanted, &agreed))
        must(agreed.client_bits >= 9 && agreed.client_bits <= wanted.client_bits);
    free(text);
}

/* In pieces of both sides: the same bytes, or the same refusal. But zlib sees a distance that leads out of a
 * small window only when what it leads to is not in the same piece of output: either may refuse that. */
static void look_at_deflated(const uint8_t *bytes, size_t len, size_t step, int bits)
{
    enum { MAX = 20000 };
    static unsigned char outs[2][MAX];
    long                 lens[2];

    for (int i = 0; i < 2; i++) {
        struct ws_deflate d = { .in_bits = bits };
        size_t            so_far = 0, piece = i == 0 ? len : step;
        long              n = 0;
        for (size_t at = 0; n >= 0 && at < len && so_far < MAX; at += piece) {
            const unsigned char *in = bytes + at;
            size_t               left = len - at < piece ? len - at : piece, cap;
            do {
                cap = i == 0 || MAX - so_far < step ? MAX - so_far : step;
                n = hob__ws_inflate(&d, &in, &left, outs[i] + so_far, cap);
                so_far += n > 0 ? (size_t)n : 0;
            } while (n > 0 && so_far < MAX && (left > 0 || (size_t)n == cap));
        }
        lens[i] = n < 0 ? n : (long)so_far;
        hob__ws_deflate_fini(&d);
    }
    if (bits < 15 && (lens[0] == -EBADMSG || lens[1] == -EBADMSG))
        return;
    must(lens[0] == lens[1]);
    must(lens[0] < 0 || memcmp(outs[0], outs[1], (size_t)lens[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned       choice = data[0];
    size_t         step = 1 + data[1] % 64, len = size - 2;
    const uint8_t *bytes = data + 2;

    look_at_head(bytes, len, choice & 1, choice & 2);
    look_at_text(bytes, len, step);
    look_at_close(bytes, len);
    look_at_offer(bytes, len, choice);
    look_at_deflated(bytes, len, step, 8 + (int)(choice % 8));
    return 0;
}
