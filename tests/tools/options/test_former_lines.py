"""Command lines as people have them in scripts for pot and mo: each runs, or says in one line what to write instead."""

import json
import shlex
from pathlib import Path

import pytest

from irquant.tools.cli import run

CHECKER = """\
models:
  - name: small
    datasets:
      - data_source: photos
        preprocessing:
          - type: resize
            size: 8
          - type: bgr_to_rgb
          - type: normalization
            mean: 123.675, 116.28, 103.53
            std: 58.395, 57.12, 57.375
"""
OVC = "shapes and parts are chosen at conversion: ovc MODEL --input NAME[1,3,224,224]; then give its .xml"
DATA_FREE = (
    "irquant makes no synthetic data, since ranges that were measured on them do not fit real data; give 100 typical "
    "samples without labels: --data SOURCE"
)


@pytest.fixture(autouse=True)
def _here(model: Path, pictures: Path, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a model, images and the configuration of a checker."""
    monkeypatch.chdir(tmp_path)
    for link, path in {
        "model.xml": model,
        "model.bin": model.with_suffix(".bin"),
        "photos": pictures,
        "a.npz": arrays,
    }.items():
        Path(link).symlink_to(path)
    Path("ac.yml").write_text(CHECKER)
    Path("bad.yml").write_text("models: []\n")
    Path("metrics.py").write_text("def good(predict):\n    return 1\n")


IN_THE_MODEL = "docs/migrate_from_pot.md shows how to put such steps into the result (PrePostProcessor)"


@pytest.mark.parametrize(
    "line",
    [
        "-q default -m model.xml -w model.bin --engine simplified --data-source photos",
        pytest.param(
            "-q DEFAULT -m model.xml -w model.bin --engine SIMPLIFIED --data-source photos --log-level WARNING",
            marks=pytest.mark.slow,
        ),
        "--quantize default --model model.xml --weights model.bin --name small --engine simplified --data-source photos"
        " --output-dir out --direct-dump",
        "-q default -m model.xml -w model.bin --preset PERFORMANCE --engine simplified --data-source 'photos/*.png'",
        pytest.param(
            "-q default -m model.xml -w model.bin --preset MIXED --data-source photos --progress-bar",
            marks=pytest.mark.slow,
        ),
        "-q default -m model.xml -w model.bin --data-source photos --stream-output -d --output-dir out",
        "-m model.xml -w model.bin --data-source photos --target CPU",
        "-q default -m model.xml -w model.bin --ac-config ac.yml",
        "-m model.xml --engine accuracy_checker --ac-config ac.yml",
        "-q accuracy_aware -m model.xml --data-source photos --metric metrics.py:good --max-drop 0.01",
        pytest.param("-m model.xml --data-source photos --target ANY --log-level ERROR", marks=pytest.mark.slow),
        pytest.param("--input_model model.xml --data a.npz --layout nchw --framework onnx", marks=pytest.mark.slow),
        "--input_model model.xml --data photos --layout image(nchw) --mean_values [123.675,116.28,103.53]",
        pytest.param("--input_model model.xml --data photos --layout [n,c,h,w] --scale 255", marks=pytest.mark.slow),
        "--input_model model.xml --data photos --mean_values image[123,116,103] --scale_values image[58,57,57]",
        pytest.param(
            "--input_model model.xml --data photos --mean_values (127.5,127.5,127.5) --scale_values (127.5) --silent",
            marks=pytest.mark.slow,
        ),
        "--input_model model.xml --data photos --reverse_input_channels --model_name small --output_dir ir",
        pytest.param(
            "--input_model model.xml --data-source photos --reverse_input_channels --mean_values [1,2,3]",
            marks=pytest.mark.slow,
        ),
        "model.xml --data photos --mean [127,127,127] --scale [128] --colour-order RGB",
        pytest.param("model.xml --data photos --guard GOOD", marks=pytest.mark.slow),
    ],
)
def test_a_line_of_an_old_script_runs(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", *shlex.split(line.replace("(", "\\(").replace(")", "\\)"))]) == 0
    assert "error" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-q default -m model.xml -w model.bin --engine data_free", f"--engine data_free: {DATA_FREE}"),
        ("-q default -m model.xml -w model.bin --generate-data --data-type image", f"--generate-data: {DATA_FREE}"),
        (
            "-q default -m model.xml -w model.bin --ac-config bad.yml",
            "--ac-config: it names no data set with a data_source; give the data: --data FOLDER --size HxW --mean M,M,M --scale S,S,S --colour-order bgr",
        ),
        (
            "-q default -m model.xml -w model.bin --engine accuracy_checker",
            "--engine accuracy_checker: give its file, --ac-config FILE, or write instead: --data FOLDER --size "
            "HxW --mean M,M,M --scale S,S,S --colour-order bgr",
        ),
        (
            "-q accuracy_aware -m model.xml -w model.bin --data-source photos --max-drop 0.01",
            "-q accuracy_aware: give a metric of your own, --metric module:function",
        ),
        (
            "-q accuracy_aware --engine data_free -m model.xml -e --target-device CPU --batch 1",
            "-q accuracy_aware: give a metric of your own, --metric module:function; --engine data_free: "
            f"{DATA_FREE}; --batch: {OVC}; --evaluate: irquant has no metrics for data sets; check the result with "
            "`irquant compare`, or use your own metric: --metric module:function; --target-device: write --target CPU",
        ),
        (
            "-m model.xml --ac-config ac.yml --data photos",
            "2 sources are given: --data and --ac-config; give one",
        ),
        ("--input_model model.xml --input_shape [1,3,224,224] --data photos", f"--input_shape: {OVC}"),
        ("--input_model model.xml --batch 1 --data photos", f"--batch: {OVC}"),
        (
            "--input_model model.xml --transform MakeStateful --data photos",
            "--transform: apply it to the openvino.Model in Python, and save that by openvino.save_model; then give its .xml",
        ),
        (
            "--input_model model.xml --data photos --mean 1 --mean_values [1,2,3]",
            "--mean and --mean_values are the same option: give one of them",
        ),
        (
            "--input_model model.xml --data photos --scale 1 --scale_values [1,2,3]",
            "--scale and --scale_values are the same option: give one of them",
        ),
        (
            "--input_model model.xml --data photos --colour-order bgr --reverse_input_channels",
            "--reverse_input_channels means RGB, but --colour-order is bgr: leave one of them out",
        ),
        (
            "--input_model model.xml --data photos --mean_values a[1,2,3],b[4]",
            "Invalid value for '--mean_values': 'a[1,2,3],b[4]' names several inputs: write the numbers of the image "
            "input, e.g. 123.675,116.28,103.53",
        ),
        *(
            (
                f"--input_model model.xml --data photos {option}",
                f"{option.split()[0]} names input 'data', which the model does not have; it takes 'image' f32[1,3,8,8]",
            )
            for option in ("--mean_values data[1,2,3]", "--scale_values data(1,2,3)", "--layout data([n,c,h,w])")
        ),
        (
            "--input_model model.xml --data photos --layout nchw->nhwc",
            "layout 'NCHW->NHWC' is unknown; the layout of a model does not change here; write --layout NCHW",
        ),
        (
            "-m model.xml --data-source photos --log-level INFO --quiet",
            "--quiet and --verbose exclude each other: leave one of them out",
        ),
    ],
)
def test_a_line_that_cannot_run_says_what_to_write_instead(
    line: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", *shlex.split(line.replace(">", "\\>"))]) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")


def test_an_accuracy_checker_configuration_gives_data_and_preprocessing(capfd: pytest.CaptureFixture[str]) -> None:
    flags = "--data photos --size 8x8 --mean 123.675,116.28,103.53 --scale 58.395,57.12,57.375 --colour-order rgb"
    for name, line in {"a": "--ac-config ac.yml", "b": flags, "c": "--ac-config ac.yml --mean 1"}.items():
        assert run(["quantize", "model.xml", *line.split(), "-o", f"{name}.xml"]) == 0
        note = f"note: --ac-config: AccuracyChecker is no longer supported; taken from it: {flags}"
        assert (note in capfd.readouterr().out.splitlines()) == (name != "b")
    first, second, third = (Path(f"{name}.bin").read_bytes() for name in "abc")
    assert first == second != third, "options of the command line take precedence"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("-sm", "note: --save-model has no effect: the float model stays where it is"),
        (
            "--keep-uncompressed-weights",
            "note: --keep-uncompressed-weights has no effect: quantized weights are always stored as int8",
        ),
        ("--data_type FP16", "note: --data_type has no effect: constants that stay float keep their type"),
        ("--compress_to_fp16", "note: --compress_to_fp16 has no effect: constants that stay float keep their type"),
        (
            "--mean_values [127,127,127]",
            "note: mean and scale prepare the calibration images only, and the model does not change: give the result "
            f"normalized images, as you give the model; {IN_THE_MODEL}",
        ),
        (
            "--reverse_input_channels",
            "note: --reverse_input_channels: images are fed with red first, not blue, as they are otherwise; arrays and the "
            f"model do not change; {IN_THE_MODEL}",
        ),
    ],
)
def test_the_report_says_what_has_no_effect(option: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "-m", "model.xml", "--data-source", "photos", *option.split()]) == 0
    assert said in capfd.readouterr().out.splitlines()


def test_what_has_no_effect_asks_for_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    line = "-m model.xml --data photos --no-guard --reverse_input_channels --compress_to_fp16=False -sm --json"
    assert run(["quantize", *line.split()]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["notes"] == [
        "--reverse_input_channels: images are fed with red first, as they are with --data anyway; arrays and the model do "
        f"not change; {IN_THE_MODEL}",
        "--save-model has no effect: the float model stays where it is",
    ]
    assert not any("has no effect" in each for each in found["warnings"])


def test_reversed_channels_are_red_first(capfd: pytest.CaptureFixture[str]) -> None:
    lines = ["--data-source photos --reverse_input_channels", "--data photos", "--data-source photos"]
    for index, line in enumerate(lines):
        assert run(["quantize", "model.xml", *line.split(), "-o", f"{index}.xml", "--quiet"]) == 0
    first, second, third = (Path(f"{index}.bin").read_bytes() for index in range(3))
    assert first == second != third


#: Keys with times, and with what was typed.
TIMED = {"seconds", "stages", "passes", "next"}
FORMER = "--data-source photos --mean_values [123,116,103] --scale_values image[58,57,57]"


@pytest.mark.parametrize(
    "line",
    [
        "compare model.xml model.xml --no-latency",
        "analyze model.xml",
        "opt model.xml -p calibrate",
    ],
)
def test_data_and_preprocessing_have_their_former_names_everywhere(
    line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    own = "--data photos --colour-order bgr --mean 123,116,103 --scale 58,57,57"
    found = []
    for options in (FORMER, own):
        assert run([*line.split(), *options.split(), "--json"]) == 0
        found.append({name: value for name, value in json.loads(capfd.readouterr().out).items() if name not in TIMED})
    assert found[0] == found[1]
    assert run([*line.split(), *FORMER.split(), "--data", "photos"]) == 2
    assert capfd.readouterr().err.startswith("error: 2 sources are given: --data and --data-source; give one")


def test_a_log_level_is_that_of_the_passes(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "-m", "model.xml", "--data-source", "photos", "--log-level", "INFO", "-v"]) == 0
    assert len([line for line in capfd.readouterr().err.splitlines() if line.startswith("insert-fake-quantize:")]) == 1
    assert run(["quantize", "-m", "model.xml", "--data-source", "photos", "--log-level", "CRITICAL"]) == 0
    assert capfd.readouterr() == ("", "")
