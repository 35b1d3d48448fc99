/* SPDX-License-Identifier: MIT */
/*
 * A new process with another program, as one system call of our own.
 *
 *     parent                              child (vfork: same memory, own stack)
 *       clone ───────────────────────────▶ signals, session, descriptors, limits, user, folder
 *       │ stopped                          exec ──── failed: step and errno ───┐
 *       ◀──── the pipe closes by exec, or brings the failure ◀─────────────────┘
 *
 * Everything is prepared by the parent; the child allocates nothing and takes no lock. Where
 * an emulator turns vfork into fork, the pipe is what the parent waits for. Any thread.
 */
#ifndef HOB_BASE_SPAWN_H
#define HOB_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPAWN_FDS_MAX = 40, SPAWN_FD_NUMBER_MAX = 1023 };

/* In the order in which they are done. */
#define SPAWN_STEPS(X)                       \
    X(CLONE,     "clone")                    \
    X(SESSION,   "setsid")                   \
    X(GROUP,     "setpgid")                  \
    X(FDS,       "dup")                      \
    X(CLOSE,     "close_range")              \
    X(TERMINAL,  "TIOCSCTTY")                \
    X(NICE,      "setpriority")              \
    X(LIMITS,    "setrlimit")                \
    X(GROUPS,    "setgroups")                \
    X(GID,       "setgid")                   \
    X(UID,       "setuid")                   \
    X(DEATH,     "PR_SET_PDEATHSIG")         \
    X(DIRECTORY, "chdir")                    \
    X(EXEC,      "exec")

enum spawn_step {
#define X(step, name) SPAWN_##step,
    SPAWN_STEPS(X)
#undef X
    SPAWN_STEP_COUNT
};

struct spawn_fd {
    int from, to; /* `to` from 0 to SPAWN_FD_NUMBER_MAX */
};

struct spawn_limit {
    int      resource;
    uint64_t soft, hard;
};

struct spawn {
    const char *const *candidates; /* the files to try, ends with NULL     */
    const char *const *argv, *const *env;
    char              *pid_text;   /* where the child writes its number: part of `env`, with room
                                      for ten digits and a NUL; or NULL */
    const char        *directory;  /* NULL: stay                           */
    struct spawn_fd    fds[SPAWN_FDS_MAX];
    size_t             fd_count;
    const struct spawn_limit *limits;
    size_t             limit_count;
    const gid_t       *groups;
    size_t             group_count;
    uid_t              uid;
    gid_t              gid;
    mode_t             umask;
    int                nice;
    int                death_signal; /* 0: none                            */
    bool               new_session, new_group, take_terminal; /* that is descriptor 0 */
    bool               set_umask, set_uid, set_gid;
};

struct spawned {
    pid_t pid;
    int   pidfd; /* CLOEXEC */
};

/* Returns 0; or a negative errno, with the step that failed, and no process is left. */
int hob__spawn(const struct spawn *what, struct spawned *ret_child, enum spawn_step *ret_failed);

const char *hob__spawn_step_name(enum spawn_step step);

/* 0, or -ENOSYS where processes have no descriptors. */
int hob__pidfd_check(void);

#endif
