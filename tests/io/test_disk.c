/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk beside a real file system: the same random calls get the same answers.
 *
 * Each sequence runs twice, on epoll in a folder of the real file system and in sim; each call's
 * answer is written down, with what it read, and the two lists are compared. Left out is what
 * file systems differ in by right: the size and the links of folders, times, and who is refused
 * (the real run is as whoever runs the tests; modes are only such that nobody is).
 */
#include <sys/uio.h>

#include "base/rand.h"
#include "support/io.h"

enum { STEPS = 600, SLOTS = 5, WORDS_MAX = 20000 };

struct answers {
    int64_t words[WORDS_MAX];
    int     count;
    int     step_at[STEPS + 1]; /* where in `words` a step begins */
    char    doing[STEPS][160];
};

struct run {
    char            base[300];
    struct rand     rand;
    struct answers *answers;
    hob_file       *slots[SLOTS];
    int             step;
    bool            can_punch, can_exchange, can_unnamed;
};

static void note_word(struct run *run, int64_t word)
{
    if (run->answers->count < WORDS_MAX)
        run->answers->words[run->answers->count++] = word;
}

static void note_bytes(struct run *run, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t             hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    note_word(run, (int64_t)hash);
}

static unsigned draw(struct run *run, unsigned below)
{
    return (unsigned)rand_below(&run->rand, below);
}

/* ---- names: few, so that they meet ---- */

static const char *const NAMES[] = {
    "a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a", "d/e/../a", "./a", "e/.", "d/..",
    "a/", "d/", "d/e/", "a/b", "d//a", "none/a", ".", "e/../b", "d/e/..", "s", "s/a", "d/s", "s/",
};
static const char *const TARGETS[] = {
    "a", "b", "d", "d/e", "../a", "..", "s", "none", "d/", "./e", "d/s", ".",
};
enum { NAMES_N = sizeof NAMES / sizeof NAMES[0], TARGETS_N = sizeof TARGETS / sizeof TARGETS[0] };

struct path { char text[400]; };

static struct path draw_path(struct run *run)
{
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s", run->base, NAMES[draw(run, NAMES_N)]);
    return path;
}

#define DOING(run, ...) \
    snprintf((run)->answers->doing[(run)->step], sizeof (run)->answers->doing[0], __VA_ARGS__)

/* ---- what a step can be ---- */

static int64_t note_stat(struct run *run, int r, const struct stat *st)
{
    if (r < 0)
        return r;
    note_word(run, st->st_mode & (S_IFMT | 0777));
    if (!S_ISDIR(st->st_mode)) {
        note_word(run, st->st_size);
        note_word(run, (int64_t)st->st_nlink);
    }
    return r;
}

static int64_t open_one(struct run *run)
{
    static const int flags[] = {
        O_RDWR | O_CREAT, O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT | O_EXCL,
        O_RDONLY | O_DIRECTORY, O_RDWR | O_NOFOLLOW, O_WRONLY | O_APPEND | O_CREAT,
        O_RDONLY | O_NOFOLLOW | O_DIRECTORY,
    };
    struct path path = draw_path(run);
    unsigned    slot = draw(run, SLOTS), i = draw(run, sizeof flags / sizeof flags[0]);
    DOING(run, "open %s with %#x", path.text + strlen(run->base), (unsigned)flags[i]);
    hob_file_close(run->slots[slot]);
    run->slots[slot] = NULL;
    return hob_file_open(path.text, flags[i], 0644, &run->slots[slot]);
}

/* A read may stop early where the rest is not in memory yet: on to the end. `offset` -1: at the
 * file's position. */
