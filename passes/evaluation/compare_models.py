"""Compares two models: outputs, layers, int8 share, latency, size."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from ...ir import Graph
from ..analysis.agreement import Agreement, Verdict
from ..analysis.compressed_weights import compressed_weights
from ..analysis.data_findings import expected_inputs, find_about_data
from ..analysis.image_findings import DataMistake
from ..analysis.outputs import OutputKind
from ..analysis.states import first_steps_only, states_with_first_values
from ..calibration.sample_order import FEWEST, HeldOutSteps, held_out_samples, measured_steps, some_samples
from ..calibration.split_batches import unbatched
from ..infra.execution import Execution
from ..infra.progress import Progress, no_progress
from ..runtime.data_look import DataLook
from ..runtime.samples import DataError, Feed, ModelInput, PreparedSample, Sample, has_states, model_inputs
from ..runtime.sequences import fed_otherwise, prepared_steps, steps_of
from .latency import LEAST_GAIN, Latencies, measure_latencies
from .latency_seconds import SECONDS
from .layer_probes import LayerError, LayerProbes
from .matching import Matching, match_inputs, match_layers
from .output_probe import OutputProbe
from .verify_execution import execution_of

#: The number of samples that are used unless the user names one.
FEW = 32
#: The number of different samples on which latency is measured.
_TIMED = 8


_NONE_HELD_OUT = "a calibration holds out none of so few samples: give nine or more, or compare on all of them"


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        execution: The layers that the runtime executes.
        weights_bytes: The size of its weights file.
        compressed: The number of layers of float data with compressed weights.
    """

    execution: Execution
    weights_bytes: int
    compressed: int = 0


