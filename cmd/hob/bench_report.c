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

enum { SHARES_COUNT = sizeof SHARES / sizeof SHARES[0], WORD_MAX = 32 };

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

    fprintf(stderr, "\r\033[K%.0f s  %s answers  %s/s  p99 %s  %s errors", seconds,
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
    printf(", %.2f s%s\n\n", seconds, bench->is_interrupted ? " (interrupted)" : "");

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

    if (load->answers == 0)
        return;
    printf("\n  latency%s\n   ", load->opts.rate > 0 ? ", from when each request was due" : "");
    for (int i = 0; i < SHARES_COUNT; i++)
        printf(" %9s", SHARES[i].name);
    printf(" %9s\n   ", "mean");
    for (int i = 0; i < SHARES_COUNT; i++)
        printf(" %9s", time_words((double)histogram_at(&load->latency, SHARES[i].share), a));
    printf(" %9s\n", time_words(histogram_mean(&load->latency), a));
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
           seconds, bench->is_interrupted ? "true" : "false", (unsigned long long)load->answers,
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
    printf("\"mean\": %.3f }\n}\n", histogram_mean(&load->latency) / 1000);
}

void bench_report(const struct bench *bench)
{
    if (bench->is_json)
        print_json(bench);
    else
        print_table(bench);
}
