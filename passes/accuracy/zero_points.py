"""Predicts the time that zero points take."""

from ...ir import Node
from ...ir.ops import DATA_PORT
from ..analysis.work import SLOWDOWN, work
from ..infra.base import Context
from .requantize import Attempt

#: The percent of a layer's time that is saved without a zero point: 22 to 41 were measured (see cpu.yaml).
_SAVED = 20.0
#: The percent that is lost in other layers that read the same numbers, which are signed then: 4 to 7 were measured.
_LOST = 6.0


def percent_of_zero_points(attempt: Attempt) -> float:
    """The percent of the model's time that slow zero points take; predicted, so that a second run says the same."""
    decisions = attempt.context.plan.decisions
    works = {
        node: work(node) * (1 if decision.int8 else SLOWDOWN)
        for node, decision in decisions.items()
        if node.graph is attempt.graph
    }
    saved = sum(
        time * _percent(node, attempt.context)
        for node, time in works.items()
        if decisions[node].int8 and _reads_slow_zero_point(node, attempt.context)
    )
    return saved / sum(works.values()) if saved else 0.0


def _percent(node: Node, context: Context) -> float:
    """The percent of a layer's time that it gains without a zero point; negative if it loses time."""
    rule = context.target.rule(node)
    if rule is None or "data" not in rule.inputs or not context.target.specs[rule.inputs["data"]].slow_zero_point:
        return -_LOST
    return _SAVED


def _reads_slow_zero_point(node: Node, context: Context) -> bool:
    sites = [site for site in context.plan.feeding(node.input(DATA_PORT)) if site.spec.slow_zero_point]
    found = [node.graph.node(site.name) for site in sites]
    return any(_has_zero_point(each) for each in found if each.type == "FakeQuantize")  # constants are stored as codes


def _has_zero_point(fake_quantize: Node) -> bool:
    """Whether zero is neither the lowest level nor the middle one: code 0 of unsigned or of signed integers."""
    low, high = (float(fake_quantize.source(port).node.array.min()) for port in (1, 2))
    levels = int(fake_quantize.attributes["levels"])
    return round(-low / (high - low) * (levels - 1)) not in (0, levels // 2)
