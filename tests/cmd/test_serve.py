#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hob serve, as a user meets it: test_serve.py BUILD. Each test's name is its claim."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = pathlib.Path(sys.argv[1]).resolve()
HOB = str(BUILD / "hob")
HAS_TLS = (BUILD / "libhob-tls.a").exists()
SECONDS = 30


def equal(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def has(whole, part):
    assert part in whole, f"{part!r} is not in {whole!r}"


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("HOB_")}


def lines_of(run):
    """What it said, but for the watchdog's reports: reading keys takes long on a machine that is busy."""
    lines, is_report = [], False
    for line in run.stderr.splitlines():
        is_report = "has held its worker" in line or (is_report and line.startswith("  "))
        if not is_report:
            lines.append(line)
    return lines


class Served:
    """A running server: what it says on standard error is read as it comes."""

    def __init__(self, folder, *options, files=None):
        self.log = folder / "log"

        def allow():
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([HOB, "serve", "--port", "0", "--workers", "2", *options, str(folder / "www")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE, text=True,
                                            env=environment(), preexec_fn=allow)
        self.words = ""
        self.told = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.port = int(self.wait_for(r"://[^/]*:(\d+)/").group(1))

    def read(self):
        for line in self.process.stderr:
            with self.told:
                self.words += line
                self.told.notify_all()

    def wait_for(self, pattern):
        deadline = time.monotonic() + SECONDS
        with self.told:
            while (found := re.search(pattern, self.words)) is None:
                if not self.told.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {pattern!r} in {self.words!r}")
        return found

    def ask(self, method, path, headers=None, port=None, context=None):
        port = port or self.port
        there = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context) if context \
            else http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        there.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            there.putheader(name, value)
        there.endheaders()
        answer = there.getresponse()
        answer.body = answer.read().decode()
        there.close()
        return answer

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(SECONDS)
        self.reader.join()
        return status

    def lines(self):
        return self.log.read_text().splitlines()


@contextlib.contextmanager
def served(folder, *options, **limits):
    server = Served(folder, *options, **limits)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        server.reader.join()
        server.process.stderr.close()


def call(*options):
    return subprocess.run([HOB, "serve", *options], capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, env=environment())


def test_a_folder_is_given_out_and_nothing_outside(folder):
    with served(folder) as server:
        answer = server.ask("GET", "/")
        equal(answer.status, 200)
        has(answer.body, '<a href="./a.txt">a.txt</a>')
        assert "hidden" not in answer.body, answer.body
        answer = server.ask("GET", "/a.txt")
        equal((answer.status, answer.body), (200, "a text"))
        equal(answer.getheader("Content-Type"), "text/plain; charset=utf-8")
        equal(answer.getheader("Cache-Control"), "no-cache")
        equal(answer.getheader("Access-Control-Allow-Origin"), None)
        equal(server.ask("GET", "/sub").getheader("Location"), "./sub/")
        equal(server.ask("GET", "/sub/").body, "the index")
        for path in ("/../log", "/%2e%2e/log", "/.hidden", "/out", "/none"):
            equal((path, server.ask("GET", path).status), (path, 404))
        equal(server.ask("POST", "/a.txt").status, 405)
        equal(server.ask("GET", "/a.txt", {"Range": "bytes=2-"}).body, "text")
        equal(server.stop(), 0)
        equal(len(server.lines()), 11)


def test_options_change_what_is_given_out(folder):
    with served(folder, "--no-listing", "--dotfiles", "--cors", "--cache", "max-age=60", "--immutable", "--precompressed",
                "--memory", "1", "--app=a.txt", "--index", "page.html") as server:
        answer = server.ask("GET", "/some/where")
        equal((answer.status, answer.body), (200, "a text"))
        equal(answer.getheader("Access-Control-Allow-Origin"), "*")
        equal(answer.getheader("Cache-Control"), "max-age=60")
        equal(server.ask("GET", "/.hidden").body, "hidden")
        equal(server.ask("GET", "/").body, "a text")
        equal(server.ask("GET", "/sub/").body, "a page")
        equal(server.ask("GET", "/app.3f2a91c0.js").getheader("Cache-Control"), "public, max-age=31536000, immutable")
        answer = server.ask("GET", "/app.3f2a91c0.js", {"Accept-Encoding": "gzip"})
        equal((answer.getheader("Content-Encoding"), answer.body), ("gzip", "gzipped"))
        equal(server.stop(signal.SIGTERM), 0)


