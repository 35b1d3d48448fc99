/* SPDX-License-Identifier: MIT */
/*
 * hob/terminal.h. A terminal is a connection whose descriptor is read and written as a pipe's is;
 * what it is like is changed in terminal_mode.c, and keys are read in key.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/worker.h"
#include "hob/signal.h"
#include "hob/terminal.h"
#include "io/conn.h"
#include "io/terminal_mode.h"

#define ESCAPE_ALONE (50 * HOB_MSEC)

enum { AT_POSITION = -1, KEY_BYTES = 64, NOT_CHANGED = -1 };

struct hob_terminal {
    struct conn       conn; /* first */
    void            (*conn_gone)(struct desc *desc);
    int               mode; /* its place in the table of terminal_mode.c; NOT_CHANGED */
    hob_terminal_size told;
    hob_signals      *resized;      /* of who waits for a new size; NULL       */
    bool             *tell_resized; /* that the terminal is closed: to that one */
    bool             *tell_reader;  /* and to who reads keys                   */
    unsigned char     bytes[KEY_BYTES]; /* typed, and not yet told as keys */
    size_t            len;
};

/* ---- from birth to death ---- */

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_terminal_read((hob_terminal *)stream, buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_terminal_write((hob_terminal *)stream, buf, len);
}

static void stream_close(hob_stream *stream)
{
    hob_terminal_close((hob_terminal *)stream);
}

static const struct conn_kind terminal_kind = {
    .stream = {
        .name = "terminal",
        .read = stream_read,
        .write_some = stream_write,
        .write = stream_write,
        .close = stream_close,
    },
    .tag = TAG_TERMINAL,
    .desc_kind = DESC_PIPE,
    .what = "terminal",
};

static bool is_open(const hob_terminal *t)
{
    return t != NULL && conn_is_open(&t->conn, TAG_TERMINAL);
}

void hob_terminal_restore(hob_terminal *t)
{
    hob_require(is_open(t), "hob_terminal_restore" NOT_OPEN);
    if (t->mode != NOT_CHANGED)
        hob__terminal_mode_leave(t->mode);
    t->mode = NOT_CHANGED;
}

/* Also when it was left open at the end of the run. */
static void terminal_gone(struct desc *desc)
{
    hob_terminal *t = container_of(desc, hob_terminal, conn.desc);
    if (t->mode != NOT_CHANGED)
        hob__terminal_mode_leave(t->mode);
    t->mode = NOT_CHANGED;
    if (t->tell_reader != NULL)
        *t->tell_reader = true;
    t->conn_gone(desc);
}

static hob_terminal *terminal_new(void)
{
    hob_terminal *t = hob__alloc_zero(sizeof *t);
    if (t == NULL)
        return NULL;
    t->conn.stream.type = &terminal_kind.stream;
    t->conn.desc.fd = -1;
    t->mode = NOT_CHANGED;
    return t;
}

static void adopt(hob_terminal *t, int fd, const void *made_at)
{
    hob__conn_open(&t->conn, fd, made_at);
    t->conn_gone = t->conn.desc.gone;
    t->conn.desc.gone = terminal_gone;
    t->conn.desc.keep_open = fd <= 2;
}

int hob_is_terminal(int fd)
{
    int saved = errno, is = isatty(fd) == 1;
    errno = saved;
    return is;
}

static int open_terminal(const void *made_at, hob_terminal **ret_terminal)
{
    hob_require(hob__worker != NULL, "hob_terminal_open: called outside of hob_run");
    if (hob__worker->seeded)
        return -ENOTTY;
    hob_terminal *t = terminal_new();
    if (t == NULL)
        return -ENOMEM;
    // Opened anew, so that it does not block for us alone, and not for the shell.
    int fd = hob__sys_open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) {
        hob__free(t);
        return fd == -ENXIO || fd == -ENOENT || fd == -EACCES ? -ENOTTY : fd;
    }
    adopt(t, fd, made_at);
    *ret_terminal = t;
    return 0;
}

int hob_terminal_open(hob_terminal **ret_terminal)
{
    return open_terminal(__builtin_return_address(0), ret_terminal);
}

