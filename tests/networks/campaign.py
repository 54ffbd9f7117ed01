"""Many drawn models, in processes of their own: a crash of the runtime is found like any other failure.

Prints one line for each kind of failure, with how often it was found, the first seeds, and a small network that fails
alike.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from .checking import FoundError, Outcome, signature_of


@dataclass(frozen=True)
class Drawing:
    """What a campaign draws.

    Attributes:
        program: The program that runs it.
        check: Draws, quantizes and checks the model of a seed.
        run_float: Runs only the float model of a seed.
        smaller: For a seed and a signature, a smaller model that fails alike, in a line or more; None: it has none.
    """

    program: Path
    check: Callable[[int], Outcome]
    run_float: Callable[[int], None]
    smaller: Callable[[int, str], str] | None = None


@dataclass
class Found:
    """What a campaign found.

    Attributes:
        kinds: How many networks ended how.
        failures: Signature -> seeds and details.
        unsound: Why networks were no networks.
        left_float: Layers that were left float because of what the device does with them, and their networks.
        margins: Ratio in dB of each quantized network, as its FakeQuantizes say, and its seed.
        seconds: All networks together.
    """

    kinds: Counter[str] = field(default_factory=Counter[str])
    failures: dict[str, list[tuple[int, str]]] = field(default_factory=dict[str, list[tuple[int, str]]])
    unsound: Counter[str] = field(default_factory=Counter[str])
    left_float: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    margins: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    seconds: float = 0.0

    def add(self, result: dict[str, Any]) -> None:
        """Takes in the result of a network."""
        self.kinds[result["kind"]] += 1
        self.seconds += result.get("seconds", 0.0)
        if result["kind"] == "failed":
            self.failures.setdefault(result["signature"], []).append((result["seed"], result["detail"]))
        if result["kind"] == "unsound":
            self.unsound[result["detail"]] += 1
        if result["kind"] == "quantized":
            self.margins.append((result["margin"], result["seed"]))
            for each in result["left_float"]:
                self.left_float.setdefault(each, []).append(result["seed"])


def one(drawing: Drawing, seed: int) -> dict[str, Any]:
    """Draws and checks a model."""
    began = time.perf_counter()
    try:
        outcome = drawing.check(seed)
        found: dict[str, Any] = {
            "kind": outcome.kind,
            "margin": outcome.margin,
            "detail": outcome.detail,
            "excess": outcome.excess,
            "left_float": outcome.left_float,
        }
    except FoundError as failure:
        found = {"kind": "failed", "signature": failure.signature, "detail": failure.detail}
    except Exception as error:
        found = {
            "kind": "failed",
            "signature": f"in the generator: {signature_of(error)}",
            "detail": traceback.format_exc()[-2000:],
        }
    return {"seed": seed, **found, "seconds": time.perf_counter() - began}


def work(drawing: Drawing, seeds: Sequence[int]) -> None:
    """What a process of its own does: a line before each model, and one behind."""
    for seed in seeds:
        print(json.dumps({"began": seed}), flush=True)
        print(json.dumps(one(drawing, seed)), flush=True)


def run(drawing: Drawing, seeds: Sequence[int], jobs: int) -> Found:
    """Checks models in as many processes as wanted."""
    found, lock = Found(), Lock()

    def share(mine: Sequence[int]) -> None:
        for result in _results(drawing, mine):
            with lock:
                found.add(result)
                _tell(found, result)

    threads = [Thread(target=share, args=(seeds[k::jobs],)) for k in range(jobs)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def _tell(found: Found, result: dict[str, Any]) -> None:
    """Each failure, and how far the campaign is."""
    if result["kind"] == "failed":
        print(f"seed {result['seed']}: {result['signature']}", flush=True)
    if (count := found.kinds.total()) % 500 == 0:
        print(f"{count} models: {dict(found.kinds)}", flush=True)


def _results(drawing: Drawing, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The results of a process, and of the ones after it if the runtime ends it."""
    left = list(seeds)
    while left:
        # glibc fills new memory, so that what the runtime reads before it was written is never right by chance
        environment = {**os.environ, "MALLOC_PERTURB_": "1"}
        command = [sys.executable, str(drawing.program), "--work"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, text=True, env=environment, stdin=pipe, stdout=pipe) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(" ".join(map(str, left[:500])))
            process.stdin.close()
            began = None
            for line in process.stdout:
                result = json.loads(line) if line.startswith("{") else {}
                began = result.get("began", began)
                if "kind" in result:
                    left.remove(result["seed"])
                    yield result
                    began = None
        if began is not None:
            left.remove(began)
            if _ends_the_process(drawing, began, environment):
                yield {"kind": "unsound", "seed": began, "detail": "the runtime dies of the float model"}
                continue
            yield {
                "kind": "failed",
                "seed": began,
                "signature": f"the process ended with {process.returncode}",
                "detail": "",
            }
        elif process.returncode:
            raise RuntimeError(f"a worker ended with {process.returncode}")


def _ends_the_process(drawing: Drawing, seed: int, environment: dict[str, str]) -> bool:
    """Whether the float model of a seed ends a process, without any quantization."""
    command = [sys.executable, str(drawing.program), "--float", "--seed", str(seed)]
    return subprocess.run(command, env=environment, check=False).returncode < 0


def report(drawing: Drawing, found: Found, save: Path | None, *, shrink: bool) -> None:
    """Prints what was found."""
    count = sum(found.kinds.values())
    print(f"{dict(found.kinds)}, {found.seconds / max(1, count):.2f} s a model")
    margins = sorted(found.margins)
    if margins:
        print(
            "ratio in dB, least, at 5 %, at half:",
            *(f"{margins[int(share * len(margins))][0]:.1f}" for share in (0, 0.05, 0.5)),
        )
        print("the least:", ", ".join(f"{ratio:.1f} (seed {seed})" for ratio, seed in margins[:8]))
    for reason, times in found.unsound.most_common():
        print(f"no model: {times} x {reason}")
    for what, seeds in sorted(found.left_float.items(), key=lambda each: -len(each[1])):
        print(f"left float: {len(seeds)} x {what}; seeds {seeds[:6]}")
    for number, (signature, cases) in enumerate(sorted(found.failures.items(), key=lambda each: -len(each[1]))):
        seeds = [seed for seed, _ in cases]
        print(f"FAILED {len(cases)} x {signature}; seeds {seeds[:6]}", flush=True)
        text = f"{signature}\n{len(cases)} times, seeds {seeds[:20]}\n{cases[0][1]}\n"
        if shrink and drawing.smaller and not signature.startswith("the process"):
            text += (small := drawing.smaller(seeds[0], signature))
            print("  " + "\n  ".join(small.splitlines()[:2]), flush=True)
        if save:
            save.mkdir(parents=True, exist_ok=True)
            (save / f"{number:03}.txt").write_text(text)


def main(drawing: Drawing) -> int:
    """The program of a drawing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--float", action="store_true", help="run only the float model of that seed")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(drawing, [*map(int, sys.stdin.read().split())])
        return 0
    if given.float:
        drawing.run_float(given.seed)
        return 0
    print(f"seed {given.seed}, {given.count} models", flush=True)
    found = run(drawing, range(given.seed, given.seed + given.count), given.jobs)
    report(drawing, found, given.save, shrink=not given.no_shrink)
    return 1 if found.failures else 0