static int64_t read_whole(hob_file *file, char *buf, size_t len, int64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = offset < 0 ? hob_file_read(file, buf + done, len - done)
                               : hob_file_pread(file, buf + done, len - done,
                                                offset + (int64_t)done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int64_t use_slot(struct run *run, hob_file *file)
{
    char          buf[8192];
    struct stat   st;
    int64_t       n, offset = draw(run, 6000);
    size_t        len = draw(run, 5000);
    unsigned      what = draw(run, 11);
    DOING(run, "use %u of an open file: %u bytes at %u", what, (unsigned)len, (unsigned)offset);
    switch (what) {
    case 0:
        n = read_whole(file, buf, len, offset);
        break;
    case 1:
        n = read_whole(file, buf, len, -1);
        break;
    case 2:
        fill((unsigned char *)buf, len, 0, draw(run, 100));
        return hob_file_pwrite(file, buf, len, offset);
    case 3:
        fill((unsigned char *)buf, len, 0, draw(run, 100));
        return hob_file_write(file, buf, len);
    case 4:
        return hob_file_truncate(file, offset - 10);
    case 5:
        return note_stat(run, hob_file_stat(file, &st), &st);
    case 6:
        return hob_file_try_lock(file, draw(run, 2) ? HOB_LOCK_SHARED : HOB_LOCK_EXCLUSIVE);
    case 7:
        return draw(run, 2) ? hob_file_unlock(file)
                            : hob_file_unlock_range(file, offset % 8, (int64_t)len % 5);
    case 8:
        return hob_file_try_lock_range(file, draw(run, 2) ? HOB_LOCK_SHARED : HOB_LOCK_EXCLUSIVE,
                                       offset % 8, (int64_t)len % 5);
    case 9: {
        if (!run->can_punch)
            return 0;
        int mode = draw(run, 2) ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                 : draw(run, 2) ? FALLOC_FL_KEEP_SIZE : 0;
        // What a folder says to it, file systems differ in.
        if (hob_file_stat(file, &st) < 0 || !S_ISREG(st.st_mode))
            return 0;
        return hob_file_allocate(file, mode, offset, (int64_t)len);
    }
    default: {
        struct iovec iov[2] = { { buf, len / 2 }, { buf + len / 2, len - len / 2 } };
        n = hob_file_preadv(file, iov, 2, offset);
        break;
    }
    }
    if (n > 0)
        note_bytes(run, buf, (size_t)n);
    return n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The entries, sorted, since each file system has its own order. */
static int64_t list(struct run *run)
{
    struct path path = draw_path(run);
    hob_dir    *dir;
    hob_entry   entry;
    static char names[100][64];
    int         count = 0;
    DOING(run, "list %s", path.text + strlen(run->base));
    int r = hob_dir_open(path.text, &dir);
    if (r < 0)
        return r;
    while ((r = hob_dir_next(dir, &entry)) > 0 && count < 100) {
        memset(names[count], 0, sizeof names[0]);
        snprintf(names[count], sizeof names[0], "%s %d", entry.name, (int)entry.kind);
        count++;
    }
    hob_dir_close(dir);
    qsort(names, (size_t)count, sizeof names[0], by_name);
    note_bytes(run, names, (size_t)count * sizeof names[0]);
    return r < 0 ? r : count;
}

static int64_t open_beneath(struct run *run)
{
    hob_dir    *dir;
    hob_file   *file;
    struct stat st;
    const char *name = NAMES[draw(run, NAMES_N)];
    DOING(run, "open %s beneath", name);
    int r = hob_dir_open(run->base, &dir);
    if (r < 0)
        return r;
    r = hob_dir_open_file(dir, name, O_RDONLY, 0, &file);
    hob_dir_close(dir);
    if (r < 0)
        return r;
    r = (int)note_stat(run, hob_file_stat(file, &st), &st);
    hob_file_close(file);
    return r;
}

static int64_t unnamed(struct run *run)
{
    hob_file *file;
    DOING(run, "a file without a name");
    int r = hob_file_open_temp(run->base, &file);
    if (r < 0)
        return r;
    ssize_t n = hob_file_write(file, "xyz", 3);
    hob_file_close(file);
    return n;
}

static int64_t two_names(struct run *run)
{
    struct path from = draw_path(run), to = draw_path(run);
    unsigned    what = draw(run, 5);
    DOING(run, "names %u: %s, %s", what, from.text + strlen(run->base), to.text + strlen(run->base));
    switch (what) {
    case 0:
        return hob_path_link(from.text, to.text);
    case 1:
        return run->can_exchange ? hob_path_rename(from.text, to.text, HOB_RENAME_EXCHANGE) : 0;
    case 2:
        return run->can_exchange ? hob_path_rename(from.text, to.text, HOB_RENAME_NOREPLACE) : 0;
    default:
        return hob_path_rename(from.text, to.text, 0);
    }
}

static int64_t one_name(struct run *run)
{
    struct path path = draw_path(run);
    struct stat st;
    char        buf[300];
    unsigned    what = draw(run, 15), more = draw(run, 1000);
    DOING(run, "name %u: %s, %u", what, path.text + strlen(run->base), more);
    switch (what) {
    case 0:
    case 1:
        return hob_path_mkdir(path.text, 0755);
    case 2:
        return hob_path_rmdir(path.text);
    case 3:
    case 4:
        return hob_path_unlink(path.text);
    case 5:
    case 6:
        return hob_path_symlink(TARGETS[more % TARGETS_N], path.text);
    case 7: {
        ssize_t n = hob_path_readlink(path.text, buf, sizeof buf);
        if (n > 0)
            note_bytes(run, buf, (size_t)n);
        return n;
    }
    case 8:
        return note_stat(run, hob_path_stat(path.text, &st), &st);
    case 9:
        return note_stat(run, hob_path_lstat(path.text, &st), &st);
    case 10:
        return hob_path_chmod(path.text, 0700 | (more & 077));
    case 11:
        return hob_path_truncate(path.text, more);
    case 12:
        return hob_path_access(path.text, F_OK);
    case 13:
        return more < 200 ? hob_path_mkdirs(path.text, 0755) : 0;
    default:
        // Of the base itself nothing would be left to play with.
        return more < 100 && strstr(path.text, "..") == NULL && strstr(path.text, "s/") == NULL
             ? hob_path_remove_tree(path.text) : 0;
    }
}

static int64_t take_step(struct run *run)
{
    unsigned  what = draw(run, 20);
    hob_file *file = run->slots[draw(run, SLOTS)];
    if (what < 3)
        return open_one(run);
    if (what < 8 && file != NULL)
        return use_slot(run, file);
    if (what < 10)
        return list(run);
    if (what == 10)
        return open_beneath(run);
    if (what == 11)
        return unnamed(run);
    return what < 15 ? two_names(run) : one_name(run);
}

static void look_what_it_can(struct run *run)
{
    hob_file *file = NULL;
    char      a[400], b[400];
    snprintf(a, sizeof a, "%s/probe", run->base);
    snprintf(b, sizeof b, "%s/probe2", run->base);
    if (hob_file_open(a, O_RDWR | O_CREAT, 0600, &file) < 0)
        return;
    run->can_punch = hob_file_allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) == 0;
    hob_file_close(file);
    run->can_exchange = hob_path_rename(a, b, HOB_RENAME_NOREPLACE) == 0;
    ignore(hob_path_unlink(b));
    ignore(hob_path_unlink(a));
}

static int play(void *arg)
{
    struct run *run = arg;
    // Some levels down, since names lead up, too.
    check_lt(strlen(run->base) + 10, sizeof run->base);
    strcat(run->base, "/u/v/w/x");
    check_ok(hob_path_mkdirs(run->base, 0755));
    if (run->can_unnamed) // the real one comes first
        look_what_it_can(run);
    for (run->step = 0; run->step < STEPS; run->step++) {
        run->answers->step_at[run->step] = run->answers->count;
        note_word(run, take_step(run));
    }
    run->answers->step_at[STEPS] = run->answers->count;
    for (int i = 0; i < SLOTS; i++)
        hob_file_close(run->slots[i]);
    check_ok(hob_path_remove_tree(run->base));
    return 0;
}

static int play_on(const char *backend, struct run *run)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.backend = backend;
    return hob_run_with(&opts, play, run);
}

/* Where the two differ, or -1. */
static int difference(const struct answers *real, const struct answers *sim)
{
    for (int step = 0; step < STEPS; step++) {
        int a = real->step_at[step], b = sim->step_at[step];
        int a_len = real->step_at[step + 1] - a, b_len = sim->step_at[step + 1] - b;
        if (a_len != b_len ||
            memcmp(real->words + a, sim->words + b, (size_t)a_len * sizeof real->words[0]) != 0)
            return step;
    }
    return -1;
}

static int compare(uint64_t seed, const char *scratch, struct answers *real, struct answers *sim)
{
    struct run on_real = { .rand = { seed }, .answers = real, .can_unnamed = true };
    struct run on_sim = { .rand = { seed }, .answers = sim };
    real->count = sim->count = 0;
    snprintf(on_real.base, sizeof on_real.base, "%s/%llu", scratch, (unsigned long long)seed);
    snprintf(on_sim.base, sizeof on_sim.base, "/scratch/%llu", (unsigned long long)seed);
    check_ok(play_on("epoll", &on_real));
    on_sim.can_punch = on_real.can_punch;
    on_sim.can_exchange = on_real.can_exchange;
    check_ok(play_on("sim", &on_sim));
    int step = difference(real, sim);
    if (step < 0)
        return 0;
    for (int i = step < 12 ? 0 : step - 12; i <= step; i++)
        fprintf(stderr, "%4d  %-60s real %lld, sim %lld\n", i, real->doing[i],
                (long long)real->words[real->step_at[i + 1] - 1],
                (long long)sim->words[sim->step_at[i + 1] - 1]);
    for (int i = 0; i < real->step_at[step + 1] - real->step_at[step]; i++)
        fprintf(stderr, "      word %d: real %llo, sim %llo (octal)\n", i,
                (unsigned long long)real->words[real->step_at[step] + i],
                (unsigned long long)sim->words[sim->step_at[step] + i]);
    fail("with the seed %llu the answers differ at step %d: %s", (unsigned long long)seed, step,
         real->doing[step]);
    return HOB_ECHECK;
}

TEST_BARE(disk, the_simulated_one_answers_as_a_real_one)
{
    enum { SEQUENCES = 12 };
    if (strcmp(hob_test_backend(), "sim") != 0)
        skip("it is compared once");
    struct answers *both = calloc(2, sizeof *both);
    check(both != NULL);
    hob_test_timeout(hob_test_is_deep() ? 600 : 60);
    int sequences = hob_test_is_deep() ? 50 * SEQUENCES : all_is_slow() ? 2 : SEQUENCES;
    int r = 0;
    for (int i = 0; i < sequences && r == 0; i++)
        r = compare(hob_test_seed() * 1000 + (uint64_t)i, hob_test_scratch(), &both[0], &both[1]);
    free(both);
    check_ok(r);
}
