/* SPDX-License-Identifier: MIT */
/* Where emitted bytes go. */
#ifndef HOB_JSON_SINK_H
#define HOB_JSON_SINK_H

#include "json/json.h"

/* Memory that grows; sink_take gives it away, with a NUL behind the text, and sink_drop frees it. */
struct sink hob__json_sink_memory(const hob_json_memory *memory);
int         hob__json_sink_take(struct sink *sink, char **ret_text);
void        hob__json_sink_drop(struct sink *sink);

/* A buffer with room for a NUL behind the text; -EMSGSIZE when it is full. */
struct sink hob__json_sink_buffer(char *buf, size_t size);

/* A writer: may wait. */
struct sink hob__json_sink_writer(hob_writer *out);

#endif
