"""Where a FakeQuantize goes, and why: anticipation analysis over the rules of a target.

A rule puts a *demand* on an input port. A demand is *anticipated* at a tensor when every consumer of that tensor makes
it, directly or through transparent operations; a Result, a float consumer or an incompatible demand ends it. Each
FakeQuantize goes to the highest tensor at which its demand is anticipated and whose producer is not transparent;
consumers that agree share one; a demand that is not anticipated stays on its own edges. This is lazy code motion
(Knoop, Ruething, Steffen 1992: down-safety, then earliest placement), with one backward sweep since the graph has no
cycle. It never quantizes a model output, and yields for every layer a reason that can be shown.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort, Scope
from ...ir.ops import (
    DATA_PORT,
    HIDDEN_PORT,
    LAYER_TYPES,
    LOOP_BODY,
    RECURRENT_TYPES,
    WEIGHTED_TYPES,
    WEIGHTS_PORT,
    multiplies_batches,
    output_channel_axis,
    weight_axes,
    weight_ports,
)
from ...targets import Granularity, QuantSpec, Rule, Target
from ..analysis.attention import attention_blocks, matrix_products_around
from ..analysis.constants import SHAPE_READERS, constant_nodes
from ..analysis.coverage import needs_sizes
from ..analysis.disjoint_sets import DisjointSets
from ..analysis.ranges import are_finite
from ..analysis.signs import never_negative
from ..options.ignored import Ignored
from .demands import Demand, meet, per_tensor, without_absorption
from .plan import Decision, Plan, Site, edges_above
from .stays_float import stays_float

#: Give no value below zero if all their inputs do.
_KEEPS_SIGNS = ("Add", "Multiply", "AvgPool", "ReduceMean", "ReduceSum", "Maximum")

#: Scale or shift a layer's output by constants.
_SCALE_OR_SHIFT = ("Add", "Subtract", "Multiply", "Divide")
#: Move values, and add zeros to them.
_ADDS_ZEROS = ("Pad", "SpaceToBatch")


def plan_placement(
    graph: Graph,
    target: Target,
    ignored: Ignored | None = None,
    returned: Mapping[tuple[Scope, int], str] | None = None,
) -> Plan:
    """Decides where each FakeQuantize goes, in the model and in its bodies. The graph is not changed.

    Args:
        graph: The model.
        target: The device.
        ignored: What the user leaves float.
        returned: What goes back to float besides, by body and id -> why.
    """
    hits = (ignored or Ignored()).hits(graph)
    analysed = [each for each in graph.walk() if _wants_ints(each, target)]
    kept = stays_float(graph, analysed, target, hits)
    kept |= {Node(graph.body_at(scope), id_): reason for (scope, id_), reason in (returned or {}).items()}
    shut = _shut_bodies(graph, target, kept)
    sites: list[Site] = []
    decisions: dict[Node, Decision] = {}
    names: dict[Node, str] = {}
    moved: dict[Node, tuple[InPort, ...]] = {}
    tied: set[Node] = set()
    spared: dict[Node, str] = {}
    for prefix, each in graph.walk_named():
        layers = list(each.nodes(*LAYER_TYPES))
        names |= {node: f"{prefix}{node.name}" for node in layers}
        if reason := shut.get(each.scope):
            decisions |= dict.fromkeys(layers, Decision(int8=False, reason=reason))
            continue
        if each not in analysed:
            continue
        while True:
            analysis = _Analysis(each, target, kept, {site.name for site in sites})
            analysis.sweep()
            if not (mixed := analysis.mixed_up()):
                break
            kept |= mixed
        sites += analysis.sites(len(sites))
        decisions |= {node: analysis.decisions[node] for node in layers}
        moved |= analysis.moved
        tied |= analysis.tied
        spared |= {node: kept[node] for node in analysis.spared}
    attention = sum(len(attention_blocks(each)) for each in graph.walk())
    warnings = tuple(hits.warnings({*decisions, *spared}))
    return Plan(
        tuple(sites), decisions, names, moved, frozenset(tied), kept=spared, attention=attention, warnings=warnings
    )


def _wants_ints(graph: Graph, target: Target) -> bool:
    """Whether a graph, without its bodies, has a layer, or an operation that wants 8 bits whatever reads it.

    In others, there is nothing to pass on. Loops around the boxes of a detector have thousands of such operations.
    """
    types = {op for rule in target.rules if rule.inputs and not rule.requantizes for op in rule.op}
    return any(
        node.type in LAYER_TYPES or ((rule := target.rule(node)) is not None and not rule.requantizes)
        for node in graph.in_file_order(*types, *LAYER_TYPES)
    )


#: Why a product beside a float one stays float, too.
MIXED_UP = "the product at the other side of the softmax runs in float, and the plugin mixes up a float and an int8 one"


def mixes_up(scores: Node, mixed: Node, target: Target) -> bool:
    """Whether the target may mix up the products around a softmax if only one of them is int8.

    That takes [M, D] x [D, T] and [M, T] x [T, D] that may be alike: the number of tokens T equals the head size D.
    """
    rules = filter(None, map(target.rule, (scores, mixed)))
    sizes = {*scores.output().shape[-1:], *mixed.output().shape[-1:]}
    return any(rule.mixes_up_products for rule in rules) and (DYNAMIC in sizes or len(sizes) < 2)


def _shut_bodies(graph: Graph, target: Target, kept: Mapping[Node, str]) -> dict[Scope, str]:
    """The bodies in which nothing is quantized, each with the reason."""
    found: dict[Scope, str] = {}
    for each in graph.walk():
        for node in each.in_file_order():
            around = found.get(each.scope) or kept.get(node) or _why_shut(node, target) if node.bodies else ""
            found |= {body.scope: around for body in node.bodies.values() if around}
    return found


def _why_shut(node: Node, target: Target) -> str:
    here = f"it is in a body of {node.type} '{node.name}'"
    if node.type not in target.bodies:
        return f"{here}, and target '{target.name}' leaves those as they are"
    if LOOP_BODY in node.bodies and any(tag == LOOP_BODY for _, tag in node.graph.scope):
        return f"{here}, a loop within a loop, out of which no statistics can be led"
    return ""


class _Analysis:
    """One run of the analysis.

    Attributes:
        kept: The nodes that stay float whatever the rules say, with the reasons.
        constants: The nodes that give the same values whatever the data.
        nonnegative: The nodes that give no value below zero.
        demands: What each input port wants of its tensor; a port that is not here wants floats.
        moved: Nodes in front of which the demand behind them is met, and the inputs on which it is.
        tied: Nodes whose inputs must share one range.
        spared: Nodes that would be quantized, or moved past, if they were not kept float.
        names: The names of FakeQuantizes that are given away: in all bodies together, they are distinct.
    """

    def __init__(self, graph: Graph, target: Target, kept: Mapping[Node, str], names: set[str]) -> None:
        self.graph, self.target, self.kept = graph, target, kept
        self.order = list(graph.nodes())
        self.constants = constant_nodes(graph)
        self.nonnegative = self._nonnegative()
        self.demands: dict[InPort, Demand] = {}
        self.names = names
        self.moved: dict[Node, tuple[InPort, ...]] = {}
        self.tied: set[Node] = set()
        self.spared: set[Node] = set()
        self.decisions: dict[Node, Decision] = {}

    # ------------------------------------------------------------------------------ backwards: who wants what

    def sweep(self) -> None:
        """Visits consumers before producers and notes the demand of every input port."""
        for node in reversed(self.order):
            rule = self.target.rule(node)
            if node.type in LAYER_TYPES:
                self._demand_of_layer(node, rule)
            else:
                found = self._demand_of_operation(node, rule) if rule else self._passed_on(node)
                if found and node in self.kept:
                    self.spared.add(node)
                elif found:
                    self.demands |= found
                    self._note(node, rule, found)

    def mixed_up(self) -> dict[Node, str]:
        """Products that stay float because their counterpart does and the target needs both in int8, with reasons."""
        found: dict[Node, str] = {}
        for pair in filter(None, map(matrix_products_around, self.graph.nodes("SoftMax"))):
            if not mixes_up(*pair, self.target):
                continue
            int8 = [node for node in pair if self.decisions[node].int8]
            unsupported = [node for node in pair if self.decisions[node].is_unsupported]
            if len(int8) == 1:
                found[int8[0]] = MIXED_UP
            found |= dict.fromkeys(
                unsupported,
                "your options may let one product around the softmax run in float: the plugin mixes them up",
            )
        return found

    def _demand_of_layer(self, node: Node, rule: Rule | None) -> None:
        """All inputs that the rule names, or none."""
        if reason := self._why_float(node, rule):
            self.decisions[node] = Decision(int8=False, reason=reason)
            return
        assert rule is not None, "or else that would have been the reason"
        specs = {index: spec for index, spec in rule.ports(node).items() if not self._is_initial_state(node, index)}
        reasons = (self.target.specs[spec].unsupported_reason for spec in specs.values())
        unsupported = "; ".join(dict.fromkeys(each for each in reasons if each))
        reason = (
            f"quantized as your options say, but {unsupported}"
            if unsupported
            else " x ".join(dict.fromkeys(specs.values()))
        )
        self.decisions[node] = Decision(int8=not unsupported, reason=reason, is_unsupported=bool(unsupported))
        self.demands |= {node.input(index): Demand(self._spec_at(node.input(index), it)) for index, it in specs.items()}

    def _spec_at(self, port: InPort, name: str) -> QuantSpec:
        """The spec of that name, for an input whose zero point a bias may not be able to take over."""
        spec = self.target.specs[name]
        is_absorbed = _shifts_by_channel(port) and not self._differs_by_place(port.node)
        return spec if is_absorbed else without_absorption(spec)

    def _differs_by_place(self, layer: Node) -> bool:
        """Whether constants right behind a layer shift or scale it differently along other axes than its channels.

        The CPU plugin computes a product with a bias and such a factor wrongly; such a bias is added by another
        operation, in the device's own precision.
        """
        waiting = [layer.output()]
        for tensor in waiting:  # the list grows
            steps = [(port.node, port.index) for port in tensor.consumers if port.node.type in _SCALE_OR_SHIFT]
            for node, index in steps:
                constants = [port.source for port in node.inputs if port.index != index]
                if not all(map(self._is_constant, constants)):
                    continue
                if any(_is_by_place(each, layer) for each in constants):
                    return True
                waiting.append(node.output())
        return False

    def _why_float(self, node: Node, rule: Rule | None) -> str:
        """The reason for which a layer cannot run in int8; empty if it can."""
        if node in self.kept:
            return self.kept[node]
        if rule is None:
            return f"target '{self.target.name}' has no rule for {node.type}"
        if not rule.inputs:
            return rule.because or f"target '{self.target.name}' keeps {node.type} float"
        weights = weight_ports(node) if "weights" in rule.inputs else ()
        for index in sorted(rule.ports(node), key=lambda it: it not in weights):
            tensor, is_weights = node.source(index), index in weights
            if is_weights and tensor.node.type != "Const":
                return self._why_no_weights(node, tensor)
            if is_weights and len(tensor.shape) < 2:
                return "its weights have a rank below 2"
            if not is_weights and self._is_constant(tensor) and not self._is_initial_state(node, index):
                return "its data are constant"
            if not tensor.shape:
                return "the rank of its data is unknown"
            if not _is_roundable(tensor):
                return f"it computes in {tensor.element_type.name}"
        return ""

    def _why_no_weights(self, node: Node, tensor: OutPort) -> str:
        if self._is_constant(tensor):
            return "its weights are computed"
        if node.type == "MatMul" and self._is_constant(node.source(DATA_PORT)):
            return f"its constant is the first operand, and target '{self.target.name}' takes weights as the second one"
        return "its weights are not constant"

    def _has_constant(self, node: Node, ports: Iterable[int]) -> bool:
        return any(self._is_constant(node.source(index)) for index in ports if index not in weight_ports(node))

    def _is_initial_state(self, node: Node, index: int) -> bool:
        """Whether an input is a recurrent layer's constant first state, which is not quantized."""
        return node.type in RECURRENT_TYPES and index == HIDDEN_PORT and self._is_constant(node.source(index))

    def _demand_of_operation(self, node: Node, rule: Rule) -> dict[InPort, Demand]:
        ports = rule.ports(node)
        is_fused = self._is_fused(node, rule)
        is_wanted = is_fused or self._wanted_behind(node) is not None
        if rule.requantizes and (not is_wanted or self._has_constant(node, ports)):
            return {}
        is_shared = rule.same_range and not self._are_nonnegative([node.input(index) for index in ports])
        wanting = ((node.input(index), self._spec_at(node.input(index), name)) for index, name in ports.items())
        return {
            port: Demand(spec, mandatory=is_fused or not rule.requantizes, is_shared=is_shared)
            for port, spec in wanting
            if _is_roundable(port.source)
            and (_are_finite_weights(port) if _is_weights(port) else not self._is_constant(port.source))
        }

    def _is_fused(self, node: Node, rule: Rule) -> bool:
        """Whether a convolution in front of a sum computes it, and the function behind it, before numbers are stored.

        The convolution's result and the sum have no other readers. A layer that reads the function's result is enough:
        other readers take its floats.
        """
        if not rule.fuses or len(readers := node.output().consumers) != 1:
            return False
        (port,) = readers
        if port.node.type not in rule.fuses or port.index != DATA_PORT:
            return False
        shapes = {each.source.shape for each in node.inputs}
        if len(shapes) > 1 or not any(self._convolves_for(each) for each in node.inputs):
            return False
        return any(self.demands[each].mandatory for each in port.node.output().consumers if each in self.demands)

    def _convolves_for(self, reader: InPort) -> bool:
        """Whether a convolution, with or without a bias, gives an operand that nothing else reads."""
        tensor = reader.source
        while tensor.node.type == "Add" and len(tensor.consumers) == 1:
            data = [port.source for port in tensor.node.inputs if not self._is_constant(port.source)]
            if len(data) != 1:
                return False
            (tensor,) = data
        return tensor.node.type in ("Convolution", "GroupConvolution") and len(tensor.consumers) == 1

    def _passed_on(self, node: Node) -> dict[InPort, Demand]:
        """The demand in front of a transparent node that follows from the one behind it."""
        unified = node.type in self.target.unified
        entry = self.target.transparency(node)
        if not (unified or entry) or (wanted := self._wanted_behind(node)) is None:
            return {}
        keeps = node.attributes.get("axis") == "1" if unified else bool(entry and entry.keeps_channels)
        demand = wanted if keeps else replace(wanted, spec=per_tensor(wanted.spec))
        ports = tuple(node.inputs) if unified else (node.input(DATA_PORT),)
        if all(self._is_constant(port.source) for port in ports) or not all(map(self._may_join, ports)):
            return {}
        if node.type in _ADDS_ZEROS or any(self._is_constant(port.source) for port in ports):
            demand = replace(demand, spec=without_absorption(demand.spec))
        if entry and not entry.zero_point and demand.may_bring_zero_point(nonnegative=node in self.nonnegative):
            return {}
        if unified and not self._are_nonnegative(ports):
            demand = replace(demand, is_shared=True)
        return dict.fromkeys(ports, demand)

    def _note(self, node: Node, rule: Rule | None, demands: Mapping[InPort, Demand]) -> None:
        """Notes how the demands of an operation affect the ranges of its inputs."""
        if rule is None:
            self.moved[node] = tuple(demands)
        if rule.same_range if rule else node.type in self.target.unified:
            self.tied.add(node)

    def _are_nonnegative(self, ports: Sequence[InPort]) -> bool:
        return all(port.source.node in self.nonnegative for port in ports)

    def _may_join(self, port: InPort) -> bool:
        """Whether a FakeQuantize may stand in front of an input: in front of a constant only if it can be stored."""
        tensor = port.source
        if tensor.node.type == "Const":
            return _is_roundable(tensor)
        return _is_roundable(tensor) and not self._is_constant(tensor)

    def _is_constant(self, tensor: OutPort) -> bool:
        """Whether a tensor is a constant, or computed from constants alone."""
        return tensor.node in self.constants

    def _nonnegative(self) -> set[Node]:
        found: set[Node] = set()
        for node in self.order:
            sources = {port.source.node for port in node.inputs}
            if node.type in self.target.unified:
                rules_out = sources <= found
            elif self.target.transparency(node):
                rules_out = node.source(DATA_PORT).node in found
            else:
                rules_out = never_negative(node) or (node.type in _KEEPS_SIGNS and sources <= found)
            found |= {node} if rules_out else set()
        return found

    def _wanted_behind(self, node: Node) -> Demand | None:
        """The demand that all outputs of a node agree on."""
        used = [output for output in node.outputs if output.consumers]
        return meet([self.anticipated(output) for output in used], nonnegative=node in self.nonnegative)

    def anticipated(self, tensor: OutPort) -> Demand | None:
        """The demand that every consumer of a tensor makes, if they agree."""
        if not _is_roundable(tensor):
            return None
        readers = [port for port in tensor.consumers if port.node.type not in SHAPE_READERS]
        return meet([self.demands.get(port) for port in readers], nonnegative=tensor.node in self.nonnegative)

    # -------------------------------------------------------------------- forwards: the highest tensor that may

    def sites(self, first: int) -> list[Site]:
        """The FakeQuantizes that meet all demands, in topological order of their tensors; groups count from `first`."""
        found: list[Site] = []
        for node in self.order:
            for tensor in node.outputs:
                if node not in self.moved or self.anticipated(tensor) is None:
                    found += self._sites_at(tensor)
        return self._grouped(found, first)

    def _sites_at(self, tensor: OutPort) -> list[Site]:
        """One FakeQuantize for all readers if they agree; otherwise one for the readers that agree on int8."""
        weights = [port for port in tensor.consumers if _is_weights(port) and port in self.demands]
        if tensor.node.type == "Const" and weights:
            return [] if self._would_be_stored_twice(tensor, weights) else self._weight_sites(tensor, weights)
        if (demand := self.anticipated(tensor)) is not None:
            return [self._site(tensor, tensor.consumers, demand.spec)]
        wanting = [port for port in tensor.consumers if port in self.demands and self.demands[port].mandatory]
        return [
            self._site(tensor, ports, demand.spec, twin)
            for twin, (ports, demand) in enumerate(self._agreeing(tensor, wanting))
        ]

    def _would_be_stored_twice(self, tensor: OutPort, weights: Sequence[InPort]) -> bool:
        """Whether a table that is quantized only to be smaller is also needed in float."""
        floats = [port for port in tensor.consumers if port not in weights and port.node.type not in SHAPE_READERS]
        return bool(floats) and all(port.node.type not in LAYER_TYPES for port in weights)

    def _agreeing(self, tensor: OutPort, ports: list[InPort]) -> list[tuple[list[InPort], Demand]]:
        """Groups of ports whose demands agree: a tensor that a device needs in two forms is quantized twice."""
        groups: list[tuple[list[InPort], Demand]] = []
        for port in ports:
            for index, (members, demand) in enumerate(groups):
                if both := meet([demand, self.demands[port]], nonnegative=tensor.node in self.nonnegative):
                    groups[index] = ([*members, port], both)
                    break
            else:
                groups.append(([port], self.demands[port]))
        return groups

    def _site(self, tensor: OutPort, consumers: list[InPort], spec: QuantSpec, twin: int = 0) -> Site:
        axes = (1,) if spec.granularity is Granularity.PER_CHANNEL else ()
        if axes and (len(tensor.shape) < 2 or tensor.shape[1] == DYNAMIC or self._has_other_channels(tensor)):
            spec, axes = per_tensor(spec), ()
        if axes:
            spec = without_absorption(spec)  # a bias takes one zero point over
        first = next(port for port in consumers if port in self.demands)
        return Site(self._name(first, "input"), tensor, tuple(consumers), spec, axes, twin=twin)

    def _has_other_channels(self, tensor: OutPort) -> bool:
        """Whether a matrix product gives the tensor: devices fuse what follows along its last axis."""
        while tensor.node.type not in LAYER_TYPES:
            data = [port.source for port in tensor.node.inputs if not self._is_constant(port.source)]
            if len(data) != 1 or data[0].shape != tensor.shape:
                return False
            tensor = data[0]
        return tensor.node.type == "MatMul" and len(tensor.shape) > 2

    def _name(self, port: InPort, role: str) -> str:
        base = f"{port.node.name}/fq_{role}_{port.index}"
        name, number = self.graph.unique_name(base), 0
        while name in self.names:  # layers may share a friendly name
            number += 1
            name = self.graph.unique_name(f"{base}_{number}")
        self.names.add(name)
        return name

    def _weight_sites(self, tensor: OutPort, ports: list[InPort]) -> list[Site]:
        """Layers that share weights share the FakeQuantize if they read the same axes as output channels."""
        by_axes: dict[tuple[int, ...], list[InPort]] = {}
        for port in ports:
            outputs = weight_axes(port.node).outputs
            is_per_channel = self.demands[port].spec.granularity is Granularity.PER_CHANNEL
            axes = tuple(axis % len(tensor.shape) for axis in outputs) if is_per_channel else ()
            by_axes.setdefault(axes, []).append(port)
        return [
            Site(
                self._name(group[0], "weights"),
                tensor,
                tuple(group),
                self.demands[group[0]].spec,
                axes,
                is_weights=True,
            )
            for axes, group in by_axes.items()
        ]

    def _grouped(self, sites: list[Site], first: int) -> list[Site]:
        """Numbers the groups of sites that share a range."""
        sets = DisjointSets(range(len(sites)))
        by_edge = {port: index for index, site in enumerate(sites) for port in site.consumers}
        for node in self.order:
            if node in self.tied:
                above = sorted({by_edge[port] for port in edges_above(node.inputs, by_edge.keys(), self.moved)})
                sets.join(index for index in above if not sites[index].is_per_channel)
        tied = [sets.root(index) for index in range(len(sites))]
        sizes = Counter(tied)
        plain = {tied[i] for i, site in enumerate(sites) if not site.spec.absorbs_zero_point}
        specs = [without_absorption(site.spec) if tied[i] in plain else site.spec for i, site in enumerate(sites)]
        groups = [first + root if sizes[root] > 1 else None for root in tied]
        return [replace(site, spec=specs[i], group=groups[i]) for i, site in enumerate(sites)]


