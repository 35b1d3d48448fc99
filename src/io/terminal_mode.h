/* SPDX-License-Identifier: MIT */
/*
 * Terminals that are not as they were, and how they are given back whatever happens.
 *
 * A table of the process holds what each was like. It is read by handlers of signals that end or
 * stop the process, which are there while the table is not empty, and by exit(). Any thread.
 */
#ifndef HOB_IO_TERMINAL_MODE_H
#define HOB_IO_TERMINAL_MODE_H

enum terminal_mode {
    TERMINAL_RAW,     /* each byte at once, nothing shown           */
    TERMINAL_NO_ECHO, /* lines as ever, but nothing shown           */
};

/* Changes the terminal behind the descriptor. Returns its place in the table, for leave; -EMFILE;
 * or another negative errno. */
int  hob__terminal_mode_enter(int fd, enum terminal_mode mode);
void hob__terminal_mode_leave(int place);

#endif
