"""Compares INT8 models of one float model side by side, for the tables of benchmarks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov

from irquant.passes.analysis.agreement import tally
from irquant.passes.evaluation.latency import in_turn
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import LATENCY

Array = np.ndarray[Any, np.dtype[Any]]


def side_by_side(model: ov.Model, made: Sequence[ov.Model], held_out: Sequence[Array], seconds: float) -> str:
    """The cells of a row: the lower quartile of each model's time in ms, then the ratio in dB of each INT8 model.

    Args:
        model: The float model, with one input, "image".
        made: The INT8 models.
        held_out: Samples; the first one is for the times.
        seconds: How long the models run in turn.
    """
    engines = [Engine(from_runtime(each), LATENCY) for each in (model, *made)]
    taken = in_turn(engines, [[{"image": held_out[0]}] * len(engines)], seconds)
    times = [f"{each * 1000:.2f}" for each in np.percentile(taken, 25, axis=0)]
    wanted, *found = ([_outputs_of(engine, each) for each in held_out] for engine in engines)
    return " | ".join([*times, *(f"{tally(wanted, each).sqnr:.1f}" for each in found)])


def _outputs_of(engine: Engine, sample: Array) -> Array:
    engine.infer({"image": sample})
    return engine.results()[0]
