"""Constants that only the runtime can compute."""

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.ir import verify
from irquant.passes import Context
from irquant.passes.normalize import Normalize
from irquant.passes.runtime import from_runtime
from irquant.targets import load_target


def test_weights_of_a_layer_whose_shape_alone_is_read_are_computed() -> None:
    """Once the shape is known, nobody reads the layer, and what it reads goes with it."""
    x = op.parameter([2, 3, 4, 4], np.float32, name="x")
    kernel = op.multiply(op.constant(np.ones((5, 3, 1, 1), np.float32)), np.full((5, 1, 1, 1), 2, np.float32))
    layer = op.convolution(x, op.exp(kernel), [1, 1], [0, 0], [0, 0], [1, 1], name="layer")
    model = ov.Model([op.result(op.broadcast(np.ones((1, 5, 4, 4), np.float32), op.shape_of(layer)))], [x], "m")
    graph = from_runtime(model)
    Normalize().run(graph, Context(load_target("cpu")))
    verify(graph)
    np.testing.assert_allclose(graph.node("layer").source(1).node.array, np.full((5, 3, 1, 1), np.exp(2)), rtol=1e-6)
