/* SPDX-License-Identifier: MIT */
/*
 * Where compiled programs are kept: one flat folder of the user's own.
 *
 *   NAME-HASH   a program; the hash is of all that it was made from
 *   HASH.needs  the headers that a source includes, a line each
 *
 * Files come into being under another name and are then renamed, so any number
 * of processes can share the folder: they write the same or different names,
 * never halves.
 */
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    DAY_S = 24 * 3600,
    KEPT_S = 30 * DAY_S,
};

/* A program in it is run as the user, so nobody else may be able to write there. */
static bool is_ours(const char *folder)
{
    struct stat st;
    return lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0 && access(folder, W_OK | X_OK) == 0;
}

static char *cache_folder_of_user(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *folder;
    if (cache != NULL && cache[0] == '/')
        folder = text("%s/hob", cache);
    else if (home != NULL && home[0] == '/')
        folder = text("%s/.cache/hob", home);
    else
        return NULL;
    return make_folders(folder, 0700) == 0 && is_ours(folder) ? folder : NULL;
}

char *cache_folder_other(void)
{
    const char *temp = getenv("TMPDIR");
    char *folder = text("%s/hob-%lu", temp != NULL && temp[0] == '/' ? temp : "/tmp",
                        (unsigned long)geteuid());
    int r = make_folders(folder, 0700);
    if (r < 0)
        die(EXIT_TROUBLE, "no place for compiled programs: %s: %s", folder, strerror(-r));
    if (!is_ours(folder))
        die(EXIT_TROUBLE, "no place for compiled programs: %s is not a folder of yours alone",
            folder);
    return folder;
}

char *cache_folder(void)
{
    char *folder = cache_folder_of_user();
    return folder != NULL ? folder : cache_folder_other();
}

void cache_used(const char *program)
{
    struct stat st;
    if (stat(program, &st) == 0 && st.st_mtime < time(NULL) - DAY_S)
        (void)utimensat(AT_FDCWD, program, NULL, 0);
}

void cache_prune(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_mtime < time(NULL) - KEPT_S)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}
