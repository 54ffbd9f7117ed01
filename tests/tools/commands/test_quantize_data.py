"""What `irquant quantize` says about its data."""

from pathlib import Path

import pytest
from PIL import Image

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
