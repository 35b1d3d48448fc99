/* SPDX-License-Identifier: MIT */
/*
 * For test_json_validator.py, which asks an independent validator the same questions:
 *
 *     json_documents schema            the schema of everything_json
 *     json_documents write SEED COUNT  random structs, a line each
 *     json_documents judge             reads a document a line; says "yes", or "no" and why
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "json/everything.h"

static int print_schema(void)
{
    json_t *schema;
    char   *text;

    int r = hob_json_schema(everything_json, NULL, &schema);
    if (r < 0)
        return r;
    ssize_t len = hob_json_value_text(schema, NULL, &text);
    json_decref(schema);
    if (len < 0)
        return (int)len;
    puts(text);
    hob_json_release(NULL, text);
    return 0;
}

static int write_structs(uint64_t seed, int count)
{
    struct dice dice = { seed };

    for (int i = 0; i < count; i++) {
        struct everything e;
        char             *text = NULL;
        ssize_t           len = roll_everything(&dice, &e)
                              ? hob_json_text(everything_json, &e, NULL, NULL, &text) : -ENOMEM;
        hob_json_free(everything_json, NULL, &e);
        if (len < 0)
            return (int)len;
        puts(text);
        hob_json_release(NULL, text);
    }
    return 0;
}

static int judge_lines(void)
{
    char   *line = NULL;
    size_t  cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        struct everything e;
        hob_json_errors   errors;
        char              words[300];
        int r = hob_json_parse(everything_json, line, (size_t)len, NULL, &errors, &e);
        printf("%s\n", r == 0 ? "yes" : hob_json_error_text(r, &errors, words, sizeof words));
        hob_json_free(everything_json, NULL, &e);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    int r = -EINVAL;

    if (argc == 2 && strcmp(argv[1], "schema") == 0)
        r = print_schema();
    else if (argc == 4 && strcmp(argv[1], "write") == 0)
        r = write_structs(strtoull(argv[2], NULL, 10), atoi(argv[3]));
    else if (argc == 2 && strcmp(argv[1], "judge") == 0)
        r = judge_lines();
    if (r < 0)
        fprintf(stderr, "json_documents: %s\n", hob_strerror(r));
    return r < 0;
}
