/* SPDX-License-Identifier: MIT */
/*
 * The headers of a part, and of a request with a form. Bytes only.
 *
 * In a quoted text a \ is for a " or a \ behind it, and else for itself: there are names such as
 * "C:\fakepath\a.txt". Names are not percent-decoded: whether %22 is a quotation mark or what somebody
 * typed cannot be known.
 */
#include "site/forms.h"

#include <string.h>
#include <strings.h>

static bool is_token_byte(char c)
{
    char small = (char)(c | 0x20);
    return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static size_t token_len(const char *at)
{
    size_t len = 0;
    while (is_token_byte(at[len]))
        len++;
    return len;
}

static char *skip_blanks(char *at)
{
    return at + strspn(at, " \t");
}

/* Behind its first quotation mark. Returns the byte behind its last, or NULL. */
static char *unquote(char *at)
{
    char *to = at;
    for (; *at != '"'; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        if (*at == '\0')
            return NULL;
        *to++ = *at;
    }
    *to = '\0';
    return at + 1;
}

int hob__form_param(char **at, char **ret_name, char **ret_value)
{
    char *from = skip_blanks(*at);
    if (*from == '\0')
        return 0;
    if (*from != ';')
        return HOB_EHTTP;
    char  *name = skip_blanks(from + 1);
    size_t len = token_len(name);
    if (len == 0 || name[len] != '=')
        return HOB_EHTTP;
    name[len] = '\0';
    char *value = name + len + 1;
    if (*value == '"') {
        *at = unquote(++value);
        if (*at == NULL)
            return HOB_EHTTP;
    } else {
        len = token_len(value);
        char *end = skip_blanks(value + len);
        if (len == 0 || (*end != ';' && *end != '\0'))
            return HOB_EHTTP;
        // Both go one byte ahead, over the ; or blank before the name: so there is room for the NUL where
        // the next parameter's ; is to stay.
        memmove(name - 1, name, (size_t)(value + len - name));
        name--;
        value--;
        value[len] = '\0';
        *at = end;
    }
    *ret_name = name;
    *ret_value = value;
    return 1;
}

/* ---- of a request ---- */

static bool is_boundary(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > BOUNDARY_MAX || text[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i], small = (char)(c | 0x20);
        if (!((small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || strchr("'()+_,-./:=? ", c) != NULL))
            return false;
    }
    return true;
}

static enum form_kind multipart_kind(char *params, char *boundary)
{
    char *name, *value;
    bool  has_boundary = false;
    int   r;

    while ((r = hob__form_param(&params, &name, &value)) == 1) {
        if (strcasecmp(name, "boundary") != 0)
            continue;
        if (has_boundary || !is_boundary(value))
            return FORM_NONE;
        strcpy(boundary, value);
        has_boundary = true;
    }
    return r == 0 && has_boundary ? FORM_MULTIPART : FORM_NONE;
}

enum form_kind hob__form_kind(const char *content_type, char boundary[static BOUNDARY_MAX + 1])
{
    static const char PAIRS[] = "application/x-www-form-urlencoded", MULTIPART[] = "multipart/form-data";
    char copy[512];

    if (content_type == NULL || strlen(content_type) >= sizeof copy)
        return FORM_NONE;
    strcpy(copy, content_type);
    size_t len = strcspn(copy, "; \t");
    if (len == sizeof PAIRS - 1 && strncasecmp(copy, PAIRS, len) == 0)
        return FORM_PAIRS;
    if (len == sizeof MULTIPART - 1 && strncasecmp(copy, MULTIPART, len) == 0)
        return multipart_kind(copy + len, boundary);
    return FORM_NONE;
}

/* ---- of a part ---- */

/* form-data; name="..."; filename="..." */
static int disposition(char *value, struct form_head *head)
{
    char  *name, *text;
    size_t len = token_len(value);
    int    r;

    if (head->name != NULL || len != 9 || strncasecmp(value, "form-data", 9) != 0)
        return HOB_EHTTP;
    value += len;
    while ((r = hob__form_param(&value, &name, &text)) == 1) {
        char **place = strcasecmp(name, "name") == 0       ? &head->name
                       : strcasecmp(name, "filename") == 0 ? &head->filename
                                                           : NULL;
        if (place == NULL)
            continue; // also filename*, which RFC 7578 4.2 does away with
        if (*place != NULL)
            return HOB_EHTTP;
        *place = text;
    }
    return r == 0 && head->name != NULL ? 0 : HOB_EHTTP;
}

/* What would have to be decoded is refused: nobody sends it. RFC 7578 4.7. */
static bool is_plain_coding(const char *value)
{
    return strcasecmp(value, "binary") == 0 || strcasecmp(value, "8bit") == 0 || strcasecmp(value, "7bit") == 0;
}

static int header(char *line, struct form_head *head)
{
    size_t name_len = token_len(line);
    if (name_len == 0 || line[name_len] != ':')
        return HOB_EHTTP;
    line[name_len] = '\0';
    char *value = skip_blanks(line + name_len + 1);
    for (size_t len = strlen(value); len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'); len--)
        value[len - 1] = '\0';

    if (strcasecmp(line, "Content-Disposition") == 0)
        return disposition(value, head);
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0 && !is_plain_coding(value))
        return HOB_EHTTP;
    if (strcasecmp(line, "Content-Type") == 0) {
        if (head->type != NULL)
            return HOB_EHTTP;
        head->type = value;
    }
    return 0;
}

int hob__form_head(char *bytes, size_t len, struct form_head *ret_head)
{
    struct form_head head = { 0 };

    for (size_t i = 0; i < len; i++) {
        bool is_control = (unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f;
        bool is_end = bytes[i] == '\r' && i + 1 < len && bytes[i + 1] == '\n';
        if (is_control && bytes[i] != '\t' && !is_end)
            return HOB_EHTTP;
        i += is_end;
    }
    for (char *line = bytes, *end = bytes + len; line < end;) {
        char *next = strchr(line, '\r');
        if (next == NULL)
            return HOB_EHTTP;
        *next = '\0';
        int r = header(line, &head);
        if (r < 0)
            return r;
        line = next + 2;
    }
    if (head.name == NULL)
        return HOB_EHTTP;
    *ret_head = head;
    return 0;
}
