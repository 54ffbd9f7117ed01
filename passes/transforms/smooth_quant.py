"""Scales large channels in front of matrix products down, and the weights that read them up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Builder, Graph, Node, OutPort
from ...ir.match import Match, Miss
from ...ir.ops import WEIGHTS_PORT, flag, weight_axes
from ...ir.pattern import any_tensor, const, op
from ...targets import Target
from ..analysis.channel_scales import Channels, Matrix, Tried, best_of, tried
from ..analysis.choices import unmoved
from ..analysis.constants import SHAPE_READERS
from ..analysis.ranges import Floats, code_scale
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Site
from ..statistics.derivations import Derivations
from ..statistics.request import Derivation, Numbers, Reduction, Request, Statistics, find_recipes, request
from ..statistics.sampling import sampled_channels
from .set_ranges import estimated_range, requests_of

#: What is taken of each channel; it is divided as the channel is.
_EXTREMES = (Reduction.MIN, Reduction.MAX)
_OF_CHANNELS = (*_EXTREMES, Reduction.MEAN)
#: A layer that multiplies the last axis of its data with a constant matrix.
_DATA, _WEIGHTS = any_tensor(), const().where(lambda node: len(node.output().shape) == 2, "a matrix")
_PRODUCT = op("MatMul", _DATA, _WEIGHTS).where(lambda node: not flag(node, "transpose_a"), "no transposed data")


@dataclass(frozen=True)
class Group:
    """Layers that read one tensor through one FakeQuantize.

    Attributes:
        site: Where that goes.
        layers: All who read it: matrix products with constant weights, which nobody else reads.
        weights: Where the FakeQuantizes of those go; each has a constant of its own.
    """

    site: Site
    layers: tuple[Node, ...]
    weights: tuple[Site, ...]

    @property
    def tensor(self) -> OutPort:
        """The tensor that the layers read, with the channels along the last axis."""
        return self.site.source


@dataclass(frozen=True)
class SmoothQuant(Pass):
    """Divides channels in front of matrix products, and multiplies their weights by the same factors (SmoothQuant).

    Given::                                          Result::

        q = MatMul(x, wq)                                x/s = Multiply(x, 1 / s)
        k = MatMul(x, wk)                                q = MatMul(x/s, wq * s)
        y = Add(x, z)                                    k = MatMul(x/s, wk * s)
                                                         y = Add(x, z)

    Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
    2022. There, the strength is given. Here, it is chosen for each group of layers by the expected error (see
    `channel_scales`), and the pass skips a group that would gain little. Other readers get the old values.
    The runtime runs the Multiply and the FakeQuantize behind it as one operation, or fuses both into the layer in
    front, so that it executes as many operations as before.

    The statistics of the new tensor follow from those of the old one, v / s, so that there is no second run. The pass
    skips groups with a layer that stays float, or that the target leaves float behind a scale, with transposed data,
    or with weights that are batched or have other readers, and tensors whose range is estimated from quantiles or
    shared with other tensors, or that are stored in int8 before they could be scaled (an average of int8 values).

    Attributes:
        everywhere: Whether the pass also changes models that are not transformers.
    """

    everywhere: bool = False

    name: ClassVar[str] = "smooth-quant"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED, Fact.AS_MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The extremes and means of the channels; the statistics of the new tensors follow from them."""
        found = self._groups(graph, context)
        return frozenset(each for group in found for each in _of_channels(group))

    def attempt(self, layer: Node, context: Context) -> Match | Miss | None:
        """The product of data and a matrix of weights; None if the pass does not apply."""
        is_tried = layer.type == "MatMul" and (self.everywhere or context.is_transformer)
        return _PRODUCT.match(layer) if is_tried else None

    def run(self, graph: Graph, context: Context) -> int:
        """Scales the channels of each group that gains by it."""
        changed = 0
        for group in self._measured(graph, context):
            scale = None if context.aligned & set(group.layers) else _best_scale(group, graph, context)
            context.aligned |= set(group.layers)
            if scale is not None and (scaled := _scaled(group, scale, context.target)):
                _scale_weights(group, scale)
                _follow(group, scaled, scale, graph, context)
                changed += 1
        return changed

    def _measured(self, graph: Graph, context: Context) -> list[Group]:
        """The groups, without those that arose after the calibration, since another reader is float now."""
        found = self._groups(graph, context)
        return [group for group in found if all(each in context.statistics for each in _of_channels(group))]

    def _groups(self, graph: Graph, context: Context) -> list[Group]:
        return groups(graph, context) if self.everywhere or context.is_transformer else []


def groups(graph: Graph, context: Context) -> list[Group]:
    """The groups of layers that the plan quantizes, in the model and in its bodies."""
    found = (_group(site, graph, context) for site in context.plan.sites)
    return [group for group in found if group]


def _group(site: Site, graph: Graph, context: Context) -> Group | None:
    readers = [port for port in site.consumers if port.node.type not in SHAPE_READERS]
    products = [found for port in readers if (found := _PRODUCT.match(port.node)) and found.input(_DATA) == port]
    is_int8 = all((decision := context.plan.decisions.get(port.node)) and decision.int8 for port in readers)
    if len(products) < len(readers) or not (is_int8 and _is_scalable(site, graph, context)):
        return None
    ports = {found.input(_WEIGHTS) for found in products}
    weights = tuple(each for each in context.plan.sites if each.is_weights and ports & set(each.consumers))
    constants = {each.source for each in weights}
    are_own = len(constants) == len(weights) and {port for each in constants for port in each.consumers} == ports
    return Group(site, tuple(port.node for port in readers), weights) if are_own else None


