"""What runs in int8 and what stays float is decided before anything is measured or changed."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ..ir import Graph
from .base import Context, Fact, NoRequests
from .placement import plan_placement
from .saturation import at_risk


@dataclass(frozen=True)
class PlanPlacement(NoRequests):
    """Finds out where FakeQuantizes go and what stays float (see `placement`). Changes nothing."""

    name: ClassVar[str] = "plan-placement"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Leaves the plan in the context."""
        plan = plan_placement(graph, context.target, context.config.ignored)
        context.plan = replace(plan, at_risk=at_risk(graph, context.target, context.config))
        return 0
