"""The plan of all FakeQuantizes with reasons: plain values, made by `placement` and read by the passes after it."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property

from ...ir import InPort, Node, OutPort, Scope
from ...ir.listing import number_of
from ...ir.match import told
from ...targets import Granularity, Mode, QuantSpec
from ..analysis.constants import SHAPE_READERS
from ..analysis.states import is_unmeasured
from ..options.ignored import BY_USER

#: The number of reasons that are told if no layer can run in int8.
_MOST_REASONS = 3


@dataclass(frozen=True)
class Site:
    """A FakeQuantize to be inserted.

    Attributes:
        name: The friendly name it gets.
        source: The tensor to quantize.
        consumers: The input ports that read the quantized tensor; all others keep the float one.
        spec: How to quantize.
        channel_axes: The axes that number the channels, if the granularity is per channel.
        is_weights: Whether the tensor is a constant with the weights of a layer.
        group: Sites with the same number share one range; None: its own range.
        twin: Number among the sites at this tensor.
        mode: Which of the spec's modes was chosen.
    """

    name: str
    source: OutPort
    consumers: tuple[InPort, ...]
    spec: QuantSpec
    channel_axes: tuple[int, ...] = ()
    is_weights: bool = False
    group: int | None = None
    twin: int = 0
    mode: Mode = Mode.SYMMETRIC

    @property
    def levels(self) -> int:
        """The `levels` of the FakeQuantize."""
        return self.spec.levels(self.mode)

    @property
    def is_constant(self) -> bool:
        """Whether the tensor's values are known without data."""
        return self.source.node.type == "Const"

    @property
    def is_per_channel(self) -> bool:
        """Whether each channel has its own range."""
        return self.spec.granularity is Granularity.PER_CHANNEL


@dataclass(frozen=True)
class Decision:
    """The decision for a layer that does arithmetic.

    Attributes:
        int8: Whether it runs in int8.
        reason: Why, or why not.
        is_unsupported: Whether it is rounded as the user's options say, although the target runs that in float. Some
            ranges still let it run in int8.
    """

    int8: bool
    reason: str
    is_unsupported: bool = False

    @property
    def may_run_int8(self) -> bool:
        """Whether the device may run it in int8: what must hold of int8 layers must hold of it."""
        return self.int8 or self.is_unsupported


