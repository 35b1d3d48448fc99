/* SPDX-License-Identifier: MIT */
/*
 * hob_tls_config: the options, kept; the files they name, read; and the context of the engine
 * that was made from both.
 *
 * A reload makes a new context beside the old one and changes the pointer. Connections hold the
 * context they began with. Files are read by hob/file.h, so nobody is held up by a disk, and
 * tests find them in the simulated one.
 *
 * Threads: any worker. `lock` is for the pointer and the numbers beside it, and is never held
 * across a wait; `reloading` is.
 */
#include "tls/config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hob/file.h"
#include "hob/lock.h"
#include "hob/time.h"

enum { SESSIONS_DEFAULT = 64, SESSIONS_MAX = 65536, READ_FIRST = 16384 };

#define HANDSHAKE_LIMIT_DEFAULT (10 * HOB_SEC)
#define SHUTDOWN_LIMIT_DEFAULT (5 * HOB_SEC)

/* The user's options with texts of our own. */
struct kept {
    hob_tls_opts      opts;
    hob_tls_identity *identities;
    unsigned char    *alpn; /* as on the wire */
    size_t            alpn_len;
};

struct hob_tls_config {
    hob_mutex    reloading;
    struct kept *kept; /* by who reloads */

    pthread_mutex_t  lock;
    struct tls_base  base;
    bool             skips_verify;
};

/* ---- options ---- */

static void free_kept(struct kept *kept)
{
    if (kept == NULL)
        return;
    hob__tls_free((void *)kept->opts.ca_file);
    hob__tls_free((void *)kept->opts.ca_dir);
    hob__tls_free((void *)kept->opts.ca);
    hob__tls_free(kept->alpn);
    for (size_t i = 0; i < kept->opts.identity_count; i++) {
        hob_tls_identity *id = &kept->identities[i];
        hob__tls_free((void *)id->cert_file);
        hob__tls_free((void *)id->key_file);
        hob__tls_free_secret((void *)id->cert, id->cert_len); // the key may be in it
        hob__tls_free_secret((void *)id->key, id->key_len);
        hob__tls_free_secret((void *)id->key_password,
                             id->key_password != NULL ? strlen(id->key_password) : 0);
    }
    hob__tls_free(kept->identities);
    hob__tls_free(kept);
}

/* Replaces a pointer to the user's by one to a copy. False: no memory, and the pointer is NULL. */
static bool keep_bytes(const void **bytes, size_t len)
{
    if (*bytes != NULL)
        *bytes = hob__tls_copy(*bytes, len);
    else
        return true;
    return *bytes != NULL;
}

static bool keep_text(const char **text)
{
    const void *bytes = *text;
    bool        ok = keep_bytes(&bytes, *text != NULL ? strlen(*text) : 0);
    *text = bytes;
    return ok;
}

static bool keep_identity(hob_tls_identity *id)
{
    // All of them, whatever failed before: afterwards no pointer is the user's.
    bool ok = keep_text(&id->cert_file);
    ok = keep_text(&id->key_file) && ok;
    ok = keep_text(&id->key_password) && ok;
    ok = keep_bytes(&id->cert, id->cert_len) && ok;
    ok = keep_bytes(&id->key, id->key_len) && ok;
    return ok;
}

static int refuse(hob_tls_words *words, const char *sentence)
{
    hob__tls_say(words, "%s", sentence);
    return -EINVAL;
}

size_t hob__tls_alpn_write(const char *const *names, unsigned char out[static HOB_TLS_ALPN_MAX])
{
    size_t len = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t n = strlen(names[i]);
        if (n == 0 || n > 254 || len + 1 + n > HOB_TLS_ALPN_MAX)
            return 0;
        out[len++] = (unsigned char)n;
        memcpy(out + len, names[i], n);
        len += n;
    }
    return len;
}

