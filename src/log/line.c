/* SPDX-License-Identifier: MIT */
/*
 * How a line is made.
 *
 *     time level message │ fields │ task-locals │ cut task task_name worker at │ newline
 *                                                 └───────── the tail ────────┘
 *
 * The tail is made first, so that there is room for it whatever the rest brings. A text that does not
 * fit is cut between two characters; a field that does not fit at all is taken back, with all that
 * follow. Quotes are closed from room that is kept for them.
 */
#include "log/line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hob/error.h"

enum {
    TAIL_BYTES = 1024,
    NAME_BYTES = 64,       /* of a field's name that are shown                  */
    AT_BYTES = 64,         /* of a file's name                                  */
    CLOSE_BYTES = 1,       /* for a quote                                       */
    NUMBER_BYTES = 48,     /* any number, any pointer                           */
    CUT_BYTES = 16,        /* ,"cut":true                                       */
};

/* Where text goes. `len` never passes `room`. */
struct out {
    char  *text;
    size_t len, room;
    bool   json;
    bool   cut;
};

/* ---- bytes ---- */

/* Whole, or not at all. */
static void put(struct out *o, const char *bytes, size_t len)
{
    if (len > o->room - o->len) {
        o->cut = true;
        return;
    }
    memcpy(o->text + o->len, bytes, len);
    o->len += len;
}

static void put_text(struct out *o, const char *text)
{
    put(o, text, strlen(text));
}

static void put_uint(struct out *o, unsigned long long value)
{
    char digits[24];
    int  at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    put(o, digits + at, sizeof digits - (size_t)at);
}

/* `value`, with zeros in front up to `width`. */
static void put_padded(struct out *o, unsigned value, int width)
{
    char digits[12];
    for (int i = width - 1; i >= 0; i--, value /= 10)
        digits[i] = (char)('0' + value % 10);
    put(o, digits, (size_t)width);
}

/* ---- characters ---- */

/* The character at `s`, of `n` > 0 bytes, by Unicode 15, table 3-7; U+FFFD for the longest beginning
 * of one that is broken off there. Returns how many bytes it takes. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret_char)
{
    unsigned char low = 0x80, high = 0xBF, first = s[0];
    size_t        more;
    uint32_t      value;
    if (first < 0x80) {
        *ret_char = first;
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        more = 1;
        value = first & 0x1F;
    } else if (first >= 0xE0 && first <= 0xEF) {
        more = 2;
        value = first & 0x0F;
        low = first == 0xE0 ? 0xA0 : 0x80;  // no longer forms than needed
        high = first == 0xED ? 0x9F : 0xBF; // no surrogates
    } else if (first >= 0xF0 && first <= 0xF4) {
        more = 3;
        value = first & 0x07;
        low = first == 0xF0 ? 0x90 : 0x80;
        high = first == 0xF4 ? 0x8F : 0xBF; // nothing above U+10FFFF
    } else {
        *ret_char = 0xFFFD;
        return 1;
    }
    for (size_t i = 1; i <= more; i++) {
        if (i >= n || s[i] < low || s[i] > high) {
            *ret_char = 0xFFFD;
            return i;
        }
        value = value << 6 | (s[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *ret_char = value;
    return more + 1;
}

/* Control characters, of which terminals obey those up to U+009F; what some take for the end of a
 * line; and what turns the direction of writing, so that a line reads as it is not. */
static bool must_be_escaped(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
           c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

static size_t escape(uint32_t c, char *text)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_of[] = "\bb\tt\nn\ff\rr";
    for (const char *at = short_of; *at != '\0'; at += 2) {
        if ((uint32_t)*at == c) {
            text[0] = '\\';
            text[1] = at[1];
            return 2;
        }
    }
    memcpy(text, "\\u", 2);
    for (int i = 0; i < 4; i++)
        text[2 + i] = hex[c >> (12 - 4 * i) & 15];
    return 6;
}

