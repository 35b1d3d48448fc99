#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command, as a user meets it: test_hob.py BUILD. Each test's name is its claim."""
import concurrent.futures
import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = pathlib.Path(sys.argv[1]).resolve()
HOB = str(BUILD / "hob")
SHEBANG = "#!/usr/bin/env -S hob run\n"
ECHO = """#include <hob.h>
static int say(void *arg)
{
    char **argv = arg;
    HOB_TRY(hob_sleep(1 * HOB_MSEC));
    for (int i = 0; argv[i] != NULL; i++)
        printf("[%s]", argv[i]);
    printf(" on %s\\n", hob_backend_name());
    return 0;
}
int main(int argc, char **argv)
{
    return hob_run(say, argv) < 0 ? 1 : argc;
}
"""
RETURN = "int main(void) { return %d; }\n"
PRINT = '#include <stdio.h>\nint main(void) { printf("%%d\\n", %s); return 0; }\n'


class Box:
    """A scratch folder, which is also the home of the one who types."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.cache = self.folder / "cache" / "hob"
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("HOB_") and name != "CC"}
        self.env.update(HOME=folder, XDG_CACHE_HOME=str(self.folder / "cache"), LC_ALL="C",
                        TMPDIR=folder, PATH=f"{BUILD}:{os.environ['PATH']}")

    def file(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def call(self, *command, **more):
        more.setdefault("cwd", self.folder)
        more.setdefault("env", self.env)
        if "input" not in more:
            more["stdin"] = subprocess.DEVNULL
        return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=120, **more)

    def hob(self, *words, **more):
        return self.call(HOB, *words, **more)

    def programs(self):
        return sorted(p.name for p in self.cache.iterdir() if p.suffix != ".needs")


def equal(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def has(whole, part):
    assert part in whole, f"{part!r} is not in {whole!r}"


def test_it_runs_with_arguments_and_an_exit_code(box):
    box.file("a.c", ECHO)
    run = box.hob("run", "--backend", "epoll", "a.c", "one two", "--seed", "")
    equal(run.stdout, "[a.c][one two][--seed][] on epoll\n")
    equal(run.stderr, "")
    equal(run.returncode, 4)


def test_a_first_line_makes_it_a_program(box):
    path = box.file("tool.c", SHEBANG + ECHO)
    path.chmod(0o755)
    run = box.call("./tool.c", "a b", "-x")
    has(run.stdout, "[./tool.c][a b][-x] on ")
    equal(run.returncode, 3)


def test_a_first_line_does_not_move_line_numbers(box):
    box.file("a.c", SHEBANG + "int main(void)\n{\n    return nothing;\n}\n")
    run = box.hob("run", "a.c")
    has(run.stderr, "a.c:4:")
    has(run.stderr, "nothing")
    equal(run.returncode, 1)
    box.file("b.c", SHEBANG + PRINT % "__LINE__")
    equal(box.hob("run", "b.c").stdout, "3\n")


def test_errors_are_those_of_the_compiler(box):
    source = box.file("a.c", "int main(void)\n{\n    return nothing;\n}\n")
    ours = box.hob("run", "a.c")
    plain = box.call("cc", "-fsyntax-only", source.name)
    equal(ours.stderr, plain.stderr)
    equal(ours.stdout, "")
    equal(box.programs(), [])
    equal(len(list(box.cache.iterdir())), 0)


def test_the_second_run_does_not_compile(box):
    log = box.folder / "log"
    box.file("cc.sh", f'#!/bin/sh\necho x >>{log}\nexec cc "$@"\n').chmod(0o755)
    box.file("a.c", RETURN % 7)
    for _ in range(3):
        equal(box.hob("run", "--cc", "./cc.sh", "a.c").returncode, 7)
    equal(log.read_text(), "x\n")
    box.file("a.c", RETURN % 8)
    equal(box.hob("run", "--cc", "./cc.sh", "a.c").returncode, 8)
    equal(log.read_text(), "x\nx\n")


def test_a_changed_header_is_noticed(box):
    box.file("src/a number.h", "#define NUMBER 1\n")
    box.file("src/a.c", '#include "a number.h"\n' + RETURN.replace("%d", "NUMBER"))
    equal(box.hob("run", "src/a.c").returncode, 1)
    box.file("src/a number.h", "#define NUMBER 2\n")
    equal(box.hob("run", "src/a.c").returncode, 2)
    box.file("src/a number.h", "#define NUMBER 1\n")
    equal(box.hob("run", "src/a.c").returncode, 1)
    equal(len(box.programs()), 2)


def test_many_at_once_share_the_cache(box):
    box.file("a.c", ECHO)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda i: box.hob("run", "--backend", "epoll", "a.c", i), range(16)))
    for i, run in enumerate(runs):
        equal(run.stdout, f"[a.c][{i}] on epoll\n")
    equal(len(box.programs()), 1)


def test_a_comment_adds_flags(box):
    box.file("a.c", "/* hob: -DNUMBER=3 -lm */\n// hob: -DMORE=4\n#include <math.h>\n"
             "int main(int argc, char **argv)\n{\n    (void)argv;\n"
             "    return (int)cbrt(argc * 8.0) + NUMBER + MORE;\n}\n")
    run = box.hob("run", "a.c")
    equal(run.stderr, "")
    equal(run.returncode, 9)


def test_an_included_header_links_its_library(box):
    file = box.file("a.c", "#include <hob.h>\n#  include <hob/http.h> // hob/none.h\n"
                    'int main(void)\n{\n    return hob_strerror(HOB_EHTTP) != NULL ? 0 : 1;\n}\n')
    equal(box.hob("run", file).returncode, 0)
    for name, call in (("http", "hob_http_serve"), ("tls", "hob_tls_close"), ("dns", "hob_dns_free"),
                       ("json", "hob_json_free"), ("web", "hob_web_free"), ("ws", "hob_ws_serve"),
                       ("sse", "hob_sse_serve"), ("static", "hob_static_handle"), ("form", "hob_form_free"),
                       ("session", "hob_sessions_free"), ("fetch", "hob_fetch_client_free"),
                       ("ws_open", "hob_ws_open"), ("ws_link", "hob_ws_link_close"), ("https", "hob_https_serve")):
        library = {"sse": "ws", "ws_open": "wsopen", "ws_link": "wsopen", "static": "site", "form": "site",
                   "session": "site"}.get(name, name)
        if not (BUILD / f"libhob-{library}.a").exists() or (
                name == "session" and not (BUILD / "libhob-tls.a").exists()):
            continue  # what it needs is not on this machine
        box.file("a.c", f'#include <hob.h>\n#include "hob/{name}.h"\n'
                        f"int main(void)\n{{\n    void *volatile there = (void *){call};\n"
                        f"    return there == NULL;\n}}\n")
        run = box.hob("run", "a.c")
        equal(run.stderr, "")
        equal(run.returncode, 0)


def test_standard_input_belongs_to_the_program(box):
    box.file("a.c", '#include <stdio.h>\nint main(void)\n{\n    int c;\n'
             "    while ((c = getchar()) != EOF)\n        putchar(c);\n    return 0;\n}\n")
    equal(box.hob("run", "a.c", input="soup\n").stdout, "soup\n")


def test_a_signal_ends_it_as_a_signal(box):
    box.file("a.c", "#include <signal.h>\nint main(void) { return raise(SIGTERM); }\n")
    equal(box.hob("run", "a.c").returncode, -signal.SIGTERM)


def test_a_seed_repeats_a_run(box):
    box.file("a.c", "#include <hob.h>\nstatic int task(void *arg)\n{\n"
             '    (void)arg;\n    printf("%s %llx\\n", hob_backend_name(), '
             "(unsigned long long)hob_random());\n    return 0;\n}\n"
             "int main(void) { return hob_run(task, NULL); }\n")
    one, two, other = (box.hob("run", "--seed", seed, "a.c").stdout for seed in (5, 5, 6))
    has(one, "sim ")
    equal(one, two)
    assert one != other, "two seeds, one run"


def test_hello_of_the_design_runs_as_it_is_written(box):
    box.file("a.c", "#include <hob.h>\n\nstatic int say_hello(void *arg)\n{\n"
             "    HOB_TRY(hob_sleep(1 * HOB_SEC));\n"
             '    puts("Hello after 1 second");\n    return 0;\n}\n\n'
             "int main(void) { return hob_run(say_hello, NULL); }\n")
    run = box.hob("run", "--seed", "1", "a.c")
    equal((run.stdout, run.stderr, run.returncode), ("Hello after 1 second\n", "", 0))


def test_mistakes_are_named(box):
    box.file("a.c", RETURN % 0)
    for words, sentence in [
        (["--workers", "1000"], "at most 256"),
        (["--workers", "none"], "a number"),
        (["--backend", "kqueue"], 'no backend "kqueue"'),
        (["--seed", "x"], "a number"),
        (["--seed", "1", "--backend", "epoll"], "sim"),
        (["--fast"], "no option --fast"),
    ]:
        run = box.hob("run", *words, "a.c")
        has(run.stderr, sentence)
        equal((run.stdout, run.returncode), ("", 2))
    equal(box.hob("run", "--workers", "1", "--backend=sim", "--", "a.c").returncode, 0)
    equal(box.hob("run").returncode, 2)
    equal(box.hob().returncode, 2)
    run = box.hob("cook")
    has(run.stderr, 'no command "cook"')
    equal(run.returncode, 2)


def test_a_missing_file_and_a_missing_compiler_are_named(box):
    run = box.hob("run", "none.c")
    has(run.stderr, "cannot read none.c: No such file")
    equal(run.returncode, 1)
    box.file("a.c", RETURN % 0)
    run = box.hob("run", "--cc", "none-cc", "a.c")
    has(run.stderr, 'no C compiler "none-cc"')
    equal(run.returncode, 1)


def test_without_a_cache_folder_a_temporary_one_serves(box):
    box.file("a.c", RETURN % 5)
    box.file("cache", "not a folder\n")
    equal(box.hob("run", "a.c").returncode, 5)
    folder = box.folder / f"hob-{os.geteuid()}"
    assert folder.is_dir(), "no folder in TMPDIR"
    equal(folder.stat().st_mode & 0o777, 0o700)


def test_a_cache_that_others_can_write_is_not_used(box):
    box.file("a.c", RETURN % 5)
    box.cache.mkdir(parents=True)
    box.cache.chmod(0o777)
    equal(box.hob("run", "a.c").returncode, 5)
    equal(list(box.cache.iterdir()), [])


def test_programs_that_nobody_uses_are_removed(box):
    box.file("a.c", RETURN % 5)
    box.hob("run", "a.c")
    for path in box.cache.iterdir():
        os.utime(path, (0, 0))
    box.file("a.c", RETURN % 6)
    box.hob("run", "a.c")
    equal(len(list(box.cache.iterdir())), 2)


def test_help_and_version(box):
    has(box.hob("help").stdout, "hob run FILE.c")
    assert re.match(r"hob \d+\.\d+\.\d+\n$", box.hob("version").stdout), "no version"


def test_backends_are_listed(box):
    lines = box.hob("backends", env={**box.env, "HOB_BACKEND": "sim"}).stdout.splitlines()
    equal([line.partition(": ")[0] for line in lines], ["uring", "epoll", "sim"])
    has(lines, "epoll: works")
    has(lines, "sim: works")


def test_flags_compile_a_program(box):
    box.file("a.c", ECHO)
    build = box.call("sh", "-c", f"cc -o a a.c $({HOB} flags)")
    equal((build.returncode, build.stderr), (0, ""))
    equal(box.call("./a", env={**box.env, "HOB_BACKEND": "sim"}).stdout, "[./a] on sim\n")


JSON = """#include <hob.h>
# include <hob/json.h>
struct one { int x; };
static HOB_JSON_TABLE(one_json, struct one, HOB_JSON_FIELD(x));
int json_of(int x, char *buf, size_t size)
{
    return (int)hob_json_print(one_json, &(struct one){ x }, NULL, NULL, buf, size);
}
"""


def test_flags_know_the_libraries_that_files_include(box):
    if not (BUILD / "libhob-json.a").exists():
        return
    box.file("a.c", ECHO)
    box.file("b.c", JSON)
    build = box.call("sh", "-c", f"cc -o a a.c b.c $({HOB} flags a.c b.c)")
    equal((build.returncode, build.stderr), (0, ""))
    has(box.hob("flags", "--libs", "b.c").stdout, "libhob-json.a")
    assert "json" not in box.hob("flags", "--libs", "a.c").stdout
    missing = box.hob("flags", "--libs", "no.c")
    equal(missing.returncode, 1)
    has(missing.stderr, "cannot read no.c")


def test_a_new_project_may_use_the_libraries(box):
    if not (BUILD / "libhob-json.a").exists():
        return
    equal(box.hob("new", "stew").returncode, 0)
    box.file("stew/src/json.c", JSON)
    build = box.call("make", "all", "test", cwd=box.folder / "stew")
    equal((build.returncode, build.stderr), (0, ""))


def test_a_new_project_builds_runs_and_passes_its_tests(box):
    equal(box.hob("new", "soup").returncode, 0)
    folder = box.folder / "soup"
    build = box.call("make", cwd=folder)
    equal((build.returncode, build.stderr), (0, ""))
    run = box.call("make", "-s", "run", cwd=folder, env={**box.env, "HOB_BACKEND": "sim"})
    equal(run.stdout, "Hello, Bob\nHello, Ann\n")
    test = box.call("make", "test", cwd=folder)
    has(test.stdout, "2 passed, 0 failed")
    equal(test.returncode, 0)
    has(box.call("make", "-q", cwd=folder).stdout + "up to date", "up to date")
    equal(box.call("make", "-q", cwd=folder).returncode, 0)


def test_a_new_project_overwrites_nothing(box):
    box.file("soup/keep", "mine\n")
    run = box.hob("new", "soup")
    has(run.stderr, "not empty")
    equal(run.returncode, 1)
    equal(os.listdir(box.folder / "soup"), ["keep"])
    (box.folder / "empty").mkdir()
    equal(box.hob("new", "empty").returncode, 0)
    for name in ("", "-x", ".x", "a/b", "a b", "x" * 65, "$(x)"):
        run = box.hob("new", name)
        has(run.stderr, "no name for a project")
        equal(run.returncode, 2)


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard = []

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append((self.command, self.path, self.headers.get("X-Told"), body))
        self.send_response(404 if self.path == "/nothing" else 200)
        self.send_header("Content-Length", "0" if self.command == "HEAD" else "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_POST = do_HEAD = do_GET

    def log_message(self, *what):
        pass


@contextlib.contextmanager
def web_server(cert=None):
    """Yields its URL, without a path."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    if cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Answering.heard.clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if cert else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_bench_counts_what_was_answered(box):
    with web_server() as url:
        run = box.hob("bench", "-n", "30", "-c", "3", "--json", url + "/a?b")
    told = json.loads(run.stdout)
    equal((run.returncode, run.stderr), (0, ""))
    equal((told["answers"], told["status"]["2xx"], told["connections"]), (30, 30, 3))
    equal(sum(told["errors"].values()), 0)
    equal(told["latency_us"]["p50"] <= told["latency_us"]["max"], True)
    equal(Answering.heard, [("GET", "/a?b", None, b"")] * 30)


