"""Pointwise convolutions with strides are right whatever sizes came before."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import quantize
from irquant.passes.runtime.modes import EMULATION, LATENCY
from tests.passes.runs_int8.nets import NONE, ONES, conv, model, weights

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes


def test_pointwise_convolutions_with_strides_are_right_for_any_size() -> None:
    """With AMX and i8 data, the runtime reads old memory if a small picture follows a larger one."""
    x = op.parameter(ov.PartialShape([-1, 64, -1, -1]), np.float32)
    strided = op.convolution(x, weights(32, 64, 1, 1), [2, 2], NONE, NONE, ONES, "same_upper")
    net = model(x, op.relu(conv(op.add(strided, weights(1, 32, 1, 1)), 8, 1)))
    sizes = [(2, 8, 8), (1, 8, 8), (1, 4, 4), (1, 2, 3), (1, 14, 9)]
    chance = np.random.default_rng(0)
    samples = [chance.normal(size=(batch, 64, *size)).astype(np.float32) for batch, *size in sizes * 2]
    result = quantize(net, samples, guard=False)
    alone = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    found, meant = (ov.compile_model(result, "CPU", {**options, **alone}) for options in (LATENCY, EMULATION))
    for sample in samples:
        made, wanted = found(sample)[0], meant(sample)[0]
        assert np.square(made - wanted).sum() < 1e-3 * np.square(wanted).sum(), sample.shape
