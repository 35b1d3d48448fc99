#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests again, in every other way that finds something: tools/test_deep.py [options] [PART]...

Each part is a build of its own in build-PART, unless it is that of make, and a run of tools/run_tests.py
on it. The last line sums them up. A part that cannot be built counts as one failure.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLAIN = "build"  # the folder of make: there is no other build of it
FAILURE_LINES = 5  # of a failure, said again at the end, where the log of a long run may be cut
RAN = re.compile(r"^ran in \d+ s \(\d+ of CPU\)$")
SLOWEST = "5"  # programs that each part names
SUM = re.compile(r"^(\d+) passed, (\d+) failed$")
# Names and lines are all that a report shows, and a sanitizer's code takes twice as long to optimize well.
QUICK = "-Ddebug=false -Dc_args=-g1 -Dexamples=false"
CHECKED = f"-Doptimization=1 -Dslow_checks=true {QUICK}"
VALGRIND = ("valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "
            "--fair-sched=yes")
URING_FEATURES = ("defer_taskrun", "coop_taskrun+defer_taskrun", "ext_arg", "buffer_rings",
                  "multishot_recv", "iowq_bound", "ring_fd", "ring_files",
                  "ext_arg+iowq_bound+ring_fd+coop_taskrun+defer_taskrun+buffer_rings+multishot_recv")
EPOLL_FEATURES = ("nowait_io", "openat2", "tmpfile", "epoll_pwait2", "process_madvise", "pidfd_self", "guard_install")
LACKING = ",".join([f"uring-{name}" for name in URING_FEATURES] +
                   [f"epoll-{name}" for name in EPOLL_FEATURES])
REAL = "sim,epoll,uring"  # the run with io_uring denied adds nothing to these


def tsan_wrap():
    """ThreadSanitizer of this age finds no room where addresses are very random."""
    bits = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    if bits.exists() and int(bits.read_text()) > 28:
        return "setarch -R"
    return ""


class Part:
    """`whole`: also what is not run is built."""

    def __init__(self, name, what, setup="", run="", wrap="", env=None, build=None, whole=False):
        self.name, self.what, self.setup, self.run, self.whole = name, what, setup, run, whole
        self.wrap, self.env, self.build = wrap, env or {}, build or f"build-{name}"


