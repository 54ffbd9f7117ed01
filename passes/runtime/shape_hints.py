"""What a sample of the wrong shape most likely is: the end of an error message, empty if it is not clear."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...ir import DYNAMIC, Array, element_type
from ...ir.spelling import worded

if TYPE_CHECKING:
    from .samples import ModelInput

Shape = tuple[int, ...]
#: The orders of axes that turn a layout into the other one, and its name.
_LAYOUTS: Mapping[Shape, str] = {(0, 3, 1, 2): "NHWC", (0, 2, 3, 1): "NCHW", (2, 0, 1): "HWC", (1, 2, 0): "CHW"}
#: How many channels pictures have.
_CHANNELS = (1, 3)
#: The most axes, or arrays, whose orders are all tried.
_MOST_ORDERED = 5


def shape_of(value: object) -> Shape | None:
    """The shape of an array of any framework; None for anything else."""
    try:
        shape = getattr(value, "shape", None)
        return None if shape is None else tuple(int(each) for each in shape)
    except Exception:  # the object may be anything, and is asked for an attribute
        return None


def fits(shape: Shape, expected: Shape | None) -> bool:
    """Whether an array has an expected shape; None: any rank."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        want in (DYNAMIC, size) for size, want in zip(shape, expected, strict=True)
    )


def array_hint(array: Array, expected: "ModelInput", inputs: "Sequence[ModelInput]") -> str:
    """What an array is that does not fit an input."""
    wanted = expected.shape or ()
    hints = (
        _of_fixed_batch(array.shape, wanted, inputs),
        _of_axes(array.shape, wanted),
        _of_ones(array.shape, wanted),
        _of_size(array.shape, wanted),
    )
    return next(filter(None, hints), "") or _of_labels(array, expected)


def path_hint(value: object) -> str:
    """What to do with the path of a sample."""
    if not isinstance(value, (str, os.PathLike)):
        return ""
    return "; if it is a path, read it: transform=FUNCTION, or give the folder or a glob of the files as data"


def part_hint(values: Sequence[object], inputs: "Sequence[ModelInput]") -> str:
    """Which part of a sample is the data of a model with one input."""
    wanted = [each.shape for each in inputs]
    fitting = [index for index, each in enumerate(values) if len(wanted) == 1 and _is_some(shape_of(each), wanted[0])]
    return f"; element {fitting[0]} fits: transform=lambda item: item[{fitting[0]}]" if fitting else ""


def name_hint(items: Sequence[tuple[object, object]], inputs: "Sequence[ModelInput]") -> str:
    """Which item of a dict is the data of a model with one input; empty if none fits, or several do."""
    wanted = [each.shape for each in inputs]
    fitting = [name for name, value in items if len(wanted) == 1 and _is_some(shape_of(value), wanted[0])]
    if len(fitting) != 1:
        return ""
    remedy = worded(f"give it as {{{inputs[0].name!r}: ...}}", f"transform=lambda item: item[{fitting[0]!r}]")
    return f"; {fitting[0]!r} fits: {remedy}"


def order_hint(values: Sequence[object], inputs: "Sequence[ModelInput]") -> str:
    """The inputs that arrays fit which come in another order; empty if they come in that of the inputs."""
    shapes = [shape_of(each) for each in values]
    orders = itertools.permutations(inputs) if len(shapes) == len(inputs) <= _MOST_ORDERED else iter(())
    fitting = (order for order in orders if all(map(_is_some, shapes, (each.shape for each in order))))
    found = next(fitting, ())
    if not found or list(found) == list(inputs):
        return ""
    named = ", ".join(f"'{each.name}': ..." for each in found)
    return f"; they fit in another order: give them by name, {{{named}}}"


def state_hint(missing: "Iterable[ModelInput]") -> str:
    """What to feed if an input may be a state that the model hands to its next step."""
    states = [each for each in missing if each.returned_as]
    if not states:
        return ""
    first = states[0]
    return (
        f"; if '{first.name}' is the state that output '{first.returned_as}' hands to the next step, run the float "
        "model step by step and record it (docs/recipes/voice_activity.md)"
    )


