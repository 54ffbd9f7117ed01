"""Quantizes ONNX's own test cases and tells what became of each.

    python -m tests.programs.onnx_cases [--cases N --seed S] [--only NAME] [--processes N] [--json FILE]

Each case is tried as it is, with its other inputs as constants, and between two layers. Prints how many were quantized,
left alone and why, and each distinct fault with its cases. Ends with 1 if there is one.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.corpora.onnx_models import Case, drawn_cases, model_cases, node_cases, node_modules
from tests.corpora.outcome import VARIANTS, Kind, Outcome
from tests.corpora.workers import judged

#: How many cases of each fault are named.
NAMED = 5


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases that the options ask for, shuffled, so that slow ones do not come last."""
    if options.cases is not None:
        cases = drawn_cases(options.cases, options.seed)
    else:
        cases = [each for each in (*node_cases(node_modules()), *model_cases()) if options.only in each.name]
    return random.Random(options.seed).sample(cases, len(cases))


def table(found: Iterable[Outcome]) -> list[str]:
    """Counts, as lines of a Markdown table."""
    counts = Counter((each.kind, each.variant) for each in found)
    yield_of = [[kind, *(str(counts[kind, variant]) for variant in VARIANTS)] for kind in Kind]
    rows = [["", *VARIANTS], ["---", *["---:"] * len(VARIANTS)], *yield_of]
    return [f"| {' | '.join(row)} |" for row in rows]


def groups(found: Sequence[Outcome], kind: Kind) -> list[str]:
    """Each distinct signature of a kind, the most frequent first, with some of its cases."""
    alike: dict[str, list[Outcome]] = defaultdict(list)
    for each in found:
        if each.kind is kind and each.detail:
            alike[each.signature].append(each)
    lines: list[str] = []
    for signature, members in sorted(alike.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(members)} x {signature}")
        lines += [f"    {each.case} ({each.variant}): {each.detail}" for each in members[:NAMED]]
    return lines


def main() -> int:
    """Runs the cases and prints what became of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, help="how many, as the seed draws them; default: all")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="keep all outcomes, one a line, as they come")
    options = parser.parse_args()
    started, found = time.monotonic(), list[Outcome]()
    cases = chosen(options)
    print(f"seed {options.seed}: {len(cases)} cases", flush=True)
    for outcomes in judged(cases, options.processes):
        found += outcomes
        if options.json:
            with options.json.open("a") as file:
                file.writelines(json.dumps(asdict(each)) + "\n" for each in outcomes)
    print("\n".join(["", *table(found), ""]))
    for kind, title in {Kind.QUANTIZED: "warnings", Kind.REFUSED: "refused", Kind.FAULT: "faults"}.items():
        print("\n".join([f"{title}:", *groups(found, kind), ""]))
    print(f"{time.monotonic() - started:.0f} s")
    return int(any(each.kind is Kind.FAULT for each in found))


if __name__ == "__main__":
    sys.exit(main())