def test_options_may_stand_on_both_sides_of_the_folder(folder):
    www, log = str(folder / "www"), folder / "log"
    with served(folder, "--app=a.txt") as server:
        run = call(www, "--port", str(server.port))
        equal(run.returncode, 1)
        has(run.stderr, "another program listens there")
        equal(server.stop(), 0)
    log.write_text("")
    run = call("--", "--port")
    equal(run.returncode, 1)
    has(run.stderr, "cannot serve --port: No such file")


def test_a_line_for_each_answer_is_in_the_format_that_was_asked_for(folder):
    headers = {"User-Agent": 'x"\\\ty', "Referer": "http://a/"}
    wanted = {
        "common": [r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\.txt\?q HTTP/1\.1" 200 6$',
                   r'^- - - \[[^]]*\] "-" 400 12$'],
        "combined": [r'"GET /a\.txt\?q HTTP/1\.1" 200 6 "http://a/" "x\\"\\\\\\x09y"$', r'"-" 400 12 "-" "-"$'],
        "none": [],
    }
    for name, patterns in wanted.items():
        with served(folder, "--log", name) as server:
            server.ask("GET", "/a.txt?q", headers)
            with socket.create_connection(("127.0.0.1", server.port), SECONDS) as there:
                there.sendall(b"\x01\x02\r\n\r\n")
                has(there.recv(1000), b"400 Bad Request")
            equal(server.stop(), 0)
            lines = server.lines()
            equal(len(lines), len(patterns))
            for line, pattern in zip(lines, patterns):
                assert re.search(pattern, line), f"{line!r} is not {pattern!r}"
    with served(folder, "--log", "json") as server:
        server.ask("GET", "/a.txt?q", headers)
        equal(server.stop(), 0)
        (line,) = server.lines()
        told = json.loads(line)
        equal({name: told[name] for name in ("client", "method", "target", "status", "bytes", "referer", "agent")},
              {"client": "127.0.0.1", "method": "GET", "target": "/a.txt?q", "status": 200, "bytes": 6,
               "referer": "http://a/", "agent": 'x"\\\ty'})
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"]), told


def test_what_was_asked_for_is_finished_when_it_stops(folder):
    size = 30_000_000
    (folder / "www" / "large").write_bytes(b"x" * size)
    with served(folder) as server:
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as there:
            there.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            got = len(there.recv(1000))
            server.process.send_signal(signal.SIGINT)
            while chunk := there.recv(1 << 20):
                got += len(chunk)
        assert got > size, got
        equal(server.process.wait(SECONDS), 0)


def test_silent_connections_beyond_the_files_that_may_be_open_keep_nobody_out(folder):
    with served(folder, files=200) as server, contextlib.ExitStack() as silent:
        for _ in range(400):
            silent.enter_context(socket.create_connection(("127.0.0.1", server.port), SECONDS))
        for _ in range(10):
            equal(server.ask("GET", "/a.txt").status, 200)


def test_a_line_of_the_log_is_there_at_once(folder):
    with served(folder) as server:
        equal(server.ask("GET", "/a.txt").status, 200)
        deadline = time.monotonic() + SECONDS
        while not server.log.read_text().endswith("\n"):
            assert time.monotonic() < deadline, "nothing came"
            time.sleep(0.01)


