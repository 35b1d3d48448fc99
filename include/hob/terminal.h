/* SPDX-License-Identifier: MIT */
/*
 * The terminal: its size, its keys one by one, and passwords.
 *
 *     hob_terminal *t;
 *     HOB_TRY(hob_terminal_open(&t));
 *     HOB_TRY(hob_terminal_raw(t));
 *     for (hob_key key; (r = hob_terminal_read_key(t, &key)) == 0 && key.code != 'q';)
 *         ...
 *     hob_terminal_close(t);
 *
 * In raw mode each key comes at once, nothing is shown that was typed, and ^C is a key. The
 * terminal is given back as it was by hob_terminal_close, and when that is never called: at the
 * end of the run, by exit(), by abort(), and by a signal that ends or stops the process (SIGTSTP;
 * with SIGCONT it is raw again). Only SIGKILL, SIGSTOP and _exit() leave it raw.
 *
 * The simulated world has no terminal: -ENOTTY.
 */
#ifndef HOB_TERMINAL_H
#define HOB_TERMINAL_H

#include "hob/op.h"

HOB_BEGIN_DECLS

typedef struct hob_terminal hob_terminal;

/* In characters. 0: the terminal does not know. */
typedef struct hob_terminal_size {
    uint16_t rows, columns;
} hob_terminal_size;

/* 1 when the descriptor is a terminal, else 0. Does not wait; may be called anywhere. */
HOB_API int hob_is_terminal(int fd);

/* The terminal of this process (/dev/tty), also when 0, 1 and 2 lead elsewhere. Does not wait.
 * Returns 0; -ENOTTY when there is none; -EMFILE, -ENFILE, -ENOMEM. */
HOB_API HOB_MUST_USE int hob_terminal_open(hob_terminal **ret_terminal);

/* Another terminal, such as a serial line: takes the descriptor, which must be open to read and
 * write, and closes it at the end, unless it is 0, 1 or 2. Does not wait. Returns 0, -ENOTTY,
 * -EBADF, -ENOMEM; then the descriptor is still yours. */
HOB_API HOB_MUST_USE int hob_terminal_from_fd(int fd, hob_terminal **ret_terminal);

/* Gives the terminal back as it was, and frees it; NULL is fine. Whoever waits on it gets
 * -ECANCELED. Does not wait. */
HOB_API void hob_terminal_close(hob_terminal *terminal);

/* Raw from now on, and as it was before the first of these. At most 8 terminals of a process are
 * raw at a time (-EMFILE). Neither waits. hob_terminal_raw returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_terminal_raw(hob_terminal *terminal);
HOB_API void             hob_terminal_restore(hob_terminal *terminal);

/* The size now. Does not wait. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_terminal_get_size(hob_terminal *terminal, hob_terminal_size *ret_size);

/* Waits until the size is another than the one that was told last, by this or by
 * hob_terminal_get_size. Waits for SIGWINCH (hob/signal.h), which only the terminal of this process
 * sends. Returns 0; -ENOMEM, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_terminal_wait_resized(hob_terminal *terminal,
                                                   hob_terminal_size *ret_size);

/* As in hob/stream.h: one reader and one writer at a time. */
HOB_API HOB_MUST_USE ssize_t hob_terminal_read(hob_terminal *terminal, void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_terminal_write(hob_terminal *terminal, const void *buf, size_t len);

/* ---- keys ---- */

/* What is no character: above all that Unicode has. */
enum {
    HOB_KEY_UP = 0x110000, HOB_KEY_DOWN, HOB_KEY_RIGHT, HOB_KEY_LEFT, HOB_KEY_HOME, HOB_KEY_END,
    HOB_KEY_INSERT, HOB_KEY_DELETE, HOB_KEY_PAGE_UP, HOB_KEY_PAGE_DOWN, HOB_KEY_BACKTAB,
    HOB_KEY_F1, HOB_KEY_F2, HOB_KEY_F3, HOB_KEY_F4, HOB_KEY_F5, HOB_KEY_F6, HOB_KEY_F7, HOB_KEY_F8,
    HOB_KEY_F9, HOB_KEY_F10, HOB_KEY_F11, HOB_KEY_F12,
    HOB_KEY_UNKNOWN, /* an escape sequence that is none of these */
};

enum { HOB_KEY_ENTER = '\r', HOB_KEY_TAB = '\t', HOB_KEY_ESCAPE = 27, HOB_KEY_BACKSPACE = 127 };
enum { HOB_KEY_SHIFT = 1, HOB_KEY_ALT = 2, HOB_KEY_CTRL = 4 };

/* A key. A letter with Ctrl comes as that letter, in lower case, and HOB_KEY_CTRL: ^C is 'c'. The
 * four codes above are sent by keys of their own and have no HOB_KEY_CTRL (^M is Enter). */
typedef struct hob_key {
    uint32_t code;      /* a Unicode character or one of HOB_KEY_...; 0xFFFD: bytes that are none */
    uint32_t modifiers; /* of HOB_KEY_SHIFT, HOB_KEY_ALT, HOB_KEY_CTRL                            */
} hob_key;

/* Waits for the next key, in raw mode. Escape alone is told 50 ms after it came, because other
 * keys begin with it. Returns 0; HOB_EOF when the terminal is gone; -EIO and what reading gives;
 * -ECANCELED, -ETIMEDOUT: nothing that was typed is lost. */
HOB_API HOB_MUST_USE int hob_terminal_read_key(hob_terminal *terminal, hob_key *ret_key);

/* What hob_terminal_read_key understands, for bytes from elsewhere: takes the first key of `bytes`.
 * Returns how many bytes it took; 0: more are needed to tell, unless none will come (`complete`),
 * and then it is 0 only when `len` is. Does not wait; may be called anywhere. */
HOB_API size_t hob_key_parse(const void *bytes, size_t len, int complete, hob_key *ret_key);

/* ---- passwords ---- */

/* Shows `prompt`, reads a line without showing what is typed, and writes it to `buf`, without the
 * line's end and with a 0 at its end. Uses the terminal of this process. Waits. Returns the
 * length; HOB_EOF when there was no line; -EMSGSIZE for a line that `size` bytes do not hold, which
 * is taken; -ENOTTY and what hob_terminal_open gives; -ECANCELED, -ETIMEDOUT. On every error `buf`
 * is wiped, and the terminal is always given back as it was. */
HOB_API HOB_MUST_USE ssize_t hob_terminal_read_password(const char *prompt, char *buf, size_t size);

HOB_END_DECLS

#endif
