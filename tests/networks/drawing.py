"""Recipes of networks, and the networks that they say.

A recipe is a list of steps, each the name of a block and the seed of its draws: leaving a step out gives a smaller
network, most of which is as it was. That is how failures shrink.

What the runtime itself (2026.4) gets wrong of float models is not drawn, or is told apart before anything is quantized:

- the feed-forward part of a transformer on tensors of rank 2: the plugin ends the process while it compiles some;
- a channel-wise PReLU or scale behind a matrix product, which some shapes make it refuse ("data size .. OC"), and an
  attention of unusual layout ("Layout rank can't be larger than tensor rank"): such networks count as unsound;
- inputs of sizes that a dynamic model cannot have, e.g. another length in front of a matrix product along it: the plugin
  computes something; so a static twin of the model must take each sample's shape;
- Swish without its optional second input in f16, which the Python opsets build with an f32 one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from . import attention, control_flow, convolutions, detection, moving, products, recurrent, sources, spectra
from .block import BLOCKS, SHARES, SOURCE_SHARES, SOURCES
from .names import rename
from .net import Array, Chance, Net, NoTensorError, Tensor, outputs

#: Importing them filled the table.
FILLED = (attention, control_flow, convolutions, detection, moving, products, recurrent, sources, spectra)
#: Sizes that networks are built with, and others that dynamic ones must run with, too.
SIZES: Sequence[Mapping[str, int]] = (
    {"batch": 1, "height": 8, "width": 8, "time": 6},
    {"batch": 2, "height": 8, "width": 8, "time": 6},
    {"batch": 1, "height": 8, "width": 12, "time": 5},
    {"batch": 1, "height": 7, "width": 9, "time": 12},
)
OTHER_SIZES = {"batch": (1, 3), "height": (8, 12), "width": (12, 8), "time": (9, 4)}
MOST_SAMPLES = 20


@dataclass(frozen=True)
class Step:
    """A block of a recipe.

    Attributes:
        block: Its name.
        seed: Of its draws.
    """

    block: str
    seed: int


@dataclass(frozen=True)
class Recipe:
    """What a network is made of.

    Attributes:
        seed: Of everything that is not a block: sizes, element types, names, samples.
        sources: The inputs.
        steps: The blocks behind them.
        is_plain: Whether names are as the runtime gives them, sizes static and floats f32.
    """

    seed: int
    sources: tuple[Step, ...]
    steps: tuple[Step, ...]
    is_plain: bool = False

    def __str__(self) -> str:
        """For people."""
        parts = [each.block for each in (*self.sources, *self.steps)]
        return f"{self.seed}: {', '.join(parts)}"


@dataclass(frozen=True)
class Drawn:
    """A network.

    Attributes:
        model: It.
        samples: What it is calibrated on.
        are_steps: Whether the samples are the steps of one sequence.
    """

    model: ov.Model
    samples: list[dict[str, Array]]
    are_steps: bool = False

    @property
    def sequences(self) -> list[list[dict[str, Array]]]:
        """The samples as sequences, most of them of one step."""
        return [self.samples] if self.are_steps else [[each] for each in self.samples]

    @property
    def data(self) -> Sequence[object]:
        """The samples as they are given."""
        return self.sequences if self.are_steps else self.samples


def draw_recipe(seed: int) -> Recipe:
    """A recipe of 1 to 12 blocks, which are 3 to 40 operations or so."""
    chance = Chance(seed, 0)
    count = chance.one([1, 1, 1, 2, 2, 3])
    first = [_drawn(chance, SOURCE_SHARES) for _ in range(count)]
    steps = [_drawn(chance, SHARES) for _ in range(chance.one([1, 2, 3, 4, 5, 6, 8, 10, 12]))]
    return Recipe(seed, tuple(first), tuple(steps))


def _drawn(chance: Chance, shares: Mapping[str, float]) -> Step:
    names, weights = sorted(shares), np.array([shares[each] for each in sorted(shares)])
    name = names[int(chance.numbers.choice(len(names), p=weights / weights.sum()))]
    return Step(name, chance.integer(0, 2**31))


def draw(recipe: Recipe) -> Drawn | None:
    """The network that a recipe says; None if there is nothing in it.

    Raises:
        RuntimeError: the runtime does not take what a block built.
    """
    chance = Chance(recipe.seed, 1)
    net = Net(dict(chance.one(SIZES)))
    if not recipe.is_plain:
        net.stored = chance.one(["f32"] * 6 + ["f16", "f16", "bf16"])
        net.dtype = np.float16 if chance.maybe(0.04) else np.float32
    for step in recipe.sources:
        _add(net, SOURCES[step.block], step)
    for step in recipe.steps:
        _add(net, BLOCKS[step.block], step)
    results = _results(net, chance)
    if not results:
        return None
    model = ov.Model([op.result(each) for each in results], net.sinks, [each.node for each in net.inputs], "network")
    rename(model, chance, is_plain=recipe.is_plain)
    samples = chance.one([1, 2, 3, 4, 6, 8, 9, 12, MOST_SAMPLES])
    drawn = _sized(model, net, chance, samples, recipe.is_plain)
    sizes = {tuple(array.shape for array in each.values()) for each in drawn.samples}
    may_be_steps = bool(net.sinks) and len(sizes) == 1  # a state has the size of what it was made of
    return replace(drawn, are_steps=may_be_steps and recipe.seed % 4 != 0)


def _add(net: Net, block: Any, step: Step) -> None:
    net.chance = Chance(step.seed)
    try:
        found = block(net)
    except NoTensorError:
        return
    net.tensors += [each for node in (found if isinstance(found, (list, tuple)) else [found]) for each in outputs(node)]


def _results(net: Net, chance: Chance) -> list[Tensor]:
    """What nobody reads, and now and then something that is read. Integers and constants alone are nobody's output."""
    unread = [each for each in net.tensors if not each.get_target_inputs()]
    if net.tensors and chance.maybe(0.25):
        unread.append(chance.one(net.tensors))
    found = [each for each in unread if each.get_node().get_type_name() not in ("Parameter", "Constant")]
    return list(dict.fromkeys([*found, *net.loose]))


