"""What `irquant quantize` says about its data."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irquant.ir import read_model
from irquant.tools.cli import run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results lie in a folder of their own."""
    monkeypatch.chdir(tmp_path)


def lines(capfd: pytest.CaptureFixture[str], model: Path, data: Path, *more: str) -> list[str]:
    assert run(["quantize", str(model), "--data", str(data), "-o", "o.xml", *more]) == 0
    return capfd.readouterr().out.splitlines()


def test_the_report_says_how_images_are_fed(model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = lines(capfd, model, pictures, "--mean", "127", "--scale", "64", "--colour-order", "BGR")
    said = "data: 12 PNG files, BGR, 8x8 bilinear, mean 127, scale 64, NCHW, f32; 'image' f32[1,3,8,8] -1."
    assert any(line.startswith(said) for line in shown)
    assert not any("normalizes" in line for line in shown)


def test_the_result_keeps_what_was_fed_also_from_statistics_without_data(
    model: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (told,) = [
        line for line in lines(capfd, model, pictures, "--save-statistics", "s.npz") if line.startswith("data: ")
    ]
    assert told.startswith("data: 12 PNG files, RGB, 8x8 bilinear, mean 0, scale 1, NCHW, f32; 'image' f32[1,3,8,8] ")
    kept = read_model(tmp_path / "o.xml").metadata("irquant")["fed"]
    assert told == f"data: {kept}"
    assert str(pictures) not in kept
    assert run(["quantize", str(model), "--statistics", "s.npz", "-o", "again.xml", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["data"] == kept
    assert (tmp_path / "again.xml").read_bytes() == (tmp_path / "o.xml").read_bytes()


@pytest.mark.parametrize("by_flag", [False, True])
def test_broken_files_are_left_out_on_request_and_told(
    model: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], by_flag: bool
) -> None:
    (tmp_path / "photos").mkdir()
    for path in pictures.iterdir():
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "photos" / "05.png"
    broken.write_bytes(broken.read_bytes()[:40])
    if by_flag:
        shown = lines(capfd, model, tmp_path / "photos", "--skip-broken")
        assert any(line.startswith("data: 11 PNG files, RGB, ") for line in shown)
        (told,) = [line for line in shown if line.startswith("warning: ") and "left out: " in line]
        assert told.startswith(f"warning: 1 file of 12 left out: sample 5 ({broken}): ")
        assert read_model(tmp_path / "o.xml").metadata("irquant")["fed"].startswith("11 PNG files, ")
        return
    assert run(["quantize", str(model), "--data", str(tmp_path / "photos"), "-o", "o.xml"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"error: sample 5 ({broken}): ")
    assert not (tmp_path / "o.xml").exists()


def test_pixels_that_nothing_normalizes_are_told(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = lines(capfd, model, pictures)
    assert any(
        line.startswith("warning: input 'image'") and "nothing in the model normalizes" in line for line in shown
    )


def test_a_kind_of_files_that_stands_out_is_told(
    model: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mixed").mkdir()
    for number in range(19):
        with Image.open(pictures / f"{number % 12:02d}.png") as image:
            image.rotate(number).save(tmp_path / "mixed" / f"{number}.{'bmp' if number == 7 else 'png'}")
    said = "warning: only 1 of 19 images are BMP files: check that they belong to the data"
    assert said in lines(capfd, model, tmp_path / "mixed")


def test_the_exit_code_says_that_data_look_wrong_only_if_that_is_wanted(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(3).normal(size=(1, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "equal.npz", np.repeat(image, 20, axis=0))
    command = ["quantize", str(model), "-o", "o.xml", "--quiet", "--data"]
    assert run([*command, "equal.npz"]) == 0
    assert run([*command, "equal.npz", "--strict"]) == 1
    assert "o.xml: unknown, since the data look wrong: all 20 samples are equal; " in capfd.readouterr().err
    assert (tmp_path / "o.xml").exists()
    assert run([*command, str(arrays), "--strict"]) == 0
    assert run([*command, str(arrays), "--samples", "5", "--strict"]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "o.xml: not checked, since no samples were held out"


def test_batches_in_files_are_split_with_their_values(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    batches = np.random.default_rng(3).normal(size=(3, 8, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "batches.npy", batches)
    said = f"data: 24 samples; 'image' f32[1,3,8,8] {batches.min():.4g} to {batches.max():.4g}"
    assert said in lines(capfd, model, tmp_path / "batches.npy")


@pytest.mark.parametrize("kind", ["array", "function"])
def test_options_for_images_that_other_data_do_not_heed_are_told(
    kind: str, model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        f"import numpy as np\ndef samples(): return [{{'image': each}} for each in np.load({str(arrays)!r})['image']]\n"
    )
    data = arrays if kind == "array" else Path("mine.py:samples")
    said = f"warning: --size, --mean: for images only; what {data} gives is fed as it is"
    assert said in lines(capfd, model, data, "--mean", "1,2,3", "--size", "8x8")
    assert not any("for images only" in line for line in lines(capfd, model, data))


def test_options_for_images_are_no_surprise_with_images(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not any("for images only" in line for line in lines(capfd, model, pictures, "--mean", "1", "--scale", "2"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--mean", "0.485,0.456,0.406", "--scale", "0.229,0.224,0.225"],
            "pixels are 0 to 255, and mean and scale look like those for values of 0 to 1: "
            "write --mean 123.675,116.28,103.53 --scale 58.395,57.12,57.375",
        ),
        (["--mean", "0.5", "--scale", "0.5"], "write --mean 127.5 --scale 127.5"),
        (["--scale", "0.00392157"], "the scale divides pixels, and 0.00392157 looks like a factor: write --scale 255"),
        (["--mean", "127.5", "--scale", "0.5"], ""),
        (["--scale", "1"], ""),
        (["--scale", "255"], ""),
        (["--mean", "123.675,116.28,103.53", "--scale", "58.395,57.12,57.375"], ""),
    ],
)
def test_mean_and_scale_for_other_values_than_pixels_are_told(
    options: list[str], said: str, model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = [line for line in lines(capfd, model, pictures, *options) if "write --" in line]
    assert [line.endswith(said) for line in found] == [True] * bool(said)
