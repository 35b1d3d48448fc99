/* SPDX-License-Identifier: MIT */
/*
 * The document of OpenAPI 3.1 about a service, from the tables of its operations.
 *
 * Each table is one schema among the components, with readOnly and writeOnly where a field goes one way
 * only; operations refer to them. Of a route without hob_web_op there is nothing to tell.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "web/web.h"

#define SCHEMAS "#/components/schemas/"

struct document {
    const struct web_service *service;
    hob_json_table          **tables; /* each once, in the order of the schemas */
    size_t                    table_count;
    json_t                   *schemas;
    bool                      ran_out;
    bool                      has_basic, has_bearer;
};

/* Puts a new value into an object, under a name; that there is none is remembered. */
static void set(struct document *d, json_t *object, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(object, name, value) < 0)
        d->ran_out = true;
}

static void append(struct document *d, json_t *array, json_t *value)
{
    if (value == NULL || json_array_append_new(array, value) < 0)
        d->ran_out = true;
}

static void set_text(struct document *d, json_t *object, const char *name, const char *text)
{
    if (text != NULL)
        set(d, object, name, json_string(text));
}

/* ---- tables ---- */

static size_t index_of(const struct document *d, hob_json_table *table)
{
    size_t i = 0;
    while (i < d->table_count && d->tables[i]() != table())
        i++;
    return i;
}

static void add_table(struct document *d, hob_json_table *table)
{
    if (table != NULL && index_of(d, table) == d->table_count)
        d->tables[d->table_count++] = table;
}

static bool is_shown(const struct web_endpoint *endpoint)
{
    return endpoint->op != NULL && !endpoint->op->hidden;
}

static int collect(struct document *d)
{
    size_t max = 1;
    for (const struct web_endpoint *e = d->service->endpoints; e != NULL; e = e->next)
        max += is_shown(e) ? 2 + e->op->other_count : 0;
    d->tables = hob__web_alloc(max * sizeof(hob_json_table *));
    if (d->tables == NULL)
        return -ENOMEM;
    for (const struct web_endpoint *e = d->service->endpoints; e != NULL; e = e->next) {
        if (!is_shown(e))
            continue;
        add_table(d, e->op->body);
        add_table(d, e->op->reply);
        for (size_t i = 0; i < e->op->other_count; i++)
            add_table(d, e->op->others[i].table);
    }
    add_table(d, hob__web_problem_json);
    return hob_json_schemas(d->tables, d->table_count, SCHEMAS, NULL, &d->schemas);
}

/* The schemas of the tables come first among all, in their order. */
static json_t *reference(struct document *d, hob_json_table *table)
{
    size_t index = index_of(d, table);
    void  *at = json_object_iter(d->schemas);

    while (index-- > 0 && at != NULL)
        at = json_object_iter_next(d->schemas, at);
    if (at == NULL)
        return NULL;
    return json_pack("{s:s+}", "$ref", SCHEMAS, json_object_iter_key(at));
}

static json_t *content(struct document *d, const char *type, hob_json_table *table)
{
    return json_pack("{s:{s:o}}", type, "schema", reference(d, table));
}

/* ---- parameters ---- */

static const char *name_of(const hob_json_field *field)
{
    return field->as != NULL ? field->as : field->member;
}

static void add_parameter(struct document *d, json_t *list, const char *in, const char *name, bool is_required,
                          const char *about, json_t *schema)
{
    json_t *parameter = json_pack("{s:s, s:s, s:o}", "name", name, "in", in, "schema", schema);

    if (parameter == NULL) {
        d->ran_out = true;
        return;
    }
    if (is_required)
        set(d, parameter, "required", json_true());
    set_text(d, parameter, "description", about);
    append(d, list, parameter);
}

