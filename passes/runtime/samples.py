"""Calibration samples: the inputs of a model, and a check of each sample against them before it is run.

A sample may be a dict by input name, a sequence in input order, or a single array. For a model with states, it may be a
list of such steps (see `sequences`). Each error names the sample, what it holds and what was expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import ml_dtypes
import numpy as np

from ...ir import DYNAMIC, Array, Graph, Node, UserError, element_type
from ...ir.errors import shortened
from ...ir.index_limits import IndexLimit, index_limits
from ...ir.listing import number_of
from ...ir.suggestions import closest, did_you_mean
from .shape_hints import array_hint, fits, name_hint, order_hint, part_hint, path_hint, state_hint

Feed = dict[str, Array]
#: The most characters of a foreign message that are passed on.
_MOST_QUOTED = 240
#: What the first line of a traceback says.
_TRACEBACK = "Traceback (most recent call last)"
#: The name of the type that torch does not convert to numpy.
_BRAIN_FLOAT = "torch.bfloat16"


class DataError(UserError):
    """The calibration data cannot be read, or do not fit the model."""


@dataclass(frozen=True)
class Sample:
    """One sample as the user gave it.

    Attributes:
        label: Its name in messages, e.g. "sample 3 (photos/cat.jpg)".
        feed: A dict by input name, a sequence in input order, a single array, or a list of steps.
    """

    label: str
    feed: object


@dataclass(frozen=True)
class Steps:
    """The feed of a sample that is known to be a sequence.

    Attributes:
        each: The feeds of its steps.
    """

    each: Sequence[object]


@dataclass(frozen=True, eq=False)
class Past:
    """The steps in front of a step of a sequence, from the last to the first.

    Attributes:
        feed: The arrays of the last of them.
        past: The steps in front of it; None: it is the first.
    """

    feed: Feed
    past: "Past | None" = field(repr=False)


class Runnable(Protocol):
    """An input that a model can be run on."""

    @property
    def sample(self) -> Sample:
        """The sample; its label is the name in messages."""
        ...

    @property
    def feed(self) -> Feed:
        """The arrays for the model."""
        ...

    @property
    def past(self) -> Past | None:
        """The steps that bring the states of the model to where this one begins; None: they are reset."""
        ...


@dataclass(frozen=True)
class PreparedSample:
    """A sample, or a step of one, and the arrays for the model.

    Attributes:
        sample: The sample; its label names the step, too.
        feed: The arrays.
        past: The steps in front of it.
    """

    sample: Sample
    feed: Feed
    past: Past | None = field(default=None, kw_only=True)

    @property
    def alone(self) -> "PreparedSample":
        """The sample without what a subclass adds."""
        return PreparedSample(self.sample, self.feed, past=self.past)

    def with_outputs(self, outputs: list[Array]) -> "ValidationSample":
        """The sample with the float model's outputs."""
        return ValidationSample(self.sample, self.feed, outputs, past=self.past)


@dataclass(frozen=True)
class ValidationSample(PreparedSample):
    """A held-out sample with the float model's outputs."""

    outputs: list[Array]


@dataclass(frozen=True)
class ModelInput:
    """An input of the model.

    Attributes:
        name: Its name in messages.
        names: All its names in samples.
        element_type: The element type as in the IR, e.g. "f32".
        shape: -1 for a dynamic dimension; None: any rank.
        layout: Axis letters from the model's own metadata, e.g. "NCHW".
        limits: The limits of its values, where operations take them as indices or counts.
        returned_as: An output of the same type and shape, as a recurrent model has for its state; empty if none is.
    """

    name: str
    names: frozenset[str]
    element_type: str
    shape: tuple[int, ...] | None
    layout: str | None = None
    limits: tuple[IndexLimit, ...] = ()
    returned_as: str = ""

    def __str__(self) -> str:
        shape = (
            "any shape" if self.shape is None else f"[{','.join('?' if d == DYNAMIC else str(d) for d in self.shape)}]"
        )
        return f"'{self.name}' {self.element_type}{shape}"


def model_inputs(graph: Graph) -> list[ModelInput]:
    """The inputs of a model, in its order."""
    return [_model_input(node) for node in graph.in_file_order("Parameter")]


def _model_input(node: Node) -> ModelInput:
    names = node.output().names
    unknown_rank = "..." in node.attributes.get("shape", "")
    layout = node.output().layout
    return ModelInput(
        name=names[0] if names and node.name not in names else node.name,
        names=frozenset((*names, node.name)),
        element_type=node.attributes["element_type"],
        shape=None if unknown_rank else node.output().shape,
        layout=layout,
        limits=index_limits(node),
        returned_as="" if unknown_rank else _returned_as(node),
    )


