"""Transposed convolutions whose int8 kernels are wrong stay float, and the others are right with any number of threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.runtime.core import THREADS
from tests.passes.runs_int8.nets import executed_as_meant, model, samples_of, weights

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes

ACTIVATED = "what another operation reads of it may be negative"
ONE_CHANNEL = "one output channel"
STEPS = "that divide its kernel"
TWO = "two activations follow"


def _upsampled(
    size: tuple[int, ...], outputs: int, kernel: int, stride: int, pad: int, bend: Callable[[Any], Any] | None = None
) -> ov.Model:
    rank = len(size)
    x = op.parameter([1, 8, *size], np.float32)
    up = op.convolution_backprop_data(
        x, weights(8, outputs, *[kernel] * rank), [stride] * rank, None, [pad] * rank, [pad] * rank, [1] * rank
    )
    biased = op.add(up, weights(1, outputs, *[1] * rank))
    after = bend(biased) if bend else biased
    one, none = [1] * rank, [0] * rank
    return model(x, op.convolution(after, weights(8, outputs, *one), one, none, none, one))


def _picture() -> ov.Model:
    """The end of a generator: nothing is rounded behind the activation."""
    x = op.parameter([1, 8, 8, 8], np.float32)
    return model(x, op.tanh(op.convolution_backprop_data(x, weights(8, 3, 4, 4), [2, 2], None, [1, 1], [1, 1])))


def _gelu(y: Any) -> Any:
    half = op.add(op.erf(op.divide(y, np.float32(1.4142))), np.float32(1))
    return op.multiply(op.multiply(y, half), np.float32(0.5))


def _beside_signed(y: Any) -> Any:
    """A ReLU in a Concat with numbers of both signs: one range for both."""
    signed = op.convolution(op.relu(y), weights(4, 4, 1), [1], [0], [0], [1])
    return op.convolution(op.concat([op.relu(y), signed], 1), weights(4, 8, 1), [1], [0], [0], [1])


NETS = [
    (_upsampled((5,), 4, 4, 2, 1), ""),
    (_upsampled((16, 16), 16, 2, 2, 0, op.relu), ""),
    (_upsampled((5,), 4, 4, 2, 1, op.swish), ACTIVATED),
    (_upsampled((7, 7), 4, 3, 1, 1, lambda y: op.multiply(y, op.sigmoid(y))), ACTIVATED),
    (_upsampled((7, 7), 4, 2, 2, 0, lambda y: op.subtract(op.relu(y), np.float32(1))), ACTIVATED),
    (_upsampled((7, 7), 4, 2, 2, 0, lambda y: op.multiply(y, np.float32(2))), ""),
    (_upsampled((7, 7), 4, 2, 2, 0, lambda y: op.multiply(op.relu(y), np.float32(2))), ""),
    (_upsampled((5,), 4, 4, 2, 1, _gelu), ACTIVATED),
    (_upsampled((5,), 4, 4, 2, 1, lambda y: op.maximum(y, op.multiply(y, np.float32(0.2)))), ACTIVATED),
    (_upsampled((5,), 4, 4, 2, 1, _beside_signed), ACTIVATED),
    (_picture(), ""),
    (_upsampled((8, 8), 1, 2, 2, 0), ""),
    (_upsampled((8, 8), 1, 2, 2, 0, op.relu), ONE_CHANNEL),
    (_upsampled((6,), 4, 4, 2, 1, lambda y: op.sqrt(op.relu(y))), TWO),
    (_upsampled((6,), 4, 4, 2, 1, lambda y: op.sigmoid(op.relu(y))), TWO),
    (_upsampled((6,), 4, 4, 2, 1, lambda y: op.round(op.relu(y), "half_to_even")), ACTIVATED),
    (_upsampled((6,), 4, 4, 2, 1, lambda y: op.sqrt(op.multiply(op.relu(y), np.float32(2)))), TWO),
    (_upsampled((8, 8), 4, 6, 3, 1), STEPS),
    (_upsampled((8, 8), 4, 6, 3, 0), ""),
    (_upsampled((8, 8), 4, 3, 2, 1), STEPS),
    (_upsampled((8, 8), 4, 4, 2, 1), ""),
]


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(("net", "why_float"), NETS)
def test_a_transposed_convolution_is_right_in_int8_or_stays_float(
    net: ov.Model, why_float: str, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Report] = []
    monkeypatch.setenv(THREADS, threads)
    result = quantize(net, samples_of(net), guard=False, report=reports.append)
    (decision,) = [each.decision for each in reports[0].layers if each.type == "ConvolutionBackpropData"]
    assert (decision.int8, why_float in decision.reason) == (not why_float, True)
    assert executed_as_meant(result) > 30
