/* SPDX-License-Identifier: MIT */
/*
 * Asks the program addr2line for files and lines.
 *
 * It is a child process that the rest of the program does not notice: it sends no SIGCHLD, a
 * wait for "any child" does not find it, and after two seconds it is killed, and none is asked
 * again. The calling thread sleeps meanwhile. No memory is allocated and no lock taken, so a
 * signal handler may ask.
 *
 * Not asked at all where HOB_SYMBOLS=0, where it is not installed, in set-user-id programs and
 * under Valgrind. Not for two threads at once: the buffers are static.
 */
#ifndef HOB_INSPECT_ADDR2LINE_H
#define HOB_INSPECT_ADDR2LINE_H

#include <stddef.h>
#include <stdint.h>

enum { LINE_TEXT_MAX = 64, ADDRESSES_PER_QUESTION = 32 };

struct source_line {
    char text[LINE_TEXT_MAX];    /* "file.c:42", or "" when it is not known               */
    char inlined[LINE_TEXT_MAX]; /* the innermost function there, as the source has it    */
    char outer[LINE_TEXT_MAX];   /* the function into which that was inlined, or the same */
};

/* Fills in `count` lines for addresses of the file, as it counts them. */
void hob__addr2line(const char *file, const uint64_t *vaddrs, size_t count,
                    struct source_line *ret_lines);

#endif
