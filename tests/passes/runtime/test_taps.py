"""Taps change nothing of what the runtime computes elsewhere."""

import os
import subprocess
import sys

import pytest

#: Two views of a tensor: operations that change its shape, but move nothing.
RESHAPE, TRANSPOSE = "ops.reshape(wave, [1, 36, 8], False)", "ops.transpose(wave, [1, 0, 2, 3])"
#: A tensor with a Transpose and a convolution behind it: an output that is a view of the tensor spoils the convolution.
NETWORK = """
import numpy as np
import openvino as ov
from openvino import opset13 as ops

rng = np.random.default_rng(0)
x = ops.parameter([1, 6, 6, 8], np.float32)
wave = ops.sin(x)
kernel = rng.normal(size=(8, 8, 1, 1)).astype(np.float32)
y = ops.convolution(ops.transpose(wave, [0, 3, 1, 2]), kernel, [1, 1], [0, 0], [0, 0], [1, 1])
view = VIEW
model_view = view.get_friendly_name()
shaped = ops.exp(view)
model = ov.Model([ops.result(y), ops.result(shaped)], [x])
samples = [rng.normal(size=(1, 6, 6, 8)).astype(np.float32) for _ in range(20)]

def right(sample):
    return np.einsum("bhwc,oc->bohw", np.sin(sample), kernel[:, :, 0, 0])
"""
TAP = """
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.taps import tap

graph = from_runtime(model)
tap(graph.node(model_view).output(), name="view")
tapped = ov.compile_model(to_runtime(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
for sample in samples:
    outputs = tapped(sample)
    np.testing.assert_allclose(outputs[0], right(sample), atol=1e-4)
    np.testing.assert_allclose(outputs[2], np.sin(sample).reshape(outputs[2].shape), atol=1e-4)
"""
STATISTICS = """
from irquant.passes.calibration.attach_statistics import AttachStatistics, Block
from irquant.passes.infra.base import Context
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.request import Reduction, request
from irquant.targets import load_target

graph = from_runtime(model)
(node,) = graph.in_file_order("Sin")
asked = request(node.output(), Reduction.SAMPLE)
AttachStatistics((Block((asked,), (288,)),)).run(graph, Context(load_target()))
attached = ov.compile_model(to_runtime(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
for sample in samples:
    outputs = attached(sample)
    np.testing.assert_allclose(outputs[0], np.sin(sample).reshape(1, 288), atol=1e-4)
    np.testing.assert_allclose(outputs[1], right(sample), atol=1e-4)
"""
WHOLE = """
from irquant.passes.calibration.attach_statistics import AttachStatistics, Block
from irquant.passes.infra.base import Context
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.request import Reduction, request
from irquant.targets import load_target

graph = from_runtime(model)
asked = request(graph.node(model_view).output(), Reduction.QUANTILE, level=0.5)
AttachStatistics((Block((asked,), (1,), raw=True),)).run(graph, Context(load_target()))
attached = ov.compile_model(to_runtime(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
for sample in samples:
    outputs = attached(sample)
    np.testing.assert_allclose(outputs[0], np.sin(sample).reshape(1, 36, 8), atol=1e-4)
    np.testing.assert_allclose(outputs[1], right(sample), atol=1e-4)
"""
#: An If whose output a residual sum reads, too; statistics from inside give it one output more.
RESIDUAL_IF = """
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from irquant import quantize

rng = np.random.default_rng(0)

def conv(x, out, channels, kernel):
    weights = rng.normal(size=(out, channels, kernel, kernel)).astype(np.float32) / 3
    return ops.convolution(x, weights, [1, 1], [kernel // 2] * 2, [kernel // 2] * 2, [1, 1])

x = ops.parameter([1, 3, -1, 8], np.float32)
inner = ops.parameter([1, 3, -1, 8], np.float32)
taken = ov.Model([ops.softsign(conv(ops.matmul(inner, np.eye(8, dtype=np.float32), False, True), 3, 3, 1))], [inner])
other = ops.parameter([1, 3, -1, 8], np.float32)
left = ov.Model([ops.multiply(other, np.float32(2))], [other])
flag = ops.greater(ops.reduce_max(x, np.arange(4), False), np.float32(-1e9))
chosen = ops.if_op(flag.output(0))
chosen.set_then_body(taken)
chosen.set_else_body(left)
bodies = [chosen.get_function(number) for number in (0, 1)]
chosen.set_input(x.output(0), *(body.get_parameters()[0] for body in bodies))
z = chosen.set_output(*(body.get_results()[0] for body in bodies))
hidden = ops.gelu(ops.add(conv(z, 6, 3, 3), np.ones((1, 6, 1, 1), np.float32)), "erf")
total = ops.gelu(ops.add(z, ops.add(conv(hidden, 3, 6, 3), np.ones((1, 3, 1, 1), np.float32))), "erf")
model = ov.Model([ops.result(total)], [x])
quantize(model, [rng.normal(size=(1, 3, 12, 8)).astype(np.float32) for _ in range(20)], guard=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc fills new memory on request")
@pytest.mark.parametrize(
    "program",
    [
        NETWORK.replace("VIEW", RESHAPE) + TAP,
        pytest.param(NETWORK.replace("VIEW", TRANSPOSE) + TAP, marks=pytest.mark.slow),
        NETWORK.replace("VIEW", RESHAPE) + STATISTICS,
        pytest.param(NETWORK.replace("VIEW", RESHAPE) + WHOLE, marks=pytest.mark.slow),
        RESIDUAL_IF,
    ],
    ids=["a Reshape", "a Transpose", "a sample", "a whole tensor", "an If"],
)
def test_nothing_is_read_from_memory_that_nobody_wrote(program: str) -> None:
    # new memory holds large numbers, not what happens to lie there
    environment = {**os.environ, "MALLOC_PERTURB_": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