@dataclass(frozen=True)
class Comparison:
    """The comparison of two models.

    Attributes:
        first: The reference model.
        second: The model that is compared with it.
        samples: The number of samples that both ran on.
        held_out: Whether they are the held-out samples of a calibration with these data, instead of any.
        outputs: The agreement of the second model's outputs with the first's.
        matching: The layers that correspond.
        layers: The error of each of those, in the first model's order; None: not requested.
        latencies: The latencies of both, in the default mode and in others; None: not requested.
        warnings: Messages to the user.
        is_spread: Whether the samples come from all over the data.
        mistakes: What looks wrong about the data, so that the comparison says nothing about the models.
    """

    first: Side
    second: Side
    samples: int
    outputs: tuple[Agreement, ...]
    matching: Matching
    layers: tuple[LayerError, ...] | None
    latencies: Latencies | None
    warnings: tuple[str, ...]
    held_out: bool = False
    is_spread: bool = False
    mistakes: tuple[DataMistake, ...] = ()

    @property
    def worst(self) -> Agreement:
        """The output that is farthest from good; one that cannot be compared comes first."""
        return min(self.outputs, key=lambda each: each.above_good)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the worst output; "unknown" if the data look wrong."""
        return Verdict.UNKNOWN if self.mistakes else self.worst.verdict

    @property
    def is_no_faster(self) -> bool:
        """Whether the second model is not faster in the default mode, as far as that was measured."""
        return self.latencies is not None and self.latencies.ratio < 1 + LEAST_GAIN

    @property
    def is_poor(self) -> bool:
        """Whether there is a poor output."""
        return bool(self.poor)

    @property
    def poor(self) -> list[Agreement]:
        """The outputs that are poor, have other sizes, or cannot be compared; random outputs do not count."""
        return [each for each in self.outputs if each.is_refused]


def compare_models(
    first: Graph,
    second: Graph,
    samples: Iterable[Sample],
    *,
    most: int | None = None,
    held_out: bool = False,
    per_layer: bool = False,
    latency: bool = True,
    latency_seconds: float = SECONDS,
    progress: Progress = no_progress,
) -> Comparison:
    """Runs two models on the same samples.

    Args:
        first: The reference model.
        second: A model with the same inputs and outputs.
        samples: The samples; read once, lazily, one at a time.
        most: The number of first samples to use; None: 32 from all over the data, if they can be read in any order;
            with `held_out`, those that a calibration reads if the user names no number.
        held_out: Whether to use only the held-out samples of a calibration, which gives the numbers of its report.
        per_layer: Whether to compare layers, too.
        latency: Whether to measure the latency.
        latency_seconds: The seconds to measure it in all modes together; compilation comes on top.
        progress: Called during the work.

    Returns:
        The agreement of outputs and layers, the layers that the runtime executes in int8, latencies and sizes.

    Raises:
        ComparisonError: the models have different inputs or outputs.
        DataError: the samples do not fit, or there are none.
    """
    order, matching, pair = match_inputs(first, second), match_layers(first, second), OutputProbe.of(first, second)
    layers, expected, look = LayerProbes(matching.pairs if per_layer else (), pair), expected_inputs(first), DataLook()
    seen, timed = 0, list[tuple[Feed, Feed]]()
    total = None if held_out else min(most or FEW, operator.length_hint(samples) or most or FEW)
    used, is_spread = _used(first, samples, most, held_out=held_out)
    states = states_with_first_values(first)
    for items in _items(used, model_inputs(first), model_inputs(second), order):
        states = [] if items[0].past else states
        layers.add(items, *pair.add(items))
        look.add(items[0].feed, continues=items[0].past is not None)
        timed += [(items[0].feed, items[1].feed)] if len(timed) < _TIMED and not items[0].past else []
        seen += 1
        progress("comparing", seen, total)
    if not seen:
        message = _NONE_HELD_OUT if held_out else "the data are empty: at least one sample is needed"
        raise DataError(message)
    outputs = tuple(pair.agreements())
    gives_images = any(each.kind is OutputKind.IMAGE for each in outputs)
    about_data = find_about_data(expected, look, samples, "", gives_images=gives_images)
    mistakes = (*first_steps_only(states), *about_data.mistakes)
    executions = [execution_of(*each) for each in zip(pair.models, pair.engines, strict=True)]
    return Comparison(
        first=Side(executions[0], first.weights.size, len(compressed_weights(first))),
        second=Side(executions[1], second.weights.size, len(compressed_weights(second))),
        samples=seen,
        outputs=outputs,
        matching=matching,
        layers=tuple(layers.errors()) if per_layer else None,
        warnings=(*map(str, mistakes), *pair.warnings, *layers.warnings()),
        latencies=measure_latencies(first, second, timed, seconds=latency_seconds) if latency and timed else None,
        held_out=held_out,
        is_spread=is_spread,
        mistakes=mistakes,
    )


def _used(
    graph: Graph, samples: Iterable[Sample], most: int | None, *, held_out: bool
) -> tuple[Iterator[list[PreparedSample]], bool]:
    """The samples to compare on, each as its steps; whether they come from all over the data."""
    inputs, may_be_sequences = model_inputs(graph), has_states(graph)
    samples = samples if may_be_sequences else unbatched(graph, samples)

    def prepared(used: Iterable[Sample]) -> Iterator[list[PreparedSample]]:
        return (prepared_steps(each, inputs, has_states=may_be_sequences) for each in used)

    if not held_out:
        used, is_spread = some_samples(samples, FEW) if most is None else (islice(samples, most), False)
        return prepared(used), is_spread
    if may_be_sequences:
        begun = list(islice(samples, min(FEWEST, most or FEWEST)))
        if len(begun) < FEWEST and begun and steps_of(begun[0].feed, inputs):
            checked = HeldOutSteps.of(len(begun))
            return (checked.first_of(steps[measured_steps(len(steps)) :]) for steps in prepared(begun)), False
        samples = chain(begun, samples) if isinstance(samples, Iterator) else samples
    checked = HeldOutSteps()
    return (checked.first_of(steps) for steps in prepared(held_out_samples(samples, most))), False


def _items(
    samples: Iterable[list[PreparedSample]],
    ours: Sequence[ModelInput],
    theirs: Sequence[ModelInput],
    order: Sequence[int],
) -> Iterator[tuple[PreparedSample, PreparedSample]]:
    """Each sample, or each step, as input of either model."""
    names = [(each.name, ours[index].name) for index, each in zip(order, theirs, strict=True)]
    for steps in samples:
        yield from zip(steps, fed_otherwise(steps, lambda feed: {name: feed[own] for name, own in names}), strict=True)
