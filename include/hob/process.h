/* SPDX-License-Identifier: MIT */
/*
 * Processes: other programs, started without a shell, fed, read, waited for, and ended.
 *
 *     hob_process_output output;
 *     HOB_TRY(hob_process_run(HOB_ARGV("git", "rev-parse", "HEAD"), NULL, NULL, &output));
 *     if (output.result.code == 0)
 *         printf("%s", output.out);
 *     hob_process_output_free(&output);
 *
 * A process belongs to a scope, as a task does. It does not outlive it: when everybody else in the
 * scope has ended, or when the scope is cancelled, the process is asked to end (SIGTERM), gets
 * some time for it (5 s), and is killed if it is still there. Whoever wants it to end by itself
 * waits for it. How it ended is a result, and no failure of the scope.
 *
 *     HOB_SCOPE(s);
 *     hob_process       *p;
 *     hob_process_opts   opts = { .in = HOB_STDIO_PIPE, .out = HOB_STDIO_PIPE };
 *     hob_process_result result;
 *     HOB_TRY(hob_process_start(&s, HOB_ARGV("sort", "-n"), &opts, &p));
 *     HOB_DEFER(hob_process_close, p);
 *     ...
 *     HOB_TRY(hob_process_wait(p, &result));
 *
 * What the program gets: its arguments as they are; the descriptors that the options name, and
 * none else; no blocked signal, and no signal handled or ignored but those that this process
 * ignores, except SIGPIPE and SIGCHLD. Hob knows the process by a descriptor (pidfd_open(2)), so
 * that no signal ever hits another one that got its number. It needs Linux 5.4, and does not touch
 * SIGCHLD; where a program ignores that, or waits for all children by itself, results are lost
 * (-ECHILD).
 *
 * In the simulated world there are no programs but those of hob_sim_add_program.
 */
#ifndef HOB_PROCESS_H
#define HOB_PROCESS_H

#include "hob/pipe.h"
#include "hob/promise.h"
#include "hob/terminal.h"

HOB_BEGIN_DECLS

typedef struct hob_process hob_process;

/* A list of arguments that ends with NULL; the first names the program. */
#define HOB_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Where a standard descriptor leads. */
typedef enum hob_stdio {
    HOB_STDIO_INHERIT, /* where it leads here                                          */
    HOB_STDIO_NULL,    /* nowhere                                                      */
    HOB_STDIO_PIPE,    /* here: hob_process_in, hob_process_out, hob_process_err       */
    HOB_STDIO_FD,      /* to the descriptor in_fd, out_fd or err_fd, which stays yours */
    HOB_STDIO_MERGE,   /* standard error only: to where standard output leads          */
} hob_stdio;

/* One more descriptor for the program: `fd`, which stays yours, by the number `as`. */
typedef struct hob_process_fd {
    int fd, as;
} hob_process_fd;

/* A socket to hand over, which stays yours, and its name: up to 255 letters that are no colon and no
 * control character; NULL: "unknown". hob_tcp_listener_fd and its kin know the number. */
typedef struct hob_process_socket {
    int         fd;
    const char *name;
} hob_process_socket;

/* setrlimit(2); RLIM_INFINITY is UINT64_MAX. */
typedef struct hob_process_limit {
    int      resource;
    uint64_t soft, hard;
} hob_process_limit;

