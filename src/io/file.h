/* SPDX-License-Identifier: MIT */
/* An open file, as the files file_*.c of this folder see it. */
#ifndef HOB_IO_FILE_H
#define HOB_IO_FILE_H

#include <sys/stat.h>

#include "hob/file.h"
#include "io/conn.h"
#include "io/fs.h"

/* Tasks that sync one file at once share one op: file_sync.c. */
struct syncs {
    struct op   op;         /* the file's own: FSYNC, or FS_DATASYNC             */
    struct fs_call call;
    bool        flies;
    struct op  *starting;   /* it may be told before it waits                    */
    struct list now;        /* who waits for the one that flies, by op.link      */
    struct list next;       /* who came since it began                           */
};

struct hob_file {
    hob_stream    stream;     /* first: the file is a stream                   */
    enum hob__tag tag;
    uint32_t      uses;       /* writes and syncs that have not ended          */
    bool          is_gone;    /* the descriptor is closed; the last use frees  */
    int           sync_error; /* of the first sync that failed, then of all    */
    struct desc   desc;
    struct syncs  syncs;

    /* Of the opening only. */
    const char   *path;
    int           flags;
    unsigned      mode;
    hob_file    **ret_file;
    const void   *made_at;
    struct stat   looked;
};

static inline bool file_is_open(const hob_file *file)
{
    return file != NULL && file->tag == TAG_FILE;
}

/* The file needs its memory until this ended, also when it is closed meanwhile. */
static inline void file_begin_use(hob_file *file)
{
    file->uses++;
}

void hob__file_end_use(hob_file *file);

/* A file made of a bare descriptor, of this type (S_IFMT). Takes it, also on failure: -ENOMEM. */
int hob__file_adopt(int fd, unsigned type, const void *made_at, hob_file **ret_file);

/* A file that has no name, in this folder: -EOPNOTSUPP where there are none. And its first name. */
int hob__file_open_unnamed(const char *folder, unsigned mode, const void *made_at,
                           hob_file **ret_file);
int hob__file_link(hob_file *file, const char *path);

#endif
