/* SPDX-License-Identifier: MIT */
/*
 * The kitchen on real work: this is what `make run` shows.
 *
 * One task for each job, all in one scope with a deadline, on one thread: some
 * read every file of a folder, some ask services over TCP, some watch the clock.
 * The services are real too: they listen on loopback, on ports that the kernel
 * chose, and take their time to answer. One of them takes more than it is given.
 *
 *     build/hob run examples/kitchen_live.c
 *     build/hob run examples/kitchen_live.c --eggs 100000 /usr/include
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include <hob.h>

#include "timeline.h"

#define DEADLINE (20 * HOB_SEC) /* for all of it */

enum {
    FOLDERS_MAX = 8,
    FILES_MAX   = 2000, /* of a folder: the others are not read */
    PATH_BYTES  = 512,
    EGGS        = 1000,
};

struct kitchen {
    struct timeline timeline;
    const char     *folders[FOLDERS_MAX];
    int             folder_count;
    int             eggs;
    hob_addr        bakery, market, courier;
    int64_t         start_ns;
    int64_t         took_ns;
    int64_t         sum_ns;      /* of all bars: what they would cost in a row */
    int64_t         eggs_sum_ns; /* of all egg timers, which have no bars */
    int64_t         eggs_late_ns;
    hob_stats       stats;
    const char     *backend;
    long            threads, peak_kib;
};

/* ---- bars ---- */

static struct timeline_bar *begin_bar(struct kitchen *k, enum timeline_colour colour,
                                      const char *label)
{
    struct timeline_bar *bar = timeline_bar(&k->timeline, label);
    bar->colour = colour;
    bar->from_ns = bar->to_ns = hob_now();
    return bar;
}

static void end_bar(struct kitchen *k, struct timeline_bar *bar)
{
    bar->to_ns = hob_now();
    k->sum_ns += bar->to_ns - bar->from_ns;
}

/* ---- files ---- */

static int64_t read_file(const char *path)
{
    hob_file *file;
    HOB_TRY(hob_file_open(path, O_RDONLY, 0, &file));

    char    buf[16 * 1024];
    ssize_t n;
    int64_t bytes = 0;
    while ((n = hob_file_read(file, buf, sizeof buf)) > 0)
        bytes += n;
    hob_file_close(file);
    return n < 0 ? n : bytes;
}

struct tally {
    int     files;
    int64_t bytes;
};

/* Reads all files of a folder, and of the folders in it. Files that may not be read are
 * passed over. Listing a folder is a quick call that blocks; reading the files waits. */
static int read_files(const char *folder, struct tally *tally)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return -errno;

    int            r = 0;
    struct dirent *entry;
    while (r == 0 && tally->files < FILES_MAX && (entry = readdir(dir)) != NULL) {
        char path[PATH_BYTES];
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            continue;
        if (entry->d_type == DT_DIR) {
            r = read_files(path, tally);
        } else if (entry->d_type == DT_REG) {
            int64_t bytes = read_file(path);
            if (bytes >= 0) {
                tally->files++;
                tally->bytes += bytes;
            }
        }
        if (hob_cancelled() < 0)
            r = hob_cancelled();
    }
    closedir(dir);
    return r;
}

struct reading {
    struct kitchen *kitchen;
    const char     *folder;
};

static int read_folder(void *arg)
{
    struct reading *reading = arg;
    struct tally    tally = { 0 };
    char            label[48];
    snprintf(label, sizeof label, "read %.40s", reading->folder);

    struct timeline_bar *bar = begin_bar(reading->kitchen, GREEN, label);
    HOB_TRY(read_files(reading->folder, &tally));
    end_bar(reading->kitchen, bar);
    snprintf(bar->note, sizeof bar->note, "%d files, %lld KB", tally.files,
             (long long)(tally.bytes / 1000));
    return 0;
}

/* Folders within folders take stack: a buffer and a path for each. */
static void read_folders(hob_scope *scope, struct kitchen *k)
{
    for (int i = 0; i < k->folder_count; i++) {
        struct reading reading = { k, k->folders[i] };
        hob_go_with(scope, read_folder, &reading,
                    &(hob_task_opts){ .name = "reader", .copy_bytes = sizeof reading,
                                      .stack_bytes = 256 * 1024 });
    }
}

/* ---- the services: the other side of the wire ---- */

struct service {
    const char *answers; /* a format with a number */
    int         min, max; /* of that number */
    int64_t     thinks_min_ns, thinks_max_ns;
};

static const struct service bakery = { "%d cents", 90, 450, 300 * HOB_MSEC, 900 * HOB_MSEC };
static const struct service market = { "%d left", 0, 40, 200 * HOB_MSEC, 1200 * HOB_MSEC };
static const struct service courier = { "in %d min", 5, 50, 1 * HOB_HOUR, 2 * HOB_HOUR };

static int64_t random_between(int64_t min, int64_t max)
{
    return min + (int64_t)(hob_random() % (uint64_t)(max - min + 1));
}

