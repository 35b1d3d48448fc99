/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words;
} TROUBLES[] = {
#define X(trouble, name, words) { name, words },
    LOAD_TROUBLES(X)
#undef X
};

static const struct {
    const char *name;
    double      share;
} SHARES[] = {
    { "p50", 0.5 }, { "p75", 0.75 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 }, { "max", 1 },
};

enum { SHARES_COUNT = sizeof SHARES / sizeof SHARES[0], WORD_MAX = 32, ROWS_MAX = 40 }; // up to days

/* ---- words ---- */

/* 1234567 as 1,234,567. */
static const char *grouped(uint64_t number, char word[static WORD_MAX])
{
    char *at = word + WORD_MAX - 1;
    int   digits = 0;

    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + number % 10);
        digits++;
    } while ((number /= 10) > 0);
    return at;
}

static const char *time_words(double ns, char word[static WORD_MAX])
{
    if (ns < 1e6)
        snprintf(word, WORD_MAX, "%.*f us", ns < 1e4 ? 2 : ns < 1e5 ? 1 : 0, ns / 1e3);
    else if (ns < 1e9)
        snprintf(word, WORD_MAX, "%.*f ms", ns < 1e7 ? 2 : ns < 1e8 ? 1 : 0, ns / 1e6);
    else
        snprintf(word, WORD_MAX, "%.2f s", ns / 1e9);
    return word;
}

