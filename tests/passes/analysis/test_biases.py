"""Where a bias goes that a layer did not have."""

import numpy as np

from irquant.ir import from_text, to_text
from irquant.passes.analysis.biases import change_bias

LAYER = """
x: f32[1,2] = Parameter()
w: f32[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
y: f32[1,2] = MatMul(x, w)
r = Result({})
"""


def test_a_layer_without_a_bias_gets_one() -> None:
    graph = from_text(LAYER.format("y"))
    change_bias(graph.node("y"), np.ones(2))
    added = graph.node("r").source().node
    assert (added.type, added.source().node.name) == ("Add", "y")
    assert added.source(1).node.array.tolist() == [[1.0, 1.0]]


def test_a_layer_that_nothing_reads_stays_as_it_is() -> None:
    graph = from_text(LAYER.format("x"))
    before = to_text(graph)
    change_bias(graph.node("y"), np.ones(2))
    assert to_text(graph) == before
