"""Changes one thing in a model at random and uses the model: each command works, or refuses the model in one line.

    python mutated_models.py CASES SEED MODEL.xml [MODEL.xml ...]

A change gives another value to an attribute, a dimension, an element type, the source of an edge, an entry of a port map or
the tag of a body, or takes an attribute, dimension, edge or port away. `inspect`, `explain`, `diff` and `quantize` then run
on the model, in a process with limits.
Prints one line of JSON: how often each command ended how. Exits with 1, and prints the cases, if one ended with a traceback, with the death of its process or at a limit.
"""

import json
import random
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from irquant.ir import UserError, read_model
from irquant.passes.runtime.samples import model_inputs
from irquant.tools.cli import cli

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.programs.limited import End, ends

VALUES = [
    *("1.5", "a,b", "nan", "", "-1", "0", "1", "2", "7", "999999999999", "1e400", "inf", "true", "x", "1,1", "1,1,1"),
    *("-5,3", "9" * 30),
]
SIZES = ["0", "1", "2", "3", "-1", "7", "1000000", "4611686018427387904"]
PRECISIONS = ["FP16", "FP32", "I64", "I32", "BOOL", "U8", "FP64", "STRING", "I4", "BF16", "dynamic"]
TYPES = ["f32", "i64", "f16", "boolean", "u8", "i4", "string"]
BODIES = ["body", "then_body", "else_body"]
MAPS = ("port_map", "back_edges", "then_port_map", "else_port_map")


def _attributes(net: ET.Element) -> list[tuple[ET.Element, str]]:
    return [(data, name) for data in net.iter("data") for name in data.attrib]


def change_attribute(net: ET.Element, chance: random.Random) -> None:
    data, name = chance.choice(_attributes(net))
    data.set(name, chance.choice(VALUES + TYPES))


def drop_attribute(net: ET.Element, chance: random.Random) -> None:
    data, name = chance.choice(_attributes(net))
    del data.attrib[name]


def change_size(net: ET.Element, chance: random.Random) -> None:
    chance.choice([*net.iter("dim")]).text = chance.choice(SIZES)


def change_rank(net: ET.Element, chance: random.Random) -> None:
    port = chance.choice([*net.iter("port")])
    if len(port) and chance.random() < 1 / 2:
        port.remove(port[0])
    else:
        ET.SubElement(port, "dim").text = chance.choice(SIZES)


def change_precision(net: ET.Element, chance: random.Random) -> None:
    chance.choice([*net.iter("port")]).set("precision", chance.choice(PRECISIONS))


def change_edge(net: ET.Element, chance: random.Random) -> None:
    edges = chance.choice([each for each in net.iter("edges") if len(each)])
    one, other = chance.choice([*edges]), chance.choice([*edges])
    one.attrib.update({name: other.attrib[name] for name in ("from-layer", "from-port")})


def drop_port(net: ET.Element, chance: random.Random) -> None:
    """One port less, and the edges in its graph that use it."""
    graph = chance.choice([each for each in net.iter() if each.find("layers") is not None])
    layer = chance.choice([*graph.iterfind("layers/layer")])
    sides = [side for side in layer if side.tag in ("input", "output") and len(side)]
    if not sides:
        return
    side = chance.choice(sides)
    port = chance.choice([*side])
    side.remove(port)
    ends = {(f"{end}-layer", f"{end}-port") for end in ("from", "to")}
    for edges in graph.iterfind("edges"):
        for edge in [*edges]:
            if any((edge.get(at), edge.get(of)) == (layer.get("id"), port.get("id")) for at, of in ends):
                edges.remove(edge)


def change_map(net: ET.Element, chance: random.Random) -> None:
    entries = [entry for each in net.iter() if each.tag in MAPS for entry in each]
    if entries:
        entry = chance.choice(entries)
        entry.set(chance.choice([*entry.attrib]), chance.choice(["0", "1", "2", "-1", "a", "", "5"]))


def change_body(net: ET.Element, chance: random.Random) -> None:
    if found := [each for each in net.iter() if each.tag in BODIES]:
        chance.choice(found).tag = chance.choice(BODIES)


def change_type(net: ET.Element, chance: random.Random) -> None:
    layers = [*net.iter("layer")]
    chance.choice(layers).set("type", chance.choice(layers).attrib["type"])


CHANGES: tuple[Callable[[ET.Element, random.Random], None], ...] = (
    *(change_attribute, change_attribute, drop_attribute, change_size, change_rank, change_precision, change_edge),
    *(drop_port, change_map, change_body, change_type),
)


def random_data(model: Path, path: Path, samples: int = 2) -> None:
    """Writes samples for a model; dynamic sizes are 2."""
    chance = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}
    for each in model_inputs(read_model(model)):
        shape = [samples, *(2 if size < 0 else size for size in each.shape or ())]
        is_float = each.element_type in ("f16", "f32", "f64", "bf16")
        found[each.name] = chance.normal(size=shape).astype(np.float32) if is_float else chance.integers(0, 2, shape)
    np.savez(path, allow_pickle=False, **found)


def run(arguments: Sequence[str]) -> tuple[str, str]:
    """The kind of a command's end, and its message."""
    error = CliRunner().invoke(cli, arguments, standalone_mode=False).exception
    if error is None:
        return "result", ""
    if isinstance(error, UserError) and "\n" not in str(error):
        return "one line", str(error)
    raise error


def case_ends(case: int, models: Sequence[Path], folder: Path) -> tuple[str, list[End]]:
    """What a case changes, and how the commands end."""
    chance = random.Random(case)
    model, change = chance.choice(models), chance.choice(CHANGES)
    net, path, data = ET.parse(model), folder / "m.xml", folder / f"{model.stem}.npz"
    change(net.getroot(), chance)
    net.write(path)
    shutil.copy(model.with_suffix(".bin"), path.with_suffix(".bin"))
    if not data.exists():
        random_data(model, data)
    commands = [
        *(["inspect", str(path)], ["explain", str(path)], ["diff", str(model), str(path)]),
        ["quantize", str(path), "--data", str(data), "-o", str(folder / "o.xml"), "--force", "--no-guard"],
    ]
    return f"{change.__name__} in {model}", ends((each[0], partial(run, each)) for each in commands)


def main(cases: int, seed: int, models: list[Path]) -> int:
    """Runs all cases."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in range(seed, seed + cases):
            what, found = case_ends(case, models, Path(folder))
            for each in found:
                counts[f"{each.step}: {each.kind}"] += 1
                if each.kind not in ("result", "one line"):
                    print(f"case {case}: {what}: {each.step}: {each.kind}: {each.detail}", file=sys.stderr, flush=True)
    print(json.dumps(counts))
    return int(any(kind in each for each in counts for kind in ("traceback", "death", "limit")))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), [Path(each) for each in sys.argv[3:]]))
