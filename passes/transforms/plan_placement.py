"""What runs in int8 and what stays float is decided before anything is measured or changed."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ...ir import Graph
from ...targets import Mode, QuantSpec
from ..infra.base import Context, Fact, Pass
from ..options.config import Preset
from ..placement.overflow_fix import at_risk
from ..placement.placement import plan_placement
from ..placement.plan import Plan, Site
from ..placement.range_estimators import ends_of, needs_extremes
from ..placement.user_options import with_user_options


@dataclass(frozen=True)
class PlanPlacement(Pass):
    """Finds out where FakeQuantizes go and what stays float (see `placement`). Changes nothing."""

    name: ClassVar[str] = "plan-placement"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})  # what was measured for another plan, or for none

    def run(self, graph: Graph, context: Context) -> int:
        """Leaves the plan in the context."""
        config = context.config
        context.plan = plan_placement(
            graph, with_user_options(context.target, config), config.ignored, context.reverted_to_float
        )
        context.plan = replace(
            context.plan,
            sites=tuple(_with_mode(site, context.preset) for site in context.plan.sites),
            at_risk=at_risk(graph, context.target, config),
            warnings=(*context.plan.warnings, *_unsupported(context.plan), *_symmetric(context), *_extremes(context)),
        )
        return 0


def chosen_mode(spec: QuantSpec, preset: Preset, *, is_weights: bool) -> Mode:
    """What the preset picks from the modes that the device can run."""
    mode = Mode.ASYMMETRIC if preset == "accuracy" or (preset == "mixed" and not is_weights) else Mode.SYMMETRIC
    return mode if mode in spec.modes else spec.modes[0]


def _with_mode(site: Site, preset: Preset) -> Site:
    return replace(site, mode=chosen_mode(site.spec, preset, is_weights=site.is_weights))


def _symmetric(context: Context) -> list[str]:
    """What the preset cannot have."""
    refused = [site for site in context.plan.sites if site.is_weights and Mode.ASYMMETRIC not in site.spec.modes]
    if context.preset != "accuracy" or not refused:
        return []
    return [
        f"preset accuracy: weights stay symmetric, since target '{context.target.name}' runs asymmetric ones in float; "
        "weights.mode: asymmetric would have them all the same"
    ]


def _extremes(context: Context) -> list[str]:
    """Where quantiles cannot be had."""
    kinds = {
        site.name: ends_of(site.mode, context.config, is_per_channel=site.is_per_channel, is_weights=site.is_weights)
        for site in context.plan.sites
    }
    found = [site for site in context.plan.sites if any(needs_extremes(site, end) for end in kinds[site.name])]
    if not found:
        return []
    return [
        f"range_estimator: {len(found)} tensors in bodies of control flow, of {found[0].source.node} for one, have "
        "sizes that are not known, or quantiles far from their ends: their extremes are taken instead"
    ]


def _unsupported(plan: Plan) -> list[str]:
    """What the user's options cost: the layers that the device may run in float because of them.

    Not all do: where a tensor has no channels to tell apart, say, its FakeQuantize suits the device all the same.
    """
    reasons = list(dict.fromkeys(site.spec.unsupported_reason for site in plan.sites if site.spec.unsupported_reason))
    fallen = [
        each for each in plan.decisions.values() if not each.int8 and any(reason in each.reason for reason in reasons)
    ]
    if not fallen:
        return []
    return [
        f"{len(fallen)} of {len(plan.decisions)} layers are rounded as you wish and may run in float: "
        + "; ".join(reasons)
    ]
