"""The sensitivity of each operation: the error of its rounding at its own output, and at the outputs of the model.

One compiled model serves all operations (see `fake_quant_switch`). A run with all gates closed is the float model and
shows each operation's own error for the float input. A run with one gate open shows the effect of this operation alone
on the outputs. Errors of different operations hardly correlate, so that their powers add up: an operation's share of
the sum is the error that it would save in float. If only some operations are measured, a run with all gates open gives
the sum.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Self

import numpy as np

from ...ir import Array, Graph, Node, Scope
from ..analysis.agreement import Agreement, agreements
from ..infra.base import Context
from ..runtime.engine import Engine
from ..runtime.modes import EMULATION
from ..runtime.samples import PreparedSample, ValidationSample
from ..runtime.sequences import fed_otherwise
from .fake_quant_switch import GATES, AttachGates, rounded_operations

#: How the reasons begin for which operations were reverted to float.
ROUNDING = "rounding it causes"
#: Smaller shares are not told in percent.
_SMALL = 0.005


@dataclass(frozen=True)
class Effect:
    """The effect of rounding one operation.

    Attributes:
        scope: The body that it is in.
        node: Its id.
        name: Its friendly name.
        type: Its op type.
        own: The signal-to-quantization-noise ratio of its output in dB, for the float model's inputs; NaN if it was not
            measured.
        outputs: The agreement of the model's outputs if nothing else is rounded; empty if it was not measured, because
            too many others have a larger error of their own.
        share: Its share of the error that all operations together cause at the outputs, from 0 to 1.
    """

    scope: Scope
    node: int
    name: str
    type: str
    own: float
    outputs: tuple[Agreement, ...] = ()
    share: float = 0.0

    @property
    def reason(self) -> str:
        """Why the operation is worth its time in float; begins with `ROUNDING`."""
        share = f"{self.share:.0%}" if self.share >= _SMALL else "less than 1%"
        own = "" if math.isnan(self.own) else f" ({self.own:.1f} dB of its own)"
        return f"{ROUNDING} {share} of the outputs' error{own}"

    @property
    def worst(self) -> float:
        """The ratio at the most affected output, in dB; infinite if nothing was measured."""
        return min(((each.margin, each.sqnr) for each in self.outputs), default=(math.inf, math.inf))[1]


class GatedModel:
    """A compiled model in which any operations can be rounded while the others are not.

    Args:
        gated: A model with FakeQuantizes that have their ranges, and with the compared tensors as outputs; is changed.
        operations: Its rounded operations, not those of its bodies, in topological order; one or more.
        context: The context with its plan and outputs.
        samples: The samples to run it on; one or more.
        floats: Other rounded operations, which compute in float here.
        with_own: Whether the operations' own ratios are measured.

    Attributes:
        operations: The operations.
        own: For each of them, the signal-to-quantization-noise ratio of its output in dB, for the float model's inputs;
            NaN if it was not measured.
    """

    def __init__(
        self,
        gated: Graph,
        operations: Sequence[Node],
        context: Context,
        samples: Sequence[ValidationSample],
        floats: Sequence[Node] = (),
        *,
        with_own: bool = True,
    ) -> None:
        self.operations, self._context, self._samples = operations, context, samples
        AttachGates.of(operations, context.plan, floats, with_powers=with_own).run(gated, context)
        self._engine, self._first = Engine(gated, EMULATION), int(with_own)
        self.own, self._references = self._float_run()

    @classmethod
    def of(
        cls,
        graph: Graph,
        context: Context,
        samples: Sequence[ValidationSample],
        only: Collection[tuple[Scope, int]] | None = None,
        *,
        with_own: bool = True,
    ) -> Self | None:
        """The model of a graph, which stays unchanged; None without samples, or if no compared output is rounded.

        Args:
            graph: A model with FakeQuantizes that have their ranges.
            context: The context with its plan and outputs.
            samples: The samples to run it on.
            only: The operations that can be rounded; the others compute in float, and cost neither memory nor time.
                None: all.
            with_own: Whether the operations' own ratios are measured.
        """
        if not samples or not (rounded := rounded_operations(graph, context.plan)):
            return None
        gated = graph.copy()
        context.outputs.attach(gated)
        known = [node for node in rounded if gated.has(node.id)]  # others lead to outputs that are not compared
        operations = [node for node in known if only is None or (node.graph.scope, node.id) in only]
        floats = [node for node in known if node not in operations]
        return cls(gated, operations, context, samples, floats, with_own=with_own) if operations else None

    @property
    def suspects(self) -> list[int]:
        """Indices into `operations`: those with the largest errors of their own come first."""
        return sorted(range(len(self.operations)), key=lambda index: (self.own[index], index))

    def agreements(
        self, groups: Iterable[Collection[int]], progress: Callable[[int], None] = lambda _: None
    ) -> list[tuple[Agreement, ...]]:
        """The agreement of the outputs if only the operations of a group are rounded, for each group.

        Args:
            groups: Indices into `operations`.
            progress: Called with the number of groups that are done.
        """
        found: list[tuple[Agreement, ...]] = []
        waiting: list[list[Array]] = []

        def take(_: PreparedSample, outputs: list[Array]) -> None:
            waiting.append([output.copy() for output in outputs[self._first :]])
            if len(waiting) == len(self._samples):
                found.append(tuple(agreements(self._context.outputs, self._references, waiting)))
                waiting.clear()
                progress(len(found))

        count = len(self.operations)
        self._engine.run((each for group in groups for each in _switched(self._samples, count, group)), take)
        return found

    def _float_run(self) -> tuple[list[float], list[list[Array]]]:
        """The operations' own ratios in dB, and the float model's outputs."""
        count = len(self.operations)
        powers = np.zeros(2 * count, np.float64)
        references: list[list[Array]] = []

        def take(_: PreparedSample, outputs: list[Array]) -> None:
            if self._first:
                np.add(powers, outputs[0], out=powers)
            references.append([output.copy() for output in outputs[self._first :]])

        self._engine.run(_switched(self._samples, count, ()), take)
        pairs = zip(powers[:count], powers[count:], strict=True)
        return [_decibels(signal, noise) if self._first else math.nan for noise, signal in pairs], references


def measure_effects(
    graph: Graph,
    context: Context,
    samples: Sequence[ValidationSample],
    inferences: float = math.inf,
    seconds: float = math.inf,
) -> list[Effect]:
    """The effect of rounding each operation, in topological order.

    Args:
        graph: A model with FakeQuantizes that have their ranges; stays unchanged.
        context: The context with its plan and outputs.
        samples: The samples to run it on.
        inferences: The most inferences for effects of single operations at the outputs; those with large errors of
            their own go first.
        seconds: The time after which no further operation is measured.
    """
    if (model := GatedModel.of(graph, context, samples)) is None:
        return []
    most, end = max(1, min(len(model.operations), inferences // len(samples))), time.perf_counter() + seconds
    chosen = model.suspects[: int(most)]
    progress = partial(context.progress, "looking for the layers that cost most")
    (together,) = model.agreements([range(len(model.operations))])
    in_time = takewhile(lambda index: index == chosen[0] or time.perf_counter() < end, chosen)
    measured = model.agreements(((each,) for each in in_time), lambda count: progress(count, len(chosen)))
    found = dict(zip(chosen, measured, strict=False))  # fewer are measured if the time ends
    powers = {index: error_of(outputs) for index, outputs in found.items()}
    total, is_whole = sum(powers.values()), len(found) == len(model.operations)
    total = total if is_whole else max(total, error_of(together))
    return [
        effect_of(model, index, context, found.get(index, ()), powers.get(index, 0.0) / total if total else 0.0)
        for index in range(len(model.operations))
    ]


def effect_of(model: GatedModel, index: int, context: Context, outputs: tuple[Agreement, ...], share: float) -> Effect:
    """The effect of one operation."""
    node = model.operations[index]
    name = context.plan.names.get(node, node.name)
    return Effect(node.graph.scope, node.id, name, node.type, model.own[index], outputs, share)


def error_of(outputs: Iterable[Agreement]) -> float:
    """The sum of the error powers of all outputs, each relative to the error that its floor allows."""
    return sum(each.error for each in outputs)


def share_of_the_rest(effects: Iterable[Effect]) -> float | None:
    """The share of the error that comes from operations whose effect was not measured; None if all were."""
    effects = list(effects)
    is_known = all(each.outputs for each in effects)
    return None if is_known else max(0.0, 1 - sum(each.share for each in effects))


def ranked(effects: Sequence[Effect]) -> list[Effect]:
    """The most sensitive first: by their shares; operations that were not measured, by their own errors."""
    return sorted(effects, key=lambda each: (-each.share, each.own, each.node))


def _switched(samples: Iterable[ValidationSample], count: int, opened: Collection[int]) -> list[PreparedSample]:
    gates = np.zeros(count, np.float32)
    gates[list(opened)] = 1
    return fed_otherwise(samples, lambda feed: feed | {GATES: gates})


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf
