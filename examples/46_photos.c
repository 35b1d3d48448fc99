/* SPDX-License-Identifier: MIT */
/*
 * A page to which files are sent, with a bar that shows how far they are: 46_photos [PORT [FOLDER]]
 *
 * Open http://127.0.0.1:8080/ in a browser. What is sent goes to the folder as it comes, and is there under its
 * name when it is whole. Without scripts the page works, too, but for the bar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <hob.h>
#include <hob/form.h>
#include <hob/session.h>
#include <hob/static.h>

struct album {
    const char   *folder;
    hob_static   *files;
    hob_sessions *sessions;
};

/* ---- the page ---- */

static const char HEAD[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Photos</title>\n"
    "<style>body { font: 1.1rem/1.6 system-ui; max-width: 40rem; margin: 3rem auto; color-scheme: light dark }\n"
    "progress { width: 100% } #said { font-weight: bold }</style>\n<h1>Photos</h1>\n";

static const char FORM[] =
    "<p><input type=\"file\" name=\"file\" id=\"file\" multiple required>\n"
    "<button id=\"send\">Send</button>\n<p><progress id=\"bar\" value=\"0\" max=\"100\"></progress> "
    "<output id=\"percent\"></output>\n</form>\n"
    "<script>\n"
    "document.getElementById('form').addEventListener('submit', event => {\n"
    "  event.preventDefault();\n"
    "  const request = new XMLHttpRequest(), form = event.target;\n"
    "  document.getElementById('send').disabled = true;\n"
    "  request.upload.onprogress = now => {\n"
    "    const percent = Math.floor(100 * now.loaded / now.total);\n"
    "    document.getElementById('bar').value = percent;\n"
    "    document.getElementById('percent').textContent = percent + ' %';\n"
    "  };\n"
    "  request.onload = () => location.reload();\n"
    "  request.onerror = () => { document.getElementById('percent').textContent = 'It was not sent.'; };\n"
    "  request.open('POST', form.action);\n"
    "  request.setRequestHeader('Accept', 'text/plain');\n"
    "  request.send(new FormData(form));\n"
    "});\n"
    "</script>\n<ul id=\"list\">\n";

static int write_text(hob_http_request *req, const char *text)
{
    return (int)hob_http_write(req, text, strlen(text));
}

/* Names are what somebody says: as text of a page they must be nothing but text. */
static int write_escaped(hob_http_request *req, const char *text)
{
    char entity[8];
    for (; *text != '\0'; text++) {
        snprintf(entity, sizeof entity, strchr("<>&\"'", *text) != NULL ? "&#%d;" : "%c", *text);
        HOB_TRY(write_text(req, entity));
    }
    return 0;
}

static int write_link(hob_http_request *req, const char *name)
{
    char escape[4];
    HOB_TRY(write_text(req, "<li><a href=\"/files/"));
    for (const char *at = name; *at != '\0'; at++) {
        snprintf(escape, sizeof escape, "%%%02X", (unsigned char)*at);
        HOB_TRY(write_text(req, escape));
    }
    HOB_TRY(write_text(req, "\">"));
    HOB_TRY(write_escaped(req, name));
    return write_text(req, "</a>\n");
}

static int write_list(hob_http_request *req, const char *folder)
{
    hob_dir  *dir;
    hob_entry entry;
    int       r;

    HOB_TRY(hob_dir_open(folder, &dir));
    while ((r = hob_dir_next(dir, &entry)) == 1) {
        if (entry.kind != HOB_ENTRY_FILE || entry.name[0] == '.')
            continue;
        r = write_link(req, entry.name);
        if (r < 0)
            break;
    }
    hob_dir_close(dir);
    return r;
}

static int show_page(hob_http_request *req, struct album *album, hob_session *session)
{
    char        token[HOB_SESSION_TOKEN];
    const char *said = hob_session_flashed(session, "said");

    if (hob_session_token(session, token) == NULL)
        return -EIO;
    HOB_TRY(hob_session_save(session, req));
    HOB_TRY(hob_http_begin(req, 200, "text/html; charset=utf-8", -1));
    HOB_TRY(write_text(req, HEAD));
    HOB_TRY(write_text(req, "<p id=\"said\">"));
    HOB_TRY(write_escaped(req, said != NULL ? said : ""));
    HOB_TRY(write_text(req, "\n<form id=\"form\" method=\"post\" action=\"/send\" enctype=\"multipart/form-data\">\n"
                            "<input type=\"hidden\" name=\"token\" value=\""));
    HOB_TRY(write_text(req, token));
    HOB_TRY(write_text(req, "\">\n"));
    HOB_TRY(write_text(req, FORM));
    HOB_TRY(write_list(req, album->folder));
    return write_text(req, "</ul>\n");
}

/* ---- what is sent ---- */

/* Puts a file into the folder. Under a name that is there already it is not. */
static int keep(hob_form_reader *in, const char *filename, const char *folder, uint64_t *ret_bytes)
{
    char name[HOB_FORM_SAFE_NAME], path[4096];

    hob_form_safe_name(filename, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return hob_form_reader_save(in, path, HOB_FORM_NEW, ret_bytes);
}

/* Whether the part is the token of this session: else another site had the form sent. */
static int check_token(hob_form_reader *in, hob_session *session)
{
    char  *token;
    size_t len;

    HOB_TRY(hob_form_reader_text(in, &token, &len));
    int is_good = hob_session_token_is_good(session, token);
    free(token);
    return is_good ? 0 : -EACCES;
}

/* The token comes first: before it nothing is kept. */
static int take_parts(hob_form_reader *in, struct album *album, hob_session *session, int *ret_files)
{
    hob_form_part part;
    uint64_t      bytes;
    int           r, is_ours = 0, files = 0;

    while ((r = hob_form_reader_next(in, &part)) > 0) {
        if (strcmp(part.name, "token") == 0) {
            HOB_TRY(check_token(in, session));
            is_ours = 1;
        } else if (part.filename != NULL && part.filename[0] != '\0') {
            if (!is_ours)
                return -EACCES;
            HOB_TRY(keep(in, part.filename, album->folder, &bytes));
            files++;
        }
    }
    *ret_files = files;
    return r;
}

static int take(hob_http_request *req, struct album *album, hob_session *session)
{
    hob_form_opts    opts = { .file_bytes_max = UINT64_C(4) << 30 };
    hob_form_reader *in;
    char             said[100];
    int              files = 0;

    int r = hob_form_reader_open(req, &opts, &in);
    if (r == 0) {
        r = take_parts(in, album, session, &files);
        hob_form_reader_close(in);
    }
    if (r == -EACCES)
        return hob_http_reply_text(req, 403, NULL);
    if (r < 0 && r != -EEXIST)
        return hob_form_refuse(req, r);
    snprintf(said, sizeof said, r == 0 ? "Thank you for %d of them." : "There is one of that name.", files);
    HOB_TRY(hob_session_flash(session, "said", said));
    HOB_TRY(hob_session_save(session, req));
    if (hob_http_header(req, "Accept") != NULL && strcmp(hob_http_header(req, "Accept"), "text/plain") == 0)
        return hob_http_reply_text(req, 200, said); // to the script, which asks for the page then
    return hob_http_redirect(req, 303, "/");
}

/* ---- the site ---- */

/* What others have sent is shown, but runs nothing in the name of this site. */
static int give(hob_http_request *req, struct album *album)
{
    HOB_TRY(hob_http_set_header(req, "Content-Security-Policy", "sandbox"));
    return hob_static_handle(req, album->files);
}

static int handle(hob_http_request *req, void *arg)
{
    struct album *album = arg;
    const char   *path = hob_http_path(req), *method = hob_http_method(req);
    hob_session  *session;

    if (strncmp(path, "/files/", 7) == 0)
        return give(req, album);
    int is_page = strcmp(path, "/") == 0 && strcmp(method, "GET") == 0;
    if (!is_page && (strcmp(path, "/send") != 0 || strcmp(method, "POST") != 0))
        return hob_http_reply_text(req, 404, NULL);
    HOB_TRY(hob_session_open(album->sessions, req, &session));
    int r = is_page ? show_page(req, album, session) : take(req, album, session);
    hob_session_close(session);
    return r;
}

struct settings {
    uint16_t    port;
    const char *folder;
};

/* A secret for as long as the program runs: a service keeps one, so that visitors outlive it. */
static int make_sessions(hob_sessions **ret_sessions)
{
    unsigned char random[32];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -EIO;
    hob_session_secret secret = { random, sizeof random };
    hob_session_opts   opts = { .secrets = &secret, .secret_count = 1, .insecure = 1 }; // there is no TLS here
    return hob_sessions_new(&opts, ret_sessions);
}

static int listen_and_serve(struct album *album, uint16_t port)
{
    hob_addr          here = hob_addr_loopback(port);
    hob_http_opts     opts = { .body_bytes_max = UINT64_C(4) << 30, .body_ns = HOB_HOUR, .request_ns = HOB_HOUR };
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    printf("photos in %s, on port %u\n", album->folder, hob_addr_port(&here));
    int r = hob_http_serve(listener, &opts, handle, album);
    hob_tcp_listener_close(listener);
    return r;
}

static int serve(void *arg)
{
    const struct settings *settings = arg;
    struct album           album = { .folder = settings->folder };
    hob_static_opts        opts = { .prefix = "/files" };

    int r = hob_static_open(settings->folder, &opts, &album.files);
    if (r == 0)
        r = make_sessions(&album.sessions);
    if (r == 0)
        r = listen_and_serve(&album, settings->port);
    hob_sessions_free(album.sessions);
    hob_static_close(album.files);
    return r;
}

int main(int argc, char **argv)
{
    struct settings settings = { (uint16_t)(argc > 1 ? atoi(argv[1]) : 8080), argc > 2 ? argv[2] : "." };
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, &settings);
}
