/* SPDX-License-Identifier: MIT */
/*
 * Forms from noise: the bytes of a form of either kind, cut anywhere. What is read must not depend on how
 * they are cut, names hold no NUL, and no name for a file leads elsewhere.
 *
 * Input: a byte with the kind and the limits, one with the size of pieces, then the form. The boundary
 * of multipart is "b".
 */
// links: site
#include <stdlib.h>
#include <string.h>

#include "site/forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

struct noise {
    hob_stream     stream;
    const uint8_t *bytes;
    size_t         len, at, step;
};

static ssize_t read_noise(hob_stream *stream, void *buf, size_t len)
{
    struct noise *noise = (struct noise *)stream;
    size_t        n = noise->len - noise->at;
    n = n < len ? n : len;
    n = n < noise->step ? n : noise->step;
    memcpy(buf, noise->bytes + noise->at, n);
    noise->at += n;
    return (ssize_t)n;
}

static const hob_stream_type NOISE = { .name = "noise", .read = read_noise };

/* All that was read of it, as bytes. */
struct telling {
    struct text text;
    int         result;
    unsigned    parts;
};

static void tell(struct telling *t, const char *bytes, size_t len)
{
    must(hob__site_put(&t->text, bytes, len) == 0);
}

static void look_at_name(const char *filename)
{
    char name[HOB_FORM_SAFE_NAME], again[HOB_FORM_SAFE_NAME];
    hob_form_safe_name(filename, name);
    size_t len = strlen(name);
    must(len > 0 && strchr(name, '/') == NULL && name[0] != '.' && name[0] != '-' && name[len - 1] != '.');
    hob_form_safe_name(name, again);
    must(len >= HOB_FORM_SAFE_NAME - 2 || strcmp(name, again) == 0);
}

static void read_form(struct telling *t, int kind, const uint8_t *bytes, size_t len, size_t step, size_t piece)
{
    hob_form_opts    opts = { .parts_max = 20, .files_max = 5, .name_bytes_max = 100, .head_bytes_max = 300,
                              .field_bytes_max = 500, .fields_bytes_max = 2000, .file_bytes_max = 3000 };
    struct noise     in = { { &NOISE }, bytes, len, 0, step };
    hob_form_reader *reader;
    hob_form_part    part;
    char             data[64];

    must(hob_form_reader_open_stream(&in.stream, kind ? "multipart/form-data; boundary=b" : "application/x-www-form-urlencoded",
                                     &opts, &reader) == 0);
    while ((t->result = hob_form_reader_next(reader, &part)) == 1) {
        ssize_t n;
        must(++t->parts <= 20 && strlen(part.name) <= 100);
        tell(t, part.name, strlen(part.name) + 1);
        tell(t, part.type, strlen(part.type) + 1);
        if (part.filename != NULL) {
            tell(t, part.filename, strlen(part.filename) + 1);
            look_at_name(part.filename);
        }
        while ((n = hob_form_reader_read(reader, data, piece)) > 0)
            tell(t, data, (size_t)n);
        tell(t, "", 1);
    }
    hob_form_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct telling whole = { 0 }, cut = { 0 };
    if (size < 2)
        return 0;
    int    kind = data[0] & 1;
    size_t step = 1 + data[1] % 50, piece = 1 + (data[0] >> 2) % 63;

    read_form(&whole, kind, data + 2, size - 2, SIZE_MAX, 64);
    read_form(&cut, kind, data + 2, size - 2, step, piece);
    // Where a form fails, more may have been read before that was seen; and of two reasons, the other be seen.
    must((whole.result == 0) == (cut.result == 0));
    if (whole.result == 0) {
        must(whole.text.len == cut.text.len && whole.parts == cut.parts);
        must(whole.text.len == 0 || memcmp(whole.text.at, cut.text.at, whole.text.len) == 0);
    }
    hob__site_text_free(&whole.text);
    hob__site_text_free(&cut.text);

    char name[64], text[256];
    size_t len = size - 2 < 255 ? size - 2 : 255;
    memcpy(text, data + 2, len);
    text[len] = '\0';
    if (hob__site_name_decode(text, name, sizeof name) == 0 && hob__site_name_is_fine(name, false))
        must(name[0] != '/' && strstr(name, "..") != name && strstr(name, "/../") == NULL && strstr(name, "//") == NULL);
    int weight = hob__site_accepts(text, "gzip");
    must(weight >= 0 && weight <= 1000);
    return 0;
}
