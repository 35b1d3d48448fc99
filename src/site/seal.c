/* SPDX-License-Identifier: MIT */
/*
 * Seals, by OpenSSL's libcrypto.
 *
 *     signed:     's' │ bytes │ HMAC-SHA-256 of both (32)
 *     encrypted:  'e' │ nonce (12) │ AES-256-GCM of the bytes │ tag (16), which is for the 'e', too
 *
 * Nonces are random: with one key 2^32 seals are fine (NIST SP 800-38D 8.3).
 */
#include "site/seal.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum { NONCE = 12, TAG = 16, MAC = 32, PURPOSE_MAX = 256 };

/* ---- keys ---- */

static int mac(const void *key, size_t key_len, const void *bytes, size_t len, unsigned char out[static MAC])
{
    unsigned out_len = MAC;
    return HMAC(EVP_sha256(), key, (int)key_len, bytes, len, out, &out_len) != NULL ? 0 : -ENOMEM;
}

static int derive(const void *secret, size_t len, char what, const char *purpose, unsigned char *out)
{
    char   text[PURPOSE_MAX + 16] = "hob session 1 ";
    size_t at = strlen(text), purpose_len = strnlen(purpose, PURPOSE_MAX);
    text[at++] = what;
    memcpy(text + at, purpose, purpose_len);
    return mac(secret, len, text, at + purpose_len, out);
}

int hob__seal_derive(const void *secret, size_t len, const char *purpose, struct seal_key *ret_key)
{
    int r = derive(secret, len, 's', purpose, ret_key->sign);
    return r < 0 ? r : derive(secret, len, 'e', purpose, ret_key->encrypt);
}

void hob__seal_forget(struct seal_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

int hob__seal_random(unsigned char *out, size_t len)
{
    return RAND_bytes(out, (int)len) == 1 ? 0 : -EIO;
}

bool hob__seal_is_same(const unsigned char *a, const unsigned char *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- signed ---- */

static ssize_t sign(const struct seal_key *key, const unsigned char *bytes, size_t len, unsigned char *out)
{
    out[0] = 's';
    memcpy(out + 1, bytes, len);
    int r = mac(key->sign, sizeof key->sign, out, 1 + len, out + 1 + len);
    return r < 0 ? r : (ssize_t)(1 + len + MAC);
}

static ssize_t check_signature(const struct seal_key *key, const unsigned char *sealed, size_t len, unsigned char *out)
{
    unsigned char right[MAC];

    if (len < 1 + MAC || sealed[0] != 's')
        return -EBADMSG;
    int r = mac(key->sign, sizeof key->sign, sealed, len - MAC, right);
    if (r < 0)
        return r;
    if (!hob__seal_is_same(right, sealed + len - MAC, MAC))
        return -EBADMSG;
    memcpy(out, sealed + 1, len - 1 - MAC);
    return (ssize_t)(len - 1 - MAC);
}

/* ---- encrypted ---- */

static ssize_t encrypt(const struct seal_key *key, const unsigned char *bytes, size_t len, unsigned char *out)
{
    unsigned char *nonce = out + 1, *text = nonce + NONCE;
    int            n = 0, last = 0;

    out[0] = 'e';
    if (hob__seal_random(nonce, NONCE) < 0)
        return -EIO;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->encrypt, nonce) == 1
              && EVP_EncryptUpdate(ctx, NULL, &n, out, 1) == 1
              && EVP_EncryptUpdate(ctx, text, &n, bytes, (int)len) == 1
              && EVP_EncryptFinal_ex(ctx, text + n, &last) == 1
              && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, text + len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? (ssize_t)(1 + NONCE + len + TAG) : -ENOMEM;
}

static ssize_t decrypt(const struct seal_key *key, const unsigned char *sealed, size_t len, unsigned char *out)
{
    const unsigned char *nonce = sealed + 1, *text = nonce + NONCE;
    unsigned char        tag[TAG];
    int                  n = 0, last = 0;

    if (len < 1 + NONCE + TAG || sealed[0] != 'e')
        return -EBADMSG;
    size_t text_len = len - 1 - NONCE - TAG;
    memcpy(tag, text + text_len, TAG);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return -ENOMEM;
    bool is_set = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->encrypt, nonce) == 1
                  && EVP_DecryptUpdate(ctx, NULL, &n, sealed, 1) == 1
                  && EVP_DecryptUpdate(ctx, out, &n, text, (int)text_len) == 1
                  && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1;
    bool is_good = is_set && EVP_DecryptFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return !is_set ? -ENOMEM : is_good ? (ssize_t)text_len : -EBADMSG;
}

ssize_t hob__seal(const struct seal_key *key, bool encrypts, const unsigned char *bytes, size_t len,
                  unsigned char *out)
{
    return encrypts ? encrypt(key, bytes, len, out) : sign(key, bytes, len, out);
}

ssize_t hob__unseal(const struct seal_key *key, bool encrypts, const unsigned char *sealed, size_t len,
                    unsigned char *out)
{
    return encrypts ? decrypt(key, sealed, len, out) : check_signature(key, sealed, len, out);
}

/* ---- base64url ---- */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t hob__seal_encode(const unsigned char *bytes, size_t len, char *out)
{
    size_t   n = 0;
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 6; count -= 6)
            out[n++] = DIGITS[bits >> (count - 6) & 63];
    }
    if (count > 0)
        out[n++] = DIGITS[bits << (6 - count) & 63];
    out[n] = '\0';
    return n;
}

ssize_t hob__seal_decode(const char *text, size_t len, unsigned char *out)
{
    ssize_t  n = 0;
    uint32_t bits = 0;
    unsigned count = 0;

    if (len % 4 == 1)
        return -1;
    for (size_t i = 0; i < len; i++) {
        const char *digit = text[i] != '\0' ? strchr(DIGITS, text[i]) : NULL;
        if (digit == NULL)
            return -1;
        bits = bits << 6 | (uint32_t)(digit - DIGITS);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (unsigned char)(bits >> count);
        }
    }
    return (bits & ((1u << count) - 1)) == 0 ? n : -1;
}
