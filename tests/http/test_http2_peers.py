#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server with nghttp, h2load and curl, which others wrote: test_http2_peers.py BUILD."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
PAGE = BUILD / "tests" / "http" / "h2_page"
BACKENDS = ["uring", "epoll"]
SECONDS = 60
TESTS = []


class Failed(Exception):
    """What was said is not what should be."""


def test(*needs):
    def add(fn):
        TESTS.append((fn, needs))
        return fn
    return add


def expect(text, *patterns):
    for pattern in patterns:
        if re.search(pattern, text, re.M) is None:
            raise Failed(f"no {pattern!r} in:\n{text}")


def call(*command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]!r}")
    return done.stdout


@contextlib.contextmanager
def page(backend, said):
    """The server; what it counted is checked in the end, when it was stopped."""
    process = subprocess.Popen([str(PAGE)], env={**os.environ, "HOB_BACKEND": backend}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.send_signal(signal.SIGTERM)
        counts = process.communicate(timeout=SECONDS)[0]
        expect(counts, "connections 0 running 0", "failed 0 bad 0 calmed 0", *said)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@test("nghttp")
def nghttp_gets_pages_side_by_side(backend, folder):
    with page(backend, ["requests 4", "http2 1"]) as url:
        said = call("nghttp", "-nas", f"{url}/", f"{url}/much", f"{url}/slow", f"{url}/trailer").decode()
        expect(said, r"200 +6 /$", r"200 +976K /much", r"200 +6 /slow", r"200 +5 /trailer")


@test("nghttp")
def nghttp_sends_a_body_and_gets_it_back(backend, folder):
    body = os.urandom(3000000)
    (folder / "body").write_bytes(body)
    with page(backend, ["requests 1"]) as url:
        if call("nghttp", "-d", folder / "body", f"{url}/echo") != body:
            raise Failed("it came back changed")


@test("nghttp")
def nghttp_gets_trailers(backend, folder):
    with page(backend, ["requests 1"]) as url:
        expect(call("nghttp", "-v", f"{url}/trailer").decode(), "x-sum: 5d41402a")


@test("h2load")
def h2load_gets_all_of_its_answers(backend, folder):
    (folder / "body").write_bytes(os.urandom(100000))
    for path, count, more in (("/", 5000, []), ("/slow", 500, []), ("/much", 50, []),
                              ("/echo", 50, ["-d", folder / "body"])):
        with page(backend, [f"requests {count}", "http2 5"]) as url:
            said = call("h2load", "-n", count, "-c", 5, "-m", 20, *more, url + path).decode()
            expect(said, f"{count} succeeded, 0 failed, 0 errored, 0 timeout")


@test("curl")
def curl_knows_beforehand(backend, folder):
    if "HTTP2" not in call("curl", "--version").decode():
        return
    with page(backend, ["requests 1", "http2 1"]) as url:
        said = call("curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version}", f"{url}/").decode()
        expect(said, "hello\n2$")


def main():
    if not PAGE.exists():
        print("0 passed, 0 failed, 1 skipped")
        print("skipped: HTTP/2 with others: built without nghttp2", file=sys.stderr)
        return 0
    states = dict(line.split(": ", 1) for line in call(BUILD / "hob", "backends").decode().splitlines()
                  if ": " in line)
    passed = failed = skipped = 0
    for fn, needs in TESTS:
        for backend in BACKENDS:
            missing = [tool for tool in needs if shutil.which(tool) is None]
            if missing or states.get(backend) != "works":
                print(f"skipped: http2: {fn.__name__} on {backend}: {' '.join(missing) or states.get(backend)}")
                skipped += 1
                continue
            try:
                with tempfile.TemporaryDirectory() as name:
                    fn(backend, pathlib.Path(name))
                passed += 1
            except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"FAILED: http2: {fn.__name__} on {backend}: {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
