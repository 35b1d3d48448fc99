#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the test programs of a build folder and sums them up.

    tools/run_tests.py [options] [BUILD]

The list of programs comes from Meson. Each program runs once for each backend
(its tests without a runtime only on the first), and once more on epoll where a
seccomp filter forbids io_uring; scripts run once.
A backend with a feature of the kernel taken away is written uring-FEATURE (the names
are in src/base/lack.h, several are joined by +): there the conformance suite and the
tests of tests/io run, of which each answer must be the same.
A program's last line says "N passed, N failed", and ", N skipped" if some were;
ours says the same of all, and before it what that took. Ends with 0 when nothing
failed, 1 when something did, and 2 when there was nothing to run.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time

SUM = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
ROOT = pathlib.Path(__file__).resolve().parent.parent
DENIED = "denied"  # epoll, with io_uring forbidden
# An older kernel; `make test-deep PART=kernels` takes the features away one at a time.
LACKING = ("uring-iowq_bound+ring_fd+coop_taskrun+defer_taskrun+buffer_rings+multishot_recv"
           "+ring_files+openat2+tmpfile")
LACKING_SUITES = {"io", "contract"}
SCRIPTS = {"script", "pages"}
ALWAYS = {"script"}  # pages want a browser: only where they are asked for


class Job:
    """One run of one program, and what came of it."""

    def __init__(self, name, where, command, without="", needs=()):
        self.name, self.where, self.command, self.without = name, where, command, without
        self.needs = needs  # targets of the build; of a script it is not known
        self.passed = self.failed = self.skipped = 0
        self.output, self.problem = "", ""
        self.seconds = self.cpu = 0.0  # cpu: seconds of a core, with what it started and waited for


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--filter", default="", help="part of a program's or of a test's name")
    parser.add_argument("--backends", default=f"sim,epoll,uring,{DENIED},{LACKING}")
    parser.add_argument("--wrap", default="", help="a command in front of each program")
    parser.add_argument("--label", default="", help="what kind of run this is, for the reader")
    parser.add_argument("--suites", default="", help="folders of programs, or programs, and no others")
    parser.add_argument("--skip-suites", default="", help="folders of programs, or programs, to leave out")
    parser.add_argument("--only-make", action="store_true", help="make what would be run, and run nothing")
    parser.add_argument("--programs-only", action="store_true", help="leave the scripts out")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="how many run at once; more than there are cores, for many only wait")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one program")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="name the N that took most")
    parser.add_argument("--pass", dest="args", default="", help="arguments for each program")
    return parser.parse_args()


