/* SPDX-License-Identifier: MIT */
/*
 * log/line.c: the exact text of lines in each form; that each is one line, valid UTF-8, without
 * control characters and not too long; and that each JSON line is one, by a reader of its own.
 */
#include <limits.h>

#include "support/test.h"

#include "log/line.h"
#include "noise.h"

#define NOON INT64_C(1795780800123456789) /* 2026-11-27T12:00:00.123456789Z */

static char line[LOG_LINE_BYTES + 1];

static const char *made(const struct log_entry *entry, int form)
{
    size_t len = hob__log_compose(entry, form, line);
    expect(len > 0 && len <= LOG_LINE_BYTES && memchr(line, '\n', len) == line + len - 1);
    line[len] = '\0';
    return line;
}

#define ENTRY_ON(number, ...) \
    (&(struct log_entry){ .level = HOB_LOG_INFO, .wall_ns = NOON, .worker = (number), __VA_ARGS__ })
#define ENTRY(...) ENTRY_ON(-1, __VA_ARGS__)
#define FIELDS(...)                                                       \
    .fields = (const hob_log_field[]){ __VA_ARGS__ },                     \
    .count = sizeof((const hob_log_field[]){ __VA_ARGS__ }) / sizeof(hob_log_field)

/* What follows the message in the text form, of one value. */
static const char *value_text(hob_log_value value)
{
    hob_log_field field = { "v", value };
    const char   *text = made(ENTRY(.message = "m", .fields = &field, .count = 1), LOG_FORM_BARE);
    static char   part[LOG_LINE_BYTES];
    snprintf(part, sizeof part, "%s", text + strlen("INFO  m v="));
    part[strcspn(part, "\n")] = '\0';
    return part;
}

static const char *value_json(hob_log_value value)
{
    hob_log_field field = { "v", value };
    const char   *text = made(ENTRY(.message = "", .fields = &field, .count = 1), HOB_LOG_FORM_JSON);
    static char   part[LOG_LINE_BYTES];
    snprintf(part, sizeof part, "%s", strstr(text, "\"v\":") + 4);
    part[strlen(part) - 2] = '\0';
    return part;
}

TEST_BARE(line, has_these_forms)
{
    hob_log_field           more[] = { { "request", hob_log_text("r-1") } };
    const struct log_entry *e = ENTRY_ON(0, .message = "order paid",
                                      FIELDS({ "order", hob_log_int(41) }, { "user", hob_log_text("ann") }),
                                      .more = more, .more_count = 1, .task = 3, .task_name = "buyer",
                                      .file = "src/shop.c", .line = 12);
    check_str(made(e, HOB_LOG_FORM_TEXT),
              "2026-11-27T12:00:00.123456Z INFO  order paid order=41 user=ann request=r-1 task=3 "
              "task_name=buyer worker=0 at=shop.c:12\n");
    check_str(made(e, HOB_LOG_FORM_JSON),
              "{\"time\":\"2026-11-27T12:00:00.123456Z\",\"level\":\"info\",\"message\":\"order paid\","
              "\"order\":41,\"user\":\"ann\",\"request\":\"r-1\",\"task\":3,\"task_name\":\"buyer\","
              "\"worker\":0,\"at\":\"shop.c:12\"}\n");
    check_str(made(e, HOB_LOG_FORM_JOURNAL),
              "<6>order paid order=41 user=ann request=r-1 task=3 task_name=buyer worker=0 "
              "at=shop.c:12\n");
    check_str(made(e, LOG_FORM_BARE), "INFO  order paid order=41 user=ann request=r-1\n");
}