static const char *size_words(double bytes, char word[static WORD_MAX])
{
    static const char *const units[] = { "bytes", "KB", "MB", "GB", "TB" };
    int                      unit = 0;

    while (bytes >= 1000 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(word, WORD_MAX, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
    return word;
}

static double seconds_of(const struct load *load)
{
    int64_t end_ns = load->ended_ns != 0 ? load->ended_ns : hob_now();
    double  seconds = (double)(end_ns - load->began_ns) / 1e9;
    return seconds > 0 ? seconds : 1e-9;
}

/* ---- while it goes on ---- */

void bench_show_progress(const struct bench *bench)
{
    const struct load *load = &bench->load;
    double             seconds = seconds_of(load);
    char               a[WORD_MAX], b[WORD_MAX], c[WORD_MAX], d[WORD_MAX];

    fprintf(stderr, "\r\033[K%.1f s  %s answers  %s/s  p99 %s  %s errors", seconds,
            grouped(load->answers, a), grouped((uint64_t)((double)load->answers / seconds), b),
            time_words((double)histogram_at(&load->latency, 0.99), c), grouped(load_troubles(load), d));
    fflush(stderr);
}

void bench_end_progress(void)
{
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

/* ---- as a table ---- */

static void print_errors(const struct load *load)
{
    char word[WORD_MAX];

    for (int i = 0; i < LOAD_TROUBLES_COUNT; i++) {
        if (load->troubles[i] > 0)
            printf("  %-11s %s: %s (%s)\n", TROUBLES[i].name, grouped(load->troubles[i], word),
                   TROUBLES[i].words, hob_strerror(load->first_error[i]));
    }
    if (load->unsent > 0)
        printf("  %-11s %s were due and never sent: the server is too slow for this rate, or more "
               "connections are needed\n",
               "unsent", grouped(load->unsent, word));
}

/* A row for each step of 1, 2, 5, 10 and so on in which there is something, and those between them. */
static int64_t next_step(int64_t ns)
{
    int64_t ten = 1;
    while (ten * 10 <= ns)
        ten *= 10;
    return ns < 2 * ten ? 2 * ten : ns < 5 * ten ? 5 * ten : 10 * ten;
}

static int64_t step_above(int64_t ns)
{
    int64_t step = 1000; // no finer than a microsecond
    while (step < ns)
        step = next_step(step);
    return step;
}

struct row {
    int64_t  to_ns;
    uint64_t count;
};

/* Returns how many there are. */
static size_t rows_of(const struct histogram *h, struct row rows[static ROWS_MAX], uint64_t *ret_most)
{
    uint64_t seen = 0;
    size_t   count = 0;

    *ret_most = 1;
    for (int64_t to = step_above(histogram_at(h, 0)); seen < h->count && count < ROWS_MAX; to = next_step(to)) {
        uint64_t upto = histogram_upto(h, to);
        rows[count] = (struct row){ to, upto - seen };
        *ret_most = rows[count].count > *ret_most ? rows[count].count : *ret_most;
        count++;
        seen = upto;
    }
    return count;
}

static void print_histogram(const struct histogram *h)
{
    static const char BAR[] = "########################################";
    struct row        rows[ROWS_MAX];
    uint64_t          most;
    size_t            count = rows_of(h, rows, &most);
    char              word[WORD_MAX];

    printf("\n");
    for (size_t i = 0; i < count; i++) {
        double share = (double)rows[i].count / (double)h->count, to = (double)rows[i].to_ns;
        int    bar = (int)((double)rows[i].count / (double)most * (double)(sizeof BAR - 1) + 0.5);
        printf("    up to %4g %-2s %15s %6.2f %%%s%.*s\n", to < 1e6 ? to / 1e3 : to < 1e9 ? to / 1e6 : to / 1e9,
               to < 1e6 ? "us" : to < 1e9 ? "ms" : "s", grouped(rows[i].count, word), share * 100, bar > 0 ? "  " : "", bar, BAR);
    }
}

/* What the times are, so that nobody takes one kind for the other. */
static void print_latency(const struct load *load)
{
    uint64_t lost = load_troubles(load) + load->unsent;
    char     a[WORD_MAX];

    printf("\n  latency, from when each was %s\n   ",
           load->opts.rate > 0 ? "due (corrected for coordinated omission)" : "sent (--rate counts from when they were due)");
    for (int i = 0; i < SHARES_COUNT; i++)
        printf(" %9s", SHARES[i].name);
    printf(" %9s\n   ", "mean");
    for (int i = 0; i < SHARES_COUNT; i++)
        printf(" %9s", time_words((double)histogram_at(&load->latency, SHARES[i].share), a));
    printf(" %9s\n", time_words(histogram_mean(&load->latency), a));
    print_histogram(&load->latency);
    if (lost > 0)
        printf("\n  What failed or was not sent has no latency, and is not in it.\n");
}

/* What most often is the reason. */
static void print_note(const struct bench *bench)
{
    const struct load *load = &bench->load;
    const char        *note = NULL;

    if (load->answers > 0 && load->by_class[1] + load->by_class[2] + load->by_class[3] == 0)
        note = "all answers are errors: is it the right URL?";
    else if (load->answers == 0 && load->first_error[LOAD_TLS] == HOB_ETLSCERT)
        note = "--ca FILE trusts who has signed the certificate, --insecure anybody";
    else if (load->answers == 0 && load->troubles[LOAD_TLS] > 0)
        note = "does the server speak TLS on this port, or is it http://?";
    else if (load->answers == 0 && load->troubles[LOAD_CLOSED] + load->troubles[LOAD_ANSWER] > 0 && !bench->url.is_https)
        note = "does the server speak HTTP/1.1 on this port, or is it https://?";
    if (note != NULL)
        printf("  %-11s %s\n", "note", note);
}

static void print_table(const struct bench *bench)
{
    const struct load *load = &bench->load;
    double             seconds = seconds_of(load);
    char               a[WORD_MAX], b[WORD_MAX];

    printf("%s %s, %u connection%s", bench->method, bench->url_text, load->opts.connections,
           load->opts.connections == 1 ? "" : "s");
    if (load->opts.depth > 1)
        printf(", %u requests at once on each", load->opts.depth);
    if (load->opts.rate > 0)
        printf(", %.6g requests/s wanted", load->opts.rate);
    printf(", %.2f s%s\n\n", seconds, bench->interrupted_by > 0 ? " (interrupted)" : "");

    printf("  %-11s %s, %s/s\n", "answers", grouped(load->answers, a),
           grouped((uint64_t)((double)load->answers / seconds + 0.5), b));
    for (int i = 1; i < 6; i++) {
        if (load->by_class[i] > 0 && (i != 2 || load->by_class[i] < load->answers))
            printf("    %dxx       %s\n", i, grouped(load->by_class[i], a));
    }
    if (load->by_class[0] > 0)
        printf("    other     %s\n", grouped(load->by_class[0], a));
    printf("  %-11s %s, %s/s\n", "received", size_words((double)load->bytes, a),
           size_words((double)load->bytes / seconds, b));
    print_errors(load);
    print_note(bench);
    if (load->answers == 0)
        return;
    print_latency(load);
}

/* ---- as JSON ---- */

/* A URL and a method have visible ASCII only. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void print_json(const struct bench *bench)
{
    const struct load *load = &bench->load;
    double             seconds = seconds_of(load);
    struct row         rows[ROWS_MAX];
    uint64_t           most;

    printf("{\n  \"method\": ");
    print_string(bench->method);
    printf(",\n  \"url\": ");
    print_string(bench->url_text);
    printf(",\n  \"connections\": %u,\n  \"pipeline\": %u,\n  \"rate\": ", load->opts.connections,
           load->opts.depth);
    if (load->opts.rate > 0)
        printf("%.6f", load->opts.rate);
    else
        printf("null");
    printf(",\n  \"seconds\": %.6f,\n  \"interrupted\": %s,\n  \"answers\": %llu,\n"
           "  \"answers_per_s\": %.3f,\n  \"bytes\": %llu,\n  \"connects\": %llu,\n",
           seconds, bench->interrupted_by > 0 ? "true" : "false", (unsigned long long)load->answers,
           (double)load->answers / seconds, (unsigned long long)load->bytes,
           (unsigned long long)load->connects);
    printf("  \"status\": { ");
    for (int i = 1; i < 6; i++)
        printf("\"%dxx\": %llu, ", i, (unsigned long long)load->by_class[i]);
    printf("\"other\": %llu },\n  \"errors\": { ", (unsigned long long)load->by_class[0]);
    for (int i = 0; i < LOAD_TROUBLES_COUNT; i++)
        printf("\"%s\": %llu%s", TROUBLES[i].name, (unsigned long long)load->troubles[i],
               i + 1 < LOAD_TROUBLES_COUNT ? ", " : " },\n");
    printf("  \"unsent\": %llu,\n  \"latency_us\": { ", (unsigned long long)load->unsent);
    for (int i = 0; i < SHARES_COUNT; i++)
        printf("\"%s\": %.3f, ", SHARES[i].name,
               (double)histogram_at(&load->latency, SHARES[i].share) / 1000);
    printf("\"mean\": %.3f },\n  \"latency_from\": \"%s\",\n  \"histogram\": [", histogram_mean(&load->latency) / 1000,
           load->opts.rate > 0 ? "due" : "sent");
    for (size_t i = 0, count = rows_of(&load->latency, rows, &most); i < count; i++)
        printf("%s{ \"to_us\": %lld, \"count\": %llu }", i > 0 ? ", " : " ", (long long)(rows[i].to_ns / 1000),
               (unsigned long long)rows[i].count);
    printf(" ]\n}\n");
}

void bench_report(const struct bench *bench)
{
    if (bench->is_json)
        print_json(bench);
    else
        print_table(bench);
}
