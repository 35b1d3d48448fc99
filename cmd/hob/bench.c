/* SPDX-License-Identifier: MIT */
/*
 * hob bench: options, then a load in a run of its own, then what came out.
 *
 * The name of the server is looked up once, before the run: what a resolver takes is not what is
 * measured.
 */
#include "bench.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd.h"

#ifdef HOB_WITH_TLS
#include <hob/tls.h>
#endif

static const char usage[] =
    "usage: hob bench [OPTION]... URL\n"
    "\n"
    "  -c, --connections N  at once (10)\n"
    "  -d, --duration TIME  such as 500ms, 10s, 2m (10s)\n"
    "  -n, --requests N     ends after so many, or after the duration if that is given\n"
    "  -r, --rate N         requests a second, in all, at a steady pace; latency counts from when\n"
    "                       each was due. Without it, each connection asks again when it was answered\n"
    "  -p, --pipeline N     requests that are sent together on a connection (1)\n"
    "  -t, --timeout TIME   for an answer (5s)\n"
    "  -m, --method NAME    GET; or POST with a body\n"
    "  -b, --body TEXT      or @FILE\n"
    "  -H, --header LINE    such as 'Accept: text/html'; may be given again\n"
    "      --ca FILE        of certificates to trust, for https\n"
    "      --insecure       trusts any certificate\n"
    "      --json           what came out, for programs\n"
    "      --quiet          no progress\n"
    "\n"
    "HTTP/1.1, on one processor. Ctrl-C ends it and tells what there is so far.\n";

enum {
    CONNECTIONS_MAX = 60000,
    DEPTH_MAX = 1000,
    BATCH_BYTES_MAX = 64 * 1024 * 1024,
    HEADERS_BYTES_MAX = 32768,
    FILES_BESIDES = 64,
};

#define DURATION_MAX (24 * HOB_HOUR)
#define REQUESTS_MAX UINT64_C(1000000000000)
#define RATE_MIN     0.001
#define RATE_MAX     1e7

/* ---- options ---- */

static uint64_t number_of(const char *name, const char *word, uint64_t max)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0 || number == 0 || number > max)
        die(EXIT_USAGE, "%s takes a number from 1 to %llu, not \"%s\"", name, (unsigned long long)max, word);
    return number;
}

/* What strtod takes as we mean it: no sign, no hexadecimal digits, no "inf". */
static bool is_decimal(const char *word)
{
    return word[0] >= '0' && word[0] <= '9' && strpbrk(word, "xX") == NULL;
}

static double rate_of(const char *name, const char *word)
{
    char  *end;
    double rate = strtod(word, &end);

    if (!is_decimal(word) || *end != '\0' || rate < RATE_MIN || rate > RATE_MAX)
        die(EXIT_USAGE, "%s takes requests a second, from %g to %.0f, not \"%s\"; without it each connection asks again "
                        "when it was answered", name, RATE_MIN, RATE_MAX, word);
    return rate;
}

static int64_t time_of(const char *name, const char *word)
{
    static const struct {
        const char *unit;
        int64_t     ns;
    } UNITS[] = { { "", HOB_SEC }, { "s", HOB_SEC }, { "ms", HOB_MSEC }, { "m", HOB_MINUTE }, { "h", HOB_HOUR } };
    char  *end;
    double number = strtod(word, &end);

    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (strcmp(end, UNITS[i].unit) != 0)
            continue;
        double ns = number * (double)UNITS[i].ns;
        if (is_decimal(word) && ns >= HOB_MSEC && ns <= (double)DURATION_MAX)
            return (int64_t)ns;
    }
    die(EXIT_USAGE, "%s takes a time from 1ms to 24h, such as 500ms, 10s or 2m, not \"%s\"", name, word);
}

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static void add_header(struct bench *bench, const char *line)
{
    size_t len = strlen(line), name_len = strcspn(line, ":");

    if (line[name_len] != ':' || name_len == 0 || strpbrk(line, "\r\n") != NULL
        || strcspn(line, " \t") < name_len)
        die(EXIT_USAGE, "-H takes a line such as 'Accept: text/html', not \"%s\"", line);
    if (strncasecmp(line, "content-length:", 15) == 0 || strncasecmp(line, "transfer-encoding:", 18) == 0)
        die(EXIT_USAGE, "-H \"%s\": how long the body is is told by hob bench", line);
    if (bench->headers_len + len + 2 > HEADERS_BYTES_MAX)
        die(EXIT_USAGE, "the headers are over %d bytes", HEADERS_BYTES_MAX);
    bench->headers = realloc(bench->headers, bench->headers_len + len + 3);
    if (bench->headers == NULL)
        die(EXIT_TROUBLE, "out of memory");
    sprintf(bench->headers + bench->headers_len, "%s\r\n", line);
    bench->headers_len += len + 2;
}

