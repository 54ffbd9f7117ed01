"""The file of a tuning: what is written reads back, and every mistake is told with its path."""

from pathlib import Path

import pytest
import yaml

from irquant.ir import UserError
from irquant.passes.files.own_files import is_own_file
from irquant.passes.tuning.goals import MARK
from irquant.passes.tuning.tuning_file import MeasuredTimes, Tuning, read_tuning, write_tuning

TIMES = MeasuredTimes(openvino="2026.4", precision="bf16", threads=2, float_ms=1.0, int8_ms=2.0, tuned_ms=0.9)
TUNING = Tuning(
    format="irquant tuning", version=1, model="ab12", target="cpu", float_layers=["conv", "a, b"], measured=TIMES
)


def test_what_is_written_reads_back_and_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write_tuning(path, TUNING)
    assert read_tuning(path) == TUNING
    assert path.read_bytes().startswith(MARK)
    assert is_own_file(path)


def test_yaml_is_read_too_and_the_figures_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(TUNING.model_dump(exclude={"measured"})))
    assert read_tuning(path) == TUNING.model_copy(update={"measured": None})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version is '2'; there are: 1"),
        ({"format": "POT"}, "format is 'POT'; there are: irquant tuning"),
        ({"float_layers": "conv"}, "float_layers is 'conv'; should be a list"),
        ({"float_layers": ["conv", 7]}, "float_layers[1] is 7; should be a text"),
        ({"target": None}, "target is None; should be a text"),
        ({"zzz": []}, "unknown key 'zzz'; known keys: format, version, model, target, float_layers, measured"),
        ({"measured": {}}, "'measured.openvino' is missing"),
        (
            {"measured": {**TIMES.model_dump(), "tuned_ms": 0.0}},
            "measured.tuned_ms is 0.0; should be greater than 0",
        ),
    ],
)
def test_a_mistake_is_told_with_its_path(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(TUNING.model_dump() | change))
    with pytest.raises(UserError) as caught:
        read_tuning(path)
    assert str(caught.value) == f"{path}: {said}"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_tuning(tmp_path / "none.json")
    assert str(caught.value) == f"{tmp_path / 'none.json'}: cannot be read: No such file or directory"


def test_the_name_says_the_form(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_tuning(tmp_path / "t.txt")
    assert str(caught.value) == f"{tmp_path / 't.txt'}: the file of a tuning ends in .json, .yaml or .yml"


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t\.json: .*No such file or directory"):
        write_tuning(tmp_path / "no" / "t.json", TUNING)
