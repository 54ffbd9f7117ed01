"""Two runs of a batch: what counts as worse, and what is only told."""

import json
from pathlib import Path
from typing import Any

import pytest

from irquant.tools.cli import run
from irquant.tools.zoo.compare import Change, compare_rows
from irquant.tools.zoo.record import FloatLayer, LatencyFigures, ModelFigures
from irquant.tools.zoo.rows import Row

Capture = pytest.CaptureFixture[str]
METRIC = {
    "name": "top1",
    "fp32": 0.8,
    "int8": 0.79,
    "max_drop": 0.01,
    "drop_type": "absolute",
    "kept": True,
    "stopped": "",
}
TIMES = {"float_ms": 10.0, "int8_ms": 5.0, "threads": 2, "at_a_time": 1}


def row(**more: Any) -> Row:
    found = {"name": "m", "state": "done", "int8_share": 1.0, "sqnr": 30.0, "verdict": "good", "size_ratio": 4.0}
    return Row.model_validate_json(json.dumps({**found, **more}))


def change(new: Row, old: Row | None = None, max_loss: float = 1.0) -> tuple[Change, str]:
    (found,) = compare_rows([old or row()], [new], max_loss)
    return found.change, "; ".join(found.why)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, {"sqnr": 28.9}, "worst output 30.0 dB -> 28.9 dB: more than 1 dB less"),
        ({}, {"sqnr": None, "verdict": "poor"}, "worst output 30.0 dB -> no numbers: more than 1 dB less"),
        ({}, {"sqnr": 29.95, "verdict": "poor"}, "verdict good -> poor, worst output 30.0 dB -> 29.9 dB"),
        ({"sqnr": None}, {}, "worst output equal -> 30.0 dB: more than 1 dB less"),
        ({}, {"state": "missed", "message": "verdict is fair"}, "done -> missed: verdict is fair"),
        ({"state": "missed"}, {"state": "failed", "message": "no data", "sqnr": None, "verdict": None, "size_ratio": None}, "missed -> failed: no data"),
        ({}, {"state": "not done", "sqnr": None, "verdict": None, "size_ratio": None}, "done -> not done"),
        ({}, {"state": "unchanged", "sqnr": None, "verdict": None, "size_ratio": None, "int8_share": None}, "done -> unchanged"),
        ({}, {"sqnr": None, "verdict": None}, "its outputs are not checked any more"),
        ({"metric": METRIC}, {"metric": METRIC | {"int8": 0.775}}, "top1 0.79 -> 0.775: a drop of more than 0.01"),
        (
            {"metric": METRIC},
            {"metric": METRIC | {"int8": 0.78, "drop_type": "relative"}},
            "top1 0.79 -> 0.78: a drop of more than 1.00% of FP32",
        ),
        ({"latency": TIMES}, {"latency": TIMES | {"int8_ms": 6.1}}, "latency of int8 over float 0.50 -> 0.61: measure it alone"),
        (
            {},
            {"int8_share": 0.9, "float_layers": [{"name": "head", "type": "MatMul", "reason": "reverted"}]},
            "int8 100.0% -> 90.0% (head: reverted)",
        ),
    ],
)  # fmt: skip
def test_a_model_is_worse(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    assert change(row(**new), row(**old)) == ("worse", said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, {"sqnr": 29.0}, "worst output 30.0 dB -> 29.0 dB"),
        ({}, {"sqnr": None}, "worst output 30.0 dB -> equal"),
        ({"state": "failed", "sqnr": None, "verdict": None, "int8_share": None}, {}, "failed -> done"),
        ({"int8_share": 0.9}, {}, "int8 90.0% -> 100.0%"),
        ({"metric": METRIC}, {"metric": METRIC | {"int8": 0.785}}, "top1 0.79 -> 0.785"),
    ],
)
def test_a_model_is_changed(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    assert change(row(**new), row(**old)) == ("changed", said)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"sqnr": 29.95, "seconds": 9.0}),
        ({"sqnr": None}, {"sqnr": None}),
        ({"latency": TIMES}, {"latency": TIMES | {"float_ms": 20.0, "int8_ms": 11.0}}),
        ({"latency": TIMES}, {}),
        ({"state": "failed", "message": "a"}, {"state": "failed", "message": "a"}),
    ],
)
def test_a_model_is_the_same(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert change(row(**new), row(**old)) == ("the same", "")


def test_the_limit_of_the_loss_is_the_users() -> None:
    assert change(row(sqnr=28.0), max_loss=3)[0] == "changed"
    assert change(row(sqnr=29.5), max_loss=0)[0] == "worse"


def test_the_values_of_rows_are_those_of_the_figures() -> None:
    assert row(metric=METRIC).metric == ModelFigures.model_validate(METRIC)
    assert row(latency=TIMES).latency == LatencyFigures.model_validate(TIMES)
    layer = {"name": "head", "type": "MatMul", "reason": "reverted"}
    assert row(float_layers=[layer]).float_layers == [FloatLayer.model_validate(layer)]


def test_the_command_lists_what_differs_and_fails_if_a_model_is_worse(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "old").mkdir()
    rows = {"a": row(name="a"), "b": row(name="b"), "gone": row(name="gone")}
    (tmp_path / "old" / "results.jsonl").write_text("".join(f"{each.model_dump_json()}\n" for each in rows.values()))
    new = tmp_path / "new.jsonl"
    new.write_text(
        "".join(f"{each.model_dump_json()}\n" for each in (rows["a"], row(name="b", sqnr=20), row(name="new")))
    )
    assert run(["zoo", "compare", str(tmp_path / "old"), str(new)]) == 1
    assert capfd.readouterr().out.splitlines() == [
        "worse: b: worst output 30.0 dB -> 20.0 dB: more than 1 dB less",
        "new: new: done",
        "gone: gone: it was done",
        "4 models: 1 worse, 1 new, 1 gone, 1 the same",
    ]
    assert run(["zoo", "compare", str(tmp_path / "old"), str(new), "-q"]) == 1
    assert capfd.readouterr() == ("", "worse: b: worst output 30.0 dB -> 20.0 dB: more than 1 dB less\n")
    assert run(["zoo", "compare", str(tmp_path / "old"), str(new), "--max-loss", "10"]) == 0


def test_what_is_no_list_of_results_is_told(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "b").write_text('{"name":"a","state":"done"}\n{"name":"a","state":"odd"}\n')
    assert run(["zoo", "compare", str(tmp_path), str(tmp_path)]) == 2
    assert run(["zoo", "compare", str(tmp_path / "b"), str(tmp_path)]) == 2
    assert capfd.readouterr().err.splitlines() == [
        f"error: {tmp_path / 'results.jsonl'}: cannot be read: No such file or directory",
        f"error: {tmp_path / 'b'}: line 2: no row of irquant zoo, or one of a newer version",
    ]
