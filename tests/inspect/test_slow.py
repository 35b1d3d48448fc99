#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the watchdog says of tasks that hold their worker: test_slow.py BUILD.

SURVIVAL 14. Where this machine is so busy that a program stood still by itself, a run
may be called slow that was not; so numbers have a lower bound and, with a limit of a
second, an upper one.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = BUILD / "tests" / "inspect" / "slow"
LIMIT = 60
SECOND = "1000000000"


def backends():
    told = subprocess.run([str(BUILD / "hob"), "backends"], capture_output=True, text=True,
                          check=True).stdout
    return [line.split(":")[0] for line in told.splitlines() if line.endswith("works")]


def run(backend, *args, status=0):
    run = subprocess.run([str(PROGRAM), *args], capture_output=True, text=True, timeout=LIMIT,
                         env=dict(os.environ, HOB_BACKEND=backend))
    assert run.returncode == status, f"ended with {run.returncode}: {run.stdout}{run.stderr}"
    found = re.search(r"slow runs: (\d+)", run.stdout)
    return run.stderr, int(found.group(1)) if found else None, run.stdout


def like(text, pattern):
    assert re.search(pattern, text, re.S), f"got {text!r}\nwanted something like {pattern!r}"


HELD = r"hob: task 2 \"hog\" \((\w+)\), started at start\+\S+( \(slow\.c:\d+\))? has held its worker"


def test_a_task_that_computes_is_counted_and_told_with_its_stack(backend):
    text, count, _ = run(backend, "computes")
    like(text, HELD + ".*  in .*  from calculate")
    assert count >= 1, count


def test_a_task_that_blocks_is_told_and_not_disturbed(backend):
    text, count, out = run(backend, "sleeps_in_the_system")
    like(text, HELD + ".*blocked in \\S*nanosleep")
    like(out, "interrupted: 0")
    assert count >= 1, count


def test_a_task_that_never_ends_is_told(backend):
    text, _, _ = run(backend, "never_ends", status=-signal.SIGALRM)
    like(text, r'task 1 "main" \(never_ends\).*  from never_ends')


def test_many_slow_runs_are_counted_and_few_are_told(backend):
    text, count, _ = run(backend, "often")
    assert count >= 3, count
    assert 1 <= text.count("has held its worker") <= count // 2 + 1, text


def test_the_watchdog_wakes_up_with_the_worker(backend):
    text, count, _ = run(backend, "after_a_long_sleep")
    like(text, HELD)
    assert count >= 1, count


def test_a_callback_that_holds_the_worker_is_told(backend):
    text, count, _ = run(backend, "holds_in_a_callback")
    like(text, "a callback has held its worker")
    assert count >= 1, count


def test_short_runs_and_sleeps_are_not_slow(backend):
    for case in ("many_short_runs", "sleeps_well", "computes"):
        text, count, _ = run(backend, case, SECOND)
        assert (text, count) == ("", 0), (case, count, text)


def test_it_can_be_switched_off(backend):
    text, count, _ = run(backend, "computes", "-1")
    assert (text, count) == ("", 0), (count, text)


def test_the_programs_own_handler_of_the_signal_is_still_called(backend):
    text, _, out = run(backend, "with_its_own_sigurg")
    like(text, HELD + ".*from calculate")
    like(out, "own signals: 1\n")


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        for backend in backends():
            if backend == "sim":  # computing takes no virtual time
                continue
            try:
                test(backend)
                passed += 1
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAILED: slow: {name[5:].replace('_', ' ')} ({backend}): {e}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
