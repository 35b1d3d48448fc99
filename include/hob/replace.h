/* SPDX-License-Identifier: MIT */
/*
 * Putting a new file in the place of an old one, in one step.
 *
 *     hob_replace *new_list;
 *     HOB_TRY(hob_replace_begin("list.txt", 0, &new_list));
 *     int r = write_list(hob_replace_file(new_list));
 *     if (r < 0) {
 *         hob_replace_drop(new_list);
 *         return r;
 *     }
 *     return hob_replace_commit(new_list);
 *
 * The new file has no name while it is written, or one that nobody knows where the file system has
 * no files without. Commit makes its bytes durable, gives it the name, and makes that durable:
 * whoever opens the path meanwhile gets the old file or the new one, whole; and so does who opens
 * it after a power failure.
 */
#ifndef HOB_REPLACE_H
#define HOB_REPLACE_H

#include "hob/file.h"

HOB_BEGIN_DECLS

typedef struct hob_replace hob_replace;

/* Begins. `mode`: of the new file, as for open(2); 0: that of the old one, or 0666 less the umask
 * when there is none. But for that it is a new file: its owner is who makes it, and other names, ACLs
 * and extended attributes of the old one stay with that. A symbolic link is replaced itself, not what
 * it leads to, and so is all else but a folder: think of /dev/stdout where a user names the path. The
 * path is copied. Waits. Returns 0, or a negative errno: those of open(2), -ECANCELED, -ETIMEDOUT. What
 * was begun ends with commit or drop. */
HOB_API HOB_MUST_USE int hob_replace_begin(const char *path, unsigned mode,
                                           hob_replace **ret_replace);

/* The new file, open to read and to write. It is closed at the end, not by you. */
HOB_API hob_file *hob_replace_file(hob_replace *replace);

/* Replaces, and frees `replace` in any case. Waits. Returns 0: the new file is there, for good. A
 * negative errno: the old one is; among them -ECANCELED and -ETIMEDOUT, for this can be cancelled
 * until the new file has its name. From there on it goes through (at most some seconds), and only
 * -EIO is left to say: the new file has its name and the disk did not promise to remember that
 * (which nobody can ask for in a folder that he may write into and not read). */
HOB_API HOB_MUST_USE int hob_replace_commit(hob_replace *replace);

/* The old file stays, and the new one is gone. NULL is fine. Waits for that, also in a cancelled
 * scope, where it has some seconds. */
HOB_API void hob_replace_drop(hob_replace *replace);

HOB_END_DECLS

#endif
