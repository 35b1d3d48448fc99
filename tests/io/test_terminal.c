/* SPDX-License-Identifier: MIT */
/*
 * hob/terminal.h, on pseudo terminals: keys, sizes, passwords, and that a terminal is given back as
 * it was, however the program ends. What needs a terminal of its own process runs in a child,
 * which is looked at from the other side.
 */
#include "support/io.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

/* ---- keys, as bytes ---- */

static const struct {
    const char *bytes;
    size_t      len;
    uint32_t    code, modifiers;
    size_t      taken;
} keys[] = {
#define KEY(bytes, code, modifiers) { (bytes), sizeof(bytes) - 1, (code), (modifiers), sizeof(bytes) - 1 }
    KEY("a", 'a', 0),
    KEY("A", 'A', 0),
    KEY(" ", ' ', 0),
    KEY("\r", HOB_KEY_ENTER, 0),
    KEY("\t", HOB_KEY_TAB, 0),
    KEY("\x7f", HOB_KEY_BACKSPACE, 0),
    KEY("\x03", 'c', HOB_KEY_CTRL),
    KEY("\x1a", 'z', HOB_KEY_CTRL),
    KEY("\n", 'j', HOB_KEY_CTRL),
    KEY("\0", ' ', HOB_KEY_CTRL),
    KEY("\x1c", '\\', HOB_KEY_CTRL),
    KEY("\x1f", '_', HOB_KEY_CTRL),
    KEY("\xc3\xa4", 0xe4, 0),
    KEY("\xe2\x82\xac", 0x20ac, 0),
    KEY("\xf0\x9f\x8d\xb2", 0x1f372, 0),
    KEY("\033[A", HOB_KEY_UP, 0),
    KEY("\033[B", HOB_KEY_DOWN, 0),
    KEY("\033[C", HOB_KEY_RIGHT, 0),
    KEY("\033[D", HOB_KEY_LEFT, 0),
    KEY("\033OA", HOB_KEY_UP, 0),
    KEY("\033OP", HOB_KEY_F1, 0),
    KEY("\033[H", HOB_KEY_HOME, 0),
    KEY("\033[4~", HOB_KEY_END, 0),
    KEY("\033[3~", HOB_KEY_DELETE, 0),
    KEY("\033[5~", HOB_KEY_PAGE_UP, 0),
    KEY("\033[15~", HOB_KEY_F5, 0),
    KEY("\033[24~", HOB_KEY_F12, 0),
    KEY("\033[Z", HOB_KEY_BACKTAB, 0),
    KEY("\033[[C", HOB_KEY_F3, 0),
    KEY("\033[1;2A", HOB_KEY_UP, HOB_KEY_SHIFT),
    KEY("\033[1;3D", HOB_KEY_LEFT, HOB_KEY_ALT),
    KEY("\033[3;5~", HOB_KEY_DELETE, HOB_KEY_CTRL),
    KEY("\033[1;8H", HOB_KEY_HOME, HOB_KEY_SHIFT | HOB_KEY_ALT | HOB_KEY_CTRL),
    KEY("\033x", 'x', HOB_KEY_ALT),
    KEY("\033\xc3\xa4", 0xe4, HOB_KEY_ALT),
    KEY("\033\x03", 'c', HOB_KEY_ALT | HOB_KEY_CTRL),
    KEY("\033[99~", HOB_KEY_UNKNOWN, 0),
    KEY("\033[200;1;2;3q", HOB_KEY_UNKNOWN, 0),
    KEY("\033[99999999999999999~", HOB_KEY_UNKNOWN, 0),
#undef KEY
    { "\033\033", 2, HOB_KEY_ESCAPE, 0, 1 },
    { "\xff", 1, 0xFFFD, 0, 1 },
    { "\xc3x", 2, 0xFFFD, 0, 1 },
    { "\xe0\x80\x80", 3, 0xFFFD, 0, 1 },         /* longer than needed */
    { "\xed\xa0\x80", 3, 0xFFFD, 0, 1 },         /* half of a pair     */
    { "\xf4\x90\x80\x80", 4, 0xFFFD, 0, 1 },     /* above all          */
    { "\033[1\001", 4, HOB_KEY_UNKNOWN, 0, 3 },  /* broken off         */
};

