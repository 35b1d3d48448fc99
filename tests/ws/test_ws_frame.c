/* SPDX-License-Identifier: MIT */
/* Frames, texts, keys and offers as bytes: no runtime. */
#include "support/test.h"
#include "ws/deflate.h"
#include "ws/frame.h"

TEST_BARE(ws_frame, a_head_is_read_as_it_was_written_and_at_no_byte_earlier)
{
    static const uint64_t LENGTHS[] = { 0, 1, 125, 126, 127, 65535, 65536, UINT64_C(1) << 40, INT64_MAX };
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        for (int masked = 0; masked < 2; masked++) {
            struct ws_head head = { .opcode = WS_BINARY, .is_last = i % 2, .is_deflated = i % 3 == 0,
                                    .is_masked = masked, .key = { 1, 2, 3, 4 }, .len = LENGTHS[i] }, got;
            unsigned char out[WS_HEAD_MAX];
            size_t        len = hob__ws_head_write(out, &head);
            for (size_t cut = 0; cut < len; cut++)
                check_eq(hob__ws_head_parse(out, cut, masked, true, &got), 0);
            check_eq(hob__ws_head_parse(out, len, masked, true, &got), (int)len);
            check_eq(got.len, head.len);
            check_eq(got.opcode, head.opcode);
            check_eq(got.is_last, head.is_last);
            check_eq(got.is_deflated, head.is_deflated);
            if (masked)
                check_mem(got.key, head.key, 4);
        }
    }
}

TEST_BARE(ws_frame, a_mask_is_the_same_at_every_cut)
{
    static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
    unsigned char plain[67], whole[67], cut[67];
    for (unsigned i = 0; i < sizeof plain; i++) {
        plain[i] = (unsigned char)(i * 7);
        whole[i] = plain[i] ^ key[i & 3];
    }
    for (size_t at = 0; at <= sizeof plain; at++) {
        hob__ws_mask(cut, plain, at, key, 0);
        hob__ws_mask(cut + at, plain + at, sizeof plain - at, key, at);
        check_mem(cut, whole, sizeof plain);
    }
    hob__ws_mask(cut, cut, sizeof cut, key, 0);
    check_mem(cut, plain, sizeof plain);
}

/* Each string of up to four bytes out of those where something changes: what is said of it cut anywhere
 * is what the core's check says of the whole, and what is refused is refused at the first byte with which
 * nothing good begins. */