def _is_some(shape: Shape | None, wanted: Shape | None) -> bool:
    """Whether an array holds one sample of an input, without or with a batch axis, or several."""
    if shape is None:
        return False
    several = [(1, *shape[1:])] if shape else []
    return any(fits(each, wanted) for each in (shape, (1, *shape), *several))


def _of_fixed_batch(shape: Shape, wanted: Shape, inputs: "Sequence[ModelInput]") -> str:
    """The model takes a fixed number of samples at once, and the array holds another number."""
    if not wanted or wanted[0] < 2 or not any(fits(each, wanted[1:]) for each in (shape, shape[1:])):
        return ""
    batched = [each for each in inputs if each.shape and each.shape[0] == wanted[0]]
    shapes = {each.name: [1, *(each.shape or ())[1:]] for each in batched}
    is_last = fits(shape[1:], wanted[1:]) and 1 < shape[0] < wanted[0]
    last = " (a loader leaves out a smaller last one with drop_last=True)" if is_last else ""
    return (
        f"; the model takes {wanted[0]} samples at a time: give stacks of {wanted[0]}{last}, or reshape it in Python: "
        f"model = openvino.Core().read_model(FILE); model.reshape({shapes})"
    )


def _of_axes(shape: Shape, wanted: Shape) -> str:
    """The axes come in another order, as in NHWC instead of NCHW."""
    for axes in _orders(len(shape)):
        moved = tuple(shape[axis] for axis in axes)
        if fits(moved, wanted) or fits((1, *moved), wanted) or (axes[0] == 0 and fits((1, *moved[1:]), wanted)):
            looks = f"it looks like {_LAYOUTS[axes]}" if axes in _LAYOUTS else "its axes fit in another order"
            return f"; {looks}: array.transpose{axes}"
    return ""


def _orders(rank: int) -> Iterator[Shape]:
    """The orders of axes, those of known layouts first."""
    yield from (axes for axes in _LAYOUTS if len(axes) == rank)
    yield from list(itertools.permutations(range(rank)))[1:] if rank <= _MOST_ORDERED else ()


def _of_ones(shape: Shape, wanted: Shape) -> str:
    """Only axes of size 1 differ."""
    whole = (1, *wanted[1:]) if wanted[:1] == (DYNAMIC,) else wanted
    is_same = [size for size in shape if size != 1] == [size for size in whole if size != 1]
    return f"; array.reshape({', '.join(map(str, whole))}) fits" if is_same else ""


def _of_size(shape: Shape, wanted: Shape) -> str:
    """The array holds a picture of another size, perhaps in another layout, or several."""
    given, expected = _picture(shape[1:] if len(shape) == 4 else shape), _picture(wanted[1:])
    if not given or not expected or given.channels != expected.channels or given.size == expected.size:
        return ""
    if DYNAMIC in expected.size:
        return ""
    turned = "" if given.layout == expected.layout else f", and turn {given.layout} into {expected.layout}"
    came, to = ("x".join(map(str, each.size)) for each in (given, expected))
    return f"; it looks like a picture of {came}: resize it to {to} (height x width){turned}"


class _Picture(NamedTuple):
    layout: str
    channels: int
    size: tuple[int, int]


def _picture(shape: Shape) -> _Picture | None:
    """What a shape without a batch axis is as a picture."""
    if len(shape) == 3 and shape[0] in _CHANNELS:
        return _Picture("CHW", shape[0], (shape[1], shape[2]))
    if len(shape) == 3 and shape[2] in _CHANNELS:
        return _Picture("HWC", shape[2], (shape[0], shape[1]))
    return None


def _of_labels(array: Array, expected: "ModelInput") -> str:
    """Integers without a shape, for an input of floats."""
    is_label = array.dtype.kind in "iu" and array.ndim < 2 <= len(expected.shape or ())
    floats = element_type(expected.element_type).is_float
    return "; it looks like labels: give the data that they belong to" if is_label and floats else ""
