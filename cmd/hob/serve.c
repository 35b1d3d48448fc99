/* SPDX-License-Identifier: MIT */
/*
 * hob serve: a folder by HTTP, on all workers.
 *
 *     main task ─┬─ a listener for each worker: the files, of one folder
 *                ├─ the same for the port that only redirects
 *                ├─ SIGHUP: the certificate is read again
 *                └─ what was logged is written once a second
 */
#include "serve.h"

#include "cmd.h"

#include <hob.h>
#include <hob/static.h>
#ifdef HOB_WITH_TLS
#include <hob/https.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct serving {
    const struct serve_options *o;
    hob_static                 *files;
    hob_addr                    addr;
    void                       *tls;  /* hob_tls_config, or NULL */
    uint16_t                    port; /* where the files are     */
};

/* ---- the files ---- */

static int give_app(hob_http_request *req, void *arg)
{
    const struct serving *serving = arg;
    return hob_static_reply(req, serving->files, serving->o->app);
}

static int give(hob_http_request *req, void *arg)
{
    const struct serving *serving = arg;
    int64_t               begin = hob_now();
    int                   r = 0;

    if (serving->o->cors)
        r = hob_http_set_header(req, "Access-Control-Allow-Origin", "*");
    if (r == 0)
        r = hob_static_handle(req, serving->files);
    access_log(serving->o->log, req, r, hob_now() - begin);
    return r;
}

/* What no handler saw, and was none or too much. */
static void log_bad(void *arg, const hob_http_record *record)
{
    const struct serving *serving = arg;
    if (record->method[0] == '\0' && record->status != 0)
        access_log_bad(serving->o->log, record);
}

static int serve_files(hob_tcp_listener *listener, void *arg)
{
    struct serving *serving = arg;
    hob_http_opts   opts = { .record = log_bad, .record_arg = serving };

#ifdef HOB_WITH_TLS
    if (serving->tls != NULL) {
        opts.wrap = hob_https_wrap;
        opts.wrap_arg = serving->tls;
    }
#endif
    return hob_http_serve(listener, &opts, give, serving);
}

/* ---- the port that redirects ---- */

#ifdef HOB_WITH_TLS
static int serve_redirects(hob_tcp_listener *listener, void *arg)
{
    struct serving *serving = arg;
    return hob_http_serve(listener, NULL, hob_https_redirect, &serving->port);
}
#endif

/* ---- listening ---- */

struct listening {
    struct serving   *serving;
    hob_tcp_serve_fn *fn;
    hob_addr          addr;
};

static int listen_and_serve(void *arg)
{
    struct listening *l = arg;
    return hob_tcp_serve_sharded(&l->addr, NULL, l->fn, l->serving);
}

static int address(const char *host, unsigned port, hob_addr *ret_addr)
{
    bool  is_v6 = strchr(host, ':') != NULL && host[0] != '[';
    char *at = strcmp(host, "all") == 0         ? text("[::]:%u", port)
               : strcmp(host, "localhost") == 0 ? text("127.0.0.1:%u", port)
               : is_v6                          ? text("[%s]:%u", host, port)
                                                : text("%s:%u", host, port);
    int   r = hob_addr_parse(at, ret_addr);
    free(at);
    return r;
}

/* Why nobody can listen there, and what helps. */
static const char *why_not(int error)
{
    switch (error) {
    case -EINVAL:
        return "that is no address; one is 127.0.0.1, and \"all\" stands for all";
    case -EADDRNOTAVAIL:
        return "this machine does not have that address; \"all\" stands for those that it has";
    case -EADDRINUSE:
        return "another program listens there; --port takes another port, and 0 is one that is free";
    case -EACCES:
    case -EPERM:
        return "you may not, as ports below 1024 are kept for the system; --port takes another port";
    default:
        return hob_strerror(error);
    }
}

/* Begins to serve a port. Returns 0 with the address, or an error, which it has told. */
static int begin(hob_scope *scope, struct listening *l, unsigned port, hob_addr *ret_addr)
{
    const char *host = l->serving->o->host;
    hob_addr   *addr;
    void       *ready;

    int r = address(host, port, &l->addr);
    if (r == 0)
        r = hob_go_ready(scope, listen_and_serve, l, NULL, &ready);
    if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && strcmp(host, "all") == 0) { // no IPv6 here
        r = address("0.0.0.0", port, &l->addr);
        if (r == 0)
            r = hob_go_ready(scope, listen_and_serve, l, NULL, &ready);
    }
    if (r < 0) {
        fprintf(stderr, "hob: cannot listen on %s, port %u: %s\n", host, port, why_not(r));
        return r;
    }
    addr = ready;
    *ret_addr = *addr;
    return 0;
}

