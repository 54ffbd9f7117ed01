"""Packed element types, against the bytes that the runtime's serializer writes."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.ir import Builder, Graph, IRError, element_type, read_model, write_model
from irquant.ir.packing import NF4_VALUES, pack, unpack
from irquant.passes.runtime.probe import evaluate

RNG = np.random.default_rng(0)
NF4 = [-1.0, 0.0, 1.0, -0.6961928009986877, 0.07958029955625534]


#: What older runtimes lack is not tested with them.
KINDS = ("u1", "u2", "u3", "u4", "i4", "u6", "nf4", "f4e2m1")


def values_of(kind: str, count: int) -> list[Any]:
    if kind == "nf4":
        return [NF4[index % 5] for index in range(count)]
    if kind == "f4e2m1":
        return [[0.5, -6.0, 3.0, 1.5, 0.0, -0.5][index % 6] for index in range(count)]
    bits = int(kind[1:])
    low = -(1 << bits - 1) if kind[0] == "i" else 0
    return [int(value) for value in RNG.integers(low, low + (1 << bits), count)]


@pytest.mark.parametrize("kind", [each for each in KINDS if hasattr(ov.Type, each)])
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 17])
def test_values_are_those_that_the_runtime_packed(tmp_path: Path, kind: str, count: int) -> None:
    values = values_of(kind, count)
    constant = ov.op.Constant(getattr(ov.Type, kind), ov.Shape([count]), values)
    ov.serialize(ov.Model([constant], [], "packed"), tmp_path / "m.xml", tmp_path / "m.bin")
    (node,) = read_model(tmp_path / "m.xml").nodes("Const")
    assert node.array.astype(np.float64).tolist() == pytest.approx(values)
    assert node.raw.tobytes() == (tmp_path / "m.bin").read_bytes()


def test_strings_read(tmp_path: Path) -> None:
    constant = ov.op.Constant(ov.Tensor(np.array([["ab", ""], ["ü", "a,b"]])))
    ov.serialize(ov.Model([constant], [], "texts"), tmp_path / "m.xml", tmp_path / "m.bin")
    (node,) = read_model(tmp_path / "m.xml").nodes("Const")
    assert node.array.tolist() == [["ab", ""], ["ü", "a,b"]]


@pytest.mark.parametrize(
    ("numbers", "content", "said"),
    [
        ([], b"", "0 bytes of strings hold no table for -1 of them"),
        ([-5, 0], b"", "8 bytes of strings hold no table for -5 of them"),
        ([1 << 30, 0], b"", "8 bytes of strings hold no table for 1073741824 of them"),
        ([2, 0, 3, 1], b"abc", "offsets of 2 strings do not lie in order in 3 bytes"),
        ([1, 0, 4], b"abc", "offsets of 1 strings do not lie in order in 3 bytes"),
        ([1, 7, 9], b"abcabcabc", "offsets of 1 strings do not lie in order in 9 bytes"),
        ([1, 0, 1], b"\xff", "strings are no UTF-8: "),
    ],
)
def test_strings_that_make_no_sense_are_refused(tmp_path: Path, numbers: list[int], content: bytes, said: str) -> None:
    constant = ov.op.Constant(ov.Tensor(np.array(["abc"])))
    ov.serialize(ov.Model([constant], [], "texts"), tmp_path / "m.xml", tmp_path / "m.bin")
    raw = np.array(numbers, "<i4").tobytes() + content
    size = (tmp_path / "m.bin").stat().st_size
    (tmp_path / "m.bin").write_bytes(raw)
    (tmp_path / "m.xml").write_text((tmp_path / "m.xml").read_text().replace(f'size="{size}"', f'size="{len(raw)}"'))
    with pytest.raises(IRError) as caught:
        read_model(tmp_path / "m.xml")
    assert str(caught.value).startswith(f"{tmp_path / 'm.xml'}: constant 'Constant_")
    assert f"': {said}" in str(caught.value)


@pytest.mark.skipif(not hasattr(ov.Type, "u3"), reason="this runtime has no groups of 3 bits")
def test_groups_must_be_whole(tmp_path: Path) -> None:
    constant = ov.op.Constant(ov.Type.u3, ov.Shape([5]), [1, 2, 3, 4, 5])
    ov.serialize(ov.Model([constant], [], "packed"), tmp_path / "m.xml", tmp_path / "m.bin")
    (tmp_path / "m.xml").write_text((tmp_path / "m.xml").read_text().replace('size="3"', 'size="2"'))
    with pytest.raises(IRError, match=r"of shape \[5\] u3 needs 3 bytes but has 2$"):
        read_model(tmp_path / "m.xml")


def test_what_has_no_values_says_so() -> None:
    with pytest.raises(IRError, match=r"^element type dynamic has no values$"):
        unpack(np.zeros(4, np.uint8), "dynamic", 1)
    with pytest.raises(IRError, match=r"^1 bytes hold 2 values of u4, not 3$"):
        unpack(np.zeros(1, np.uint8), "u4", 3)


@given(st.sampled_from(["u4", "i4", "nf4"]), st.binary(min_size=1, max_size=40))
def test_all_bytes_survive_unpacking_and_packing(kind: str, raw: bytes) -> None:
    given_bytes = np.frombuffer(raw, np.uint8)
    values = unpack(given_bytes, kind, 2 * len(raw))
    np.testing.assert_array_equal(pack(values, kind), given_bytes)


def test_an_odd_value_is_followed_by_a_zero() -> None:
    assert pack(np.array([1, -2, -8]), "i4").tolist() == [0xE1, 0x08]


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("i4", 8, "element type i4 does not hold 8"),
        ("i4", -9, "element type i4 does not hold -9"),
        ("u4", -1, "element type u4 does not hold -1"),
        ("u4", 16, "element type u4 does not hold 16"),
        ("nf4", 0.5, "element type nf4 does not hold 0.5"),
        ("nf4", np.nan, "element type nf4 does not hold nan"),
        ("u3", 1, "element type u3 cannot be packed: only u4, i4 and nf4 can"),
        ("i8", 1, "element type i8 cannot be packed: only u4, i4 and nf4 can"),
    ],
)
def test_values_that_a_type_does_not_hold_are_refused(kind: str, value: float, said: str) -> None:
    with pytest.raises(IRError) as caught:
        pack(np.array([0, value]), kind)
    assert str(caught.value) == said


PACKED = [
    ("u4", np.arange(15).reshape(3, 5)),
    ("i4", np.arange(-8, 7).reshape(3, 5)),
    ("nf4", NF4_VALUES[:15].reshape(3, 5)),
]


def with_packed(kind: str, values: np.ndarray[Any, Any]) -> Graph:
    """A model that gives a packed constant as f32."""
    graph = Graph()
    build = Builder(graph)
    constant = build.constant(values, name="packed", packed=element_type(kind))
    build.result(build.convert(constant, element_type("f32"), name="float"), name="out")
    return graph


@pytest.mark.parametrize(("kind", "values"), PACKED)
def test_a_new_packed_constant_is_written_and_read_back(
    tmp_path: Path, kind: str, values: np.ndarray[Any, Any]
) -> None:
    write_model(with_packed(kind, values), tmp_path / "m.xml")
    (node,) = read_model(tmp_path / "m.xml").nodes("Const")
    assert node.output().element_type == element_type(kind)
    assert node.raw.size == 8
    np.testing.assert_array_equal(node.array, values)
    out = ov.Core().compile_model(tmp_path / "m.xml", "CPU")([])[0]
    np.testing.assert_allclose(out, values, rtol=1e-3)  # nf4 becomes f16 first


@pytest.mark.parametrize(("kind", "values"), PACKED)
def test_the_runtime_borrows_a_new_packed_constant(kind: str, values: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(evaluate(with_packed(kind, values))[0], values, rtol=1e-3)
