"""Element types: the name in `data`, the precision on ports, the width, and the numpy type if there is one.

Spellings are as in OpenVINO's reader: lower-case short names in `data`, upper-case precisions on ports.
"""

import functools
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from .errors import IRError


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type of the IR. `dtype` is None if numpy has no array form (packed and string types)."""

    name: str
    precision: str
    bits: int
    dtype: np.dtype[Any] | None

    @property
    def is_float(self) -> bool:
        """Whether values of this type are floats that a FakeQuantize may round."""
        return self.name in ("f16", "bf16", "f32", "f64")

    def bytes_of(self, elements: int) -> int:
        """The size of `count` elements in the file, in bytes; types of 3 and 6 bits are stored in groups of 8 and 4."""
        group = {3: 8, 6: 4}.get(self.bits, 1)
        return -(-(-(-elements // group) * group * self.bits) // 8)


def _table() -> dict[str, ElementType]:
    plain: list[tuple[str, str, int, Any]] = [
        ("boolean", "BOOL", 8, np.bool_),
        ("f16", "FP16", 16, np.float16),
        ("f32", "FP32", 32, np.float32),
        ("f64", "FP64", 64, np.float64),
        ("bf16", "BF16", 16, ml_dtypes.bfloat16),
        ("f8e4m3", "F8E4M3", 8, ml_dtypes.float8_e4m3fn),
        ("f8e5m2", "F8E5M2", 8, ml_dtypes.float8_e5m2),
        ("f8e8m0", "F8E8M0", 8, ml_dtypes.float8_e8m0fnu),
        *(
            (f"{kind}{bits}", f"{kind}{bits}".upper(), bits, f"{kind}{bits // 8}")
            for kind in "iu"
            for bits in (8, 16, 32, 64)
        ),
        *((name, precision, bits, None) for name, precision, bits in _PACKED),
    ]
    return {
        name: ElementType(name, precision, bits, None if dtype is None else np.dtype(dtype))
        for name, precision, bits, dtype in plain
    }


# No numpy form: sub-byte packings differ from type to type, strings carry their own offsets.
_PACKED = [
    ("u1", "BIN", 1),
    ("u2", "U2", 2),
    ("u3", "U3", 3),
    ("u4", "U4", 4),
    ("i4", "I4", 4),
    ("u6", "U6", 6),
    ("nf4", "NF4", 4),
    ("f4e2m1", "F4E2M1", 4),
    ("string", "STRING", 0),
    ("dynamic", "UNSPECIFIED", 0),
    ("undefined", "UNSPECIFIED", 0),
]

ELEMENT_TYPES = _table()
_BY_PRECISION = {kind.precision: kind for kind in reversed(ELEMENT_TYPES.values())}
_BY_DTYPE = {kind.dtype: kind for kind in ELEMENT_TYPES.values() if kind.dtype is not None}


def element_type(name: str) -> ElementType:
    """The element type with this name in `data`, e.g. "f32"."""
    if name not in ELEMENT_TYPES:
        message = f"unknown element type '{name}'; known: {', '.join(ELEMENT_TYPES)}"
        raise IRError(message)
    return ELEMENT_TYPES[name]


@functools.cache
def element_type_of_precision(precision: str) -> ElementType:
    """The element type with this precision on ports, e.g. "FP32", in any case of letters."""
    known = _BY_PRECISION.get(precision.upper())
    known = known or ELEMENT_TYPES.get(precision.lower())
    if known is None:
        message = f"unknown port precision '{precision}'; known: {', '.join(_BY_PRECISION)}"
        raise IRError(message)
    return known


def element_type_of_dtype(dtype: np.dtype[Any]) -> ElementType:
    """The element type of a numpy array."""
    if dtype not in _BY_DTYPE:
        message = f"no IR element type holds numpy's {dtype}"
        raise IRError(message)
    return _BY_DTYPE[dtype]