@dataclass(frozen=True)
class FloatSum:
    """A sum of two results of int8 layers that stays float.

    Attributes:
        name: Its name in messages.
        reason: The reason.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Where each FakeQuantize goes, and why.

    Attributes:
        sites: In topological order.
        decisions: What was decided of each layer; those in bodies come last.
        names: What messages call those layers: in a body, behind the names of what is around them, e.g. "if|conv".
        moved: The nodes in front of which the demand behind them is met -> the inputs on which it is met.
        tied: Nodes whose inputs must share one range.
        kept: The operations without a decision that would read rounded numbers, but stay float -> the reason.
        float_sums: The sums of two int8 results that stay float; known when the FakeQuantizes are inserted.
        at_risk: The layers whose products could overflow (see `overflow_fix`).
        attention: How many attention blocks the model has.
        warnings: What the user should know: rules of `ignored` that hit nothing.
    """

    sites: tuple[Site, ...] = ()
    decisions: Mapping[Node, Decision] = field(default_factory=dict[Node, Decision])
    names: Mapping[Node, str] = field(default_factory=dict[Node, str])
    moved: Mapping[Node, tuple[InPort, ...]] = field(default_factory=dict[Node, tuple[InPort, ...]])
    tied: frozenset[Node] = frozenset()
    kept: Mapping[Node, str] = field(default_factory=dict[Node, str])
    float_sums: tuple[FloatSum, ...] = ()
    at_risk: frozenset[Node] = frozenset()
    attention: int = 0
    warnings: tuple[str, ...] = ()

    def without(self, unseen: Collection[Scope]) -> "Plan":
        """The plan without the bodies that never ran: the ranges of their tensors are unknown."""
        if not unseen:
            return self
        reason = "no sample of the calibration data reached it"
        return replace(
            self,
            sites=tuple(site for site in self.sites if site.source.node.graph.scope not in unseen),
            decisions={
                node: Decision(int8=False, reason=reason) if each.int8 and node.graph.scope in unseen else each
                for node, each in self.decisions.items()
            },
        )

    def with_floats(self, reasons: Mapping[Node, str]) -> "Plan":
        """The plan with some layers and other operations in float.

        What only they read is not rounded any more. Sums in front of them that are rounded for their sake still are.

        Args:
            reasons: The layers and operations, and why.
        """
        freed = [replace(site, consumers=self._edges_without(site, reasons.keys())) for site in self.sites]
        floats = {node: Decision(int8=False, reason=reason) for node, reason in reasons.items()}
        return replace(
            self,
            sites=tuple(site for site in freed if site.consumers),
            decisions={node: floats.get(node, each) for node, each in self.decisions.items()},
            kept={**self.kept, **{node: why for node, why in reasons.items() if node not in self.decisions}},
        )

    def readers(self, site: Site) -> set[Node]:
        """The nodes that need what a site rounds."""
        return set[Node]().union(*map(self._readers_behind, site.consumers))

    def _edges_without(self, site: Site, floats: Set[Node]) -> tuple[InPort, ...]:
        """The edges of a site except those that lead only to these nodes; empty if no other node needs them."""
        behind = {port: self._readers_behind(port) for port in site.consumers}
        if set[Node]().union(*behind.values()) <= floats:
            return ()
        return tuple(port for port, readers in behind.items() if not readers or not readers <= floats)

    def _readers_behind(self, port: InPort) -> set[Node]:
        """The nodes that need an edge rounded, beyond those that the demand moved past."""
        found, seen, waiting = set[Node](), set[Node](), [port]
        while waiting:
            node = waiting.pop().node
            if node in seen or node.type in SHAPE_READERS:
                continue
            seen.add(node)
            if node in self.moved:
                waiting += (each for output in node.outputs for each in output.consumers)
            else:
                found.add(node)
        return found

    def joined(self, old: Node, new: Node, left_out: Node) -> "Plan":
        """The plan after `new` replaced `old`, and another layer without sites."""
        sites = (replace(it, source=new.output()) if it.source.node == old else it for it in self.sites)
        place = {node: new if node == old else node for node in self.decisions if node != left_out}
        return replace(
            self,
            sites=tuple(sites),
            decisions={place[node]: self.decisions[node] for node in place},
            names={place[node]: self.names[node] for node in place},
        )

    def why_nothing(self, target: str) -> str:
        """The reason why there are no sites."""
        if behind := [each.reason for each in self.decisions.values() if is_unmeasured(each.reason)]:
            return (
                f"of {len(behind)} of {len(self.decisions)} layers the ranges are unknown, the first since {behind[0]}"
            )
        of_user = sum(each.reason.startswith(BY_USER) for each in self.decisions.values())
        if not of_user:
            return f"target '{target}' can run no layer of the model in int8{self._why_each()}"
        if of_user == len(self.decisions):
            return f"you ignore all {of_user} layers of the model"
        return f"you ignore {of_user} of {len(self.decisions)} layers, and target '{target}' runs the others in float"

    def _why_each(self) -> str:
        """The reasons of the layers, the most frequent first, each with its first layer; empty without layers."""
        by_reason: dict[str, list[Node]] = {}
        for node, each in self.decisions.items():
            by_reason.setdefault(each.reason, []).append(node)
        ordered = sorted(by_reason.items(), key=lambda it: -len(it[1]))
        said = [f"{told(nodes[0])}{_and_others(len(nodes) - 1)}: {reason}" for reason, nodes in ordered[:_MOST_REASONS]]
        left_out = [number_of(count, "other reasons")] if (count := len(ordered) - _MOST_REASONS) > 0 else []
        return f" ({'; '.join([*said, *left_out])})" if said else ""

    @cached_property
    def _by_edge(self) -> Mapping[InPort, Site]:
        """The input ports that read quantized tensors."""
        return {port: site for site in self.sites for port in site.consumers}

    def feeding(self, *ports: InPort) -> list[Site]:
        """The sites whose quantized tensors reach some input ports, directly or through nodes that they moved past."""
        by_edge = self._by_edge
        found = [by_edge[port] for port in edges_above(ports, by_edge.keys(), self.moved)]
        return [site for index, site in enumerate(found) if site not in found[:index]]


def _and_others(count: int) -> str:
    return f" and {number_of(count, 'others')}" if count else ""


def edges_above(
    ports: Iterable[InPort], quantized: Collection[InPort], moved: Mapping[Node, tuple[InPort, ...]]
) -> list[InPort]:
    """The first quantized edges above some ports, past nodes that the demand moved past; in order of discovery."""
    found: dict[InPort, None] = {}
    waiting, seen = list(ports)[::-1], set[InPort]()
    while waiting:
        port = waiting.pop()
        if port in seen:
            continue
        seen.add(port)
        if port in quantized:
            found[port] = None
        else:
            waiting += moved.get(port.source.node, ())[::-1]
    return list(found)