/* The characters of a text, up to what fits, with `keep` bytes left over for what comes after it. */
static void put_chars(struct out *o, const char *bytes, size_t len, size_t keep, bool in_quotes)
{
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t at = 0; at < len;) {
        // Most are plain, and go together.
        size_t plain = at;
        while (plain < len && s[plain] >= 0x20 && s[plain] < 0x7F && s[plain] != '\\' &&
               !(in_quotes && s[plain] == '"'))
            plain++;
        size_t room = o->room - o->len;
        room = room > keep ? room - keep : 0;
        if (plain > at) {
            size_t n = plain - at < room ? plain - at : room;
            memcpy(o->text + o->len, s + at, n);
            o->len += n;
            at += n;
            if (at < plain) {
                o->cut = true;
                return;
            }
            continue;
        }
        char     text[8];
        uint32_t c;
        size_t   taken = decode(s + at, len - at, &c), n;
        if (c == '"' || c == '\\') {
            text[0] = '\\';
            text[1] = (char)c;
            n = 2;
        } else if (must_be_escaped(c)) {
            n = escape(c, text);
        } else if (c == 0xFFFD) {
            memcpy(text, "\xEF\xBF\xBD", n = 3);
        } else {
            memcpy(text, s + at, n = taken);
        }
        if (n > room) {
            o->cut = true;
            return;
        }
        memcpy(o->text + o->len, text, n);
        o->len += n;
        at += taken;
    }
}

static void put_quoted(struct out *o, const char *bytes, size_t len)
{
    if (o->room - o->len < 2 * CLOSE_BYTES) {
        o->cut = true;
        return;
    }
    put(o, "\"", 1);
    put_chars(o, bytes, len, CLOSE_BYTES, true);
    put(o, "\"", 1);
}

/* As a word in the text form it needs no quotes. */
static bool is_word(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return len > 0;
}

static void put_word(struct out *o, const char *bytes, size_t len)
{
    if (!o->json && is_word(bytes, len))
        put_chars(o, bytes, len, 0, false);
    else
        put_quoted(o, bytes, len);
}

/* ---- values ---- */

/* The shortest that reads back as the same number, with a dot whatever the language. */
static void put_double(struct out *o, double value)
{
    char text[NUMBER_BYTES];
    if (!isfinite(value)) {
        put_text(o, o->json ? "null" : isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char *to = text;
    bool  has_dot = false;
    for (const char *from = text; *from != '\0'; from++) {
        bool usual = (*from >= '0' && *from <= '9') || *from == '-' || *from == '+' || *from == 'e';
        if (usual)
            *to++ = *from;
        else if (!has_dot) // a decimal sign may have several bytes
            *to++ = '.';
        has_dot |= !usual;
    }
    put(o, text, (size_t)(to - text));
}

static void put_value(struct out *o, const hob_log_value *value)
{
    char text[HOB_ADDR_TEXT_MAX];
    switch ((enum log_kind)value->kind) {
    case LOG_INT:
        if (value->as.i < 0)
            put(o, "-", 1);
        put_uint(o, value->as.i < 0 ? -(unsigned long long)value->as.i : value->as.u);
        break;
    case LOG_UINT:
        put_uint(o, value->as.u);
        break;
    case LOG_DOUBLE:
        put_double(o, value->as.f);
        break;
    case LOG_BOOL:
        put_text(o, value->as.i ? "true" : "false");
        break;
    case LOG_TEXT:
        put_word(o, value->as.p, strnlen(value->as.p, LOG_LINE_BYTES));
        break;
    case LOG_BYTES:
        put_word(o, value->as.p, value->len);
        break;
    case LOG_POINTER:
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)(uintptr_t)value->as.p);
        put_word(o, text, strlen(text));
        break;
    case LOG_ADDR:
        hob_addr_format(value->as.p, text, sizeof text);
        put_word(o, text, strlen(text));
        break;
    case LOG_ERROR: {
        const char *name = hob_error_name((int)value->as.i);
        if (strcmp(name, "unknown") == 0)
            put_value(o, &(hob_log_value){ .kind = LOG_INT, .as = value->as });
        else
            put_word(o, name, strlen(name));
        break;
    }
    case LOG_NULL:
        put_text(o, "null");
        break;
    }
}

