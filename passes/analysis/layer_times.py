"""The time that the device takes for each layer, and the layers that are slower in int8 than in float.

Profiles list executed nodes. Their names show the layer that they belong to. The FakeQuantizes on a layer's inputs
belong to it, too: they cost time if the device rounds or decompresses again at every inference. Conversions of layout
and type between two layers belong to the second one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ...ir import Graph
from ...ir.ops import LAYER_TYPES
from ..runtime.executed import Executed

#: A profile: executed nodes and the seconds of each.
Profile = Sequence[tuple[Executed, float]]
#: The suffixes that the plugin appends to a layer's name when it rewrites the layer.
_SUFFIXES = ("_original", "/DequantizationMultiply")
#: The suffix that irquant appends to a layer's name for a FakeQuantize on one of its inputs.
_QUANTIZER = "/fq_"
#: An int8 model is clearly faster if its time is below the first share of the float model's time, and layers that are
#: slower in int8 cost no more than the second share. If not, its latency is measured.
_CLEARLY, _COSTLY = 0.8, 0.1
#: The seconds below which a model is not judged: a call of the runtime takes as long as its layers.
SHORT = 1e-3
#: A layer is slower if int8 multiplies its time by the first number, and adds the second share of the model's time.
_SLOWER, _NOTABLE = 1.2, 0.02
#: Int8 makes no layer faster by more than this factor, not even with AMX.
_MOST_GAIN = 8.0


@dataclass(frozen=True)
class SlowLayer:
    """A layer that the device runs slower in int8 than in float.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        before: Its seconds in the float model.
        after: Its seconds in the quantized model.
    """

    name: str
    type: str
    before: float
    after: float


@dataclass(frozen=True)
class LayerTime:
    """The time of a layer, or of layers that run as one, in both models.

    Attributes:
        names: The friendly names of the layers.
        before: Its seconds in the float model.
        after: Its seconds in the quantized model.
        is_sure: Whether all blocks of rounds agree on which of the two is less.
    """

    names: tuple[str, ...]
    before: float
    after: float
    is_sure: bool = True


def originals(layer: Executed, known: Collection[str]) -> Iterator[str]:
    """The layers of the model that an executed layer contains; names may hold the separating commas."""
    joined = f",{layer.fused},"
    parts = [layer.name, *layer.fused.split(","), *(name for name in known if "," in name and f",{name}," in joined)]
    for part in parts:
        for suffix in _SUFFIXES:
            part = part.removesuffix(suffix)
        if part in known:
            yield part


def run_as_one(layers: Iterable[str], *profiles: Profile) -> Mapping[str, str]:
    """Layer -> the first of the layers that run with it as one node in either model: these compare only together."""
    found = {name: name for name in layers}
    for node, _ in (each for profile in profiles for each in profile):
        joined = {found[name] for name in originals(node, found)}
        if len(joined) > 1:
            first = next(name for name in found if found[name] in joined)
            found = {name: found[first] if other in joined else other for name, other in found.items()}
    return found


def joined_with_readers(groups: Mapping[str, str], floats: Profile, quantized: Profile) -> Mapping[str, str]:
    """The groups of `run_as_one`, in which layers that the float model does not show join those that read them.

    Attention that is one operation in the float model is two products in the quantized one.

    Args:
        groups: Layer -> the first of the layers that run as one with it.
        floats: The profile of the float model.
        quantized: The profile of the quantized model.
    """
    shown = layer_seconds(floats, groups)
    readers = dict(sorted(layer_edges([node for node, _ in quantized], groups)))
    return {name: readers.get(first, first) if first not in shown else first for name, first in groups.items()}


def layer_seconds(profile: Profile, groups: Mapping[str, str]) -> Mapping[str, float]:
    """The seconds of each layer, or of layers that run as one, with its conversions (see `_owners_in`)."""
    owners, found = _owners_in([node for node, _ in profile], groups), dict[str, float]()
    for node, seconds in profile:
        if owner := owners.get(node.name):
            found[groups[owner]] = found.get(groups[owner], 0.0) + seconds
    return found


def layer_times(
    groups: Mapping[str, str], before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]
) -> list[LayerTime]:
    """The times of all layers that the profiles of both models show, in the order of the model: medians of blocks.

    Args:
        groups: Layer -> the first of the layers that run as one with it.
        before: The seconds of the float model's layers in each block of rounds (see `layer_seconds`).
        after: The seconds of the quantized model's layers in the same blocks.
    """
    joined = dict[str, list[str]]()
    for name, first in groups.items():
        joined.setdefault(first, []).append(name)
    return [
        _time_of(tuple(names), [each[first] for each in before], [each[first] for each in after])
        for first, names in joined.items()
        if all(first in each for each in (*before, *after))
    ]


def _time_of(names: tuple[str, ...], before: Sequence[float], after: Sequence[float]) -> LayerTime:
    longer = {second > first for first, second in zip(before, after, strict=True)}
    return LayerTime(names, median(before), median(after), is_sure=len(longer) == 1)


def layer_edges(nodes: Sequence[Executed], groups: Mapping[str, str]) -> set[tuple[str, str]]:
    """The pairs of layers, or of layers that run as one, of which the first gives the second its input."""
    owners = _owners_in(nodes, groups)
    owned = [(source, node.name) for node in nodes for source in node.sources if {source, node.name} <= owners.keys()]
    pairs = {(groups[owners[source]], groups[owners[name]]) for source, name in owned}
    return {(first, second) for first, second in pairs if first != second}


def slower_layers(
    graph: Graph, before: Mapping[str, float], after: Mapping[str, float], total: float
) -> list[SlowLayer]:
    """The layers that are slower in int8 by a notable share of the float model's time, the costliest first.

    Args:
        graph: The float model, or the quantized one.
        before: The seconds of the float model's layers (see `layer_seconds`).
        after: The seconds of the quantized model's layers.
        total: The seconds of an inference of the float model; if it is short, no layer is named.
    """
    if total < SHORT:
        return []
    types = {node.name: node.type for node in graph.nodes(*LAYER_TYPES)}
    found = [
        SlowLayer(name, types[name], seconds, after[name])
        for name, seconds in before.items()
        if after.get(name, 0.0) > max(_SLOWER * seconds, seconds + _NOTABLE * total)
    ]
    return sorted(found, key=lambda each: each.before - each.after)


def surely_slower(graph: Graph, times: Sequence[LayerTime], total: float) -> list[SlowLayer]:
    """The layers that are slower in int8 by a notable share of the time, and in all blocks of rounds.

    Args:
        graph: The float model, or the quantized one.
        times: The times of the layers.
        total: The seconds of an inference of the float model; if it is short, no layer is named.
    """
    sure = {each.names[0]: each for each in times if each.is_sure}
    before = {name: each.before for name, each in sure.items()}
    return slower_layers(graph, before, {name: each.after for name, each in sure.items()}, total)


def in_both(first: Iterable[SlowLayer], second: Iterable[SlowLayer]) -> list[SlowLayer]:
    """The layers that are slower in two measurements, each with the smaller loss: other programs hit any layer once."""
    again = {each.name: each for each in second}
    pairs = [(each, again[each.name]) for each in first if each.name in again]
    found = [min(pair, key=lambda each: each.after - each.before) for pair in pairs]
    return sorted(found, key=lambda each: each.before - each.after)


def are_possible(slower: Sequence[SlowLayer], before: float, after: float) -> bool:
    """Whether the losses of some layers fit to the measured times of both models.

    If these layers took so long, the others would have to make up for it, and int8 gains only so much.

    Args:
        slower: The layers.
        before: The seconds of the float model.
        after: The seconds of the quantized model.
    """
    others_before = before - sum(each.before for each in slower)
    others_after = after - sum(each.after for each in slower)
    return others_after * _MOST_GAIN >= others_before


def looks_slow(emulated: Profile, executed: Profile, graph: Graph) -> bool:
    """Whether int8 may be no faster than float, for the model or for layers that matter.

    The float model is not compiled: its time is estimated as that of the emulation without the FakeQuantizes.

    Args:
        emulated: A profile of the quantized model with its FakeQuantizes computed in float.
        executed: A profile of the quantized model as it runs.
        graph: The quantized model.
    """
    layers = [node.name for node in graph.nodes(*LAYER_TYPES)]
    float_ = [(node, seconds) for node, seconds in emulated if not _is_quantizer(node, layers)]
    total = sum(seconds for _, seconds in float_)
    if total < SHORT:
        return False
    groups = run_as_one(layers, emulated, executed)
    slower = slower_layers(graph, layer_seconds(float_, groups), layer_seconds(executed, groups), total)
    lost = sum(each.after - each.before for each in slower)
    return sum(seconds for _, seconds in executed) > _CLEARLY * total or lost > _COSTLY * total


def _is_quantizer(node: Executed, layers: Collection[str]) -> bool:
    return node.type == "FakeQuantize" or (_QUANTIZER in node.fused and not any(originals(node, layers)))


def _owners_in(nodes: Sequence[Executed], layers: Collection[str]) -> Mapping[str, str]:
    """Executed node -> the layer to which its time counts.

    What prepares the input of a layer (conversions of layout or type, and operations without weights) counts to that
    layer; what follows the last layers counts to them.

    Args:
        nodes: The executed nodes, in topological order.
        layers: The names of the layers.
    """
    own = {node.name: owner for node in nodes if (owner := next(iter(_owners(node, layers)), None))}
    found = dict(own)
    for node in reversed(nodes):
        if node.name in found:
            found |= dict.fromkeys([each for each in node.sources if each not in own], found[node.name])
    for node in nodes:
        if node.name not in found and (owner := next((found[each] for each in node.sources if each in found), None)):
            found[node.name] = owner
    return found


def _owners(node: Executed, layers: Collection[str]) -> Iterable[str]:
    """The layers that an executed node belongs to, itself first."""
    yield from originals(node, layers)
    for part in (node.name, *node.fused.split(",")):
        if (owner := part.partition(_QUANTIZER)[0]) in layers:
            yield owner
