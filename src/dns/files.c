/* SPDX-License-Identifier: MIT */
/*
 * /etc/hosts and /etc/resolv.conf.
 *
 * A file that is not there, may not be read, or is too large says nothing: then the defaults hold, and
 * hob_dns_stats tells why. A failure that passes (no memory, no descriptor, an error of the disk) does
 * not take away what was known before.
 */
#include "dns/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dns/memory.h"
#include "hob/offload.h"
#include "hob/path.h"

enum {
    HOSTS_MAX = 4 << 20,
    RESOLV_MAX = 64 << 10,
    HOSTS_SMALL = 64 << 10, /* a larger one is read, and sorted, on another thread */
};

/* ---- views ---- */

struct dns_view *hob__dns_view_ref(struct dns_view *view)
{
    view->refs++;
    return view;
}

void hob__dns_view_unref(struct dns_view *view)
{
    if (view == NULL || --view->refs > 0)
        return;
    hob__dns_hosts_free(&view->hosts);
    hob__dns_free(view);
}

/* ---- looking ---- */

/* The file as it is now. Only what is no property of the file is an error. */
static int look_at(const struct dns_file *file, struct dns_file *ret_file)
{
    struct stat stat;
    *ret_file = (struct dns_file){ .path = file->path, .error = -ENOENT, .size = -1 };
    if (file->path[0] == '\0')
        return 0;
    int r = hob_path_stat(file->path, &stat);
    if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP)
        ret_file->error = r;
    else if (r < 0)
        return r;
    else
        *ret_file = (struct dns_file){
            .path = file->path, .dev = stat.st_dev, .inode = stat.st_ino, .size = stat.st_size,
            .written_s = stat.st_mtim.tv_sec, .written_ns = stat.st_mtim.tv_nsec,
            .changed_s = stat.st_ctim.tv_sec, .changed_ns = stat.st_ctim.tv_nsec,
        };
    return 0;
}

static bool is_the_same(const struct dns_file *a, const struct dns_file *b)
{
    return a->dev == b->dev && a->inode == b->inode && a->size == b->size &&
           a->written_s == b->written_s && a->written_ns == b->written_ns &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

/* Errors that say something about the file, and not about this moment. */
static bool is_of_the_file(int error)
{
    return error == -ENOENT || error == -EACCES || error == -EFBIG || error == -EISDIR ||
           error == -ENOTDIR || error == -ELOOP || error == -EPERM;
}

/* The text, or NULL: the file says nothing, and file->error why. */
static int read_text(struct dns_file *file, size_t limit, char **ret_text, size_t *ret_len)
{
    *ret_text = NULL;
    *ret_len = 0;
    if (file->error < 0)
        return 0;
    int r = hob_path_read(file->path, limit, ret_text, ret_len);
    if (r < 0 && !is_of_the_file(r))
        return r;
    file->error = r < 0 ? r : 0;
    return 0;
}

/* ---- reading ---- */

struct hosts_reading {
    struct dns_hosts *hosts;
    char             *text;
    size_t            len;
};

static int read_hosts_text(void *arg)
{
    struct hosts_reading *reading = arg;
    char                 *text = reading->text;
    reading->text = NULL; // it is the hosts' now
    return hob__dns_hosts_read(reading->hosts, text, reading->len);
}

static int read_hosts(struct dns_file *file, struct dns_hosts *hosts)
{
    struct hosts_reading reading = { .hosts = hosts };
    int r = read_text(file, HOSTS_MAX, &reading.text, &reading.len);
    if (r < 0 || reading.text == NULL)
        return r;
    r = reading.len <= HOSTS_SMALL ? read_hosts_text(&reading)
                                   : hob_offload(hob_pool_cpu(), read_hosts_text, &reading);
    free(reading.text);
    if (r == -EFBIG) {
        hob__dns_hosts_free(hosts);
        file->error = r;
        r = 0;
    }
    return r;
}

static int read_resolv(struct dns_file *file, struct dns_resolv *resolv)
{
    char  *text;
    size_t len;
    int    r = read_text(file, RESOLV_MAX, &text, &len);
    if (r == 0 && text != NULL)
        hob__dns_resolv_read(resolv, text);
    free(text);
    return r;
}

static void set_servers(struct dns_view *view, const struct dns_files *files)
{
    struct dns_resolv *resolv = &view->resolv;
    if (files->server_count > 0) {
        memcpy(resolv->servers, files->servers, sizeof files->servers);
        resolv->server_count = files->server_count;
    }
    for (size_t i = 0; i < resolv->server_count; i++)
        view->servers[i].addr = resolv->servers[i];
}

static int read_both(struct dns_files *now, struct dns_view **ret_view)
{
    struct dns_view *view = hob__dns_alloc_zero(sizeof *view);
    if (view == NULL)
        return -ENOMEM;
    view->refs = 1;
    hob__dns_resolv_default(&view->resolv);
    int r = read_hosts(&now->hosts, &view->hosts);
    if (r == 0)
        r = read_resolv(&now->resolv, &view->resolv);
    if (r < 0) {
        hob__dns_view_unref(view);
        return r;
    }
    set_servers(view, now);
    *ret_view = view;
    return 0;
}

static bool is_of_the_caller(int error)
{
    return error == -ENOMEM || error == -ECANCELED || error == -ETIMEDOUT || error == HOB_ESTUCK;
}

int hob__dns_files_look(struct dns_files *files, const struct dns_view *before,
                        struct dns_view **ret_view)
{
    struct dns_files now = *files;
    int              r = look_at(&files->hosts, &now.hosts);
    if (r == 0)
        r = look_at(&files->resolv, &now.resolv);
    if (r == 0 && before != NULL && !files->must_read && is_the_same(&files->hosts, &now.hosts) &&
        is_the_same(&files->resolv, &now.resolv))
        return 0;
    if (r == 0)
        r = read_both(&now, ret_view);
    if (r < 0 && before == NULL && !is_of_the_caller(r)) {
        // Nothing is known, and nothing can be read now: as if there were no files.
        now.hosts.error = now.resolv.error = r;
        r = read_both(&now, ret_view);
        now.hosts.size = now.resolv.size = -2; // so that the next look reads them
    }
    if (r < 0)
        return r;
    now.must_read = false;
    *files = now;
    return 1;
}