TEST_BARE(key, each_sequence_is_its_key_and_no_part_of_it_is_another)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        hob_key key = { 0, 0 };
        size_t  n = hob_key_parse(keys[i].bytes, keys[i].len, 0, &key);
        if (n != keys[i].taken || key.code != keys[i].code || key.modifiers != keys[i].modifiers)
            fail("key %d: took %d, code %x, modifiers %x", (int)i, (int)n, (unsigned)key.code,
                 (unsigned)key.modifiers);
        for (size_t part = 1; part < keys[i].taken; part++) {
            check_eq(hob_key_parse(keys[i].bytes, part, 0, &key), 0);
            check_gt(hob_key_parse(keys[i].bytes, part, 1, &key), 0);
        }
    }
    hob_key key;
    check_eq(hob_key_parse("", 0, 1, &key), 0);
    check_eq(hob_key_parse("\033", 1, 1, &key), 1);
    check_eq(key.code, HOB_KEY_ESCAPE);
    check_eq(hob_key_parse("\033[", 2, 1, &key), 2);
    check_eq(key.code, '[');
    check_eq(key.modifiers, HOB_KEY_ALT);
}

/* However the bytes come in, the keys are the same; and every byte is taken once. */
TEST_BARE(key, any_bytes_in_any_pieces_give_the_same_keys)
{
    uint64_t seed = hob_test_seed();
    for (int round = 0; round < 2000; round++) {
        unsigned char bytes[40];
        hob_key       whole[40], key;
        size_t        count = 0, at = 0, seen = 0, again = 0;
        static const char likely[] = "\033\033\033[[O;;0123456789~ABPZ\xc3\xa4\xe2\x82";
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned r = (unsigned)(seed >> 40);
            bytes[i] = (unsigned char)(r & 1 ? r >> 8 : (unsigned char)likely[(r >> 8) % (sizeof likely - 1)]);
        }
        for (size_t n; at < sizeof bytes; at += n) {
            n = hob_key_parse(bytes + at, sizeof bytes - at, 1, &whole[count++]);
            check_gt(n, 0);
            check_le(n, sizeof bytes - at);
        }
        for (at = 0; at < sizeof bytes;) {
            bool   all = seen == sizeof bytes;
            size_t n = hob_key_parse(bytes + at, seen - at, all, &key);
            if (n == 0) {
                seen++;
                continue;
            }
            check_eq(key.code, whole[again].code);
            check_eq(key.modifiers, whole[again].modifiers);
            again++;
            at += n;
        }
        check_eq(again, count);
    }
}

/* ---- a terminal of somebody else's ---- */

static int open_pty(int *ret_master, int *ret_slave)
{
    *ret_master = *ret_slave = -1;
    int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return -errno;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
        (*ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        int error = -errno;
        close(master);
        return error;
    }
    *ret_master = master;
    return 0;
}

static bool shows_what_is_typed(int fd)
{
    struct termios t = { 0 };
    return tcgetattr(fd, &t) == 0 && (t.c_lflag & (ECHO | ICANON)) == (ECHO | ICANON);
}

CLOSER(close_terminal, hob_terminal, hob_terminal_close)
#define TERMINAL(name) CLOSED_BY(close_terminal) hob_terminal *name = NULL

