"""Arrays in files: what a header promises is looked at before memory is taken for it."""

import io
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest

from irquant.ir.array_files import ArrayFileError, StoredArray, stored_array


def stored(content: bytes) -> StoredArray:
    return stored_array(lambda: io.BytesIO(content))


def saved(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n"


def shaped(shape: str, kind: str = "'<f4'") -> bytes:
    return headed(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}")


def complaint(content: bytes) -> str:
    with pytest.raises(ArrayFileError) as caught:
        stored(content)
    return str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(3, dtype=">i2"),
        np.zeros((0, 3)),
        np.zeros((2, 0)),
        np.array([True, False]),
        np.array("text"),
    ],
)
def test_an_array_comes_back_whole_and_by_rows(array: np.ndarray[Any, Any]) -> None:
    found = stored(saved(array))
    assert (found.shape, found.dtype, found.ndim) == (array.shape, array.dtype, array.ndim)
    np.testing.assert_array_equal(found.whole(), array)
    for row, expected in zip(found.rows() if array.ndim else (), array if array.ndim else (), strict=True):
        np.testing.assert_array_equal(row, expected)


def test_a_row_is_read_alone() -> None:
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    found = stored(saved(array))
    np.testing.assert_array_equal(found.row(2), array[2])
    np.testing.assert_array_equal(found.row(0), array[0])


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("(-1, 3)", "a shape that no array has: [-1, 3]"),
        ("(True, 3)", "a shape that no array has: [True, 3]"),
        (f"({'1,' * 33})", "a shape that no array has: [1, 1, 1"),
        ("(9223372036854775807, 9223372036854775807, 8)", "a shape that no array has: [9223372036854775807, "),
        ("(3", "no array: "),
        (f"({'9' * 5000},)", "no array: "),
        ("(" * 9000, "no array: "),
        ("__import__('os')", "no array: "),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: str, said: str) -> None:
    assert complaint(shaped(shape)).startswith(said)


@pytest.mark.parametrize("kind", ["'|O'", "'|V0'", "('<f4', (100000000,))"])
def test_what_holds_no_numbers_is_refused(kind: str) -> None:
    assert complaint(shaped("(3,)", kind)).startswith("an array of ")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x02\x00\xf0\xff\xff\xff{}", b"\x93NUMPY\x09\x00  "])
def test_what_is_no_array_is_refused(content: bytes) -> None:
    assert complaint(content).startswith("no array: ")


def test_an_array_that_is_too_large_takes_no_memory() -> None:
    found = stored(shaped("(10000000000000,)"))
    tracemalloc.start()
    with pytest.raises(ArrayFileError) as caught:
        found.whole()
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert str(caught.value) == (
        "float32[10000000000000] takes 40,000,000,000,000 bytes, expected 1,073,741,824 or less; "
        "IRQUANT_ANY_SIZE=1 allows it"
    )


def test_of_a_stack_one_row_at_a_time_is_in_memory() -> None:
    found = stored(saved(np.ones((1000, 3, 8, 8), np.float32)))
    rows = found.rows(most=3 * 8 * 8 * 4)
    assert next(rows).shape == (3, 8, 8)
    with pytest.raises(ArrayFileError, match=r"^float32\[1000, 3, 8, 8\] takes 768 bytes, expected 767 or less"):
        next(found.rows(most=3 * 8 * 8 * 4 - 1))


def test_a_file_that_ends_early_is_told() -> None:
    whole = saved(np.ones((4, 10), np.float32))
    with pytest.raises(ArrayFileError) as caught:
        stored(whole[:-30]).whole()
    assert str(caught.value) == "ends after 130 of the 160 bytes of float32[4, 10]"
    with pytest.raises(ArrayFileError, match=r"^ends after"):
        stored(whole[:-30]).row(3)
    rows = stored(whole[:-30]).rows()
    assert [len(next(rows)) for _ in range(3)] == [10, 10, 10]
    with pytest.raises(ArrayFileError, match=r"^ends after 10 of the 40 bytes of float32\[10\]$"):
        next(rows)
