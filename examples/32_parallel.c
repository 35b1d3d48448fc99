/* SPDX-License-Identifier: MIT */
/*
 * A program for each line of standard input, so many at a time, as xargs -P does it; but what each
 * says stays together, and ^C ends all that run.
 *
 *     ls *.c | build/hob run examples/32_parallel.c 4 wc -l
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>

enum { ARGS_MAX = 32 };

struct job {
    char line[1024];
};

static const char *const *program; /* ends with NULL */
static hob_sem            free_places = { .name = "places" };
static int                failed;

static int run_job(void *arg)
{
    struct job        *job = arg;
    const char        *argv[ARGS_MAX + 2] = { 0 };
    hob_process_opts   opts = { .err = HOB_STDIO_MERGE };
    hob_process_output output;
    char               how[64];
    int count = 0;
    for (; count < ARGS_MAX && program[count] != NULL; count++)
        argv[count] = program[count];
    argv[count] = job->line;

    int r = hob_process_run(argv, &opts, NULL, &output);
    hob_sem_release(&free_places);
    if (r < 0)
        return r;
    fwrite(output.out, 1, output.out_len, stdout);
    if (output.result.code != 0) {
        printf("%s: %s\n", job->line, hob_process_describe(&output.result, how, sizeof how));
        failed++;
    }
    hob_process_output_free(&output);
    return 0;
}

/* Starts the next job when there is a place for it: no line is read before that. */
static int start_job(hob_scope *scope, const char *line, size_t len)
{
    struct job job = { { 0 } };
    if (len >= sizeof job.line)
        return hob_fail(-EMSGSIZE);
    memcpy(job.line, line, len);
    HOB_TRY(hob_sem_acquire(&free_places));
    return hob_go_copy(scope, run_job, &job, sizeof job);
}

static void close_input(void *input)
{
    hob_pipe_close(input);
}

static int run_all(void *arg)
{
    static char buf[64 * 1024];
    size_t      len = 0;
    ssize_t     n;
    hob_pipe   *input;
    HOB_TRY(hob_pipe_from_fd(0, &input));
    HOB_DEFER(close_input, input);
    HOB_SCOPE(s);
    while ((n = HOB_TRY(hob_pipe_read(input, buf + len, sizeof buf - len))) > 0) {
        char *line = buf, *end;
        len += (size_t)n;
        while ((end = memchr(line, '\n', (size_t)(buf + len - line))) != NULL) {
            if (end > line)
                HOB_TRY(start_job(&s, line, (size_t)(end - line)));
            line = end + 1;
        }
        len = (size_t)(buf + len - line);
        memmove(buf, line, len);
        if (len == sizeof buf)
            return hob_fail(-EMSGSIZE);
    }
    if (len > 0) // a last line without an end
        HOB_TRY(start_job(&s, buf, len));
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    int places = argc > 2 ? atoi(argv[1]) : 0;
    if (places < 1) {
        fprintf(stderr, "usage: 32_parallel COUNT PROGRAM [ARGUMENT ...]\n");
        return 2;
    }
    program = (const char *const *)argv + 2;
    free_places.permits = (size_t)places;
    int r = hob_run(run_all, NULL);
    return r != 0 ? r : failed > 0;
}
