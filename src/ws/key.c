/* SPDX-License-Identifier: MIT */
/*
 * The key of the handshake (RFC 6455 1.3): SHA-1 and base64. It proves that the other end has read the
 * request, and nothing else; a library of cryptography would be much for that.
 */
#include <string.h>

#include "ws/frame.h"

/* ---- base64: RFC 4648 4 ---- */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64(const uint8_t *bytes, size_t len, char *out)
{
    for (; len > 0; bytes += 3) {
        uint32_t word = (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0)
                      | (len > 2 ? bytes[2] : 0);
        *out++ = DIGITS[word >> 18];
        *out++ = DIGITS[word >> 12 & 63];
        *out++ = len > 1 ? DIGITS[word >> 6 & 63] : '=';
        *out++ = len > 2 ? DIGITS[word & 63] : '=';
        len -= len < 3 ? len : 3;
    }
    *out = '\0';
}

bool hob__ws_key_is_valid(const char *key)
{
    if (strlen(key) != WS_KEY_LEN || strcmp(key + 22, "==") != 0)
        return false;
    for (int i = 0; i < 22; i++) {
        if (strchr(DIGITS, key[i]) == NULL)
            return false;
    }
    return strchr("AQgw", key[21]) != NULL; // the last four bits are none of the 16 bytes
}

void hob__ws_key_write(const uint8_t bytes[static 16], char out[static WS_KEY_LEN + 1])
{
    base64(bytes, 16, out);
}

/* ---- SHA-1: RFC 3174 ---- */

static uint32_t turn(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16
             | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5A827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                            : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = turn(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = turn(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void hob__ws_accept_of(const char key[static WS_KEY_LEN], char out[static WS_ACCEPT_LEN + 1])
{
    enum { LEN = WS_KEY_LEN + 36 };
    uint32_t h[5] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 };
    uint8_t  text[128] = { 0 }, digest[20];

    memcpy(text, key, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    text[LEN] = 0x80;
    text[126] = LEN * 8 >> 8;
    text[127] = LEN * 8 & 255;
    sha1_block(h, text);
    sha1_block(h, text + 64);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    base64(digest, 20, out);
}
