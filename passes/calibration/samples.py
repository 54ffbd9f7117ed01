"""Calibration samples: what the model takes, and a check of each sample against it before it is run.

A sample may be a dict by input name, a sequence in input order, or a single array. Every complaint says which sample,
what came and what was expected.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from ...ir import DYNAMIC, Array, Graph, Node, UserError, element_type

Feed = dict[str, Array]


class DataError(UserError):
    """The calibration data cannot be read, or do not fit the model."""


@dataclass(frozen=True)
class Sample:
    """One sample as it came.

    Attributes:
        label: What messages call it, e.g. "sample 3 (photos/cat.jpg)".
        feed: A dict by input name, a sequence in input order, or a single array.
    """

    label: str
    feed: object


class Runnable(Protocol):
    """What a model can be run on."""

    @property
    def sample(self) -> Sample:
        """What messages call it."""
        ...

    @property
    def feed(self) -> Feed:
        """The arrays for the model."""
        ...


@dataclass(frozen=True)
class Fed:
    """A sample and the arrays for the model."""

    sample: Sample
    feed: Feed


@dataclass(frozen=True)
class HeldOut(Fed):
    """A sample that calibration did not see, and what the float model says of it."""

    outputs: list[Array]


@dataclass(frozen=True)
class ModelInput:
    """An input of the model.

    Attributes:
        name: What messages call it.
        names: All names that address it.
        element_type: As the IR spells it, e.g. "f32".
        shape: -1 for a dynamic dimension; None: any rank.
        layout: Axis letters from the model's own metadata, e.g. "NCHW".
    """

    name: str
    names: frozenset[str]
    element_type: str
    shape: tuple[int, ...] | None
    layout: str | None = None

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
        name=names[0] if names else node.name,
        names=frozenset((*names, node.name)),
        element_type=node.attributes["element_type"],
        shape=None if unknown_rank else node.output().shape,
        layout=layout,
    )


def checked_feed(sample: Sample, inputs: Sequence[ModelInput]) -> Feed:
    """The arrays to run, keyed by `ModelInput.name`, in the model's element types.

    A missing batch axis of size 1 is added.

    Raises:
        DataError: names, shapes, types or values do not fit.
    """
    arrays = _by_name(sample, inputs)
    return {each.name: _checked_array(sample, each, arrays[each.name]) for each in inputs}


def _by_name(sample: Sample, inputs: Sequence[ModelInput]) -> dict[str, object]:
    feed = sample.feed
    if isinstance(feed, Mapping):
        return _by_given_names(sample, cast(Mapping[object, object], feed), inputs)
    values: list[object] = list(cast(Sequence[object], feed)) if isinstance(feed, (tuple, list)) else [feed]
    if len(values) != len(inputs):
        message = (
            f"{sample.label}: {len(values)} arrays came, but the model has {len(inputs)} inputs: "
            f"{', '.join(map(str, inputs))}"
        )
        raise DataError(message)
    return {each.name: value for each, value in zip(inputs, values, strict=True)}


def _by_given_names(sample: Sample, feed: Mapping[object, object], inputs: Sequence[ModelInput]) -> dict[str, object]:
    found: dict[str, object] = {}
    for given, value in feed.items():
        match = next((each.name for each in inputs if given in each.names), None)
        if match is None:
            known = [name for each in inputs for name in sorted(each.names)]
            close = difflib.get_close_matches(str(given), known, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            message = f"{sample.label}: the model has no input '{given}'; {hint}it takes {', '.join(map(str, inputs))}"
            raise DataError(message)
        found[match] = value
    if missing := [str(each) for each in inputs if each.name not in found]:
        message = f"{sample.label}: nothing came for input {', '.join(missing)}"
        raise DataError(message)
    return found


def _checked_array(sample: Sample, expected: ModelInput, value: object) -> Array:
    kind = element_type(expected.element_type)
    array = _as_array(sample, expected, value)
    came = f"{array.dtype}{list(array.shape)}"
    if array.dtype == object or array.dtype.kind not in "biufc":
        message = f"{sample.label}: input {expected}: expected numbers but {type(value).__name__} came"
        raise DataError(message)
    if kind.dtype is None:
        message = f"input {expected}: numpy has no {kind.name} arrays, so the model cannot be calibrated"
        raise DataError(message)
    if not _fits(array.shape, expected.shape) and _fits((1, *array.shape), expected.shape):
        array = array[np.newaxis]
    if not _fits(array.shape, expected.shape):
        message = f"{sample.label}: input {expected}: {came} came{_batch_hint(array.shape, expected)}"
        raise DataError(message)
    if array.dtype.kind not in ("biuf" if kind.is_float else "biu"):
        message = f"{sample.label}: input {expected}: {came} came; convert it to {kind.name} first"
        raise DataError(message)
    if (
        array.dtype.kind == "f" and np.isnan(array).any()
    ):  # infinities may be masks: what the model makes of them counts
        message = f"{sample.label}: input {expected}: the array holds NaN"
        raise DataError(message)
    return np.asarray(_cast(sample, expected, array, kind.dtype), order="C")


def _as_array(sample: Sample, expected: ModelInput, value: object) -> Array:
    """What came as an array; tensors that know their gradient, or are elsewhere, are brought here first."""
    given: Any = value
    try:
        for step in ("detach", "cpu"):
            given = getattr(given, step)() if callable(getattr(given, step, None)) else given
        array: Array = np.asarray(given)
        # Types that numpy only knows through others (bfloat16) have no kind of their own.
        return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        message = (
            f"{sample.label}: input {expected}: {type(value).__name__} cannot be made an array of numbers: {reason}"
        )
        raise DataError(message) from error


def _batch_hint(shape: tuple[int, ...], expected: ModelInput) -> str:
    """What to do if the model only takes several samples at once, and one came."""
    wanted = expected.shape or ()
    if not wanted or wanted[0] < 2 or not any(_fits(each, (1, *wanted[1:])) for each in (shape, (1, *shape))):
        return ""
    sizes = ",".join("?" if size == DYNAMIC else str(size) for size in wanted[1:])
    return (
        f": the model takes {wanted[0]} at a time; give stacks of {wanted[0]}, or convert it for one: "
        f"ovc MODEL --input '{expected.name}[1,{sizes}]' (in Python: model.reshape)"
    )


def _cast(sample: Sample, expected: ModelInput, array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype == dtype:
        return array
    if array.dtype.kind in "iu" and dtype.kind in "iu" and array.size:
        limits, low, high = np.iinfo(dtype), int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            message = f"{sample.label}: input {expected}: values {low}..{high} came, which {dtype} cannot hold"
            raise DataError(message)
    return array.astype(dtype)


def _fits(shape: tuple[int, ...], expected: tuple[int, ...] | None) -> bool:
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        want in (DYNAMIC, size) for size, want in zip(shape, expected, strict=True)
    )
