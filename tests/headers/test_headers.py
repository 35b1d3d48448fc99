#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Every public header compiles alone, as C11 and as C++17, without a warning, and brings the names of
the system that one needs to call it.
"""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
COMPILERS = [
    ("gcc", ["-x", "c", "-std=c11"], "C11"),
    ("clang", ["-x", "c", "-std=c11"], "C11"),
    ("g++", ["-x", "c++", "-std=c++17"], "C++17"),
    ("clang++", ["-x", "c++", "-std=c++17"], "C++17"),
]

NAMES = {
    "hob/error.h": "-ECANCELED",
    "hob/dns.h": "AF_UNSPEC",
    "hob/signal.h": "SIGTERM",
}


def program(header):
    text = f"#include <{header}>\n#include <{header}>\n"
    if str(header) in NAMES:
        text += f"int needed(void);\nint needed(void) {{ return {NAMES[str(header)]}; }}\n"
    return text


def main():
    include = ROOT / "include"
    headers = sorted(p.relative_to(include) for p in include.rglob("*.h"))
    passed = failed = skipped = 0
    for compiler, language, name in COMPILERS:
        if shutil.which(compiler) is None:
            print(f"skipped: headers as {name} with {compiler}: not installed")
            skipped += len(headers)
            continue
        for header in headers:
            run = subprocess.run(
                [compiler, *language, *STRICT, "-I", str(include), "-"],
                input=program(header), capture_output=True, text=True)
            if run.returncode == 0:
                passed += 1
            else:
                failed += 1
                print(f"FAILED: {header} alone, as {name} with {compiler}\n{run.stderr}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
