"""Writes models over one another, is killed at a random moment, and looks at what is left; many times.

    python killed_writers.py FOLDER TIMES SEED

Prints one line of JSON: how often each model was found. Exits with 1 where something else was found.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from irquant.ir import Graph, element_type, read_model, write_model
from irquant.ir.atomic_write import finish_interrupted_write

_F32 = element_type("f32")


def model(name: str, size: int) -> Graph:
    """A model that is one constant, with a value that tells which model it is."""
    graph = Graph()
    constant = graph.add_constant(name, np.full(size, float(size), np.float32))
    graph.add("Result", f"{name}/result", [constant.output()], [])
    return graph


def content(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def main(folder: Path, times: int, seed: int) -> int:
    graphs = {name: model(name, size) for name, size in (("small", 3_000), ("large", 400_000), ("other", 399_999))}
    wanted: dict[tuple[bytes, bytes], str] = {}
    for name, graph in graphs.items():
        write_model(graph, folder / f"{name}.xml")
        wanted[content(folder / f"{name}.xml")] = name
    path, chance, found = folder / "target.xml", random.Random(seed), Counter[str]()
    write_model(graphs["small"], path)
    for _ in range(times):
        child = os.fork()
        if not child:
            while True:
                for graph in graphs.values():
                    write_model(graph, path)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loud = not path.exists()  # between the files: nobody can mistake this for a model
        torn = not loud and content(path) not in wanted
        finish_interrupted_write(path)
        name = wanted.get(content(path), "something else")
        read_model(path)
        found["finished later" if loud else name] += 1
        if torn or name == "something else":
            print(json.dumps({"torn": torn, "found": name}))
            return 1
    write_model(graphs["small"], path)
    left = sorted(each.name for each in folder.iterdir() if each.name.startswith("."))
    print(json.dumps({**found, "left behind": left}))
    return bool(left)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
