"""Small detectors with the heads of well-known ones: their wiring, with weights drawn at random and scaled to sane values."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

Array = np.ndarray[Any, np.dtype[Any]]
SIDE, CLASSES, BINS = 64, 6, 16
STRIDES = (8, 16)


class Weights:
    """Draws weights that keep the power of what goes through them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *shape: int, gain: float = 1.4) -> Array:
        return np.asarray(gain * self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)

    def conv(self, x: ov.Node, channels: int, kernel: int = 3, stride: int = 1, gain: float = 1.4) -> ov.Node:
        pads, width = [kernel // 2] * 2, int(x.get_output_partial_shape(0)[1].get_length())
        layer = op.convolution(x, self.of(channels, width, kernel, kernel, gain=gain), [stride] * 2, pads, pads, [1, 1])
        return op.add(layer, self.of(1, channels, 1, 1, gain=0.1))

    def linear(self, x: ov.Node, columns: int, gain: float = 1.0) -> ov.Node:
        width = int(x.get_output_partial_shape(0)[-1].get_length())
        layer = op.matmul(x, self.of(columns, width, gain=gain), False, True)
        return op.add(layer, self.of(1, 1, columns, gain=0.1))

    def normalized(self, x: ov.Node) -> ov.Node:
        width = int(x.get_output_partial_shape(0)[-1].get_length())
        normal = op.mvn(x, np.array([-1]), True, 1e-5, "inside_sqrt")
        return op.add(op.multiply(normal, 1 + self.of(1, 1, width, gain=0.1)), self.of(1, 1, width, gain=0.1))


def pictures(count: int, seed: int = 0) -> list[Array]:
    """Coloured patches with noise."""
    rng = np.random.default_rng(seed)
    patches = rng.normal(size=(count, 1, 3, SIDE // 8, SIDE // 8)).repeat(8, 3).repeat(8, 4)
    return list(np.asarray(patches + 0.2 * rng.normal(size=(count, 1, 3, SIDE, SIDE)), np.float32))


def backbone(x: ov.Node, weights: Weights) -> list[ov.Node]:
    """Maps of strides 8 and 16."""
    for channels in (16, 24, 32):
        x = op.swish(weights.conv(x, channels, stride=2))
    inner = op.swish(weights.conv(op.swish(weights.conv(x, 32)), 32))
    first = op.add(x, inner)
    return [first, op.swish(weights.conv(first, 48, stride=2))]


def anchors() -> tuple[Array, Array]:
    """The middles of the cells of both maps, [1, 2, N], and their strides, [1, N]."""
    middles, strides = list[Array](), list[Array]()
    for stride in STRIDES:
        side = SIDE // stride
        places = np.arange(side) + 0.5
        middles.append(np.stack([np.tile(places, side), np.repeat(places, side)]))
        strides.append(np.full(side * side, stride))
    return np.concatenate(middles, 1)[None].astype(np.float32), np.concatenate(strides)[None].astype(np.float32)


def yolo_parts(x: ov.Node, weights: Weights) -> tuple[ov.Node, ov.Node]:
    """Boxes in pixels, [1, 4, N], middles and sizes; and scores, [1, classes, N]."""
    maps = list[ov.Node]()
    for each in backbone(x, weights):
        box = weights.conv(op.swish(weights.conv(each, 32)), 4 * BINS, 1, gain=3)
        score = weights.conv(op.swish(weights.conv(each, 32)), CLASSES, 1, gain=3)
        shifted = op.subtract(score, np.float32(2))
        maps.append(op.reshape(op.concat([box, shifted], 1), np.array([1, 4 * BINS + CLASSES, -1]), False))
    joined = op.variadic_split(op.concat(maps, 2), np.array(1), np.array([4 * BINS, CLASSES]))
    bins = op.transpose(op.reshape(joined.output(0), np.array([1, 4, BINS, -1]), False), np.array([0, 2, 1, 3]))
    mean = op.convolution(
        op.softmax(bins, 1), np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    mean.friendly_name = "dfl"
    sides = op.split(op.reshape(mean, np.array([1, 4, -1]), False), np.array(1), 2)
    middles, strides = anchors()
    low, high = op.subtract(middles, sides.output(0)), op.add(sides.output(1), middles)
    centres = op.divide(op.add(low, high), np.float32(2))
    boxes = op.multiply(op.concat([centres, op.subtract(high, low)], 1), strides[None])
    return boxes, op.sigmoid(joined.output(1))


def image() -> ov.Node:
    return op.parameter([1, 3, SIDE, SIDE], np.float32, name="image")


def yolo(seed: int = 0) -> ov.Model:
    """Boxes and scores in one tensor, [1, 4 + classes, N]."""
    x = image()
    joined = op.concat(list(yolo_parts(x, Weights(seed))), 1)
    joined.friendly_name = "joined"
    return ov.Model([op.result(joined)], [x], "yolo")


def end_to_end(seed: int = 0, count: int = 20) -> ov.Model:
    """The best boxes, [1, count, 6], selected by the model itself."""
    x = image()
    boxes, scores = (op.transpose(each, np.array([0, 2, 1])) for each in yolo_parts(x, Weights(seed)))
    joined = op.variadic_split(op.concat([boxes, scores], 2), np.array(2), np.array([4, CLASSES]))
    best = op.topk(op.reduce_max(joined.output(1), np.array([2]), False), np.array(count), 1, "max", "value")
    rows = op.unsqueeze(best.output(1), np.array(2))
    picked = [
        op.gather_elements(joined.output(k), op.broadcast(rows, np.array([1, count, width])), 1)
        for k, width in enumerate((4, CLASSES))
    ]
    flat = op.topk(op.reshape(picked[1], np.array([1, -1]), False), np.array(count), 1, "max", "value")
    index = op.convert(flat.output(1), "f32")
    box = op.convert(op.floor(op.divide(index, np.float32(CLASSES))), "i32")
    label = op.subtract(index, op.multiply(op.convert(box, "f32"), np.float32(CLASSES)))
    chosen = op.gather_elements(picked[0], op.broadcast(op.unsqueeze(box, np.array(2)), np.array([1, count, 4])), 1)
    columns = [op.unsqueeze(each, np.array(2)) for each in (flat.output(0), label)]
    return ov.Model([op.result(op.concat([chosen, *columns], 2))], [x], "end to end")


def attention(weights: Weights, query: ov.Node, key: ov.Node, value: ov.Node, width: int, heads: int = 4) -> ov.Node:
    def split(x: ov.Node) -> ov.Node:
        return op.transpose(
            op.reshape(weights.linear(x, width), np.array([1, -1, heads, width // heads]), False),
            np.array([0, 2, 1, 3]),
        )

    scores = op.multiply(op.matmul(split(query), split(key), False, True), np.float32((width // heads) ** -0.5))
    mixed = op.matmul(op.softmax(scores, 3), split(value), False, False)
    joined = op.reshape(op.transpose(mixed, np.array([0, 2, 1, 3])), np.array([1, -1, width]), False)
    return weights.linear(joined, width)


def detr(seed: int = 0, queries: int = 12, width: int = 32) -> ov.Model:
    """Logits of classes, [1, queries, classes + 1], and boxes from 0 to 1, [1, queries, 4]."""
    x, weights = image(), Weights(seed)
    maps = weights.conv(backbone(x, weights)[-1], width, 1)
    memory = op.transpose(op.reshape(maps, np.array([1, width, -1]), False), np.array([0, 2, 1]))
    places = weights.of(1, (SIDE // 16) ** 2, width, gain=(SIDE // 16) * 4.0)
    learned = weights.of(1, queries, width, gain=12.0)
    found: Any = op.constant(weights.of(1, queries, width, gain=12.0))
    for _ in range(2):
        asked = op.add(found, learned)
        found = weights.normalized(op.add(found, attention(weights, asked, asked, found, width)))
        key = op.add(memory, places)
        found = weights.normalized(op.add(found, attention(weights, op.add(found, learned), key, memory, width)))
        inner = weights.linear(op.relu(weights.linear(found, 2 * width)), width)
        found = weights.normalized(op.add(found, inner))
    box = op.sigmoid(weights.linear(op.relu(weights.linear(found, width)), 4))
    return ov.Model([op.result(weights.linear(found, CLASSES + 1, gain=3)), op.result(box)], [x], "detr")
