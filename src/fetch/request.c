/* SPDX-License-Identifier: MIT */
/*
 * What is asked, as libcurl wants it.
 *
 *     prepare   what all exchanges of a client set, once for each handle
 *     fill_in   what each of them sets, with a value of its own: the rest of a plain GET
 *               what only some set, and then the handle is marked: it is reset behind them
 *
 * So no handle brings anything from the one who had it before. libcurl copies texts, and is lent bodies. What it reads later is the answer's: a->headers, a->resolve,
 * a->mime, until hob__fetch_release.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "fetch/exchange.h"
#include "fetch/memory.h"

enum { EXPECT_BYTES_MIN = 1 << 20 };

/* ---- what can be asked for ---- */

static bool is_token(const char *text)
{
    static const char TOKEN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    return text[0] != '\0' && text[strspn(text, TOKEN)] == '\0';
}

/* Neither the end of a line nor another control byte. */
static bool is_value(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < ' ' && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcasecmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

static const char *check_headers(const hob_fetch_opts *opts)
{
    static const char *const FRAMING[] = { "Content-Length", "Transfer-Encoding", "Connection",
                                           "Trailer", "TE", "Upgrade", "Expect", "Keep-Alive",
                                           "Proxy-Connection", NULL };
    for (size_t i = 0; i < opts->header_count; i++) {
        const hob_fetch_header *header = &opts->headers[i];
        if (header->name == NULL || !is_token(header->name))
            return "a header without a name that can be one";
        if (header->value == NULL || !is_value(header->value))
            return "a header whose value has control bytes";
        if (is_one_of(header->name, FRAMING))
            return "a header that frames the request is not yours to set";
    }
    return NULL;
}

static const char *check_parts(const hob_fetch_opts *opts)
{
    for (size_t i = 0; i < opts->part_count; i++) {
        const hob_fetch_part *part = &opts->parts[i];
        if (part->name == NULL || !is_value(part->name)
            || (part->file_name != NULL && !is_value(part->file_name))
            || (part->type != NULL && !is_value(part->type)))
            return "a part of the form whose name or type cannot be one";
    }
    return NULL;
}

static const char *check_body(const hob_fetch_opts *opts, bool is_open)
{
    int kinds = (opts->body != NULL) + (opts->part_count > 0) + (opts->body_stream != NULL) + opts->upload;
    if (kinds > 1)
        return "more than one body";
    if (opts->upload && !is_open)
        return "`upload` is for hob_fetch_open";
    if (opts->body_stream != NULL && is_open)
        return "`body_stream` is for hob_fetch_with: write what it gives";
    if (opts->body_length < 0)
        return "a negative length";
    if (opts->body == NULL && opts->body_len > 0)
        return "a body of a length and no bytes";
    return NULL;
}

static const char *check_credentials(const hob_fetch_opts *opts)
{
    if (opts->bearer != NULL && !is_value(opts->bearer))
        return "a token with control bytes";
    if (opts->user != NULL && strchr(opts->user, ':') != NULL)
        return "a user with a colon";
    if (opts->bearer != NULL && opts->user != NULL)
        return "a user and a token";
    return NULL;
}

int hob__fetch_check(const hob_fetch_opts *opts, bool is_open, const char **ret_why)
{
    const char *why = NULL;
    if (opts->method != NULL && (!is_token(opts->method) || strcmp(opts->method, "CONNECT") == 0))
        why = "a method that is none";
    if (opts->body_type != NULL && !is_value(opts->body_type))
        why = "a media type with control bytes";
    if (why == NULL)
        why = check_headers(opts);
    if (why == NULL)
        why = check_parts(opts);
    if (why == NULL)
        why = check_body(opts, is_open);
    if (why == NULL)
        why = check_credentials(opts);
    *ret_why = why;
    return why != NULL ? -EINVAL : 0;
}

bool hob__fetch_can_send_again(const hob_fetch_answer *a)
{
    return a->opts.body_stream == NULL && !a->opts.upload;
}

/* ---- headers ---- */

/* A header with an empty value is said with a semicolon, and one that is not to be sent with neither. */
static int add_header(hob_fetch_answer *a, const char *name, const char *value, const char *between)
{
    size_t size = strlen(name) + strlen(between) + strlen(value) + 1;
    char  *line = hob__fetch_realloc(NULL, size);
    if (line == NULL)
        return -ENOMEM;
    strcat(strcat(strcpy(line, name), between), value);
    struct curl_slist *list = curl_slist_append(a->headers, line);
    hob__fetch_free(line);
    if (list == NULL)
        return -ENOMEM;
    a->headers = list;
    return 0;
}

/* A request has one Cookie header (RFC 6265 5.4): where there is a jar, libcurl puts ours behind its own. */
static bool goes_with_jar(const hob_fetch_answer *a, const hob_fetch_header *header)
{
    return a->client->jar != NULL && strcasecmp(header->name, "Cookie") == 0;
}

static int add_users(hob_fetch_answer *a)
{
    static const char *const SECRETS[] = { "Authorization", "Proxy-Authorization", "Cookie", "Host", NULL };
    int r = 0;
    for (size_t i = 0; r == 0 && i < a->opts.header_count; i++) {
        const hob_fetch_header *header = &a->opts.headers[i];
        bool is_of_body = strncasecmp(header->name, "Content-", 8) == 0;
        if ((!a->asked.has_credentials && is_one_of(header->name, SECRETS))
            || (is_of_body && !a->asked.has_body) || goes_with_jar(a, header))
            continue;
        r = add_header(a, header->name, header->value, header->value[0] != '\0' ? ": " : ";");
    }
    return r;
}

static bool has_users(const hob_fetch_answer *a, const char *name)
{
    for (size_t i = 0; i < a->opts.header_count; i++) {
        if (strcasecmp(a->opts.headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* "Expect: 100-continue" costs a second with those who do not heed it: only for what is known to be much,
 * as libcurl does with bodies in memory. */
static bool wants_no_expect(const hob_fetch_answer *a)
{
    bool is_stream = a->opts.body_stream != NULL || a->opts.upload;
    return a->asked.has_body && is_stream && a->opts.body_length <= EXPECT_BYTES_MIN;
}

/* None, for most: then it is the client's usual ones. */
static int add_headers(hob_fetch_answer *a)
{
    const char *agent = a->client->opts.user_agent;
    int         r = add_users(a);
    bool wants_gzip = a->is_whole ? !a->opts.plain : a->opts.compressed;
    a->asks_gzip = wants_gzip && !has_users(a, "Accept-Encoding") && !has_users(a, "Range");
    if (r == 0 && a->asked.has_body && a->opts.part_count == 0 && !has_users(a, "Content-Type"))
        r = a->opts.body_type != NULL ? add_header(a, "Content-Type", a->opts.body_type, ": ")
                                      : add_header(a, "Content-Type", "", ":"); // not libcurl's guess
    if (r == 0 && a->asked.has_credentials && a->opts.bearer != NULL)
        r = add_header(a, "Authorization", a->opts.bearer, ": Bearer ");
    if (r == 0 && wants_no_expect(a))
        r = add_header(a, "Expect", "", ":");
    if (r < 0 || (a->headers == NULL && a->asks_gzip))
        return r;
    if (agent[0] != '\0' && !has_users(a, "User-Agent"))
        r = add_header(a, "User-Agent", agent, ": ");
    if (r == 0 && a->asks_gzip)
        r = add_header(a, "Accept-Encoding", "gzip", ": ");
    return r;
}

/* libcurl prints what it is given as an option twice, letter by letter, and a header once. */
int hob__fetch_usual_init(hob_fetch_client *client)
{
    static const char NAME[] = "User-Agent: ";
    static char       gzip[] = "Accept-Encoding: gzip";
    size_t            len = strlen(client->opts.user_agent);
    char             *line = len > 0 ? hob__fetch_realloc(NULL, sizeof NAME + len) : NULL;

    if (len > 0 && line == NULL)
        return -ENOMEM;
    client->usual[0] = (struct curl_slist){ line, &client->usual[1] };
    client->usual[1].data = gzip;
    if (line != NULL)
        strcat(strcpy(line, NAME), client->opts.user_agent);
    return 0;
}

void hob__fetch_usual_fini(hob_fetch_client *client)
{
    hob__fetch_free(client->usual[0].data);
}

/* ---- about to be sent ---- */

/* Whether it may reach the server twice. */
static bool may_repeat(const hob_fetch_answer *a)
{
    static const char *const IDEMPOTENT[] = { "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", NULL };
    return (a->opts.idempotent || is_one_of(a->asked.method, IDEMPOTENT)) && hob__fetch_can_send_again(a);
}

/* A callback of libcurl: it is about to send the request; again, when a connection that was kept turned
 * out to be closed, or the server of HTTP/2 has refused it. */
static int on_sending(void *arg, char *their_ip, char *our_ip, int their_port, int our_port)
{
    hob_fetch_answer *a = fetch_answer_of(arg);
    (void)their_ip;
    (void)our_ip;
    (void)their_port;
    (void)our_port;
    a->sendings++;
    a->quiet_since_ns = hob_now();
    if (a->sendings == 1 || (may_repeat(a) && a->sendings <= 3))
        return CURL_PREREQFUNC_OK;
    a->own_error = -ECONNRESET;
    a->own_words = "a kept connection was closed as the request was sent: whether it was heard is not known";
    return CURL_PREREQFUNC_ABORT;
}

/* ---- what all have in common (options one by one: a table would not know their types) ---- */

/* Sets one, unless one before it has failed. */
#define SET(option, value)                                          \
    (*code = *code != CURLE_OK ? *code : curl_easy_setopt(easy, (option), (value)))

/* The same for what others must not find. */
#define SET_ALONE(option, value) (a->handle->is_marked = true, SET(option, value))

static long seconds(int64_t ns, long most)
{
    int64_t s = ns / HOB_SEC;
    return s < 1 ? 1 : s > most ? most : (long)s;
}

static void prepare_callbacks(hob_fetch_client *client, struct fetch_handle *handle, CURLcode *code)
{
    CURL *easy = handle->easy;
    SET(CURLOPT_PRIVATE, (char *)handle);
    SET(CURLOPT_ERRORBUFFER, handle->said);
    SET(CURLOPT_HEADERFUNCTION, hob__fetch_on_header);
    SET(CURLOPT_HEADERDATA, handle);
    SET(CURLOPT_WRITEFUNCTION, hob__fetch_on_body);
    SET(CURLOPT_WRITEDATA, handle);
    SET(CURLOPT_PREREQFUNCTION, on_sending);
    SET(CURLOPT_PREREQDATA, handle);
    SET(CURLOPT_OPENSOCKETDATA, handle);
    hob__fetch_drive_socket(client, easy);
}

static void prepare_connection(const hob_fetch_client_opts *opts, CURL *easy, CURLcode *code)
{
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, seconds(opts->idle_ns, LONG_MAX));
    SET(CURLOPT_MAXLIFETIME_CONN, seconds(opts->age_ns, LONG_MAX));
    SET(CURLOPT_PROXY, ""); // not that of the environment
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
}

static void set_blob(CURL *easy, CURLcode *code, CURLoption option, const void *data, size_t len)
{
    struct curl_blob blob = { (void *)(uintptr_t)data, len, CURL_BLOB_NOCOPY };
    SET(option, &blob);
}

static void prepare_tls(hob_fetch_client *client, CURL *easy, CURLcode *code)
{
    const hob_fetch_client_opts *opts = &client->opts;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*code == CURLE_OK)
        *code = hob__fetch_goodbye_watch(client, easy);
    SET(CURLOPT_SSL_VERIFYPEER, client->skips_verify ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, client->skips_verify ? 0L : 2L);
    if (opts->ca_file != NULL || opts->ca != NULL) {
        SET(CURLOPT_CAPATH, NULL); // the system's
        SET(CURLOPT_PROXY_CAPATH, NULL);
    }
    if (opts->ca_file != NULL) {
        SET(CURLOPT_CAINFO, opts->ca_file);
        SET(CURLOPT_PROXY_CAINFO, opts->ca_file);
    }
    if (opts->ca != NULL) {
        set_blob(easy, code, CURLOPT_CAINFO_BLOB, opts->ca, opts->ca_len);
        set_blob(easy, code, CURLOPT_PROXY_CAINFO_BLOB, opts->ca, opts->ca_len);
    }
    if (opts->cert != NULL) {
        SET(CURLOPT_SSLCERTTYPE, "PEM");
        SET(CURLOPT_SSLKEYTYPE, "PEM");
        set_blob(easy, code, CURLOPT_SSLCERT_BLOB, opts->cert, strlen(opts->cert));
        set_blob(easy, code, CURLOPT_SSLKEY_BLOB, opts->key, strlen(opts->key));
    }
    if (opts->pin != NULL)
        SET(CURLOPT_PINNEDPUBLICKEY, opts->pin);
}

static int error_of(CURLcode code)
{
    return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

int hob__fetch_prepare(hob_fetch_client *client, struct fetch_handle *handle)
{
    CURLcode code = CURLE_OK;
    prepare_callbacks(client, handle, &code);
    prepare_connection(&client->opts, handle->easy, &code);
    prepare_tls(client, handle->easy, &code);
    return error_of(code);
}

/* ---- what each exchange sets ---- */

static void set_connection(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    int64_t connect_ns = a->opts.connect_ns - a->times.name_ns;
    bool    may_share = a->url.is_tls && a->client->opts.version != HOB_FETCH_HTTP_1;
    SET(CURLOPT_URL, a->url.text);
    SET(CURLOPT_CURLU, a->url.parts); // which counts
    SET(CURLOPT_HTTP_VERSION, may_share ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    // Wait and share a connection, where it may be one of HTTP/2.
    SET(CURLOPT_PIPEWAIT, may_share ? 1L : 0L);
    if (connect_ns < HOB_MSEC)
        connect_ns = HOB_MSEC;
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ns / HOB_MSEC > INT_MAX ? (long)INT_MAX : (long)(connect_ns / HOB_MSEC));
    // What we have told of addresses must last until it has connected.
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 60 + seconds(a->opts.connect_ns, 3600));
    SET(CURLOPT_RESOLVE, a->resolve);
}

static void set_headers(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    struct curl_slist *usual = a->client->usual;
    if (usual[0].data == NULL)
        usual++; // the user wants no name for the client
    SET(CURLOPT_HTTPHEADER, a->headers == NULL && a->asks_gzip ? usual : a->headers);
}

/* ---- and what only some ---- */

static void set_proxy(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    const hob_fetch_client_opts *opts = &a->client->opts;
    const struct fetch_proxy    *proxy = hob__fetch_proxy_for(a->client, a->url.is_tls, a->url.host);
    if (proxy == NULL)
        return;
    SET_ALONE(CURLOPT_PROXY, proxy->url);
    if (opts->user_agent[0] != '\0')
        SET_ALONE(CURLOPT_USERAGENT, opts->user_agent); // to the proxy, when it is asked to connect
    SET_ALONE(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (opts->proxy_user != NULL)
        SET_ALONE(CURLOPT_PROXYUSERNAME, opts->proxy_user);
    if (opts->proxy_password != NULL)
        SET_ALONE(CURLOPT_PROXYPASSWORD, opts->proxy_password);
}

static void set_credentials(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    if (a->asked.has_credentials && a->opts.user != NULL) {
        SET_ALONE(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET_ALONE(CURLOPT_USERNAME, a->opts.user);
        SET_ALONE(CURLOPT_PASSWORD, a->opts.password != NULL ? a->opts.password : "");
    }
    if (a->client->jar != NULL) {
        SET_ALONE(CURLOPT_SHARE, a->client->jar);
        SET_ALONE(CURLOPT_COOKIEFILE, ""); // keeps them, and reads no file
    }
}

/* Those of the user's headers, in one text. */
static int set_cookies(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    char *all = NULL;

    for (size_t i = 0; a->asked.has_credentials && i < a->opts.header_count; i++) {
        const hob_fetch_header *header = &a->opts.headers[i];
        size_t                  len = all != NULL ? strlen(all) : 0;
        if (!goes_with_jar(a, header) || header->value[0] == '\0')
            continue;
        char *longer = hob__fetch_realloc(all, len + strlen(header->value) + 3);
        if (longer == NULL) {
            hob__fetch_free(all);
            return -ENOMEM;
        }
        all = longer;
        sprintf(all + len, "%s%s", len > 0 ? "; " : "", header->value);
    }
    if (all != NULL)
        SET_ALONE(CURLOPT_COOKIE, all); // it is copied
    hob__fetch_free(all);
    return 0;
}

static int set_form(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    a->mime = curl_mime_init(easy);
    if (a->mime == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < a->opts.part_count; i++) {
        const hob_fetch_part *from = &a->opts.parts[i];
        curl_mimepart        *part = curl_mime_addpart(a->mime);
        if (part == NULL || curl_mime_name(part, from->name) != CURLE_OK
            || curl_mime_data(part, from->len > 0 ? from->data : "", from->len) != CURLE_OK
            || (from->file_name != NULL && curl_mime_filename(part, from->file_name) != CURLE_OK)
            || (from->type != NULL && curl_mime_type(part, from->type) != CURLE_OK))
            return -ENOMEM;
    }
    SET_ALONE(CURLOPT_MIMEPOST, a->mime);
    return 0;
}

static int set_body(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    const hob_fetch_opts *opts = &a->opts;
    if (opts->part_count > 0)
        return set_form(a, easy, code);
    if (opts->body_stream != NULL || opts->upload) {
        SET_ALONE(CURLOPT_UPLOAD, 1L);
        SET_ALONE(CURLOPT_READFUNCTION, hob__fetch_on_send);
        SET_ALONE(CURLOPT_READDATA, a->handle);
        SET_ALONE(CURLOPT_INFILESIZE_LARGE, (curl_off_t)(opts->body_length > 0 ? opts->body_length : -1));
    } else {
        SET_ALONE(CURLOPT_POST, 1L);
        SET_ALONE(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)opts->body_len);
        SET_ALONE(CURLOPT_POSTFIELDS, opts->body != NULL ? opts->body : "");
    }
    return 0;
}

static int set_method(hob_fetch_answer *a, CURL *easy, CURLcode *code)
{
    const char *method = a->asked.method;
    bool        is_head = strcmp(method, "HEAD") == 0;
    int         r = 0;
    if (a->asked.has_body)
        r = set_body(a, easy, code);
    else if (is_head)
        SET_ALONE(CURLOPT_NOBODY, 1L);
    else
        SET(CURLOPT_HTTPGET, 1L);
    if (!is_head && (a->asked.has_body || strcmp(method, "GET") != 0))
        SET_ALONE(CURLOPT_CUSTOMREQUEST, method);
    return r;
}

int hob__fetch_fill_in(hob_fetch_answer *a)
{
    CURLcode code = CURLE_OK;
    CURL    *easy = a->easy;
    int      r = add_headers(a);
    if (r < 0)
        return r;
    set_connection(a, easy, &code);
    set_headers(a, easy, &code);
    set_proxy(a, easy, &code);
    set_credentials(a, easy, &code);
    r = set_method(a, easy, &code);
    if (r == 0)
        r = set_cookies(a, easy, &code);
    return r < 0 ? r : error_of(code);
}

void hob__fetch_release(hob_fetch_answer *a)
{
    curl_slist_free_all(a->headers);
    curl_slist_free_all(a->resolve);
    curl_mime_free(a->mime);
    a->headers = a->resolve = NULL;
    a->mime = NULL;
}
