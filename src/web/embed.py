#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a text of C from a page: embed.py PAGE OUT. Beside it, the policy that lets the page's own
style and script run, by their hashes (Content Security Policy 3), and nothing else."""
import base64
import hashlib
import pathlib
import re
import sys


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def literal(line):
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"\n'


def main():
    page = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    if not page.isascii() or "??" in page:
        sys.exit("the page is to be ASCII, and without trigraphs")
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    if len(styles) != 1 or len(scripts) != 1:
        sys.exit("the page is to have one style and one script")
    policy = ("default-src 'none'; script-src " + hash_of(scripts[0]) + "; style-src " + hash_of(styles[0]) +
              "; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    text = "/* Made by embed.py. */\n#include \"web/docs.h\"\n\nconst char hob__web_docs_page[] =\n"
    text += "".join(literal(line) for line in page.splitlines(keepends=True)) + ";\n\n"
    text += "const char hob__web_docs_policy[] =\n" + literal(policy) + ";\n"
    pathlib.Path(sys.argv[2]).write_text(text)


main()
