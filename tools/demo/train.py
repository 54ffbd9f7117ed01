"""Trains the demonstration network and writes the files of this folder.

Usage::

    pip install torch==2.13.0 scikit-learn openvino numpy
    python train.py

The script writes `digits_cnn.xml` and `digits_cnn.bin` (the network as FP32 IR) and `digits.npz` (the images for
calibration and test) into its folder, and overwrites existing files. The demo reads these files and needs neither torch
nor scikit-learn.

The images are the 1797 handwritten digits of scikit-learn, 8x8 pixels of value 0..16 (see DATA.txt). They are split
once, stratified by digit, with the seed `SPLIT_SEED`: `TEST_PICTURES` for test, `CALIBRATION_PICTURES` for calibration,
and the remaining 1097 for training. The schedule is fixed and the last weights are kept, so the test images influence
nothing: they are used once, after training.

All random numbers are seeded and torch runs on one thread, so a second run on the same machine gives the same files.
Another processor may round differently and give different, equally good weights.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

HERE = Path(__file__).resolve().parent

SPLIT_SEED = 2024
TEST_PICTURES = 500
CALIBRATION_PICTURES = 200

TRAIN_SEED = 7
EPOCHS = 25
BATCH = 32
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
LABEL_SMOOTHING = 0.05

# The limits of the augmentation; each value is drawn uniformly from -limit to +limit for each image.
SHIFT_PIXELS = 1.0
ROTATION_DEGREES = 10.0
ZOOM = 0.1
NOISE_LEVELS = 0.5  # the standard deviation of the noise on pixels of value 0..16

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pictures:
    """Images, u8 [n, 1, 8, 8] of value 0..16, and their digits, u8 [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Returns images and labels in the types for training, f32 and i64."""
        return torch.from_numpy(self.images).float(), torch.from_numpy(self.labels).long()


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of images."""

    train: Pictures
    calibration: Pictures
    test: Pictures


def split_digits() -> Split:
    """Returns the split of the module docstring."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, np.newaxis]
    labels = digits.target.astype(np.uint8)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_PICTURES, stratify=labels, random_state=SPLIT_SEED
    )
    train, calibration = train_test_split(
        rest, test_size=CALIBRATION_PICTURES, stratify=labels[rest], random_state=SPLIT_SEED
    )
    return Split(*(Pictures(images[chosen], labels[chosen]) for chosen in (train, calibration, test)))


def convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    """Returns a convolution that keeps the size at stride 1, its BatchNorm, and ReLU6 if `activation` is set."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if activation else nn.Sequential(*layers)


def doubling(inputs: int, outputs: int) -> nn.Sequential:
    """Returns a transposed convolution that doubles height and width, its BatchNorm, and ReLU6."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """The block of MobileNetV2: 1x1 expand, depthwise 3x3, 1x1 project, and a sum where the shapes allow one.

    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, figure 4d.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int = 4, stride: int = 1) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = convolution(inputs, hidden, 1)
        self.depthwise = convolution(hidden, hidden, 3, stride=stride, groups=hidden)
        self.project = convolution(hidden, outputs, 1, activation=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output; the projection has no activation (a linear bottleneck)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


class Residual(nn.Module):
    """Two plain 3x3 convolutions, and their input added before the last ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels, 3)
        self.second = convolution(channels, channels, 3, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output."""
        return functional.relu(x + self.second(self.first(x)))


class DigitsNet(nn.Module):
    """A small network with typical kinds of layers: raw pixels in, ten logits out.

    An image is 8x8 because each pixel counts a 4x4 block of a 32x32 bitmap; the transposed convolutions return to
    32x32. This also gives the network enough arithmetic for a visible speed-up in INT8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(doubling(1, 16), doubling(16, 24))
        self.blocks = nn.Sequential(
            convolution(24, 32, 3),
            InvertedResidual(32, 32),
            InvertedResidual(32, 48, stride=2),
            InvertedResidual(48, 48),
            Residual(48),
            InvertedResidual(48, 64),
            convolution(64, 128, 1),
        )
        self.classifier = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        """Returns logits [n, 10] of images [n, 1, 8, 8]."""
        features = self.blocks(self.stem(image))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


def augment(images: Tensor, chance: torch.Generator) -> Tensor:
    """Returns the images, each with random shift, rotation, zoom and noise."""
    count, side = len(images), images.shape[-1]

    def draw(reach: float) -> Tensor:
        return (2 * torch.rand(count, generator=chance) - 1) * reach

    angle, zoom = draw(math.radians(ROTATION_DEGREES)), 1 + draw(ZOOM)
    shift = 2 * SHIFT_PIXELS / side  # affine_grid maps the image to -1 .. 1
    rows = (
        torch.stack([zoom * angle.cos(), -zoom * angle.sin(), draw(shift)], dim=1),
        torch.stack([zoom * angle.sin(), zoom * angle.cos(), draw(shift)], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    noise = torch.randn(images.shape, generator=chance) * NOISE_LEVELS
    return (moved + noise).clamp(0, 16)


def train(pictures: Pictures) -> DigitsNet:
    """Returns the network after the fixed schedule, in evaluation mode."""
    torch.manual_seed(TRAIN_SEED)
    chance = torch.Generator().manual_seed(TRAIN_SEED)
    network = DigitsNet()
    images, labels = pictures.tensors()
    steps = len(images) // BATCH  # the rest of an epoch is dropped, since BatchNorm needs full batches
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=chance)
        total = 0.0
        for batch in order[: steps * BATCH].split(BATCH):
            logits = network(augment(images[batch], chance))
            loss = functional.cross_entropy(logits, labels[batch], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        log.info("epoch %2d of %d: loss %.4f", epoch + 1, EPOCHS, total / steps)
    return network.eval()


def fold_batch_norm(network: DigitsNet) -> None:
    """Folds each BatchNorm into the convolution before it, in place.

    The converter would do the same, but would give the convolutions names such as `Multiply_5368`.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential) and isinstance(module[1], nn.BatchNorm2d):
            transpose = isinstance(module[0], nn.ConvTranspose2d)
            module[0] = fuse_conv_bn_eval(module[0], module[1], transpose=transpose)
            module[1] = nn.Identity()


def to_openvino(network: DigitsNet) -> ov.Model:
    """Returns the network as an OpenVINO model with `image` in and `logits` out."""
    example = torch.zeros(1, 1, 8, 8)
    model = ov.convert_model(network, example_input=example, input=[("image", [1, 1, 8, 8])])
    model.set_friendly_name("digits_cnn")
    model.outputs[0].get_tensor().set_names({"logits"})
    return model


def accuracy(model: ov.Model, pictures: Pictures) -> float:
    """Returns the share of images that the model classifies correctly, computed in f32."""
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    guesses = [compiled([image[np.newaxis].astype(np.float32)])[0].argmax() for image in pictures.images]
    return float(np.mean(np.array(guesses) == pictures.labels))


def main() -> None:
    """Trains, writes the files, and prints the accuracy of the written network."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    split = split_digits()
    network = train(split.train)
    fold_batch_norm(network)
    ov.save_model(to_openvino(network), HERE / "digits_cnn.xml", compress_to_fp16=False)
    np.savez_compressed(
        HERE / "digits.npz",
        calibration_images=split.calibration.images,
        test_images=split.test.images,
        test_labels=split.test.labels,
    )
    written = ov.Core().read_model(HERE / "digits_cnn.xml")
    log.info("parameters: %d", sum(weights.numel() for weights in network.parameters()))
    log.info("accuracy: %.4f on the %d test images", accuracy(written, split.test), TEST_PICTURES)


if __name__ == "__main__":
    main()
