"""What rounding each operation costs: at its own output, and at the outputs of the model.

One compiled model answers for all operations (see `gates`): a run with all gates closed is the float model, which tells
each operation's own error for the float input; a run with one gate open tells what this operation alone does to the
outputs. Errors of different operations hardly correlate, so that their powers add up: an operation's share of the sum
is what returning it to float would save.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Graph, Scope
from ..analysis.agreement import Agreement, agreements
from ..infra.base import Context
from ..runtime.engine import EMULATION, Engine
from ..runtime.samples import PreparedSample, ValidationSample
from .fake_quant_switch import GATES, AttachGates, rounded_operations


@dataclass(frozen=True)
class Effect:
    """What rounding one operation does.

    Attributes:
        scope: The body that it is in.
        node: Its id.
        name: Its friendly name.
        type: Its op type.
        own: The signal-to-quantization-noise ratio of its output in dB, for the float model's inputs.
        outputs: How close the model's outputs stay if nothing else is rounded; empty if that was not measured, because
            too many others have a larger error of their own.
        share: Its share of the error at the worst output (of all that was measured), from 0 to 1.
    """

    scope: Scope
    node: int
    name: str
    type: str
    own: float
    outputs: tuple[Agreement, ...] = ()
    share: float = 0.0

    @property
    def worst(self) -> float:
        """The ratio at the output that suffers most, in dB; infinite if nothing was measured."""
        return min(((each.margin, each.sqnr) for each in self.outputs), default=(math.inf, math.inf))[1]


def measure_effects(
    graph: Graph, context: Context, samples: Sequence[ValidationSample], inferences: int
) -> list[Effect]:
    """What rounding each operation does, in topological order.

    Args:
        graph: A model with FakeQuantizes that have their ranges; stays as it is.
        context: Its plan and outputs.
        samples: What to run it on.
        inferences: How many may be spent on effects at the outputs; operations with large errors of their own go first.
    """
    operations = rounded_operations(graph, context.plan)
    if not operations or not samples:
        return []
    twin = graph.copy()
    context.outputs.attach(twin)
    AttachGates.of(operations, context.plan).run(twin, context)
    engine = Engine(twin, EMULATION)
    own, references = _float_run(engine, len(operations), samples)
    order = sorted(range(len(operations)), key=lambda index: (own[index], index))
    chosen = order[: max(1, inferences // len(samples))]
    found = _one_by_one(engine, chosen, len(operations), samples, references, context)
    shares = _shares(found)
    return [
        Effect(
            node.graph.scope,
            node.id,
            context.plan.names.get(node, node.name),
            node.type,
            own[index],
            found.get(index, ()),
            shares.get(index, 0.0),
        )
        for index, node in enumerate(operations)
    ]


def ranked(effects: Sequence[Effect]) -> list[Effect]:
    """The costliest first: by their share, those that were not measured by their own errors."""
    return sorted(effects, key=lambda each: (-each.share, each.own, each.node))


@dataclass(frozen=True)
class _Switched(PreparedSample):
    """A sample with the gates that are open."""

    opened: int | None = None


def _switched(sample: ValidationSample, count: int, opened: int | None) -> _Switched:
    gates = np.zeros(count, np.float32)
    if opened is not None:
        gates[opened] = 1
    return _Switched(sample.sample, sample.feed | {GATES: gates}, opened)


def _float_run(
    engine: Engine, count: int, samples: Sequence[ValidationSample]
) -> tuple[list[float], list[list[Array]]]:
    """The operations' own ratios in dB, and the float model's outputs."""
    powers = np.zeros(2 * count, np.float64)
    references: list[list[Array]] = []

    def take(_: _Switched, outputs: list[Array]) -> None:
        np.add(powers, outputs[0], out=powers)
        references.append([output.copy() for output in outputs[1:]])

    engine.run([_switched(sample, count, None) for sample in samples], take)
    return [_decibels(signal, noise) for noise, signal in zip(powers[:count], powers[count:], strict=True)], references


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf


def _one_by_one(
    engine: Engine,
    chosen: Sequence[int],
    count: int,
    samples: Sequence[ValidationSample],
    references: Sequence[Sequence[Array]],
    context: Context,
) -> dict[int, tuple[Agreement, ...]]:
    """How close the outputs stay with one gate open."""
    found: dict[int, tuple[Agreement, ...]] = {}
    waiting: list[list[Array]] = []

    def take(item: _Switched, outputs: list[Array]) -> None:
        waiting.append([output.copy() for output in outputs[1:]])
        if len(waiting) == len(samples) and item.opened is not None:
            found[item.opened] = tuple(agreements(context.outputs, references, waiting))
            waiting.clear()
            context.progress("looking for the layers that cost most", len(found), len(chosen))

    def items() -> Iterator[_Switched]:
        for index in chosen:
            for sample in samples:
                yield _switched(sample, count, index)

    engine.run(items(), take)
    return found


def _shares(found: dict[int, tuple[Agreement, ...]]) -> dict[int, float]:
    """The shares of the error, each output's weighed by its floor."""
    powers = {index: sum(each.error for each in outputs) for index, outputs in found.items()}
    total = sum(powers.values())
    return {index: power / total if total else 0.0 for index, power in powers.items()}
