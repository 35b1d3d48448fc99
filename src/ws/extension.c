/* SPDX-License-Identifier: MIT */
/*
 * Sec-WebSocket-Extensions, as far as it is about permessage-deflate: RFC 6455 9.1, RFC 7692 7.1.
 *
 *     permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate
 *
 * An offer with what we do not know, or twice, or badly written, is passed over, and the next one
 * looked at. zlib cannot compress with a window of 8 bits, so nobody is promised that.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ws/deflate.h"

enum { BITS_MIN = 8, BITS_COMPRESS_MIN = 9, BITS_MAX = 15 };

/* ---- words ---- */

struct word {
    const char *at;
    size_t      len;
};

static bool is(struct word word, const char *text)
{
    return word.len == strlen(text) && strncasecmp(word.at, text, word.len) == 0;
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

static struct word token(const char **at)
{
    struct word word = { *at, strcspn(*at, " \t,;=\"") };
    *at += word.len;
    return word;
}

/* A token, or one in quotes (RFC 6455 9.1: it is a token there, too). */
static bool value(const char **at, struct word *ret_word)
{
    bool is_quoted = **at == '"';
    *at += is_quoted;
    *ret_word = token(at);
    if (is_quoted && **at != '"')
        return false;
    *at += is_quoted;
    return ret_word->len > 0;
}

static bool read_bits(struct word word, int *ret_bits)
{
    if (word.len < 1 || word.len > 2 || word.at[0] < '1' || word.at[0] > '9')
        return false;
    int bits = word.at[0] - '0';
    if (word.len == 2) {
        if (word.at[1] < '0' || word.at[1] > '9')
            return false;
        bits = bits * 10 + word.at[1] - '0';
    }
    *ret_bits = bits;
    return bits >= BITS_MIN && bits <= BITS_MAX;
}

/* ---- one of the list ---- */

struct offer {
    bool server_forgets, client_forgets;
    bool has_server_bits, has_client_bits;
    int  server_bits, client_bits; /* 0: without a value */
};

static bool take_parameter(struct offer *offer, struct word name, bool has_value, struct word text)
{
    if (is(name, "server_no_context_takeover") && !has_value && !offer->server_forgets)
        return offer->server_forgets = true;
    if (is(name, "client_no_context_takeover") && !has_value && !offer->client_forgets)
        return offer->client_forgets = true;
    if (is(name, "server_max_window_bits") && has_value && !offer->has_server_bits) {
        offer->has_server_bits = true;
        return read_bits(text, &offer->server_bits);
    }
    if (is(name, "client_max_window_bits") && !offer->has_client_bits) {
        offer->has_client_bits = true;
        return !has_value || read_bits(text, &offer->client_bits);
    }
    return false;
}

/* The next of the list. False: it is none that we take; *at is behind it in any case. */
static bool next_offer(const char **at, struct offer *offer)
{
    bool is_good;

    memset(offer, 0, sizeof *offer);
    skip_blanks(at);
    is_good = is(token(at), "permessage-deflate");
    skip_blanks(at);
    while (is_good && **at == ';') {
        struct word text = { NULL, 0 };
        ++*at;
        skip_blanks(at);
        struct word name = token(at);
        skip_blanks(at);
        bool has_value = **at == '=';
        if (has_value) {
            ++*at;
            skip_blanks(at);
            is_good = value(at, &text);
            skip_blanks(at);
        }
        is_good = is_good && take_parameter(offer, name, has_value, text);
    }
    if (**at != ',' && **at != '\0')
        is_good = false;
    *at += strcspn(*at, ",");
    return is_good;
}

/* ---- servers ---- */

static int less(int a, int b)
{
    return a < b ? a : b;
}

static void write_answer(const struct offer *offer, const struct ws_extension *chosen,
                         char answer[static WS_EXTENSION_MAX])
{
    int len = snprintf(answer, WS_EXTENSION_MAX, "permessage-deflate%s%s",
                       chosen->server_keeps ? "" : "; server_no_context_takeover",
                       chosen->client_keeps ? "" : "; client_no_context_takeover");
    if (offer->has_server_bits)
        len += snprintf(answer + len, WS_EXTENSION_MAX - (size_t)len, "; server_max_window_bits=%d",
                        chosen->server_bits);
    if (offer->has_client_bits)
        snprintf(answer + len, WS_EXTENSION_MAX - (size_t)len, "; client_max_window_bits=%d",
                 chosen->client_bits);
}

bool hob__ws_extension_choose(const char *offers, const struct ws_extension *wanted,
                              struct ws_extension *ret_chosen, char answer[static WS_EXTENSION_MAX])
{
    for (const char *at = offers; *at != '\0'; at += *at == ',') {
        struct offer offer;
        if (!next_offer(&at, &offer))
            continue;
        if (offer.has_server_bits && offer.server_bits < BITS_COMPRESS_MIN)
            continue;
        int offered = offer.client_bits != 0 ? offer.client_bits : BITS_MAX;
        *ret_chosen = (struct ws_extension){
            .server_keeps = wanted->server_keeps && !offer.server_forgets,
            .client_keeps = wanted->client_keeps && !offer.client_forgets,
            .server_bits = less(wanted->server_bits, offer.has_server_bits ? offer.server_bits : BITS_MAX),
            // Who did not say that it could do with less uses all of it.
            .client_bits = offer.has_client_bits ? less(wanted->client_bits, offered) : BITS_MAX,
        };
        write_answer(&offer, ret_chosen, answer);
        return true;
    }
    return false;
}

/* ---- clients ---- */

void hob__ws_extension_offer(const struct ws_extension *wanted, char offer[static WS_EXTENSION_MAX])
{
    snprintf(offer, WS_EXTENSION_MAX,
             "permessage-deflate%s%s; server_max_window_bits=%d; client_max_window_bits=%d",
             wanted->server_keeps ? "" : "; server_no_context_takeover",
             wanted->client_keeps ? "" : "; client_no_context_takeover", wanted->server_bits,
             wanted->client_bits);
}

bool hob__ws_extension_agree(const char *answer, const struct ws_extension *wanted,
                             struct ws_extension *ret_agreed)
{
    struct offer got;
    const char  *at = answer;

    if (!next_offer(&at, &got) || *at != '\0')
        return false;
    if (got.has_client_bits && got.client_bits < BITS_COMPRESS_MIN) // none, or 8
        return false;
    if (got.has_server_bits && got.server_bits > wanted->server_bits)
        return false;
    *ret_agreed = (struct ws_extension){
        .server_keeps = !got.server_forgets,
        .client_keeps = wanted->client_keeps && !got.client_forgets,
        .server_bits = got.has_server_bits ? got.server_bits : BITS_MAX,
        .client_bits = got.has_client_bits ? less(wanted->client_bits, got.client_bits)
                                           : wanted->client_bits,
    };
    return true;
}
