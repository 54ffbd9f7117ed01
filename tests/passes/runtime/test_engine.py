"""What is emulated is what FakeQuantizes mean."""

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes.runtime.engine import EMULATION, Engine, from_runtime

RNG = np.random.default_rng(0)


def test_scales_by_channel_behind_a_layer_that_is_read_twice_are_emulated_right() -> None:
    """The slow obvious formula: 256 steps of 0.02 from -2.56 on, behind the scale of each channel."""
    first, second = (RNG.normal(size=(10, 10)).astype(np.float32) for _ in range(2))
    scale = RNG.uniform(0.2, 3, size=(1, 1, 10)).astype(np.float32)
    x = op.parameter([1, 6, 10], np.float32)
    layer = op.add(op.matmul(x, first, False, False), np.ones(10, np.float32))
    limits = [np.float32(-2.56), np.float32(2.54)]
    rounded = op.fake_quantize(op.multiply(layer, scale), *limits, *limits, 256)
    behind = op.matmul(rounded, second, False, False)
    model = ov.Model([op.result(behind), op.result(op.relu(layer))], [x])
    engine = Engine(from_runtime(model), EMULATION)
    data = RNG.normal(size=(1, 6, 10)).astype(np.float32)
    engine.infer({x.get_friendly_name(): data})
    meant = np.round((np.clip((data @ first + 1) * scale, -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56
    np.testing.assert_allclose(engine.results()[0], meant @ second, atol=0.2)  # a tie may fall to the other side