def _returned_as(node: Node) -> str:
    """An output of the model that may be the next value of an input; a shape of unknown sizes alone says nothing."""
    state = node.output()
    if all(size in (1, DYNAMIC) for size in state.shape):
        return ""
    given = (each.input(0).source for each in node.graph.in_file_order("Result"))
    alike = (each for each in given if (each.shape, each.element_type) == (state.shape, state.element_type))
    return next(((each.names or [each.node.name])[0] for each in alike), "")


def has_states(graph: Graph) -> bool:
    """Whether the model hands states from one inference to the next."""
    return any(any(each.nodes("Assign")) for each in graph.walk())


def takes_shape(expected: ModelInput, shape: tuple[int, ...]) -> bool:
    """Whether an array of that shape can be run; a batch axis is added in front if it is missing."""
    return fits(shape, expected.shape) or fits((1, *shape), expected.shape)


def checked_feed(sample: Sample, inputs: Sequence[ModelInput]) -> Feed:
    """The arrays to run, keyed by `ModelInput.name`, in the model's element types.

    A missing batch axis of size 1 is added.

    Raises:
        DataError: names, shapes, types or values do not fit.
    """
    arrays = _by_name(sample, inputs)
    return {each.name: _checked_array(sample, each, arrays[each.name], inputs) for each in inputs}


def _by_name(sample: Sample, inputs: Sequence[ModelInput]) -> dict[str, object]:
    feed = sample.feed
    kind = type(feed).__name__
    if isinstance(feed, Steps):
        message = (
            f"{sample.label}: it is a sequence of {len(feed.each)} steps, but the model has no states that carry over: "
            "give each step as a sample"
        )
        raise DataError(message)
    if isinstance(feed, Mapping):
        return _by_given_names(sample, _items(sample, cast(Mapping[object, object], feed)), inputs)
    is_sequence = isinstance(feed, (tuple, list))
    values: list[object] = list(cast(Sequence[object], feed)) if is_sequence else [feed]
    if len(values) != len(inputs):
        came = number_of(len(values), "arrays")
        if is_sequence:
            came = f"a {kind} of {len(values)} (one array per input)"
        hint = part_hint(values, inputs) or (state_hint(inputs) if len(values) < len(inputs) else "")
        message = (
            f"{sample.label}: got {came}, but the model has {number_of(len(inputs), 'inputs')}: "
            f"{', '.join(map(str, inputs))}{hint}"
        )
        raise DataError(message)
    return {each.name: value for each, value in zip(inputs, values, strict=True)}


def _items(sample: Sample, feed: Mapping[object, object]) -> list[tuple[object, object]]:
    """The items of a mapping, which may be read or computed only now."""
    try:
        return list(feed.items())
    except Exception as error:
        message = f"{sample.label}: {type(feed).__name__} cannot be read: {reason_of(error)}"
        raise DataError(message) from error


def _by_given_names(
    sample: Sample, items: Sequence[tuple[object, object]], inputs: Sequence[ModelInput]
) -> dict[str, object]:
    found: dict[str, object] = {}
    names: dict[str, object] = {}
    for given, value in items:
        match = next((each.name for each in inputs if isinstance(given, str) and given in each.names), None)
        if match is None:
            known = [name for each in inputs for name in sorted(each.names)]
            problem = f"{sample.label}: the model has no input {given!r}"
            takes = f"it takes {', '.join(map(str, inputs))}"
            close = closest(str(given), known)
            raise DataError(did_you_mean(problem, close, takes if close else f"{takes}{name_hint(items, inputs)}"))
        if match in found:
            message = f"{sample.label}: {names[match]!r} and {given!r} are names of one input; give one of them"
            raise DataError(message)
        found[match], names[match] = value, given
    if missing := [each for each in inputs if each.name not in found]:
        message = f"{sample.label}: no array for input {', '.join(map(str, missing))}{state_hint(missing)}"
        raise DataError(message)
    return found


