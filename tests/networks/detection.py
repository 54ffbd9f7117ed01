"""Heads and regions of detectors, as the files of Model Optimizer have them: operations with layouts of their own."""

import numpy as np
import openvino.opset9 as op9
import openvino.opset13 as op

from .activations import activated
from .block import block
from .convolutions import convolved, finished
from .net import Net, NoTensorError, Tensor, scalar, shape


@block(0.7)
def yolo_region(net: Net) -> Tensor:
    """The head of YOLO v2, with its Softmax, or of v3."""
    x = net.image()
    classes, boxes = net.chance.integer(1, 3), net.chance.integer(1, 3)
    head = finished(net, convolved(net, x, boxes * (classes + 5), 1))
    anchors = [float(each) for each in net.chance.numbers.uniform(0.5, 4, 2 * boxes)]
    is_v2 = net.chance.maybe(0.5)
    mask = [] if is_v2 else [*range(boxes)]
    return op.region_yolo(head, 4, classes, boxes, is_v2, mask, 1, 3, anchors).output(0)


@block(0.5)
def reorganized(net: Net) -> Tensor:
    """The passthrough of YOLO v2: pixels become channels."""
    x = net.image()
    if shape(x)[1] % 4 or shape(x)[2] % 2 or shape(x)[3] % 2:
        raise NoTensorError
    return op.reorg_yolo(x, [2]).output(0)


@block(0.7)
def regions(net: Net) -> Tensor:
    """Boxes of a picture, pooled to one size, and a layer behind them."""
    x = net.image()
    count, side = net.chance.integer(1, 4), net.chance.integer(1, 3)
    corners = np.sort(net.chance.numbers.uniform(0, min(shape(x)[2:]), (count, 2, 2)), axis=1)
    boxes = corners.reshape(count, 4).astype(np.float32)
    how = net.chance.one(["align", "align9", "max", "bilinear", "by position"])
    if how == "align":
        found = op.roi_align(x, net.constant(boxes), op.constant(np.zeros(count, np.int32)), side, side, 2, 1.0, "avg")
    elif how == "align9":
        numbers = op.constant(np.zeros(count, np.int32))
        found = op9.roi_align(x, net.constant(boxes), numbers, side, side, 2, 1.0, "max", "half_pixel")
    elif how == "by position":
        x = convolved(net, x, 4 * side * side, 1)
        rows = np.concatenate([np.zeros((count, 1)), boxes], axis=1)
        found = op.psroi_pooling(x, net.constant(rows), 4, side, 1.0, 1, 1, "average")
    else:
        rows = np.concatenate([np.zeros((count, 1)), boxes / (1 if how == "max" else 16)], axis=1)
        found = op.roi_pooling(x, net.constant(rows), [side, side], 1.0, how)
    return activated(net, finished(net, convolved(net, found.output(0), 8, 3)))


@block(0.5)
def response_normalized(net: Net) -> Tensor:
    """By the length of all channels of a pixel (GRN)."""
    return op.grn(net.image(), 1e-3).output(0)


@block(0.7)
def ssd_head(net: Net) -> Tensor:
    """Boxes and scores beside anchors that the sizes of feature map and picture make."""
    x = net.image()
    if shape(x)[0] != 1:
        raise NoTensorError
    classes, picture = net.chance.integer(2, 4), 32.0
    sizes = {"min_size": np.array([8.0, 16.0], np.float32), "aspect_ratio": np.array([2.0], np.float32), "flip": True}
    attributes = {**sizes, "clip": False, "variance": np.array([0.1, 0.1, 0.2, 0.2], np.float32), "offset": 0.5}
    layer_size = op.slice(op.shape_of(x), *(op.constant(np.array([each])) for each in (2, 4, 1, 0)))
    image_size = op.constant(np.array([picture, picture], np.int64))
    anchors = op.unsqueeze(op.prior_box(layer_size, image_size, attributes), scalar(0))
    count = anchors.get_output_shape(0)[-1] // 4
    per_pixel = count // (shape(x)[2] * shape(x)[3])
    parts = [finished(net, convolved(net, x, per_pixel * each, 3)) for each in (4, classes)]
    rows = [op.transpose(each, op.constant(np.array([0, 2, 3, 1]))) for each in parts]
    boxes = op.reshape(rows[0], op.constant(np.array([1, -1])), False)
    scores = op.reshape(rows[1], op.constant(np.array([1, count, classes])), False)
    scores = op.reshape(op.softmax(scores, 2), op.constant(np.array([1, -1])), False)
    decided = {
        "background_label_id": 0,
        "top_k": 20,
        "keep_top_k": [10],
        "code_type": "caffe.PriorBoxParameter.CENTER_SIZE",
    }
    decided |= {"nms_threshold": 0.45, "confidence_threshold": 0.05, "share_location": True, "normalized": True}
    net.loose += [boxes.output(0), scores.output(0)]
    return op.detection_output(boxes, scores, anchors, decided).output(0)