def _sized(model: ov.Model, net: Net, chance: Chance, samples: int, is_plain: bool) -> Drawn:
    """With dynamic sizes if the network can have them."""
    named = sorted({each for it in net.inputs for each in it.axes if isinstance(each, str)})
    dynamic = [each for each in named if chance.maybe(0.5)] if not is_plain and chance.maybe(0.4) else []
    for wanted in (dynamic, [each for each in dynamic if each == "batch"]):
        variants = [{}, *({each: OTHER_SIZES[each][k] for each in wanted} for k in (0, 1))] if wanted else [{}]
        found = [_sample(net, chance, variants[k % len(variants)]) for k in range(samples)]
        if not wanted:
            break
        grown = _with_dynamic(model, net, wanted)
        if grown is not None and all(_takes(model, each) for each in found[:3]) and _runs(grown, found[:3]):
            return Drawn(grown, found)
    return Drawn(model, [_sample(net, chance, {}) for _ in range(samples)])


def _with_dynamic(model: ov.Model, net: Net, dynamic: Sequence[str]) -> ov.Model | None:
    grown = model.clone()
    shapes = {
        port: ov.PartialShape(
            [-1 if axis in dynamic else int(size) for axis, size in zip(it.axes, port.get_shape(), strict=True)]
        )
        for it, port in zip(net.inputs, grown.inputs, strict=True)
    }
    try:
        grown.reshape(shapes)
    except RuntimeError:
        return None
    return grown


def _takes(model: ov.Model, sample: dict[str, Array]) -> bool:
    """Whether the model is valid with static inputs of these shapes: the plugin runs some that are not, and errs."""
    twin = model.clone()
    try:
        twin.reshape({name: ov.PartialShape(list(each.shape)) for name, each in sample.items()})
    except RuntimeError:
        return False
    return all(map(_has_its_slopes, twin.get_ordered_ops()))


def _has_its_slopes(node: Any) -> bool:
    """Whether a PRelu has one slope or one for each channel, which the runtime only checks where it merges none."""
    if node.get_type_name() != "PRelu":
        return True
    tensor, slopes = (value.get_partial_shape() for value in node.input_values())
    is_known = tensor.is_static and slopes.is_static and len(tensor) > 1 and len(slopes) == 1
    return not is_known or slopes[0].get_length() in (1, tensor[1].get_length())


def _runs(model: ov.Model, samples: Sequence[dict[str, Array]]) -> bool:
    try:
        compiled = ov.Core().compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
        )
        for each in samples:
            compiled(each)
    except RuntimeError:
        return False
    return True


def _sample(net: Net, chance: Chance, other: Mapping[str, int]) -> dict[str, Array]:
    sizes = {**net.sizes, **other}
    return {
        it.node.output(0).get_any_name(): it.values(
            chance, tuple(sizes[each] if isinstance(each, str) else each for each in it.axes)
        )
        for it in net.inputs
    }


def without(recipe: Recipe, *, inputs: Sequence[int] = (), steps: Sequence[int] = ()) -> Recipe:
    """The recipe without some of its parts."""
    return replace(
        recipe,
        sources=tuple(each for k, each in enumerate(recipe.sources) if k not in inputs),
        steps=tuple(each for k, each in enumerate(recipe.steps) if k not in steps),
    )
