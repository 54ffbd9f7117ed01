"""Networks that run step by step: what a step leaves in a state, the next one reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op

from irquant.ir import Array

SIZE = 32
Steps = list[dict[str, Array]]


def _weights(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Any:
    fan_in = int(np.prod(shape[1:]))
    return op.constant((rng.normal(size=shape) * scale / fan_in**0.5).astype(np.float32))


def _state(name: str, *shape: int) -> Any:
    first = op.constant(np.zeros(shape, np.float32))
    return op6.read_value(first, name, ov.Type.f32, ov.PartialShape(list(shape)))


def step_network(inputs: int = 1) -> ov.Model:
    """The new h is tanh(W x + R h), y is V h; the state h is [1,32] and begins as zeros."""
    rng = np.random.default_rng(0)
    given = [op.parameter([1, SIZE], np.float32, name=name) for name in ("x", "z")[:inputs]]
    x = given[0] if inputs == 1 else op.add(*given)
    from_x = op.matmul(x, _weights(rng, SIZE, SIZE), False, True, name="from_x")
    from_h = op.matmul(_state("h", 1, SIZE), _weights(rng, SIZE, SIZE, scale=1.5), False, True, name="from_h")
    new = op.tanh(op.add(from_x, from_h))
    y = op.matmul(new, _weights(rng, SIZE, SIZE), False, True, name="head")
    y.output(0).set_names({"y"})
    return ov.Model([op.result(y)], [op6.assign(new, "h")], given, "step")


def streaming_convolution() -> ov.Model:
    """A convolution over five frames that gets one frame a step and keeps the last four."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8, 1], np.float32, name="x")
    frame = op.relu(op.convolution(x, _weights(rng, 8, 8, 1), [1], [0], [0], [1], name="first"))
    frames = op.concat([_state("past", 1, 8, 4), frame], 2)
    kept = op.slice(frames, op.constant([-4]), op.constant([2**31]), op.constant([1]), op.constant([2]))
    wide = op.relu(op.convolution(frames, _weights(rng, 16, 8, 5), [1], [0], [0], [1], name="wide"))
    last = op.convolution(wide, _weights(rng, 4, 16, 1), [1], [0], [0], [1], name="last")
    return ov.Model([op.result(last)], [op6.assign(kept, "past")], [x], "streaming")


def accumulator() -> ov.Model:
    """A leaky sum of what comes in: after many steps it is many times as large as after one."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, SIZE], np.float32, name="x")
    added = op.matmul(x, _weights(rng, SIZE, SIZE), False, True, name="added")
    total = op.add(op.multiply(_state("total", 1, SIZE), np.float32(0.95)), added)
    y = op.matmul(total, _weights(rng, 8, SIZE), False, True, name="head")
    return ov.Model([op.result(y)], [op6.assign(total, "total")], [x], "accumulator")


def steps_for(model: ov.Model, count: int, seed: int) -> Steps:
    """Random inputs for so many steps."""
    rng = np.random.default_rng(seed)
    return [
        {each.any_name: (rng.normal(size=list(each.shape)) + 0.3).astype(np.float32) for each in model.inputs}
        for _ in range(count)
    ]


def outputs_over(model: ov.Model, steps: Sequence[dict[str, Array]]) -> list[Array]:
    """The first output of each step, in order and without a reset."""
    request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    return [np.array(request.infer(each)[0]) for each in steps]


def ratio(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """The ratio of signal to error in dB over all steps together."""
    power = sum(float(np.square(each).sum()) for each in wanted)
    error = sum(float(np.square(one - other).sum()) for one, other in zip(wanted, found, strict=True))
    return 10 * np.log10(power / error) if error else float("inf")