def test_bench_sends_what_it_is_told(box):
    box.file("body", "from a file")
    with web_server() as url:
        post = box.hob("bench", "-n", "1", "-c", "1", "-H", "X-Told: y", "-b", "@body", url)
        head = box.hob("bench", "-n", "1", "-c", "1", "-m", "HEAD", url + "/nothing")
    equal((post.returncode, head.returncode), (0, 0))
    equal(Answering.heard, [("POST", "/", "y", b"from a file"), ("HEAD", "/nothing", None, b"")])
    has(head.stdout, "4xx       1")


def test_bench_keeps_a_rate_and_a_duration(box):
    with web_server() as url:
        run = box.hob("bench", "-r", "50", "-d", "400ms", "--json", url)
    told = json.loads(run.stdout)
    equal(told["answers"] + told["unsent"], 20)
    equal(told["seconds"] >= 0.35, True)


def test_bench_says_from_when_latency_counts_and_shows_all_of_it(box):
    with web_server() as url:
        open_loop = box.hob("bench", "-r", "100", "-d", "300ms", url)
        closed = box.hob("bench", "-n", "20", url)
        told = json.loads(box.hob("bench", "-r", "100", "-d", "300ms", "--json", url).stdout)
        of_closed = json.loads(box.hob("bench", "-n", "5", "--json", url).stdout)
        errors = box.hob("bench", "-n", "3", url + "/nothing", "-m", "HEAD")
    has(open_loop.stdout, "latency, from when each was due (corrected for coordinated omission)")
    has(closed.stdout, "latency, from when each was sent (--rate counts from when they were due)")
    rows = re.findall(r"^    up to +\d+ (?:us|ms|s) +(\d+) +[\d.]+ %", closed.stdout, re.M)
    equal(sum(map(int, rows)), 20)
    equal(sum(row["count"] for row in told["histogram"]), told["answers"])
    equal((told["latency_from"], of_closed["latency_from"]), ("due", "sent"))
    equal([row["to_us"] for row in told["histogram"]], sorted(row["to_us"] for row in told["histogram"]))
    has(errors.stdout, "all answers are errors")
    assert "\r" not in open_loop.stderr, open_loop.stderr  # no progress where nobody looks


