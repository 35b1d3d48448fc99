#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What hob_describe_address says, against what the compiler knows: test_places.py BUILD."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
FOLDER = BUILD / "tests" / "inspect"
LIMIT = 60


def run(program=FOLDER / "places", *args, **env):
    """The lines of the program: function -> (place, description)."""
    run = subprocess.run([str(program), *args], capture_output=True, text=True, timeout=LIMIT,
                         env=dict(os.environ, **env))
    equal(run.returncode, 0, run.stderr)
    equal(run.stderr, "")
    lines = [line.split("|") for line in run.stdout.splitlines() if line]
    return {function: (place, told) for function, place, told in lines}


def equal(got, wanted, why=""):
    assert got == wanted, f"got {got!r}\nwanted {wanted!r} {why}"


def like(got, pattern):
    assert re.fullmatch(pattern, got), f"got {got!r}\nwanted something like {pattern!r}"


def stripped(folder):
    shutil.copy(FOLDER / "libplaces.so", folder)
    shutil.copy(FOLDER / "places", folder)
    subprocess.run(["strip", "--strip-all", folder / "places", folder / "libplaces.so"], check=True)
    return folder / "places"


def asks_addr2line():
    return shutil.which("addr2line") is not None


def test_the_function_and_the_line_of_the_call_are_named(folder):
    told = run()
    for function in ("static_function", "global_function", "exported_by_library",
                     "static_of_library", "inlined_function inlined in inlining_function",
                     "start_child"):
        place, text = told[function]
        like(text, re.escape(function) + r"\+0x[0-9a-f]+" +
             (re.escape(f" ({place})") if asks_addr2line() else ""))


def test_the_beginning_of_a_function_is_its_name(folder):
    # Which of its first lines a function begins at is the compiler's choice.
    like(run()["child"][1], r"child \(places\.c:\d+\)" if asks_addr2line() else "child")


def test_a_library_without_debug_information_still_gives_the_function(folder):
    like(run()["puts"][1], r"(_IO_)?puts\+0x1( \(.*\))?")


def test_what_is_in_no_file_is_a_number(folder):
    equal(run()["0x10"][1], "0x10")


def test_without_addr2line_there_are_functions_and_no_lines(folder):
    for env in ({"HOB_SYMBOLS": "0"}, {"PATH": str(folder)}):
        like(run(**env)["static_function"][1], r"static_function\+0x[0-9a-f]+")


def test_a_stripped_program_gives_what_it_exports_and_else_the_file(folder):
    told = run(stripped(folder), LD_LIBRARY_PATH=str(folder))
    like(told["static_function"][1], r"places\+0x[0-9a-f]+")
    like(told["exported_by_library"][1], r"exported_by_library\+0x[0-9a-f]+")
    like(told["static_of_library"][1], r"libplaces\.so\+0x[0-9a-f]+")


def test_an_addr2line_that_hangs_is_given_up_once_and_for_all(folder):
    fake = folder / "addr2line"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    before = time.monotonic()
    told = run(PATH=f"{folder}:{os.environ['PATH']}")
    took = time.monotonic() - before
    like(told["static_function"][1], r"static_function\+0x[0-9a-f]+")
    assert took < 15, f"took {took} s"


def test_an_addr2line_that_talks_nonsense_is_harmless(folder):
    fake = folder / "addr2line"
    for words in ("no such thing", "0x1\\n" * 5000, "0x1\\n\\n\\n\\n", "0x1\\nf\\n:::9\\n", ""):
        fake.write_text(f"#!/bin/sh\nprintf '{words}'\n")
        fake.chmod(0o755)
        told = run(PATH=f"{folder}:{os.environ['PATH']}")
        like(told["static_function"][1], r".*static_function\+0x[0-9a-f]+.*")


def test_the_program_does_not_notice_the_child(folder):
    equal(run()["sigchld"][1], "0")


def test_a_file_that_was_removed_while_it_runs_gives_what_it_exports(folder):
    for name in ("places", "libplaces.so"):
        shutil.copy(FOLDER / name, folder)
    told = run(folder / "places", str(folder / "libplaces.so"), LD_LIBRARY_PATH=str(folder))
    like(told["exported_by_library"][1], r"exported_by_library\+0x[0-9a-f]+")


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hob-test-"))
        try:
            test(folder)
            passed += 1
        except (AssertionError, KeyError, OSError, ValueError, subprocess.SubprocessError) as e:
            failed += 1
            print(f"FAILED: places: {name[5:].replace('_', ' ')}: {e}")
        finally:
            shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
