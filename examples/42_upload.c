/* SPDX-License-Identifier: MIT */
/*
 * Files that are sent here, kept in a folder, and given out again: 42_upload [PORT [FOLDER]]
 *
 *     curl -T picture.jpg http://localhost:8080/picture.jpg
 *     curl -O http://localhost:8080/picture.jpg
 *
 * A file comes in pieces, so its size does not matter to this program's memory; and it is there under
 * its name only when it came whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/http.h>

/* A name of letters, digits, - _ and ., and not of dots alone: it leads nowhere else. */
static int is_fine(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return len > 0 && len < 200 && name[len] == '\0' && name[0] != '.';
}

static int keep(hob_http_request *req, const char *path)
{
    char      part[600], told[100];
    hob_file *file;

    snprintf(part, sizeof part, "%s.%llu.part", path, (unsigned long long)hob_task_id());
    HOB_TRY(hob_file_open(part, O_WRONLY | O_CREAT | O_TRUNC, 0644, &file));
    hob_copied copied;
    int        r = hob_copy(hob_http_stream(req), hob_file_stream(file), NULL, &copied);
    hob_file_close(file);
    if (r == 0)
        r = hob_path_rename(part, path, 0);
    if (r < 0) {
        HOB_SHIELD(2 * HOB_SEC) { // also when the client has gone away
            if (hob_path_unlink(part) < 0)
                fprintf(stderr, "%s is left over\n", part);
        }
        return r;
    }
    snprintf(told, sizeof told, "%llu bytes\n", (unsigned long long)copied.bytes);
    return hob_http_reply_text(req, 201, told);
}

static int give(hob_http_request *req, const char *path)
{
    hob_file *file;
    int       r = hob_file_open(path, O_RDONLY, 0, &file);
    if (r < 0)
        return hob_http_reply_text(req, r == -ENOENT ? 404 : 500, NULL);
    r = hob_http_reply_file(req, "application/octet-stream", file);
    hob_file_close(file);
    return r;
}

static int handle(hob_http_request *req, void *arg)
{
    const char *folder = arg, *method = hob_http_method(req), *name = hob_http_path(req) + 1;
    char        path[512];

    if (!is_fine(name))
        return hob_http_reply_text(req, 404, NULL);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (strcmp(method, "PUT") == 0)
        return keep(req, path);
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return give(req, path);
    HOB_TRY(hob_http_set_header(req, "Allow", "GET, HEAD, PUT"));
    return hob_http_reply_text(req, 405, NULL);
}

/* A line for each answer. */
static void log_it(void *arg, const hob_http_record *record)
{
    printf("%d %s %s, %llu in, %llu out, %.1f ms%s%s\n", record->status, record->method, record->target,
           (unsigned long long)record->body_bytes, (unsigned long long)record->answer_bytes,
           (double)record->took_ns / 1e6, record->error < 0 ? ": " : "",
           record->error < 0 ? hob_strerror(record->error) : "");
}

struct settings {
    uint16_t    port;
    const char *folder;
};

static int serve(void *arg)
{
    const struct settings *settings = arg;
    hob_addr               here = hob_addr_loopback(settings->port);
    hob_http_opts          opts = {
        .body_bytes_max = UINT64_C(4) << 30, // 4 GiB
        .body_ns = HOB_HOUR,
        .request_ns = HOB_HOUR,
        .record = log_it,
    };
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    printf("files in %s, on port %u\n", settings->folder, hob_addr_port(&here));
    int r = hob_http_serve(listener, &opts, handle, (void *)settings->folder);
    hob_tcp_listener_close(listener);
    return r;
}

int main(int argc, char **argv)
{
    struct settings settings = { (uint16_t)(argc > 1 ? atoi(argv[1]) : 8080), argc > 2 ? argv[2] : "." };
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, &settings);
}