/* ---- telling where ---- */

static void tell_url(const char *scheme, const hob_addr *addr, unsigned port)
{
    hob_addr with_port = *addr;
    char     at[HOB_ADDR_TEXT_MAX];

    hob_addr_format(&with_port, at, sizeof at);
    char *colon = strrchr(at, ':');
    if (colon != NULL)
        *colon = '\0';
    bool is_usual = port == (strcmp(scheme, "https") == 0 ? 443u : 80u);
    fprintf(stderr, is_usual ? "  %s://%s/\n" : "  %s://%s:%u/\n", scheme, at, port);
}

/* On all addresses: each that others may know. */
static void tell_all_urls(const char *scheme, unsigned port)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        int      family = at->ifa_addr != NULL ? at->ifa_addr->sa_family : 0;
        hob_addr addr;
        bool     is_local = family == AF_INET6
                        && IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr);
        size_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        if ((family == AF_INET || family == AF_INET6) && !is_local && (at->ifa_flags & IFF_UP)
            && hob_addr_from_sockaddr(at->ifa_addr, len, &addr) == 0)
            tell_url(scheme, &addr, port);
    }
    freeifaddrs(all);
}

static void tell_where(const struct serving *serving)
{
    const char *scheme = serving->tls != NULL ? "https" : "http";
    fprintf(stderr, "hob: files of %s, on\n", serving->o->folder);
    if (strcmp(serving->o->host, "all") == 0)
        tell_all_urls(scheme, serving->port);
    else
        tell_url(scheme, &serving->addr, serving->port);
}

/* ---- beside it ---- */

#ifdef HOB_WITH_TLS
static int reload(void *arg)
{
    struct serving *serving = arg;
    hob_signals    *signals;
    hob_tls_words   words;
    int             r;

    HOB_TRY(hob_signals_open(HOB_SIGNALS(SIGHUP), &signals));
    hob_ready(NULL);
    while ((r = hob_signals_next(signals)) > 0) {
        r = hob_tls_config_reload(serving->tls, NULL, &words);
        if (r < 0 && r != -ECANCELED)
            fprintf(stderr, "hob: the old certificate stays: %s\n", words.text);
        else
            fprintf(stderr, "hob: the certificate was read again\n");
    }
    hob_signals_close(signals);
    return r;
}

static int make_tls(struct serving *serving, hob_scope *scope)
{
    hob_tls_identity identity = { .cert_file = serving->o->cert, .key_file = serving->o->key };
    hob_tls_opts     opts = { .identities = &identity, .identity_count = 1 };
    hob_tls_config  *config;
    hob_tls_words    words = { "" };

    int r = hob_https_config_new(&opts, &words, &config);
    if (r < 0) {
        fprintf(stderr, "hob: cannot use the certificate %s: %s\n", serving->o->cert,
                words.text[0] != '\0' ? words.text : hob_strerror(r));
        return r;
    }
    serving->tls = config;
    return hob_go_ready(scope, reload, serving, &(hob_task_opts){ .daemon = 1, .name = "reload" }, NULL);
}
#endif

/* ---- all of it ---- */

/* Whether a name is one that hob_static_reply gives out. NULL: it is; or why not. */
static const char *wrong_name(const char *name, bool dotfiles)
{
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return "it takes a name in the folder that is served, without . and .. in it";
        if (part[0] == '.' && !dotfiles)
            return "names that begin with a dot are given out with --dotfiles only";
        part += len;
        if (*part == '\0')
            return NULL;
    }
}

static const char *why_no_app(int error)
{
    switch (error) {
    case 0:
    case -EISDIR:
        return "it is no file";
    case -ENOENT:
        return "there is no such file in the folder that is served";
    case -EXDEV:
        return "it is not in the folder that is served";
    default:
        return hob_strerror(error);
    }
}

