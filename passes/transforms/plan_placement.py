"""Plans int8 and float layers before anything is measured or changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ...ir import Graph, Scope
from ...targets import Mode, QuantSpec
from ..infra.base import Context, Fact, Pass
from ..options.config import Preset, QuantizationConfig
from ..placement.overflow_fix import at_risk
from ..placement.placement import plan_placement
from ..placement.plan import Plan, Site
from ..placement.range_estimators import ends_of, needs_extremes
from ..placement.user_options import with_user_options


@dataclass(frozen=True)
class PlanPlacement(Pass):
    """Plans the places of FakeQuantizes and the layers that stay float (see `placement`). Changes nothing."""

    name: ClassVar[str] = "plan-placement"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})  # statistics for another plan, or for none

    def run(self, graph: Graph, context: Context) -> int:
        """Stores the plan in the context."""
        context.plan = planned(graph, context, context.reverted_to_float)
        context.plan = replace(
            context.plan,
            warnings=(*context.plan.warnings, *_unsupported(context.plan), *_symmetric(context), *_extremes(context)),
        )
        return 0


def planned(graph: Graph, context: Context, reverted_to_float: Mapping[tuple[Scope, int], str]) -> Plan:
    """The plan for the target and the options of a context.

    Args:
        graph: The model.
        context: The run.
        reverted_to_float: Operations that stay float, by body and id -> why.
    """
    config = context.config
    plan = plan_placement(graph, with_user_options(context.target, config), config.ignored, reverted_to_float)
    preset = config.preset_for(attention=plan.attention)
    sites = tuple(_with_mode(site, preset, config) for site in plan.sites)
    return replace(plan, sites=sites, at_risk=at_risk(graph, context.target, config))


def chosen_mode(spec: QuantSpec, preset: Preset, *, is_weights: bool) -> Mode:
    """The mode of the preset, if the device can run it; else the device's first mode."""
    mode = asked_mode(preset, is_weights=is_weights)
    return mode if mode in spec.modes else spec.modes[0]


def asked_mode(preset: Preset, *, is_weights: bool) -> Mode:
    """The mode of the preset."""
    is_asymmetric = preset == "accuracy" or (preset == "mixed" and not is_weights)
    return Mode.ASYMMETRIC if is_asymmetric else Mode.SYMMETRIC


def _with_mode(site: Site, preset: Preset, config: QuantizationConfig) -> Site:
    if site.spec.slow_zero_point and not config.slow_zero_points and Mode.SYMMETRIC in site.spec.modes:
        return replace(site, mode=Mode.SYMMETRIC)
    return replace(site, mode=chosen_mode(site.spec, preset, is_weights=site.is_weights))


def _symmetric(context: Context) -> list[str]:
    """A warning if the device does not run the asymmetric weights of the preset."""
    refused = [site for site in context.plan.sites if site.is_weights and Mode.ASYMMETRIC not in site.spec.modes]
    if context.preset != "accuracy" or not refused:
        return []
    return [
        f"preset accuracy: weights stay symmetric, since target '{context.target.name}' runs asymmetric ones in float; "
        "weights.mode: asymmetric forces them"
    ]


def _extremes(context: Context) -> list[str]:
    """A warning about tensors whose quantiles cannot be measured."""
    kinds = {
        site.name: ends_of(site.mode, context.config, is_per_channel=site.is_per_channel, is_weights=site.is_weights)
        for site in context.plan.sites
    }
    found = [site for site in context.plan.sites if any(needs_extremes(site, end) for end in kinds[site.name])]
    if not found:
        return []
    return [
        f"range_estimator: {len(found)} tensors in bodies of control flow (for example of {found[0].source.node}) have "
        "unknown sizes, or quantiles far from their ends: their extremes are used instead"
    ]


def _unsupported(plan: Plan) -> list[str]:
    """A warning about layers that the device may run in float because of the user's options.

    The device may still run some of them in int8, for example if a tensor has a single channel.
    """
    reasons = list(dict.fromkeys(site.spec.unsupported_reason for site in plan.sites if site.spec.unsupported_reason))
    fallen = [
        each for each in plan.decisions.values() if not each.int8 and any(reason in each.reason for reason in reasons)
    ]
    if not fallen:
        return []
    return [
        f"{len(fallen)} of {len(plan.decisions)} layers are quantized as your options say and may run in float: "
        + "; ".join(reasons)
    ]