struct visit {
    const struct service *service;
    hob_tcp              *conn;
};

static int answer_question(struct visit *visit)
{
    const struct service *s = visit->service;
    char                  text[64];

    if (HOB_TRY(hob_tcp_read(visit->conn, text, sizeof text)) == 0)
        return 0;
    HOB_TRY(hob_sleep(random_between(s->thinks_min_ns, s->thinks_max_ns)));
    int len = snprintf(text, sizeof text, s->answers, (int)random_between(s->min, s->max));
    HOB_TRY(hob_tcp_write(visit->conn, text, (size_t)len));
    return 0;
}

static int receive_visitor(void *arg)
{
    struct visit *visit = arg;
    (void)answer_question(visit); // who hangs up early has their reasons
    hob_tcp_close(visit->conn);
    return 0;
}

static int run_service(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    hob_ready(&addr);

    HOB_SCOPE(visitors);
    struct visit visit = { .service = arg };
    while (hob_tcp_accept(listener, &visit.conn) == 0) {
        if (hob_go_copy(&visitors, receive_visitor, &visit, sizeof visit) < 0)
            hob_tcp_close(visit.conn);
    }
    hob_tcp_listener_close(listener);
    return hob_scope_end(&visitors);
}

static int open_service(hob_scope *scope, const char *name, const struct service *service,
                        hob_addr *ret_addr)
{
    void *addr;
    HOB_TRY(hob_go_ready(scope, run_service, (void *)service,
                         &(hob_task_opts){ .name = name, .daemon = 1 }, &addr));
    *ret_addr = *(hob_addr *)addr;
    return 0;
}

/* ---- asking them ---- */

struct question {
    struct kitchen *kitchen;
    const char     *label;
    const hob_addr *service;
    int64_t         limit_ns;
};

static int ask(hob_tcp *conn, const char *text, char *answer, size_t size)
{
    HOB_TRY(hob_tcp_write(conn, text, strlen(text)));
    ssize_t n = HOB_TRY(hob_tcp_read(conn, answer, size - 1));
    answer[n] = '\0';
    return 0;
}

static int ask_in_time(const struct question *q, char *answer, size_t size)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(q->limit_ns));

    hob_tcp *conn;
    HOB_TRY(hob_tcp_connect(q->service, NULL, &conn));
    int r = ask(conn, q->label, answer, size);
    hob_tcp_close(conn);
    return r;
}

static int ask_service(void *arg)
{
    struct question     *q = arg;
    struct timeline_bar *bar = begin_bar(q->kitchen, BLUE, q->label);

    int r = ask_in_time(q, bar->note, sizeof bar->note);
    end_bar(q->kitchen, bar);
    if (r == -ETIMEDOUT && hob_cancelled() == 0) {
        bar->colour = RED; // its own limit, not the kitchen's deadline: dinner goes on
        snprintf(bar->note, sizeof bar->note, "given up, as set");
        return 0;
    }
    return r;
}

static void ask_services(hob_scope *scope, struct kitchen *k)
{
    const struct question questions[] = {
        { k, "price of bread", &k->bakery, 5 * HOB_SEC },
        { k, "price of a cake", &k->bakery, 5 * HOB_SEC },
        { k, "price of a pie", &k->bakery, 5 * HOB_SEC },
        { k, "stock of tomatoes", &k->market, 5 * HOB_SEC },
        { k, "stock of basil", &k->market, 5 * HOB_SEC },
        { k, "stock of cheese", &k->market, 5 * HOB_SEC },
        { k, "when is the wine?", &k->courier, 800 * HOB_MSEC },
    };
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        hob_go_copy(scope, ask_service, &questions[i], sizeof questions[i]);
}

/* ---- the clock ---- */

struct pot {
    struct kitchen *kitchen;
    const char     *label;
    int64_t         cooks_ns;
};

static int watch_pot(void *arg)
{
    struct pot          *pot = arg;
    struct timeline_bar *bar = begin_bar(pot->kitchen, YELLOW, pot->label);
    HOB_TRY(hob_sleep(pot->cooks_ns));
    end_bar(pot->kitchen, bar);
    snprintf(bar->note, sizeof bar->note, "%.2f s",
             (double)(bar->to_ns - bar->from_ns) / (double)HOB_SEC);
    return 0;
}

static int boil_egg(void *arg)
{
    struct kitchen *k = arg;
    int64_t         from_ns = hob_now();
    int64_t         done_ns = hob_in(random_between(200 * HOB_MSEC, 1400 * HOB_MSEC));

    HOB_TRY(hob_sleep_until(done_ns));
    if (hob_now() - done_ns > k->eggs_late_ns)
        k->eggs_late_ns = hob_now() - done_ns;
    k->eggs_sum_ns += done_ns - from_ns;
    return 0;
}

