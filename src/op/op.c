/* SPDX-License-Identifier: MIT */
/* What the table of operations says about each kind. */
#include "op/fs.h"
#include "op/op.h"

static const char *const names[OP_KINDS] = {
#define X(kind, name, class) [OP_##kind] = name,
    HOB_OPS(X)
#undef X
};

static const uint8_t classes[OP_KINDS] = {
#define X(kind, name, class) [OP_##kind] = OP_##class,
    HOB_OPS(X)
#undef X
};

const char *hob__op_name(enum op_kind kind)
{
    hob_assert(kind < OP_KINDS);
    return names[kind];
}

enum op_class hob__op_class(enum op_kind kind)
{
    hob_assert(kind < OP_KINDS);
    return (enum op_class)classes[kind];
}

const char *hob__fs_name(enum fs_what what)
{
    static const char *const calls[FS_CALLS] = {
#define X(what, name) [FS_##what] = name,
        HOB_FS_CALLS(X)
#undef X
    };
    hob_assert(what < FS_CALLS);
    return calls[what];
}
