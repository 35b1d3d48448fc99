/* SPDX-License-Identifier: MIT */
/* What was logged in a test, for hob_test_log_text. Threads: any may log. */
#include "test/state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"

enum { LOG_BYTES_MAX = 1 << 20 }; /* then the first half is forgotten */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Keeps the newest lines, whole. */
static void forget_half(struct test_run *run)
{
    const char *from = strchr(run->log + run->log_len / 2, '\n');
    size_t      gone = from != NULL ? (size_t)(from + 1 - run->log) : run->log_len;
    memmove(run->log, run->log + gone, run->log_len - gone + 1);
    run->log_len -= gone;
}

static void take_line(const char *line, size_t len)
{
    struct test_run *run = &hob__test_now;
    pthread_mutex_lock(&lock);
    if (run->log_len + len > LOG_BYTES_MAX)
        forget_half(run);
    if (run->log_len + len + 1 > run->log_cap) {
        size_t cap = (run->log_len + len + 1) * 2;
        char  *log = (char *)realloc(run->log, cap);
        if (log == NULL) {
            pthread_mutex_unlock(&lock);
            return;
        }
        run->log = log;
        run->log_cap = cap;
    }
    memcpy(run->log + run->log_len, line, len);
    run->log_len += len;
    run->log[run->log_len] = '\0';
    pthread_mutex_unlock(&lock);
}

const char *hob_test_log_text(void)
{
    struct test_run *run = &hob__test_now;
    pthread_mutex_lock(&lock);
    free(run->log_copy); // others may log meanwhile
    run->log_copy = strdup(run->log_len > 0 ? run->log : "");
    pthread_mutex_unlock(&lock);
    return run->log_copy != NULL ? run->log_copy : "";
}

void hob_test_log_clear(void)
{
    pthread_mutex_lock(&lock);
    hob__test_now.log_len = 0;
    pthread_mutex_unlock(&lock);
}

/* The last lines that were said before it failed. */
void hob__test_log_show(void)
{
    enum { SHOWN = 4000 };
    const char *text = hob_test_log_text();
    size_t      len = strlen(text);
    if (len == 0)
        return;
    const char *from = len > SHOWN ? strchr(text + len - SHOWN, '\n') : NULL;
    fprintf(stderr, "  logged:\n%s", from != NULL ? from + 1 : text);
}

void hob__test_log_begin(void)
{
    hob_test_log_clear();
    hob__log_reset();
    hob__log_tee(take_line);
}

void hob__test_log_end(void)
{
    struct test_run *run = &hob__test_now;
    hob__log_reset();
    hob__log_tee(NULL);
    free(run->log);
    free(run->log_copy);
    run->log = run->log_copy = NULL;
    run->log_len = run->log_cap = 0;
}
