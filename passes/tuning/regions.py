"""The regions of a model that int8 makes slower, by the profiles of the float model and of a quantized one.

The time of a layer includes its conversions (see `layer_times`): a layer may be faster in int8 by itself, and slower
with the rounding and the changes of layout in front of it. Neighbours that are slower belong to one region, since the
conversions between them go only if all of them are float.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

#: A layer is slower if that costs more than this share of the model's time: profiles count microseconds.
NOTABLE = 0.002


@dataclass(frozen=True)
class Region:
    """Layers that may become faster if they go back to float together.

    Attributes:
        layers: The layers of the region that are in int8.
        saved: The predicted gain in seconds for an inference.
    """

    layers: frozenset[str]
    saved: float


def slower_regions(
    before: Mapping[str, float],
    after: Mapping[str, float],
    int8: Set[str],
    edges: Collection[tuple[str, str]],
) -> list[Region]:
    """The regions that are slower in a quantized model, the highest gain for a layer first.

    A region of layers that are float already pays for conversions behind int8 layers: those that give its inputs join
    it, if all of them together are slower.

    Args:
        before: Layer -> its seconds in the float model.
        after: Layer -> its seconds in the quantized model.
        int8: The layers that are in int8 in the quantized model.
        edges: The pairs of neighbours, the producer first.
    """
    lost = {name: after.get(name, 0.0) - seconds for name, seconds in before.items()}
    least = NOTABLE * sum(before.values())
    found = list[Region]()
    for members in _components({name for name, each in lost.items() if each > least}, edges):
        givers = {first for first, second in edges if second in members} & int8
        layers = (members & int8) or givers
        saved = sum(lost[name] for name in members | layers if name in lost)
        if layers and saved > least:
            found.append(Region(frozenset(layers), saved))
    return sorted(found, key=lambda each: (-each.saved / len(each.layers), sorted(each.layers)))


def first_cut(regions: Sequence[Region], share: float) -> frozenset[str]:
    """The layers of the first regions that make up a share of the predicted gain."""
    layers, saved, wanted = set[str](), 0.0, share * sum(each.saved for each in regions)
    for each in regions:
        if saved >= wanted:
            break
        layers |= each.layers
        saved += each.saved
    return frozenset(layers)


def slowest_but(
    before: Mapping[str, float], after: Mapping[str, float], int8: Iterable[str], least: float
) -> frozenset[str]:
    """The layers in int8 that do not gain a share of the float model's time each.

    Args:
        before: Layer -> its seconds in the float model.
        after: Layer -> its seconds in the quantized model.
        int8: The layers that are in int8 in the quantized model.
        least: The share.
    """
    enough = least * sum(before.values())
    return frozenset(name for name in int8 if before.get(name, 0.0) - after.get(name, 0.0) < enough)


def _components(names: Set[str], edges: Iterable[tuple[str, str]]) -> list[set[str]]:
    """The connected parts of some layers, in the order of their first names."""
    found = {name: {name} for name in sorted(names)}
    for first, second in sorted(edges):
        if first in found and second in found and found[first] is not found[second]:
            joined = found[first] | found[second]
            found |= dict.fromkeys(joined, joined)
    return list({id(each): each for each in found.values()}.values())
