"""Damages model files in random ways and reads them: each read is correct, or an error that says what is wrong.

    python damaged_files.py CASES SEED MODEL.xml [MODEL.xml ...]

Prints one line of JSON: how many were refused and how many read. Exits with 1, and prints the case, for any other
exception, and for a read that takes more than ten seconds.
"""

import json
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from irquant.ir import IRError, from_text, read_model, to_text, write_model

NUMBERS = [b"-1", b"0", b"1", b"255", b"4294967296", b"9223372036854775807", b"18446744073709551616", b"1e9", b"x", b""]


def flip(data: bytearray, chance: random.Random) -> bytes:
    """A few bytes turned into others."""
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def truncate(data: bytearray, chance: random.Random) -> bytes:
    """The end cut off, at a random hundredth."""
    return bytes(data[: len(data) * chance.randrange(100) // 100])


def drop_attribute(data: bytearray, chance: random.Random) -> bytes:
    """One attribute less."""
    found = list(re.finditer(rb' [\w-]+="[^"]*"', data))
    one = chance.choice(found)
    return bytes(data[: one.start()] + data[one.end() :])


def change_number(data: bytearray, chance: random.Random) -> bytes:
    """One number replaced."""
    one = chance.choice(list(re.finditer(rb"\d+", data)))
    return bytes(data[: one.start()] + chance.choice(NUMBERS) + data[one.end() :])


def drop_element(data: bytearray, chance: random.Random) -> bytes:
    """One element without children less, or twice."""
    found = list(re.finditer(rb"<[\w-]+(?: [^<>]*)?/>|<dim>[^<]*</dim>", data))
    one = chance.choice(found)
    middle = chance.choice([b"", one[0] * 2])
    return bytes(data[: one.start()] + middle + data[one.end() :])


def swap_values(data: bytearray, chance: random.Random) -> bytes:
    """Two attribute values exchanged."""
    one, two = sorted(chance.sample(list(re.finditer(rb'"[^"]*"', data)), 2), key=lambda each: each.start())
    parts = [data[: one.start()], two[0], data[one.end() : two.start()], one[0], data[two.end() :]]
    return b"".join(map(bytes, parts))


CHANGES: list[Callable[[bytearray, random.Random], bytes]] = [
    flip,
    truncate,
    drop_attribute,
    change_number,
    drop_element,
    swap_values,
]


def attempt(path: Path) -> str:
    """Reads a model; one that can be read can be printed, read back and written, too."""
    try:
        graph = read_model(path)
    except IRError as error:
        if "\n" in str(error) or not str(error).startswith(str(path.parent)):
            raise AssertionError(f"an unclear message: {error}") from error
        return "refused"
    from_text(to_text(graph, values=True))
    write_model(graph, path.with_name("out.xml"))
    return "read"


def main(cases: int, seed: int, models: list[Path]) -> int:
    """Runs all cases."""
    chance, found = random.Random(seed), Counter[str]()
    sources = [(path.read_bytes(), path.with_suffix(".bin").read_bytes()) for path in models]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.xml"
        for case in range(cases):
            xml, weights = chance.choice(sources)
            change = chance.choice(CHANGES)
            if chance.random() < 0.1:
                weights = truncate(bytearray(weights), chance)
            path.write_bytes(change(bytearray(xml), chance))
            path.with_suffix(".bin").write_bytes(weights)
            signal.alarm(10)
            try:
                found[attempt(path)] += 1
            except Exception as error:
                kept = path.read_bytes()
                where = Path(tempfile.gettempdir()) / f"case_{seed}_{case}.xml"
                where.write_bytes(kept)
                print(json.dumps({"seed": seed, "case": case, "change": change.__name__, "error": repr(error)}), where)
                return 1
            signal.alarm(0)
    print(json.dumps({"seed": seed, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), [Path(name) for name in sys.argv[3:]]))