def test_mistakes_are_told(folder):
    www = str(folder / "www")
    for options, status, words in (
            (["--port", "x"], 2, "--port takes a number"),
            (["--port", "65536"], 2, "--port takes a number"),
            (["--log", "x"], 2, "no log format"),
            (["--none"], 2, "has no option --none"),
            (["--port"], 2, "--port takes a value, and there is none"),
            (["a", "b"], 2, "one folder"),
            (["--cache", "a\nb"], 2, "one line"),
            (["--cache", "max-age=\u00fc"], 2, "one line of ASCII"),
            (["--cache", "x" * 9000, www], 2, "--cache takes up to 1000 bytes, and these are 9000"),
            (["--cache"], 2, "--cache takes a value, and there is none"),
            (["--cache", "--cors"], 2, "--cache takes a value, and what follows is --cors"),
            *([(["--cert", ""], 2, "--cert takes the name of a file, and this one is empty"),
               (["--cert", "a", "--key", ""], 2, "--key takes the name of a file, and this one is empty")] if HAS_TLS else []),
            (["--app", "x" * 9000], 2, "--app takes a name of up to 4095 bytes, and these are 9000"),
            (["--host", "x" * 9000], 2, "--host takes a name of up to 4095 bytes"),
            (["x" * 9000], 2, "hob serve takes a name of up to 4095 bytes"),
            (["--port", "9" * 9000], 2, "99...\""),
            (["--index"], 2, "--index takes a value"),
            (["--index", ".."], 2, "--index takes the name of a file"),
            (["--index", "x" * 300], 2, "--index takes the name of a file"),
            (["--none", "--cors"], 2, "has no option --none"),
            (["--none=1"], 2, "has no option --none"),
            (["--port", "0", str(folder / "none")], 1, "cannot serve"),
            (["--port", "0", str(folder / "log")], 1, "cannot serve"),
            (["--port", "70000"], 2, 'from 0 to 65535, not "70000"'),
            (["--port", "-1"], 2, 'from 0 to 65535, not "-1"'),
            (["--workers", "0"], 2, "--workers takes a number from 1 to 256"),
            (["--memory", "1x"], 2, "--memory takes a number"),
            (["--dotfiles=1"], 2, "--dotfiles stands alone"),
            (["--host", ""], 2, "--host takes an address"),
            (["--index", "../a"], 2, "--index takes the name of a file"),
            (["--app", ""], 2, "--app takes the name of a file"),
            ([""], 2, "the name of the folder is empty"),
            (["--port", "0", "--app", "none.html", www], 1, "--app none.html: there is no such file in the folder"),
            (["--port", "0", "--app", "out", www], 1, "--app out: it is not in the folder that is served"),
            (["--port", "0", "--app", "sub", www], 1, "--app sub: it is no file"),
            (["--port", "0", "--app", "../secret", www], 1, "--app ../secret: it takes a name in the folder"),
            (["--port", "0", "--app", "/etc/passwd", www], 1, "--app /etc/passwd: it takes a name in the folder"),
            (["--port", "0", "--app", ".hidden", www], 1, "with --dotfiles only"),
            (["--port", "0", "--host", "192.0.2.1", www], 1, "this machine does not have that address"),
            (["--port", "0", "--host", "x", str(folder)], 1, "that is no address")):
        (folder / "log").write_text("")
        run = call(*options)
        equal((options, run.returncode), (options, status))
        has(run.stderr, words)
        equal((options, len(lines_of(run))), (options, 1))
    run = subprocess.run([HOB, "serve", www], capture_output=True, text=True, timeout=SECONDS,
                         env=dict(environment(), HOB_BACKEND="sim"))
    equal((run.returncode, len(lines_of(run))), (1, 1))
    has(run.stderr, "HOB_BACKEND is sim")
    if os.geteuid() != 0:
        (folder / "closed").mkdir(mode=0)
        run = call("--port", "0", str(folder / "closed"))
        equal(run.returncode, 1)
        has(run.stderr, "Permission denied")
    run = call("--help")
    equal((run.returncode, run.stderr), (0, ""))
    has(run.stdout, "--precompressed")
    with served(folder) as server:
        run = call("--port", str(server.port), str(folder))
        equal(run.returncode, 1)
        equal(run.stderr, f"hob: cannot listen on 127.0.0.1, port {server.port}: another program listens there; "
                          "--port takes another port, and 0 is one that is free\n")
        equal(server.stop(), 0)


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"),
                    "-out", str(folder / "cert.pem")], check=True, capture_output=True, timeout=SECONDS)