def _is_roundable(tensor: OutPort) -> bool:
    """Whether a FakeQuantize may follow a tensor: not for f64 or bf16; scalars and empty tensors gain nothing."""
    return tensor.element_type.name in ("f16", "f32") and bool(tensor.shape) and 0 not in tensor.shape


def _shifts_by_channel(port: InPort) -> bool:
    """Whether a number that is added to all data of a layer adds one number to each channel of its output.

    A layer that pads, or a transposed convolution, adds less near the border. Of several matrices, each adds others.
    """
    layer = port.node
    if layer.type not in WEIGHTED_TYPES or port.index != DATA_PORT or needs_sizes(layer) or multiplies_batches(layer):
        return False
    return layer.source(WEIGHTS_PORT).node.type == "Const"


def _is_by_place(constant: OutPort, layer: Node) -> bool:
    """Whether a constant that meets the output of a layer differs along other axes than that of the channels."""
    shape, rank = constant.shape, len(layer.output().shape)
    axis = output_channel_axis(layer) % rank - rank
    return math.prod(shape) != (shape[axis] if -axis <= len(shape) else 1)


def _is_weights(port: InPort) -> bool:
    return port.index in weight_ports(port.node)


def _are_finite_weights(port: InPort) -> bool:
    """Whether weights have a range: a table of attention biases may hold infinities, which keep pairs apart."""
    node = port.source.node
    return node.type != "Const" or are_finite(node.array)
