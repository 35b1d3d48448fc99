#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a log ends: test_last_lines.py BUILD.

However a program ends, short of SIGKILL and _exit, what it had logged is there; and one whose lines
nobody takes ends all the same.
"""
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = BUILD / "tests" / "log" / "last_lines"
LIMIT = 60
LINES = 200
SANITIZED = b"__sanitizer" in PROGRAM.read_bytes() or b"__asan" in PROGRAM.read_bytes()


def backends():
    told = subprocess.run([str(BUILD / "hob"), "backends"], capture_output=True, text=True,
                          check=True).stdout
    return [line.split(":")[0] for line in told.splitlines() if line.endswith("works")]


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def environment(backend, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HOB_") and k != "JOURNAL_STREAM"}
    return {**kept, "HOB_BACKEND": backend, "ASAN_OPTIONS": "detect_leaks=0", **more}


def run(backend, *args, **env):
    done = subprocess.run([str(PROGRAM), *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=LIMIT, preexec_fn=no_core, env=environment(backend, **env))
    return done.returncode, done.stderr.decode()


def check(cond, what, text=""):
    if not cond:
        raise AssertionError(f"{what}: ...{text[-600:]}")


def check_lines(text, count=LINES):
    """All of them, in order, each once."""
    numbers = [int(line.split(" i=")[1].split(" ")[0]) for line in text.splitlines() if " i=" in line]
    check(numbers == list(range(count)), f"{len(numbers)} lines, not {count} in order", text)


def test_return(backend):
    status, text = run(backend, "return")
    check(status == 0, status, text)
    check_lines(text)
    check("INFO  the run is over result=0 at=last_lines.c" in text.splitlines()[-1], "the end", text)


def test_fail(backend):
    status, text = run(backend, "fail")
    check(status == 1, status, text)
    check_lines(text)
    last, report = text.index("line i=199"), text.index("hob: the main task failed")
    check(last < report, "the failure is told before the lines", text)


def test_exit(backend):
    status, text = run(backend, "exit")
    check(status == 3, status, text)
    check_lines(text)


def test_misuse(backend):
    status, text = run(backend, "misuse")
    check(status == -signal.SIGABRT, status, text)
    check_lines(text)
    check(text.index("line i=199") < text.index("hob: hob_ticker_init"), "the order", text)


def ends_by(how, number):
    def test(backend):
        if SANITIZED:
            return  # such a signal is the sanitizer's
        status, text = run(backend, how)
        check(status == -number, status, text)
        check_lines(text)
    return test


test_abort = ends_by("abort", signal.SIGABRT)
test_fault = ends_by("fault", signal.SIGSEGV)
test_divide = ends_by("divide", signal.SIGFPE)
test_elsewhere = ends_by("elsewhere", signal.SIGABRT)


def test_overflow(backend):
    if SANITIZED:
        return
    status, text = run(backend, "overflow")
    check(status == -signal.SIGSEGV, status, text)
    check_lines(text)
    check(text.index("line i=199") < text.index("hob: stack overflow in task"), "the order", text)


def test_survive(backend):
    if SANITIZED:
        return
    status, text = run(backend, "survive")
    check(status == 0, status, text)
    check_lines(text)
    check("survived" in text and "the run is over" in text, "goes on", text)


def test_fork(backend):
    status, text = run(backend, "fork")
    check(status == 0, status, text)
    check_lines(text)
    check(text.count("in the child") == 1, "the child", text)


def test_before(backend):
    status, text = run(backend, "before")
    check(status == 0, status, text)
    check_lines(text)


def test_file(backend):
    if backend == "sim":
        return
    with tempfile.TemporaryDirectory() as folder:
        for how in ("return", "abort", "fault", "before"):
            if SANITIZED and how in ("abort", "fault"):
                continue
            path = pathlib.Path(folder, how)
            run(backend, how, str(path))
            check_lines(path.read_text())


def test_nobody_reads(backend):
    """A pipe that is full: the run ends within its second, and a crash within less."""
    if backend == "sim":
        return  # there the program itself writes to standard error, and may wait
    for how, limit in (("return", 8), ("much", 8), ("abort", 8)):
        if SANITIZED and how == "abort":
            continue
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write_end, True)
        # "the run is over" is said outside of the run, where it may wait: so it is not on.
        began = time.monotonic()
        program = subprocess.Popen([str(PROGRAM), how], stderr=write_end, preexec_fn=no_core,
                                   env=environment(backend))
        os.close(write_end)
        time.sleep(0)
        try:
            wait_until_only_the_end_is_left(program, how, limit)
            check(time.monotonic() - began < limit + LIMIT, "in time")
        finally:
            os.close(read_end)
            program.wait(LIMIT)


def wait_until_only_the_end_is_left(program, how, limit):
    """Until it has ended, or waits in its last line outside of the run with one thread left."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        if program.poll() is not None:
            return
        try:
            threads = len(os.listdir(f"/proc/{program.pid}/task"))
            state = pathlib.Path(f"/proc/{program.pid}/wchan").read_text()
        except OSError:
            return
        if how != "abort" and threads == 1 and ("pipe" in state or "poll" in state):
            return
        time.sleep(0.02)
    raise AssertionError("it did not end")


def test_journal(backend):
    """JOURNAL_STREAM names what standard error is: then the form is that of sd-daemon(3)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stat = os.fstat(theirs.fileno())
        for stream, start in ((f"{stat.st_dev}:{stat.st_ino}", "<6>line i=0 "), ("1:2", "20"), ("x", "20")):
            program = subprocess.Popen([str(PROGRAM), "return"], stderr=theirs,
                                       env=environment(backend, JOURNAL_STREAM=stream))
            text = b""
            while b"the run is over" not in text or not text.endswith(b"\n"):
                text += ours.recv(65536)
            program.wait(LIMIT)
            check(text.decode().startswith(start), stream, text.decode())


def test_environment(backend):
    status, text = run(backend, "return", HOB_LOG_FORM="json")
    check(status == 0, status, text)
    lines = [json.loads(line) for line in text.splitlines()]
    check([line["i"] for line in lines[:LINES]] == list(range(LINES)), "JSON", text)
    check(lines[-1]["message"] == "the run is over", "JSON", text)
    check(run(backend, "return", HOB_LOG_LEVEL="warning") == (0, ""), "HOB_LOG_LEVEL")
    check(run(backend, "return", HOB_LOG_LEVEL="off") == (0, ""), "HOB_LOG_LEVEL")
    check_lines(run(backend, "return", HOB_LOG_LEVEL="no such level")[1])


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        for backend in backends():
            try:
                test(backend)
                passed += 1
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAILED: last lines: {name[5:].replace('_', ' ')} ({backend}): {e}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