def test_bench_says_when_what_came_out_cannot_be_written(box):
    with web_server() as url, open("/dev/full", "w") as full:
        run = subprocess.run([HOB, "bench", "-n", "1", url], env=box.env, text=True, stdout=full, stderr=subprocess.PIPE)
    equal(run.returncode, 1)
    has(run.stderr, "cannot write what came out: No space left")


def test_bench_helps_wherever_it_is_asked(box):
    for words in (["--help"], ["-h"], ["http://a/", "--help"]):
        run = box.hob("bench", *words)
        equal((run.returncode, run.stderr), (0, ""))
        has(run.stdout, "usage: hob bench")


def test_bench_tells_what_there_is_when_it_is_interrupted(box):
    with web_server() as url:
        run = subprocess.Popen([HOB, "bench", "-c", "2", "-d", "1h", url + "/"], env=box.env, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not Answering.heard:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    equal((run.returncode, err), (130, ""))
    has(out, "(interrupted)")
    has(out, "latency")


def test_bench_speaks_tls(box):
    if "without TLS" in box.hob("bench", "-n", "1", "https://127.0.0.1:1/").stderr:
        return
    cert, other = str(box.folder / "cert.pem"), str(box.folder / "other.pem")
    for path in (cert, other):
        made = box.call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", path + ".key", "-out", path)
        equal(made.returncode, 0)
    with open(cert, "a", encoding="ascii") as both:
        both.write(pathlib.Path(cert + ".key").read_text())
    with web_server(cert) as url:
        good = box.hob("bench", "-n", "4", "-c", "2", "--ca", cert, url)
        blind = box.hob("bench", "-n", "4", "-c", "2", "--insecure", url)
        bad = box.hob("bench", "-n", "4", "-d", "300ms", "-c", "1", "--ca", other, "--json", url)
    equal((good.returncode, good.stderr, blind.returncode, blind.stderr), (0, "", 0, ""))
    has(good.stdout, "answers     4, ")
    equal(bad.returncode, 1)
    equal(json.loads(bad.stdout)["errors"]["tls"] > 0, True)


def test_bench_names_mistakes_and_servers_that_are_not_there(box):
    for words, part in ((["bench"], "usage"), (["bench", "ftp://a/"], "only http"),
                        (["bench", "-c", "0", "http://a/"], "from 1"), (["bench", "-x", "1", "http://a/"], "no option"),
                        (["bench", "-d", "1y", "http://a/"], "a time"), (["bench", "-c"], "-c takes a value, and there is none"),
                        (["bench", "-H", "Content-Length: 1", "http://a/"], "is told by hob bench")):
        run = box.hob(*words)
        has(run.stderr, part)
        equal((run.returncode, run.stdout), (2, ""))
    with web_server() as url:
        pass
    port = url.rsplit(":", 1)[1].rstrip("/")
    box.file("folder/file", "")
    for words, status, part in (
            (["bench", "-d", "1h", url], 1, f"cannot connect to 127.0.0.1, port {port}: no server listens there"),
            (["bench", "http://127.0.0.1:70000/"], 2, "the port is no number from 1 to 65535"),
            (["bench", "http://a:0/"], 2, "the port is no number from 1 to 65535"),
            (["bench", "http:/a/"], 2, "with two slashes"), (["bench", "::1"], 2, "in brackets, such as [::1]"),
            (["bench", f"127.0.0.1:{port}/?to=http://a/"], 1, "no server listens there"),
            (["bench", "-r", "0", "http://a/"], 2, "-r takes requests a second, from 0.001 to 10000000, not \"0\""),
            (["bench", "-r", "0x10", "http://a/"], 2, "-r takes requests a second"),
            (["bench", "-d", "0", "http://a/"], 2, "-d takes a time from 1ms to 24h, such as 500ms, 10s or 2m"),
            (["bench", "-d", "0x10s", "http://a/"], 2, "-d takes a time"),
            (["bench", "--ca", "x", "http://a/"], 2, "--ca is for https"),
            (["bench", "--insecure", "http://a/"], 2, "--insecure is for https"),
            (["bench", "http://a/", "--non"], 2, "has no option --non;"),
            (["bench", "http://none.invalid/"], 1, "cannot find the server none.invalid: "),
            (["bench", ""], 2, "there is no host"), (["bench", "http://"], 2, "there is no host"),
            (["bench", "--quiet=1", "http://a/"], 2, "--quiet stands alone"),
            (["bench", "--connections=0", "http://a/"], 2, "--connections takes a number from 1"),
            (["bench", "-b", "@", "http://a/"], 2, "-b takes a text, or @ and the name of a file"),
            (["bench", "-b", "@none", "http://a/"], 1, "cannot read none for the body: No such file"),
            (["bench", "-b", "@folder", "http://a/"], 1, "cannot read folder for the body: Is a directory"),
            (["bench", "-b", "@/dev/zero", "http://a/"], 1, "cannot read /dev/zero for the body: File too large"),
            (["run", ""], 2, "the name of the program is empty"), (["run", "none.c"], 1, "cannot read none.c: No such file"),
            (["run", "folder"], 1, "cannot read folder: Is a directory"),
            (["run", "--workers", "0", "a.c"], 2, "from 1, not"), (["run", "--backend", "x", "a.c"], 2, "no backend"),
            (["run", "--cc", "none", "folder/file"], 1, "no C compiler \"none\"")):
        run = box.hob(*words)
        equal((words, run.returncode, run.stdout, len(run.stderr.splitlines())), (words, status, "", 1))
        has(run.stderr, part)
    run = box.hob("bench", url, env=dict(box.env, HOB_BACKEND="sim"))
    equal(run.returncode, 1)
    has(run.stderr, "HOB_BACKEND is sim")


def main():
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items()
             if name.startswith("test_")]
    failed = 0
    for claim, test in tests:
        folder = tempfile.mkdtemp(prefix="hob-test-")
        try:
            test(Box(folder))
        except (AssertionError, OSError, subprocess.SubprocessError):
            failed += 1
            print(f"FAILED: hob: {claim}\n{traceback.format_exc()}")
        finally:
            shutil.rmtree(folder)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
