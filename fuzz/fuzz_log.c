/* SPDX-License-Identifier: MIT */
/*
 * Lines from noise: a message, a name and two values. Each ends with its only newline, is not too long,
 * and has no control characters; as JSON, what is in quotes ends where it should.
 */
#include <stdlib.h>
#include <string.h>

#include "log/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t len)
{
    if (len == 0 || len > LOG_LINE_BYTES || memchr(line, '\n', len) != line + len - 1)
        abort();
    for (size_t i = 0; i + 1 < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            abort();
    }
}

/* Braces and quotes stand in pairs. */
static void check_json(const char *line, size_t len)
{
    int quotes = 0;
    if (line[0] != '{' || line[len - 2] != '}')
        abort();
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\\')
            i++;
        else
            quotes += line[i] == '"';
    }
    if (quotes % 2 != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[LOG_LINE_BYTES];
    size_t      third = size / 3;
    char       *message = calloc(1, third + 1), *name = calloc(1, third + 1);
    if (message == NULL || name == NULL)
        abort();
    memcpy(message, data, third);
    memcpy(name, data + third, third);
    hob_log_field    fields[] = { { name, hob_log_bytes(data + 2 * third, size - 2 * third) },
                                  { "text", hob_log_text(message) },
                                  { name, hob_log_int((long long)size) } };
    struct log_entry entry = { .level = size % 10, .message = message, .fields = fields, .count = 3,
                               .task = size, .task_name = name, .worker = 1, .file = name };
    for (int form = HOB_LOG_FORM_TEXT; form <= LOG_FORM_BARE; form++) {
        size_t len = hob__log_compose(&entry, form, line);
        check_line(line, len);
        if (form == HOB_LOG_FORM_JSON)
            check_json(line, len);
    }
    free(message);
    free(name);
    return 0;
}