static int keep_alpn(struct kept *kept, const char *const *names, hob_tls_words *words)
{
    unsigned char alpn[HOB_TLS_ALPN_MAX];

    if (names == NULL || names[0] == NULL)
        return 0;
    size_t len = hob__tls_alpn_write(names, alpn);
    if (len == 0)
        return refuse(words, "alpn: a name is empty, or all are too long");
    kept->alpn = hob__tls_alloc(len);
    if (kept->alpn == NULL)
        return -ENOMEM;
    memcpy(kept->alpn, alpn, len);
    kept->alpn_len = len;
    return 0;
}

static int check_opts(const hob_tls_opts *opts, hob_tls_words *words)
{
    if (opts->min_version != 0 && opts->min_version != 12 && opts->min_version != 13)
        return refuse(words, "min_version is 12 or 13");
    if ((unsigned)opts->ask_client > HOB_TLS_ASK_REQUIRED)
        return refuse(words, "ask_client is none of hob_tls_ask");
    if (opts->sessions > SESSIONS_MAX)
        return refuse(words, "more than 65536 sessions");
    if (opts->handshake_limit_ns < 0 || opts->shutdown_limit_ns < 0)
        return refuse(words, "a limit is negative");
    if (opts->identity_count > HOB_TLS_IDENTITIES_MAX)
        return refuse(words, "more than 256 identities");
    if (opts->ca != NULL && opts->ca_len > HOB_TLS_PEM_MAX)
        return refuse(words, "ca is longer than 16 MiB");
    for (size_t i = 0; i < opts->identity_count; i++) {
        const hob_tls_identity *id = &opts->identities[i];
        if ((id->cert_file == NULL) == (id->cert == NULL))
            return refuse(words, "an identity has either cert_file or cert");
        if (id->key_file != NULL && id->key != NULL)
            return refuse(words, "an identity has key_file or key, not both");
        if (id->cert_len > HOB_TLS_PEM_MAX || id->key_len > HOB_TLS_PEM_MAX)
            return refuse(words, "a certificate or key is longer than 16 MiB");
    }
    return 0;
}

static int keep(const hob_tls_opts *opts, hob_tls_words *words, struct kept **ret_kept)
{
    static const hob_tls_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    int r = check_opts(opts, words);
    if (r < 0)
        return r;

    struct kept *kept = hob__tls_alloc_zero(sizeof *kept);
    if (kept == NULL)
        return -ENOMEM;
    kept->opts = *opts;
    kept->opts.identities = NULL;
    kept->opts.identity_count = 0;
    kept->opts.alpn = NULL;
    bool ok = keep_text(&kept->opts.ca_file);
    ok = keep_text(&kept->opts.ca_dir) && ok;
    ok = keep_bytes(&kept->opts.ca, opts->ca_len) && ok;
    kept->identities = hob__tls_alloc_zero((opts->identity_count + 1) * sizeof *kept->identities);
    for (size_t i = 0; kept->identities != NULL && i < opts->identity_count; i++) {
        kept->identities[i] = opts->identities[i];
        kept->opts.identity_count++;
        ok = keep_identity(&kept->identities[i]) && ok;
    }
    r = ok && kept->identities != NULL ? keep_alpn(kept, opts->alpn, words) : -ENOMEM;
    if (r < 0) {
        free_kept(kept);
        return r;
    }
    *ret_kept = kept;
    return 0;
}

/* ---- files ---- */

struct text {
    char  *bytes;
    size_t len;
};

static int grow(struct text *text, size_t *cap)
{
    size_t more = *cap == 0 ? READ_FIRST : *cap * 2;
    char  *bytes = hob__tls_alloc(more);
    if (bytes == NULL)
        return -ENOMEM;
    if (text->len > 0)
        memcpy(bytes, text->bytes, text->len);
    hob__tls_free_secret(text->bytes, text->len);
    text->bytes = bytes;
    *cap = more;
    return 0;
}