def parts():
    only = "--programs-only"
    # The libraries on top of the core have parts of their own: with 20 seeds the points of torture of TLS alone
    # would take an hour, and older kernels and the way tasks are switched are below them.
    own = "--skip-suites tls,dns,json,http,site,web,ws,fetch,wsopen,https"
    on_top = "dns,json,http,site,web,ws,wsopen,https"
    public = "--skip-suites tls,json,web"  # JSON asks no backend for anything, the web only HTTP
    # OpenSSL gives the thread sanitizer nothing to report falsely; but this one has no threads, and fails
    # so many allocations that it takes minutes there.
    threads = "--skip-suites test_tls_memory"
    tsan_setup = f"-Db_sanitize=thread -Db_lundef=false {CHECKED}"
    tsan_env = {"TSAN_OPTIONS": "halt_on_error=1"}
    with_threads = "log,test_portal,test_across,test_lock,test_afar"
    few = f"--jobs {(os.cpu_count() or 1) + 1}"  # where all is slow, nothing waits for long
    carried = f"{own},test_multicast"  # the emulator does not carry the options of groups
    return [
        Part("long", "many seeds, and all points of torture",
             run=f"{only} {own} --backends sim --pass '--deep --torture --seeds 20'", build=PLAIN),
        Part("tls", "TLS in its long forms",
             run=f"{only} --suites tls --backends sim --pass '--deep --seeds 2'", build=PLAIN),
        Part("tlsfaults", "TLS with each call failing",
             run=f"{only} --suites tls --backends sim --pass '--torture --seeds 1'", build=PLAIN),
        Part("ontop", "the other libraries on top, long and with each call failing",
             run=f"{only} --suites {on_top} --backends sim --pass '--deep --torture --seeds 2'", build=PLAIN),
        # In the simulated world the two above have done it.
        Part("races", "long random runs on each real backend",
             run=f"{only} {public} --backends epoll,uring --pass=--deep", build=PLAIN),
        # Flows and resilience ask the kernel for nothing.
        Part("kernels", "older kernels: one feature taken away at a time",
             run=f"{only} {own},flow,resilience --backends {LACKING}", build=PLAIN),
        Part("interrupts", "each system call interrupted once",
             run=f"{only} {public} --backends {REAL} --pass '--interrupt --seeds 1'", build=PLAIN),
        Part("asan", "address and undefined-behaviour sanitizers",
             f"-Db_sanitize=address,undefined -Db_lundef=false {CHECKED}",
             f"{only} --backends {REAL}",
             env={"ASAN_OPTIONS": "detect_stack_use_after_return=1",
                  "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}),
        Part("tsan", "thread sanitizer", tsan_setup,
             f"{only} {threads} --backends epoll,uring {few}", wrap=tsan_wrap(), env=tsan_env),
        # The simulated world is one thread, but where tests bring their own.
        Part("tsansim", "thread sanitizer, on the simulated world and threads around it", tsan_setup,
             f"{only} --suites {with_threads} --backends sim --pass '--seeds 1' {few}", wrap=tsan_wrap(),
             env=tsan_env, build="build-tsan"),
        Part("valgrind", "Valgrind", CHECKED,
             f"{only} {own} --backends sim,uring --pass '--seeds 1' {few}",
             wrap=VALGRIND, env={"HOB_TEST_TIMEOUT": "20", "HOB_TEST_VALGRIND": "1"}),
        Part("clang", "the other compiler", "-Dwerror=true -Ddebug=false -Dc_args=-g1", f"{only} --backends {REAL}",
             env={"CC": "clang"}, whole=True),
        Part("pages", "the pages of our programs in a browser", run="--suites pages", build=PLAIN, whole=True),
        Part("generic", "switching tasks in plain C", f"-Dswitch=generic {QUICK}",
             f"{only} {own} --backends sim,epoll --pass '--seeds 1'"),
        *(Part(cpu, f"{cpu} under qemu", f"--cross-file tools/cross/{cpu}.ini {QUICK}",
               f"{only} {carried} --backends sim,epoll --pass '--seeds 1' {few}",
               wrap=f"qemu-{cpu} -L /usr/{cpu}-linux-gnu",
               env={"HOB_TEST_TIMEOUT": "10", "HOB_TEST_EMULATED": "1"})
          for cpu in ("aarch64", "riscv64")),
    ]


def runner(part, word, *more):
    """The command that runs a part, or does something else about it."""
    return [sys.executable, "tools/run_tests.py", part.build, *shlex.split(part.run), "--filter", word,
            f"--wrap={part.wrap}", *more]


class Building:
    """Builds one part after another beside their runs, so that no core is idle while a test waits or
    the last one of a part runs. What is built ahead gives way to what runs."""

    def __init__(self, wanted, word):
        self.word = word
        self.ready = {part.name: threading.Event() for part in wanted}
        self.problem, self.took = {}, {}
        threading.Thread(target=self.build_all, args=(wanted,), daemon=True).start()

    def build_all(self, wanted):
        for part in wanted:
            start, cpu, problem = time.monotonic(), 0.0, None
            for command in self.commands(part):
                if part is not wanted[0]:
                    command = ["nice", "-n", "19", *command]
                try:
                    status, output, used = run_to_end(command, part)
                except OSError as error:
                    status, output, used = 1, str(error), 0.0
                cpu += used
                if status != 0:
                    problem = f"{output}\nFAILED: {part.name}: {shlex.join(command)}"
                    break
            self.problem[part.name] = problem
            self.took[part.name] = f"built in {time.monotonic() - start:.0f} s ({cpu:.0f} of CPU)"
            self.ready[part.name].set()

    def commands(self, part):
        """They make what the part runs, and all else if it is to be whole."""
        if not (ROOT / part.build / "build.ninja").exists():
            yield ["meson", "setup", part.build, *shlex.split(part.setup)]
        if part.whole:
            yield ["ninja", "-C", part.build]
        yield runner(part, self.word, "--only-make")

    def wait_for(self, part):
        """Returns why it could not be built, or None, and what it took."""
        self.ready[part.name].wait()
        return self.problem[part.name], self.took[part.name]


def run_to_end(command, part):
    """Returns the exit status, the output, and how many seconds of a core it took."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **part.env}, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return (process.returncode, output.read().decode(errors="replace"),
                used.ru_utime + used.ru_stime)


class Failures:
    """The lines about what failed, of all that a part prints."""

    def __init__(self):
        self.lines, self.left = [], 0

    def read(self, line):
        if line.startswith("FAILED"):
            self.left = FAILURE_LINES
        if self.left > 0:
            self.left -= 1
            self.lines.append(line.rstrip())


def run(part, word, building, failures):
    """Returns how many passed and failed, and what it took."""
    print(f"== {part.name}: {part.what}", flush=True)
    problem, took = building.wait_for(part)
    if problem:
        print(problem)
        failures.read("FAILED: it cannot be built")
        return 0, 1, took
    tests = subprocess.Popen(runner(part, word, "--timeout", "1500", "--slowest", SLOWEST), cwd=ROOT,
                             env={**os.environ, **part.env}, text=True, stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL)
    passed, failed, last = 0, 0, ""
    for line in tests.stdout:
        print(line, end="", flush=True)
        failures.read(line)
        last = line.strip() or last
        if RAN.match(last):
            took += f", {last}"
    tests.wait()
    found = SUM.match(last)
    if found:
        passed, failed = int(found.group(1)), int(found.group(2))
    if tests.returncode not in (0, 2) or not found:
        failed = max(failed, 1)
    print(f"-- {part.name}: {took}", flush=True)
    return passed, failed, took


def main():
    known = parts()
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--filter", default="", help="part of a program's or of a test's name")
    parser.add_argument("part", nargs="*", help=", ".join(part.name for part in known))
    options = parser.parse_args()
    wanted = options.part or [part.name for part in known]
    for name in wanted:
        if name not in [part.name for part in known]:
            parser.error(f"there is no part {name}")

    chosen = [part for part in known if part.name in wanted]
    building = Building(chosen, options.filter)
    failures = {part.name: Failures() for part in chosen}
    totals = {part.name: run(part, options.filter, building, failures[part.name]) for part in chosen}
    passed, failed = (sum(counts[i] for counts in totals.values()) for i in (0, 1))
    for name in totals:
        for line in failures[name].lines:
            print(f"{name}: {line}")
    print("== summary")
    for name, counts in totals.items():
        print(f"{name:9} {counts[0]:5} passed, {counts[1]} failed  {counts[2]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