static void add_fields(struct document *d, json_t *list, const char *in, hob_json_table *table)
{
    const hob_json_shape *shape = table();
    for (size_t i = 0; i < shape->field_count; i++) {
        const hob_json_field *field = &shape->fields[i];
        json_t               *schema = NULL;
        if (!hob_json_field_is_on(field, HOB_JSON_REQUEST))
            continue;
        if (hob_json_field_schema(table, i, &schema) < 0) {
            d->ran_out = true;
            return;
        }
        json_object_del(schema, "description"); // it is the parameter's
        add_parameter(d, list, in, name_of(field), strcmp(in, "path") == 0 || hob_json_field_is_required(field),
                      field->about, schema);
    }
}

static json_t *parameters(struct document *d, const struct web_endpoint *endpoint)
{
    const hob_web_op *op = endpoint->op;
    json_t           *list = json_array();

    if (op->path != NULL) {
        add_fields(d, list, "path", op->path);
    } else {
        for (size_t i = 0; i < endpoint->param_count; i++)
            add_parameter(d, list, "path", endpoint->params[i].name, true, NULL, json_pack("{s:s}", "type", "string"));
    }
    if (op->query != NULL)
        add_fields(d, list, "query", op->query);
    return list;
}

/* ---- answers ---- */

static const char *usual_words(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    default: return status < 400 ? "The answer" : "An error";
    }
}

static void add_answer(struct document *d, json_t *answers, int status, const char *about, const char *type,
                       hob_json_table *table)
{
    char    name[12];
    json_t *answer = json_pack("{s:s}", "description", about != NULL ? about : usual_words(status));

    if (answer == NULL) {
        d->ran_out = true;
        return;
    }
    if (table != NULL)
        set(d, answer, "content", content(d, type, table));
    snprintf(name, sizeof name, "%d", status);
    set(d, answers, status != 0 ? name : "default", answer);
}

static json_t *answers(struct document *d, const hob_web_op *op)
{
    json_t *all = json_object();
    int     usual = op->status != 0 ? op->status : op->reply != NULL ? 200 : 204;

    add_answer(d, all, usual, NULL, "application/json", op->reply);
    for (size_t i = 0; i < op->other_count; i++) {
        const hob_web_other *other = &op->others[i];
        add_answer(d, all, other->status, other->about,
                   other->table != NULL ? "application/json" : "application/problem+json",
                   other->table != NULL ? other->table : hob__web_problem_json);
    }
    if ((op->path != NULL || op->query != NULL || op->body != NULL) && json_object_get(all, "422") == NULL)
        add_answer(d, all, 422, "Something that was sent is not as it must be", "application/problem+json",
                   hob__web_problem_json);
    add_answer(d, all, 0, "Any other failure", "application/problem+json", hob__web_problem_json);
    return all;
}

/* ---- operations ---- */

/* "get_items_id" of GET /items/{id}. */
static void make_id(const struct web_endpoint *endpoint, char *to, size_t size)
{
    size_t at = 0;
    for (const char *c = endpoint->method; *c != '\0' && at + 1 < size; c++)
        to[at++] = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    for (const char *c = endpoint->pattern; *c != '\0' && at + 2 < size; c++) {
        bool is_word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (is_word)
            to[at++] = *c;
        else if (to[at - 1] != '_')
            to[at++] = '_';
    }
    while (at > 0 && to[at - 1] == '_')
        at--;
    to[at] = '\0';
}

static json_t *operation(struct document *d, const struct web_endpoint *endpoint)
{
    const hob_web_op *op = endpoint->op;
    json_t           *it = json_object();
    char              id[200];

    make_id(endpoint, id, sizeof id);
    set_text(d, it, "operationId", op->id != NULL ? op->id : id);
    set_text(d, it, "summary", op->summary);
    set_text(d, it, "description", op->about);
    if (op->tag != NULL)
        set(d, it, "tags", json_pack("[s]", op->tag));
    if (op->deprecated)
        set(d, it, "deprecated", json_true());
    const struct web_param *last = endpoint->param_count > 0 ? &endpoint->params[endpoint->param_count - 1] : NULL;
    if (last != NULL && last->is_tail) // OpenAPI has no word for parameters with slashes
        set_text(d, it, "x-tail", last->name);
    json_t *list = parameters(d, endpoint);
    if (json_array_size(list) > 0)
        set(d, it, "parameters", list);
    else
        json_decref(list);
    if (op->body != NULL)
        set(d, it, "requestBody", json_pack("{s:b, s:o}", "required", 1, "content",
                                            content(d, "application/json", op->body)));
    set(d, it, "responses", answers(d, op));
    if (op->auth != NULL) {
        set(d, it, "security", json_pack("[{s:[]}]", op->auth));
        d->has_basic |= strcmp(op->auth, "basic") == 0;
        d->has_bearer |= strcmp(op->auth, "bearer") == 0;
    }
    return it;
}

