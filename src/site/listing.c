/* SPDX-License-Identifier: MIT */
/*
 * The page of a folder: its names, folders first, in the order of their bytes.
 *
 * Names are anybody's: as text they are escaped for HTML, as links for URLs, with "./" before them so
 * that none is taken for a scheme. The page runs no scripts.
 */
#include "site/static.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char **at; /* the first byte is the kind: what is sorted by, too */
    size_t count, cap;
    bool   has_more;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
}

static int add_name(struct names *names, const hob_entry *entry)
{
    if (names->count == LISTING_MAX) {
        names->has_more = true;
        return 0;
    }
    if (names->count == names->cap) {
        size_t cap = names->cap < 64 ? 64 : names->cap * 2;
        char **at = hob__site_grow(names->at, cap * sizeof *at);
        if (at == NULL)
            return -ENOMEM;
        names->at = at;
        names->cap = cap;
    }
    size_t len = strlen(entry->name);
    char  *name = hob__site_alloc(len + 2);
    if (name == NULL)
        return -ENOMEM;
    name[0] = entry->kind == HOB_ENTRY_FOLDER ? '0' : '1';
    memcpy(name + 1, entry->name, len);
    names->at[names->count++] = name;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(const hob_static *files, const char *folder, struct names *names)
{
    hob_dir  *dir;
    hob_entry entry;

    int r = hob_dir_open_dir(files->dir, folder[0] != '\0' ? folder : ".", &dir);
    if (r < 0)
        return r;
    while (!names->has_more && (r = hob_dir_next(dir, &entry)) == 1) {
        bool is_shown = entry.kind == HOB_ENTRY_FILE || entry.kind == HOB_ENTRY_FOLDER
                        || entry.kind == HOB_ENTRY_SYMLINK;
        if (!is_shown || (entry.name[0] == '.' && !files->opts.dotfiles))
            continue;
        r = add_name(names, &entry);
        if (r < 0)
            break;
    }
    hob_dir_close(dir);
    if (r >= 0 && names->count > 0)
        qsort(names->at, names->count, sizeof names->at[0], compare);
    return r < 0 ? r : 0;
}

/* ---- the page ---- */

static int put(struct text *page, const char *text)
{
    return hob__site_put(page, text, strlen(text));
}

static int put_escaped(struct text *page, const char *text)
{
    int r = 0;
    for (; *text != '\0' && r == 0; text++) {
        switch (*text) {
        case '&': r = put(page, "&amp;"); break;
        case '<': r = put(page, "&lt;"); break;
        case '>': r = put(page, "&gt;"); break;
        case '"': r = put(page, "&quot;"); break;
        case '\'': r = put(page, "&#39;"); break;
        default: r = hob__site_put(page, text, 1);
        }
    }
    return r;
}

static int put_link(struct text *page, const char *name)
{
    static const char HEX[] = "0123456789ABCDEF";
    int r = put(page, "./");
    for (; *name != '\0' && r == 0; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                        || strchr("-._~", c) != NULL;
        char escape[3] = { '%', HEX[c >> 4], HEX[c & 15] };
        r = is_plain ? hob__site_put(page, name, 1) : hob__site_put(page, escape, 3);
    }
    return r;
}

static int put_item(struct text *page, const char *item)
{
    const char *slash = item[0] == '0' ? "/" : "";
    int         r = put(page, "<li><a href=\"");
    if (r == 0)
        r = put_link(page, item + 1);
    if (r == 0)
        r = put(page, slash);
    if (r == 0)
        r = put(page, "\">");
    if (r == 0)
        r = put_escaped(page, item + 1);
    if (r == 0)
        r = put(page, slash);
    return r < 0 ? r : put(page, "</a>\n");
}

static int put_head(struct text *page, const char *folder)
{
    static const char *const BEFORE[] = {
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>/", NULL, "</title>\n"
        "<style>body{font:1rem/1.6 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
        "ul{list-style:none;padding:0}</style>\n<h1>/", NULL, "</h1>\n<ul>\n",
    };
    int r = 0;
    for (size_t i = 0; i < sizeof BEFORE / sizeof BEFORE[0] && r == 0; i++)
        r = BEFORE[i] != NULL ? put(page, BEFORE[i]) : put_escaped(page, folder);
    return r == 0 && folder[0] != '\0' ? put(page, "<li><a href=\"../\">../</a>\n") : r;
}

static int make_page(struct text *page, const char *folder, const struct names *names)
{
    int r = put_head(page, folder);
    for (size_t i = 0; i < names->count && r == 0; i++)
        r = put_item(page, names->at[i]);
    if (r == 0)
        r = put(page, names->has_more ? "</ul>\n<p>... and more\n" : "</ul>\n");
    return r;
}

static int reply_page(hob_http_request *req, const struct text *page)
{
    int r = hob_http_set_header(req, "Cache-Control", "no-cache");
    if (r == 0)
        r = hob_http_set_header(req, "X-Content-Type-Options", "nosniff");
    if (r == 0)
        r = hob_http_set_header(req, "Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'");
    return r < 0 ? r : hob_http_reply(req, 200, "text/html; charset=utf-8", page->at, page->len);
}

int hob__site_listing(hob_http_request *req, const hob_static *files, const char *folder)
{
    struct names names = { 0 };
    struct text  page = { 0 };

    int r = read_names(files, folder, &names);
    if (r == 0)
        r = make_page(&page, folder, &names);
    free_names(&names);
    if (r == 0)
        r = reply_page(req, &page);
    hob__site_text_free(&page);
    return r;
}
