/* SPDX-License-Identifier: MIT */
/* Media types by the end of a name: those that sites are made of. After the IANA's registry and, where
 * browsers know better, the WHATWG's MIME Sniffing. */
#include <stdlib.h>
#include <string.h>

#include "hob/static.h"
#include "site/site.h"

/* In the order of strcmp. */
static const hob_static_type TYPES[] = {
    { "7z", "application/x-7z-compressed" },
    { "aac", "audio/aac" },
    { "apk", "application/vnd.android.package-archive" },
    { "apng", "image/apng" },
    { "atom", "application/atom+xml" },
    { "avif", "image/avif" },
    { "bin", "application/octet-stream" },
    { "bmp", "image/bmp" },
    { "br", "application/octet-stream" },
    { "bz2", "application/x-bzip2" },
    { "c", "text/plain; charset=utf-8" },
    { "cjs", "text/javascript; charset=utf-8" },
    { "css", "text/css; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "deb", "application/vnd.debian.binary-package" },
    { "diff", "text/plain; charset=utf-8" },
    { "doc", "application/msword" },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
    { "eot", "application/vnd.ms-fontobject" },
    { "epub", "application/epub+zip" },
    { "flac", "audio/flac" },
    { "gif", "image/gif" },
    { "gz", "application/gzip" },
    { "h", "text/plain; charset=utf-8" },
    { "htm", "text/html; charset=utf-8" },
    { "html", "text/html; charset=utf-8" },
    { "ico", "image/x-icon" },
    { "ics", "text/calendar; charset=utf-8" },
    { "iso", "application/octet-stream" },
    { "jar", "application/java-archive" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript; charset=utf-8" },
    { "json", "application/json" },
    { "jsonl", "application/jsonl" },
    { "jsonld", "application/ld+json" },
    { "jxl", "image/jxl" },
    { "log", "text/plain; charset=utf-8" },
    { "m3u8", "application/vnd.apple.mpegurl" },
    { "m4a", "audio/mp4" },
    { "m4v", "video/mp4" },
    { "map", "application/json" },
    { "md", "text/markdown; charset=utf-8" },
    { "mid", "audio/midi" },
    { "mjs", "text/javascript; charset=utf-8" },
    { "mov", "video/quicktime" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "mpd", "application/dash+xml" },
    { "mpeg", "video/mpeg" },
    { "odp", "application/vnd.oasis.opendocument.presentation" },
    { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
    { "odt", "application/vnd.oasis.opendocument.text" },
    { "oga", "audio/ogg" },
    { "ogg", "audio/ogg" },
    { "ogv", "video/ogg" },
    { "opus", "audio/ogg" },
    { "otf", "font/otf" },
    { "patch", "text/plain; charset=utf-8" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "ppt", "application/vnd.ms-powerpoint" },
    { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
    { "ps", "application/postscript" },
    { "rss", "application/rss+xml" },
    { "rtf", "application/rtf" },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "toml", "application/toml" },
    { "ts", "video/mp2t" },
    { "tsv", "text/tab-separated-values; charset=utf-8" },
    { "ttc", "font/collection" },
    { "ttf", "font/ttf" },
    { "txt", "text/plain; charset=utf-8" },
    { "vtt", "text/vtt; charset=utf-8" },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "weba", "audio/webm" },
    { "webm", "video/webm" },
    { "webmanifest", "application/manifest+json" },
    { "webp", "image/webp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "xhtml", "application/xhtml+xml" },
    { "xls", "application/vnd.ms-excel" },
    { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    { "xml", "application/xml" },
    { "xz", "application/x-xz" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

void hob__site_extension(const char *name, char out[static 16])
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash != NULL ? slash : name, '.');
    size_t      len = dot != NULL ? strlen(dot + 1) : 0;

    if (len > 15)
        len = 0;
    for (size_t i = 0; i < len; i++) {
        char c = dot[1 + i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    out[len] = '\0';
}

static int compare(const void *extension, const void *type)
{
    return strcmp(extension, ((const hob_static_type *)type)->extension);
}

const char *hob_static_type_of(const char *name)
{
    char extension[16];

    hob__site_extension(name, extension);
    const hob_static_type *found = bsearch(extension, TYPES, sizeof TYPES / sizeof TYPES[0],
                                           sizeof TYPES[0], compare);
    return found != NULL ? found->type : NULL;
}
