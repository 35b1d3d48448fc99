/* SPDX-License-Identifier: MIT */
/* A form with a file in it, and what became of the file. */
#ifndef HOB_TESTS_SITE_UPLOAD_H
#define HOB_TESTS_SITE_UPLOAD_H

#include <hob/form.h>

#include "support/io.h"

enum { FILE_BYTES = 100000 };

static const char TYPE[] = "multipart/form-data; boundary=xYz";

/* A form with a field before and a field behind a file of `len` bytes. Yours to free. */
static inline char *make_form(size_t len, size_t *ret_len)
{
    static const char BEFORE[] = "--xYz\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nSoup\r\n"
        "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../soup.bin\"\r\n"
        "Content-Type: application/x-soup\r\n\r\n";
    static const char BEHIND[] = "\r\n--xYz\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n"
        "--xYz\r\nContent-Disposition: form-data; name=\"last\"\r\n\r\nyes\r\n--xYz--\r\n";
    char *form = malloc(sizeof BEFORE + sizeof BEHIND + len);
    memcpy(form, BEFORE, sizeof BEFORE - 1);
    fill((unsigned char *)form + sizeof BEFORE - 1, len, 0, 5);
    memcpy(form + sizeof BEFORE - 1 + len, BEHIND, sizeof BEHIND - 1);
    *ret_len = sizeof BEFORE + sizeof BEHIND - 2 + len;
    return form;
}

static inline int check_file(const char *path, size_t len)
{
    char  *data;
    size_t got;
    check_ok(hob_path_read(path, 10000000, &data, &got));
    bool is_right = got == len && is_filled((unsigned char *)data, got, 0, 5);
    free(data);
    check(is_right);
    return 0;
}

/* How many names are in the folder. */
static inline int names_in(const char *folder)
{
    DIR_(dir);
    hob_entry entry;
    int       count = 0, r;
    check_ok(hob_dir_open(folder, &dir));
    while ((r = hob_dir_next(dir, &entry)) == 1)
        count++;
    check_ok(r);
    return count;
}

#endif
