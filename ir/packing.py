"""Packs and unpacks element types without a numpy array form.

Source: OpenVINO's element types, as its serializer writes them (tests compare). Values of 3 and 6 bits are stored in
groups of 8 and 4: first the low bits of all values, then the high bits, with the first value in the highest bits.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from .errors import IRError

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Values = np.ndarray[Any, np.dtype[Any]]

#: NormalFloat, the 16 quantiles of Dettmers et al., "QLoRA" (2023), appendix E.
NF4_VALUES = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0],
    np.float32,
)  # fmt: skip


def _split(raw: _Bytes, bits: int) -> _Bytes:
    """Splits bytes into parts of 1, 2 or 4 bits, lowest first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((raw[..., np.newaxis] >> shifts) & np.uint8((1 << bits) - 1)).reshape(*raw.shape[:-1], -1)


def _split_down(raw: _Bytes, bits: int) -> _Bytes:
    """Splits bytes into parts, highest first."""
    parts = _split(raw, bits)
    per_byte = 8 // bits
    return parts.reshape(*parts.shape[:-1], -1, per_byte)[..., ::-1].reshape(parts.shape)


def _grouped(raw: _Bytes, low: int, high: int) -> _Bytes:
    """Unpacks groups of three bytes: two with the low bits of all values, one with the high bits."""
    groups = raw[: raw.size - raw.size % 3].reshape(-1, 3)
    return (_split_down(groups[:, :2], low) | _split_down(groups[:, 2:], high) << np.uint8(low)).ravel()


def _signed(nibbles: _Bytes) -> _Values:
    return ((nibbles ^ 8).astype(np.int8) - 8).astype(np.int8)


def _texts(raw: _Bytes) -> _Values:
    """Reads strings: int32 count, int32 0 (the first start), `count` int32 ends, then the UTF-8 bytes."""
    numbers = raw[: raw.size - raw.size % 4].view("<i4")
    count = int(numbers[0]) if numbers.size else -1
    if count < 0 or numbers.size < count + 2:
        message = f"{raw.size} bytes of strings hold no table for {count} of them"
        raise IRError(message)
    offsets = numbers[1 : count + 2].astype(np.int64)
    content = raw[4 * (count + 2) :].tobytes()
    if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(content):
        message = f"offsets of {count} strings do not lie in order in {len(content)} bytes"
        raise IRError(message)
    try:
        texts = [content[begin:end].decode() for begin, end in itertools.pairwise(offsets)]
    except UnicodeDecodeError as error:
        message = f"strings are no UTF-8: {error}"
        raise IRError(message) from None
    return np.array(texts, object)


_UNPACK: Mapping[str, Callable[[_Bytes], _Values]] = {
    "u1": lambda raw: _split_down(raw, 1),
    "u2": lambda raw: _split(raw, 2),
    "u3": lambda raw: _grouped(raw, 2, 1),
    "u4": lambda raw: _split(raw, 4),
    "i4": lambda raw: _signed(_split(raw, 4)),
    "u6": lambda raw: _grouped(raw, 4, 2),
    "nf4": lambda raw: NF4_VALUES[_split(raw, 4)],
    "f4e2m1": lambda raw: _split(raw, 4).view(ml_dtypes.float4_e2m1fn),
    "string": _texts,
}


def unpack(raw: _Bytes, kind: str, count: int) -> _Values:
    """The first `count` values of a packed type: u8 or i8 for integers, floats, or `str` objects.

    Raises:
        IRError: the type is unknown, or the bytes are too few or wrong.
    """
    if kind not in _UNPACK:
        message = f"element type {kind} has no values"
        raise IRError(message)
    values = _UNPACK[kind](raw)
    if values.size < count:
        message = f"{raw.size} bytes hold {values.size} values of {kind}, not {count}"
        raise IRError(message)
    return values[:count]


#: The lowest and the highest integer of types of 4 bits.
_LIMITS: Mapping[str, tuple[int, int]] = {"u4": (0, 15), "i4": (-8, 7)}


def pack(values: _Values, kind: str) -> _Bytes:
    """The bytes of u4, i4 or nf4 values, in the form that `unpack` reads: the first of two in the low bits.

    Args:
        values: Integers, or numbers of `NF4_VALUES`.
        kind: "u4", "i4" or "nf4".

    Raises:
        IRError: the type is another one, or it does not hold a value.
    """
    if kind != "nf4" and kind not in _LIMITS:
        message = f"element type {kind} cannot be packed: only {', '.join(_LIMITS)} and nf4 can"
        raise IRError(message)
    flat = values.reshape(-1)
    is_held = np.isin(flat, NF4_VALUES) if kind == "nf4" else (flat >= _LIMITS[kind][0]) & (flat <= _LIMITS[kind][1])
    if not is_held.all():
        message = f"element type {kind} does not hold {flat[is_held.argmin()]:g}"
        raise IRError(message)
    codes = np.searchsorted(NF4_VALUES, flat) if kind == "nf4" else flat.astype(np.int8) & 15
    nibbles = np.append(codes, np.zeros(flat.size % 2, np.uint8)).astype(np.uint8)
    return nibbles[::2] | nibbles[1::2] << np.uint8(4)