int hob_terminal_from_fd(int fd, hob_terminal **ret_terminal)
{
    hob_require(hob__worker != NULL, "hob_terminal_from_fd: called outside of hob_run");
    if (hob__worker->seeded)
        return -ENOTTY;
    if (hob__sys_get_status_flags(fd) < 0)
        return -EBADF;
    if (!hob_is_terminal(fd))
        return -ENOTTY;
    hob_terminal *t = terminal_new();
    if (t == NULL)
        return -ENOMEM;
    adopt(t, fd, __builtin_return_address(0));
    *ret_terminal = t;
    return 0;
}

void hob_terminal_close(hob_terminal *t)
{
    if (t == NULL)
        return;
    hob_require(is_open(t), "hob_terminal_close" NOT_OPEN);
    hob_terminal_restore(t); // at once, whatever is still in flight
    if (t->resized != NULL) {
        *t->tell_resized = true;
        hob_signals_close(t->resized);
    }
    hob__conn_close(&t->conn);
}

static int change_mode(hob_terminal *t, enum terminal_mode mode)
{
    int r = hob__terminal_mode_enter(t->conn.desc.fd, mode);
    if (r < 0)
        return r;
    t->mode = r;
    return 0;
}

int hob_terminal_raw(hob_terminal *t)
{
    hob_require(is_open(t), "hob_terminal_raw" NOT_OPEN);
    return t->mode != NOT_CHANGED ? 0 : change_mode(t, TERMINAL_RAW);
}

/* ---- its size ---- */

static int look(hob_terminal *t, hob_terminal_size *ret_size)
{
    struct winsize ws = { 0 };
    int            r = hob__sys_get_winsize(t->conn.desc.fd, &ws);
    if (r < 0)
        return r;
    *ret_size = (hob_terminal_size){ ws.ws_row, ws.ws_col };
    return 0;
}

int hob_terminal_get_size(hob_terminal *t, hob_terminal_size *ret_size)
{
    hob_require(is_open(t), "hob_terminal_get_size" NOT_OPEN);
    int r = look(t, ret_size);
    if (r == 0)
        t->told = *ret_size;
    return r;
}

static int wait_resized(hob_terminal *t, const bool *closed, hob_terminal_size *ret_size)
{
    for (;;) {
        hob_terminal_size now;
        int               r = look(t, &now);
        if (r < 0)
            return r;
        if (now.rows != t->told.rows || now.columns != t->told.columns) {
            *ret_size = t->told = now;
            return 0;
        }
        r = hob_signals_next(t->resized);
        if (r < 0 || *closed)
            return r < 0 ? r : -ECANCELED;
    }
}

int hob_terminal_wait_resized(hob_terminal *t, hob_terminal_size *ret_size)
{
    hob_require(is_open(t), "hob_terminal_wait_resized" NOT_OPEN);
    hob_require(t->resized == NULL, "hob_terminal_wait_resized: another task waits already");
    bool closed = false;
    int  r = hob_signals_open(HOB_SIGNALS(SIGWINCH), &t->resized); // before the first look
    if (r < 0)
        return r;
    t->tell_resized = &closed;
    r = wait_resized(t, &closed, ret_size);
    if (closed)
        return r;
    hob_signals_close(t->resized);
    t->resized = NULL;
    return r;
}

/* ---- bytes ---- */

ssize_t hob_terminal_read(hob_terminal *t, void *buf, size_t len)
{
    hob_require(is_open(t), "hob_terminal_read" NOT_OPEN);
    hob_require(conn_can_read(&t->conn, OP_READ), "hob_terminal_read" TWO_READERS);
    if (len == 0)
        return hob_cancelled();
    if (t->len > 0) { // what hob_terminal_read_key has not told
        size_t n = len < t->len ? len : t->len;
        memcpy(buf, t->bytes, n);
        t->len -= n;
        memmove(t->bytes, t->bytes + n, t->len);
        return (ssize_t)n;
    }
    struct op op = { .kind = OP_READ,
                     .desc = &t->conn.desc,
                     .rw = { .buf = buf, .len = io_len(len), .offset = AT_POSITION } };
    hob__op_await(&op);
    return op.result;
}

