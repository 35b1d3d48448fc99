/* SPDX-License-Identifier: MIT */
/*
 * A supervisor of programs: starts those of a list, and again when they end, until ^C.
 *
 * Each line of the list is a name and a program with its arguments, split at blanks; no shell is
 * there. On SIGTERM or ^C the run stops: there is nothing to drain, so all is cancelled, and each
 * program ends with the scope it was started in: asked, given five seconds, then killed.
 *
 *     printf 'date: date +%%T\nclock: sleep 2\n' > list
 *     build/hob run examples/31_programs.c list
 */
#include <errno.h>
#include <string.h>

#include <hob.h>

enum { PROGRAMS_MAX = 16, ARGS_MAX = 16 };

struct program {
    char        line[512];
    const char *name;
    const char *argv[ARGS_MAX + 1];
};

static struct program programs[PROGRAMS_MAX];

static void close_process(hob_process **process)
{
    hob_process_close(*process);
}

/* When we stop, it is asked to end, with its time for that. */
static int wait_for(hob_process *process, hob_process_result *ret_result)
{
    int r = hob_process_wait(process, ret_result);
    if (r == 0)
        return 0;
    HOB_SHIELD(HOB_FOREVER) {
        (void)!hob_process_end(process, ret_result);
    }
    return r;
}

/* One run of a program. What ended badly is started again, in a while. */
static int run_program(void *arg)
{
    struct program    *program = arg;
    hob_process_opts   opts = { .in = HOB_STDIO_NULL, .new_group = 1 }; // ^C is for us alone
    hob_process_result result = { 0 };
    char               how[64];

    HOB_SCOPE(s);
    __attribute__((cleanup(close_process))) hob_process *process = NULL;
    HOB_TRY(hob_process_start(&s, program->argv, &opts, &process));
    printf("%s: started\n", program->name);
    int r = wait_for(process, &result);
    printf("%s: %s\n", program->name, hob_process_describe(&result, how, sizeof how));
    if (r < 0)
        return r;
    return result.code == 0 ? 0 : -EIO;
}

static void tell(void *arg, const char *name, int error)
{
    printf("%s: %s; it is started again\n", name, error == 0 ? "ended" : "failed");
}

/* "name: program argument argument" */
static int read_line(struct program *program)
{
    int   count = 0;
    char *rest = program->line;
    program->name = strsep(&rest, ":");
    for (char *word; rest != NULL && (word = strsep(&rest, " \t\n")) != NULL;) {
        if (*word != '\0' && count < ARGS_MAX)
            program->argv[count++] = word;
    }
    return count > 0 ? 0 : -EINVAL;
}

static int read_list(const char *path)
{
    int   count = 0;
    FILE *list = fopen(path, "re");
    if (list == NULL)
        return -errno;
    while (count < PROGRAMS_MAX && fgets(programs[count].line, sizeof programs[0].line, list) != NULL)
        count += read_line(&programs[count]) == 0;
    fclose(list);
    return count;
}

static int supervise(void *path)
{
    hob_child children[PROGRAMS_MAX];
    int       count = HOB_TRY(read_list(path));
    for (int i = 0; i < count; i++)
        children[i] = (hob_child){ .name = programs[i].name, .fn = run_program, .arg = &programs[i] };
    return hob_supervise(children, (size_t)count,
                         &(hob_supervise_opts){ .restarts_max = 5, .on_restart = tell });
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        fprintf(stderr, "usage: 31_programs LIST\n");
        return 2;
    }
    return hob_run(supervise, argv[1]);
}