static int read_all(hob_file *file, struct text *text)
{
    size_t cap = 0;
    for (;;) {
        if (text->len == cap) {
            int r = grow(text, &cap);
            if (r < 0)
                return r;
        }
        ssize_t n = hob_file_read(file, text->bytes + text->len, cap - text->len);
        if (n <= 0)
            return (int)n;
        text->len += (size_t)n;
        if (text->len > HOB_TLS_PEM_MAX)
            return -EFBIG;
    }
}

/* Reads the file of that name, or takes the memory as it is. */
static int read_pem(const char *path, const void *bytes, size_t len, struct text *text,
                    hob_tls_words *words, struct engine_pem *ret_pem)
{
    hob_file *file;
    if (path == NULL) {
        *ret_pem = (struct engine_pem){ bytes, len, "memory" };
        return 0;
    }
    int r = hob_file_open(path, O_RDONLY, 0, &file);
    if (r == 0) {
        r = read_all(file, text);
        hob_file_close(file);
    }
    if (r < 0) {
        hob__tls_say(words, "%s: %s", path, hob_strerror(r));
        return r;
    }
    *ret_pem = (struct engine_pem){ text->bytes, text->len, path };
    return 0;
}

struct reading {
    struct text             ca;
    struct text            *certs, *keys;
    struct engine_identity *identities;
    struct engine_setup     setup;
};

static void free_reading(struct reading *reading, size_t count)
{
    for (size_t i = 0; i < count && reading->certs != NULL; i++)
        hob__tls_free_secret(reading->certs[i].bytes, reading->certs[i].len);
    for (size_t i = 0; i < count && reading->keys != NULL; i++)
        hob__tls_free_secret(reading->keys[i].bytes, reading->keys[i].len);
    hob__tls_free(reading->ca.bytes);
    hob__tls_free(reading->certs);
    hob__tls_free(reading->keys);
    hob__tls_free(reading->identities);
}

static int read_identity(const hob_tls_identity *id, struct reading *reading, size_t i,
                         hob_tls_words *words)
{
    struct engine_identity *to = &reading->identities[i];

    to->password = id->key_password;
    int r = read_pem(id->cert_file, id->cert, id->cert_len, &reading->certs[i], words, &to->cert);
    if (r < 0)
        return r;
    to->key = to->cert;
    if (id->key_file == NULL && id->key == NULL)
        return 0;
    return read_pem(id->key_file, id->key, id->key_len, &reading->keys[i], words, &to->key);
}

static int read_files(const struct kept *kept, struct reading *reading, hob_tls_words *words)
{
    const hob_tls_opts *opts = &kept->opts;
    size_t              count = opts->identity_count;

    reading->certs = hob__tls_alloc_zero((count + 1) * sizeof *reading->certs);
    reading->keys = hob__tls_alloc_zero((count + 1) * sizeof *reading->keys);
    reading->identities = hob__tls_alloc_zero((count + 1) * sizeof *reading->identities);
    if (reading->certs == NULL || reading->keys == NULL || reading->identities == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = read_identity(&kept->identities[i], reading, i, words);
        if (r < 0)
            return r;
    }
    struct engine_pem from_file = { 0 };
    if (opts->ca_file != NULL) {
        int r = read_pem(opts->ca_file, NULL, 0, &reading->ca, words, &from_file);
        if (r < 0)
            return r;
    }
    reading->setup = (struct engine_setup){
        .ca = { from_file, { opts->ca, opts->ca_len, "ca" } },
        .ca_dir = opts->ca_dir,
        .identities = reading->identities,
        .identity_count = count,
        .ask_client = opts->ask_client,
        .alpn = kept->alpn,
        .alpn_len = kept->alpn_len,
        .min_version = opts->min_version,
        .sessions = opts->sessions == 0 ? SESSIONS_DEFAULT : opts->sessions,
    };
    return 0;
}

