#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests again, in every other way that finds something: tools/test_deep.py [options] [PART]...

Each part is a build of its own in build-PART and a run of tools/run_tests.py on it.
The last line sums them up. A part that cannot be built counts as one failure.
"""
import argparse
import os
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAILURE_LINES = 5  # of a failure, said again at the end, where the log of a long run may be cut
RAN = re.compile(r"^built in .*(, ran in .*)$")
SLOWEST = "5"  # programs that each part names
SUM = re.compile(r"^(\d+) passed, (\d+) failed$")
CHECKED = "-Dbuildtype=debugoptimized -Dslow_checks=true -Dexamples=false"
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
    public = "--skip-suites tls,json,web"  # JSON asks no backend for anything, the web only HTTP
    # OpenSSL gives the thread sanitizer nothing to report falsely; but this one has no threads, and fails
    # so many allocations that it takes minutes there.
    threads = "--skip-suites test_tls_memory"
    carried = f"{own},test_multicast"  # the emulator does not carry the options of groups
    return [
        Part("long", "many seeds, and all points of torture", "-Dbuildtype=release",
             f"{only} {own} --backends sim --pass '--deep --torture --seeds 20'"),
        Part("tls", "TLS in its long forms", "-Dbuildtype=release",
             f"{only} --suites tls --backends sim --pass '--deep --seeds 2'", build="build-long"),
        Part("tlsfaults", "TLS with each call failing", "-Dbuildtype=release",
             f"{only} --suites tls --backends sim --pass '--torture --seeds 1'", build="build-long"),
        Part("ontop", "the other libraries on top, long and with each call failing", "-Dbuildtype=release",
             f"{only} --suites dns,json,http,site,web,ws,wsopen,https --backends sim --pass '--deep --torture --seeds 2'",
             build="build-long"),
        Part("races", "long random runs on each backend", "-Dbuildtype=release",
             f"{only} {public} --backends {REAL} --pass=--deep", build="build-long"),
        # Flows and resilience ask the kernel for nothing.
        Part("kernels", "older kernels: one feature taken away at a time", "-Dbuildtype=release",
             f"{only} {own},flow,resilience --backends {LACKING}", build="build-long"),
        Part("interrupts", "each system call interrupted once", "-Dbuildtype=release",
             f"{only} {public} --backends {REAL} --pass=--interrupt", build="build-long"),
        Part("asan", "address and undefined-behaviour sanitizers",
             f"-Db_sanitize=address,undefined -Db_lundef=false {CHECKED}",
             f"{only} --backends {REAL}",
             env={"ASAN_OPTIONS": "detect_stack_use_after_return=1",
                  "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}),
        Part("tsan", "thread sanitizer", f"-Db_sanitize=thread -Db_lundef=false {CHECKED}",
             f"{only} {threads} --backends {REAL}", wrap=tsan_wrap(),
             env={"TSAN_OPTIONS": "halt_on_error=1"}),
        Part("valgrind", "Valgrind", CHECKED,
             f"{only} {own} --backends sim,uring --pass '--seeds 1'",
             wrap=VALGRIND, env={"HOB_TEST_TIMEOUT": "20", "HOB_TEST_VALGRIND": "1"}),
        Part("clang", "the other compiler", "-Dwerror=true", f"{only} --backends {REAL}",
             env={"CC": "clang"}, whole=True),
        Part("pages", "the pages of our programs in a browser", "", "--suites pages",
             build="build", whole=True),
        Part("generic", "switching tasks in plain C", "-Dswitch=generic -Dexamples=false",
             f"{only} {own} --backends sim,epoll"),
        *(Part(cpu, f"{cpu} under qemu", f"--cross-file tools/cross/{cpu}.ini -Dexamples=false",
               f"{only} {carried} --backends sim,epoll --pass '--seeds 1'",
               wrap=f"qemu-{cpu} -L /usr/{cpu}-linux-gnu", 
               env={"HOB_TEST_TIMEOUT": "10", "HOB_TEST_EMULATED": "1"})
          for cpu in ("aarch64", "riscv64")),
    ]


def prepare(part, env):
    """Makes the part's build folder, and all in it up to date if it is to be whole: else what is run is
    built by who runs it. Returns whether that worked."""
    commands = [["ninja", "-C", part.build]] if part.whole else []
    if not (ROOT / part.build / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", part.build, *shlex.split(part.setup)])
    for command in commands:
        run = subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            print(f"{run.stdout}\nFAILED: {part.name}: {shlex.join(command)}")
            return False
    return True


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


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(part, word, failures):
    """Returns how many passed and failed, and what it took."""
    start = time.monotonic()
    cpu = cpu_of_children()
    env = {**os.environ, **part.env}
    print(f"== {part.name}: {part.what}", flush=True)
    if not prepare(part, env):
        failures.read("FAILED: it cannot be built")
        return 0, 1, "not built"
    command = [sys.executable, "tools/run_tests.py", part.build, *shlex.split(part.run),
               "--filter", word, f"--wrap={part.wrap}", "--timeout", "1500",
               "--slowest", SLOWEST, "--make"]
    tests = subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL)
    passed, failed, last, ran = 0, 0, "", ""
    for line in tests.stdout:
        print(line, end="", flush=True)
        failures.read(line)
        last = line.strip() or last
        took = RAN.match(last)
        ran = took.group(1) if took else ran
    tests.wait()
    found = SUM.match(last)
    if found:
        passed, failed = int(found.group(1)), int(found.group(2))
    if tests.returncode not in (0, 2) or not found:
        failed = max(failed, 1)
    took = f"{time.monotonic() - start:.0f} s ({cpu_of_children() - cpu:.0f} of CPU){ran}"
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

    failures = {part.name: Failures() for part in known}
    totals = {part.name: run(part, options.filter, failures[part.name])
              for part in known if part.name in wanted}
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