static int boil_eggs(void *arg)
{
    struct kitchen *k = arg;
    char            label[48];
    snprintf(label, sizeof label, "%d eggs", k->eggs);
    struct timeline_bar *bar = begin_bar(k, YELLOW, label);

    HOB_SCOPE(eggs);
    for (int i = 0; i < k->eggs; i++)
        hob_go(&eggs, boil_egg, k);
    HOB_TRY(hob_scope_end(&eggs));
    bar->to_ns = hob_now(); // not end_bar: the eggs are summed up one by one
    snprintf(bar->note, sizeof bar->note, "late by %.1f ms",
             (double)k->eggs_late_ns / (double)HOB_MSEC);
    return 0;
}

static void watch_clock(hob_scope *scope, struct kitchen *k)
{
    const struct pot pots[] = {
        { k, "boil the water", 700 * HOB_MSEC },
        { k, "simmer the sauce", 1500 * HOB_MSEC },
    };
    for (size_t i = 0; i < sizeof pots / sizeof pots[0]; i++)
        hob_go_copy(scope, watch_pot, &pots[i], sizeof pots[i]);
    if (k->eggs > 0)
        hob_go(scope, boil_eggs, k);
}

/* ---- all at once ---- */

/* A number from what the system knows of this process, or 0. */
static long read_status(const char *name)
{
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL)
        return 0;
    char line[256];
    long number = 0;
    while (number == 0 && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            number = strtol(line + strlen(name), NULL, 10);
    fclose(status);
    return number;
}

static int cook(struct kitchen *k)
{
    HOB_SCOPE(dinner);
    hob_scope_deadline(&dinner, hob_in(DEADLINE));
    watch_clock(&dinner, k);
    ask_services(&dinner, k);
    read_folders(&dinner, k);
    return hob_scope_end(&dinner);
}

static int open_and_cook(void *arg)
{
    struct kitchen *k = arg;

    HOB_SCOPE(town);
    HOB_TRY(open_service(&town, "bakery", &bakery, &k->bakery));
    HOB_TRY(open_service(&town, "market", &market, &k->market));
    HOB_TRY(open_service(&town, "courier", &courier, &k->courier));

    k->start_ns = hob_now();
    HOB_TRY(cook(k));
    k->took_ns = hob_now() - k->start_ns;
    k->backend = hob_backend_name();
    k->threads = read_status("Threads:");
    k->peak_kib = read_status("VmHWM:");
    hob_stats_get(&k->stats);
    return hob_scope_end(&town);
}

/* ---- the bill ---- */

static void print_sum(const struct kitchen *k, enum timeline_colour colour, const char *label,
                      int64_t ns)
{
    printf("  %-*s", TIMELINE_LABEL, label);
    timeline_set_colour(colour);
    timeline_draw_blocks(0, timeline_eighths(ns, k->sum_ns), k->timeline.ascii);
    timeline_set_colour(PLAIN);
    printf(" %16.2f s\n", (double)ns / (double)HOB_SEC);
}

static void print_bill(const struct kitchen *k)
{
    printf("\n  Dinner on one stove: everything at once\n\n");
    timeline_draw(&k->timeline, k->start_ns, k->took_ns, HOB_SEC, "s");
    putchar('\n');
    print_sum(k, GREEN, "all at once", k->took_ns);
    print_sum(k, RED, "one after the other", k->sum_ns);
    printf("\n  %.1f times as fast; \"one after the other\" is the sum of the bars above,\n"
           "  without the eggs: boiled singly, they would take another %.0f minutes.\n",
           (double)k->sum_ns / (double)k->took_ns,
           (double)k->eggs_sum_ns / (double)HOB_MINUTE);
    printf("\n  backend %s   tasks %llu   switches %llu   threads %ld   peak memory %.1f MiB\n\n",
           k->backend, (unsigned long long)k->stats.tasks_started,
           (unsigned long long)k->stats.switches, k->threads, (double)k->peak_kib / 1024);
}

/* What to read when nothing is said: the house, if this is it. */
static void choose_folders(struct kitchen *k)
{
    static const char *const rooms[] = { "include", "src", "examples", "tests", "docs" };
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        if (access(rooms[i], R_OK) == 0)
            k->folders[k->folder_count++] = rooms[i];
    if (k->folder_count == 0)
        k->folders[k->folder_count++] = ".";
}

int main(int argc, char **argv)
{
    static struct kitchen kitchen = { .eggs = EGGS };

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ascii") == 0) {
            kitchen.timeline.ascii = true;
        } else if (strcmp(argv[i], "--eggs") == 0 && i + 1 < argc) {
            kitchen.eggs = atoi(argv[++i]);
        } else if (argv[i][0] != '-' && kitchen.folder_count < FOLDERS_MAX) {
            kitchen.folders[kitchen.folder_count++] = argv[i];
        } else {
            fprintf(stderr, "usage: %s [--eggs N] [--ascii] [FOLDER]...\n", argv[0]);
            return 2;
        }
    }
    if (kitchen.folder_count == 0)
        choose_folders(&kitchen);

    int r = hob_run(open_and_cook, &kitchen);
    if (r == 0)
        print_bill(&kitchen);
    return r;
}
