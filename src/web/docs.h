/* SPDX-License-Identifier: MIT */
/* What embed.py makes of docs.html. */
#ifndef HOB_WEB_DOCS_H
#define HOB_WEB_DOCS_H

extern const char hob__web_docs_page[];
extern const char hob__web_docs_policy[]; /* the value of Content-Security-Policy */

#endif