def _checked_array(sample: Sample, expected: ModelInput, value: object, inputs: Sequence[ModelInput]) -> Array:
    kind = element_type(expected.element_type)
    if kind.dtype is None:
        why = "give the model without its tokenizer" if kind.name == "string" else f"numpy has no {kind.name} arrays"
        message = f"input {expected}: the model cannot be calibrated with {kind.name} data: {why}"
        raise DataError(message)
    array = _as_array(sample, expected, value)
    came = f"{array.dtype}{list(array.shape)}"
    if array.dtype.kind not in "biufc":
        hint = path_hint(value)
        what = came if isinstance(value, np.ndarray) else type(value).__name__
        message = f"{sample.label}: input {expected}: expected numbers, got {what}{hint}"
        raise DataError(message)
    if not fits(array.shape, expected.shape) and fits((1, *array.shape), expected.shape):
        array = array[np.newaxis]
    if not fits(array.shape, expected.shape):
        feed: object = sample.feed
        in_order = cast(Sequence[object], feed) if isinstance(feed, (tuple, list)) else ()
        hint = order_hint(in_order, inputs) or array_hint(array, expected, inputs)
        message = f"{sample.label}: input {expected}: got {came}{hint}"
        raise DataError(message)
    if array.dtype.kind not in ("biuf" if kind.is_float else "biu"):
        message = f"{sample.label}: input {expected}: got {came}; convert it to {kind.name} first"
        raise DataError(message)
    # Infinities may be masks: if they spoil the model's tensors, the calibration finds that.
    if array.dtype.kind == "f" and np.isnan(array).any():
        message = f"{sample.label}: input {expected}: the array holds NaN"
        raise DataError(message)
    _refuse_beyond_limits(sample, expected, array)
    return np.asarray(_cast(sample, expected, array, kind.dtype), order="C")


def _refuse_beyond_limits(sample: Sample, expected: ModelInput, array: Array) -> None:
    """Refuses an index or a count that an operation does not take; the runtime may die of it."""
    if not expected.limits or not array.size:
        return
    least, most = array.min().item(), array.max().item()
    for limit in expected.limits:
        beyond = [least] * (least <= limit.least - 1) + [most] * (most >= limit.most + 1)  # fractions are cut off
        if beyond:
            takes = f"{limit.reader} takes {limit.least}..{limit.most}"
            message = f"{sample.label}: input {expected}: got {beyond[0]}, but {takes}"
            raise DataError(message)


def _as_array(sample: Sample, expected: ModelInput, value: object) -> Array:
    """The given value as an array."""
    given = cast(Any, value)
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(cast(Any, given)):
        message = f"{sample.label}: input {expected}: values are masked; fill them in: array.filled(VALUE)"
        raise DataError(message)
    try:
        array: Array = np.asarray(brought_here(cast(object, given)))
        # Types that are extensions of numpy (bfloat16) have the kind "V".
        return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array
    except Exception as error:
        message = (
            f"{sample.label}: input {expected}: {type(cast(object, given)).__name__} cannot be made an array of "
            f"numbers: {reason_of(error)}"
        )
        raise DataError(message) from error


def brought_here(value: object) -> object:
    """A tensor without gradient, in the memory of this process; for a tensor of the runtime, its array."""
    given: Any = value
    for step in ("detach", "cpu"):
        given = getattr(given, step)() if callable(getattr(given, step, None)) else given
    if str(getattr(given, "dtype", "")) == _BRAIN_FLOAT and callable(getattr(given, "float", None)):
        given = given.float()
    if isinstance(given, np.ndarray):
        return cast(object, given)
    held: Any = getattr(given, "data", None)
    is_bf16 = str(getattr(given, "element_type", "")) == "<Type: 'bfloat16'>"
    if not isinstance(held, np.ndarray):
        return cast(object, given)
    array = cast(Array, held)
    return array.view(ml_dtypes.bfloat16) if is_bf16 else array  # the dtype of its array is float16


def reason_of(error: BaseException) -> str:
    """The message of an error from foreign code, as one short line; its text may be a whole file, or fail itself.

    The text of an error that comes from another process, as from a worker of a loader, is a traceback, whose last line
    says why.
    """
    kind = type(error).__name__
    try:
        lines = str(error).split("\n")
    except Exception:
        return kind
    if any(_TRACEBACK in line for line in lines):
        lines = [[line for line in lines if line.strip()][-1].removeprefix(f"{kind}: ")]
    text = " ".join(" ".join(lines).split()) or kind
    return shortened(text, _MOST_QUOTED)


def why_unread(error: BaseException) -> str:
    """Why a file could not be read, without its name, which the message has already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else reason_of(error)


def _cast(sample: Sample, expected: ModelInput, array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype == dtype:
        return array
    if array.dtype.kind in "iu" and dtype.kind in "iu" and array.size:
        limits, low, high = np.iinfo(dtype), int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            message = f"{sample.label}: input {expected}: got values {low}..{high}, which {dtype} cannot hold"
            raise DataError(message)
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        cast_array = array.astype(dtype)
    if (
        dtype.kind in "fV"
        and not (held := np.isfinite(cast_array)).all()
        and (lost := np.isfinite(array) & ~held).any()
    ):
        message = f"{sample.label}: input {expected}: got {array[lost][0]:g}, which {dtype} cannot hold"
        raise DataError(message)
    return cast_array
