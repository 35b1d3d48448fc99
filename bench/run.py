#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks of bench/ and writes what came out to bench/results/.

    bench/run.py [QUESTION ...] --build DIR [--rounds N] [--minutes M] [--ahead]

A question is asked of all contestants in turn, A B C A B C …, so that what the machine does
meanwhile meets them all. A ratio is taken within a round, and the median of these is shown:
it travels to other machines, while the figures in brackets do not. bench/README.md tells how
to read the numbers, bench/table.py puts them into README.md.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import selectors
import signal
import statistics
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "bench", "results")

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[1 % len(CORES)]

START_SECONDS_MAX = 10
ATTACK_SECONDS_MAX = 20  # until it is under way
RUN_SECONDS_MAX = 120
ROUNDS = 7
MINUTES_MAX = 9  # when these are over, each question that is left gets one round

ahead = False  # --ahead


class NotInstalled(Exception):
    """The contestant was not built, because a library or a compiler is missing."""


class Failed(Exception):
    """The contestant ran, and not to its end."""


class Contestant:
    """Somebody who answers: a program of BUILD/bench, its arguments and its environment."""

    def __init__(self, name, program, args=(), env=None, server=False, cores=None):
        self.name = name
        self.program = program
        self.args = [str(a) for a in args]
        self.env = env or {}
        self.server = server
        self.cores = cores or {SERVER_CORE}


class Claim:
    """`who` needs at most `wanted` times what `limit` needs (several: the best of them), or,
    when `limit` is None, at most `wanted` itself."""

    def __init__(self, who, limit, wanted, metric=None):
        self.who = who
        self.limit = limit
        self.wanted = wanted
        self.metric = metric


class Question:
    def __init__(self, name, title, metric, unit, contestants, claims, also=(), load=None,
                 load_program="load", rounds=ROUNDS, group=None, asked=None, attack=None, own=None):
        self.name = name
        self.group = group  # another name to ask for it by, with others
        self.title = title
        self.metric = metric
        self.unit = unit
        self.contestants = contestants
        self.claims = claims
        self.also = also  # further metrics to show: (metric, heading)
        self.load = load  # a server's load: its arguments
        self.load_program = load_program
        self.asked = asked  # contestants are clients: who answers them all, on the other core
        self.rounds = rounds
        self.attack = attack  # what `hostile` does meanwhile
        self.own = own  # the metric that is a ratio already, of a contestant to itself


def server(name, program, args=(), env=None):
    return Contestant(name, program, args, env, server=True)


def echo_question(connections, raw_limits):
    return Question(
        f"echo{connections}",
        f"TCP echo of 64 bytes, {connections} connections: server CPU per request",
        "server_cpu_us",
        "µs",
        [
            server("raw io_uring", "raw_uring"),
            server("raw epoll", "raw_epoll"),
            server("Hob on uring", "hob_echo", env={"HOB_BACKEND": "uring"}),
            server("Hob on epoll", "hob_echo", env={"HOB_BACKEND": "epoll"}),
            server("libuv", "uv_echo"),
            server("libevent", "event_echo"),
            server("Go", "go_peer", ["echo"]),
        ],
        raw_limits,
        also=[("requests_per_s", "requests/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")],
        load=["--connections", str(connections), "--size", "64", "--ms", "700"],
        rounds=9,
    )


def ring_question(connections):
    """The variants of the raw io_uring server that bench/README.md reports on."""
    variants = [
        "", "--bundle", "--fixed", "--fixed --bundle", "--register-ring", "--waitall",
        "--poll-first", "--send-skip", "--direct-send", "--oneshot", "--one-pool", "--coop",
        "--bufs 32", "--bufs 512", "--bufs 4096", "--buf-bytes 256", "--buf-bytes 1024",
        "--buf-bytes 16384",
    ]
    contestants = [
        Contestant(v or "as it is", "raw_uring", v.split(), server=True) for v in variants
    ]
    return Question(
        f"ring{connections}",
        f"Settings of the raw io_uring echo server, {connections} connections",
        "server_cpu_us",
        "µs",
        contestants + [Contestant("raw epoll", "raw_epoll", server=True)],
        [],
        load=["--connections", str(connections), "--size", "64", "--ms", "500"],
    )


