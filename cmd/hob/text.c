/* SPDX-License-Identifier: MIT */
/* Texts, files, hashes. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *need(void *memory)
{
    if (memory == NULL)
        die(EXIT_TROUBLE, "out of memory");
    return memory;
}

char *text(const char *format, ...)
{
    char *made;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&made, format, args);
    va_end(args);
    return need(len < 0 ? NULL : made);
}

bool starts_with(const char *whole, const char *part)
{
    return strncmp(whole, part, strlen(part)) == 0;
}

bool ends_with(const char *whole, const char *part)
{
    size_t len = strlen(whole), part_len = strlen(part);
    return len >= part_len && strcmp(whole + len - part_len, part) == 0;
}

char *copy_part(const char *from, size_t len)
{
    return need(strndup(from, len));
}

char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return text(".");
    return slash == path ? text("/") : copy_part(path, (size_t)(slash - path));
}

bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- files ---- */

enum { FILE_BYTES_MAX = 64 * 1024 * 1024 }; // nobody wants more of what is read whole; /dev/zero has more

int read_file(const char *path, char **ret_data, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;

    size_t len = 0, room = 16384;
    char *data = need(malloc(room));
    ssize_t n;
    while ((n = read(fd, data + len, room - len - 1)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || len > FILE_BYTES_MAX) {
            int error = n < 0 ? errno : EFBIG;
            close(fd);
            free(data);
            return -error;
        }
        len += (size_t)n;
        if (room - len - 1 == 0)
            data = need(realloc(data, room *= 2));
    }
    close(fd);
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int write_file(const char *path, const char *data)
{
    char *temp = text("%s.XXXXXX", path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return -errno;

    mode_t mask = umask(0);
    umask(mask);
    int r = write_all(fd, data, strlen(data));
    if (r == 0 && fchmod(fd, 0666 & ~mask) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temp);
    return r;
}

int make_folders(const char *path, unsigned mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno == EEXIST)
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    char *above = folder_of(path);
    if (errno != ENOENT || strcmp(above, path) == 0)
        return -errno;
    int r = make_folders(above, mode);
    if (r < 0)
        return r;
    return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

/* ---- lists ---- */

void texts_add(struct texts *texts, char *item)
{
    texts->at = need(realloc(texts->at, (texts->count + 2) * sizeof texts->at[0]));
    texts->at[texts->count++] = item;
    texts->at[texts->count] = NULL;
}

void texts_add_words(struct texts *texts, const char *words)
{
    for (;;) {
        words += strspn(words, " \t\r");
        size_t len = strcspn(words, " \t\r\n");
        if (len == 0)
            return;
        texts_add(texts, copy_part(words, len));
        words += len;
    }
}

/* ---- hashes ---- */

void hash_init(struct hash *hash)
{
    hash->state = (unsigned __int128)0x6C62272E07BB0142 << 64 | 0x62B821756295C58D;
}

void hash_add(struct hash *hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13B;
    for (size_t i = 0; i < len; i++)
        hash->state = (hash->state ^ bytes[i]) * prime;
}

/* With its NUL, so that "ab", "c" is not "a", "bc". */
void hash_add_text(struct hash *hash, const char *item)
{
    hash_add(hash, item, strlen(item) + 1);
}

void hash_add_file_identity(struct hash *hash, const char *path)
{
    struct stat st;
    hash_add_text(hash, path);
    if (stat(path, &st) < 0)
        return;
    hash_add(hash, &st.st_size, sizeof st.st_size);
    hash_add(hash, &st.st_mtim.tv_sec, sizeof st.st_mtim.tv_sec);
    hash_add(hash, &st.st_mtim.tv_nsec, sizeof st.st_mtim.tv_nsec);
}

char *hash_name(const struct hash *hash)
{
    return text("%016llx%016llx", (unsigned long long)(hash->state >> 64),
                (unsigned long long)hash->state);
}
