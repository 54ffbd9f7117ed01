"""How many mistakes in the preparation of images are told, and whether right data cause a warning.

Each mistake is made with the calibration data of image models; `quantize` looks at the data in the same way. Samples are
in .npz files with one array a sample and input, named `NUMBER|INPUT`.

Usage::

    python tests/programs/wrong_preprocessing.py zoo/models/orinet/orinet.xml=zoo/data/orinet/calib.npz ...
    python tests/programs/wrong_preprocessing.py --right MODEL=DATA ...
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from irquant.ir import Graph
from irquant.passes import load_model
from irquant.passes.analysis.data_findings import expected_inputs, find_about_data
from irquant.passes.analysis.pictures import is_picture_of
from irquant.passes.runtime.data_look import DataLook
from irquant.passes.runtime.samples import Sample, checked_feed, model_inputs

Array = np.ndarray[Any, np.dtype[Any]]
Images = Sequence[Array]
#: The most samples that a check reads here.
_MOST = 64
_MEAN, _STD = 0.45, 0.226


def _each(change: Callable[[Array], Array]) -> Callable[[Images], Images]:
    return lambda images: [change(image) for image in images]


def _some(change: Callable[[Array], Array]) -> Callable[[Images], Images]:
    """Changes every tenth image."""
    return lambda images: [change(image) if index % 10 == 0 else image for index, image in enumerate(images)]


def _pixels(image: Array) -> Array:
    """The image as pixels from 0 to 255: its own range, which is that of the whole scale."""
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1e-6) * 255


def _reshaped(image: Array) -> Array:
    """The image in the other order of axes, brought to its shape by reshape alone."""
    axes = (0, 2, 3, 1) if image.shape[1] == 3 else (0, 3, 1, 2)
    return image.transpose(axes).reshape(image.shape)


def _flipped_colours(image: Array) -> Array:
    return image[:, ::-1] if image.shape[1] == 3 else image[..., ::-1]


def _upside_down(image: Array) -> Array:
    return image[:, :, ::-1] if image.shape[1] == 3 else image[:, ::-1]


def _to_the_other_range(image: Array) -> Array:
    """[-1, 1] for [0, 1], and the other way round."""
    return image / 2 + 0.5 if image.min() < 0 else image * 2 - 1


#: A mistake -> what it does to the prepared images.
MISTAKES: dict[str, Callable[[Images], Images]] = {
    "no mean, no scale": _each(_pixels),
    "mean, no scale": _each(lambda image: _pixels(image) - 127),
    "scale, no mean": _each(lambda image: _pixels(image) / 255),
    "divided by 255 twice": _each(lambda image: _pixels(image) / 255 / 255),
    "normalized, then divided by 255": _each(lambda image: image / 255),
    "normalized twice, (x-127)/128": _each(lambda image: (image - 127) / 128),
    "normalized twice, mean and deviation of photographs": _each(lambda image: ((image - _MEAN) / _STD - _MEAN) / _STD),
    "16 bits": _each(lambda image: _pixels(image) * 257),
    "16 bits, divided by 255": _each(lambda image: _pixels(image) * 257 / 255),
    "axes reshaped, not transposed": _each(_reshaped),
    "rounded to integers after normalization": _each(np.trunc),
    "every tenth not normalized": _some(_pixels),
    "zeros": _each(np.zeros_like),
    "each of one value": lambda images: [np.full_like(image, index / 99) for index, image in enumerate(images)],
    "one image for all": lambda images: [images[0] for _ in images],
    "a fifth are copies": lambda images: [images[0] if index % 5 == 0 else each for index, each in enumerate(images)],
    "eight samples": lambda images: images[:8],
    "[-1, 1] for [0, 1], or the reverse": _each(_to_the_other_range),
    "red and blue swapped": _each(_flipped_colours),
    "upside-down": _each(_upside_down),
}


def read_samples(path: Path) -> list[dict[str, Array]]:
    """The first samples of a file, by input."""
    samples: dict[str, dict[str, Array]] = {}
    with np.load(path) as file:
        for key in file.files:
            number, _, name = key.partition("|")
            if number in samples or len(samples) < _MOST:
                samples.setdefault(number, {})[name] = file[key]
    return list(samples.values())


def warnings_of(graph: Graph, samples: Sequence[dict[str, Array]], *, gives_images: bool) -> tuple[str, ...]:
    """What `quantize` says about the data."""
    look, inputs = DataLook(), model_inputs(graph)
    for each in samples:
        look.add(checked_feed(Sample("sample", each), inputs))
    return find_about_data(expected_inputs(graph), look, samples, "", gives_images=gives_images).warnings


def gives_images(model: Path, samples: Sequence[dict[str, Array]]) -> bool:
    """Whether the model makes images of its input."""
    compiled: Any = ov.Core().compile_model(model, "CPU")
    pairs = [(next(iter(each.values())), compiled(each)[compiled.outputs[0]]) for each in samples[:4]]
    return is_picture_of(pairs)


def main() -> None:
    """Prints a line for each mistake, or for each model with right data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("pairs", nargs="+", metavar="MODEL=DATA")
    parser.add_argument("--right", action="store_true", help="look at the data as they are")
    options = parser.parse_args()
    pairs = [(Path(model), Path(data)) for model, _, data in (each.partition("=") for each in options.pairs)]
    (_show_right if options.right else _show_mistakes)(pairs)


def _show_right(pairs: Sequence[tuple[Path, Path]]) -> None:
    alarms = 0
    for model, data in pairs:
        graph, samples = load_model(model), read_samples(data)
        found = warnings_of(graph, samples, gives_images=False)
        if found:  # most models need not be run
            found = warnings_of(graph, samples, gives_images=gives_images(model, samples))
        alarms += len(found)
        print(f"{model.name}: {'; '.join(found) or 'no warning'}")
    print(f"{alarms} warnings for {len(pairs)} models")


def _show_mistakes(pairs: Sequence[tuple[Path, Path]]) -> None:
    known = {model.stem: (load_model(model), read_samples(data)) for model, data in pairs}
    total = 0
    for mistake, change in MISTAKES.items():
        told: list[str] = []
        for name, (graph, samples) in known.items():
            (image,) = samples[0]
            wrong = change([each[image].astype(np.float32) for each in samples])
            if warnings_of(graph, [{image: each.astype(np.float32)} for each in wrong], gives_images=False):
                told.append(name)
        total += len(told) == len(known)
        some = f" ({', '.join(told)})" if 0 < len(told) < len(known) else ""
        print(f"{mistake}: told for {len(told)} of {len(known)}{some}")
    print(f"{total} of {len(MISTAKES)} mistakes are told for all models")


if __name__ == "__main__":
    main()