/* How to start it. All zero, or NULL, means the defaults. All of it is only lent. */
typedef struct hob_process_opts {
    const char        *program;     /* its file, when argv[0] is to say something else           */
    const char *const *env;         /* the whole environment, ends with NULL; NULL: as here      */
    const char *const *env_changes; /* "NAME=value" sets, "NAME" removes; ends with NULL         */
    const char        *directory;   /* to run in; NULL: as here                                  */

    hob_stdio in, out, err;
    int       in_fd, out_fd, err_fd;
    const hob_process_fd *fds;      /* at most 32, with `as` from 3 to 1023                      */
    size_t                fds_count;

    /* Sockets, handed over as systemd does (sd_listen_fds(3), hob/inherit.h): the program has them as
     * 3, 4 and so on, in this order, and is told so by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES.
     * `fds` come after them; both together are at most 32. */
    const hob_process_socket *sockets;
    size_t                    sockets_count;

    /* A terminal of its own (a pseudo terminal, pty(7)) in place of all three, and a session of
     * its own with it: hob_process_terminal. */
    unsigned          terminal : 1;
    hob_terminal_size terminal_size;

    unsigned new_session : 1;   /* setsid(2): no terminal reaches it; a group of its own, too    */
    unsigned new_group : 1;     /* setpgid(2): ^C at the terminal does not reach it              */
    unsigned whole_group : 1;   /* new_group, and what ends the process ends all of its group;
                                   what is left of that when the process has ended is killed     */
    unsigned set_uid : 1;       /* to `uid`, and `gid`, and these groups and no others: for root */
    unsigned set_gid : 1;
    unsigned set_umask : 1;     /* to `umask`                                                    */
    uid_t        uid;
    gid_t        gid;
    const gid_t *groups;
    size_t       groups_count;
    mode_t       umask;
    int          nice;          /* added to that of this process                                 */
    const hob_process_limit *limits;
    size_t                   limits_count;

    int     death_signal; /* sent by the kernel when this process dies (in fact the thread of the
                             worker), however it does: SIGKILL lets no child survive; 0: none    */
    int     end_signal;   /* asks it to end; 0: SIGTERM                                          */
    int64_t grace_ns;     /* from then on until it is killed; 0: 5 s; < 0: killed at once        */

    const char **ret_failed_step; /* on failure, what failed, for messages: "exec", "chdir" ...  */
} hob_process_opts;

/* How it ended. */
typedef struct hob_process_result {
    int     code;        /* what it returned, 0 to 255; -1: a signal ended it */
    int     signal;      /* which; 0: none                                    */
    int     core_dumped;
    int64_t user_ns;     /* of processors, with its own children it waited for */
    int64_t system_ns;
    int64_t memory_bytes_max;
} hob_process_result;

/* Starts a program as a child of `scope`. argv[0] without a slash is looked for in the folders of
 * this process's PATH, but not in the current one; with a slash it is a path, seen from
 * `directory`. No shell is there to change anything.
 *
 * Does not wait, but stops the worker until the program has begun, about a millisecond. Returns 0;
 * or what failed, and then nothing is left: -ENOENT, -EACCES, -ENOEXEC, -E2BIG and all that
 * execve(2) says, also when it is only known in the new process; of the options -EINVAL, -EPERM
 * and what their system calls say; -EMFILE, -ENFILE, -EAGAIN, -ENOMEM; -ENOSYS before Linux 5.4;
 * -ECANCELED, -ETIMEDOUT. In the simulated world -ENOENT for what is not registered, -ENOTSUP for
 * a terminal, and -EBADF for descriptors.
 *
 * *ret_process is to be closed; NULL: nobody wants to know more of it. It belongs to the worker. */
HOB_API HOB_MUST_USE int hob_process_start(hob_scope *scope, const char *const *argv,
                                           const hob_process_opts *opts, hob_process **ret_process);

/* Lets go of it, with its pipes; NULL is fine. The process goes on, and still ends with its
 * scope. Does not wait. */
HOB_API void hob_process_close(hob_process *process);

/* Its number, also after its end. Only to be shown: by then another may have it. */
HOB_API pid_t hob_process_id(const hob_process *process);

/* Our ends of its pipes; NULL when the options did not ask for one. They are closed with the
 * process, and belong to it. hob_process_close_in is how it sees the end of its input. */
HOB_API hob_pipe *hob_process_in(hob_process *process);
HOB_API hob_pipe *hob_process_out(hob_process *process);
HOB_API hob_pipe *hob_process_err(hob_process *process);
HOB_API void      hob_process_close_in(hob_process *process);

/* Our side of its terminal, to read and to write; NULL: it has none. Reading gives -EIO when
 * nobody has the other side open any more. */
HOB_API hob_pipe        *hob_process_terminal(hob_process *process);
HOB_API HOB_MUST_USE int hob_process_resize(hob_process *process, hob_terminal_size size);

