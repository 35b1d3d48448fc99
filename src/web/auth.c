/* SPDX-License-Identifier: MIT */
/* Who is there: Basic (RFC 7617) and Bearer (RFC 6750). Who may, the service says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "web/web.h"

enum { CREDENTIALS_MAX = 8192 };

int hob_web_same(const char *secret, const char *given)
{
    size_t                 secret_len = strlen(secret), len = strlen(given);
    volatile unsigned char differs = secret_len != len;

    for (size_t i = 0; i < len; i++) // a secret that is shorter is read over again
        differs |= (unsigned char)(given[i] ^ secret[secret_len > 0 ? i % secret_len : 0]);
    return differs == 0;
}

/* The text behind "Basic " or "Bearer "; NULL: it is another scheme. */
static const char *behind(const char *value, const char *scheme)
{
    size_t len = strlen(scheme);
    if (value == NULL || strncasecmp(value, scheme, len) != 0 || value[len] != ' ')
        return NULL;
    return value + len + strspn(value + len, " ");
}

static int digit_of(char c)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(DIGITS, c) : NULL;
    return at != NULL ? (int)(at - DIGITS) : -1;
}

/* Base64 (RFC 4648), strictly. `to` has room for 3 bytes for 4 digits, and a NUL. -EINVAL. */
static ssize_t from_base64(const char *text, char *to)
{
    size_t len = strlen(text), at = 0;

    if (len % 4 != 0)
        return -EINVAL;
    for (size_t i = 0; i < len; i += 4) {
        bool     is_last = i + 4 == len;
        int      pads = is_last && text[i + 3] == '=' ? 1 + (text[i + 2] == '=') : 0;
        unsigned bits = 0;
        for (int j = 0; j < 4; j++) {
            int digit = j >= 4 - pads ? 0 : digit_of(text[i + (size_t)j]);
            if (digit < 0)
                return -EINVAL;
            bits = bits << 6 | (unsigned)digit;
        }
        if ((pads == 1 && (bits & 0xff) != 0) || (pads == 2 && (bits & 0xffff) != 0))
            return -EINVAL;
        for (int j = 0; j < 3 - pads; j++)
            to[at++] = (char)(bits >> (16 - 8 * j));
    }
    to[at] = '\0';
    return (ssize_t)at;
}

/* Forgets a password: not to be left out by the compiler. */
static void wipe(char *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

static int ask_basic(hob_http_request *req, const hob_web_auth_opts *opts, const char *value)
{
    const char *encoded = behind(value, "Basic");
    size_t      len = encoded != NULL ? strlen(encoded) : 0;

    if (encoded == NULL || len > CREDENTIALS_MAX)
        return 0;
    char *user = hob_web_alloc(req, len + 1);
    if (user == NULL)
        return -ENOMEM;
    ssize_t n = from_base64(encoded, user);
    char   *colon = n >= 0 && strlen(user) == (size_t)n ? strchr(user, ':') : NULL;
    int     r = 0;
    if (colon != NULL) {
        *colon = '\0';
        r = opts->basic(req, opts->arg, user, colon + 1);
    }
    wipe(user, len + 1);
    return r;
}

static int ask_bearer(hob_http_request *req, const hob_web_auth_opts *opts, const char *value)
{
    const char *token = behind(value, "Bearer");
    if (token == NULL || *token == '\0')
        return 0;
    return opts->bearer(req, opts->arg, token);
}

/* Who has shown a token that is none hears so (RFC 6750 3), and need not show it again. */
static int refuse(hob_http_request *req, const hob_web_auth_opts *opts, const char *value)
{
    const char *realm = opts->realm != NULL ? opts->realm : "service", *token = behind(value, "Bearer");
    bool        is_wrong = token != NULL && *token != '\0';
    char       *challenge = hob_web_printf(req, opts->basic != NULL ? "Basic realm=\"%s\", charset=\"UTF-8\""
                                                : is_wrong ? "Bearer realm=\"%s\", error=\"invalid_token\""
                                                           : "Bearer realm=\"%s\"", realm);
    if (challenge == NULL)
        return -ENOMEM;
    HOB_TRY(hob_http_set_header(req, "WWW-Authenticate", challenge));
    return hob_web_error(req, 401, NULL);
}

int hob_web_auth(hob_http_request *req, void *arg)
{
    const hob_web_auth_opts *opts = arg;
    const char              *value = hob_http_header(req, "Authorization");

    if (opts == NULL || (opts->basic == NULL) == (opts->bearer == NULL))
        hob_mistake("hob_web_auth", "its options have one question: `basic` or `bearer`");
    if (opts->realm != NULL && strpbrk(opts->realm, "\"\\") != NULL)
        hob_mistake("hob_web_auth", "a realm has neither quotes nor backslashes");
    int r = opts->basic != NULL ? ask_basic(req, opts, value) : ask_bearer(req, opts, value);
    if (r == 0)
        return refuse(req, opts, value);
    return r < 0 ? r : hob_web_next(req);
}
