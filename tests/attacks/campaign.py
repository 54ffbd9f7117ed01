"""Attacks on the command line by the hundred: stops, failing calls, changed models.

Prints a line for each kind of failure when it is first seen, with what repeats it, and counts by outcome.
"""

import argparse
import errno
import multiprocessing
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TypeAlias

import openvino as ov

from tests.networks.drawing import draw, draw_recipe
from tests.programs.mutated_models import case_ends

from .scene import COMMANDS
from .stops import SIGNALS, Attacker, Case

#: A case, and the options that repeat it.
Found: TypeAlias = tuple[Case, str]
#: The networks whose models are changed: of as many seeds, those that the runtime takes.
_NETWORKS = 24


@dataclass
class Tally:
    """What was found.

    Attributes:
        outcomes: How many runs ended how.
        kinds: Kind of a failure -> how often.
    """

    outcomes: Counter[str] = field(default_factory=Counter[str])
    kinds: Counter[str] = field(default_factory=Counter[str])

    def add(self, case: Case, repeat: str) -> None:
        """Counts a case, and prints each kind of failure that is new.

        Args:
            case: The case.
            repeat: The options that repeat it.
        """
        self.outcomes[f"{case.what.split(' ')[0]}: {case.outcome}"] += 1
        if not self.outcomes.total() % 100:
            print(f"{self.outcomes.total()} runs, {self.kinds.total()} failures", flush=True)
        for fault in case.faults:
            kind = re.sub(r"[\d.]+", "N", fault)
            self.kinds[kind] += 1
            if self.kinds[kind] == 1:
                print(f"FAILED {repeat}: {case.what}: {fault}", flush=True)

    def report(self) -> int:
        """Prints the counts; returns the exit code of the program."""
        for outcome, count in sorted(self.outcomes.items()):
            print(f"{count:6} {outcome}")
        for kind, count in self.kinds.most_common():
            print(f"{count:6} x FAILED {kind}")
        print(f"{self.outcomes.total()} runs, {self.kinds.total()} failures", flush=True)
        return int(bool(self.kinds))


@dataclass(frozen=True)
class Share:
    """The part of a campaign that one process does.

    Attributes:
        given: The options of the program.
        number: The number of the process, from 0.
    """

    given: argparse.Namespace
    number: int

    def seeds(self) -> range:
        """Its seeds."""
        return range(self.given.seed + self.number, self.given.seed + self.given.count, self.given.jobs)


def stops(share: Share, folder: Path) -> Iterator[Found]:
    """Random commands, stopped by random signals at random moments."""
    attacker = Attacker(folder)
    for seed in share.seeds():
        yield attacker.stop(seed), f"stops --seed {seed} --count 1"


def calls(share: Share, folder: Path) -> Iterator[Found]:
    """Each command with each of its calls on files failing once."""
    given = share.given
    attacker = Attacker(folder, [each for each in COMMANDS if given.command in (None, each.name)])
    what = given.what if given.what in SIGNALS else getattr(errno, given.what)
    for command, over_old, is_worker in product(attacker.commands, (False, True), (False, True)):
        if is_worker and command.name != "zoo":
            continue
        count = len(attacker.calls(command, over_old=over_old, is_worker=is_worker))
        positions = range(1 + share.number, count + 1, given.jobs) if given.position is None else [given.position]
        for position in positions:
            case = attacker.strike(command, position, what, over_old=over_old, is_worker=is_worker)
            yield case, f"calls --what {given.what} --command {command.name} --position {position}"


def mutants(share: Share, folder: Path) -> Iterator[Found]:
    """Changed models of generated networks, in four commands."""
    models = sorted(given) if (given := share.given.models) else _networks(folder)
    for seed in share.seeds():
        what, ends = case_ends(seed, models, folder)
        for each in ends:
            is_good = each.kind in ("result", "one line")
            faults = () if is_good else (f"{each.step}: {each.kind}: {each.detail}",)
            yield Case(f"{each.step} {what}", each.kind, faults), f"mutants --seed {seed} --count 1"


def _networks(folder: Path) -> list[Path]:
    """Models of generated networks."""
    models: list[Path] = []
    for seed in range(_NETWORKS):
        try:
            found = draw(draw_recipe(seed))
        except RuntimeError:  # the runtime does not take what a block built
            continue
        if found:
            models.append(folder / f"network_{seed}.xml")
            ov.save_model(found.model, models[-1], compress_to_fp16=False)
    return models


ATTACKS: dict[str, Callable[[Share, Path], Iterator[Found]]] = {"stops": stops, "calls": calls, "mutants": mutants}


def _work(share: Share, found: "multiprocessing.Queue[Found | None]") -> None:
    """A process: its share of the cases, then None."""
    end = time.monotonic() + 60 * share.given.minutes
    try:
        with tempfile.TemporaryDirectory() as folder:
            for each in ATTACKS[share.given.attack](share, Path(folder).resolve()):
                found.put(each)
                if time.monotonic() > end:
                    break
    finally:
        found.put(None)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attack", choices=[*ATTACKS])
    parser.add_argument("models", nargs="*", type=Path, help="for mutants: the models; default: generated networks")
    parser.add_argument("--count", type=int, default=100, help="how many stops or mutants")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further case after this time")
    parser.add_argument("--what", default="EIO", help="for calls: the error, or the signal in front of the call")
    parser.add_argument("--command", choices=[each.name for each in COMMANDS], help="for calls: only this command")
    parser.add_argument("--position", type=int, help="for calls: only this call")
    given = parser.parse_args()
    print(f"{given.attack}, seed {given.seed}", flush=True)
    tally, context = Tally(), multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[Found | None] = context.Queue()
    processes = [context.Process(target=_work, args=(Share(given, k), found)) for k in range(given.jobs)]
    for each in processes:
        each.start()
    for _ in processes:
        while (one := found.get()) is not None:
            tally.add(*one)
    for each in processes:
        each.join()
    return tally.report() or int(any(each.exitcode for each in processes))