/* Waits until it has ended; many may. Returns 0; -ECHILD when somebody else took its result;
 * -ECANCELED, -ETIMEDOUT. `ret_result` may be NULL. As an operation, and as a case of select, it
 * writes nothing: then hob_process_result_get, which does not wait, knows (-EAGAIN: it runs). */
HOB_API HOB_MUST_USE int hob_process_wait(hob_process *process, hob_process_result *ret_result);
HOB_API void             hob_process_wait_prep(hob_op *op, hob_process *process);
HOB_API HOB_MUST_USE int hob_process_result_get(const hob_process *process,
                                                hob_process_result *ret_result);
#define HOB_PROCESS_ENDED(process) HOB_SETTLED(hob_process_promise(process))

/* Settled at its end; belongs to the process. */
HOB_API hob_promise *hob_process_promise(hob_process *process);

/* Sends it a signal; 0 only looks. With whole_group to all of the group. Does not wait. Returns 0;
 * -ESRCH when it has ended; -EPERM, -EINVAL. */
HOB_API HOB_MUST_USE int hob_process_kill(hob_process *process, int signal);

/* Ends it as the end of its scope would: asks, gives it its grace, kills it; and waits until it has
 * ended. Returns as hob_process_wait. When the caller is cancelled meanwhile, it is still ended. */
HOB_API HOB_MUST_USE int hob_process_end(hob_process *process, hob_process_result *ret_result);

/* ---- all in one ---- */

/* What to feed it, and how much of its answers to keep. All zero: nothing, and 1 MiB of each. */
typedef struct hob_process_input {
    const void *bytes;
    size_t      len;
    size_t      out_max, err_max;
} hob_process_input;

typedef struct hob_process_output {
    hob_process_result result;
    char  *out, *err; /* a 0 follows the last byte; `err` is empty when it was merged */
    size_t out_len, err_len;
} hob_process_output;

/* Runs a program to its end: feeds its standard input, or gives it none, and takes what it says.
 * in, out and err of the options are pipes, unless they are set (HOB_STDIO_NULL, HOB_STDIO_FD,
 * HOB_STDIO_MERGE). Waits. Returns 0 however it ended, and the output, to be freed; -EMSGSIZE when
 * it said more than was to be kept; what hob_process_start and hob_process_wait say. On every
 * error it has been ended. A program that does not read all of its input is no error. */
HOB_API HOB_MUST_USE int hob_process_run(const char *const *argv, const hob_process_opts *opts,
                                         const hob_process_input *input,
                                         hob_process_output *ret_output);
HOB_API void hob_process_output_free(hob_process_output *output);

/* "exit code 3", "signal 9 (Killed)": writes to `buf`, and returns it. Does not wait. */
HOB_API const char *hob_process_describe(const hob_process_result *result, char *buf, size_t size);

/* ---- in the simulated world ---- */

/* A program of the simulated world, as it runs: a task. The streams are never NULL. */
typedef struct hob_sim_process {
    const char *const *argv;
    const char *const *env;       /* of hob_process_opts, or NULL: as here                       */
    const char *const *env_changes;
    const char        *directory; /* or NULL                                                     */
    hob_stream        *in, *out, *err;
    void              *arg;       /* of the hob_sim_program                                      */
    pid_t              id;
} hob_sim_process;

/* Its task: returns the exit code, of which 8 bits count; for a negative error it is 1. A signal
 * that would end the program cancels the task. */
typedef int hob_sim_program_fn(hob_sim_process *self);

typedef struct hob_sim_program {
    const char         *name;    /* of argv[0] or `program`, as it is called; copied             */
    hob_sim_program_fn *fn;
    void               *arg;
    const int          *handles; /* HOB_SIGNALS(...) on which it is cancelled, but ends by its own
                                    code; NULL: none; copied, as the next                        */
    const int          *ignores; /* that have no effect; nobody can ignore SIGKILL               */
} hob_sim_program;

/* Makes the program known to this run, in place of one of the same name. Does not wait. Returns 0,
 * -ENOTSUP outside of sim, -ENOMEM. */
HOB_API HOB_MUST_USE int hob_sim_add_program(const hob_sim_program *program);

HOB_END_DECLS

#endif
