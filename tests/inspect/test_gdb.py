#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gdb commands on a running program and on a core file: test_gdb.py BUILD."""
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = BUILD / "tests" / "inspect" / "parked"
COMMANDS = pathlib.Path(__file__).resolve().parents[2] / "tools" / "gdb" / "hob.py"
LIMIT = 120

# What each task's own functions are, from the inside out.
FRAMES = {
    "main": ["run_the_house"],
    "tea": ["boil_water", "make_tea"],
    "table": ["ask_the_cook", "set_the_table"],
    "door": ["hear_the_bell", "watch_the_door"],
    "cellar": ["dig", "fetch_from_the_cellar"],
}


class Skipped(Exception):
    pass


def backends():
    told = subprocess.run([str(BUILD / "hob"), "backends"], capture_output=True, text=True,
                          check=True).stdout
    return [line.split(":")[0] for line in told.splitlines() if line.endswith("works")]


def gdb(*arguments, **env):
    command = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set debuginfod enabled off",
               "-ex", f"source {COMMANDS}", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT,
                         env=dict(os.environ, **env), stdin=subprocess.DEVNULL)
    return run.stdout + run.stderr


def live(backend, folder, *commands):
    """In the program as it stopped, in gdb."""
    out = gdb("-ex", "run", *[word for command in commands for word in ("-ex", command)],
              "-ex", "kill", "--args", str(PROGRAM), "core", HOB_BACKEND=backend)
    if "ptrace" in out and "Operation not permitted" in out:
        raise Skipped("gdb may not trace programs here")
    return out


def from_core(backend, folder, *commands):
    """In the core file that the kernel wrote."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if "/" in pattern or pattern.startswith("|") or hard == 0:
        raise Skipped(f"core files do not go to the current folder: {pattern}")

    def allow_core():
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    run = subprocess.run([str(PROGRAM), "core"], cwd=folder, preexec_fn=allow_core, timeout=LIMIT,
                         env=dict(os.environ, HOB_BACKEND=backend), capture_output=True)
    assert run.returncode == -signal.SIGABRT, run.returncode
    cores = list(folder.glob("core*"))
    if not cores:
        raise Skipped("the kernel wrote no core file")
    out = gdb(*[word for command in commands for word in ("-ex", command)], str(PROGRAM),
              str(cores[0]))
    cores[0].unlink()
    return out


def like(text, pattern):
    assert re.search(pattern, text), f"wanted {pattern!r} in\n{text}"


def frames(text):
    """The names of the functions of a backtrace, by the task's title above it."""
    found, now = {}, None
    for line in text.splitlines():
        title = re.match(r'task (\d+)(?: "(\w+)")? ', line)
        frame = re.match(r"#\d+ +(?:0x[0-9a-f]+ in )?([\w.]+) ", line)
        if title:
            now = found.setdefault(title.group(2) or title.group(1), [])
        elif frame and now is not None:
            now.append(frame.group(1))
    return found


def each_task_shows_its_own_frames(look, backend, folder):
    found = frames(look(backend, folder, *[f"hob bt {name}" for name in FRAMES]))
    for name, wanted in FRAMES.items():
        got = [function for function in found.get(name, []) if function in wanted]
        assert got == wanted, f"{name}: {found.get(name)}, wanted {wanted}"
        assert found[name][-1] == "hob__context_entry", f"{name}: {found[name]}"


def test_each_parked_task_shows_its_own_frames(backend, folder):
    each_task_shows_its_own_frames(live, backend, folder)


def test_each_parked_task_shows_its_own_frames_in_a_core_file(backend, folder):
    each_task_shows_its_own_frames(from_core, backend, folder)


def lists_them(look, backend, folder):
    out = look(backend, folder, "hob tasks", "hob scopes")
    like(out, r'task 1 "main" run_the_house: running; started at main \(parked\.c:\d+\)')
    like(out, r'task 2 "tea" make_tea: sleep, (600|599)\.\d+ s left, since \S+ s; '
              r"started at run_the_house \(parked\.c:\d+\)")
    like(out, r'task 3 "table" set_the_table: promise 0x\w+, since')
    like(out, r'task 4 "door" watch_the_door: recv on Unix connection \d+, since')
    like(out, r'task 5 "cellar" fetch_from_the_cellar: sleep for ever, since')
    like(out, r"(?m)^8 tasks$")
    like(out, r'scope main\n  task 1 "main".*\n    scope opened at run_the_house \(parked\.c:\d+\)\n'
              r'      task 2 "tea"')


def test_tasks_and_scopes_are_listed(backend, folder):
    lists_them(live, backend, folder)


def test_tasks_and_scopes_are_listed_in_a_core_file(backend, folder):
    lists_them(from_core, backend, folder)


def test_the_same_backtraces_are_shown_once(backend, folder):
    out = live(backend, folder, "hob bt all")
    like(out, r'task 2 "tea" make_tea: .*, and 3 like it')
    assert out.count(" in boil_water ") == 1, out


def test_a_selected_task_can_be_walked_through(backend, folder):
    out = live(backend, folder, "hob task door", "frame function watch_the_door", "hob task", "bt 4")
    like(out, r"#\d+ .*watch_the_door \(arg=")
    after = out[out.rindex("watch_the_door"):]
    assert "abort" in after or "raise" in after or "run_the_house" in after, out


def test_mistakes_are_told(backend, folder):
    out = live(backend, folder, "hob bt nobody")
    like(out, "there is no task nobody")
    like(gdb("-ex", "hob tasks", "/bin/true"), "no libhob with debugging information")


def main():
    if shutil.which("gdb") is None:
        print("skipped gdb: it is not installed\n0 passed, 0 failed, 1 skipped")
        return 77
    passed = failed = skipped = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        for backend in backends():
            folder = pathlib.Path(tempfile.mkdtemp(prefix="hob-test-"))
            claim = f"gdb: {name[5:].replace('_', ' ')} ({backend})"
            try:
                test(backend, folder)
                passed += 1
            except Skipped as why:
                skipped += 1
                print(f"skipped {claim}: {why}")
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAILED: {claim}: {e}")
            finally:
                shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


sys.exit(main())