def trust(folder):
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_over_tls_with_a_port_that_leads_there_and_a_new_certificate(folder):
    if not HAS_TLS or shutil.which("openssl") is None:
        has(call("--cert", "x").stderr, "cannot use the certificate x" if HAS_TLS else "built without OpenSSL")
        return
    make_certificate(folder, "one")
    options = ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem"), "--redirect", "0"]
    with served(folder, *options) as server:
        has(server.words, "https://127.0.0.1:")
        other = int(server.wait_for(r"port (\d+) leads there").group(1))
        first = trust(folder)
        equal(server.ask("GET", "/a.txt", context=first).body, "a text")
        if (BUILD / "tests" / "test_http2").exists():
            curl = subprocess.run(["curl", "-s", "--http2", "--cacert", str(folder / "cert.pem"), "-w", " %{http_version}",
                                   f"https://127.0.0.1:{server.port}/a.txt"], capture_output=True, text=True, check=True)
            equal(curl.stdout, "a text 2")
        answer = server.ask("GET", "/a.txt?q=1", port=other)
        equal((answer.status, answer.getheader("Location")), (308, f"https://127.0.0.1:{server.port}/a.txt?q=1"))

        make_certificate(folder, "two")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("the certificate was read again")
        equal(server.ask("GET", "/a.txt", context=trust(folder)).body, "a text")
        try:
            server.ask("GET", "/a.txt", context=first)
            raise AssertionError("the old certificate is still shown")
        except ssl.SSLError:
            pass
        (folder / "cert.pem").write_text("nothing")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("the old certificate stays")
        equal(server.stop(), 0)
        has(server.lines()[0], "127.0.0.1 - - ")
    make_certificate(folder, "three")
    cert, key, other = (str(folder / name) for name in ("cert.pem", "key.pem", "other.pem"))
    shutil.copy(key, other)
    make_certificate(folder, "four")
    for options, status, words in (
            (["--key", "x"], 2, "goes with --cert"), (["--redirect", "1"], 2, "needs --cert"),
            (["--cert", cert, "--key", key, "--redirect", "9", "--port", "9"], 2, "another port than the one of --port"),
            (["--cert", cert, "--key", key, "--redirect", "70000"], 2, "from 0 to 65535"),
            (["--cert", cert], 1, f"cannot use the certificate {cert}: {cert}: no key in it"),
            (["--cert", cert, "--key", other], 1, "the key is not that of the certificate"),
            (["--cert", key, "--key", key], 1, "no certificate in it"),
            (["--cert", str(folder / "none")], 1, "No such file"), (["--cert", str(folder)], 1, "Is a directory")):
        run = call("--port", "0", *options, str(folder / "www"))
        equal((options, run.returncode), (options, status))
        has(run.stderr, words)
        equal((options, len(lines_of(run))), (options, 1))


def make_folder(folder):
    www = folder / "www"
    (www / "sub").mkdir(parents=True)
    for name, text in (("a.txt", "a text"), (".hidden", "hidden"), ("sub/index.html", "the index"), ("sub/page.html", "a page"),
                       ("app.3f2a91c0.js", "plain"), ("app.3f2a91c0.js.gz", "gzipped")):
        (www / name).write_text(text)
    (folder / "secret").write_text("secret")
    (www / "out").symlink_to("../secret")


def main():
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items()
             if name.startswith("test_")]
    failed = 0
    for claim, test in tests:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hob-serve-"))
        try:
            make_folder(folder)
            test(folder)
        except (AssertionError, OSError, subprocess.SubprocessError, http.client.HTTPException):
            failed += 1
            print(f"FAILED: hob serve: {claim}\n{traceback.format_exc()}")
        finally:
            shutil.rmtree(folder)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