/* ---- fields ---- */

static bool is_ours(const char *name)
{
    static const char *const names[] = { "time", "level",  "message", "task",
                                         "task_name", "worker", "at",  "cut" };
    if (strchr("tlmwac", name[0]) == NULL) // nearly all of those that are not
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void put_name(struct out *o, const char *name)
{
    size_t len = strnlen(name, NAME_BYTES);
    if (o->json) {
        put(o, "\"", 1);
        put_chars(o, name, len, 4, true);
        put_text(o, is_ours(name) ? "_\":" : "\":");
        return;
    }
    for (size_t i = 0; i < len; i++) {
        bool fits = is_word(name + i, 1);
        put(o, fits ? name + i : "_", 1);
    }
    put_text(o, is_ours(name) ? "_=" : len > 0 ? "=" : "_=");
}

/* Nothing comes after what was cut: what is there is the beginning of all there was. */
static void put_field(struct out *o, const hob_log_field *field)
{
    size_t before = o->len;
    bool   whole = !o->cut;
    if (!whole || field->name == NULL)
        return;
    put(o, o->json ? "," : " ", 1);
    put_name(o, field->name);
    whole = !o->cut;
    if (whole && o->room - o->len < NUMBER_BYTES) // a number is not to be cut into another
        whole = false;
    if (whole)
        put_value(o, &field->value);
    if (!whole) {
        o->len = before;
        o->cut = true;
    }
}

static bool has_name(const hob_log_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].name != NULL && name != NULL && strcmp(fields[i].name, name) == 0)
            return true;
    }
    return false;
}

static void put_fields(struct out *o, const struct log_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        put_field(o, &entry->fields[i]);
    for (size_t i = 0; i < entry->more_count; i++) {
        const char *name = entry->more[i].name; // what is further in hides what is further out
        if (!has_name(entry->fields, entry->count, name) && !has_name(entry->more, i, name))
            put_field(o, &entry->more[i]);
    }
}

/* ---- what each line has ---- */

const char *hob__log_level_name(int level)
{
    return level <= HOB_LOG_ERROR     ? "error"
           : level == HOB_LOG_WARNING ? "warning"
           : level == HOB_LOG_NOTICE  ? "notice"
           : level == HOB_LOG_INFO    ? "info"
           : level == HOB_LOG_DEBUG   ? "debug"
                                      : "trace";
}

int hob__log_level_of(const char *name)
{
    for (int level = HOB_LOG_ERROR; level <= HOB_LOG_TRACE; level++) {
        if (strcmp(name, hob__log_level_name(level)) == 0)
            return level;
    }
    return strcmp(name, "off") == 0 ? HOB_LOG_OFF : 0;
}

static const char *level_column(int level)
{
    static const char *const names[] = { "ERROR ", "WARN  ", "NOTE  ", "INFO  ", "DEBUG ", "TRACE " };
    return names[level <= HOB_LOG_ERROR ? 0 : level >= HOB_LOG_TRACE ? 5 : level - HOB_LOG_ERROR];
}

/* RFC 3339, in UTC. The date by the days since 0000-03-01, from which on leap days are last. */
static void put_time(struct out *o, int64_t wall_ns)
{
    int64_t  seconds = wall_ns / 1000000000, ns = wall_ns % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        seconds--;
    }
    int64_t  days = seconds / 86400, second = seconds % 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    uint64_t z = (uint64_t)(days + 719468);
    unsigned era = (unsigned)(z / 146097), day_of_era = (unsigned)(z % 146097);
    unsigned year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day = day_of_era - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += era * 400 + (month >= 10);
    put_padded(o, year, 4);
    put(o, "-", 1);
    put_padded(o, month < 10 ? month + 3 : month - 9, 2);
    put(o, "-", 1);
    put_padded(o, day + 1, 2);
    put(o, "T", 1);
    put_padded(o, (unsigned)second / 3600, 2);
    put(o, ":", 1);
    put_padded(o, (unsigned)second / 60 % 60, 2);
    put(o, ":", 1);
    put_padded(o, (unsigned)second % 60, 2);
    put(o, ".", 1);
    put_padded(o, (unsigned)(ns / 1000), 6);
    put(o, "Z", 1);
}

