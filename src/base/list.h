/* SPDX-License-Identifier: MIT */
/* Doubly linked circular lists of intrusive nodes. A node that is in no list points to itself. */
#ifndef HOB_BASE_LIST_H
#define HOB_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev;
    struct list_node *next;
};

/* A list is a node too; its next is the first element. */
struct list {
    struct list_node head;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline void list_node_init(struct list_node *node)
{
    node->prev = node->next = node;
}

static inline void list_init(struct list *list)
{
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_node_is_linked(const struct list_node *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_before(list->head.next, node);
}

/* The node itself is not looked at any more. */
static inline void list_remove_last_time(const struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
}

static inline void list_remove(struct list_node *node)
{
    list_remove_last_time(node);
    list_node_init(node);
}

static inline struct list_node *list_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL)
        list_remove(node);
    return node;
}

/* Moves all of `from` to the back of `to`. */
static inline void list_append(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    struct list_node *first = from->head.next, *last = from->head.prev;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
    list_init(from);
}

/* Walks the list; `node` may be removed in the body. */
#define list_for_each(node, list)                                                        \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next;          \
         node != &(list)->head; node = node##_next, node##_next = node->next)

#endif
