/* SPDX-License-Identifier: MIT */
/* The limits of a field, for values on their way in and out. What is wrong is said in words. */
#include <inttypes.h>
#include <math.h>

#include "json/json.h"
#include "json/number.h"

static void room_of(const hob_json_field *field, int64_t *ret_min, int64_t *ret_max)
{
    const hob_json_range *range = &field->range;

    hob__json_int_room(field, ret_min, ret_max);
    if (range->has_min && range->min > *ret_min)
        *ret_min = range->min;
    if (range->has_max && range->max < *ret_max)
        *ret_max = range->max;
}

bool hob__json_say_beyond(struct walk *walk, const struct step *step, const hob_json_field *field,
                          bool is_negative)
{
    int64_t min, max;

    room_of(field, &min, &max);
    return is_negative ? hob__json_say(walk, step, "is less than %" PRId64, min)
                       : hob__json_say(walk, step, "is more than %" PRId64, max);
}

bool hob__json_fits_int(struct walk *walk, const struct step *step, const hob_json_field *field,
                        int64_t value)
{
    int64_t min, max;

    room_of(field, &min, &max);
    if (value < min)
        return hob__json_say(walk, step, "%" PRId64 " is less than %" PRId64, value, min);
    if (value > max)
        return hob__json_say(walk, step, "%" PRId64 " is more than %" PRId64, value, max);
    return true;
}

bool hob__json_fits_real(struct walk *walk, const struct step *step, const hob_json_field *field,
                         double value)
{
    const hob_json_range *range = &field->range;
    char                  number[NUMBER_MAX], limit[NUMBER_MAX];

    if (!isfinite(value))
        return hob__json_say(walk, step, "is not a finite number");
    if (field->bytes == sizeof(float) && fabs(value) > FLOAT_LIMIT)
        return hob__json_say(walk, step, "is too large for a float");
    if (range->has_min && value < range->real_min) {
        hob__json_number_of_real(number, value, false);
        hob__json_number_of_real(limit, range->real_min, false);
        return hob__json_say(walk, step, "%s is less than %s", number, limit);
    }
    if (range->has_max && value > range->real_max) {
        hob__json_number_of_real(number, value, false);
        hob__json_number_of_real(limit, range->real_max, false);
        return hob__json_say(walk, step, "%s is more than %s", number, limit);
    }
    return true;
}

static size_t code_points(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

bool hob__json_fits_text(struct walk *walk, const struct step *step, const hob_json_field *field,
                         const char *text, size_t len)
{
    if (!hob_utf8_is_valid(text, len))
        return hob__json_say(walk, step, "is not UTF-8");
    if (memchr(text, '\0', len) != NULL)
        return hob__json_say(walk, step, "has U+0000 in it");

    size_t count = code_points(text, len);
    size_t bytes_max = field->bytes_max > 0 ? field->bytes_max : SIZE_MAX;
    if (field->kind == HOB_JSON_KIND_TEXT_IN && field->bytes - 1 < bytes_max)
        bytes_max = field->bytes - 1;
    if (count < field->len_min && count == 0)
        return hob__json_say(walk, step, "is empty");
    if (count < field->len_min)
        return hob__json_say(walk, step, "has %zu characters, fewer than %zu", count, field->len_min);
    if (field->len_max > 0 && count > field->len_max)
        return hob__json_say(walk, step, "has %zu characters, more than %zu", count, field->len_max);
    if (len > bytes_max)
        return hob__json_say(walk, step, "has %zu bytes, more than %zu", len, bytes_max);

    const struct format *format = hob__json_format(field->format);
    if (format != NULL && !format->fits(text, len))
        return hob__json_say(walk, step, "is not %s", format->words);
    return true;
}

bool hob__json_fits_count(struct walk *walk, const struct step *step, const hob_json_field *field,
                          size_t count)
{
    size_t max = hob__json_count_max(field);

    if (count < field->count_min)
        return hob__json_say(walk, step, "has %zu items, fewer than %zu", count, field->count_min);
    if (count > max)
        return hob__json_say(walk, step, "has %zu items, more than %zu", count, max);
    return true;
}