static void take_body(struct bench *bench, const char *value)
{
    char *data;

    bench->body = value;
    bench->body_len = strlen(value);
    if (value[0] != '@')
        return;
    if (value[1] == '\0')
        die(EXIT_USAGE, "-b takes a text, or @ and the name of a file");
    int r = read_file(value + 1, &data, &bench->body_len);
    if (r < 0)
        die(EXIT_TROUBLE, "cannot read %s for the body: %s", value + 1, strerror(-r));
    bench->body = data;
}

static bool is_one(const char *word, const char *brief, const char *name)
{
    return strcmp(word, name) == 0 || strcmp(word, brief) == 0;
}

/* False: there is no such option. */
static bool take_option(struct bench *bench, const char *name, const char *value)
{
    struct load_opts *o = &bench->load.opts;

    if (is_one(name, "-c", "--connections"))
        o->connections = (uint32_t)number_of(name, value, CONNECTIONS_MAX);
    else if (is_one(name, "-d", "--duration"))
        o->duration_ns = time_of(name, value);
    else if (is_one(name, "-n", "--requests"))
        o->requests_max = number_of(name, value, REQUESTS_MAX);
    else if (is_one(name, "-r", "--rate"))
        o->rate = rate_of(name, value);
    else if (is_one(name, "-p", "--pipeline"))
        o->depth = (uint32_t)number_of(name, value, DEPTH_MAX);
    else if (is_one(name, "-t", "--timeout"))
        o->timeout_ns = time_of(name, value);
    else if (is_one(name, "-m", "--method"))
        bench->method = value;
    else if (is_one(name, "-b", "--body"))
        take_body(bench, value);
    else if (is_one(name, "-H", "--header"))
        add_header(bench, value);
    else if (strcmp(name, "--ca") == 0)
        bench->ca_file = value;
    else
        return false;
    return true;
}

__attribute__((noreturn)) static void die_of_option(const char *name)
{
    die(EXIT_USAGE, "hob bench has no option %s; hob bench --help tells which there are", name);
}

static bool is_option(const char *name)
{
    static const char *const NAMES[][2] = {
        { "-c", "--connections" }, { "-d", "--duration" }, { "-n", "--requests" }, { "-r", "--rate" }, { "-p", "--pipeline" },
        { "-t", "--timeout" }, { "-m", "--method" }, { "-b", "--body" }, { "-H", "--header" }, { "--ca", "--ca" },
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (is_one(name, NAMES[i][0], NAMES[i][1]))
            return true;
    }
    return false;
}

static bool take_flag(struct bench *bench, const char *name)
{
    if (strcmp(name, "--json") == 0)
        bench->is_json = true;
    else if (strcmp(name, "--insecure") == 0)
        bench->is_insecure = true;
    else if (strcmp(name, "--quiet") == 0)
        bench->is_quiet = true;
    else
        return false;
    return true;
}

static void show_help(void)
{
    fputs(usage, stdout);
    exit(0);
}

