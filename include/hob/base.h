/* SPDX-License-Identifier: MIT */
/* What every public header needs: visibility, C++ linkage, and attributes. */
#ifndef HOB_BASE_H
#define HOB_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define HOB_BEGIN_DECLS extern "C" {
#define HOB_END_DECLS }
#else
#define HOB_BEGIN_DECLS
#define HOB_END_DECLS
#endif

#define HOB_API __attribute__((visibility("default")))
#define HOB_MUST_USE __attribute__((warn_unused_result))
#define HOB_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* Declares a variable with the type of its initializer. */
#ifdef __cplusplus
#define HOB_AUTO auto
#else
#define HOB_AUTO __auto_type
#endif

/* Room for what the library keeps in a place of yours. Bytes, since the compiler lets
 * bytes be looked at as any type, also across a link with optimization. */
#define HOB_OPAQUE(words) __attribute__((aligned(8))) unsigned char _private[8 * (words)]

/* Makes the unique local names that the block macros need. */
#define HOB_JOIN_(a, b) a##b
#define HOB_JOIN(a, b) HOB_JOIN_(a, b)

#endif
