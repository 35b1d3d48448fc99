#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines made of noise, read by another reader of JSON: test_log_json.py BUILD.

What Python's json reads is what went in, but that bytes which are not UTF-8 are U+FFFD; what is cut is
the beginning of it. In the text form each is one line, printable, in the order in which it was said.
"""
import datetime
import json
import math
import pathlib
import struct
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = BUILD / "tests" / "log" / "noisy_lines"
COUNT = 3000
UNSEEN = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x61C, 0x200E, 0x200F,
          *range(0x202A, 0x202F), *range(0x2066, 0x206A)}

passed = failed = 0


def fails(what, *more):
    global failed
    failed += 1
    if failed < 10:
        print("FAILED", what, *more, file=sys.stderr)


def lines(form, seed):
    out = subprocess.run([str(PROGRAM), form, str(COUNT), str(seed)], capture_output=True, check=True,
                         timeout=120).stdout
    rows = out.split(b"\n")
    assert rows.pop() == b"" and len(rows) == 2 * COUNT, "a newline came out of the noise"
    for told, line in zip(rows[::2], rows[1::2]):
        message, text, data, bits, big, small, wall = told.decode().split(" ")
        yield {
            "message": bytes.fromhex(message).decode("utf-8", "replace"),
            "text": bytes.fromhex(text).decode("utf-8", "replace"),
            "bytes": bytes.fromhex(data).decode("utf-8", "replace"),
            "number": struct.unpack("<d", int(bits, 16).to_bytes(8, "little"))[0],
            "big": int(big), "small": int(small), "wall": int(wall),
        }, line


def check_seen(line):
    if len(line) > 4095:
        fails("too long:", len(line))
    for char in line.decode("utf-8"):  # strict: what is not UTF-8 raises
        if ord(char) in UNSEEN:
            fails("not to be seen:", hex(ord(char)), line)


def no_twins(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        fails("a name twice", pairs)
    return dict(pairs)


def check_json(said, line):
    got = json.loads(line, object_pairs_hook=no_twins,
                     parse_constant=lambda word: fails("no JSON:", word))
    cut = got.pop("cut", False)
    if got["message"] != said["message"] and not (cut and said["message"].startswith(got["message"])):
        fails("message", said["message"], got["message"])
    for name in ("text", "bytes", "number", "big", "small"):
        if name not in got:
            if not cut:
                fails("left out:", name, line)
            continue
        want = said[name]
        if isinstance(want, float) and not math.isfinite(want):
            want = None
        if got[name] != want and not (cut and isinstance(want, str) and want.startswith(got[name])):
            fails(name, repr(want), repr(got[name]))
    seconds, rest = divmod(said["wall"], 10**9)
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    if got["time"] != f"{when}.{rest // 1000:06}Z":
        fails("time", said["wall"], got["time"])
    if (got["level"], got["task"], got["task_name"], got["worker"], got["at"]) != (
            "error", 7, "noise\n", 3, 'b"c.c:9'):
        fails("the tail", got)


def check_text(said, line):
    text = line.decode("utf-8")
    tail = ' task=7 task_name="noise\\n" worker=3 at="b\\"c.c:9"'
    if text[27:34] != " ERROR " or not text.endswith(tail):
        fails("head and tail", text)
    if " cut=true" + tail not in text and f" big={said['big']} small={said['small']}" + tail not in text:
        fails("numbers", text)


for form, check in (("json", check_json), ("text", check_text)):
    before = failed
    for seed in (1, 2026):
        for said, line in lines(form, seed):
            try:
                check_seen(line)
                check(said, line)
            except (ValueError, KeyError) as error:
                fails(error, line)
    passed += failed == before

print(f"{passed} passed, {int(failed > 0)} failed")
sys.exit(failed > 0)