static void put_start(struct out *o, const struct log_entry *entry, int form)
{
    switch (form) {
    case HOB_LOG_FORM_JSON:
        put_text(o, "{\"time\":\"");
        put_time(o, entry->wall_ns);
        put_text(o, "\",\"level\":\"");
        put_text(o, hob__log_level_name(entry->level));
        put_text(o, "\",\"message\":");
        break;
    case HOB_LOG_FORM_JOURNAL: // to syslog the finest is debug
        put(o, "<", 1);
        put_uint(o, (unsigned)(entry->level < HOB_LOG_DEBUG ? entry->level : HOB_LOG_DEBUG));
        put(o, ">", 1);
        break;
    default:
        if (form != LOG_FORM_BARE) {
            put_time(o, entry->wall_ns);
            put(o, " ", 1);
        }
        put_text(o, level_column(entry->level));
    }
}

/* Half of the line at most. */
static void put_message(struct out *o, const char *message)
{
    size_t room = o->room, len = strnlen(message, LOG_LINE_BYTES);
    if (o->room > o->len + LOG_MESSAGE_BYTES)
        o->room = o->len + LOG_MESSAGE_BYTES;
    if (o->json)
        put_quoted(o, message, len);
    else
        put_chars(o, message, len, 0, false);
    o->room = room;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void put_key(struct out *o, const char *name)
{
    put(o, o->json ? ",\"" : " ", o->json ? 2 : 1);
    put_text(o, name);
    put_text(o, o->json ? "\":" : "=");
}

static void make_tail(struct out *o, const struct log_entry *entry)
{
    if (entry->task != 0) {
        put_key(o, "task");
        put_uint(o, entry->task);
    }
    if (entry->task_name != NULL && entry->task_name[0] != '\0') {
        put_key(o, "task_name");
        put_word(o, entry->task_name, strnlen(entry->task_name, NAME_BYTES));
    }
    if (entry->worker >= 0) {
        put_key(o, "worker");
        put_uint(o, (unsigned long long)entry->worker);
    }
    if (entry->file != NULL) {
        char        text[AT_BYTES + 24];
        const char *file = last_name(entry->file);
        struct out  at = { .text = text, .room = sizeof text };
        put(&at, file, strnlen(file, AT_BYTES));
        put(&at, ":", 1);
        put_uint(&at, entry->line > 0 ? (unsigned)entry->line : 0);
        put_key(o, "at");
        put_word(o, at.text, at.len);
    }
    put_text(o, o->json ? "}\n" : "\n");
}

size_t hob__log_compose(const struct log_entry *entry, int form, char *line)
{
    char       tail_text[TAIL_BYTES];
    bool       json = form == HOB_LOG_FORM_JSON;
    struct out tail = { .text = tail_text, .room = sizeof tail_text, .json = json };
    struct out o = { .text = line, .json = json };
    if (form == LOG_FORM_BARE)
        put(&tail, "\n", 1);
    else
        make_tail(&tail, entry);
    o.room = LOG_LINE_BYTES - tail.len - CUT_BYTES;

    put_start(&o, entry, form);
    put_message(&o, entry->message != NULL ? entry->message : "");
    bool message_cut = o.cut;
    o.cut = false; // there is still room for fields
    put_fields(&o, entry);

    o.room = LOG_LINE_BYTES;
    if (o.cut || message_cut) {
        put_key(&o, "cut");
        put_text(&o, "true");
    }
    put(&o, tail.text, tail.len);
    return o.len;
}
