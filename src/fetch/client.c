/* SPDX-License-Identifier: MIT */
/*
 * hob_fetch_client: its life.
 *
 *     hob_fetch_client_new ──▶ a keeper, a daemon of the scope: its own scope is where the ops are
 *     the scope ends, or hob_fetch_client_free ──▶ the keeper cuts what is under way, closes the
 *                                                  connections, and waits for the ops
 *
 * The default clients are a list for each thread; their keepers are daemons of the root scope "fetch".
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fetch/client.h"
#include "fetch/exchange.h"
#include "fetch/memory.h"
#include "hob/runtime.h"

enum { TAG_CLIENT = 0x54434648, TAG_CLIENT_FREED = 0x0DEADFE1 };

static _Thread_local hob_fetch_client *standards;

/* ---- options ---- */

static int copy_text(const char **text)
{
    if (*text == NULL)
        return 0;
    *text = hob__fetch_strdup(*text);
    return *text != NULL ? 0 : -ENOMEM;
}

static int copy_ca(hob_fetch_client_opts *opts)
{
    if (opts->ca == NULL)
        return 0;
    void *copy = hob__fetch_realloc(NULL, opts->ca_len + 1);
    if (copy != NULL)
        memcpy(copy, opts->ca, opts->ca_len);
    opts->ca = copy;
    return copy != NULL ? 0 : -ENOMEM;
}

static const char **texts_of(hob_fetch_client_opts *opts, size_t index)
{
    const char **const TEXTS[] = { &opts->ca_file, &opts->cert, &opts->key, &opts->pin, &opts->proxy_user,
                                   &opts->proxy_password, &opts->user_agent };
    return index < sizeof TEXTS / sizeof TEXTS[0] ? TEXTS[index] : NULL;
}

/* Where copying fails all that follows is NULL, so that it can be freed. */
static int copy_opts(hob_fetch_client_opts *opts)
{
    int r = copy_ca(opts);
    if (opts->user_agent == NULL)
        opts->user_agent = "hob/" HOB_VERSION;
    for (size_t i = 0; texts_of(opts, i) != NULL; i++) {
        if (r == 0)
            r = copy_text(texts_of(opts, i));
        else
            *texts_of(opts, i) = NULL;
    }
    opts->proxy = opts->no_proxy = NULL; // in client->..._proxy
    return r;
}

static void free_opts(hob_fetch_client_opts *opts)
{
    for (size_t i = 0; texts_of(opts, i) != NULL; i++)
        hob__fetch_free((void *)(uintptr_t)*texts_of(opts, i));
    hob__fetch_free((void *)(uintptr_t)opts->ca);
}

static int check_opts(const hob_fetch_client_opts *opts)
{
    bool has_two_trusts = opts->ca != NULL && opts->ca_file != NULL;
    bool has_half = (opts->cert != NULL) != (opts->key != NULL);
    bool is_strange = opts->idle_ns < 0 || opts->age_ns < 0 || (int)opts->version < 0
                   || opts->version > HOB_FETCH_HTTP_1;
    return has_two_trusts || has_half || is_strange ? -EINVAL : 0;
}

static void complete(hob_fetch_client_opts *opts)
{
    opts->requests_max += opts->requests_max == 0 ? 256 : 0;
    opts->requests_per_host_max += opts->requests_per_host_max == 0 ? 32 : 0;
    opts->idle_max += opts->idle_max == 0 ? 64 : 0;
    opts->idle_ns += opts->idle_ns == 0 ? HOB_MINUTE : 0;
    opts->age_ns += opts->age_ns == 0 ? HOB_HOUR : 0;
}

/* ---- its parts ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode       once_code;
static bool           has_openssl;

/* With the memory that others who use libcurl in this process have, too. */
static void init_libcurl(void)
{
    once_code = curl_global_init(CURL_GLOBAL_DEFAULT);
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
    has_openssl = tls != NULL && strncmp(tls, "OpenSSL/3", 9) == 0;
}