TEST_BARE(line, names_the_level)
{
    static const char *const columns[] = { "ERROR m", "WARN  m", "NOTE  m", "INFO  m", "DEBUG m",
                                           "TRACE m" };
    static const char *const names[] = { "error", "warning", "notice", "info", "debug", "trace" };
    for (int level = HOB_LOG_ERROR; level <= HOB_LOG_TRACE; level++) {
        struct log_entry e = { .level = level, .message = "m", .worker = -1 };
        char             want[64];
        check_has(made(&e, HOB_LOG_FORM_TEXT), columns[level - HOB_LOG_ERROR]);
        snprintf(want, sizeof want, "\"level\":\"%s\"", names[level - HOB_LOG_ERROR]);
        check_has(made(&e, HOB_LOG_FORM_JSON), want);
        snprintf(want, sizeof want, "<%d>m\n", level < 7 ? level : 7); // syslog ends with debug
        check_str(made(&e, HOB_LOG_FORM_JOURNAL), want);
        check_eq(hob__log_level_of(names[level - HOB_LOG_ERROR]), level);
    }
    check_eq(hob__log_level_of("off"), HOB_LOG_OFF);
    check_eq(hob__log_level_of("loud"), 0);
}

TEST_BARE(line, tells_the_date_of_any_day)
{
    static const struct {
        int64_t     seconds;
        const char *date;
    } days[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },           { -1, "1969-12-31T23:59:59.000000Z" },
        { 951782400, "2000-02-29T00:00:00.000000Z" },   { 951868800, "2000-03-01T00:00:00.000000Z" },
        { 4107542399, "2100-02-28T23:59:59.000000Z" },  { 4107542400, "2100-03-01T00:00:00.000000Z" },
        { 1798761599, "2026-12-31T23:59:59.000000Z" },  { 1798761600, "2027-01-01T00:00:00.000000Z" },
        { -9223372036, "1677-09-21T00:12:44.000000Z" }, { 9223372036, "2262-04-11T23:47:16.000000Z" },
    };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        struct log_entry e = { .level = HOB_LOG_INFO, .wall_ns = days[i].seconds * HOB_SEC };
        check_has(made(&e, HOB_LOG_FORM_TEXT), days[i].date);
    }
}

TEST_BARE(line, shows_numbers_whole)
{
    check_str(value_text(hob_log_int(INT64_MIN)), "-9223372036854775808");
    check_str(value_text(hob_log_uint(UINT64_MAX)), "18446744073709551615");
    check_str(value_text(hob_log_int(0)), "0");
    check_str(value_text(hob_log_double(0.1)), "0.1");
    check_str(value_text(hob_log_double(1.0 / 3)), "0.3333333333333333");
    check_str(value_text(hob_log_double(-1e300)), "-1e+300");
    check_str(value_text(hob_log_double(__builtin_nan(""))), "nan");
    check_str(value_json(hob_log_double(__builtin_inf())), "null");
    check_str(value_json(hob_log_double(9.5)), "9.5");
    check_str(value_text(hob_log_bool(2)), "true");
    check_str(value_json(hob_log_bool(0)), "false");
}

TEST_BARE(line, shows_pointers_addresses_and_errors)
{
    hob_addr addr;
    check_ok(hob_addr_parse("[::1]:80", &addr));
    check_str(value_text(hob_log_addr(&addr)), "[::1]:80");
    check_str(value_json(hob_log_addr(&addr)), "\"[::1]:80\"");
    check_str(value_text(hob_log_pointer((void *)(uintptr_t)0xbeef)), "0xbeef");
    check_str(value_text(hob_log_error(-ECONNREFUSED)), "ECONNREFUSED");
    check_str(value_json(hob_log_error(HOB_EOF)), "\"HOB_EOF\"");
    check_str(value_json(hob_log_error(12)), "12");
    check_str(value_json(hob_log_error(-70001)), "-70001"); // a code of the program's own
    check_str(value_text(hob_log_error(INT_MIN)), "-2147483648");
    check_str(value_json(hob_log_text(NULL)), "null");
    check_str(value_text(hob_log_pointer(NULL)), "null");
    check_str(value_text(hob_log_addr(NULL)), "null");
    check_str(value_text(hob_log_bytes(NULL, 3)), "null");
}

