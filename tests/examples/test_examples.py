# SPDX-License-Identifier: MIT
"""Each example runs on each backend that this system has, and says what it should."""
import contextlib
import gzip
import http.client as http_client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import threading

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL = ["uring", "epoll"]
ALL = [*REAL, "sim"]
SECONDS = 60
TESTS = []


class Failed(Exception):
    """What was said is not what should be."""


class Skipped(Exception):
    """What it needs is not here."""


def needs(name):
    if not (BUILD / "examples" / name).exists():
        raise Skipped(f"{name} is not built, its library is not here")


def example(*backends):
    """A test of that name, once for each backend."""
    def add(fn):
        TESTS.extend((fn.__name__, backend, fn) for backend in backends)
        return fn
    return add


def environment(backend):
    return {**os.environ, "HOB_BACKEND": backend, "NO_COLOR": "1"}


def run(backend, name, *args, status=0):
    """Runs it to its end, and gives what it printed on standard output."""
    done = subprocess.run([BUILD / "examples" / name, *args], env=environment(backend), cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != status:
        raise Failed(f"ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(text, *patterns):
    """Each pattern is found, in this order."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        if found is None:
            raise Failed(f"no {pattern!r} where it should be in:\n{text}")
        at = found.end()


@contextlib.contextmanager
def server(backend, name, *args):
    """Starts it on a port that the kernel chooses, and gives the port."""
    process = subprocess.Popen([BUILD / "examples" / name, "0", *args],
                               env={"HOB_LOG_LEVEL": "error", **environment(backend)},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline().split()[-1])
        if process.poll() is not None:
            raise Failed(f"the server ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def clients(port, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS))
               for _ in range(count)]


def hear(stream, *patterns):
    """Reads lines until each pattern was found, in this order; gives the last line."""
    for pattern in patterns:
        while True:
            line = stream.readline()
            if not line:
                raise Failed(f"the connection ended before {pattern!r}")
            if re.search(pattern, line):
                break
    return line


# ---- one test for each example ----

@example(*ALL)
def hello(backend):
    expect(run(backend, "01_hello"), r"^Hello after 1 second$")


@example(*ALL)
def fetch_order(backend):
    expect(run(backend, "02_fetch_order"),
           "A good day", "write_log is done", "load_user is done", "ask_price is done", "= +fetched",
           "service is down", "ask_price Connection refused", "load_user is cancelled: a sibling failed",
           "= +ECONNREFUSED",
           "lost in thought", "load_user is done", "ask_price is cancelled: deadline", "= +ETIMEDOUT")


@example(*ALL)
def kitchen(backend):
    text = run(backend, "03_kitchen")
    expect(text, r"^Step by step: dinner after [56]\d minutes$", "boil the water +█", "set the table +█",
           r"^All at once: dinner after (1[89]|2\d) minutes$", "set the table +█", "times as fast")
    if max(len(line) for line in text.splitlines()) > 80:
        raise Failed("wider than 80 columns")


@example("sim")
def kitchen_by_seed(backend):
    first, again, other = (run(backend, "03_kitchen", "--seed", seed, "--ascii") for seed in "778")
    expect(first, "boil the water +#")
    if first != again or first == other:
        raise Failed(f"a seed does not mean one meal:\n{first}{again}{other}")


@example(*ALL)
def echo_self_test(backend):
    expect(run(backend, "04_echo", "--self-test"), "10 clients heard their echo")


@example(*REAL)
def echo(backend):
    said = os.urandom(100000)
    with server(backend, "04_echo") as port, clients(port, 20) as conns:
        for conn in conns:
            conn.sendall(said[:1000])
        for conn in conns:
            with conn.makefile("rb") as stream:
                if stream.read(1000) != said[:1000]:
                    raise Failed("not what was said")
        conns[0].sendall(said)
        conns[0].shutdown(socket.SHUT_WR)
        with conns[0].makefile("rb") as stream:
            if stream.read() != said:
                raise Failed("not what was said, or no end after it")


@example(*REAL)
def chat(backend):
    names = ["ann", "bob", "cyd"]
    with server(backend, "05_chat") as port, clients(port, 3) as conns:
        streams = [conn.makefile("rw", newline="\n") for conn in conns]
        for name, stream in zip(names, streams):
            hear(stream, r"^\* your name\?")
            stream.write(name + "\r\n")
            stream.flush()
            hear(stream, rf"^\* {name} joined$")
        streams[1].write("hello\n\033[31mred\n")
        streams[1].flush()
        for stream in streams:
            hear(stream, r"^bob: hello$", r"^bob: \?\[31mred$")
        conns[2].shutdown(socket.SHUT_RDWR)
        hear(streams[0], r"^\* cyd left$")
        for stream in streams:
            stream.detach()


@example(*REAL)
def word_count(backend):
    files = ["include/hob/tcp.h", "src/op/op.h", "LICENSE"]
    text = run(backend, "06_word_count", *files)
    counts = []
    for name in files:
        data = (ROOT / name).read_bytes()
        counts.append((data.count(b"\n"), len(data.split()), len(data)))
    counts.append(tuple(map(sum, zip(*counts))))
    found = [tuple(map(int, line.split()[:3])) for line in text.splitlines()]
    if found != counts:
        raise Failed(f"{found} and not {counts}")
    run(backend, "06_word_count", "no-such-file", status=1)


@example(*ALL)
def three_styles(backend):
    styles = ["callback", "promise", "await"]
    expect(run(backend, "07_three_styles"),
           *[rf"^ +{style} +asks the quick +service: 3.95 " for style in styles],
           *[rf"^ +{style} +asks the silent service: ETIMEDOUT " for style in styles])


@example(*REAL)
def errors(backend):
    expect(run(backend, "08_errors"), r"^All or nothing: .* \(ENOENT\)$",
           "passwd +copied$", "no-such-file +No such file", "group +copied$")


@example(*ALL)
def deadlines(backend):
    expect(run(backend, "09_deadlines"), "^ +50[0-9] ms  customer: nobody", "^ +10[0-9]{2} ms  customer: nobody",
           "customer: bread!$", "clerk: it is getting dark$", "^ +13[0-9]{2} ms  clerk: all in order$",
           "street: ECANCELED$")


@example("sim")
def testing(backend):
    expect(run(backend, "10_testing"), "^3 passed, 0 failed$")


@example(*ALL)
def stuck(backend):
    """It ends by itself, with the lowest byte of HOB_ESTUCK, and tells who waits."""
    done = subprocess.run([BUILD / "examples" / "11_stuck"], env=environment(backend), timeout=SECONDS,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    expect(done.stderr, "everything is asleep for ever", r'task \d "Ann" \(ann\), started at meet_at_a_door',
           r'task \d "Bob" \(bob\), started at meet_at_a_door', "HOB_ESTUCK")
    if done.returncode != -4099 & 255:
        raise Failed(f"ended with {done.returncode}")


@example(*ALL)
def channels(backend):
    expect(run(backend, "12_channels"), "^waiter: anything more", "^served 8 plates", "^at most 2 plates stood")


@example(*ALL)
def workers(backend):
    expect(run(backend, "13_workers", "10000"), "^1229 primes below 10000", r"^worker 0: \d+ portions")


@example(*ALL)
def locks(backend):
    expect(run(backend, "14_locks"), "^6 notes, and the cellar was unlocked 1 time$",
           "^one of them got both keys$")


@example(*REAL)
def glib(backend):
    needs("15_glib")
    expect(run(backend, "15_glib"), "^1000 guests were served$", "^the window ticked 30 times, and closes$")


@example(*REAL)
def game(backend):
    expect(run(backend, "16_game"), r"^60 frames, \d{4,} thoughts; ", "^0 frames were late because of Hob$")


@example(*ALL)
def shards(backend):
    text = run(backend, "17_shards")
    shares = [int(n) for n in re.findall(r"^worker \d served (\d+) of 200 guests$", text, re.M)]
    if len(shares) != 4 or sum(shares) != 200 or min(shares) < 20:
        raise Failed(f"no four fair shares:\n{text}")


def links_from(start):
    """What the crawler should find: files, and links in them."""
    known, new, links = {start}, [start], 0
    while new:
        page = new.pop()
        if not page.endswith(".md"):
            continue
        for link in re.findall(r"\]\(([^)#:\s]+)[)#]", (ROOT / page).read_text()):
            links += 1
            target = os.path.normpath(os.path.join(os.path.dirname(page), link))
            if target not in known:
                known.add(target)
                new.append(target)
    return len(known), links


@example(*REAL)
def crawler(backend):
    files, links = links_from("README.md")
    expect(run(backend, "18_links", "README.md"),
           rf"^{files} files, {links} links, 0 of the files are not there$")
    expect(run(backend, "18_links", "no-such-file.md", status=1),
           "^the command line leads to no-such-file.md: .*ENOENT|No such file", "^1 files, 0 links, 1 of")


@example(*ALL)
def print_shop(backend):
    text = run(backend, "19_print_shop")
    expect(text, "order 1 is printed on sheet A$", "owner: 2 presses are busy; here is a third$",
           "16 orders, never more than 3 at a time$")
    if len(re.findall(r"is printed", text)) != 16:
        raise Failed(f"not 16 orders:\n{text}")


@example(*ALL)
def supervisor(backend):
    expect(run(backend, "20_supervisor"), "^oven 1 is hot$", "^oven: EIO; it is started again$",
           "^oven 2 is hot$", "^oven: EIO; it is started again$", "^oven 3 is hot$",
           "^8 loaves, 3 ovens$", "^fuse: EPIPE; it is started again$",
           "^the fuse is given up after 5 tries: EPIPE$")


@example(*ALL)
def promises(backend):
    """Times are virtual in sim, and at least that on a real clock."""
    text = run(backend, "21_promises")
    expect(text, r"^all +after \d+ ms: ENOENT$", "corner ECANCELED$", "market ENOENT$", "farm +ECANCELED$",
           r"^all settled after \d+ ms: all are there$", "corner 320 cents$", "market ENOENT$",
           "farm +280 cents$", r"^any +after \d+ ms: farm$", "corner ECANCELED$", "farm +280 cents$",
           r"^race +after \d+ ms: ", "farm +ECANCELED$",
           "^then +meanwhile I go on$", "farm says EHOSTDOWN$", "corner says 320 cents$")


def start(backend, name, *args):
    return subprocess.Popen([BUILD / "examples" / name, *args], env=environment(backend), cwd=ROOT,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


@example(*REAL)
def programs(backend):
    """Starts again what ended, and ends with all of them at SIGTERM."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("# a list\n\nlong: sleep 1000\nonce: test -d /\n  \nlonger: sleep 2000")
        file.flush()
        with start(backend, "31_programs", file.name) as process:
            try:
                hear(process.stdout, "^once: exit code 0$", "^once: ended; it is started again$",
                     "^once: started$")
                process.send_signal(signal.SIGTERM)
                said = process.stdout.read()
                if process.wait(SECONDS) != 128 + signal.SIGTERM:
                    raise Failed(f"ended with {process.returncode}:\n{said}")
                for name in "long", "longer":
                    expect(said, rf"^{name}: signal 15 \(Terminated\)$")
            finally:
                process.kill()
    for line in "no colon", "nothing:", "long: " + 600 * "x", "many:" + 20 * " x", 20 * "a: true\n":
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(f"good: true\n{line}\n")
            file.flush()
            if run(backend, "31_programs", file.name, status=2) != "":
                raise Failed(f"something of {line!r} was started")
    run(backend, "31_programs", "/no/such/list", status=2)


@example(*REAL)
def parallel(backend):
    lines = "".join(f"line {i}\n" for i in range(20)) + "/no/such/file\nlast"
    done = subprocess.run([BUILD / "examples" / "32_parallel", "4", "ls", "-d", "/"],
                          env=environment(backend), input=lines, capture_output=True, text=True,
                          timeout=SECONDS)
    if done.returncode != 1:
        raise Failed(f"ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    for line in lines.splitlines():
        if done.stdout.count(f"{line}: exit code 2\n") != 1:
            raise Failed(f"not once {line!r}:\n{done.stdout}")


@example(*REAL)
def echo_stops(backend):
    """A server that knows nothing of signals lets its clients finish."""
    with start(backend, "04_echo", "0") as process:
        try:
            port = int(process.stdout.readline().split()[-1])
            with clients(port, 1) as (conn,):
                conn.sendall(b"one\n")
                if conn.recv(16) != b"one\n":
                    raise Failed("no echo")
                process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                conn.sendall(b"two\n")
                if conn.recv(16) != b"two\n":
                    raise Failed("no echo while it stops")
            if process.wait(SECONDS) != 0:
                raise Failed(f"ended with {process.returncode}")
        finally:
            process.kill()


@example(*ALL)
def offload(backend):
    expect(run(backend, "22_offload", "400000"), "^33860 primes below 400000$",
           r"^[1-9]\d* guests were served meanwhile", r"^[1-9]\d* receipts; the line was \d+ long")


@example("sim")
def offload_by_seed(backend):
    first, again = (run(backend, "22_offload", "100000") for _ in "12")
    if first != again:
        raise Failed(f"a seed does not mean one day:\n{first}{again}")


@example(*ALL)
def portal(backend):
    text = run(backend, "23_portal")
    expect(text, r"^\d+ readings, the hottest of 255 degrees", r"^the cook was asked [1-9]\d* times")
    fitted, lost = map(int, re.search(r"^(\d+) readings.* (\d+) did not fit", text).groups())
    if fitted + lost != 60:
        raise Failed(f"not 60 readings:\n{text}")


@example(*ALL)
def flaky_service(backend):
    expect(run(backend, "26_flaky_service"), "^the service is well$",
           "^    5 of 5 answered, as many attempts; 0 not even tried$",
           "^it drops every second connection$", "^    5 of 5 answered, with more attempts; 0 not",
           "^it drops all connections$", "^    the breaker was closed and is open$",
           r"^    0 of 20 answered, with fewer attempts; [1-9]\d* not even tried$",
           "^it is well again", "^    the breaker was half open and is closed$",
           "^    5 of 5 answered, as many attempts; 0 not even tried$")


@example(*ALL)
def cache(backend):
    expect(run(backend, "27_cache"), "^100 visitors to ann: 1 question$",
           "^zoe: ENOENT, and again: ENOENT; 1 question$",
           "^ann is in room 12, as far as we know$", "^ann is in room 31$", "^ann is in room 5$",
           "^2 entries; 102 gets waited, for 3 loads$")


@example(*ALL)
def log(backend):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "shop.log")
        run(backend, "37_log", path)
        if backend == "sim":  # it is on the simulated disk
            return
        with open(path, encoding="utf-8") as file:
            expect(file.read(), r"^\S+Z NOTE  the shop is open orders=3 task=1 ",
                   r"^\S+Z INFO  order paid user=ann total=9.5 request=r-41 task=\d+ ",
                   r'^\S+Z INFO  order paid user="bob\\nERROR all is lost" total=17 request=r-42 ',
                   r"^\S+Z WARN  order refused user=eve total=1000000 error=EDQUOT request=r-43 ",
                   r"^\S+Z INFO  suppressed 4990 more of this suppressed=4990 at=37_log.c:")


@example(*ALL)
def tour(backend):
    text = run(backend, "35_tour")
    for style in ("promises", "tasks", "channel", "flow"):
        expect(text, rf"^{style} +17800 bytes$", rf"^{style} +ENOENT$")


@example(*ALL)
def proxy(backend):
    expect(run(backend, "28_proxy"), r"^guest 1: 2 bytes there, 5 back, 0% past the program$",
           r"^guest 2: 5 bytes there, 3000 back, 0% past the program$",
           r"^guest 3: 9 bytes there, 20000000 back, [5-9]\d% past the program$",
           r"^guest 4: 9 bytes there, \d+ back, \d+% past the program; E(PIPE|CONNRESET)$")


@example(*REAL)
def proxy_for_others(backend):
    """A server that answers when the question has ended, behind a proxy of its own process."""
    said = os.urandom(3000000)
    with socket.create_server(("127.0.0.1", 0)) as behind:
        target = f"127.0.0.1:{behind.getsockname()[1]}"
        with server(backend, "28_proxy", target) as port, clients(port, 1) as (client,):
            inner, _ = behind.accept()
            with inner, inner.makefile("rwb") as stream, client.makefile("rwb") as mine:
                inner.settimeout(SECONDS)
                writer = threading.Thread(target=lambda: (client.sendall(said),
                                                          client.shutdown(socket.SHUT_WR)))
                writer.start()
                heard = stream.read()
                writer.join()
                if heard != said:
                    raise Failed("not what was said, or no end after it")
                stream.write(b"good day")
                stream.flush()
                inner.shutdown(socket.SHUT_WR)
                if mine.read() != b"good day":
                    raise Failed("no answer after the half-close")


@example(*ALL)
def hub(backend):
    """A reader gets each item, or is told that it lost it: two topics of 40."""
    text = run(backend, "33_hub")
    expect(text, "^published: weather 40, sports 40$", "^fast reader: ", "^slow reader: ")
    for read, lost in re.findall(r"reader: (\d+) read, (\d+) lost", text):
        if int(read) + int(lost) != 80:
            raise Failed(f"{read} and {lost} are not 80:\n{text}")


@example(*REAL)
def handover(backend):
    """Three servers take over from each other while four clients ask."""
    text = run(backend, "38_handover")
    expect(text, "^3 hand-overs, and every request was answered$")


@example(*ALL)
def discovery(backend):
    """Where the loopback interface carries groups all are heard, and each has a line in any case."""
    text = run(backend, "39_discovery")
    expect(text, *(f"^{name}: (here|not heard)$" for name in ("clock", "coffee", "printer")))
    if backend == "sim" and "not heard" in text:
        raise Failed(f"somebody was not heard:\n{text}")


@example(*ALL)
def bakery(backend):
    """However the clock runs, no more is on its way than ovens, shelf, hands and bag hold."""
    text = run(backend, "24_bakery")
    found = re.search(r"^24 loaves sold, and never more than (\d+) on their way$", text, re.M)
    if found is None or not 4 <= int(found.group(1)) <= 3 + 4 + 1 + 2 or len(text.splitlines()) != 13:
        raise Failed(f"not a day in the bakery:\n{text}")


@example(*ALL)
def heating(backend):
    """A loaded machine may hold the clock back; in simulated time all is exact."""
    text = run(backend, "25_heating")
    if backend == "sim":
        expect(text, "^ 170 ms  valve: turning to 1$", "^ 570 ms  the valve stands at 1$",
               "^ 870 ms  valve: turning to 3$", "^1170 ms  valve: not to 3 any more$",
               "^1170 ms  valve: turning to 5$", "^1570 ms  the valve stands at 5$", "^10 levels came")
    expect(text, "the valve ended at 5$")


@example(*ALL)
def names(backend):
    needs("36_names")
    expect(run(backend, "36_names"), "^heard: good day$")
    expect(run(backend, "36_names", "localhost"), r"^localhost is (\[::1\]|127\.)")
    expect(run(backend, "36_names", "a..b", "0x7f.1", status=1), r"^a\.\.b: this can be no name$",
           r"^0x7f\.1: this can be no name$")
    expect(run(backend, "36_names", "127.0.0.1:1", status=1), r"^127\.0\.0\.1:1: Conn")


@example(*REAL)
def grep(backend):
    expect(run(backend, "29_grep", "no such words anywhere", "include", status=1), r"^0 lines in 0 of ")
    text = run(backend, "29_grep", "hob_walk_next(hob_walk", "include")
    expect(text, r"^include/hob/dir\.h$", r"^ +\d+  .*hob_walk_next\(hob_walk",
           r"^1 lines in 1 of \d+ files \(0 of them binary\)$")
    with tempfile.TemporaryDirectory() as name:
        odd = pathlib.Path(name)
        (odd / "a b").write_text("a needle at the end")
        (odd / "binary").write_bytes(b"\0needle\n")
        (odd / "empty").touch()
        (odd / "large").write_bytes(b"a\n" * 20000000 + b"needle\n")
        (odd / "long").write_bytes(b"q" * 700000 + b"needle\n\nneedle")
        (odd / "leads nowhere").symlink_to("none")
        os.mkfifo(odd / "nobody writes here")
        expect(run(backend, "29_grep", "needle", odd, status=0),
               r"^4 lines in 3 of 5 files \(1 of them binary\)$")
        expect(run(backend, "29_grep", "needle", odd / "a b"), "^     1  a needle at the end$")
        run(backend, "29_grep", "needle", odd / "none", status=2)


@example(*ALL)
def mirror(backend):
    expect(run(backend, "30_mirror"), "is written; +the mirror: created letter$",
           "is changed; +the mirror: changed letter$", "made; +the mirror: created sent$",
           "goes there; +the mirror: moved first$", 'the copy says +"Dear all, soon more"$',
           "thrown away; +the mirror: removed ")
    if backend == "sim":
        return
    with tempfile.TemporaryDirectory() as name:
        here, there = pathlib.Path(name, "here"), pathlib.Path(name, "there")
        (here / "folder").mkdir(parents=True)
        (here / "program").write_bytes(b"#!" + os.urandom(300000))
        (here / "program").chmod(0o755)
        (here / "a link").symlink_to("program")
        os.mkfifo(here / "a pipe")
        there.mkdir()
        (there / "old").write_text("not here any more")
        process = subprocess.Popen([BUILD / "examples" / "30_mirror", f"{here}/", there],
                                   env=environment(backend), stdout=subprocess.PIPE, text=True)
        try:
            while not (there / "program").exists() or (there / "old").exists():
                time.sleep(0.01)  # the first comparison
            (here / "folder" / "with a name").write_text("new")
            expect(process.stdout.readline(), "^(created|changed) +.*/here/folder/with a name$")
            names = sorted(str(path.relative_to(there)) for path in there.rglob("*"))
            if names != ["folder", "folder/with a name", "program"]:
                raise Failed(f"the mirror shows {names}")
            if (there / "program").read_bytes() != (here / "program").read_bytes() or \
                    (there / "program").stat().st_mode & 0o7777 != 0o755:
                raise Failed("the program is not the same")
        finally:
            process.terminate()
            process.wait(SECONDS)
            process.stdout.close()
        run(backend, "30_mirror", here, here / "folder", status=1)
        run(backend, "30_mirror", here / "none", there, status=1)


@example(*REAL)
def kitchen_live(backend):
    text = run(backend, "kitchen_live")
    expect(text, "boil the water +█", "1000 eggs", r"price of bread .* \d+ cents$",
           "when is the wine.* given up, as set$", r"read src .* [1-9]\d* files, [1-9]\d* KB$",
           "all at once", "one after the other", "times as fast",
           rf"backend {backend} +tasks 1\d\d\d ", r"peak memory \d+\.\d MiB")
    if max(len(line) for line in text.splitlines()) > 80:
        raise Failed(f"wider than 80 columns:\n{text}")


@example(*REAL)
def http(backend):
    """Python's client as the peer: pages, an echo, parts of a file."""
    with server(backend, "41_http") as port:
        conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)

        def ask(method, path, body=None, headers=None):
            conn.request(method, path, body, headers or {})
            answer = conn.getresponse()
            return answer, answer.read()

        for method, path, status, part in (("GET", "/", 200, b"Hello"), ("GET", "/no", 404, b"Not Found"),
                                           ("HEAD", "/", 200, b""), ("GET", "/count", 200, b"lift-off")):
            answer, text = ask(method, path)
            if answer.status != status or part not in text or (method == "HEAD" and text):
                raise Failed(f"{method} {path}: {answer.status} {text}")
        sent = os.urandom(500000)
        pieces = [sent[i:i + 9999] for i in range(0, len(sent), 9999)]
        for body in sent, iter(pieces):
            if ask("POST", "/echo", body)[1] != sent:
                raise Failed("not what was sent")
        own = (ROOT / "examples" / "41_http.c").read_bytes()
        answer, text = ask("GET", "/source", headers={"Range": "bytes=10-19"})
        if answer.status != 206 or text != own[10:20]:
            raise Failed(f"a part of the file: {answer.status} {text}")
        answer, text = ask("GET", "/source", headers={"If-None-Match": answer.headers["ETag"]})
        if answer.status != 304:
            raise Failed(f"a file that it has: {answer.status}")


@example(*REAL)
def upload(backend):
    with tempfile.TemporaryDirectory() as folder, server(backend, "42_upload", folder) as port:
        conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        sent = os.urandom(3000000)
        for method, path, body, status in (("PUT", "/a.bin", sent, 201), ("GET", "/a.bin", None, 200),
                                           ("GET", "/..", None, 404), ("GET", "/b", None, 404),
                                           ("DELETE", "/a.bin", None, 405)):
            conn.request(method, path, body)
            answer = conn.getresponse()
            got = answer.read()
            if answer.status != status or (status == 200 and got != sent):
                raise Failed(f"{method} {path}: {answer.status}, {len(got)} bytes")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as half:
            half.sendall(b"PUT /half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            half.shutdown(socket.SHUT_WR)
            half.recv(1000)
        if os.listdir(folder) != ["a.bin"]:
            raise Failed(f"what came half is there: {os.listdir(folder)}")


class WebSocket:
    """A client of our own, as plain as can be."""
    def __init__(self, port, target, tls=None):
        self.conn = socket.create_connection(("127.0.0.1", port), SECONDS)
        if tls is not None:
            self.conn = tls.wrap_socket(self.conn, server_hostname="127.0.0.1")
        self.conn.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        self.stream = self.conn.makefile("rb")
        if b" 101 " not in self.stream.readline():
            raise Failed("no 101")
        while self.stream.readline() != b"\r\n":
            pass

    def say(self, first, payload):
        self.conn.sendall(bytes([first, 0x80 | len(payload)]) + bytes(4) + payload)

    def hear(self):
        first, length = self.stream.read(2)
        return first, self.stream.read(length)

    def close(self):
        self.stream.close()
        self.conn.close()


@example(*REAL)
def chat_by_websocket(backend):
    needs("47_chat_ws")
    with server(backend, "47_chat_ws") as port:
        conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        conn.request("GET", "/")
        expect(conn.getresponse().read().decode(), "id=log", "id=form", "new WebSocket")
        conn.request("GET", "/chat?<b>")
        if conn.getresponse().status != 400:
            raise Failed("a name that is none")
        conn.close()
        with contextlib.closing(WebSocket(port, "/chat?ann")) as ann:
            if ann.hear() != (0x81, b"ann joined"):
                raise Failed("ann has not joined")
            with contextlib.closing(WebSocket(port, "/chat?bob")) as bob:
                bob.say(0x81, b"hello")
                for expected in b"bob joined", b"bob: hello":
                    heard = ann.hear(), bob.hear()
                    if heard != ((0x81, expected), (0x81, expected)):
                        raise Failed(f"not {expected}: {heard}")
                bob.say(0x88, bytes([3, 232]))
                if bob.hear() != (0x88, bytes([3, 232])):
                    raise Failed("no goodbye")
            if ann.hear() != (0x81, b"bob left"):
                raise Failed("bob has not left")


@example(*REAL)
def channels_over_tls(backend):
    needs("51_channels_tls")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        tls = ssl.create_default_context(cafile=cert)
        tls.set_alpn_protocols(["http/1.1"])
        with server(backend, "51_channels_tls", cert, key) as port, \
                contextlib.closing(WebSocket(port, "/channel/roof", tls)) as ann, \
                contextlib.closing(WebSocket(port, "/channel/roof", tls)) as bob:
            for who in ann, bob:
                if who.hear() != (0x81, b"welcome"):
                    raise Failed("no welcome")
            bob.say(0x81, b"hello")
            for who in ann, bob:
                if who.hear() != (0x81, b"hello"):
                    raise Failed("no hello")


@example(*REAL)
def prices_by_events(backend):
    needs("48_prices")
    with server(backend, "48_prices") as port:
        def watch(count, headers):
            conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            conn.request("GET", "/prices", headers=headers)
            answer, ids = conn.getresponse(), []
            while len(ids) < count:
                line = answer.readline().decode()
                if line.startswith("id: "):
                    ids.append(line[4:].strip())
                elif line.startswith("data: ") and not re.match(r'data: {"price":[0-9.]+}', line):
                    raise Failed(f"no price: {line}")
            answer.close()
            conn.close()
            return ids

        first = watch(3, {})
        number, last = first[-1].split("-")
        again = watch(2, {"Last-Event-ID": first[-1]})
        if again != [f"{number}-{int(last) + 1}", f"{number}-{int(last) + 2}"]:
            raise Failed(f"{again} behind {first}")


@example(*REAL)
def photos(backend):
    needs("46_photos")
    with tempfile.TemporaryDirectory() as folder, server(backend, "46_photos", folder) as port:
        conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        cookie = {}

        def ask(method, path, body=None, **headers):
            conn.request(method, path, body, {**headers, **cookie})
            answer = conn.getresponse()
            text = answer.read()
            if answer.headers["Set-Cookie"]:
                cookie["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
            return answer, text

        def send(token, *files):
            form = b"".join(b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % part for part in
                            [(b'name="token"', token), *((b'name="file"; filename="%s"' % n, d) for n, d in files)])
            return ask("POST", "/send", form + b"--b--\r\n", **{"Content-Type": "multipart/form-data; boundary=b"})

        answer, page = ask("GET", "/")
        token = re.search(rb'name="token" value="([^"]+)"', page).group(1)
        for mark in (b'id="form"', b'id="file"', b'id="send"', b'id="bar"', b'id="percent"', b'id="said"', b'id="list"'):
            if mark not in page:
                raise Failed(f"no {mark} in {page}")
        sent = os.urandom(3000000)
        answer, text = send(token, (b"../<soup>.bin", sent), (b"C:\\x\\b.txt", b"b"))
        if (answer.status, answer.headers["Location"]) != (303, "/"):
            raise Failed(f"{answer.status} {text}")
        if sorted(os.listdir(folder)) != ["_soup_.bin", "b.txt"]:
            raise Failed(f"{os.listdir(folder)}")
        answer, page = ask("GET", "/")
        expect(page.decode(), "Thank you for 2 of them", r'href="/files/%62%2E%74%78%74">b.txt</a>')
        if b"Thank you" in ask("GET", "/")[1]:
            raise Failed("it is said twice")
        answer, text = ask("GET", "/files/_soup_.bin")
        if text != sent or answer.headers["Content-Security-Policy"] != "sandbox":
            raise Failed(f"{answer.status} {answer.headers}")
        send(token, (b"b.txt", b"other"))
        expect(ask("GET", "/")[1].decode(), "There is one of that name")
        for status, (answer, text) in ((403, send(b"x" * 43, (b"c.txt", b"c"))), (404, ask("GET", "/files/../x")),
                                       (415, ask("POST", "/send", b"x")), (404, ask("GET", "/send"))):
            if answer.status != status:
                raise Failed(f"{answer.status}, not {status}: {text}")
        if len(os.listdir(folder)) != 2:
            raise Failed(f"{os.listdir(folder)}")


@example("sim")
def run_by_the_command(backend):
    """The first programs, as a newcomer runs them."""
    for name, last in ("01_hello", "Hello"), ("02_fetch_order", "ETIMEDOUT"), ("03_kitchen", "times as"):
        done = subprocess.run([BUILD / "hob", "run", "--backend", backend, f"examples/{name}.c"],
                              cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS)
        if done.returncode != 0 or last not in done.stdout.splitlines()[-1]:
            raise Failed(f"{name}: {done.returncode}\n{done.stdout}{done.stderr}")


@example(*ALL)
def json_orders(backend):
    needs("43_json")
    expect(run(backend, "43_json"), r"^order 7 of ann@example\.org, 1 items$", r'^  "state": "paid",$',
           r'^  "discount": 0\.1$', "^refused: customer: is not an e-mail address$", "^refused: state: is none of: open, paid",
           r"^refused: items\[0\]\.quantity: 0 is less than 1$", "^refused: colour: is not known$")
    expect(run(backend, "43_json", "schema"), '^  "title": "Order",$', '"\\$ref": "#/\\$defs/Item"')
    expect(run(backend, "43_json", "page=2&tag=red&tag=big"), "^page 2, red, big$")
    expect(run(backend, "43_json", "page=0&x=1"), "^refused: x: is not known$", "^refused: page: 0 is less than 1$")


@example(*REAL)
def json_lines(backend):
    needs("43_json")
    good = '{"id":%d,"customer":"a@b","items":[{"sku":"x","quantity":1}]}'
    done = subprocess.run([BUILD / "examples" / "43_json", "-"], env=environment(backend), text=True,
                          input=f"{good % 1}\n{{]\n\n{good % 0}\n{good % 2}", capture_output=True,
                          timeout=SECONDS)
    expect(done.stdout, "^order 1 of a@b$", "^refused: line 1, column 2: ", "^refused: id: 0 is less than 1$",
           "^order 2 of a@b$")
    if done.returncode != 0:
        raise Failed(f"ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def asker(port):
    """Asks over one connection, and looks whether the answer has that status, and that part in its body."""
    conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)

    def ask(method, path, body=None, headers=None, status=200, part=""):
        conn.request(method, path, body, headers or {})
        answer = conn.getresponse()
        text = answer.read()
        if answer.status != status or part.encode() not in text:
            raise Failed(f"{method} {path}: {answer.status} {text}")
        return answer, text

    return ask


@example(*REAL)
def dishes(backend):
    """What fits the table is cooked; what does not is told with its field; the page knows of it."""
    needs("52_dishes")
    is_json = {"Content-Type": "application/json"}
    with server(backend, "52_dishes") as port:
        ask = asker(port)
        ask("POST", "/dishes", '{"name":"soup","minutes":20}', is_json, 201, '"minutes":20')
        ask("POST", "/dishes", '{"name":"soup","minutes":1000}', is_json, 422, '"path":"minutes"')
        ask("GET", "/openapi.json", part="Cooks a dish")
        ask("GET", "/docs", part="<script>")


@example(*ALL)
def feeds(backend):
    """All metals come, whole, over one connection."""
    needs("53_feeds")
    expect(run(backend, "53_feeds"), r"^/copper +25\.55  after 5 news$", r"^/gold +65\.55  after 5 news$",
           r"^/silver +185\.55  after 5 news$")


@example(*REAL)
def shop(backend):
    """The whole life of an item, and what is said of each mistake; the document and the page are there."""
    needs("44_shop")
    key = {"Authorization": "Bearer open-sesame", "Content-Type": "application/json"}
    with server(backend, "44_shop") as port:
        ask = asker(port)
        ask("GET", "/items", part='{"items":[],"in_all":0}')
        ask("POST", "/items", '{"name":"pot","price":1}', {"Content-Type": "application/json"}, 401)
        ask("POST", "/items", '{"name":"","price":-1}', key, 422, '"path":"name","words":"is empty"')
        ask("POST", "/items", '{"name":', key, 400, "line 1")
        answer, _ = ask("POST", "/items", '{"name":"pot","price":9.5}', key, 201, '"id":1')
        answer, text = ask("GET", answer.headers["Location"], part='"name":"pot"')
        if len(answer.headers["X-Request-Id"]) != 32:
            raise Failed("no request id")
        ask("GET", "/items/1", headers={"If-None-Match": answer.headers["ETag"]}, status=304)
        ask("GET", "/items/zero", status=422, part='"in":"path"')
        ask("PATCH", "/items/1", status=405)
        ask("DELETE", "/items/1", headers=key, status=204)
        ask("GET", "/items/1", status=404, part="there is no such item")
        answer, text = ask("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"})
        document = json.loads(gzip.decompress(text))
        if document["paths"]["/items"]["post"]["operationId"] != "addItem":
            raise Failed("the document lacks an operation")
        answer, _ = ask("GET", "/docs", part="<script>")
        if "default-src 'none'" not in answer.headers["Content-Security-Policy"]:
            raise Failed("the page has no policy")
        ask("GET", "/readyz", part="ready")
        ask("GET", "/metrics", part='hob_web_requests_total{method="POST",route="/items",status="2xx"} 1')


@example(*REAL)
def pictures(backend):
    needs("45_pictures")
    with server(backend, "45_pictures") as port:
        conn = http_client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        for path, status, size in (("/picture?pixels=64", 200, 54 + 64 * 192), ("/picture?pixels=7", 422, 0),
                                   ("/load", 200, 0), ("/", 200, 0)):
            conn.request("GET", path)
            answer = conn.getresponse()
            got = answer.read()
            if answer.status != status or (size and (len(got) != size or got[:2] != b"BM")):
                raise Failed(f"GET {path}: {answer.status}, {len(got)} bytes")


@example(*REAL)
def gateway(backend):
    needs("49_gateway")
    expect(run(backend, "49_gateway"), "^ann answered 5, bob 5$", "^5000000 bytes there$", "^5000000 bytes back$",
           "^5000000 bytes there and back$", "^bob is busy: ann answered 15, bob 5$", "^ann is ill: she answered 15, bob 15$")


@example(*REAL)
def pages(backend):
    needs("50_pages")
    expect(run(backend, "50_pages"), "^200 http://127.0.0.1:\\d+/page/39, 8 bytes, ", "^43 exchanges, 4 connections$")


def find_backends():
    lines = subprocess.run([BUILD / "hob", "backends"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def main():
    states = find_backends()
    passed = failed = skipped = 0
    for name, backend, fn in TESTS:
        if states.get(backend) != "works":
            print(f"skipped: examples: {name} on {backend}: {states.get(backend, 'unknown')}")
            skipped += 1
            continue
        try:
            fn(backend)
            passed += 1
        except Skipped as reason:
            skipped += 1
            print(f"skipped: examples: {name} on {backend}: {reason}")
        except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as problem:
            failed += 1
            print(f"FAILED: examples: {name} on {backend}: {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
