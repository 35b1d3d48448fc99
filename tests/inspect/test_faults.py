#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a program ends that overflows a stack, faults or forks: test_faults.py BUILD.

SURVIVAL 3 and 19. The exit status must be that of the fault, so that a core remains.
"""
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = BUILD / "tests" / "inspect" / "faults"
LIMIT = 60


def backends():
    told = subprocess.run([str(BUILD / "hob"), "backends"], capture_output=True, text=True,
                          check=True).stdout
    return [line.split(":")[0] for line in told.splitlines() if line.endswith("works")]


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(backend, *args):
    run = subprocess.run([str(PROGRAM), *args], capture_output=True, text=True, timeout=LIMIT,
                         preexec_fn=no_core, env=dict(os.environ, HOB_BACKEND=backend))
    return run.returncode, run.stderr, run.stdout


def like(text, pattern):
    assert re.search(pattern, text, re.S), f"got {text!r}\nwanted something like {pattern!r}"


def equal(got, wanted, why=""):
    assert got == wanted, f"got {got!r}, wanted {wanted!r} {why}"


WHERE = r"started at start\+0x[0-9a-f]+( \(faults\.c:\d+\))?, and overflowed in "


def overflows(backend, case, told, where):
    status, text, _ = run(backend, case)
    like(text, told)
    like(text, r"stack_bytes = 256 \* 1024|hob_call_deep\(1024 \* 1024")
    like(text, f"runs {case}, was " + WHERE + where)
    equal(status, -signal.SIGSEGV, text)
    equal(text.count("\n"), 3, text)


DIGGER = r'^hob: stack overflow in task 2 "digger": its stack has 64 KiB\.\n'


def test_an_overflow_in_user_code(backend):
    overflows(backend, "in_user_code", DIGGER, r"recurse\+0x\w+( \(faults\.c:\d+\))?\.")


def test_an_overflow_in_printf(backend):
    overflows(backend, "in_printf", DIGGER, r"\S+")


def test_an_overflow_in_a_callback_of_qsort(backend):
    overflows(backend, "in_qsort", DIGGER, r"recurse")


def test_an_overflow_by_one_huge_frame(backend):
    overflows(backend, "in_a_huge_frame", DIGGER, r"far_down")


def test_an_overflow_in_a_deep_call(backend):
    overflows(backend, "in_a_deep_call",
              r'in task 2 "digger": the stack that it borrowed by hob_call_deep has 256 KiB\.',
              r"recurse")


def test_an_overflow_of_the_main_task(backend):
    status, text, _ = run(backend, "in_user_code", "main")
    like(text, r'^hob: stack overflow in task 1 "main": its stack has 8192 KiB\.')
    like(text, "No stack is larger")
    equal(status, -signal.SIGSEGV)


def test_an_overflow_is_told_and_then_handed_to_an_earlier_handler(backend):
    status, text, _ = run(backend, "in_user_code", "earlier")
    like(text, DIGGER + ".*earlier handler: 11 ")
    equal(status, 3)


def test_another_fault_names_the_task_and_ends_the_program_as_it_would_have(backend):
    status, text, _ = run(backend, "null_pointer")
    like(text, r'^hob: SIGSEGV in task 2 "digger": a NULL pointer was followed\.\n'
               r"  It runs null_pointer, was started at start\+0x.*, and crashed in null_pointer\+0x")
    equal(status, -signal.SIGSEGV, text)
    equal(text.count("\n"), 2, text)
    status, text, _ = run(backend, "wild_pointer")
    like(text, r'^hob: SIGSEGV in task 2 "digger"\.\n.*, and crashed in wild_pointer\+0x')
    equal(status, -signal.SIGSEGV, text)


def test_another_fault_goes_to_an_earlier_handler(backend):
    equal(run(backend, "null_pointer", "earlier"), (3, "earlier handler: 11 at 16\n", ""))


def test_a_signal_that_was_sent_is_not_swallowed(backend):
    equal(run(backend, "sent"), (-signal.SIGSEGV, "", ""))
    equal(run(backend, "sent", "earlier"), (3, "earlier handler: 11 at 0\n", ""))


def test_a_forked_child_that_uses_hob_is_stopped_with_a_message(backend):
    for case in ("sleeps", "returns", "yields", "starts", "opens_a_scope", "makes_a_socket",
                 "runs", "makes_a_promise"):
        status, text, out = run(backend, f"child_{case}")
        like(text, "^hob: .*forked.*only exec or _exit may follow")
        equal(out, f"child: signal {int(signal.SIGABRT)}\n", case)
        equal(status, 0, f"the parent, {case}: {text}")


def test_a_forked_child_may_exec_and_exit(backend):
    equal(run(backend, "child_execs"), (0, "", "child: exit 5\n"))
    equal(run(backend, "child_exits"), (0, "", "child: exit 6\n"))


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        for backend in backends():
            try:
                test(backend)
                passed += 1
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAILED: faults: {name[5:].replace('_', ' ')} ({backend}): {e}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
