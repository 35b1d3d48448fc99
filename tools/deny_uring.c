/* SPDX-License-Identifier: MIT */
/*
 * Runs a program as a container would that forbids io_uring:
 *
 *     deny_uring PROGRAM [ARGUMENT]...
 *
 * A seccomp filter, which children inherit, answers io_uring_setup with EPERM.
 * Exits with 125 when the filter cannot be installed, and 127 when the program
 * cannot be run.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    // The number is the same on every machine, so the filter need not ask which one it is.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof code / sizeof code[0], code };

    if (argc < 2) {
        fprintf(stderr, "usage: deny_uring PROGRAM [ARGUMENT]...\n");
        return 125;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
        fprintf(stderr, "deny_uring: no filter: %s\n", strerror(errno));
        return 125;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "deny_uring: %s: %s\n", argv[1], strerror(errno));
    return 127;
}
