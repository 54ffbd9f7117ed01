"""The user's own metrics: a function that runs the model and returns a number, and the limit of its loss.

A metric is a function of one argument, `predict`, which runs the model on one sample (a dict by input name, a sequence
in input order, or an array) and gives its outputs by name, or by index; for a sequence, a list of them, one for each
step. It returns one number; higher is better. The
function has its own data and labels, so that metrics over a whole set (mean reciprocal rank, area under a curve) and
models that run in steps, on their own states, need nothing special.
"""

import math
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeAlias, get_args

from ...ir import Array, Graph, UserError
from ...ir.listing import number_of
from ..analysis.outputs import find_outputs
from ..infra.progress import Progress, no_progress
from ..options.accuracy import DropType
from ..options.config_error import ConfigError
from ..runtime.engine import Engine
from ..runtime.samples import ModelInput, Sample, has_states, model_inputs
from ..runtime.sequences import prepared_steps, steps_of
from .identity import UnknownIdentityError, identity_of


class ModelOutputs(dict[str, Array]):
    """The outputs of a model by name; an index also works, as in the runtime's results."""

    def __missing__(self, wanted: object) -> Array:
        """An output by its index."""
        names = list(self)
        if isinstance(wanted, int) and not isinstance(wanted, bool) and -len(names) <= wanted < len(names):
            return self[names[wanted]]
        known = ", ".join(f"'{each}'" for each in names)
        message = f"no output {wanted!r}; the outputs are {known}, in this order, or an index"
        raise KeyError(message)


#: Runs the model on one sample and gives its outputs by name; for a sequence, a list of those of each step.
Predict: TypeAlias = Callable[[object], Any]
MetricFunction: TypeAlias = Callable[..., Any]
#: Differences of this share of a metric's value are rounding of the subtraction, not a drop.
_ROUNDING = 1e-9


class MetricError(UserError):
    """A metric function failed, or returned no number."""


@dataclass(frozen=True)
class Metric:
    """A metric, and the limit of its loss.

    Attributes:
        name: The name in messages.
        function: Takes `predict` and returns a number; higher is better.
        max_drop: The most that may be lost.
        drop_type: `absolute`, or `relative` to the float model's value.
        baseline: The float model's value, if known; then it is only measured if a model misses the limit.
        baseline_origin: What gives the baseline, for messages.
        identity: A text that distinguishes it from another metric of the same name; empty: computed from function and
            arguments, if measurements are kept.
        arguments: The arguments of the function after `predict`.
    """

    name: str
    function: MetricFunction
    max_drop: float = 0.01
    drop_type: DropType = "absolute"
    baseline: float | None = None
    baseline_origin: str = "baseline"
    identity: str = ""
    arguments: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        drop: Any = self.max_drop
        if isinstance(drop, bool) or not isinstance(drop, (int, float)) or not 0 <= drop < math.inf:
            message = f"metric {self.name}: max_drop is {drop!r}, expected a number from 0 on"
            raise MetricError(message)
        if self.drop_type not in (known := get_args(DropType)):
            message = f"metric {self.name}: drop_type is {self.drop_type!r}, expected one of: {', '.join(known)}"
            raise MetricError(message)

    def allowed(self, baseline: float) -> float:
        """The most that may be lost, in the metric's own unit.

        Raises:
            MetricError: a relative drop from zero is allowed.
        """
        if self.drop_type == "absolute":
            return self.max_drop
        if baseline == 0:
            message = (
                f"metric {self.name}: is 0 for the float model, so that a relative drop is undefined: "
                "use an absolute drop"
            )
            raise MetricError(message)
        return self.max_drop * abs(baseline)

    def excess(self, baseline: float, value: float) -> float:
        """The loss beyond the limit, as a share of the float model's value; zero or less: within the limit."""
        beyond = (baseline - value) - self.allowed(baseline)
        size = abs(baseline) or 1.0
        return 0.0 if 0 < beyond <= _ROUNDING * size else beyond / size


