# SPDX-License-Identifier: MIT
"""The words are true: programs shown in the documents are parts of the examples and compile, and links lead somewhere."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))
for folder in ("src", "tests", "bench", "docs"):
    DOCUMENTS += sorted(d for d in (ROOT / folder).rglob("*.md") if "node_modules" not in d.parts)  # of benchmarks' peers
SHOWN = [d for d in DOCUMENTS if d == ROOT / "README.md" or "guide" in d.parts]

CODE = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
# A path in code quotes, such as `src/core/loop.c`, and with it a function of that file.
PATH = re.compile(r"`((?:src|include|examples|tests|docs|bench|tools|cmd)/[\w./-]+)`(?:, `(\w+)`)?")
# An example that is to be run, and a name of Hob.
EXAMPLE = re.compile(r"\bexamples/\w+\.[ch]\b")
NAME = re.compile(r"\b(?:hob|HOB)_\w*[a-zA-Z0-9]\b")

# As the examples are compiled. A part of a program leaves functions unused.
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
         "-Wno-unused-function", f"-I{ROOT / 'include'}", "-xc", "-fsyntax-only"]

# What a part that is shown takes from the rest of its example.
LEANS_ON = """#include <hob.h>
struct order;
int load_user(void *order), ask_price(void *order), write_log(void *order);
"""


def check_code(document, programs):
    for block in CODE.findall(document.read_text()):
        if not any(block in text for text in programs):
            yield f"this program is in no example:\n{block}"


def check_that_it_compiles(document):
    """All blocks of a document, one after the other, as one program."""
    program = LEANS_ON + "".join(CODE.findall(document.read_text()))
    done = subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *FLAGS, "-"], input=program,
                          capture_output=True, text=True)
    if done.returncode != 0:
        yield f"its programs do not compile:\n{done.stderr}"


def check_links(document):
    for link in LINK.findall(document.read_text()):
        if not (document.parent / link).exists():
            yield f"nothing at {link}"


def check_paths(document):
    for path, function in PATH.findall(document.read_text()):
        place = ROOT / path
        if path.startswith("bench/results/"):  # comes into being by measuring
            continue
        if not place.exists():
            yield f"there is no {path}"
        elif function and function not in place.read_text():
            yield f"there is no {function} in {path}"


def check_examples(document):
    for path in EXAMPLE.findall(document.read_text()):
        if not (ROOT / path).exists():
            yield f"there is no {path}"


def check_names(document, known):
    for name in sorted(set(NAME.findall(document.read_text())) - known):
        yield f"nothing is called {name}"


def known_names():
    names = {"hob_thing_verb", "hob__thing_verb"}  # how names are made
    names.update(program.stem for program in (ROOT / "bench").glob("*.c"))
    for folder in ("include", "src", "examples", "tests"):
        for source in (ROOT / folder).rglob("*.[chS]"):
            names.update(NAME.findall(source.read_text()))
    return names


def main():
    names = known_names()
    programs = [p.read_text() for p in sorted((ROOT / "examples").glob("*.c"))]
    passed = failed = 0
    for document in DOCUMENTS:
        problems = [*check_links(document), *check_paths(document), *check_examples(document),
                    *check_names(document, names)]
        if document in SHOWN:
            problems += check_code(document, programs)
        if document == ROOT / "README.md":
            problems += check_that_it_compiles(document)
        failed += bool(problems)
        passed += not problems
        for problem in problems:
            print(f"FAILED: {document.relative_to(ROOT)}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