ssize_t hob_terminal_write(hob_terminal *t, const void *buf, size_t len)
{
    hob_require(is_open(t), "hob_terminal_write" NOT_OPEN);
    hob_require(conn_can_write(&t->conn, OP_WRITE), "hob_terminal_write" TWO_WRITERS);
    if (len == 0)
        return hob_cancelled();
    struct op op = { .kind = OP_WRITE,
                     .desc = &t->conn.desc,
                     .finish = hob__conn_wrote,
                     .rw = { .buf = (void *)(uintptr_t)buf, .len = len, .offset = AT_POSITION } };
    t->conn.writes++;
    hob__op_await(&op);
    return op.result;
}

/* ---- keys ---- */

/* More bytes behind those that there are: how many. */
static ssize_t read_more(hob_terminal *t)
{
    unsigned char more[KEY_BYTES];
    size_t        room = sizeof t->bytes - t->len;
    struct op op = { .kind = OP_READ,
                     .desc = &t->conn.desc,
                     .rw = { .buf = more, .len = room, .offset = AT_POSITION } };
    bool gone = false;
    t->tell_reader = &gone;
    hob__op_await(&op);
    if (gone)
        return -ECANCELED;
    t->tell_reader = NULL;
    if (op.result > 0) {
        memcpy(t->bytes + t->len, more, (size_t)op.result);
        t->len += (size_t)op.result;
    }
    return op.result;
}

/* The same, but 0 when nothing comes soon. */
static ssize_t read_more_soon(hob_terminal *t)
{
    hob_scope soon;
    hob_scope_begin(&soon);
    hob_scope_deadline(&soon, hob_in(ESCAPE_ALONE));
    ssize_t n = read_more(t);
    (void)!hob_scope_end(&soon);
    return n == -ETIMEDOUT && hob_cancelled() == 0 ? 0 : n;
}

static bool take_key(hob_terminal *t, bool complete, hob_key *ret_key)
{
    size_t n = hob_key_parse(t->bytes, t->len, complete, ret_key);
    t->len -= n;
    memmove(t->bytes, t->bytes + n, t->len);
    return n > 0;
}

int hob_terminal_read_key(hob_terminal *t, hob_key *ret_key)
{
    hob_require(is_open(t), "hob_terminal_read_key" NOT_OPEN);
    hob_require(conn_can_read(&t->conn, OP_READ), "hob_terminal_read_key" TWO_READERS);
    int code = hob_cancelled();
    if (code < 0)
        return code;
    while (!take_key(t, false, ret_key)) {
        bool    begun = t->len > 0;
        ssize_t n = begun ? read_more_soon(t) : read_more(t);
        if (n < 0)
            return (int)n;
        if (n > 0)
            continue;
        if (!begun)
            return HOB_EOF;
        (void)take_key(t, true, ret_key);
        return 0;
    }
    return 0;
}

/* ---- passwords ---- */

/* A line, of which `size` bytes are kept: its whole length. */
static ssize_t read_line(hob_terminal *t, char *buf, size_t size)
{
    size_t len = 0;
    for (;;) {
        char    c;
        ssize_t n = hob_terminal_read(t, &c, 1);
        if (n < 0)
            return n;
        if (n == 0)
            return len > 0 ? (ssize_t)len : HOB_EOF;
        if (c == '\n' || c == '\r')
            return (ssize_t)len;
        if (len < size)
            buf[len] = c;
        len++;
    }
}

static ssize_t ask(hob_terminal *t, const char *prompt, char *buf, size_t size)
{
    int r = change_mode(t, TERMINAL_NO_ECHO);
    if (r < 0)
        return r;
    ssize_t n = hob_terminal_write(t, prompt, strlen(prompt));
    if (n < 0)
        return n;
    n = read_line(t, buf, size);
    if (n >= 0 && hob_terminal_write(t, "\n", 1) < 0) // the one that was typed was not shown
        n = -EIO;
    return n >= (ssize_t)size ? -EMSGSIZE : n;
}

ssize_t hob_terminal_read_password(const char *prompt, char *buf, size_t size)
{
    hob_require(size > 0, "hob_terminal_read_password: there is no room, not even for the 0");
    hob_terminal *t;
    ssize_t       n = open_terminal(__builtin_return_address(0), &t);
    if (n == 0) {
        n = ask(t, prompt, buf, size);
        hob_terminal_close(t);
    }
    if (n < 0)
        explicit_bzero(buf, size);
    else
        buf[n] = '\0';
    return n;
}