def identified(metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics, each with an identity from its code and data.

    Raises:
        ConfigError: a metric cannot be identified.
    """
    return [each if each.identity else replace(each, identity=_identity(each)) for each in metrics]


def _identity(metric: Metric) -> str:
    try:
        return identity_of(metric.function, *metric.arguments)
    except UserError:
        raise
    except Exception as error:
        what = error if isinstance(error, UnknownIdentityError) else f"{type(error).__name__}: {error}"
        message = (
            f"metric {metric.name}: resume cannot identify it: {what}; leave out resume, or from Python "
            "give Metric(..., identity=...), a text that changes with its code and data"
        )
        raise ConfigError(message) from error


def name_of(function: MetricFunction) -> str:
    """The name of a metric function."""
    return getattr(function, "__name__", type(function).__name__)


@dataclass(frozen=True)
class Runner:
    """Runs models of the same inputs and outputs on the samples of metric functions.

    Attributes:
        inputs: The inputs of the models.
        outputs: The names of their outputs.
        config: The configuration of the runtime.
        progress: Called for each sample.
        has_states: Whether the models have states, so that a sample may be a sequence.
        predictions: How many predictions the last call of each metric made: that of the next one, most likely.
    """

    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    config: dict[str, str]
    progress: Progress = no_progress
    has_states: bool = False
    predictions: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, graph: Graph, config: dict[str, str], progress: Progress = no_progress) -> "Runner":
        """The runner for a float model, and for the models that are made from it."""
        names = tuple(output.name for output in find_outputs(graph).each)
        return cls(tuple(model_inputs(graph)), names, config, progress, has_states(graph))

    def measure(self, graph: Graph, metrics: Iterable[Metric]) -> dict[str, float]:
        """The metrics of a model.

        Raises:
            MetricError: a function failed, or returned no number.
            UserError: the model cannot run a sample of the function.
        """
        engine = Engine(graph, self.config)
        return {metric.name: self._value(metric, engine) for metric in metrics}

    def _value(self, metric: Metric, engine: Engine) -> float:
        numbers, total = count(), self.predictions.get(metric.name)
        done = 0

        def predict(sample: object) -> Any:
            nonlocal done
            given = sample if isinstance(sample, Sample) else Sample(f"sample {next(numbers)}", sample)
            labelled = Sample(f"metric {metric.name}: {given.label}", given.feed)
            steps = prepared_steps(labelled, self.inputs, has_states=self.has_states)
            found = [ModelOutputs(zip(self.outputs, engine.outputs(each), strict=True)) for each in steps]
            done += 1
            self.progress(f"measuring {metric.name}", done, total if total is None or done <= total else None)
            is_sequence = self.has_states and steps_of(labelled.feed, self.inputs) is not None
            return found if is_sequence else found[0]

        try:
            with redirect_stdout(sys.stderr):  # printed text does not belong into the report
                value = metric.function(predict, *metric.arguments)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            told = error.args[0] if isinstance(error, KeyError) and _is_ours(error) else str(error)
            what = f"{type(error).__name__}: {told}" if told else type(error).__name__
            message = f"metric {metric.name}: raised {what} ({_place(error)}), after {number_of(done, 'predictions')}"
            raise MetricError(message) from error
        self.predictions[metric.name] = done
        return _number(metric, value)


def _place(error: BaseException) -> str:
    """The line of the user's own file that failed: the last line in the file that was called first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "in the call itself"


def _is_ours(error: BaseException) -> bool:
    """Whether an error comes from this file, whose texts are read by people and not quoted as keys."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == __file__


def _alone(given: Any) -> Any:
    """The number of what functions for NNCF give: beside it, values for each sample, or None."""
    pair: Any = given
    is_pair = isinstance(given, tuple)
    return pair[0] if is_pair and len(pair) == 2 and (pair[1] is None or isinstance(pair[1], list)) else pair


def _number(metric: Metric, returned: Any) -> float:
    given = _alone(returned)
    value: Any = given.item() if getattr(given, "shape", None) == () else given  # numpy's and others' scalars
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"metric {metric.name}: gave {type(given).__name__}, expected one number; higher is better"
        raise MetricError(message)
    if not math.isfinite(value):
        message = f"metric {metric.name}: gave {value}, expected a finite number: is there a division by zero?"
        raise MetricError(message)
    return float(value)
