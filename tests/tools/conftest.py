"""A small model on disk, and pictures to feed it."""

from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from PIL import Image

HOSTILE = "\"'</script><script>hacked = 1</script><img src=x onerror=hacked=1>\u202e{{ 7 * 7 }}"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conv 3x3 + ReLU + conv 1x1 over `image` f32[1,3,8,8]; output `logits`."""
    path = tmp_path_factory.mktemp("model") / "model.xml"
    rng = np.random.default_rng(0)
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    first = op.convolution(image, _weights(rng, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="first")
    hidden = op.relu(op.add(first, rng.normal(size=(1, 8, 1, 1)).astype(np.float32)))
    second = op.convolution(hidden, _weights(rng, 4, 8, 1), [1, 1], [0, 0], [0, 0], [1, 1], name="second")
    second.output(0).set_names({"logits"})
    ov.serialize(ov.Model([op.result(second)], [image], "small"), path, path.with_suffix(".bin"))
    return path


def _weights(rng: np.random.Generator, out: int, channels: int, size: int) -> np.ndarray:
    return rng.normal(size=(out, channels, size, size)).astype(np.float32)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve colour pictures of 10x12 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(folder / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty samples of `image`, stacked in an .npz file."""
    path = tmp_path_factory.mktemp("arrays") / "samples.npz"
    np.savez(path, image=np.random.default_rng(2).normal(size=(20, 3, 8, 8)).astype(np.float32))
    return path


@pytest.fixture(scope="session")
def hostile_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, whose second layer has a name that would be markup, and turns the direction of text around."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.xml"
    rng = np.random.default_rng(0)
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    hidden = op.relu(op.convolution(image, _weights(rng, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="first"))
    second = op.convolution(hidden, _weights(rng, 4, 8, 1), [1, 1], [0, 0], [0, 0], [1, 1], name=HOSTILE)
    second.output(0).set_names({"<b>logits"})
    ov.serialize(ov.Model([op.result(second)], [image], "small"), path, path.with_suffix(".bin"))
    return path