TEST_BARE(line, quotes_what_is_no_word)
{
    check_str(value_text(hob_log_text("ann")), "ann");
    check_str(value_text(hob_log_text("")), "\"\"");
    check_str(value_text(hob_log_text("ann b")), "\"ann b\"");
    check_str(value_text(hob_log_text("a=b")), "\"a=b\"");
    check_str(value_text(hob_log_text("say \"hi\"")), "\"say \\\"hi\\\"\"");
    check_str(value_text(hob_log_text("c:\\new")), "\"c:\\\\new\"");
    check_str(value_text(hob_log_text("stra\xc3\x9f""e")), "\"stra\xc3\x9f""e\"");
    check_str(value_text(hob_log_bytes("a\0b", 3)), "\"a\\u0000b\"");
}

TEST_BARE(line, escapes_what_would_act)
{
    check_str(value_json(hob_log_text("\b\t\n\f\r")), "\"\\b\\t\\n\\f\\r\"");
    check_str(value_json(hob_log_text("\x1b[31m\x7f")), "\"\\u001b[31m\\u007f\"");
    check_str(value_json(hob_log_text("\xc2\x85 \xe2\x80\xa8 \xe2\x80\xae")),
              "\"\\u0085 \\u2028 \\u202e\"");
    check_str(made(ENTRY(.message = "a\nINFO forged \\n"), LOG_FORM_BARE),
              "INFO  a\\nINFO forged \\\\n\n");
}

TEST_BARE(line, replaces_what_is_not_utf8)
{
    check_str(value_json(hob_log_text("a\xff""b")), "\"a\xEF\xBF\xBD""b\"");
    check_str(value_json(hob_log_text("\xe2\x82")), "\"\xEF\xBF\xBD\"");
    check_str(value_json(hob_log_text("\xed\xa0\x80")), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_str(value_json(hob_log_text("\xf0\x9f\x8d\xb2")), "\"\xf0\x9f\x8d\xb2\"");
}

TEST_BARE(line, keeps_the_names_that_are_its_own)
{
    check_str(made(ENTRY(.message = "m", FIELDS({ "time", hob_log_int(1) }, { "level", hob_log_int(2) },
                                                { "a b=\"\n", hob_log_int(3) }, { "", hob_log_int(4) })),
                   LOG_FORM_BARE),
              "INFO  m time_=1 level_=2 a_b___=3 _=4\n");
    check_has(made(ENTRY(.message = "m", FIELDS({ "message", hob_log_int(1) }, { "a\n", hob_log_int(2) })),
                   HOB_LOG_FORM_JSON),
              "\"message\":\"m\",\"message_\":1,\"a\\n\":2}");
}

TEST_BARE(line, a_nearer_name_hides_that_of_a_task_local)
{
    hob_log_field more[] = { { "user", hob_log_text("inner") }, { "user", hob_log_text("outer") },
                             { "order", hob_log_text("outer") } };
    check_str(made(ENTRY(.message = "m", FIELDS({ "order", hob_log_int(1) }), .more = more,
                         .more_count = 3), LOG_FORM_BARE),
              "INFO  m order=1 user=inner\n");
}

TEST_BARE(line, is_cut_and_says_so)
{
    static char long_text[3 * LOG_LINE_BYTES];
    memset(long_text, 'x', sizeof long_text - 1);
    const struct log_entry *e =
        ENTRY_ON(1, .message = long_text, FIELDS({ "a", hob_log_int(1) }, { "b", hob_log_text(long_text) },
                                           { "c", hob_log_int(2) }),
              .task = 5, .file = "shop.c", .line = 3);
    const char *text = made(e, HOB_LOG_FORM_TEXT);
    check_has(text, "xx a=1 b=xxx");
    check_has(text, "xxx cut=true task=5 worker=1 at=shop.c:3\n");
    check(strstr(text, " c=") == NULL);
    check_gt(strlen(text), LOG_LINE_BYTES - 64);
    text = made(e, HOB_LOG_FORM_JSON);
    check_has(text, "xx\",\"a\":1,\"b\":\"xxx");
    check_has(text, "xxx\",\"cut\":true,\"task\":5,\"worker\":1,\"at\":\"shop.c:3\"}\n");
}

/* ---- a reader of JSON, as strict as RFC 8259 ---- */

static const char *at;

static bool take(const char *text)
{
    size_t len = strlen(text);
    if (strncmp(at, text, len) != 0)
        return false;
    at += len;
    return true;
}

static bool read_string(void)
{
    if (!take("\""))
        return false;
    while (*at != '"') {
        if ((unsigned char)*at < 0x20)
            return false;
        if (*at++ != '\\')
            continue;
        if (strchr("\"\\/bfnrt", *at) != NULL && *at != '\0') {
            at++;
            continue;
        }
        if (*at++ != 'u' || strspn(at, "0123456789abcdefABCDEF") < 4)
            return false;
        at += 4;
    }
    at++;
    return true;
}

static bool read_number(void)
{
    (void)take("-");
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || (digits > 1 && *at == '0'))
        return false;
    at += digits;
    if (take(".")) {
        digits = strspn(at, "0123456789");
        if (digits == 0)
            return false;
        at += digits;
    }
    if (take("e")) {
        at += *at == '+' || *at == '-';
        digits = strspn(at, "0123456789");
        at += digits;
        return digits > 0;
    }
    return true;
}

