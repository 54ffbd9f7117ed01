"""Limits of drops, as users write them."""

from pathlib import Path

import pytest

from irquant.tools.cli import run
from irquant.tools.sources.drops import Drop, drop_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.01", Drop(0.01, is_share=False)),
        ("1%", Drop(0.01, is_share=True)),
        (" 2.5 % ", Drop(0.025, is_share=True)),
        ("0", Drop(0.0, is_share=False)),
    ],
)
def test_a_drop_is_a_number_or_a_share(text: str, expected: Drop) -> None:
    assert drop_of(text) == expected


@pytest.mark.parametrize("text", ["-1", "-1%", "nan", "inf", "%", "a", ""])
def test_other_texts_are_no_drops(text: str) -> None:
    with pytest.raises(ValueError, match=r"^'.*' is not a drop; write a number from 0 on, "):
        drop_of(text)


@pytest.fixture
def command(model: Path, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text("def good(predict):\n    return 0.98\n")
    return ["quantize", str(model), "--data", str(arrays), "--samples", "10", "-o", "o.xml"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metric", "m.py:good", "--max-drop", "1%"], "within 1.00% of FP32"),
        (["--metric", "m.py:good=2%"], "within 2.00% of FP32"),
        (["--metric", "m.py:good", "--max-drop", "0.02"], "within 0.02"),
    ],
)
def test_a_share_is_of_the_float_model(
    options: list[str], said: str, command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, *options]) == 0
    shown = capfd.readouterr().out
    assert f"metric good: FP32 0.98, INT8 0.98, drop 0 (0.00%): {said}\n" in shown
    assert "any model is within this limit" not in shown


def test_a_limit_that_any_model_keeps_is_told(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--metric", "m.py:good", "--max-drop", "1"]) == 0
    assert (
        "warning: metric good: a drop of 1 is allowed, and the float model has 0.98: any model is within this limit; give "
        "a smaller one (1% is written --max-drop 1%)\n"
    ) in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--max-drop", "-1"],
            "Invalid value for '--max-drop': '-1' is not a drop; write a number from 0 on, or a share of the float "
            "model's value, e.g. 1%",
        ),
        (
            ["--max-drop", "1%", "--drop-type", "absolute"],
            "--max-drop 1% is a share, but --drop-type is absolute: leave one of them out",
        ),
    ],
)
def test_what_is_no_limit_is_refused_by_its_option(
    options: list[str], said: str, command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--metric", "m.py:good", *options]) == 2
    assert capfd.readouterr().err == f"error: {said}\n"