/* Options may stand on both sides of the URL. */
static void take_words(struct bench *bench, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *equals = starts_with(argv[i], "--") ? strchr(argv[i], '=') : NULL;
        if (is_one(argv[i], "-h", "--help"))
            show_help();
        if (equals != NULL) {
            char *name = copy_part(argv[i], (size_t)(equals - argv[i]));
            if (take_flag(bench, name))
                die(EXIT_USAGE, "%s stands alone, without =", name);
            if (!take_option(bench, name, equals + 1))
                die_of_option(name);
        } else if (argv[i][0] != '-') {
            if (bench->url_text != NULL)
                die(EXIT_USAGE, "one URL at a time: \"%s\" is the second", argv[i]);
            bench->url_text = argv[i];
        } else if (!take_flag(bench, argv[i])) {
            if (!is_option(argv[i]))
                die_of_option(argv[i]);
            if (i + 1 == argc)
                die(EXIT_USAGE, "%s takes a value, and there is none", argv[i]);
            (void)take_option(bench, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (bench->url_text == NULL)
        die(EXIT_USAGE, "which URL? For example: hob bench http://127.0.0.1:8080/");
    const char *wrong = url_parse(bench->url_text, &bench->url);
    if (wrong != NULL)
        die(EXIT_USAGE, "the URL \"%.200s\": %s", bench->url_text, wrong);
    if (!bench->url.is_https && (bench->ca_file != NULL || bench->is_insecure))
        die(EXIT_USAGE, "%s is for https, and this is http", bench->ca_file != NULL ? "--ca" : "--insecure");
}

static void fill_in(struct bench *bench)
{
    struct load_opts *o = &bench->load.opts;

    if (bench->method == NULL)
        bench->method = bench->body != NULL ? "POST" : "GET";
    if (!is_visible(bench->method) || bench->method[0] == '\0' || strlen(bench->method) > 32
        || strcmp(bench->method, "CONNECT") == 0)
        die(EXIT_USAGE, "\"%s\" is no method that can be measured", bench->method);
    o->connections = o->connections != 0 ? o->connections : 10;
    o->depth = o->depth != 0 ? o->depth : 1;
    if (o->duration_ns == 0)
        o->duration_ns = o->requests_max != 0 ? DURATION_MAX : 10 * HOB_SEC;
    o->timeout_ns = o->timeout_ns != 0 ? o->timeout_ns : 5 * HOB_SEC;
    o->to_head = strcmp(bench->method, "HEAD") == 0;
}

/* ---- the request ---- */

static bool has_header(const struct bench *bench, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *at = bench->headers; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
        if (strncasecmp(at, name, name_len) == 0 && at[name_len] == ':')
            return true;
    return false;
}

static void make_request(struct bench *bench)
{
    struct load_opts *o = &bench->load.opts;
    char              host[320] = "", length[64] = "";

    if (!has_header(bench, "Host"))
        snprintf(host, sizeof host, "Host: %s\r\n", bench->url.authority);
    if (bench->body != NULL)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", bench->body_len);
    char  *head = text("%s %s HTTP/1.1\r\n%s%s%s%s\r\n", bench->method, bench->url.target, host,
                       has_header(bench, "User-Agent") ? "" : "User-Agent: hob-bench\r\n",
                       bench->headers != NULL ? bench->headers : "", length);
    size_t head_len = strlen(head);
    if ((head_len + bench->body_len) > BATCH_BYTES_MAX / o->depth)
        die(EXIT_USAGE, "what is sent together is over %d MiB", BATCH_BYTES_MAX / 1024 / 1024);
    char *request = malloc(head_len + bench->body_len + 1);
    if (request == NULL)
        die(EXIT_TROUBLE, "out of memory");
    memcpy(request, head, head_len);
    if (bench->body_len > 0)
        memcpy(request + head_len, bench->body, bench->body_len);
    o->request = request;
    o->request_len = head_len + bench->body_len;
}

static void find_server(struct bench *bench)
{
    struct addrinfo  wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *found;
    char             port[8];

    snprintf(port, sizeof port, "%u", bench->url.port);
    int r = getaddrinfo(bench->url.host, port, &wanted, &found);
    if (r != 0)
        die(EXIT_TROUBLE, "cannot find the server %s: %s", bench->url.host, gai_strerror(r));
    for (const struct addrinfo *at = found; at != NULL && bench->addr_count < ADDRS_MAX; at = at->ai_next) {
        r = hob_addr_from_sockaddr(at->ai_addr, at->ai_addrlen, &bench->addrs[bench->addr_count]);
        bench->addr_count += r >= 0;
    }
    freeaddrinfo(found);
    if (bench->addr_count == 0)
        die(EXIT_TROUBLE, "%s: %s", bench->url.host, hob_strerror(r));
}

/* As many files as connections; else it would be the load that is measured. */
static void allow_files(const struct bench *bench)
{
    struct rlimit limit;
    rlim_t        wanted = bench->load.opts.connections + FILES_BESIDES;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max < wanted)
        die(EXIT_TROUBLE, "%u connections are more than the %llu files that may be open here (ulimit -n)",
            bench->load.opts.connections, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = wanted;
    (void)!setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- the run ---- */

static int watch_signals(void *arg)
{
    struct bench *bench = arg;
    bench->interrupted_by = hob_signal_wait(HOB_SIGNALS(SIGINT, SIGTERM));
    if (bench->interrupted_by < 0)
        return bench->interrupted_by;
    load_stop(&bench->load);
    return 0;
}

static int show_progress(void *arg)
{
    HOB_TRY(hob_sleep(500 * HOB_MSEC));
    for (;;) {
        bench_show_progress(arg);
        HOB_TRY(hob_sleep(500 * HOB_MSEC));
    }
}

#ifdef HOB_WITH_TLS
static int open_tls(struct bench *bench)
{
    hob_tls_opts  opts = { .ca_file = bench->ca_file };
    hob_tls_words words;

    int r = hob_tls_config_new(&opts, &words, &bench->load.opts.tls);
    if (r < 0)
        die(EXIT_TROUBLE, "%s", words.text);
    if (bench->is_insecure)
        hob_tls_insecure_skip_verify(bench->load.opts.tls);
    bench->load.opts.tls_name = bench->url.host;
    return 0;
}

static void close_tls(struct bench *bench)
{
    hob_tls_config_free(bench->load.opts.tls);
}
#else
static int open_tls(struct bench *bench)
{
    (void)bench;
    die(EXIT_TROUBLE, "this hob was built without TLS: https:// is not known");
}

static void close_tls(struct bench *bench)
{
    (void)bench;
}
#endif

/* Before anything is measured: a server that is not there is told at once, and not as a number of failures. Of
 * "localhost" only one of the two addresses may be served. */
static void find_address(struct bench *bench)
{
    int r = 0;

    for (size_t i = 0; i < bench->addr_count; i++) {
        hob_tcp  *conn = NULL;
        hob_scope scope;
        hob_scope_begin(&scope);
        hob_scope_deadline(&scope, hob_in(bench->load.opts.timeout_ns));
        r = hob_tcp_connect(&bench->addrs[i], NULL, &conn);
        (void)!hob_scope_end(&scope);
        hob_tcp_close(conn);
        if (r == 0) {
            bench->load.opts.addr = bench->addrs[i];
            return;
        }
    }
    die(EXIT_TROUBLE, "cannot connect to %s, port %u: %s", bench->url.host, bench->url.port,
        r == -ECONNREFUSED ? "no server listens there" : hob_strerror(r));
}

static int run_bench(void *arg)
{
    struct bench    *bench = arg;
    struct load_opts opts;
    hob_task_opts    beside = { .name = "bench: beside", .daemon = 1 };

    if (strcmp(hob_backend_name(), "sim") == 0)
        die(EXIT_TROUBLE, "HOB_BACKEND is sim, where there is no network; uring and epoll have one");
    if (bench->url.is_https)
        HOB_TRY(open_tls(bench));
    find_address(bench);
    opts = bench->load.opts;
    HOB_TRY(load_init(&bench->load, &opts));

    bool shows = !bench->is_quiet && isatty(STDERR_FILENO);
    HOB_SCOPE(scope);
    int r = hob_go_with(&scope, watch_signals, bench, &beside);
    if (r >= 0 && shows)
        r = hob_go_with(&scope, show_progress, bench, &beside);
    if (r >= 0)
        r = load_run(&bench->load);
    hob_scope_cancel(&scope, "the load has ended");
    (void)!hob_scope_end(&scope);
    if (shows)
        bench_end_progress();
    load_fini(&bench->load);
    close_tls(bench);
    return r;
}

int bench_command(int argc, char **argv)
{
    static struct bench bench;
    hob_run_opts        opts = { .workers = 1, .stop_signals = -1, .slow_ns = -1 };

    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    take_words(&bench, argc, argv);
    fill_in(&bench);
    make_request(&bench);
    find_server(&bench);
    allow_files(&bench);

    int r = hob_run_with(&opts, run_bench, &bench);
    if (r < 0)
        return EXIT_TROUBLE; // it was printed
    bench_report(&bench);
    if (fflush(stdout) != 0)
        die(EXIT_TROUBLE, "cannot write what came out: %s", strerror(errno));
    if (bench.interrupted_by > 0)
        return 128 + bench.interrupted_by;
    return bench.load.answers > 0 ? 0 : EXIT_TROUBLE;
}