static void close_number(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define PTY(master, t)                                                              \
    CLOSED_BY(close_number) int master = -1;                                        \
    TERMINAL(t);                                                                    \
    do {                                                                            \
        int slave_;                                                                 \
        if (in_sim())                                                               \
            skip("this world has no terminals");                                    \
        if (open_pty(&master, &slave_) < 0)                                         \
            skip("this system has no pseudo terminals");                            \
        int r_ = hob_terminal_from_fd(slave_, &t);                                  \
        if (r_ < 0)                                                                 \
            close(slave_);                                                          \
        check_ok(r_);                                                               \
    } while (0)

TEST_ON_ALL(terminal, raw_is_taken_back)
{
    PTY(master, t);
    check(shows_what_is_typed(master));
    check_ok(hob_terminal_raw(t));
    check_ok(hob_terminal_raw(t)); // again
    check(!shows_what_is_typed(master));
    hob_terminal_restore(t);
    check(shows_what_is_typed(master));
    check_ok(hob_terminal_raw(t));
    close_terminal(&t);
    check(shows_what_is_typed(master));
}

/* Each is read before the next is typed; but no sleep, which may last so long on a busy machine that
 * an escape stands alone. */
static int type_one_by_one(void *arg)
{
    const char *text = "x\033[A\033";
    for (const char *c = text; *c != '\0'; c++) {
        check_eq(write(*(int *)arg, c, 1), 1);
        settle();
    }
    return 0;
}

TEST_ON_ALL(terminal, keys_come_one_by_one)
{
    PTY(master, t);
    hob_key key;
    check_ok(hob_terminal_raw(t));
    HOB_SCOPE(s);
    hob_go(&s, type_one_by_one, &master);
    check_ok(hob_terminal_read_key(t, &key));
    check_eq(key.code, 'x');
    check_ok(hob_terminal_read_key(t, &key));
    check_eq(key.code, HOB_KEY_UP);
    check_ok(hob_terminal_read_key(t, &key)); // nothing follows it
    check_eq(key.code, HOB_KEY_ESCAPE);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(terminal, a_cancelled_wait_loses_no_key)
{
    PTY(master, t);
    hob_key key;
    check_ok(hob_terminal_raw(t));
    check_eq(write(master, "\033[", 2), 2);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(10 * HOB_MSEC));
        check_err(hob_terminal_read_key(t, &key), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_eq(write(master, "B", 1), 1);
    check_ok(hob_terminal_read_key(t, &key));
    check_eq(key.code, HOB_KEY_DOWN);
}

static int read_a_key(void *t)
{
    hob_key key;
    return hob_terminal_read_key(t, &key) == -ECANCELED ? 0 : -EIO;
}

static int await_size(void *t)
{
    hob_terminal_size size;
    return hob_terminal_wait_resized(t, &size) == -ECANCELED ? 0 : -EIO;
}

TEST_ON_ALL(terminal, closing_ends_the_waits)
{
    PTY(master, t);
    hob_terminal_size size;
    check_ok(hob_terminal_raw(t));
    check_ok(hob_terminal_get_size(t, &size));
    HOB_SCOPE(s);
    hob_go(&s, read_a_key, t);
    hob_go(&s, await_size, t);
    settle();
    close_terminal(&t);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(terminal, what_is_none_is_refused)
{
    hob_terminal *t;
    int           fds[2];
    check_err(hob_terminal_from_fd(987654, &t), in_sim() ? -ENOTTY : -EBADF);
    check_eq(pipe2(fds, O_CLOEXEC), 0);
    int r = hob_terminal_from_fd(fds[0], &t), is = hob_is_terminal(fds[0]);
    close(fds[0]);
    close(fds[1]);
    check_err(r, -ENOTTY);
    check_eq(is, 0);
}

static int leave_it_raw(void *arg)
{
    hob_terminal *t;
    HOB_TRY(hob_terminal_from_fd(*(int *)arg, &t));
    return hob_terminal_raw(t);
}

TEST_BARE_ON_ALL(terminal, one_that_is_left_open_is_told_and_given_back)
{
    int master, slave;
    if (in_sim() || open_pty(&master, &slave) < 0)
        skip("no pseudo terminals here");
    int  r = hob_test_run(leave_it_raw, &slave);
    bool shows = shows_what_is_typed(master);
    close(master);
    check_ok(r);
    check(shows);
    check_has(hob_test_report_text(), "left open at the end: a terminal, made at");
}

/* ---- a terminal of our own: in a child ---- */

/* Runs fn(arg) in a run in a child of which the terminal is the pseudo terminal. */
static pid_t start_child(int master, int slave, hob_task_fn *fn, void *arg)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    hob_run_opts opts = { .backend = hob_test_backend(), .slow_ns = -1, .stop_signals = -1 };
    die_with_parent();
    close(master);
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    int r = hob_run_with(&opts, fn, arg);
    _exit(r == 0 ? 0 : 1);
}

/* Waits until the terminal is, or is not, as it was. */
static bool waits_until_it(int master, bool shows)
{
    for (int i = 0; i < 5000 && shows_what_is_typed(master) != shows; i++)
        ignore(poll(NULL, 0, 2));
    return shows_what_is_typed(master) == shows;
}

enum { BY_EXIT, BY_ABORT, BY_FAULT, BY_SIGNAL, BY_MISUSE, WAYS };

static int be_raw_then_end(void *arg)
{
    volatile int *volatile nowhere = NULL;
    hob_terminal *t;
    HOB_TRY(hob_terminal_open(&t));
    HOB_TRY(hob_terminal_raw(t));
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    switch (*(int *)arg) {
    case BY_EXIT: exit(0);
    case BY_ABORT: abort();
    case BY_FAULT: *nowhere = 1; break;
    case BY_SIGNAL: kill(getpid(), SIGHUP); break;
    default: ignore(hob_terminal_get_size(NULL, NULL));
    }
    return hob_sleep(HOB_HOUR);
}

static void no_core(void)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
}

static int end_in_raw_mode(void *arg)
{
    no_core();
    signal(SIGHUP, SIG_DFL); // nohup, which may have started us, is inherited
    ignore(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO));
    return be_raw_then_end(arg);
}