def make(build, files):
    """Makes these files of the build folder up to date; ends with 3 where that cannot be done."""
    names = sorted({os.path.relpath(file, build) for file in files})
    run = subprocess.run(["ninja", "-C", str(build), *names], text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if run.returncode != 0:
        print(f"{run.stdout}\nFAILED: {shlex.join(run.args)}")
        sys.exit(3)


def find_backends(options, build):
    """The backends to run on, as asked for, and a line about each."""
    command = [*shlex.split(options.wrap), str(build / "tools" / "backends")]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{shlex.join(command)}: {run.stdout}{run.stderr}")
    here, why = [], {}
    for line in run.stdout.splitlines():
        name, _, state = line.partition(": ")
        if state == "works":
            here.append(name)
        why[name] = state
    chosen = []
    for name in options.backends.split(","):
        if name == DENIED:
            if "uring" in here:
                chosen.append(name)
        elif name.partition("-")[0] in here:
            chosen.append(name)
        else:
            print(f"backend {name}: not run: {why.get(name.partition('-')[0], 'unknown')}")
    return chosen


def find_jobs(options, build, backends):
    tests = json.loads((build / "meson-info" / "intro-tests.json").read_text())
    wrap = shlex.split(options.wrap)
    extra = shlex.split(options.args)
    jobs = []
    alike = [backend for backend in backends if backend in ("sim", "epoll", "uring")]  # on one kernel
    skipped = set(options.skip_suites.split(",")) - {""}
    wanted = set(options.suites.split(",")) - {""}
    for test in tests:
        name, command = test["name"], test["cmd"]
        whole = options.filter in name
        suites = {suite.rpartition(":")[2] for suite in test["suite"]}
        if suites & SCRIPTS:
            if whole and (suites & wanted or (not wanted and suites & ALWAYS
                                              and not options.programs_only)):
                jobs.append(Job(name, "", command))
            continue
        some = [] if whole else ["--filter", options.filter]
        if (suites | {name}) & skipped or (wanted and not (suites | {name}) & wanted):
            continue
        for backend in backends:
            kind, _, features = backend.partition("-")
            if features and not suites & LACKING_SUITES:
                continue
            front = [str(build / "tools" / "deny_uring"), *wrap] if backend == DENIED else wrap
            real = "epoll" if backend == DENIED else kind
            once = ["--no-bare"] if backend in alike[1:] else []
            jobs.append(Job(name, backend, [*front, *command, "--backend", real, *once, *some, *extra],
                            features.replace("+", ","), test["depends"]))
    return jobs


def ends_within(pid, seconds):
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(fd)


def run_job(job, timeout):
    """Runs it in a process group of its own, which is ended as a whole after its time."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True, cwd=ROOT,
                                   env={**os.environ, "HOB_WITHOUT": job.without})
        if not ends_within(process.pid, timeout):
            job.problem = f"still running after {timeout} s"
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        _, status, used = os.wait4(process.pid, 0)  # it was not waited for yet, so the group is still its own
        process.returncode = os.waitstatus_to_exitcode(status)
        job.cpu = used.ru_utime + used.ru_stime
        output.seek(0)
        job.output = output.read().decode(errors="replace")
    job.seconds = time.monotonic() - start
    judge(job, process.returncode)
    return job


def judge(job, status):
    lines = [line for line in job.output.splitlines() if line.strip()]
    found = SUM.match(lines[-1]) if lines else None
    if found:
        job.passed, job.failed, job.skipped = (int(n or 0) for n in found.groups())
    if job.problem:
        pass
    elif status < 0:
        job.problem = f"killed by {signal.Signals(-status).name}"
    elif not found:
        job.problem = f"ended with {status} and without a last line that counts"
    elif status not in (0, 77) and job.failed == 0:
        job.problem = f"ended with {status}, though no test failed"
    elif status in (0, 77) and job.failed > 0:
        job.problem = f"ended with {status}, though tests failed"
    if job.problem:
        job.failed = max(job.failed, 1)


def show(job):
    if job.passed + job.failed + job.skipped == 0:
        return
    skipped = f", {job.skipped} skipped" if job.skipped else ""
    print(f"{job.where:7} {job.name:24} {job.passed:5} passed, {job.failed} failed{skipped}"
          f"  ({job.seconds:.1f} s)")
    if job.failed:
        print(job.output.rstrip())
        if job.problem:
            print(f"FAILED: {job.name}: {job.problem}")
        without = f"HOB_WITHOUT={job.without} " if job.without else ""
        print(f"repeat all of it: {without}{shlex.join(job.command)}")
    sys.stdout.flush()


def main():
    options = read_arguments()
    build = pathlib.Path(options.build).resolve()
    os.environ.pop("HOB_BACKEND", None)  # each run is told its backend
    # A shell has its background jobs ignore these, which is inherited: then ^C would stop no server.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if options.label:
        print(f"== {options.label}", flush=True)
    if options.only_make:
        make(build, [build / "tools" / "backends", build / "tools" / "deny_uring"])
    backends = find_backends(options, build)
    print(f"backends: {', '.join(backends)}", flush=True)
    jobs = find_jobs(options, build, backends)
    if options.only_make:
        targets = json.loads((build / "meson-info" / "intro-targets.json").read_text())
        needed = {need for job in jobs for need in job.needs}
        make(build, [file for target in targets if target["id"] in needed for file in target["filename"]])
        return 0

    reasons, start = {}, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in pool.map(lambda job: run_job(job, options.timeout), jobs):
            show(done)
            for line in done.output.splitlines():
                if line.startswith("skipped"):
                    reasons[line] = reasons.get(line, 0) + 1

    for reason in sorted(reasons):
        print(reason)
    passed, failed, skipped = (sum(getattr(job, what) for job in jobs)
                               for what in ("passed", "failed", "skipped"))
    for job in jobs:
        if job.failed:
            print(f"FAILED: {job.name} {job.where}".rstrip())
    if skipped:
        print(f"{skipped} skipped")
    for job in sorted(jobs, key=lambda job: -job.cpu)[:options.slowest]:
        print(f"slow: {job.cpu:6.1f} s of CPU in {job.seconds:6.1f} s: {job.name} {job.where}".rstrip())
    print(f"ran in {time.monotonic() - start:.0f} s ({sum(job.cpu for job in jobs):.0f} of CPU)")
    print(f"{passed} passed, {failed} failed")
    if failed:
        return 1
    return 0 if passed else 2


sys.exit(main())
