"""Configurations of Accuracy Checker: what can be taken from them, and what is said of the rest."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from irquant.passes.options.accuracy_checker import CheckerData, UnreadError, read_checker
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.engine import EngineOptions, engine_of_checker
from irquant.passes.options.pot_config import read_config_file
from irquant.tools.cli import run

CHECKER = """
models:
  - name: mobilenet-v2
    launchers: [{framework: dlsdk, adapter: classification}]
    datasets:
      - name: imagenet
        data_source: photos
        annotation_conversion: {converter: imagenet, annotation_file: val.txt}
        preprocessing:
          - {type: resize, size: 256}
          - {type: crop, dst_width: 224, dst_height: 224}
          - {type: normalization, mean: "(123.675, 116.28, 103.53)", std: [58.395, 57.12, 57.375]}
"""


def taken(steps: list[Any], **more: Any) -> CheckerData:
    return read_checker({"datasets": [{"data_source": "photos", "preprocessing": steps, **more}]}, Path())


def settings(tmp_path: Path, text: str = CHECKER, name: str = "checker.yaml") -> ConfigFile:
    (tmp_path / name).write_text(text)
    (tmp_path / "pot.yaml").write_text(
        f"engine: {{config: {name}}}\ncompression: {{algorithms: [{{name: DefaultQuantization}}]}}\n"
    )
    return read_config_file(tmp_path / "pot.yaml")


def test_a_file_gives_source_sizes_and_normalization(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.lacking == ""
    assert found.engine == EngineOptions(
        "photos",
        central_fraction=0.875,
        size=(224, 224),
        mean=(123.675, 116.28, 103.53),
        scale=(58.395, 57.12, 57.375),
        colour_order="bgr",
    )
    assert found.warnings == (
        "engine.config: AccuracyChecker is no longer supported; taken from it: --data photos --size 224x224 --mean 123.675,116.28,103.53 "
        "--scale 58.395,57.12,57.375 --colour-order bgr --central-fraction 0.875",
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], CheckerData("photos")),
        ([{"type": "resize", "dst_width": 300, "dst_height": 200}], CheckerData("photos", size=(200, 300))),
        ([{"type": "resize", "size": 8}, {"type": "auto_resize"}], CheckerData("photos")),
        (
            [{"type": "resize", "size": 256, "aspect_ratio_scale": "greater"}, {"type": "crop", "size": 224}],
            CheckerData("photos", size=(224, 224), central_fraction=0.875, fit="crop"),
        ),
        ([{"type": "bgr_to_rgb"}], CheckerData("photos", "rgb")),
        (
            [{"type": "normalization", "mean": [1, 2, 3], "std": 4}, {"type": "bgr_to_rgb"}],
            CheckerData("photos", "rgb", mean=(3, 2, 1), scale=(4,)),
        ),
        (
            [{"type": "bgr_to_rgb"}, {"type": "normalization", "mean": "1,2,3"}],
            CheckerData("photos", "rgb", mean=(1, 2, 3)),
        ),
    ],
)
def test_steps_that_the_loader_has_are_taken(steps: list[Any], expected: CheckerData) -> None:
    assert taken(steps) == expected


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([{"type": "resize", "size": 256, "aspect_ratio_scale": "greater"}], "resize with aspect_ratio_scale: greater"),
        ([{"type": "resize", "size": 9, "aspect_ratio_scale": "width"}, {"type": "crop", "size": 8}], "resize with aspect_ratio_scale: width"),
        ([{"type": "crop", "size": 224}], "crop with size: 224"),  # of the picture as it is: no share of it
        ([{"type": "resize", "size": 8}, {"type": "crop", "dst_width": 4, "dst_height": 8}], "crop with dst_width: 4, dst_height: 8"),
        ([{"type": "normalization", "mean": "imagenet"}], "normalization with mean: imagenet"),
        ([{"type": "rgb_to_gray"}], "rgb_to_gray"),
        (["flip"], "flip"),
        ([{"type": "resize"}], "resize"),
    ],
)  # fmt: skip
def test_steps_that_it_has_not_are_told(steps: list[Any], told: str) -> None:
    assert taken(steps).passed_over == (told,)


def test_the_options_to_write_are_those_of_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They give the same arrays as the configuration; a path may hold a space."""
    file = tmp_path / "checker.yaml"
    steps = "[{type: resize, size: 256, aspect_ratio_scale: greater}, {type: crop, size: 224}]"
    file.write_text(f"datasets: [{{data_source: my photos, preprocessing: {steps}}}]")
    found = engine_of_checker(file)
    flags = "--data 'my photos' --size 224x224 --colour-order bgr --central-fraction 0.875 --fit crop"
    assert found.warnings == (f"--ac-config: AccuracyChecker is no longer supported; taken from it: {flags}",)
    assert run(["quantize", str(tmp_path / "none.xml"), *shlex.split(flags)]) == 2
    assert "none.xml: no such file" in capfd.readouterr().err


def test_the_reader_decides_the_order_of_colours() -> None:
    assert taken([], reader="pillow_imread").colour_order == "rgb"
    assert taken([], reader={"type": "opencv_imread"}).colour_order == "bgr"
    with pytest.raises(
        UnreadError, match=r"^its reader is 'wav_reader', expected one of: opencv_imread, pillow_imread, numpy_reader$"
    ):
        taken([], reader="wav_reader")


def test_the_folder_of_the_pictures_may_stand_in_the_conversion() -> None:
    engine = {"datasets": [{"annotation_conversion": {"converter": "mscoco", "images_dir": "val2017"}}]}
    assert read_checker(engine, Path()).source == "val2017"


def test_paths_are_seen_from_the_configuration_if_not_from_here(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    engine = settings(tmp_path).engine
    assert engine is not None
    assert engine.data_source == str(tmp_path / "photos")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("evaluations: []", "it names no data set with a data_source"),
        ("models: []", "it names no data set with a data_source"),
        ("models: [{datasets: [{data_source: 3}]}]", "its data set has no data_source"),
        ("[", "{path}: cannot be read: line 1, column 2: expected the node content, but found '<stream end>'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_to_write(tmp_path: Path, text: str, why: str) -> None:
    found = settings(tmp_path, text)
    assert found.engine is None
    command = f"irquant quantize -c {tmp_path / 'pot.yaml'} --data FOLDER --size HxW --mean M,M,M --scale S,S,S"
    why = why.format(path=tmp_path / "checker.yaml")
    assert found.lacking == f"engine.config: {why}; give the data: {command} --colour-order bgr"
    assert found.warnings == (found.lacking,)


def test_a_run_without_data_ends_with_that_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = settings(tmp_path, "evaluations: []")
    (tmp_path / "m.txt").write_text("x: f32[1] = Parameter()\nout = Result(x)\n")
    assert run(["opt", str(tmp_path / "m.txt"), "-c", str(tmp_path / "pot.yaml"), "-p", "calibrate"]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'pot.yaml'}: {found.lacking}\n"
    assert run(["opt", str(tmp_path / "m.txt"), "-c", str(tmp_path / "pot.yaml"), "-p", "normalize"]) == 0


def test_python_objects_are_read_alike() -> None:
    document = {"engine": yaml.safe_load(CHECKER), "compression": {"algorithms": [{"name": "DefaultQuantization"}]}}
    engine = read_config_file(document).engine
    assert engine is not None
    assert engine.size == (224, 224)