/* Whether the file of --app is there, and can be given out. Returns 0, or an error, which it has told. */
static int look_for_app(const struct serve_options *o)
{
    const char *wrong = wrong_name(o->app, o->dotfiles);
    struct stat st = { .st_mode = 0 };
    hob_dir    *folder;
    hob_file   *file;

    HOB_TRY(hob_dir_open(o->folder, &folder));
    int r = wrong == NULL ? hob_dir_open_file(folder, o->app, O_RDONLY, 0, &file) : 0;
    if (wrong == NULL && r == 0) {
        r = hob_file_stat(file, &st);
        hob_file_close(file);
    }
    hob_dir_close(folder);
    if (r == 0 && S_ISREG(st.st_mode))
        return 0;
    fprintf(stderr, "hob: cannot answer with --app %s: %s\n", o->app, wrong != NULL ? wrong : why_no_app(r));
    return r < 0 ? r : -EINVAL;
}

/* Opens the folder, for all workers. Returns 0, or an error, which it has told. */
static int open_folder(struct serving *serving)
{
    const struct serve_options *o = serving->o;
    hob_static_opts             opts = {
        .index = o->index,
        .cache_control = o->cache,
        .memory_bytes = (size_t)o->memory_mib << 20,
        .missing = o->app != NULL ? give_app : NULL,
        .missing_arg = serving,
        .listing = !o->no_listing,
        .dotfiles = o->dotfiles,
        .immutable = o->immutable,
        .precompressed = o->precompressed,
    };
    int r = hob_static_open(o->folder, &opts, &serving->files);
    if (r < 0)
        fprintf(stderr, "hob: cannot serve %s: %s\n", o->folder, hob_strerror(r));
    else if (o->app != NULL)
        r = look_for_app(o);
    return r;
}

/* Begins with all ports. What `listens` has must live as long as the scope. */
static int listen_on_ports(struct serving *serving, struct listening listens[2], hob_scope *s)
{
    hob_addr where;

    listens[0] = (struct listening){ .serving = serving, .fn = serve_files };
#ifdef HOB_WITH_TLS
    listens[1] = (struct listening){ .serving = serving, .fn = serve_redirects };
#endif
    int r = begin(s, &listens[0], serving->o->port, &serving->addr);
    if (r < 0)
        return r;
    serving->port = hob_addr_port(&serving->addr);
    if (serving->o->has_redirect)
        r = begin(s, &listens[1], serving->o->redirect_port, &where);
    if (r < 0) {
        hob_scope_cancel(s, "one of the ports cannot be had");
        (void)!hob_scope_end(s); // it ends because we say so
        return r;
    }
    tell_where(serving);
    if (serving->o->has_redirect)
        fprintf(stderr, "  and port %u leads there\n", hob_addr_port(&where));
    return 0;
}

struct outcome {
    struct serving serving;
    bool           has_failed; /* and the words were told: the run need not tell it again */
};

/* Serves until the run stops. */
static int serve_ports(struct outcome *outcome)
{
    struct listening listens[2];
    HOB_SCOPE(s);

    if (listen_on_ports(&outcome->serving, listens, &s) < 0) {
        outcome->has_failed = true;
        return 0;
    }
    return hob_scope_end(&s);
}

static bool is_real(void)
{
    bool is_sim = strcmp(hob_backend_name(), "sim") == 0;
    if (is_sim)
        fprintf(stderr, "hob: HOB_BACKEND is sim, where there are no files and no network; uring and epoll have them\n");
    return !is_sim;
}

static int serve(void *arg)
{
    struct outcome *outcome = arg;
    struct serving *serving = &outcome->serving;
    HOB_SCOPE(beside);

    int r = is_real() ? open_folder(serving) : -ENOTSUP;
#ifdef HOB_WITH_TLS
    if (r == 0 && serving->o->cert != NULL)
        r = make_tls(serving, &beside);
#endif
    outcome->has_failed = r < 0;
    r = r < 0 ? 0 : serve_ports(outcome);
    int ended = hob_scope_end(&beside); // who reads the certificate again needs what is freed now
    hob_static_close(serving->files);
#ifdef HOB_WITH_TLS
    hob_tls_config_free(serving->tls);
#endif
    return r < 0 ? r : ended;
}

/* As many connections as the system allows. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &limit); // else fewer
}

int serve_command(int argc, char **argv)
{
    struct serve_options o;
    serve_options_read(&o, argc, argv);

    struct outcome outcome = { .serving = { .o = &o } };
    hob_run_opts   opts = { .workers = o.workers };
    setvbuf(stdout, NULL, _IOLBF, 65536); // whoever reads the log has whole lines, and at once
    allow_files();
    int r = hob_run_with(&opts, serve, &outcome);
    if (fflush(stdout) != 0)
        die(EXIT_TROUBLE, "cannot write the log: %s", strerror(errno));
    return r < 0 || outcome.has_failed ? EXIT_TROUBLE : r;
}
