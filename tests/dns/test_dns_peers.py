#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names from a server that others wrote, dnsmasq, on loopback: test_dns_peers.py BUILD."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKENDS = ["uring", "epoll"]
SECONDS = 60
DNSMASQ = shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
TESTS = []

RECORDS = [
    "--host-record=a.test,192.0.2.1,2001:db8::1",
    "--host-record=a.test,192.0.2.2",
    "--host-record=four.test,192.0.2.4",
    "--cname=alias.test,a.test",
    "--srv-host=_chat._tcp.test,a.test,5222,10,5",
    "--srv-host=_chat._tcp.test,four.test,5223,20,0",
    "--txt-record=text.test,v=1,of two pieces",
    "--txt-record=text.test,another",
    "--ptr-record=9.2.0.192.in-addr.arpa,nine.test",
    *(f"--host-record=many.test,10.0.0.{i}" for i in range(1, 201)),
]


class Failed(Exception):
    """What was said is not what should be."""


def test(fn):
    TESTS.append(fn)
    return fn


def free_port():
    """One that nobody uses now, neither by UDP nor by TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def is_there(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def name_server(*records):
    for _ in range(5):  # somebody may have taken the port meanwhile
        port = free_port()
        process = subprocess.Popen(
            [DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
             "--pid-file=", f"--user={pwd.getpwuid(os.getuid()).pw_name}", f"--port={port}",
             "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/#/", "--local-ttl=300",
             *records], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while process.poll() is None and not is_there(port) and time.monotonic() < end:
            time.sleep(0.02)
        if process.poll() is None:
            break
    try:
        if process.poll() is not None or not is_there(port):
            raise Failed("dnsmasq did not start")
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def dead_server():
    """Takes what comes, and says nothing."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield udp.getsockname()[1]


@contextlib.contextmanager
def lossy(port):
    """In front of the server at that port: of the datagrams each way, every other one is lost."""
    front, back = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    front.bind(("127.0.0.1", 0))
    back.connect(("127.0.0.1", port))
    over = threading.Event()
    for side in front, back:
        side.settimeout(0.05)

    def pass_on():
        count, client = 0, None
        while not over.is_set():
            for side in front, back:
                try:
                    data, peer = side.recvfrom(65535)
                except OSError:
                    continue
                count += 1
                if side is front:
                    client = peer
                    if count % 2 == 0:
                        back.send(data)
                elif client is not None and count % 4 != 1:
                    front.sendto(data, client)

    thread = threading.Thread(target=pass_on)
    thread.start()
    try:
        yield front.getsockname()[1]
    finally:
        over.set()
        thread.join()
        front.close()
        back.close()


def ask(backend, ports, kind, name):
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    done = subprocess.run([BUILD / "tests" / "dns" / "ask", servers, kind, name], text=True,
                          env={**os.environ, "HOB_BACKEND": backend}, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failed(f"ask {kind} {name} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(text, *patterns):
    for pattern in patterns:
        if re.search(pattern, text, re.M) is None:
            raise Failed(f"no {pattern!r} in:\n{text}")


@test
def all_kinds_of_records(backend):
    with name_server(*RECORDS) as port:
        expect(ask(backend, [port], "a", "a.test"), r"^192\.0\.2\.1:7$", r"^192\.0\.2\.2:7$")
        expect(ask(backend, [port], "aaaa", "a.test"), r"^\[2001:db8::1\]:7$")
        expect(ask(backend, [port], "both", "alias.test"), r"\A\[2001:db8::1\]:7\n192\.0\.2\.")
        expect(ask(backend, [port], "srv", "_chat._tcp.test"),
               r"\A10 5 a\.test:5222\n20 0 four\.test:5223$")
        expect(ask(backend, [port], "txt", "text.test"), "^16 v=1of two pieces$", "^7 another$")
        expect(ask(backend, [port], "ptr", "192.0.2.9"), r"^nine\.test$")
        expect(ask(backend, [port], "ptr", "2001:db8::1"), r"^a\.test$")


@test
def what_is_not_there(backend):
    with name_server(*RECORDS) as port:
        expect(ask(backend, [port], "both", "gone.test"), "^ENOENT: there is no such name$")
        expect(ask(backend, [port], "aaaa", "four.test"), "^ENODATA: ")


@test
def a_long_answer_comes_by_tcp(backend):
    """SURVIVAL 59."""
    with name_server(*RECORDS) as port:
        text = ask(backend, [port], "a", "many.test")
        expect(text, r"^10\.0\.0\.1:7$", r"^10\.0\.0\.200:7$", "tcp 1")
        if len(text.splitlines()) != 201:
            raise Failed(f"not 200 addresses:\n{text}")


@test
def dead_servers_are_passed_over(backend):
    """SURVIVAL 59: one is silent, at one nobody listens."""
    with name_server(*RECORDS) as port, dead_server() as silent:
        text = ask(backend, [silent, free_port(), port], "a", "four.test")
        expect(text, r"^192\.0\.2\.4:7$", r"silent [1-9]")


@test
def what_is_lost_is_asked_again(backend):
    with name_server(*RECORDS) as port, lossy(port) as front:
        for _ in range(3):
            expect(ask(backend, [front], "a", "four.test"), r"^192\.0\.2\.4:7$")


@test
def dns_uses_public_headers_only(backend):
    for path in sorted((ROOT / "src" / "dns").glob("*.[ch]")):
        for header in re.findall(r'#include "([^"]+)"', path.read_text()):
            if not header.startswith(("hob/", "dns/")):
                raise Failed(f"{path.name} includes {header}")


def main():
    if not (BUILD / "tests" / "dns" / "ask").exists():
        print("0 passed, 0 failed, 1 skipped")
        return 0
    states = dict(line.split(": ", 1) for line in subprocess.run(
        [BUILD / "hob", "backends"], text=True, stdout=subprocess.PIPE).stdout.splitlines()
        if ": " in line)
    passed = failed = skipped = 0
    for fn in TESTS:
        for backend in BACKENDS:
            if DNSMASQ is None or states.get(backend) != "works":
                print(f"skipped: dns: {fn.__name__} on {backend}: "
                      f"{'no dnsmasq' if DNSMASQ is None else states.get(backend)}")
                skipped += 1
                continue
            try:
                fn(backend)
                passed += 1
            except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"FAILED: dns: {fn.__name__} on {backend}: {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
