"""Which values an input may have follows from the operations that take it as indices or counts, and only from these."""

import pytest

from irquant.ir import from_text
from irquant.ir.index_limits import IndexLimit, index_limits

GRAPH = """
ids: i64[2,2] = Parameter()
flat: i64[2] = Parameter()
one: i64[] = Parameter()
x: f32[4,3] = Parameter()
open: f32[?,3] = Parameter()
t: f32[4,3] = Const() [{}]
u: f32[2,3] = Parameter()
zero: i64[] = Const() [0]
last: i64[] = Const() [-1]
shape: i64[1] = Const() [2]
{{}}
r = Result(y)
""".format(", ".join(["1.0"] * 12))


def limits(line: str, name: str = "ids") -> list[tuple[int, int, str]]:
    found = index_limits(from_text(GRAPH.format(line)).node(name))
    return [(each.least, each.most, each.reader.partition(" ")[0]) for each in found]


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        ("y: f32[2,2,3] = Gather.opset8(t, ids, zero)", "ids", (-4, 3, "Gather")),
        ("y: f32[2,2,3] = Gather.opset7(t, ids, zero)", "ids", (0, 3, "Gather")),
        ("y: f32[4,2,2] = Gather(t, ids, last)", "ids", (0, 2, "Gather")),
        ('y: f32[2,2] = GatherElements.opset6(x, ids) axis="1"', "ids", (-3, 2, "GatherElements")),
        ("y: f32[2] = GatherND.opset8(t, ids)", "ids", (-4, 3, "GatherND")),
        ("y: f32[3] = GatherND.opset8(t, flat)", "flat", (-4, 3, "GatherND")),
        ("y: f32[4,3] = ScatterUpdate.opset3(t, flat, u, zero)", "flat", (0, 3, "ScatterUpdate")),
        ("y: f32[4,3] = ScatterElementsUpdate.opset3(t, ids, u, zero)", "ids", (-4, 3, "ScatterElementsUpdate")),
        ("y: f32[4,3] = ScatterNDUpdate.opset4(t, flat, u)", "flat", (-4, 3, "ScatterNDUpdate")),
        ("y: f32[2,3] = EmbeddingBagPackedSum.opset3(t, ids)", "ids", (0, 3, "EmbeddingBagPackedSum")),
        ("y: f32[2,3] = EmbeddingBagOffsetsSum.opset3(t, flat, shape)", "flat", (0, 3, "EmbeddingBagOffsetsSum")),
        ("y: f32[?,?] = Tile(t, flat)", "flat", (0, 2**31 - 1, "Tile")),
        ("y: f32[?,?] = Broadcast.opset3(zero, flat)", "flat", (0, 2**31 - 1, "Broadcast")),
        ("y: f32[?] = Range.opset4(zero, one, last)", "one", (1 - 2**31, 2**31 - 1, "Range")),
    ],
)
def test_operations_limit_what_they_take_as_indices_or_counts(
    line: str, name: str, expected: tuple[int, int, str]
) -> None:
    assert limits(line, name) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        'i: i32[2,2] = Convert(ids) destination_type="i32"',
        "i: i64[2] = Reshape(ids, shape)",
        "i: i64[2,1,2] = Unsqueeze(ids, shape)",
        'i: i64[4,2] = Concat(ids, ids) axis="0"',
        'j: i32[2,2] = Convert(ids) destination_type="i32"\ni: i32[2,2] = Squeeze(j)',
    ],
)
def test_limits_are_seen_through_operations_that_keep_values(line: str) -> None:
    assert limits(f"{line}\ny: f32[?,3] = Gather.opset8(t, i, zero)") == [(-4, 3, "Gather")]


@pytest.mark.parametrize(
    "line",
    [
        "i: i64[2,2] = Add(ids, zero)\ny: f32[2,2,3] = Gather.opset8(t, i, zero)",
        "i: i64[2,2] = Minimum(ids, zero)\ny: f32[2,2,3] = Gather.opset8(t, i, zero)",
        "i: f32[4] = Reshape(t, ids)\ny: f32[4] = ReLU(i)",
        "y: f32[2,2,3] = Gather.opset8(open, ids, zero)",
        "y: f32[2,2,3] = Gather.opset8(t, ids, one)",
        "y: i64[2,2] = Gather.opset8(ids, zero, zero)",
        "y: f32[2] = GatherND.opset8(open, ids)",
        'y: f32[2,2] = GatherElements.opset6(open, ids) axis="0"',
        'y: f32[2,2,3] = Gather(t, ids, zero) @version="my_extension"',
        "y: i64[2,2] = ReLU(ids)",
    ],
)
def test_no_limit_is_made_up(line: str) -> None:
    assert limits(line) == []


def test_all_readers_set_limits() -> None:
    lines = "a: f32[2,2,3] = Gather.opset8(t, ids, zero)\ny: f32[4,2,2] = Gather.opset8(t, ids, last)"
    found = index_limits(from_text(GRAPH.format(lines)).node("ids"))
    assert found == (IndexLimit(-4, 3, "Gather 'a' (id 10)"), IndexLimit(-3, 2, "Gather 'y' (id 11)"))
