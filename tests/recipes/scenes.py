"""What a reader of each recipe has: models, images, and a module `my_data` with data of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import numpy as np
import openvino as ov
from PIL import Image

from tests.benchmarks.decoder_with_cache import decoder
from tests.passes.detectors import detr, yolo
from tests.recipes import sequences, vision

Scene = Callable[[Path], None]


def _save(folder: Path, **models: ov.Model) -> None:
    for name, model in models.items():
        ov.serialize(model, folder / f"{name}.xml", folder / f"{name}.bin")


def _photos(folder: Path, *, count: int = 24, wide: int = 96, high: int = 72) -> None:
    """Patches of colour with shades and noise, as PNG files in two folders."""
    rng = np.random.default_rng(0)
    for index in range(count):
        patches = rng.integers(0, 256, (high // 12, wide // 12, 3), np.uint8)
        smooth = Image.fromarray(patches).resize((wide, high), Image.Resampling.BICUBIC)
        pixels = np.asarray(smooth, np.int64) + rng.integers(-12, 13, (high, wide, 3))
        kind = folder / "photos" / ("cats", "dogs")[index % 2]
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(kind / f"{index:02d}.png")


def _my_data(folder: Path, text: str) -> None:
    head = "import numpy as np\n\nRNG = np.random.default_rng(1)\n"
    (folder / "my_data.py").write_text(f"{head}{dedent(text)}", encoding="utf-8")


def image_classifier(folder: Path) -> None:
    _save(folder, classifier=vision.classifier())
    _photos(folder)
    _my_data(
        folder,
        """
        def labelled_photos():
            return [(RNG.normal(size=(1, 3, 64, 64)).astype(np.float32), index % 10) for index in range(8)]
        """,
    )


def yolo_detector(folder: Path) -> None:
    _save(folder, detector=yolo())
    _photos(folder)


def detr_detector(folder: Path) -> None:
    _save(folder, detr=detr())
    _photos(folder)


def segmentation(folder: Path) -> None:
    _save(folder, segmenter=vision.segmenter())
    _photos(folder)


def text_encoder(folder: Path) -> None:
    _save(folder, encoder=sequences.sentence_encoder())
    _my_data(
        folder,
        f"""
        def tokenized_sentences():
            return [RNG.integers(0, {sequences.WORDS}, RNG.integers(4, 24)).tolist() for _ in range(60)]
        """,
    )


def language_model(folder: Path) -> None:
    _save(folder, decoder=decoder(4, 32, layers=3, is_fused=True))
    _my_data(
        folder,
        """
        def embedded_prompts():
            return [RNG.normal(size=(1, RNG.integers(8, 40), 128)).astype(np.float32) for _ in range(40)]
        """,
    )


def speech_recognition(folder: Path) -> None:
    _save(folder, speech_encoder=sequences.speech_encoder(), speech_decoder=sequences.speech_decoder())
    _my_data(
        folder,
        f"""
        def mel_spectrograms():
            shape = ({sequences.BANDS}, {sequences.FRAMES})
            return [RNG.normal(size=shape).cumsum(1).astype(np.float32) / 4 for _ in range(40)]

        def transcripts():
            return [RNG.integers(0, {sequences.SPEECH_WORDS}, RNG.integers(4, 20)).tolist() for _ in range(40)]
        """,
    )


def text_recognition(folder: Path) -> None:
    _save(folder, reader=vision.reader())
    rng = np.random.default_rng(0)
    (folder / "lines").mkdir()
    for index in range(24):
        strokes = rng.integers(0, 2, (8, rng.integers(12, 40), 1), np.uint8) * 200
        image = Image.fromarray((40 + strokes).repeat(3, 2)).resize((strokes.shape[1] * 6, 44))
        image.save(folder / "lines" / f"{index:02d}.png")


def super_resolution(folder: Path) -> None:
    _save(folder, enlarger=vision.enlarger())
    _photos(folder)


def voice_activity(folder: Path) -> None:
    _save(folder, voice=sequences.voice_detector())
    _my_data(
        folder,
        """
        def recordings():
            beats = [np.repeat(RNG.random(20) < 0.5, 512) for _ in range(6)]
            return [(beat * RNG.normal(size=beat.size)).astype(np.float32) / 4 for beat in beats]
        """,
    )


def step_by_step(folder: Path) -> None:
    _save(folder, stream=sequences.streaming_detector())
    _my_data(
        folder,
        f"""
        def recordings():
            sounds = (RNG.normal(size=(50, {sequences.BANDS})) * RNG.uniform(0.5, 2) for _ in range(12))
            return [each.astype(np.float32) for each in sounds]
        """,
    )


def tabular(folder: Path) -> None:
    _save(folder, recommender=sequences.recommender())
    _my_data(
        folder,
        f"""
        def table():
            rows = 512
            cities, devices = (RNG.integers(0, most, rows) for most in ({sequences.CITIES}, {sequences.DEVICES}))
            return {{"city": cities, "device": devices, "numbers": RNG.normal(size=(rows, {sequences.NUMBERS}))}}
        """,
    )


#: By the name of the recipe's file.
SCENES: Mapping[str, Scene] = {
    "detr": detr_detector,
    "image_classifier": image_classifier,
    "language_model": language_model,
    "segmentation": segmentation,
    "speech_recognition": speech_recognition,
    "step_by_step": step_by_step,
    "super_resolution": super_resolution,
    "tabular": tabular,
    "text_encoder": text_encoder,
    "text_recognition": text_recognition,
    "voice_activity": voice_activity,
    "yolo": yolo_detector,
}
