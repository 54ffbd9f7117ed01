"""Changes one thing in a model at random and uses the model: each step works, or refuses the model in one line.

    python mutated_models.py CASES SEED MODEL.xml [MODEL.xml ...]

A change gives another value to an attribute, a dimension, an element type, the source of an edge, an entry of a port map or
the tag of a body, or takes an attribute, dimension, edge or port away. `inspect` and `explain` then run on the model.
Prints one line of JSON: how many were refused and how many worked. Exits with 1, and prints the case, for any other
exception.
"""

import json
import random
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from irquant.ir import UserError
from irquant.passes.infra.base import InternalError
from irquant.tools.cli import cli

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


def outcome(path: Path) -> str:
    """Whether a model works or is refused."""
    for command in ("inspect", "explain"):
        error = CliRunner().invoke(cli, [command, str(path)], standalone_mode=False).exception
        if isinstance(error, UserError) and not isinstance(error, InternalError) and "\n" not in str(error):
            return "refused"
        if error is not None:
            raise error
    return "worked"


def main(cases: int, seed: int, models: list[Path]) -> int:
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in range(seed, seed + cases):
            chance = random.Random(case)
            model, change = chance.choice(models), chance.choice(CHANGES)
            net, path = ET.parse(model), Path(folder) / "m.xml"
            change(net.getroot(), chance)
            net.write(path)
            shutil.copy(model.with_suffix(".bin"), path.with_suffix(".bin"))
            try:
                outcomes[outcome(path)] += 1
            except BaseException:
                print(f"case {case}: {change.__name__} in {model}", file=sys.stderr)
                raise
    print(json.dumps(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), [Path(each) for each in sys.argv[3:]]))
