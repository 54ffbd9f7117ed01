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


DILATED = """
x: f32[1,2,6,6] = Parameter()
blocks: i64[4] = Const() [1, 1, 2, 2]
none: i64[4] = Const() [0, 0, 0, 0]
apart: f32[4,2,3,3] = SpaceToBatch(x, blocks, none, none)
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
y: f32[4,2,3,3] = Convolution(apart, w) strides="1, 1" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1"
whole: f32[1,2,6,6] = BatchToSpace(y, blocks, none, none)
"""


def test_the_bias_of_a_dilated_convolution_is_behind_the_form_of_frameworks() -> None:
    """Between the three, it would keep the runtime from fusing them."""
    graph = from_text(DILATED + "r = Result(whole)\n")
    change_bias(graph.node("y"), np.array([1.0, 2.0]))
    added = graph.node("r").source().node
    assert (added.type, added.source().node.name) == ("Add", "whole")
    change_bias(graph.node("y"), np.array([1.0, 2.0]))
    changed = graph.node("r").source().node
    assert (changed.name, changed.source().node.name) == (added.name, "whole"), "the same one"
    assert changed.source(1).node.array.reshape(-1).tolist() == [2.0, 4.0]