static bool read_object(const char *text)
{
    at = text;
    if (!take("{"))
        return false;
    do {
        if (!read_string() || !take(":"))
            return false;
        bool read = *at == '"' ? read_string()
                               : take("null") || take("true") || take("false") || read_number();
        if (!read)
            return false;
    } while (take(","));
    return take("}\n") && *at == '\0';
}

TEST_BARE(line, is_json_whatever_goes_in)
{
    enum { CAP = 3000 };
    static char message[CAP + 1], name[CAP + 1], text[CAP + 1], bytes[CAP];
    struct rand rand = { .state = hob_test_seed() + (uint64_t)getpid() };
    int         rounds = all_is_slow() ? 2000 : 20000;
    for (int i = 0; i < rounds; i++) {
        size_t cap = rand_below(&rand, 16) == 0 ? CAP : 60;
        message[make_noise(&rand, message, cap, 0)] = '\0';
        name[make_noise(&rand, name, cap, 0)] = '\0';
        text[make_noise(&rand, text, cap, 0)] = '\0';
        size_t        len = make_noise(&rand, bytes, cap, 1);
        uint64_t      bits = rand_next(&rand);
        double        number;
        memcpy(&number, &bits, sizeof number);
        hob_log_field fields[16];
        size_t        count = rand_below(&rand, 17);
        for (size_t f = 0; f < count; f++) {
            hob_log_value values[] = { hob_log_text(text), hob_log_bytes(bytes, len),
                                       hob_log_double(number), hob_log_int((long long)bits),
                                       hob_log_error((int)bits), hob_log_bool((int)bits & 1) };
            fields[f] = (hob_log_field){ name, values[rand_below(&rand, 6)] };
        }
        struct log_entry e = { .level = (int)rand_below(&rand, 10), .wall_ns = (int64_t)bits,
                               .message = message, .fields = fields, .count = count, .task = bits,
                               .task_name = text, .worker = (int64_t)(bits % 7) - 1, .file = name };
        for (int form = HOB_LOG_FORM_TEXT; form <= LOG_FORM_BARE; form++) {
            const char *l = made(&e, form);
            for (const char *c = l; c[1] != '\0'; c++)
                check((unsigned char)*c >= 0x20 && *c != 0x7F);
            if (form == HOB_LOG_FORM_JSON && !read_object(l))
                fail("no JSON (pid %d, round %d) at %.20s in %s", getpid(), i, at, l);
        }
    }
}
