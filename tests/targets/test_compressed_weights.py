"""What targets say about weights that are compressed already."""

import re
from pathlib import Path

import pytest

from irquant.ir import from_text
from irquant.targets import TargetError, check_target, load_target
from irquant.targets.target import Compression
from tests.targets.target_texts import RULES, complaint

WEIGHTS = """
    x: f32[1,8] = Parameter()
    one: f32[8] = Parameter()
    rows: i64[2] = Parameter()
    matrix: f32[8,8] = Const() [{64}]
    column: f32[8,1] = Const() [{8}]
    stack: f32[2,8,8] = Const() [{128}]
    kernel: f32[8,8,1,1] = Const() [{64}]
    axis: i64[] = Const() [0]
    image: f32[1,8,4,4] = Parameter()
    product: f32[1,8] = MatMul(x, matrix)
    from_vector: f32[8] = MatMul(one, matrix)
    to_column: f32[1,1] = MatMul(x, column)
    stacked: f32[2,1,8] = MatMul(x, stack)
    lookup: f32[2,8] = Gather.opset8(matrix, rows, axis)
    conv: f32[1,8,4,4] = Convolution(image, kernel)
    sum: f32[1,8] = Add(x, x)
"""


def compression(target: str, node: str) -> Compression | None:
    text = re.sub(r"\{(\d+)\}", lambda each: ", ".join(["1.0"] * int(each[1])), WEIGHTS)
    return load_target(target).compression(from_text(text).node(node))


@pytest.mark.parametrize(
    ("target", "node", "types"),
    [
        ("cpu", "product", ("i8", "u8", "i4", "u4", "nf4")),
        ("cpu_spr", "product", ("i8", "u8", "i4", "u4", "nf4")),
        ("cpu", "lookup", ("i8", "u8", "i4", "u4")),
        ("gpu", "product", ("i8", "u8", "i4", "u4")),
        ("gpu", "lookup", ("i8", "u8", "i4", "u4")),
    ],
)
def test_a_target_keeps_compressed_weights(target: str, node: str, types: tuple[str, ...]) -> None:
    entry = compression(target, node)
    assert entry is not None
    assert (entry.types, entry.smallest_group) == (types, 4)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("node", ["from_vector", "to_column", "stacked", "conv"])
def test_a_target_says_why_it_makes_floats_of_weights(target: str, node: str) -> None:
    entry = compression(target, node)
    if target == "gpu" and node in ("from_vector", "to_column"):
        assert entry == compression("gpu", "product")  # these are of the CPU's plugin
        return
    assert entry is not None
    assert entry.types == ()
    assert entry.because.startswith("the plugin makes floats of ")


@pytest.mark.parametrize(("target", "node"), [("cpu", "sum"), ("npu", "product"), ("gna", "product")])
def test_a_target_may_say_nothing_of_compressed_weights(target: str, node: str) -> None:
    assert compression(target, node) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{op: MatMul, types: [i5]}", "keeps_compressed[0].types[0] is 'i5'; there are: i8, u8, i4, u4, nf4"),
        ("{op: MatMul, smallest_group: 1}", "keeps_compressed[0].smallest_group is 1; "),
        ("{op: MatMul, type: i8}", "unknown key 'keeps_compressed[0].type'; did you mean 'types'? "),
        ("{types: [i8]}", "'keeps_compressed[0].op' is missing"),
    ],
)
def test_a_wrong_entry_about_compressed_weights_is_refused(entry: str, said: str) -> None:
    assert complaint(RULES + f"keeps_compressed:\n  - {entry}\n").startswith(said)


def test_the_check_knows_the_operations_of_compressed_weights(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RULES + "keeps_compressed:\n  - {op: Matmul, types: i8}\n")
    with pytest.raises(
        TargetError, match=r"keeps_compressed\[0\]\.op: no operation 'Matmul'; did you mean 'MatMul'\?$"
    ):
        check_target(str(path))
