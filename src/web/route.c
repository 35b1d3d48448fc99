/* SPDX-License-Identifier: MIT */
/*
 * The tree of routes: a level for each segment.
 *
 *     /items/{id}          ""  ─ items ─┬─ {id} ── photos
 *     /items/{id}/photos                └─ new
 *     /items/new
 *
 * Of a node's children the one with the text is tried first, then {param}, then {tail...}; if the rest
 * of the path is not below the first, the next. No node is looked at twice for a path, so a path
 * costs at most what there is of the tree, whatever it is.
 */
#include <stdlib.h>
#include <string.h>

#include "web/web.h"

/* ---- looking ---- */

static int compare(const struct web_node *node, const char *text, size_t len)
{
    if (node->len != len)
        return node->len < len ? -1 : 1;
    return memcmp(node->text, text, len);
}

/* Where the child of that text is, or would be. */
static size_t place_of(const struct web_node *node, const char *text, size_t len, bool *ret_is_there)
{
    size_t from = 0, to = node->child_count;

    *ret_is_there = false;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int    order = compare(node->children[middle], text, len);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static const struct web_node *find_below(const struct web_node *node, const struct web_path *path,
                                         size_t index)
{
    const struct web_node *found = NULL;
    bool                   is_there;

    if (index == path->count)
        return node->endpoints != NULL ? node : NULL;
    const char *text = web_path_segment(path, index);
    size_t      len = web_path_len(path, index);
    if (node->child_count > 0) {
        size_t place = place_of(node, text, len, &is_there);
        if (is_there)
            found = find_below(node->children[place], path, index + 1);
    }
    if (found == NULL && node->param != NULL && len > 0)
        found = find_below(node->param, path, index + 1);
    return found != NULL ? found : node->tail;
}

const struct web_node *hob__web_find(const struct web_node *tree, const struct web_path *path)
{
    return path->is_long ? NULL : find_below(tree, path, 0);
}

/* ---- making ---- */

static struct web_node *new_child(struct web_node *node, const struct web_segment *segment)
{
    bool   is_there;
    size_t place = place_of(node, segment->text, segment->len, &is_there);

    if (is_there)
        return node->children[place];
    size_t            room = (node->child_count + 1) * sizeof node->children[0];
    struct web_node **children = hob__web_grow(node->children, room);
    if (children == NULL)
        return NULL;
    node->children = children;
    char *text = hob__web_alloc(segment->len + 1);
    struct web_node *child = text != NULL ? hob__web_alloc(sizeof *child) : NULL;
    if (child == NULL) {
        hob__web_free(text);
        return NULL;
    }
    memcpy(text, segment->text, segment->len);
    child->text = text;
    child->len = segment->len;
    memmove(&children[place + 1], &children[place], (node->child_count - place) * sizeof children[0]);
    children[place] = child;
    node->child_count++;
    return child;
}

static struct web_node *new_special(struct web_node **place)
{
    if (*place == NULL)
        *place = hob__web_alloc(sizeof **place);
    return *place;
}

struct web_node *hob__web_node(struct web_service *service, const struct web_pattern *pattern)
{
    struct web_node *node = new_special(&service->tree);

    for (size_t i = 0; i < pattern->count && node != NULL; i++) {
        const struct web_segment *segment = &pattern->at[i];
        node = segment->kind == WEB_TEXT    ? new_child(node, segment)
               : segment->kind == WEB_PARAM ? new_special(&node->param)
                                            : new_special(&node->tail);
    }
    return node;
}

void hob__web_tree_free(struct web_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->child_count; i++)
        hob__web_tree_free(node->children[i]);
    hob__web_tree_free(node->param);
    hob__web_tree_free(node->tail);
    hob__web_free(node->children);
    hob__web_free((void *)(uintptr_t)node->text);
    hob__web_free(node);
}
