/* SPDX-License-Identifier: MIT */
/*
 * A supervisor of programs: starts those of a list, and again when they end, until ^C.
 *
 * Each line of the list is a name and a program with its arguments, split at blanks; no shell is
 * there. Empty lines and those that begin with # say nothing. On SIGTERM or ^C the run stops: there is nothing to drain, so all is cancelled, and each
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

static struct program programs[PROGRAMS_MAX + 1]; // and one that is too many

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

/* "name: program argument argument". Returns 1; 0: the line says nothing; or what is wrong. */
static int read_line(struct program *program)
{
    int   count = 0;
    char *rest = program->line + strspn(program->line, " \t");
    if (*rest == '\0' || *rest == '\n' || *rest == '#')
        return 0;
    if (strchr(rest, '\n') == NULL && strlen(program->line) == sizeof program->line - 1)
        return -EMSGSIZE;
    program->name = strsep(&rest, ":");
    for (char *word; rest != NULL && (word = strsep(&rest, " \t\r\n")) != NULL;) {
        if (*word != '\0' && count == ARGS_MAX)
            return -E2BIG;
        if (*word != '\0')
            program->argv[count++] = word;
    }
    return count > 0 ? 1 : -EINVAL;
}

/* Half of a list is none: what cannot be read is told, and nothing is started. */
static int read_list(const char *path)
{
    int   count = 0, r = 0;
    FILE *list = fopen(path, "re");
    if (list == NULL)
        return fprintf(stderr, "%s: %s\n", path, strerror(errno)), -errno;
    for (int number = 1; r >= 0; number++) {
        struct program *program = &programs[count];
        if (fgets(program->line, sizeof program->line, list) == NULL)
            break;
        r = read_line(program);
        if (r > 0 && count++ == PROGRAMS_MAX)
            r = -ENOSPC;
        if (r < 0)
            fprintf(stderr, "%s:%d: %s\n", path, number, hob_strerror(r));
    }
    fclose(list);
    return r < 0 ? r : count;
}

static int supervise(void *arg)
{
    hob_child children[PROGRAMS_MAX];
    int       count = *(const int *)arg;
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
    int count = read_list(argv[1]);
    return count < 0 ? 2 : hob_run(supervise, &count);
}