static int open_jar(hob_fetch_client *client)
{
    if (!client->opts.cookies)
        return 0;
    client->jar = curl_share_init();
    if (client->jar == NULL)
        return -ENOMEM;
    return curl_share_setopt(client->jar, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) == CURLSHE_OK ? 0 : -ENOMEM;
}

/* ---- handles ---- */

static void free_handle(struct fetch_handle *handle)
{
    curl_easy_cleanup(handle->easy);
    hob__fetch_free(handle);
}

int hob__fetch_handle_take(hob_fetch_client *client, struct fetch_handle **ret_handle)
{
    if (client->spare_count > 0) {
        *ret_handle = client->spares[--client->spare_count];
        return 0;
    }
    struct fetch_handle *handle = hob__fetch_alloc(sizeof *handle);
    if (handle == NULL)
        return -ENOMEM;
    handle->easy = curl_easy_init();
    int r = handle->easy != NULL ? hob__fetch_prepare(client, handle) : -ENOMEM;
    if (r < 0)
        free_handle(handle);
    else
        *ret_handle = handle;
    return r;
}

/* What the exchange alone had set is taken back. */
static int take_back(hob_fetch_client *client, struct fetch_handle *handle)
{
    curl_easy_reset(handle->easy);
    handle->is_marked = false;
    return hob__fetch_prepare(client, handle);
}

void hob__fetch_handle_give(hob_fetch_client *client, struct fetch_handle *handle)
{
    handle->answer = NULL;
    if (client->jar != NULL) { // resetting would forget that list, and not free it
        curl_easy_setopt(handle->easy, CURLOPT_COOKIEFILE, NULL);
        curl_easy_setopt(handle->easy, CURLOPT_SHARE, NULL);
    }
    if (client->is_ended || client->spare_count == FETCH_SPARES_MAX
        || (handle->is_marked && take_back(client, handle) < 0))
        free_handle(handle);
    else
        client->spares[client->spare_count++] = handle;
}

static void free_spares(hob_fetch_client *client)
{
    while (client->spare_count > 0)
        free_handle(client->spares[--client->spare_count]);
}

static void unref(hob_fetch_client *client)
{
    if (--client->refs > 0)
        return;
    hob__fetch_proxies_fini(client);
    hob__fetch_usual_fini(client);
    free_opts(&client->opts);
    hob__fetch_free(client);
}

/* ---- its end: by the keeper ---- */

static void close_all(hob_fetch_client *client)
{
    client->is_ended = true;
    while (client->live != NULL)
        hob__fetch_cut(client->live, -ECANCELED, HOB_FETCH_WAIT, "the client has ended");
    free_spares(client);
    curl_multi_cleanup(client->multi);
    client->multi = NULL;
    if (client->jar != NULL)
        curl_share_cleanup(client->jar);
    client->jar = NULL;
}

static void forget_standard(hob_fetch_client *client)
{
    hob_fetch_client **link = &standards;
    while (*link != NULL && *link != client)
        link = &(*link)->next_standard;
    if (*link == NULL)
        return;
    *link = client->next_standard;
    unref(client); // the list's
}

static int keep(void *arg)
{
    hob_fetch_client *client = arg;
    hob_scope         ops;

    int r = open_jar(client);
    if (r == 0)
        r = hob__fetch_drive_begin(client);
    if (r < 0) {
        client->is_ended = true;
        if (client->jar != NULL)
            curl_share_cleanup(client->jar);
        return r;
    }
    hob_scope_begin(&ops);
    client->ops = &ops;
    client->refs++;
    hob_ready(NULL);
    (void)!hob_event_wait(&client->end); // set, or cancelled: both are the end
    close_all(client);
    hob_scope_cancel(&ops, "the client has ended");
    (void)!hob_scope_end(&ops); // ops only
    if (client->is_standard)
        forget_standard(client);
    unref(client);
    return 0;
}

/* ---- its beginning ---- */

