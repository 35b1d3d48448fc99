/* SPDX-License-Identifier: MIT */
/*
 * hob_process_run, on the public calls alone: three tasks feed and read, so that neither side waits
 * for the other, and the first failure ends the program with the scope.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/process.h"
#include "hob/task.h"

enum { KEPT_MAX = 1024 * 1024, FIRST_ROOM = 4096 };

/* Bytes as they come, with room for a 0. */
struct collected {
    hob_pipe *from;
    char     *bytes;
    size_t    len, cap, max;
};

static int make_room(struct collected *c)
{
    size_t most = c->max < SIZE_MAX - 2 ? c->max + 2 : SIZE_MAX; // one more shows that it is too much
    size_t cap = c->cap == 0 ? FIRST_ROOM : 2 * c->cap;
    if (c->cap - c->len > 1)
        return 0;
    if (cap > most)
        cap = most;
    char *bytes = hob__realloc(c->bytes, cap);
    if (bytes == NULL)
        return -ENOMEM;
    c->bytes = bytes;
    c->cap = cap;
    return 0;
}

static int collect(void *arg)
{
    struct collected *c = arg;
    for (;;) {
        HOB_TRY(make_room(c));
        ssize_t n = HOB_TRY(hob_pipe_read(c->from, c->bytes + c->len, c->cap - c->len - 1));
        if (n == 0)
            break;
        c->len += (size_t)n;
        if (c->len > c->max)
            return hob_fail(-EMSGSIZE);
    }
    c->bytes[c->len] = '\0';
    return 0;
}

struct feeding {
    hob_process             *process;
    const hob_process_input *input;
};

static int feed(void *arg)
{
    struct feeding *f = arg;
    ssize_t n = hob_pipe_write(hob_process_in(f->process), f->input->bytes, f->input->len);
    hob_process_close_in(f->process);
    return n < 0 && n != -EPIPE ? (int)n : 0; // it need not read everything
}

struct run {
    hob_process_opts   opts;
    hob_process       *process;
    struct feeding     feeding;
    struct collected   out, err;
    hob_process_result result;
};

static void close_process(hob_process **process)
{
    hob_process_close(*process);
}

static int talk(struct run *run)
{
    HOB_SCOPE(talk);
    if (hob_process_in(run->process) != NULL)
        hob_go(&talk, feed, &run->feeding);
    if ((run->out.from = hob_process_out(run->process)) != NULL)
        hob_go(&talk, collect, &run->out);
    if ((run->err.from = hob_process_err(run->process)) != NULL)
        hob_go(&talk, collect, &run->err);
    HOB_TRY(hob_scope_end(&talk));
    return hob_process_wait(run->process, &run->result);
}

static int run_in_scope(struct run *run, const char *const *argv)
{
    HOB_SCOPE(s); // when this is left early, it ends the program
    __attribute__((cleanup(close_process))) hob_process *process = NULL;
    HOB_TRY(hob_process_start(&s, argv, &run->opts, &process));
    run->process = run->feeding.process = process;
    HOB_TRY(talk(run));
    return hob_scope_end(&s);
}

static void use_pipe(hob_stdio *how)
{
    if (*how == HOB_STDIO_INHERIT)
        *how = HOB_STDIO_PIPE;
}

static void run_init(struct run *run, const hob_process_opts *opts, const hob_process_input *input)
{
    static const hob_process_input nothing;
    *run = (struct run){ 0 };
    if (opts != NULL)
        run->opts = *opts;
    hob_require(!run->opts.terminal, "hob_process_run: a terminal is for hob_process_start");
    if (input == NULL)
        input = &nothing;
    if (input->len == 0 && run->opts.in == HOB_STDIO_INHERIT)
        run->opts.in = HOB_STDIO_NULL;
    use_pipe(&run->opts.in);
    use_pipe(&run->opts.out);
    use_pipe(&run->opts.err);
    run->feeding.input = input;
    run->out.max = input->out_max != 0 ? input->out_max : KEPT_MAX;
    run->err.max = input->err_max != 0 ? input->err_max : KEPT_MAX;
}

/* Whoever looks at the output need not look for NULL. */
static int give_text(struct collected *c, char **ret_text, size_t *ret_len)
{
    if (c->bytes == NULL)
        c->bytes = hob__alloc_zero(1);
    if (c->bytes == NULL)
        return -ENOMEM;
    *ret_text = c->bytes;
    *ret_len = c->len;
    return 0;
}

int hob_process_run(const char *const *argv, const hob_process_opts *opts,
                    const hob_process_input *input, hob_process_output *ret_output)
{
    struct run         run;
    hob_process_output output;
    run_init(&run, opts, input);
    int r = run_in_scope(&run, argv);
    if (r == 0)
        r = give_text(&run.out, &output.out, &output.out_len);
    if (r == 0)
        r = give_text(&run.err, &output.err, &output.err_len);
    if (r < 0) {
        hob__free(run.out.bytes);
        hob__free(run.err.bytes);
        return r;
    }
    output.result = run.result;
    *ret_output = output;
    return 0;
}

void hob_process_output_free(hob_process_output *output)
{
    if (output == NULL)
        return;
    hob__free(output->out);
    hob__free(output->err);
    *output = (hob_process_output){ 0 };
}
