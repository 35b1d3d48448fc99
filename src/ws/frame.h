/* SPDX-License-Identifier: MIT */
/* Frames of WebSockets as bytes: RFC 6455 5. No I/O, no memory, any thread. */
#ifndef HOB_WS_FRAME_H
#define HOB_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,

    WS_HEAD_MAX = 14,
    WS_CONTROL_MAX = 125,
};

struct ws_head {
    uint8_t  opcode;
    bool     is_last, is_deflated, is_masked;
    uint8_t  key[4];
    uint64_t len;
};

/* Reads a frame's head. Returns its length; 0: more is wanted; or minus the code by which the
 * connection ends, as soon as the bytes show it. */
int hob__ws_head_parse(const unsigned char *bytes, size_t len, bool wants_mask, bool may_deflate,
                       struct ws_head *ret_head);

/* Writes one, in the fewest bytes, and returns its length. */
size_t hob__ws_head_write(unsigned char out[static WS_HEAD_MAX], const struct ws_head *head);

/* Masks, or takes the mask off: `at` is how many bytes of the payload came before. The two may be the
 * same memory. */
void hob__ws_mask(void *to, const void *from, size_t len, const uint8_t key[static 4], uint64_t at);

/* A text that comes in pieces: RFC 3629. All zero to begin with. */
struct ws_text {
    uint8_t wants;     /* bytes of the character that has begun     */
    uint8_t low, high; /* between which the next one must be        */
};

/* False as soon as it cannot become UTF-8 any more. */
bool hob__ws_text_more(struct ws_text *text, const void *bytes, size_t len);

static inline bool hob__ws_text_is_whole(const struct ws_text *text)
{
    return text->wants == 0;
}

/* Whether a close frame may have this code: RFC 6455 7.4. */
bool hob__ws_code_is_sent(unsigned code);

/* Reads the payload of a close frame. Returns 0, or the code by which it is refused. */
int hob__ws_close_parse(const unsigned char *payload, size_t len, unsigned *ret_code);

/* ---- key.c: RFC 6455 1.3 ---- */

enum { WS_KEY_LEN = 24, WS_ACCEPT_LEN = 28 };

/* Whether it is 16 bytes in base64. */
bool hob__ws_key_is_valid(const char *key);

/* What a server answers to a key, and a NUL. */
void hob__ws_accept_of(const char key[static WS_KEY_LEN], char out[static WS_ACCEPT_LEN + 1]);
void hob__ws_key_write(const uint8_t bytes[static 16], char out[static WS_KEY_LEN + 1]);

#endif
