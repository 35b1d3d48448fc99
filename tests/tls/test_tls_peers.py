#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ours with others: openssl s_client and s_server, and curl, both ways: test_tls_peers.py BUILD."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKENDS = ["uring", "epoll"]
SECONDS = 60 if 'HOB_PEERS_SECONDS' not in os.environ else int(os.environ['HOB_PEERS_SECONDS'])
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


def call(*command, said="", status=0, env=None):
    done = subprocess.run([str(word) for word in command], input=said, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    if status is not None and done.returncode != status:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def make_certificate(folder, name, key):
    call("openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / f"{name}.key",
         "-out", folder / f"{name}.pem")


class World:
    def __init__(self, folder, backend):
        self.cert, self.key = folder / "ours.pem", folder / "ours.key"
        self.folder = folder
        self.env = {**os.environ, "HOB_BACKEND": backend}

    @contextlib.contextmanager
    def server(self, program, *args):
        """One of ours; gives its port and the process."""
        process = subprocess.Popen([str(word) for word in (program, *args)], env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            yield int(process.stdout.readline().split()[-1]), process
            if process.poll() is not None:
                raise Failed(f"the server ended with {process.returncode}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def echo(self):
        return self.server(BUILD / "examples" / "34_tls", "server", 0, self.cert, self.key)

    def page(self):
        return self.server(BUILD / "tests" / "tls" / "page", self.cert, self.key)

    def client(self, port, said, name="localhost", status=0):
        return call(BUILD / "examples" / "34_tls", "client", port, self.cert, name, said=said,
                    status=status, env=self.env)

    def s_client(self, port, lines, *options, status=0):
        """Says each line when the one before was heard back. Ends as `status` says; None: in any way."""
        process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
             "-CAfile", str(self.cert), "-verify_return_error", *options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        heard = ""
        alarm = threading.Timer(SECONDS, process.kill)  # whatever it waits for
        alarm.start()
        try:
            for line in lines:
                try:
                    process.stdin.write(line + "\n")
                    process.stdin.flush()
                except BrokenPipeError:  # it has ended: we say why below
                    break
                answer = "KEYUPDATE" if line in ("K", "k") else line
                heard += "\n"
                begin = len(heard)
                while answer not in heard[begin:].splitlines():
                    text = process.stdout.readline()
                    if not text:
                        break
                    heard += text
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            heard += process.stdout.read()
            if process.wait(SECONDS) != status and status is not None:
                raise Failed(f"s_client ended with {process.returncode}:\n{heard}")
            return heard
        finally:
            alarm.cancel()
            process.kill()
            process.wait()
            process.stdout.close()


@contextlib.contextmanager
def s_server(world, *options):
    """openssl's, which says each line backwards."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
                                str(world.cert), "-key", str(world.key), "-rev", *options],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        while "ACCEPT" not in process.stdout.readline():
            if process.poll() is not None:
                raise Failed("s_server did not start")
        yield port
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# ---- their client, our server ----

@test("openssl")
def s_client_hears_its_echo(world):
    with world.echo() as (port, _):
        for version in "-tls1_2", "-tls1_3":
            text = world.s_client(port, ["many pots", "one stove"], "-quiet", "-no_ign_eof", version)
            expect(text, "^many pots$", "^one stove$")


@test("openssl")
def s_client_may_change_its_keys(world):
    """K asks for a new key of ours, k only changes its own (SURVIVAL 52)."""
    with world.echo() as (port, _):
        text = world.s_client(port, ["one", "K", "two", "k", "three", "K", "four"], "-tls1_3")
        expect(text, "^one$", "KEYUPDATE", "^two$", "^three$", "^four$")


@test("openssl")
def s_client_may_not_do_so_for_ever(world):
    """A new key costs the server more than the client: 32 of them in a row, without data, are too many."""
    with world.echo() as (port, _):
        text = world.s_client(port, ["one"] + ["K"] * 40 + ["never"], "-tls1_3", status=None)
        if "never" in text:
            raise Failed(f"40 new keys in a row were taken:\n{text}")


@test("openssl")
def s_client_resumes_its_session(world):
    session = world.folder / "session"
    with world.echo() as (port, _):
        for version in "-tls1_2", "-tls1_3":
            expect(world.s_client(port, ["x"], version, "-sess_out", str(session)), "^New, ")
            expect(world.s_client(port, ["x"], version, "-sess_in", str(session)), "^Reused, ")


@test("openssl")
def s_client_of_an_old_version_is_refused(world):
    """SURVIVAL 51."""
    with world.echo() as (port, _):
        for version in "-tls1", "-tls1_1":
            text = call("openssl", "s_client", "-connect", f"127.0.0.1:{port}", version,
                        "-cipher", "ALL:@SECLEVEL=0", status=1)
            expect(text, "protocol version|unsupported protocol|no protocols available")
        expect(world.s_client(port, ["still there"], "-quiet", "-no_ign_eof"), "^still there$")


@test("curl")
def curl_reads_a_page(world):
    with world.page() as (port, _):
        url = f"https://localhost:{port}/"
        local = ["curl", "-sS", "--noproxy", "*", "--resolve", f"localhost:{port}:127.0.0.1"]
        for version in ["--tlsv1.3"], ["--tlsv1.2", "--tls-max", "1.2"]:
            expect(call(*local, "--http1.1", *version, "--cacert", world.cert, url), "^hello$")
        expect(call(*local, "-v", "--cacert", world.cert, url), "ALPN.*http/1.1", "^hello$")
        call(*local, url, status=60)  # nobody told it whom to trust
        call(*local, "--http1.1", "--tls-max", "1.1", "--tlsv1.0", "--cacert", world.cert, url, status=35)
        expect(call(*local, "--cacert", world.cert, url), "^hello$")


@test("openssl")
def a_new_certificate_is_shown_after_sighup(world):
    """SURVIVAL 57; the connection that is open stays."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cert, key = folder / "cert", folder / "key"
        shutil.copy(world.cert, cert)
        shutil.copy(world.key, key)
        with world.server(BUILD / "examples" / "34_tls", "server", 0, cert, key) as (port, process):
            shutil.copy(world.folder / "newer.pem", cert)
            shutil.copy(world.folder / "newer.key", key)
            process.send_signal(signal.SIGHUP)
            expect(process.stdout.readline(), "new clients see the new certificate")
            text = call("openssl", "s_client", "-connect", f"127.0.0.1:{port}")
            expect(text, "subject=CN = newer|subject=CN=newer")
            cert.write_text("rubbish")
            process.send_signal(signal.SIGHUP)
            expect(process.stdout.readline(), "no certificate in it")
            text = call("openssl", "s_client", "-connect", f"127.0.0.1:{port}")
            expect(text, "subject=CN = newer|subject=CN=newer")


# ---- the proxy: TLS outside, plain TCP inside ----

@contextlib.contextmanager
def plain_echo():
    """A server that knows no TLS; gives its address."""
    def serve(conn):
        with conn:
            while data := conn.recv(65536):
                conn.sendall(data)
            conn.shutdown(socket.SHUT_WR)

    def accept_all(listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept_all, args=(listener,), daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def proxy(world, target):
    """Gives the ports of its TLS and its TCP route, and the process."""
    with world.server(BUILD / "examples" / "40_tls_proxy", world.cert, world.key, "tls", ":0", target,
                      "tcp", "127.0.0.1:0", target) as (port, process):
        yield port, int(process.stdout.readline().split()[-1]), process


def answer(conn, said):
    """Says it, says that this was all, and gives the answer."""
    heard = bytearray()
    writer = threading.Thread(target=lambda: (conn.sendall(said), conn.shutdown(socket.SHUT_WR)))
    writer.start()
    while data := conn.recv(65536):
        heard += data
    writer.join()
    return bytes(heard)


@test("openssl")
def a_proxy_takes_tls_off_and_splices_what_has_none(world):
    with plain_echo() as target, proxy(world, target) as (tls, tcp, process):
        expect(world.s_client(tls, ["one", "two"]), "^one$", "^two$", r"Verify return code: 0 \(ok\)")
        expect(process.stdout.readline(), r"^tls guest 1: 8 bytes there, 8 back, 0% past the program$")
        said = bytes(range(256)) * 20000
        with socket.create_connection(("127.0.0.1", tcp)) as conn:
            if answer(conn, said) != said:
                raise Failed("what came through was changed")
        expect(process.stdout.readline(),
               rf"^tcp guest 1: {len(said)} bytes there, {len(said)} back, [1-9]\d*% past the program$")


@test("openssl")
def a_proxy_tells_who_is_no_guest(world):
    with plain_echo() as target, proxy(world, target) as (tls, tcp, process):
        with socket.create_connection(("127.0.0.1", tls)) as conn:
            answer(conn, b"GET / HTTP/1.0\r\n\r\n")  # gets an alert
        expect(process.stdout.readline(), r"^tls guest 1: 0 bytes there, 0 back, 0% past .*; HOB_ETLS \(")
    with proxy(world, target) as (tls, tcp, process):  # nobody is inside any more
        with socket.create_connection(("127.0.0.1", tcp)) as conn:
            if conn.recv(1) != b"":
                raise Failed("somebody answered")
        expect(process.stdout.readline(), "^tcp guest 1: 0 bytes .*; ECONNREFUSED$")


@test("openssl")
def a_proxy_lets_its_guests_finish_when_it_is_stopped(world):
    with plain_echo() as target:
        with contextlib.suppress(Failed), proxy(world, target) as (tls, tcp, process):
            with socket.create_connection(("127.0.0.1", tcp)) as conn:
                conn.sendall(b"before")
                conn.recv(6, socket.MSG_WAITALL)
                process.send_signal(signal.SIGTERM)
                if answer(conn, b"after") != b"after":
                    raise ValueError("a guest was thrown out")
            if process.wait(SECONDS) != 0:
                raise ValueError(f"it ended with {process.returncode}")


@test("openssl")
def a_proxy_says_what_is_wrong_with_its_words(world):
    program = BUILD / "examples" / "40_tls_proxy"
    expect(call(program, status=2), "^usage: ")
    expect(call(program, world.cert, world.key, "udp", ":0", ":1", status=2), "^no route: udp :0 :1$")
    expect(call(program, world.cert, world.key, "tls", "here", ":1", status=2), "^no route: tls here :1$")
    expect(call(program, "/none", world.key, "tls", ":0", ":1", status=1, env=world.env), "/none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = "127.0.0.1:%d" % taken.getsockname()[1]
        expect(call(program, world.cert, world.key, "tcp", here, ":1", status=1, env=world.env),
               f"^{here}: .*in use")


# ---- our client, their server ----

@test("openssl")
def s_server_is_understood(world):
    for version, told in ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3"):
        with s_server(world, version) as port:
            expect(world.client(port, "one\n"), f"^{told}, CN=ours$", "^eno$")


@test("openssl")
def s_server_for_somebody_else_is_refused(world):
    with s_server(world) as port:
        expect(world.client(port, "one\n", name="b.example", status=1),
               "^certificate is for localhost, not b.example$")


@test("openssl")
def s_server_of_an_old_version_is_refused(world):
    with s_server(world, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as port:
        expect(world.client(port, "one\n", status=1), "version")


# ---- the house ----

@test()
def tls_uses_public_headers_only(world):
    for path in sorted((ROOT / "src" / "tls").glob("*.[ch]")):
        for header in re.findall(r'#include "([^"]+)"', path.read_text()):
            if not header.startswith(("hob/", "tls/")):
                raise Failed(f"{path.name} includes {header}")


def main():
    if not (BUILD / "examples" / "34_tls").exists():
        print("0 passed, 0 failed, 1 skipped")
        print("skipped: TLS with others: built without TLS, or without the examples", file=sys.stderr)
        return 0
    states = dict(line.split(": ", 1) for line in call(BUILD / "hob", "backends").splitlines()
                  if ": " in line)
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if shutil.which("openssl") is not None:
            make_certificate(folder, "ours", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            make_certificate(folder, "newer", ["rsa:2048"])
        for fn, needs in TESTS:
            for backend in BACKENDS:
                missing = [tool for tool in ("openssl", *needs) if shutil.which(tool) is None]
                if missing or states.get(backend) != "works":
                    print(f"skipped: tls: {fn.__name__} on {backend}: "
                          f"{' '.join(missing) or states.get(backend)}")
                    skipped += 1
                    continue
                try:
                    fn(World(folder, backend))
                    passed += 1
                except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as problem:
                    failed += 1
                    print(f"FAILED: tls: {fn.__name__} on {backend}: {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