def talk_question(name, title, n, wanted):
    """Beside Go on one core; and across two cores, in real time, beside Go on two."""
    one, two = {SERVER_CORE}, {SERVER_CORE, LOAD_CORE}
    contestants = [
        Contestant("Go", "go_peer", [name, n, 1], cores=one),
        Contestant("Hob", "hob_comm", [name, n], cores=one),
        Contestant("Go, 2 procs", "go_peer", [name, n // 4, 2], cores=two),
        Contestant("Hob, 2 workers", "hob_comm", [f"{name}-2", n // 4], cores=two),
    ]
    claims = [Claim("Hob", "Go", wanted), Claim("Hob, 2 workers", "Go, 2 procs", 1.0)]
    return Question(name, title, "ns", "ns", contestants, claims, group="comm")


def promise_question(name, title, n, claims, go=False):
    contestants = [Contestant("Bun", "bun_peer", [name, n]), Contestant("Hob", "hob_comm", [name, n])]
    if go:
        contestants.append(Contestant("Go", "go_peer", [name, n]))
    return Question(name, title, "ns", "ns", contestants, claims, group="comm")


# Arguments in braces are paths of files that are made for it: MADE.

READ_PIECES = 262144  # of 4 KiB: a file of 1 GiB
COPY_PIECES = 65536   # 256 MiB
FIO_BATCHED = ["--fixedbufs", "--registerfiles"]  # and batches of half the depth


def read_question(name, title, what, depth, count, metric, claims, group=None):
    def reading(who, program, first=(), last=(), env=None, share=1):
        args = [*first, what, "{reads}", depth, int(count * share), *last]
        return Contestant(who, program, args, env)

    batch = [f"--iodepth_batch={depth // 2}", f"--iodepth_batch_complete_min={depth // 2}"]
    contestants = [
        reading("fio on io_uring", "fio_peer", ["io_uring"]),
        reading("the same, all its levers", "fio_peer", ["io_uring"],
                FIO_BATCHED + (batch if depth > 1 else [])),
        reading("Hob on uring", "hob_files", env={"HOB_BACKEND": "uring"}),
        reading("Hob on epoll", "hob_files", env={"HOB_BACKEND": "epoll"}),
        reading("threads and pread", "raw_files"),
        reading("libuv", "uv_files", share=0.25),
    ]
    other = "us" if metric == "cpu_us" else "cpu_us"
    heading = "µs from call to call" if other == "us" else "CPU µs"
    return Question(name, title, metric, "µs", contestants, claims,
                    also=[(other, heading), ("per_s", "reads/s")], rounds=5, group=group)


FIO = ("fio on io_uring", "the same, all its levers")


def hot_question(depth):
    claims = [
        Claim("Hob on uring", FIO, 1 / 0.95),
        Claim("Hob on uring", FIO, 1 / 0.95, metric="us"),
        Claim("Hob on uring", "libuv", 1.0),
        Claim("Hob on epoll", "libuv", 1.0),
    ]
    title = f"4 KiB at random of a file in memory, {depth} at once: CPU per read"
    return read_question(f"files{depth}", title, "read", depth, 80000, "cpu_us", claims)


def direct_question(depth, count):
    claims = [
        Claim("Hob on uring", FIO, 1 / 0.95),
        Claim("Hob on uring", "libuv", 1.0, metric="cpu_us"),
        Claim("Hob on epoll", "libuv", 1.0, metric="cpu_us"),
    ]
    title = f"4 KiB at random with O_DIRECT, {depth} at once: time per read"
    return read_question(f"direct{depth}", title, "direct", depth, count, "us", claims, "files")


def copy_question():
    piece = 256 * 1024

    def copying(who, program, what="copy", env=None):
        return Contestant(who, program, [what, "{copy_from}", "{copy_to}", piece], env)

    uring, epoll = {"HOB_BACKEND": "uring"}, {"HOB_BACKEND": "epoll"}
    return Question(
        "copy", "Copying a file in pieces of 256 KiB: CPU per MiB", "cpu_us", "µs",
        [
            copying("read and write", "raw_files"),
            copying("Hob on uring", "hob_files", env=uring),
            copying("Hob on uring, hob_copy", "hob_files", "hob_copy", uring),
            copying("Hob on epoll", "hob_files", env=epoll),
            copying("Hob on epoll, hob_copy", "hob_files", "hob_copy", epoll),
            copying("libuv", "uv_files"),
        ],
        [Claim("Hob on uring", "libuv", 1.0), Claim("Hob on uring, hob_copy", "libuv", 1.0),
         Claim("Hob on epoll, hob_copy", "libuv", 1.0)],
        also=[("us", "µs from begin to end"), ("per_s", "MiB/s")], rounds=5, group="files")


def tls_question(name, title, load, metric, claims, web_servers=False):
    def server(who, program, env=None):
        return Contestant(who, program, ["{cert}"], env, server=True)

    contestants = [
        server("raw OpenSSL on epoll", "raw_tls"),
        server("Hob on uring", "hob_tls_echo", {"HOB_BACKEND": "uring"}),
        server("Hob on epoll", "hob_tls_echo", {"HOB_BACKEND": "epoll"}),
    ]
    if web_servers:
        contestants.append(server("nginx", "nginx_peer"))
    return Question(name, title, "server_cpu_us", "µs", contestants, claims, also=[metric],
                    load=[*load, "--ms", "500"], load_program="tls_load", rounds=5, group="tls")


def echo_tls_question(size, words):
    claims = [Claim(who, "raw OpenSSL on epoll", 1.15) for who in ("Hob on uring", "Hob on epoll")]
    return tls_question(f"tls{size}", f"TLS echo of {words}, 50 connections: server CPU per message",
                        ["--connections", "50", "--echo", size],
                        ("mb_per_cpu_s", "MB per CPU second"), claims)


def shake_question(name, how, words):
    claims = [Claim(who, limit, wanted) for who in ("Hob on uring", "Hob on epoll")
              for limit, wanted in (("nginx", 1.0), ("raw OpenSSL on epoll", 1.1))]
    return tls_question(name, f"{words}, one message, and the end: server CPU",
                        ["--connections", "16", "--shake", how],
                        ("per_cpu_s", "handshakes per CPU second"), claims, web_servers=True)


PEERS_HTTP = ("nginx", "h2o", "Go", "Bun", "Node")


def http_question(name, title, load, metric, unit, claims, also=(), rounds=7):
    return Question(
        name, title, metric, unit,
        [
            server("raw io_uring", "raw_http_uring"),
            server("raw epoll", "raw_http_epoll"),
            server("Hob on uring", "hob_http", env={"HOB_BACKEND": "uring"}),
            server("Hob on epoll", "hob_http", env={"HOB_BACKEND": "epoll"}),
            server("nginx", "nginx_http"),
            server("h2o", "h2o_http"),
            server("Go", "go_peer", ["http"]),
            server("Bun", "bun_http"),
            server("Node", "node_http"),
        ],
        claims, also=also, load=load, load_program="http_load", rounds=rounds, group="http")


def http_load_question(name, title, load, uring_max, epoll_max):
    claims = [Claim(who, PEERS_HTTP, 1.0) for who in ("Hob on uring", "Hob on epoll")]
    if uring_max is not None:
        claims += [Claim("Hob on uring", "raw io_uring", uring_max),
                   Claim("Hob on epoll", "raw epoll", epoll_max)]
    return http_question(
        name, f"HTTP {title}: server CPU per request", [*load, "--ms", "400"], "server_cpu_us", "µs",
        claims, also=[("requests_per_s", "requests/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")])


def web_question():
    return Question(
        "web64", "HTTP 'json' by a framework, 64 connections: server CPU per request",
        "server_cpu_us", "µs",
        [
            server("nginx, a text of its configuration", "nginx_http"),
            server("Hob, no framework, on uring", "hob_http", env={"HOB_BACKEND": "uring"}),
            server("Hob's framework on uring", "hob_web", env={"HOB_BACKEND": "uring"}),
            server("Hob's framework on epoll", "hob_web", env={"HOB_BACKEND": "epoll"}),
        ],
        [Claim(who, "nginx, a text of its configuration", 1.0)
         for who in ("Hob's framework on uring", "Hob's framework on epoll")],
        also=[("requests_per_s", "requests/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")],
        load=["--path", "/json", "--connections", "64", "--ms", "400"], load_program="http_load",
        rounds=7, group="http")


def ws_question(name, title, load):
    hob = ("Hob on uring", "Hob on epoll", "Hob on uring, kept", "Hob on epoll, kept")
    return Question(
        name, f"WebSocket echo of {title}: server CPU per message", "server_cpu_us", "µs",
        [
            server("Bun", "bun_ws"),
            server("Hob on uring", "hob_ws", ["serve"], {"HOB_BACKEND": "uring"}),
            server("Hob on epoll", "hob_ws", ["serve"], {"HOB_BACKEND": "epoll"}),
            server("Hob on uring, kept", "hob_ws", ["keep"], {"HOB_BACKEND": "uring"}),
            server("Hob on epoll, kept", "hob_ws", ["keep"], {"HOB_BACKEND": "epoll"}),
            server("Go, gorilla", "go_ws"),
            server("Node, ws", "node_ws"),
        ],
        [Claim(who, "Bun", 1.0) for who in hob],
        also=[("requests_per_s", "messages/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")],
        load=[*load, "--connections", "64", "--ms", "500"], load_program="ws_load", group="ws")


def fetch_question(name, title, connections, count):
    """Clients, of one server that is the fastest there is. `count` answers come before as many that
    are measured."""
    def client(who, program, first=(), env=None):
        return Contestant(who, program, [*first, "{port}", connections, count, count], env)

    return Question(
        name, f"HTTP client, GET of small JSON, {title}: client CPU per request", "cpu_us", "µs",
        [
            client("libcurl alone", "curl_fetch"),
            client("Hob on uring", "hob_fetch", env={"HOB_BACKEND": "uring"}),
            client("Hob on epoll", "hob_fetch", env={"HOB_BACKEND": "epoll"}),
            client("Go", "go_peer", ["fetch"]),
            client("Node, undici's request", "node_fetch", ["request"]),
            client("Node, undici's fetch", "node_fetch", ["fetch"]),
            client("Bun, fetch", "bun_fetch"),
        ],
        [Claim(who, limit, 1.0) for who in ("Hob on uring", "Hob on epoll")
         for limit in ("Node, undici's request", "Go")],
        also=[("requests_per_s", "requests/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")],
        asked=server("the server", "raw_http_epoll"), group="fetch")


def h2_question(name, title, load, tls=False):
    """By h2load. nginx and Node tell HTTP/1.1 and HTTP/2 apart by their configuration."""
    args = ["{cert}"] if tls else []
    hob = "hob_https" if tls else "hob_http"
    contestants = [
        server("nginx", "nginx_http", ["h2", *args]),
        server("h2o", "h2o_http", args),
        server("Hob on uring", hob, args, {"HOB_BACKEND": "uring"}),
        server("Hob on epoll", hob, args, {"HOB_BACKEND": "epoll"}),
    ]
    if not tls:
        contestants.append(server("Node", "node_http2"))
    return Question(
        name, f"HTTP/2 'json', {title}: server CPU per request", "server_cpu_us", "µs", contestants,
        [Claim(who, limit, 1.0) for who in ("Hob on uring", "Hob on epoll")
         for limit in ("nginx", "h2o")],
        also=[("requests_per_s", "requests/s"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs")],
        load=[*load, *(["--tls"] if tls else [])], load_program="h2_load", group="h2")


def http_idle_question():
    title = "20,000 idle HTTP connections, after one request each: memory of the process"
    claims = [Claim(who, None, 540) for who in ("Hob on uring", "Hob on epoll")]
    return http_question("idle", title, ["--path", "/json", "--idle", "20000"], "bytes", "bytes each",
                         claims, also=[("connections", "connections")], rounds=2)


# A well-behaved load is measured while `hostile` does harm to a second server, on the load's core, and
# while it does harm to its own: so what the attacker takes of the load's core is in both.

ATTACKS = (
    ("slow-heads", "2,000 clients that send a byte of a head each second"),
    ("slow-bodies", "2,000 clients that send a byte of a body each second"),
    ("slow-readers", "2,000 clients that read a byte of 8 MiB each second"),
    ("idle", "18,000 idle connections, after one request each"),
    ("silent", "12,000 connections that say nothing; Hob takes 8,000"),
    ("come-and-go", "Connections that are closed at once, one after the other, by 8 clients"),
    ("pipeline", "8 clients that send requests without end"),
    ("head-bomb", "16 clients with heads without end"),
    ("hpack-bomb", "16 clients with heads of 16 KB that decode to 46 MB"),
    ("continuation", "16 clients with CONTINUATION frames without end"),
    ("rapid-reset", "16 clients that take each request back at once"),
    ("settings", "16 clients with SETTINGS frames without end"),
    ("ping", "16 clients with PING frames without end"),
)


def hostile_question(attack, title):
    limit = ["8000"] if attack == "silent" else []
    ours = ("Hob on uring", "Hob on epoll")
    claims = []
    for who in ours:
        claims += [Claim(who, None, 2, metric="p99_ratio"), Claim(who, None, 0, metric="failed"),
                   Claim(who, None, 128, metric="kib_each")]
    return Question(
        f"hostile-{attack}", title + ": p99 of the others, to what it is while another server is attacked",
        "p99_us", "µs",
        [
            server("Hob on uring", "hob_hostile", limit, env={"HOB_BACKEND": "uring"}),
            server("Hob on epoll", "hob_hostile", limit, env={"HOB_BACKEND": "epoll"}),
            server("nginx", "nginx_http"),
        ],
        claims,
        also=[("p99_other_us", "another attacked"), ("p50_us", "p50"), ("new_p99_ratio", "new connections ×"),
              ("failed", "failed"), ("busy", "CPU"), ("kib_each", "KiB each"), ("left_kib", "KiB left"),
              ("told_408", "408"), ("told_431", "431/400"), ("told_503", "503"),
              ("goaways", "GOAWAY"), ("closed", "closed")],
        load=["--ms", "1500"], load_program="fair_load", rounds=3, group="hostile", attack=attack,
        own="p99_ratio")


SLEEPERS = 1000000
SLEEP_SECONDS = 10  # longer than it takes to start them all, Go's goroutines included
TIMERS_PENDING = 10000

QUESTIONS = [
    Question(
        "switch", "A raw switch of stacks", "ns", "ns",
        [
            Contestant("Boost.Context", "boost_switch", [20000000]),
            Contestant("Hob", "hob_switch", [20000000]),
            Contestant("Hob, inline in a loop", "hob_switch", [20000000, "inline"]),
            Contestant("Hob, return mispredicted", "hob_switch", [20000000, "apart"]),
        ],
        [Claim("Hob", "Boost.Context", 0.6)],
    ),
    Question(
        "yield", "Two tasks that yield to each other: one yield", "ns", "ns",
        [
            Contestant("Go", "go_peer", ["yield", 5000000]),
            Contestant("Hob", "hob_tasks", ["yield", 5000000]),
        ],
        [Claim("Hob", "Go", 0.22)],
    ),
    Question(
        "spawn", "Starting an empty task and joining it", "ns", "ns",
        [
            Contestant("Go", "go_peer", ["spawn", 1000000]),
            Contestant("Hob", "hob_tasks", ["spawn", 1000000]),
            Contestant("Hob, one scope for all", "hob_tasks", ["spawn-shared", 1000000]),
            Contestant("Hob, a task that waits", "hob_tasks", ["spawn-wait", 1000000]),
            Contestant("Hob, async and await", "hob_tasks", ["async", 1000000]),
        ],
        # Go joins each of them by one WaitGroup for all: one scope for all is the like of it.
        [Claim("Hob", "Go", 0.15), Claim("Hob, one scope for all", "Go", 0.15)],
    ),
    Question(
        "timer", f"Setting a timer and taking it back, {TIMERS_PENDING} pending", "ns", "ns",
        [
            Contestant("libuv", "uv_timer", [TIMERS_PENDING, 1000000]),
            Contestant("Go", "go_peer", ["timer", TIMERS_PENDING, 1000000]),
            Contestant("Hob", "hob_timer", [TIMERS_PENDING, 1000000]),
        ],
        [Claim("Hob", "libuv", 0.25)],
    ),
    Question(
        "sleepers", "A million sleepers at once", "cpu_s", "CPU s",
        [
            Contestant("Go", "go_peer", ["sleepers", SLEEPERS, SLEEP_SECONDS]),
            Contestant("Hob, tasks", "hob_tasks", ["sleepers", SLEEPERS, SLEEP_SECONDS]),
            Contestant("Hob, callbacks", "hob_tasks", ["sleepers-call", SLEEPERS, SLEEP_SECONDS]),
            Contestant("Hob, promises", "hob_tasks", ["sleepers-then", SLEEPERS, SLEEP_SECONDS]),
        ],
        [
            Claim("Hob, tasks", "Go", 1.0),
            Claim("Hob, tasks", None, 4.8 * 1024, metric="bytes"),
            Claim("Hob, callbacks", None, 160, metric="bytes"),
            Claim("Hob, promises", None, 160, metric="bytes"),
            Claim("Hob, tasks", None, 0, metric="woke_early"),
        ],
        also=[("bytes", "bytes each, at the peak")],
        rounds=3,
    ),
    echo_question(50, [
        Claim("Hob on uring", "raw io_uring", 1.05),
        Claim("Hob on uring", "libuv", 0.85),
        Claim("Hob on epoll", "raw epoll", 1.08),
    ]),
    echo_question(1000, [
        Claim("Hob on uring", ("raw io_uring", "raw epoll"), 1.05),
        Claim("Hob on epoll", ("raw io_uring", "raw epoll"), 1.05),
    ]),
    talk_question("rendezvous", "A value there and one back, without a queue: a round trip",
                  2000000, 0.25),
    talk_question("stream", "Values through a queue of 128: one value", 10000000, 0.4),
    talk_question("select", "Receiving by a select over four channels: one value", 2000000, 0.25),
    talk_question("mutex", "Two tasks hand a mutex to each other: one hand-over", 2000000, 0.4),
    promise_question("settled", "Awaiting a promise that is settled already", 5000000,
                     [Claim("Hob", "Bun", 0.5)]),
    promise_question("settle", "A promise is made, settled and awaited", 2000000, []),
    promise_question("each", "A thousand items by eight tasks, which wait once for each: one item", 1000000,
                     [], go=True),
    hot_question(1),
    hot_question(32),
    hot_question(64),
    direct_question(1, 2000),
    direct_question(32, 10000),
    copy_question(),
    echo_tls_question("64", "64 bytes"),
    echo_tls_question("16384", "16 KiB"),
    shake_question("handshake", "full", "A full handshake (TLS 1.3, ECDSA P-256)"),
    shake_question("resumption", "resumed", "A handshake that resumes (TLS 1.3)"),
    http_load_question("json64", "'json', 64 connections",
                       ["--path", "/json", "--connections", "64"], 1.10, 1.10),
    http_load_question("json512", "'json', 512 connections",
                       ["--path", "/json", "--connections", "512"], None, None),
    http_load_question("plaintext", "'plaintext', 64 connections, 16 requests at once on each",
                       ["--path", "/plaintext", "--connections", "64", "--depth", "16"], 1.35, 1.35),
    web_question(),
    http_idle_question(),
    h2_question("h2json", "64 connections, one request at a time on each",
                ["--connections", "64", "--streams", "1", "--requests", "20000"]),
    h2_question("h2streams", "16 connections, 32 requests at once on each",
                ["--connections", "16", "--streams", "32", "--requests", "40000"]),
    h2_question("h2tls", "over TLS, 16 connections, 32 requests at once on each",
                ["--connections", "16", "--streams", "32", "--requests", "40000"], tls=True),
    ws_question("ws64", "64 bytes, 64 connections, one message at a time on each",
                ["--size", "64"]),
    ws_question("ws4096", "4 KiB, 64 connections, one message at a time on each",
                ["--size", "4096"]),
    ws_question("wsdepth", "64 bytes, 64 connections, 16 messages sent together on each",
                ["--size", "64", "--depth", "16"]),
    fetch_question("fetch64", "64 at once", 64, 10000),
    fetch_question("fetch1", "one after the other", 1, 3000),
    *[hostile_question(*attack) for attack in ATTACKS],
    ring_question(50),
    ring_question(1000),
]

ON_REQUEST = ("ring50", "ring1000", *[f"hostile-{attack[0]}" for attack in ATTACKS])


def make_file(path, pieces):
    """Each piece of 4 KiB begins with its own number; all of it is in memory afterwards."""
    with open(path, "wb") as f:
        for first in range(0, pieces, 256):
            block = bytearray(256 * 4096)
            for i in range(256):
                struct.pack_into("<Q", block, 4096 * i, first + i)
            f.write(block)
        f.flush()
        os.fsync(f.fileno())
    with open(path, "rb") as f:
        while f.read(1 << 20):
            pass


def make_cert(path):
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout", path + ".key", "-out", path]
    try:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return  # the servers say that there is none
    with open(path, "a", encoding="ascii") as cert, open(path + ".key", encoding="ascii") as key:
        cert.write(key.read())


MADE = {
    "reads": lambda path: make_file(path, READ_PIECES),
    "copy_from": lambda path: make_file(path, COPY_PIECES),
    "copy_to": lambda path: make_file(path, COPY_PIECES),
    "cert": make_cert,
}


class Made:
    """The files that arguments name: made when a question first wants them, removed in the end."""

    def __init__(self, build):
        self.folder = os.path.join(build, "bench", "made")
        self.paths = {}

    def __enter__(self):
        return self

    def for_question(self, question):
        """Returns {name: path} of all that there are, those of this question among them."""
        for name, make in MADE.items():
            if name in self.paths or not any("{" + name + "}" in c.args for c in question.contestants):
                continue
            os.makedirs(self.folder, exist_ok=True)
            self.paths[name] = os.path.join(self.folder, name)
            show_progress(f"{question.name}: making {self.paths[name]}")
            make(self.paths[name])
        return self.paths

    def __exit__(self, *what):
        for path in self.paths.values():
            for end in ("", ".key"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path + end)


def parse_lines(text):
    """The lines "name number" that programs print."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        try:
            values[name] = float(value)
        except ValueError:
            pass
    return values


def program_path(build, program):
    path = os.path.join(build, "bench", program)
    if not os.access(path, os.X_OK):
        raise NotInstalled(program)
    return path


def pinned(cores):
    """On these cores and, where that is allowed, ahead of what else runs there: most of the time,
    or (--ahead) whenever it has something to do."""
    def settle():
        os.sched_setaffinity(0, cores)
        with contextlib.suppress(OSError):
            if ahead:
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            else:
                os.nice(-15)
    return settle


def ahead_of_others(cores):
    """The same, so that whoever measures waits for nobody on his core, if that is allowed."""
    settle = pinned(cores)

    def settle_ahead():
        settle()
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    return settle_ahead


def behind_others(cores):
    def settle():
        os.sched_setaffinity(0, cores)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return settle


def run_to_end(argv, cores, env=None, settle=pinned):
    try:
        done = subprocess.run(
            argv, env={**os.environ, **(env or {})}, preexec_fn=settle(cores), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {RUN_SECONDS_MAX} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Failed(lines[-1] if lines else f"exit code {done.returncode}")
    return parse_lines(done.stdout)


def read_line(server, word, seconds_max=START_SECONDS_MAX):
    """Waits for the server's line that begins with `word`; returns what follows."""
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        end = time.monotonic() + seconds_max
        while time.monotonic() < end:
            if not selector.select(timeout=end - time.monotonic()):
                break
            line = server.stdout.readline()
            if line.startswith(word):
                return line[len(word):].strip()
            if line == "":
                break
    raise Failed(f"no line \"{word.strip()}\" of {server.args[0]} in {seconds_max} s")


def command_of(build, contestant, paths):
    return [program_path(build, contestant.program), *(a.format(**paths) for a in contestant.args)]


@contextlib.contextmanager
def running(build, contestant, paths, settle=None):
    """A server, while it is needed: its process, and its port."""
    server = subprocess.Popen(
        command_of(build, contestant, paths),
        env={**os.environ, **contestant.env}, preexec_fn=settle or pinned(contestant.cores), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield server, read_line(server, "port ")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def run_server(build, question, contestant, paths):
    with running(build, contestant, paths) as (server, port):
        if question.attack is not None:
            with running(build, contestant, paths, behind_others({LOAD_CORE})) as (_, other_port):
                return run_attacked(build, question, server, port, other_port)
        return run_to_end(
            [program_path(build, question.load_program), "--port", port.split()[0],
             "--pid", str(server.pid), *question.load],
            {LOAD_CORE})


def run_client(build, question, contestant, paths):
    with running(build, question.asked, paths) as (_, port):
        return run_to_end(command_of(build, contestant, {**paths, "port": port.split()[0]}), {LOAD_CORE},
                          contestant.env)


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return {line.split()[0].rstrip(":"): int(line.split()[1])
                for line in f if line.startswith(("VmHWM", "RssAnon"))}


@contextlib.contextmanager
def attacked(build, attack, port, told):
    """While it lasts. What became of the attack is in `told` then."""
    port, _, h2_port = port.partition(" ")
    attacker = subprocess.Popen(
        [program_path(build, "hostile"), attack, "--port", port, "--h2-port", h2_port or port],
        preexec_fn=behind_others({LOAD_CORE}), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    try:
        read_line(attacker, "ready", ATTACK_SECONDS_MAX)
        yield
        attacker.send_signal(signal.SIGTERM)
        told.update(parse_lines(attacker.communicate(timeout=RUN_SECONDS_MAX)[0]))
    finally:
        attacker.kill()
        attacker.wait()
        attacker.stdout.close()


def run_attacked(build, question, server, port, other_port):
    def ask_fairly():
        return run_to_end([program_path(build, question.load_program), "--port", port.split()[0],
                           "--pid", str(server.pid), *question.load], {LOAD_CORE},
                          settle=ahead_of_others)

    told = {}
    with attacked(build, question.attack, other_port, told):
        other = ask_fairly()
    before = memory_of(server.pid)
    with attacked(build, question.attack, port, told):
        values = ask_fairly()
        peak = memory_of(server.pid)
    time.sleep(0.5)
    return {
        **values, **told,
        "p99_other_us": other["p99_us"],
        "p99_ratio": values["p99_us"] / other["p99_us"],
        "new_p99_ratio": values["new_p99_us"] / other["new_p99_us"],
        "kib_each": (peak["VmHWM"] - before["VmHWM"]) / told["attackers"],
        "left_kib": memory_of(server.pid)["RssAnon"] - before["RssAnon"],
    }


def run_once(build, question, contestant, paths):
    if contestant.server:
        return run_server(build, question, contestant, paths)
    if question.asked is not None:
        return run_client(build, question, contestant, paths)
    return run_to_end(command_of(build, contestant, paths), contestant.cores, contestant.env)


def ask(build, question, rounds, end, paths):
    """Returns {contestant: {"rounds": [values, …]}}, or {"absent": why}. After `end` (a time of
    time.monotonic) no round begins but the first."""
    answers = {c.name: {"rounds": []} for c in question.contestants}
    for n in range(rounds):
        if n > 0 and time.monotonic() > end:
            break
        for contestant in question.contestants:
            answer = answers[contestant.name]
            if "absent" in answer:
                continue
            show_progress(f"{question.name}: round {n + 1} of {rounds}, {contestant.name}")
            try:
                answer["rounds"].append(run_once(build, question, contestant, paths))
            except NotInstalled:
                answers[contestant.name] = {"absent": "not installed"}
            except Failed as e:
                answers[contestant.name] = {"absent": f"failed: {e}"}
    show_progress("")
    return answers


def show_progress(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + text)
        sys.stderr.flush()


def series(answers, name, metric):
    return [r[metric] for r in answers.get(name, {}).get("rounds", []) if metric in r]


def median_of(answers, name, metric):
    values = series(answers, name, metric)
    return statistics.median(values) if values else None


def ratios(answers, name, limit, metric):
    """One ratio for each round."""
    ours, theirs = series(answers, name, metric), series(answers, limit, metric)
    return [a / b for a, b in zip(ours, theirs) if b > 0]


def best_of(answers, names, metric):
    """Which of the limits needs least, by its median."""
    medians = [(median_of(answers, n, metric), n) for n in names]
    present = [m for m in medians if m[0] is not None]
    return min(present)[1] if present else None


def check_claim(question, answers, claim):
    metric = claim.metric or question.metric
    limit = claim.limit
    if isinstance(limit, tuple):
        limit = best_of(answers, limit, metric)
    if claim.limit is None:
        measured = median_of(answers, claim.who, metric)
    else:
        values = ratios(answers, claim.who, limit, metric)
        measured = statistics.median(values) if values else None
    return {
        "who": claim.who,
        "metric": metric,
        "limit": limit,
        "wanted": claim.wanted,
        "measured": measured,
        "verdict": "not measured" if measured is None
                   else "OK" if measured <= claim.wanted else "MISSED",
    }


def machine():
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    kernel = ".".join(platform.release().split("-")[0].split(".")[:3])
    return {"kernel": f"Linux {kernel}", "cores": len(CORES), "cpu": model,
            "arch": platform.machine()}


def ratio_base(question, answers):
    """What the table's ratios refer to: the first contestant that answered."""
    for contestant in question.contestants:
        if series(answers, contestant.name, question.metric):
            return contestant.name
    return None


def summarize(question, answers):
    rounds = max(len(a.get("rounds", [])) for a in answers.values())
    base = ratio_base(question, answers) if question.own is None else "itself, not attacked"
    rows = []
    for contestant in question.contestants:
        name = contestant.name
        row = {"name": name, "absent": answers[name].get("absent")}
        if row["absent"] is None:
            values = (ratios(answers, name, base, question.metric) if question.own is None
                      else series(answers, name, question.own))
            row["ratio"] = statistics.median(values) if values else None
            row["ratio_min"] = min(values, default=None)
            row["ratio_max"] = max(values, default=None)
            row["medians"] = {
                m: median_of(answers, name, m)
                for m in [question.metric] + [a[0] for a in question.also]
            }
        rows.append(row)
    return {
        "question": question.name,
        "title": question.title,
        "metric": question.metric,
        "unit": question.unit,
        "also": [list(a) for a in question.also],
        "taken": datetime.date.today().isoformat(),
        "machine": machine(),
        "rounds": rounds,
        "ratios_to": base,
        "rows": rows,
        "claims": [check_claim(question, answers, c) for c in question.claims],
        "measurements": answers,
    }


def number(value):
    """Three digits that mean something."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def claim_text(question_title, unit, claim):
    wanted, measured = number(claim["wanted"]), number(claim["measured"])
    if claim["limit"] is None:
        words = {"bytes": "bytes each", "woke_early": "of them awake before all were asleep",
                 "p99_ratio": "times the p99 that it has when not attacked", "failed": "of the others' requests failed",
                 "kib_each": "KiB for each of them, at the peak"}
        what = words.get(claim["metric"], unit)
        return f"{claim['who']}: at most {wanted} {what}; measured {measured}: {claim['verdict']}"
    return (f"{claim['who']}: at most {wanted} of {claim['limit']}; "
            f"measured {measured}: {claim['verdict']}")


def print_summary(summary):
    print(f"\n{summary['title']} ({summary['rounds']} rounds)")
    for row in summary["rows"]:
        if row["absent"] is not None:
            print(f"  {row['name']:<24} {row['absent']}")
            continue
        spread = f"{number(row['ratio_min'])}–{number(row['ratio_max'])}"
        line = f"  {row['name']:<24} {number(row['ratio']):>6}  {spread:<12}"
        line += f" [{number(row['medians'][summary['metric']])} {summary['unit']}]"
        for metric, heading in summary["also"]:
            line += f"  {heading} {number(row['medians'][metric])}"
        print(line)
    for claim in summary["claims"]:
        print("  " + claim_text(summary["title"], summary["unit"], claim))


def choose(names):
    if not names:
        return [q for q in QUESTIONS if q.name not in ON_REQUEST]
    def answers_to(question):
        return {question.name, question.name.rstrip("0123456789"), question.group}

    chosen = [q for q in QUESTIONS if answers_to(q) & set(names)]
    unknown = [n for n in names if not any(n in answers_to(q) for q in QUESTIONS)]
    if unknown:
        known = " ".join(q.name for q in QUESTIONS)
        sys.exit(f"bench: no question {' '.join(unknown)}; there are {known}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", metavar="QUESTION",
                        help="such as spawn, echo or comm; none: all but ring")
    parser.add_argument("--build", default="build", help="the build folder (build)")
    parser.add_argument("--rounds", type=int, help="of each question (each has its own number)")
    parser.add_argument("--minutes", type=float, default=MINUTES_MAX,
                        help=f"then each question that is left gets one round ({MINUTES_MAX})")
    parser.add_argument("--ahead", action="store_true",
                        help="nobody else has the cores while something is measured (SCHED_RR, where "
                             "that is allowed): for a machine that others use, too")
    parser.add_argument("--no-save", action="store_true", help="leave bench/results as it is")
    args = parser.parse_args()
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds must be at least 1")
    global ahead
    ahead = args.ahead

    m = machine()
    print(f"{m['kernel']}, {m['cores']} cores of {m['cpu']} ({m['arch']}). "
          "Medians of the ratios within a round, their range, [absolute figures]")
    if len(CORES) < 2:
        print("One core only: server and load share it, and the ratios are blurred.")
    all_summaries = []
    end = time.monotonic() + 60 * args.minutes
    with Made(args.build) as files:
        for question in choose(args.questions):
            answers = ask(args.build, question, args.rounds or question.rounds, end,
                          files.for_question(question))
            summary = summarize(question, answers)
            all_summaries.append(summary)
            print_summary(summary)
            sys.stdout.flush()
            if not args.no_save:
                os.makedirs(RESULTS, exist_ok=True)
                with open(os.path.join(RESULTS, question.name + ".json"), "w", encoding="utf-8") as f:
                    json.dump(summary, f, indent=1, ensure_ascii=False)
                    f.write("\n")

    verdicts = [c["verdict"] for s in all_summaries for c in s["claims"]]
    print(f"\n{verdicts.count('OK')} claims OK, {verdicts.count('MISSED')} MISSED, "
          f"{verdicts.count('not measured')} not measured")


if __name__ == "__main__":
    main()
