# SPDX-License-Identifier: MIT
"""The same seed gives the same trace in processes that have nothing else in common."""
import os
import re
import subprocess
import sys

LINE = re.compile(r"^\d+ runs of the chat with (seed 1: .*)$", re.M)


def trace(program, **env):
    command = [program, "--backend", "epoll", "--filter", "a_seed_repeats"]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})
    found = LINE.search(run.stdout)
    if run.returncode != 0 or not found:
        print(f"{run.stdout}{run.stderr}")
        return None
    return found.group(1)


def main():
    program = os.path.join(sys.argv[1], "tests", "test_chat")
    # Other addresses (by chance, and by a larger environment), other memory.
    traces = {trace(program), trace(program), trace(program, MALLOC_PERTURB_="165"),
              trace(program, PADDING="x" * 50000)}
    ok = len(traces) == 1 and None not in traces
    if not ok:
        print("FAILED: the traces differ:", *traces, sep="\n  ")
    print(f"{int(ok)} passed, {int(not ok)} failed")
    return 0 if ok else 1


sys.exit(main())
