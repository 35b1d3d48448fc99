/* SPDX-License-Identifier: MIT */
/*
 * A crawler: follows the links from file to file, and tells which lead nowhere.
 *
 *                    ┌─▶ read a page ─┐
 *     the crawler ───┼─▶ read a page ─┼──▶ the crawler, by a channel
 *      (fan-out)     └─▶ read a page ─┘      (fan-in)
 *
 * There is a task for each page, and a limiter lets eight of them at a time have a file open.
 * What they find comes back by one channel to the one task that knows all pages; so nobody
 * needs a lock, and it is over when as many came back as went out.
 *
 *     build/hob run examples/18_links.c README.md
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <hob.h>

enum { FILES_AT_ONCE = 8, PATH_BYTES = 256 };

typedef char path[PATH_BYTES];

struct page {
    path          name, linked_from;
    int           error; /* 0, or why there is nothing there */
    path         *links; /* as they are written in it        */
    size_t        link_count;
    hob_chan     *done;  /* where it goes when it was read   */
    struct page  *next;
};

struct crawl {
    const char  *start;
    struct page *pages; /* all that were ever heard of */
    size_t       under_way;
    hob_chan    *done;  /* struct page *               */
};

static hob_limiter open_files = { .name = "open files", .limit = FILES_AT_ONCE };

/* ---- one page ---- */

/* What stands between "](" and ")" and is no address of elsewhere. */
struct finder {
    enum { TEXT, BRACKET, LINK } at;
    path   link;
    size_t len;
};

static int add_link(struct page *page, const struct finder *f)
{
    path *more = realloc(page->links, (page->link_count + 1) * sizeof *more);
    if (more == NULL)
        return -ENOMEM;
    page->links = more;
    memcpy(more[page->link_count], f->link, f->len);
    more[page->link_count++][f->len] = '\0';
    return 0;
}

static int look_at(struct page *page, struct finder *f, char c)
{
    if (f->at != LINK) {
        f->at = c == ']' ? BRACKET : c == '(' && f->at == BRACKET ? LINK : TEXT;
        f->len = 0;
        return 0;
    }
    bool is_end = c == ')' || c == '#';
    if (!is_end && c != ':' && !isspace((unsigned char)c) && f->len < PATH_BYTES - 1) {
        f->link[f->len++] = c;
        return 0;
    }
    f->at = TEXT;
    return is_end && f->len > 0 ? add_link(page, f) : 0;
}

static int find_links(struct page *page, hob_file *file)
{
    struct finder f = { .at = TEXT };
    char          buf[4096];
    ssize_t       n;
    while ((n = hob_file_read(file, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            HOB_TRY(look_at(page, &f, buf[i]));
    }
    return (int)n;
}

static bool is_text(const char *name)
{
    size_t len = strlen(name);
    return len > 3 && strcmp(name + len - 3, ".md") == 0;
}

static int visit_page(struct page *page)
{
    struct stat st;
    hob_file   *file;
    HOB_LIMITED(&open_files);
    if (!is_text(page->name))
        return hob_path_stat(page->name, &st); // that it is there is enough
    HOB_TRY(hob_file_open(page->name, O_RDONLY, 0, &file));
    int r = find_links(page, file);
    hob_file_close(file);
    return r;
}

static int read_page(void *arg)
{
    struct page *page = arg;
    page->error = visit_page(page);
    return hob_chan_send(page->done, &page);
}

/* ---- all of them ---- */

static bool ends_with_parent(const char *name, size_t len)
{
    return len >= 2 && memcmp(name + len - 2, "..", 2) == 0 && (len == 2 || name[len - 3] == '/');
}

/* Where a link of that page leads, without "." and "..". */
static void follow(const char *from, const char *link, path ret_name)
{
    char        joined[2 * PATH_BYTES], *rest = NULL;
    const char *slash = strrchr(from, '/');
    int         folder = slash != NULL && link[0] != '/' ? (int)(slash - from) + 1 : 0;
    size_t      len = 0;
    snprintf(joined, sizeof joined, "%.*s%s", folder, from, link);
    const char *lead = joined[0] == '/' ? "/" : "";
    ret_name[0] = '\0';
    for (char *part = strtok_r(joined, "/", &rest); part != NULL; part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0 && len > 0 && !ends_with_parent(ret_name, len)) {
            while (len > 0 && ret_name[--len] != '/')
                ;
            ret_name[len] = '\0';
            continue;
        }
        if (len + strlen(part) + 2 > PATH_BYTES)
            return; // too long for us: the folder above is there
        len += (size_t)sprintf(ret_name + len, "%s%s", len > 0 ? "/" : lead, part);
    }
    if (len == 0)
        strcpy(ret_name, lead[0] == '/' ? "/" : ".");
}

/* Starts to read the page, unless it is known. */
static int go_to(struct crawl *crawl, hob_scope *readers, const char *name, const char *from)
{
    for (const struct page *known = crawl->pages; known != NULL; known = known->next) {
        if (strcmp(known->name, name) == 0)
            return 0;
    }
    struct page *page = calloc(1, sizeof *page);
    if (page == NULL)
        return -ENOMEM;
    snprintf(page->name, sizeof page->name, "%s", name);
    snprintf(page->linked_from, sizeof page->linked_from, "%s", from);
    page->done = crawl->done;
    page->next = crawl->pages;
    crawl->pages = page;
    crawl->under_way++;
    return hob_go(readers, read_page, page);
}

static int follow_all(struct crawl *crawl)
{
    HOB_SCOPE(readers);
    HOB_TRY(go_to(crawl, &readers, crawl->start, "the command line"));
    while (crawl->under_way > 0) {
        struct page *page;
        HOB_TRY(hob_chan_recv(crawl->done, &page));
        crawl->under_way--;
        for (size_t i = 0; i < page->link_count; i++) {
            path name;
            follow(page->name, page->links[i], name);
            HOB_TRY(go_to(crawl, &readers, name, page->name));
        }
    }
    return hob_scope_end(&readers);
}

static int crawl_from(void *arg)
{
    struct crawl *crawl = arg;
    HOB_TRY(hob_chan_new(sizeof(struct page *), FILES_AT_ONCE, HOB_WAIT, NULL, &crawl->done));
    int r = follow_all(crawl);
    hob_chan_free(crawl->done);
    return r;
}

/* ---- what was found ---- */

static size_t tell_and_free(struct page *pages)
{
    size_t files = 0, links = 0, lost = 0;
    for (struct page *page = pages, *next; page != NULL; page = next) {
        next = page->next;
        files++;
        links += page->link_count;
        if (page->error < 0) {
            printf("%s leads to %s: %s\n", page->linked_from, page->name, hob_strerror(page->error));
            lost++;
        }
        free(page->links);
        free(page);
    }
    printf("%zu files, %zu links, %zu of the files are not there\n", files, links, lost);
    return lost;
}

int main(int argc, char **argv)
{
    struct crawl crawl = { .start = argc > 1 ? argv[1] : "README.md" };
    int          r = hob_run(crawl_from, &crawl);
    size_t       lost = tell_and_free(crawl.pages);
    return r < 0 || lost > 0;
}
