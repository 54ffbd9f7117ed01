"""What would become of each layer, and why: without data, without running the model."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import Graph, IRError, Node
from ..ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT
from ..targets import Target
from .base import Context
from .config import Config
from .normalize import Normalize
from .placement import Plan, Site, plan_placement
from .set_ranges import chosen_mode


@dataclass(frozen=True)
class Quantized:
    """A tensor that gets a FakeQuantize.

    Attributes:
        name: The FakeQuantize.
        tensor: The layer whose output it quantizes.
        readers: The layers that read the quantized tensor; all others keep the float one.
        mode: "symmetric" or "asymmetric".
        granularity: "per_tensor" or "per_channel".
        levels: Its levels.
        same_range: Other FakeQuantizes that share its range.
    """

    name: str
    tensor: str
    readers: tuple[str, ...]
    mode: str
    granularity: str
    levels: int
    same_range: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What would become of a layer that does arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        int8: Whether it is planned to run in int8.
        reason: Why.
        data: What quantizes its data; several behind operations that join tensors.
        weights: What quantizes its weights.
    """

    name: str
    type: str
    int8: bool
    reason: str
    data: tuple[Quantized, ...] = ()
    weights: Quantized | None = None


def explain(graph: Graph, target: Target, config: Config) -> list[Explanation]:
    """What would become of each layer that does arithmetic, in topological order. The graph stays as it is."""
    twin = graph.copy()
    Normalize().run(twin, Context(target, config))
    plan = plan_placement(twin, target)
    return [_explained(node, plan, config) for node in twin.nodes(*WEIGHTED_TYPES)]


def find_layer(explanations: list[Explanation], name: str) -> Explanation:
    """The explanation of the layer with that name.

    Raises:
        IRError: no layer that does arithmetic has it.
    """
    for each in explanations:
        if each.name == name:
            return each
    close = difflib.get_close_matches(name, [each.name for each in explanations], n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    message = f"no convolution or matrix product is named '{name}'{hint}"
    raise IRError(message)


def _explained(node: Node, plan: Plan, config: Config) -> Explanation:
    decision = plan.decisions[node.id]
    if not decision.int8:
        return Explanation(node.name, node.type, int8=False, reason=decision.reason)
    weights = next(_quantized(plan.feeding(node.input(WEIGHTS_PORT)), plan, config))
    data = tuple(_quantized(plan.feeding(node.input(DATA_PORT)), plan, config))
    return Explanation(node.name, node.type, int8=True, reason=decision.reason, data=data, weights=weights)


def _quantized(sites: list[Site], plan: Plan, config: Config) -> Iterator[Quantized]:
    for site in sites:
        same = (each.name for each in plan.sites if site.group is not None and each.group == site.group)
        yield Quantized(
            name=site.name,
            tensor=site.source.node.name,
            readers=tuple(port.node.name for port in site.consumers),
            mode=str(chosen_mode(site.spec, config)),
            granularity=str(site.spec.granularity),
            levels=site.spec.levels,
            same_range=tuple(name for name in same if name != site.name),
        )
