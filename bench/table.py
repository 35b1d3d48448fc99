#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts the results of the last benchmarks into README.md, between its two bench markers.

    bench/table.py [--check | --print] [README]

--check changes nothing and fails when the table is not what bench/results says.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import run as bench  # noqa: E402

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"


def read_results():
    """In the order of the questions; those asked on request are told of in bench/README.md."""
    results = []
    for question in bench.QUESTIONS:
        path = os.path.join(bench.RESULTS, question.name + ".json")
        if question.name not in bench.ON_REQUEST and os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                results.append(json.load(f))
    return results


def claims_of(result, who):
    """What was claimed about a row, in a few words."""
    words = []
    for claim in result["claims"]:
        if claim["who"] != who:
            continue
        wanted, measured = bench.number(claim["wanted"]), bench.number(claim["measured"])
        if claim["metric"] == "woke_early":
            words.append(f"all asleep at once: {claim['verdict']}")
        elif claim["limit"] is None:
            words.append(f"≤ {wanted} {claim['metric']}: {claim['verdict']}")
        else:
            words.append(f"≤ {wanted} of {claim['limit']}: {measured}, {claim['verdict']}")
    return "; ".join(words)


def figures_of(result, row):
    text = f"{bench.number(row['medians'][result['metric']])} {result['unit']}"
    for metric, heading in result["also"]:
        if row["medians"].get(metric) is not None and metric == "bytes":
            text += f", {bench.number(row['medians'][metric])} {heading}"
    return text


def table_of(result):
    lines = [
        f"**{result['title']}**",
        "",
        f"| | ratio to {result['ratios_to']} | [here] | claimed |",
        "| --- | ---: | ---: | --- |",
    ]
    for row in result["rows"]:
        if row["absent"] is not None:
            lines.append(f"| {row['name']} | {row['absent']} | | |")
        else:
            lines.append(f"| {row['name']} | {bench.number(row['ratio'])} | "
                         f"[{figures_of(result, row)}] | {claims_of(result, row['name'])} |")
    return lines + [""]


def render(results):
    if not results:
        return "No results yet: `make bench`.\n"
    m = results[0]["machine"]
    lines = [
        f"{m['kernel']}, {m['cores']} cores of {m['cpu']} ({m['arch']}), {results[0]['taken']}. "
        f"Contestants take turns, at least {min(r['rounds'] for r in results)} rounds; a ratio "
        "is the median of those within a round. Ratios travel to other machines, the figures in "
        "brackets do not. `make bench` measures anew, `make bench-table` writes this; "
        "[bench/README.md](bench/README.md) says what is asked and how.",
        "",
    ]
    for result in results:
        lines += table_of(result)
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readme", nargs="?", default=os.path.join(bench.ROOT, "README.md"))
    parser.add_argument("--check", action="store_true", help="only tell whether it is current")
    parser.add_argument("--print", action="store_true", help="to standard output instead")
    args = parser.parse_args()

    table = render(read_results())
    if args.print:
        print(table)
        return
    with open(args.readme, encoding="utf-8") as f:
        text = f.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"bench/table.py: {args.readme} has no {BEGIN} … {END}")
    new = f"{before}{BEGIN}\n{table}\n{END}{after}"
    if args.check:
        if new != text:
            sys.exit("bench/table.py: the table in README.md is not what bench/results says; "
                     "run make bench-table")
        return
    if new != text:
        with open(args.readme, "w", encoding="utf-8") as f:
            f.write(new)


if __name__ == "__main__":
    main()
