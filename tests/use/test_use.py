#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole programs, as their users meet them: test_use.py BUILD. Each test's name is its claim.

Each runs on every real backend that there is."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import traceback

BUILD = pathlib.Path(sys.argv[1]).resolve()
LIMIT = 60


def program(name):
    return str(BUILD / "tests" / "use" / name)


def env(backend):
    return dict(os.environ, HOB_BACKEND=backend)


def works(backend, folder):
    run = subprocess.run([program("number_lines")], input=b"x\n", capture_output=True,
                         env=env(backend), timeout=LIMIT)
    return run.returncode == 0


def equal(got, wanted):
    assert got == wanted, f"got {got!r}\nwanted {wanted!r}"


# ---- number_lines ----

def test_lines_from_a_pipe_are_numbered_as_they_come(backend, folder):
    with subprocess.Popen([program("number_lines")], stdin=subprocess.PIPE, env=env(backend),
                          stdout=subprocess.PIPE) as child:
        for number, line in enumerate([b"one\n", b"two\n", b"\n"], 1):
            child.stdin.write(line)
            child.stdin.flush()
            equal(child.stdout.readline(), b"%6d  " % number + line)
        child.stdin.write(b"no newline")
        child.stdin.close()
        equal(child.stdout.read(), b"     4  no newline")
        equal(child.wait(LIMIT), 0)


def test_lines_from_a_file_are_numbered(backend, folder):
    lines = [b"line %d" % i for i in range(1, 20001)]
    (folder / "input").write_bytes(b"\n".join(lines) + b"\n")
    with open(folder / "input", "rb") as source, open(folder / "output", "wb") as sink:
        run = subprocess.run([program("number_lines")], stdin=source, stdout=sink,
                             env=env(backend), timeout=LIMIT)
    equal(run.returncode, 0)
    wanted = b"".join(b"%6d  %s\n" % (i, line) for i, line in enumerate(lines, 1))
    equal((folder / "output").read_bytes() == wanted, True)


def test_a_reader_that_goes_away_is_an_error_and_no_signal(backend, folder):
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run([program("number_lines")], input=b"x\n", stdout=writer,
                         stderr=subprocess.PIPE, env=env(backend), timeout=LIMIT)
    os.close(writer)
    equal(run.returncode, 1)


# ---- copy_files ----

def test_many_files_are_copied_at_once(backend, folder):
    (folder / "to").mkdir()
    files = [folder / f"file{i}" for i in range(50)]
    for i, file in enumerate(files):
        file.write_bytes(os.urandom(i * 4000))
    run = subprocess.run([program("copy_files"), str(folder / "to"), *map(str, files)],
                         env=env(backend), timeout=LIMIT)
    equal(run.returncode, 0)
    for file in files:
        equal((folder / "to" / file.name).read_bytes() == file.read_bytes(), True)


def test_a_file_that_is_not_there_is_named(backend, folder):
    (folder / "to").mkdir()
    run = subprocess.run([program("copy_files"), str(folder / "to"), str(folder / "missing")],
                         capture_output=True, text=True, env=env(backend), timeout=LIMIT)
    equal(run.returncode, 1)
    equal("missing" in run.stderr and "No such file" in run.stderr, True)


# ---- forward ----

class Echo(threading.Thread):
    """A service that answers what it was told, once the asker has finished."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            conn, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn:
            told = b"".join(iter(lambda: conn.recv(65536), b""))
            conn.sendall(told)


class Forwarder:
    def __init__(self, backend, target):
        self.child = subprocess.Popen([program("forward"), "127.0.0.1:0", target],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True, env=env(backend))
        self.port = int(self.child.stdout.readline().rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def ask(self, question):
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as conn:
            sender = threading.Thread(target=lambda: (conn.sendall(question),
                                                      conn.shutdown(socket.SHUT_WR)))
            sender.start()
            answer = b"".join(iter(lambda: conn.recv(65536), b""))
            sender.join()
            return answer


def test_what_goes_in_at_one_port_comes_out_at_the_other(backend, folder):
    with Forwarder(backend, Echo().address) as forwarder:
        equal(forwarder.ask(b"hello"), b"hello")
        much = os.urandom(3_000_000)
        equal(forwarder.ask(much) == much, True)
        equal(forwarder.ask(b""), b"")


def test_many_guests_are_served_at_once(backend, folder):
    answers = {}
    with Forwarder(backend, Echo().address) as forwarder:
        guests = [threading.Thread(target=lambda i=i: answers.__setitem__(
            i, forwarder.ask(b"guest %d" % i))) for i in range(50)]
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.join()
    equal(answers, {i: b"guest %d" % i for i in range(50)})


def test_a_target_that_is_gone_costs_the_guest_and_not_the_house(backend, folder):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = "127.0.0.1:%d" % gone.getsockname()[1]
    with Forwarder(backend, address) as forwarder:
        for _ in range(3):
            equal(forwarder.ask(b""), b"")
        equal(forwarder.child.poll(), None)


def main():
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items()
             if name.startswith("test_")]
    passed = failed = skipped = 0
    for backend in ("epoll", "uring"):
        for claim, test in tests:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="hob-test-"))
            try:
                if not works(backend, folder):
                    skipped += 1
                    continue
                test(backend, folder)
                passed += 1
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError):
                failed += 1
                print(f"FAILED: use: {claim} ({backend})\n{traceback.format_exc()}")
            finally:
                shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


sys.exit(main())
