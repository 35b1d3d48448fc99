# SPDX-License-Identifier: MIT
"""The words are true: programs shown in the documents are parts of the examples, and links lead somewhere."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "src/README.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
SHOWN = [d for d in DOCUMENTS if d.name == "README.md" or "guide" in d.parts]

CODE = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
# A path in code quotes, such as `src/core/loop.c`, and with it a function of that file.
PATH = re.compile(r"`((?:src|include|examples|tests|docs|bench|tools|cmd)/[\w./-]+)`(?:, `(\w+)`)?")


def check_code(document, programs):
    for block in CODE.findall(document.read_text()):
        if not any(block in text for text in programs):
            yield f"this program is in no example:\n{block}"


def check_links(document):
    for link in LINK.findall(document.read_text()):
        if not (document.parent / link).exists():
            yield f"nothing at {link}"


def check_paths(document):
    for path, function in PATH.findall(document.read_text()):
        place = ROOT / path
        if not place.exists():
            yield f"there is no {path}"
        elif function and function not in place.read_text():
            yield f"there is no {function} in {path}"


def main():
    programs = [p.read_text() for p in sorted((ROOT / "examples").glob("*.c"))]
    passed = failed = 0
    for document in DOCUMENTS:
        problems = [*check_links(document), *check_paths(document)]
        if document in SHOWN:
            problems += check_code(document, programs)
        failed += bool(problems)
        passed += not problems
        for problem in problems:
            print(f"FAILED: {document.relative_to(ROOT)}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
