/* SPDX-License-Identifier: MIT */
/*
 * Structs from noise, as JSON and as pairs. What is taken can be written, and what is written is taken
 * again and writes the same bytes; what is refused has words that are text, and holds nothing.
 *
 * Input: a byte with options, then the document; or, by a bit of it, pairs: name=text& and so on.
 */
// links: json
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/json/everything.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

static void look_at_errors(int r, const hob_json_errors *errors)
{
    must(errors->count > 0 && errors->count <= HOB_JSON_ERRORS_MAX);
    for (unsigned i = 0; i < errors->count; i++) {
        const hob_json_error *e = &errors->at[i];
        must(hob_utf8_is_valid(e->path, strlen(e->path)) && hob_utf8_is_valid(e->words, strlen(e->words)));
        must(e->words[0] != '\0');
        must(r == HOB_EJSON || e->path[0] == '\0');
    }
}

/* Takes the struct, and frees it. */
static void write_and_read(struct everything *e, const hob_json_opts *opts)
{
    struct everything back;
    hob_json_errors   errors;
    char             *text, *again;

    ssize_t len = hob_json_text(everything_json, e, opts, &errors, &text);
    hob_json_free(everything_json, NULL, e);
    must(len >= 0 && strlen(text) == (size_t)len);
    must(hob_json_parse(everything_json, text, (size_t)len, opts, &errors, &back) == 0);
    must(hob_json_text(everything_json, &back, opts, &errors, &again) == len);
    must(memcmp(text, again, (size_t)len) == 0);
    hob_json_free(everything_json, NULL, &back);
    hob_json_release(NULL, text);
    hob_json_release(NULL, again);
}

static int from_pairs(char *text, const hob_json_opts *opts, hob_json_errors *errors,
                      struct everything *e)
{
    hob_json_pair pairs[64];
    size_t        count = 0;
    char         *save = NULL;

    for (char *pair = strtok_r(text, "&", &save); pair != NULL && count < 64;
         pair = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(pair, '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        pairs[count++] = (hob_json_pair){ pair, equals + 1, strlen(equals + 1) };
    }
    return hob_json_from_pairs(everything_json, pairs, count, opts, errors, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct everything e, zero;
    hob_json_errors   errors;

    if (size < 1)
        return 0;
    const hob_json_opts opts = { .pretty = data[0] & 1, .line = data[0] >> 1 & 1,
                                 .ignore_unknown = data[0] >> 2 & 1, .bytes_max = 1 << 26 };
    char *text = malloc(size);
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    int r = data[0] & 8 ? from_pairs(text, &opts, &errors, &e)
                        : hob_json_parse(everything_json, text, size - 1, &opts, &errors, &e);
    free(text);
    if (r == 0) {
        write_and_read(&e, &opts);
        return 0;
    }
    must(r == HOB_EJSON || r == -EBADMSG || r == -EMSGSIZE);
    look_at_errors(r, &errors);
    memset(&zero, 0, sizeof zero);
    must(memcmp(&e, &zero, sizeof zero) == 0);
    return 0;
}
