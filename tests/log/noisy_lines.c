/* SPDX-License-Identifier: MIT */
/*
 * For test_log_json.py: noisy_lines FORM COUNT SEED writes so many lines made of noise, each after a
 * line with what went in, in hexadecimal: message, text, bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log/line.h"
#include "noise.h"

enum { TEXT_MAX = 400, NOISY_BYTES = 600 };

static void show_hex(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", (unsigned char)bytes[i]);
    putchar(' ');
}

int main(int argc, char **argv)
{
    char message[TEXT_MAX + 1], text[TEXT_MAX + 1], bytes[NOISY_BYTES], line[LOG_LINE_BYTES];
    if (argc != 4)
        return 2;
    int         form = strcmp(argv[1], "json") == 0 ? HOB_LOG_FORM_JSON : HOB_LOG_FORM_TEXT;
    struct rand rand = { .state = strtoull(argv[3], NULL, 10) };
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
        // Sizes of all kinds: one in eight is long enough that something is cut.
        size_t cap = rand_below(&rand, 8) == 0 ? TEXT_MAX : 40;
        size_t message_len = make_noise(&rand, message, cap, 0);
        size_t text_len = make_noise(&rand, text, cap, 0);
        size_t bytes_len = make_noise(&rand, bytes, cap == 40 ? 40 : NOISY_BYTES, 1);
        message[message_len] = text[text_len] = '\0';
        double number;
        uint64_t bits = rand_next(&rand);
        memcpy(&number, &bits, sizeof number);
        hob_log_field fields[] = {
            { "text", hob_log_text(text) },
            { "bytes", hob_log_bytes(bytes, bytes_len) },
            { "number", hob_log_double(number) },
            { "big", hob_log_uint(rand_next(&rand)) },
            { "small", hob_log_int((long long)rand_next(&rand)) },
        };
        struct log_entry entry = { .level = HOB_LOG_ERROR, .wall_ns = (int64_t)(bits >> 2),
                                   .message = message, .fields = fields, .count = 5, .task = 7,
                                   .task_name = "noise\n", .worker = 3, .file = "a/b\"c.c", .line = 9 };
        show_hex(message, message_len);
        show_hex(text, text_len);
        show_hex(bytes, bytes_len);
        printf("%016llx %llu %lld %lld\n", (unsigned long long)bits, fields[3].value.as.u,
               fields[4].value.as.i, (long long)entry.wall_ns);
        fwrite(line, 1, hob__log_compose(&entry, form, line), stdout);
    }
    return fflush(stdout) != 0;
}
