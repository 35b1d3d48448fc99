/* SPDX-License-Identifier: MIT */
/*
 * Numbers the lines of standard input, as they come:
 *
 *     tail -f log | number_lines
 */
#include <hob.h>

#include <stdlib.h>
#include <string.h>

/* Bytes that were read and are not yet part of a whole line. */
struct line_reader {
    hob_pipe *pipe;
    char      bytes[4096];
    size_t    start, end;
};

/* The next line with its newline, which is lent until the next call. Returns its
 * length, 0 at the end, or a negative error. A line longer than the room, and a
 * last one without a newline, come as they are. */
static ssize_t next_line(struct line_reader *in, const char **ret_line)
{
    for (;;) {
        char  *line = in->bytes + in->start;
        size_t len = in->end - in->start;
        char  *newline = memchr(line, '\n', len);
        if (newline != NULL)
            len = (size_t)(newline - line) + 1;

        if (newline != NULL || len == sizeof in->bytes) {
            in->start += len;
            *ret_line = line;
            return (ssize_t)len;
        }

        memmove(in->bytes, line, len);
        in->start = 0;
        in->end = len;
        ssize_t n = HOB_TRY(hob_pipe_read(in->pipe, in->bytes + len, sizeof in->bytes - len));
        if (n == 0) {
            in->end = 0;
            *ret_line = in->bytes;
            return (ssize_t)len;
        }
        in->end += (size_t)n;
    }
}

static int number_lines(struct line_reader *in, hob_pipe *out)
{
    const char *line = NULL;
    char        numbered[sizeof in->bytes + 32];

    for (unsigned long number = 1;; number++) {
        ssize_t len = HOB_TRY(next_line(in, &line));
        if (len == 0)
            return 0;
        int n = snprintf(numbered, sizeof numbered, "%6lu  %.*s", number, (int)len, line);
        HOB_TRY(hob_pipe_write(out, numbered, (size_t)n));
    }
}

static int run(void *arg)
{
    (void)arg;
    struct line_reader in = { .pipe = NULL };
    hob_pipe          *out;

    HOB_TRY(hob_pipe_from_fd(0, &in.pipe));
    int r = hob_pipe_from_fd(1, &out);
    if (r >= 0) {
        r = number_lines(&in, out);
        hob_pipe_close(out);
    }
    hob_pipe_close(in.pipe);
    return r;
}

int main(void)
{
    return hob_run(run, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