/* "{rest...}" is "{rest}" here. */
static char *path_of(const struct web_endpoint *endpoint)
{
    char *path = hob__web_copy(endpoint->pattern);
    char *dots = path != NULL ? strstr(path, "...}") : NULL;
    if (dots != NULL)
        strcpy(dots, "}");
    return path;
}

/* The methods that a path of OpenAPI has a place for. */
static bool has_place(const char *method)
{
    static const char *const METHODS[] = { "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE" };
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (strcmp(METHODS[i], method) == 0)
            return true;
    }
    return false;
}

static void add_operation(struct document *d, json_t *paths, const struct web_endpoint *endpoint)
{
    char  method[16] = "";
    char *path = path_of(endpoint);

    if (path == NULL) {
        d->ran_out = true;
        return;
    }
    for (size_t i = 0; endpoint->method[i] != '\0' && i + 1 < sizeof method; i++)
        method[i] = (char)(endpoint->method[i] | 0x20);
    if (json_object_get(paths, path) == NULL)
        set(d, paths, path, json_object());
    json_t *item = json_object_get(paths, path);
    if (item != NULL)
        set(d, item, method, operation(d, endpoint));
    hob__web_free(path);
}

/* ---- the whole ---- */

static json_t *info(struct document *d)
{
    const hob_web_opts *opts = &d->service->opts;
    json_t *it = json_pack("{s:s, s:s}", "title", opts->title != NULL ? opts->title : "Service", "version",
                           opts->version != NULL ? opts->version : "0");
    if (it != NULL)
        set_text(d, it, "description", opts->about);
    return it;
}

static json_t *components(struct document *d)
{
    json_t *it = json_pack("{s:O}", "schemas", d->schemas);
    json_t *ways = json_object();

    if (it == NULL || ways == NULL) {
        d->ran_out = true;
        json_decref(ways);
        return it;
    }
    if (d->has_basic)
        set(d, ways, "basic", json_pack("{s:s, s:s}", "type", "http", "scheme", "basic"));
    if (d->has_bearer)
        set(d, ways, "bearer", json_pack("{s:s, s:s}", "type", "http", "scheme", "bearer"));
    if (json_object_size(ways) > 0)
        set(d, it, "securitySchemes", ways);
    else
        json_decref(ways);
    return it;
}

int hob_web_openapi(const hob_web *web, struct json_t **ret_document)
{
    struct document d = { .service = web->service };

    int r = web->service->error != 0 ? web->service->error : collect(&d);
    if (r < 0) {
        hob__web_free(d.tables);
        return r;
    }
    json_t *document = json_pack("{s:s}", "openapi", "3.1.0"), *paths = json_object();
    d.ran_out |= document == NULL || paths == NULL;
    if (!d.ran_out) {
        set(&d, document, "info", info(&d));
        json_incref(paths); // for the loop, whatever becomes of the document
        set(&d, document, "paths", paths);
        for (const struct web_endpoint *e = web->service->endpoints; e != NULL; e = e->next) {
            if (is_shown(e) && has_place(e->method))
                add_operation(&d, paths, e);
        }
        set(&d, document, "components", components(&d));
    }
    json_decref(paths);
    json_decref(d.schemas);
    hob__web_free(d.tables);
    if (d.ran_out) {
        json_decref(document);
        return -ENOMEM;
    }
    *ret_document = document;
    return 0;
}