TEST_BARE(ws_frame, texts_are_right_at_every_cut)
{
    static const unsigned char BYTES_[] = { 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                                            0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
    enum { N = sizeof BYTES_ };
    for (uint32_t number = 0; number < N * N * N * N; number++) {
        unsigned char s[4] = { BYTES_[number % N], BYTES_[number / N % N], BYTES_[number / N / N % N],
                               BYTES_[number / N / N / N] };
        bool is_valid = hob_utf8_is_valid(s, 4);
        for (size_t cut = 0; cut <= 4; cut++) {
            struct ws_text text = { 0 };
            bool           ok = hob__ws_text_more(&text, s, cut);
            if (ok && cut < 4)
                ok = hob__ws_text_more(&text, s + cut, 4 - cut);
            if ((ok && hob__ws_text_is_whole(&text)) != is_valid)
                fail("%02x %02x %02x %02x cut at %zu", s[0], s[1], s[2], s[3], cut);
        }
    }
}

TEST_BARE(ws_frame, long_texts_are_right_wherever_something_is)
{
    char text[80];
    for (size_t len = 4; len < sizeof text; len++) {
        for (size_t at = 0; at + 4 <= len; at++) {
            struct ws_text state = { 0 };
            memset(text, 'x', len);
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
            check(hob__ws_text_more(&state, text, len));
            check(hob__ws_text_is_whole(&state));
            text[at + 3] = 'x';
            check(!hob__ws_text_more(&state, text, len));
        }
    }
}

TEST_BARE(ws_frame, the_key_of_the_rfc_has_the_answer_of_the_rfc)
{
    char accept[WS_ACCEPT_LEN + 1], key[WS_KEY_LEN + 1];
    hob__ws_accept_of("dGhlIHNhbXBsZSBub25jZQ==", accept);
    check_str(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    hob__ws_key_write((const uint8_t *)"the sample nonce", key);
    check_str(key, "dGhlIHNhbXBsZSBub25jZQ==");
    check(hob__ws_key_is_valid(key));
}

/* ---- offers ---- */

TEST_BARE(ws_frame, offers_are_chosen_from_as_rfc_7692_says)
{
    static const struct {
        const char *offers, *answer; /* NULL: none */
        int         server_bits, client_bits;
    } CASES[] = {
        { "permessage-deflate", "permessage-deflate", 12, 15 },
        { "Permessage-Deflate", "permessage-deflate", 12, 15 },
        { "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=12", 12, 12 },
        { "permessage-deflate;client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10", 12, 10 },
        { "permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8", 12, 8 },
        { "permessage-deflate; client_max_window_bits=15", "permessage-deflate; client_max_window_bits=12", 12, 12 },
        { "permessage-deflate; client_max_window_bits=\"10\"", "permessage-deflate; client_max_window_bits=10", 12, 10 },
        { "permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9", 9, 15 },
        { "permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=12", 12, 15 },
        { "permessage-deflate; server_max_window_bits=8", NULL, 0, 0 }, // zlib cannot
        { "permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate", 12, 15 },
        { "permessage-deflate; server_no_context_takeover",
          "permessage-deflate; server_no_context_takeover", 12, 15 },
        { "permessage-deflate ; client_no_context_takeover ; server_no_context_takeover",
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover", 12, 15 },
        { "x-other; a=b, permessage-deflate", "permessage-deflate", 12, 15 },
        { "x-other", NULL, 0, 0 },
        { "", NULL, 0, 0 },
        { ",", NULL, 0, 0 },
        { "permessage-deflatex", NULL, 0, 0 },
        { "permessage-deflate; unknown", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits=", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits=7", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits=16", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits=010", NULL, 0, 0 },
        { "permessage-deflate; server_max_window_bits=1x", NULL, 0, 0 },
        { "permessage-deflate; client_max_window_bits=7", NULL, 0, 0 },
        { "permessage-deflate; client_max_window_bits=\"10", NULL, 0, 0 },
        { "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10", NULL, 0, 0 },
        { "permessage-deflate; server_no_context_takeover; server_no_context_takeover", NULL, 0, 0 },
        { "permessage-deflate; server_no_context_takeover=1", NULL, 0, 0 },
        { "permessage-deflate; ", NULL, 0, 0 },
        { "permessage-deflate x", NULL, 0, 0 },
    };
    struct ws_extension wanted = { true, true, 12, 12 }, chosen;
    char                answer[WS_EXTENSION_MAX];
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bool has = hob__ws_extension_choose(CASES[i].offers, &wanted, &chosen, answer);
        if (has != (CASES[i].answer != NULL))
            fail("%s: %s", CASES[i].offers, has ? answer : "none");
        if (!has)
            continue;
        check_str(answer, CASES[i].answer);
        check_eq(chosen.server_bits, CASES[i].server_bits);
        check_eq(chosen.client_bits, CASES[i].client_bits);
    }
    // Who wants to keep nothing says so, asked or not.
    wanted = (struct ws_extension){ false, false, 15, 15 };
    check(hob__ws_extension_choose("permessage-deflate", &wanted, &chosen, answer));
    check_str(answer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

TEST_BARE(ws_frame, answers_must_be_to_the_offer)
{
    static const struct { const char *answer; bool is_good; int server_bits, client_bits; } CASES[] = {
        { "permessage-deflate", true, 15, 12 },
        { "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", true, 12, 12 },
        { "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", true, 10, 9 },
        { "permessage-deflate; client_max_window_bits=15", true, 15, 12 },
        { "permessage-deflate; server_max_window_bits=13", false, 0, 0 },
        { "permessage-deflate; client_max_window_bits=8", false, 0, 0 },
        { "permessage-deflate; client_max_window_bits", false, 0, 0 },
        { "permessage-deflate, permessage-deflate", false, 0, 0 },
        { "x-other", false, 0, 0 },
    };
    struct ws_extension wanted = { true, true, 12, 12 }, agreed;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        check_eq(hob__ws_extension_agree(CASES[i].answer, &wanted, &agreed), CASES[i].is_good);
        if (!CASES[i].is_good)
            continue;
        check_eq(agreed.server_bits, CASES[i].server_bits);
        check_eq(agreed.client_bits, CASES[i].client_bits);
    }
    // What we offer, we take from ourselves.
    for (int bits = 9; bits <= 15; bits++) {
        for (int keeps = 0; keeps < 4; keeps++) {
            struct ws_extension ours = { keeps & 1, keeps >> 1, bits, bits }, theirs = { true, true, 13, 13 };
            char offer[WS_EXTENSION_MAX], answer[WS_EXTENSION_MAX];
            struct ws_extension chosen;
            hob__ws_extension_offer(&ours, offer);
            check(hob__ws_extension_choose(offer, &theirs, &chosen, answer));
            check(hob__ws_extension_agree(answer, &ours, &agreed));
            check_eq(agreed.server_keeps, chosen.server_keeps);
            check_eq(agreed.client_keeps, chosen.client_keeps);
            check_eq(agreed.server_bits, chosen.server_bits);
            check_eq(agreed.client_bits, chosen.client_bits);
        }
    }
}