/* All that connections need of `kept`. Waits. */
static int make_base(const struct kept *kept, struct engine_context *before, hob_tls_words *words,
                     struct tls_base *ret_base)
{
    struct reading  reading = { 0 };
    struct tls_base base = {
        .handshake_limit_ns = kept->opts.handshake_limit_ns > 0 ? kept->opts.handshake_limit_ns
                                                                : HANDSHAKE_LIMIT_DEFAULT,
        .shutdown_limit_ns = kept->opts.shutdown_limit_ns > 0 ? kept->opts.shutdown_limit_ns
                                                              : SHUTDOWN_LIMIT_DEFAULT,
        .handshake_pool = kept->opts.handshake_pool,
    };

    int r = read_files(kept, &reading, words);
    if (r == 0)
        r = hob__engine_context_new(&reading.setup, before, words, &base.context);
    free_reading(&reading, kept->opts.identity_count);
    if (r == 0)
        *ret_base = base;
    return r;
}

/* ---- the config ---- */

int hob_tls_config_new(const hob_tls_opts *opts, hob_tls_words *ret_words,
                       hob_tls_config **ret_config)
{
    hob_tls_config *config = hob__tls_alloc_zero(sizeof *config);
    int             r = config == NULL ? -ENOMEM : 0;
    if (ret_words != NULL)
        hob__tls_say(ret_words, "%s", hob_strerror(-ENOMEM)); // until somebody knows better
    if (r == 0 && pthread_mutex_init(&config->lock, NULL) != 0) {
        hob__tls_free(config);
        r = -ENOMEM;
    }
    if (r < 0)
        return r;

    config->reloading.name = "reload of a TLS config";
    r = keep(opts, ret_words, &config->kept);
    if (r == 0)
        r = make_base(config->kept, NULL, ret_words, &config->base);
    if (r < 0) {
        hob_tls_config_free(config);
        return r;
    }
    if (ret_words != NULL)
        ret_words->text[0] = '\0';
    *ret_config = config;
    return 0;
}

static int reload(hob_tls_config *config, const hob_tls_opts *opts, hob_tls_words *words)
{
    struct kept    *kept = NULL;
    struct tls_base base;

    int r = opts != NULL ? keep(opts, words, &kept) : 0;
    if (r == 0)
        r = make_base(kept != NULL ? kept : config->kept, config->base.context, words, &base);
    if (r < 0) {
        free_kept(kept);
        return r;
    }

    pthread_mutex_lock(&config->lock);
    struct engine_context *before = config->base.context;
    config->base = base;
    pthread_mutex_unlock(&config->lock);

    hob__engine_context_unref(before);
    if (kept != NULL) {
        free_kept(config->kept);
        config->kept = kept;
    }
    return 0;
}

int hob_tls_config_reload(hob_tls_config *config, const hob_tls_opts *opts,
                          hob_tls_words *ret_words)
{
    if (ret_words != NULL)
        hob__tls_say(ret_words, "%s", hob_strerror(-ENOMEM));
    int r = hob_mutex_lock(&config->reloading);
    if (r == 0) {
        r = reload(config, opts, ret_words);
        hob_mutex_unlock(&config->reloading);
    }
    if ((r == -ECANCELED || r == -ETIMEDOUT || r == 0) && ret_words != NULL)
        hob__tls_say(ret_words, "%s", r < 0 ? hob_strerror(r) : "");
    return r;
}

void hob_tls_insecure_skip_verify(hob_tls_config *config)
{
    pthread_mutex_lock(&config->lock);
    config->skips_verify = true;
    pthread_mutex_unlock(&config->lock);
}

struct tls_base hob__tls_config_base(hob_tls_config *config)
{
    pthread_mutex_lock(&config->lock);
    struct tls_base base = config->base;
    base.skips_verify = config->skips_verify;
    hob__engine_context_ref(base.context);
    pthread_mutex_unlock(&config->lock);
    return base;
}

void hob_tls_config_free(hob_tls_config *config)
{
    if (config == NULL)
        return;
    hob__engine_context_unref(config->base.context);
    free_kept(config->kept);
    pthread_mutex_destroy(&config->lock);
    hob__tls_free(config);
}