static int prepare(const hob_fetch_client_opts *given, hob_fetch_client *client)
{
    client->tag = TAG_CLIENT;
    client->worker = hob_worker_number();
    client->refs = 1;
    client->has_openssl = has_openssl;
    client->end.name = "the end of the client";
    if (given != NULL)
        client->opts = *given;
    int r = check_opts(&client->opts);
    if (r == 0)
        r = hob__fetch_proxies_init(client, &client->opts);
    if (r < 0) {
        client->opts = (hob_fetch_client_opts){ 0 };
        return r;
    }
    complete(&client->opts);
    client->turns = (hob_sem){ .name = "requests of a client", .permits = client->opts.requests_max };
    r = copy_opts(&client->opts);
    return r < 0 ? r : hob__fetch_usual_init(client);
}

int hob_fetch_client_new(hob_scope *scope, const hob_fetch_client_opts *opts,
                         hob_fetch_client **ret_client)
{
    hob_task_opts keeper = { .name = "keeper of a fetch client", .daemon = 1 };
    if (strcmp(hob_backend_name(), "sim") == 0)
        return -ENOTSUP;
    pthread_once(&once, init_libcurl);
    hob_fetch_client *client = once_code == CURLE_OK ? hob__fetch_alloc(sizeof *client) : NULL;
    if (client == NULL)
        return -ENOMEM;
    int r = prepare(opts, client);
    if (r == 0)
        r = hob_go_ready(scope, keep, client, &keeper, NULL);
    if (r < 0) {
        unref(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

static hob_fetch_client *client_from(hob_fetch_client *client, const char *caller)
{
    if (client->tag != TAG_CLIENT)
        hob_mistake(caller, "this is no client, or it was freed");
    if (client->worker != hob_worker_number())
        hob_mistake(caller, "the client belongs to another worker; only that one may use it");
    return client;
}

void hob_fetch_client_free(hob_fetch_client *client)
{
    if (client == NULL)
        return;
    client_from(client, "hob_fetch_client_free");
    client->tag = TAG_CLIENT_FREED;
    client->is_ended = client->multi == NULL;
    hob_event_set(&client->end);
    unref(client);
}

void hob_fetch_insecure_skip_verify(hob_fetch_client *client)
{
    client_from(client, "hob_fetch_insecure_skip_verify");
    if (client->stats.exchanges > 0)
        hob_mistake("hob_fetch_insecure_skip_verify", "the client was used already");
    client->skips_verify = true;
    free_spares(client); // of a request that could not be begun
}

/* ---- the default ones ---- */

static hob_fetch_client *find_standard(void)
{
    for (hob_fetch_client *client = standards; client != NULL; client = client->next_standard)
        if (client->worker == hob_worker_number())
            return client;
    return NULL;
}

static int make_standard(void)
{
    hob_fetch_client *client;
    hob_scope        *root = hob_root("fetch");
    if (root == NULL)
        return -ENOMEM;
    int r = hob_fetch_client_new(root, NULL, &client);
    if (r < 0)
        return r;
    if (find_standard() != NULL || client->is_ended) { // another task was first; or the run has ended
        hob_fetch_client_free(client);
        return 0;
    }
    client->is_standard = true;
    client->next_standard = standards;
    standards = client;
    return 0;
}

int hob__fetch_enter(hob_fetch_client *client, const char *caller, hob_fetch_client **ret_client)
{
    int r = hob_checkpoint();
    if (r < 0)
        return r;
    if (client != NULL) {
        client_from(client, caller);
    } else {
        client = find_standard();
        r = client == NULL ? make_standard() : 0;
        if (r < 0)
            return r;
        client = find_standard();
        if (client == NULL)
            return -ECANCELED;
    }
    client->refs++;
    *ret_client = client;
    return 0;
}

void hob__fetch_leave(hob_fetch_client *client)
{
    unref(client);
}

void hob_fetch_stats_get(hob_fetch_client *client, hob_fetch_stats *ret_stats)
{
    if (client == NULL)
        client = find_standard();
    else
        client_from(client, "hob_fetch_stats_get");
    *ret_stats = client != NULL ? client->stats : (hob_fetch_stats){ 0 };
}
