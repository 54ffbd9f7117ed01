"""What is emulated is what FakeQuantizes mean."""

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.ir import Array
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import EMULATION

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


def test_scales_by_channel_behind_a_product_of_rounded_tensors_are_emulated() -> None:
    scale = RNG.uniform(0.2, 3, size=(1, 1, 10)).astype(np.float32)
    limits = [np.float32(-2.56), np.float32(2.54)]
    x, y = op.parameter([1, 6, 6], np.float32), op.parameter([1, 6, 10], np.float32)
    one, other = (op.fake_quantize(each, *limits, *limits, 256) for each in (x, y))
    scaled = op.multiply(op.matmul(one, other, False, False), scale)
    model = ov.Model([op.result(op.fake_quantize(scaled, *limits, *limits, 256))], [x, y])
    engine = Engine(from_runtime(model), EMULATION)
    data = [RNG.normal(size=shape).astype(np.float32) for shape in ((1, 6, 6), (1, 6, 10))]
    engine.infer({each.get_friendly_name(): array for each, array in zip((x, y), data, strict=True)})

    def rounded(values: Array) -> Array:
        return np.round((np.clip(values, -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56

    meant = rounded((rounded(data[0]) @ rounded(data[1])) * scale)
    assert (np.abs(engine.results()[0] - meant) < 0.001).mean() > 0.9  # ties may fall to the other side
