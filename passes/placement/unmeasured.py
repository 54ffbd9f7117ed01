"""Takes what the samples say nothing about out of a plan: its ranges would be guesses."""

from collections.abc import Collection

from ...ir import Graph, Scope
from ..analysis.states import behind_first_values, states_with_first_values, why_unmeasured
from .plan import Plan


def without_unmeasured(plan: Plan, graph: Graph, unseen: Collection[Scope], *, have_advanced: bool) -> Plan:
    """The plan without bodies that never ran, and without what depends on states that were never anything but new.

    Args:
        plan: The plan.
        graph: The graph.
        unseen: The bodies that no sample reached.
        have_advanced: Whether samples were sequences, so that later steps saw other states than the first ones.
    """
    plan = plan.without(unseen)
    if have_advanced or not states_with_first_values(graph):
        return plan
    states = behind_first_values(graph)
    read = ((node, states[site.source]) for site in plan.sites if site.source in states for node in plan.readers(site))
    reasons = {node: why_unmeasured(state) for node, state in read}
    return plan.with_floats(reasons) if reasons else plan
