"""The demo: it measures, and what it measures is what it claims."""

import re
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from irquant.tools import demo as demo_package
from irquant.tools.cli import run


@pytest.mark.slow
def test_the_demo_shows_a_smaller_model_that_runs_in_int8(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-o", str(tmp_path)]) == 0
    shown = capfd.readouterr().out
    rows = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in _rows(shown)}
    assert rows["layers run in int8"][:2] == ["0 of 19", "19 of 19"]
    float_weights, int8_weights = ((tmp_path / f"digits_{kind}.bin").stat().st_size for kind in ("fp32", "int8"))
    assert rows["weights (.bin)"] == [
        f"{float_weights / 1e6:.2f} MB",
        f"{int8_weights / 1e6:.2f} MB",
        f"{float_weights / int8_weights:.1f}x smaller",
    ]
    assert float_weights > 3 * int8_weights
    float_accuracy, int8_accuracy = (float(cell.rstrip("%")) for cell in rows["accuracy (500 test images)"][:2])
    assert float_accuracy > 98
    assert int8_accuracy > float_accuracy - 0.5
    assert float(rows["output SQNR"][1].removesuffix(" dB")) > 25
    assert {"calibrate", "set-ranges", "compress-weights"} < rows.keys()
    assert "quantized for target" not in shown


def _rows(shown: str) -> list[list[str]]:
    return [line.strip("│").split("│") for line in shown.splitlines() if line.startswith("│")]


@pytest.mark.slow
def test_the_accuracy_shown_is_that_of_the_files_it_keeps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-o", str(tmp_path)]) == 0
    shown = re.search(r"accuracy \(500 test images\) +│ +([\d.]+)% │ +([\d.]+)%", capfd.readouterr().out)
    assert shown is not None
    with np.load(Path(demo_package.__file__).with_name("digits.npz")) as data:
        images, labels = data["test_images"], data["test_labels"]
    for kind, figure in zip(("fp32", "int8"), shown.groups(), strict=True):
        model = ov.Core().compile_model(tmp_path / f"digits_{kind}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        right = [
            model(image[np.newaxis].astype(np.float32))[0].argmax() == label
            for image, label in zip(images, labels, strict=True)
        ]
        assert f"{np.mean(right):.1%}" == f"{figure}%"


@pytest.mark.slow
def test_what_the_demo_keeps_can_be_quantized_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-o", str(tmp_path), "--target", "npu"]) == 0
    shown = capfd.readouterr().out
    assert f"kept: digits_fp32.xml, digits_int8.xml and digits_calibration.npz in {tmp_path}\n" in shown
    assert (
        "\nquantized for target npu: the accuracy, SQNR, latency and int8 layers above are measured on the CPU of this "
        "machine, and may differ on the target's device\n"
    ) in shown
    model, data, again = (tmp_path / name for name in ("digits_fp32.xml", "digits_calibration.npz", "again.xml"))
    assert run(["quantize", str(model), "--data", str(data), "--target", "npu", "-o", str(again)]) == 0
    sizes = [path.with_suffix(".bin").stat().st_size for path in (again, tmp_path / "digits_int8.xml")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert run(["demo", "-o", str(tmp_path), "--target", "npu"]) == 0, "its own files may be replaced"


def test_a_target_that_does_not_exist_is_told_before_any_file_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "-o", str(tmp_path / "kept"), "--target", "cpuu"]) == 2
    assert capfd.readouterr().err.startswith("error: no target 'cpuu'; did you mean 'cpu'? ")
    assert not (tmp_path / "kept").exists()


def test_no_picture_is_in_two_sets() -> None:
    with np.load(Path(demo_package.__file__).with_name("digits.npz")) as data:
        calibration, test = ({image.tobytes() for image in data[f"{name}_images"]} for name in ("calibration", "test"))
    assert len(calibration) == 200
    assert not calibration & test


def test_an_output_that_is_a_file_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["demo", "-o", str(tmp_path / "file")]) == 2
    assert capfd.readouterr().err.startswith("error: Invalid value for '-o' / '--output': Directory '")