def _is_scalable(site: Site, graph: Graph, context: Context) -> bool:
    """Whether a tensor has one range for all channels that follows from the ranges of the channels."""
    shape = site.source.shape
    is_known = not site.is_constant and len(shape) > 1 and shape[-1] != DYNAMIC
    is_alone = site.group is None and not site.is_per_channel
    is_free = is_known and is_alone and not _is_stored_in_int8(site.source, context)
    return is_free and _recipes(site, graph, context) is not None


def _is_stored_in_int8(tensor: OutPort, context: Context) -> bool:
    """Whether the device computes a tensor in int8, and rounds it to the range of the FakeQuantize behind it."""
    node = unmoved(tensor).node
    rule = context.target.rule(node)
    if not (rule and rule.requantizes):
        return False
    return any(port.node == node for site in context.plan.sites for port in site.consumers)


def _recipes(site: Site, graph: Graph, context: Context) -> dict[Request, Derivation] | None:
    """How the statistics that a range is estimated from follow from the channels; None if they do not."""
    channels = {request(site.source, each, -1) for each in _EXTREMES}
    return find_recipes(requests_of(site, context), channels, Derivations(graph, {}))


def _of_channels(group: Group) -> list[Request]:
    """The requests for what is taken of each channel."""
    return [request(group.tensor, each, -1) for each in _OF_CHANNELS]


def _best_scale(group: Group, graph: Graph, context: Context) -> Floats | None:
    """The best factors for the channels; None if none are worth it."""
    low, high, mean = (context.statistics[each] for each in _of_channels(group))
    extremes = {request(group.tensor, each, -1): found for each, found in zip(_EXTREMES, (low, high), strict=True)}
    recipes = _recipes(group.site, graph, context)
    assert recipes is not None, "else it were no group"

    def step(scale: Floats) -> float:
        measured = {each: _divided([found], scale) for each, found in extremes.items()}
        scaled = context.knowing(Statistics(measured, recipes))
        return float(code_scale(estimated_range(group.site, scaled), group.site.levels).item())

    weights = (_weights(layer, group.weights) for layer in group.layers)
    return best_of(context.calibration.known.once(_tried, Channels(low, high, mean), *weights), step)


def _divided(numbers: Sequence[Numbers], scale: Floats) -> Numbers:
    return np.asarray(numbers[0] / scale.astype(np.float32), np.float32)


def _divided_elements(numbers: Sequence[Numbers], scale: Floats, shape: tuple[int, ...]) -> Numbers:
    channels = sampled_channels(shape, len(shape) - 1, numbers[0].shape[1])
    return np.asarray(numbers[0] / scale.astype(np.float32)[channels], np.float32)


@dataclass(frozen=True)
class _Weights:
    """The weights of a layer: the constant, the axis of its input channels, and how it is rounded."""

    constant: Node
    inputs: int
    levels: int
    is_per_channel: bool

    def matrix(self) -> Matrix:
        rows = np.moveaxis(self.constant.array, self.inputs, -1)
        return Matrix(np.abs(rows.astype(np.float32)), self.levels, is_per_channel=self.is_per_channel)


def _weights(layer: Node, weights: Sequence[Site]) -> _Weights:
    site = next(site for site in weights if layer.input(WEIGHTS_PORT) in site.consumers)
    return _Weights(site.source.node, weight_axes(layer).inputs, site.levels, is_per_channel=site.is_per_channel)


def _tried(channels: Channels, *weights: _Weights) -> Tried:
    return tried(channels, [each.matrix() for each in weights])


def _scale_weights(group: Group, scale: Floats) -> None:
    for site in group.weights:
        constant, layer = site.source.node, site.consumers[0].node
        factor = scale if weight_axes(layer).inputs == -1 else scale[:, None]
        constant.set_array((constant.array * factor).astype(constant.array.dtype))


def _scaled(group: Group, scale: Floats, target: Target) -> OutPort | None:
    """The tensor divided by the scales, which the group reads instead.

    Returns:
        None, with the graph as it was, if the target leaves a layer of the group float behind a scale.
    """
    tensor, first = group.tensor, group.layers[0]
    value = (1 / scale).astype(tensor.element_type.dtype).reshape(*[1] * (len(tensor.shape) - 1), -1)
    build = Builder(tensor.node.graph, first)
    factor = build.constant(value, name=f"{first.name}/scale")
    scaled = build.multiply(tensor, factor, name=f"{first.name}/scaled")
    tensor.redirect(scaled, only=group.site.consumers, is_same=False)
    rules = [target.rule(layer) for layer in group.layers]
    if all(rule and rule.inputs for rule in rules):
        return scaled
    scaled.redirect(tensor, is_same=False)
    tensor.node.graph.prune(scaled.node)
    return None


def _follow(group: Group, scaled: OutPort, scale: Floats, graph: Graph, context: Context) -> None:
    """Moves the plan to the new tensor, and derives its statistics from those of the old one."""
    site = replace(group.site, source=scaled)
    sites = tuple(site if each == group.site else each for each in context.plan.sites)
    context.plan = replace(context.plan, sites=sites)
    divided = partial(_divided, scale=scale)
    recipes = {
        request(scaled, each, -1): Derivation((request(group.tensor, each, -1),), divided) for each in _OF_CHANNELS
    }
    others = _recipes(site, graph, context)
    assert others is not None, "what followed from the channels still does"
    if (sample := request(group.tensor, Reduction.SAMPLE, -1)) in context.statistics:
        of_elements = partial(_divided_elements, scale=scale, shape=group.tensor.shape)
        recipes[request(scaled, Reduction.SAMPLE, -1)] = Derivation((sample,), of_elements)
    context.statistics = replace(context.statistics, recipes={**context.statistics.recipes, **recipes, **others})