TEST_AS(terminal, it_is_given_back_however_the_program_ends,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim() || is_emulated() || is_in_valgrind())
        skip("a matter of real terminals and signals");
    for (int way = BY_EXIT; way < WAYS; way++) {
        int master, slave, status = 0;
        if (way == BY_FAULT && IS_SANITIZED)
            continue; // which end the process themselves, and at once
        if (open_pty(&master, &slave) < 0)
            skip("this system has no pseudo terminals");
        pid_t pid = start_child(master, slave, end_in_raw_mode, &way);
        bool  was_raw = waits_until_it(master, false);
        waitpid(pid, &status, 0);
        bool shows = shows_what_is_typed(master);
        close(slave);
        close(master);
        if (!was_raw || !shows)
            fail("way %d: it %s raw, and then it was%s given back", way, was_raw ? "was" : "never was",
                 shows ? "" : " not");
        if (way == BY_EXIT && !IS_SANITIZED) // which see that all is still there
            check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (way == BY_SIGNAL)
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
        if (way == BY_ABORT && !IS_SANITIZED)
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        if (way == BY_FAULT && !IS_SANITIZED)
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

static int be_raw_for_long(void *arg)
{
    hob_terminal *t;
    hob_key       key;
    HOB_TRY(hob_terminal_open(&t));
    HOB_TRY(hob_terminal_raw(t));
    int r = hob_terminal_read_key(t, &key);
    hob_terminal_close(t);
    return r == 0 && key.code == 'q' ? 0 : -EIO;
}

TEST_AS(terminal, it_is_given_back_while_the_program_is_stopped,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    int master, slave, status = 0;
    if (in_sim() || is_emulated() || is_in_valgrind() || open_pty(&master, &slave) < 0)
        skip("a matter of real terminals and signals");
    // A group whose members have no parent in the session is never stopped: so there is one.
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        die_with_parent();
        pid_t job = fork();
        if (job == 0) {
            hob_run_opts opts = { .backend = hob_test_backend(), .slow_ns = -1, .stop_signals = -1 };
            die_with_parent();
            setpgid(0, 0); // in front, as a shell would have it
            signal(SIGTTOU, SIG_IGN);
            tcsetpgrp(slave, getpid());
            signal(SIGTTOU, SIG_DFL);
            _exit(hob_run_with(&opts, be_raw_for_long, NULL) != 0);
        }
        bool ok = waits_until_it(slave, false);
        kill(job, SIGTSTP);
        waitpid(job, &status, WUNTRACED);
        ok = ok && WIFSTOPPED(status) && shows_what_is_typed(slave);
        kill(job, SIGCONT);
        ok = ok && waits_until_it(slave, false);
        ignore(write(master, "q", 1));
        waitpid(job, &status, 0);
        _exit(ok && WIFEXITED(status) && WEXITSTATUS(status) == 0 && shows_what_is_typed(slave) ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    close(slave);
    close(master);
    check(WIFEXITED(status));
    check_eq(WEXITSTATUS(status), 0);
}

static int hear_of_sizes(void *arg)
{
    hob_terminal     *t;
    hob_terminal_size size;
    HOB_TRY(hob_terminal_open(&t));
    int r = hob_terminal_get_size(t, &size);
    if (r == 0 && (size.rows != 10 || size.columns != 20))
        r = -EIO;
    if (r == 0)
        r = hob_terminal_raw(t); // by which the other side knows
    if (r == 0)
        r = hob_terminal_wait_resized(t, &size);
    hob_terminal_close(t);
    return r < 0 ? r : size.rows == 30 && size.columns == 40 ? 0 : -EIO;
}

TEST_BARE_ON_ALL(terminal, its_new_size_is_told)
{
    int            master, slave, status = 0;
    struct winsize size = { .ws_row = 10, .ws_col = 20 }, larger = { .ws_row = 30, .ws_col = 40 };
    if (in_sim() || is_emulated() || open_pty(&master, &slave) < 0)
        skip("no pseudo terminals here");
    ioctl(master, TIOCSWINSZ, &size);
    pid_t pid = start_child(master, slave, hear_of_sizes, NULL);
    bool  began = waits_until_it(master, false);
    ioctl(master, TIOCSWINSZ, &larger);
    waitpid(pid, &status, 0);
    close(slave);
    close(master);
    check(began);
    check(WIFEXITED(status));
    check_eq(WEXITSTATUS(status), 0);
}

static int ask_for_password(void *arg)
{
    char    buf[8];
    ssize_t n = hob_terminal_read_password("Secret: ", buf, sizeof buf);
    if (n != 6 || strcmp(buf, "pa ss!") != 0)
        return -EIO;
    n = hob_terminal_read_password("Long: ", buf, sizeof buf);
    if (n != -EMSGSIZE || buf[0] != '\0')
        return -EIO;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
    n = hob_terminal_read_password("Late: ", buf, sizeof buf);
    ignore(hob_scope_end(&s));
    return n == -ETIMEDOUT && buf[0] == '\0' ? 0 : -EIO;
}

/* What the child shows, until `end` comes. */
static bool shows_until(int master, const char *end, char *text, size_t size)
{
    size_t        len = 0;
    struct pollfd fd = { .fd = master, .events = POLLIN };
    while (len + 1 < size && poll(&fd, 1, 10000) > 0) {
        ssize_t n = read(master, text + len, 1);
        if (n <= 0)
            return false;
        text[++len] = '\0';
        if (len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0)
            return true;
    }
    return false;
}

TEST_BARE_ON_ALL(terminal, a_password_is_read_and_not_shown)
{
    int  master, slave, status = 0;
    char text[256] = "";
    if (in_sim() || is_emulated() || open_pty(&master, &slave) < 0)
        skip("no pseudo terminals here");
    pid_t pid = start_child(master, slave, ask_for_password, NULL);
    bool  asked = shows_until(master, "Secret: ", text, sizeof text);
    ignore(write(master, "pa ss!\n", 7));
    bool  asked_again = shows_until(master, "Long: ", text, sizeof text);
    char  between[256];
    memcpy(between, text, sizeof between);
    ignore(write(master, "much too long\n", 14));
    bool  asked_late = shows_until(master, "Late: ", text, sizeof text);
    waitpid(pid, &status, 0);
    bool  shows = shows_what_is_typed(master);
    close(slave);
    close(master);
    check(asked);
    check(asked_again);
    check_str(between, "\r\nLong: ");
    check(asked_late);
    check_str(text, "\r\nLate: ");
    check(WIFEXITED(status));
    check_eq(WEXITSTATUS(status), 0);
    check(shows);
}

static int ask_nobody(void *arg)
{
    hob_terminal *t;
    int           r = hob_terminal_open(&t);
    if (r == 0)
        hob_terminal_close(t);
    return r == -ENOTTY ? 0 : -EIO;
}

TEST_BARE_ON_ALL(terminal, a_process_without_one_is_told)
{
    int   status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        hob_run_opts opts = { .backend = hob_test_backend(), .slow_ns = -1, .stop_signals = -1 };
        die_with_parent();
        setsid(); // without any
        _exit(hob_run_with(&opts, ask_nobody, NULL) != 0);
    }
    waitpid(pid, &status, 0);
    check(WIFEXITED(status));
    check_eq(WEXITSTATUS(status), 0);
}
