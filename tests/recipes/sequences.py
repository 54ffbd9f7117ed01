"""Small networks that take tokens, sounds or rows of a table, with weights drawn at random."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op

from tests.passes.detectors import Weights, attention
from tests.recipes.vision import named

WORDS, WIDTH = 200, 32
BANDS, FRAMES, SPEECH_WORDS = 20, 40, 60
WINDOW, HIDDEN = 128, 24
CITIES, DEVICES, NUMBERS = 300, 40, 8


def integers(name: str, *shape: int) -> Any:
    return named(op.parameter(list(shape), np.int64, name=name), name)


def table(weights: Weights, rows: int, indices: Any, width: int = WIDTH) -> Any:
    """The rows of a table of vectors."""
    return op.gather(op.constant(weights.of(rows, width, gain=width**0.5)), indices, op.constant(0))


def fed_forward(weights: Weights, x: Any) -> Any:
    inner = weights.linear(op.gelu(weights.linear(x, 4 * WIDTH), "erf"), WIDTH)
    return weights.normalized(op.add(x, inner))


def sentence_encoder() -> ov.Model:
    """`input_ids` and `attention_mask` i64[1,?] -> `embedding` f32[1,32] of length 1."""
    ids, mask = integers("input_ids", 1, -1), integers("attention_mask", 1, -1)
    weights = Weights(4)
    x = table(weights, WORDS, ids)
    for _ in range(2):
        x = fed_forward(weights, weights.normalized(op.add(x, attention(weights, x, x, x, WIDTH))))
    counts = op.unsqueeze(op.convert(mask, "f32"), np.array(2))
    mean = op.divide(
        op.reduce_sum(op.multiply(x, counts), np.array([1]), False), op.reduce_sum(counts, np.array([1]), False)
    )
    unit = op.normalize_l2(mean, np.array([1]), 1e-12, "add")
    return ov.Model([op.result(named(unit, "embedding"))], [ids, mask], "sentence encoder")


def speech_encoder() -> ov.Model:
    """`mel` f32[1,20,40] -> `states` f32[1,20,32]."""
    mel, weights = named(op.parameter([1, BANDS, FRAMES], np.float32, name="mel"), "mel"), Weights(5)
    first = op.gelu(op.convolution(mel, weights.of(WIDTH, BANDS, 3), [1], [1], [1], [1]), "erf")
    second = op.gelu(op.convolution(first, weights.of(WIDTH, WIDTH, 3), [2], [1], [1], [1]), "erf")
    x: Any = op.transpose(second, np.array([0, 2, 1]))
    for _ in range(2):
        x = fed_forward(weights, weights.normalized(op.add(x, attention(weights, x, x, x, WIDTH))))
    return ov.Model([op.result(named(x, "states"))], [mel], "speech encoder")


def speech_decoder() -> ov.Model:
    """`input_ids` i64[1,?] and `states` f32[1,20,32] -> `logits` f32[1,?,60], by a classifier that is tied to the table."""
    ids = integers("input_ids", 1, -1)
    states = named(op.parameter([1, FRAMES // 2, WIDTH], np.float32, name="states"), "states")
    weights = Weights(6)
    words = op.constant(weights.of(SPEECH_WORDS, WIDTH, gain=WIDTH**0.5))
    x: Any = op.gather(words, ids, op.constant(0))
    for _ in range(2):
        x = weights.normalized(op.add(x, attention(weights, x, x, x, WIDTH)))
        x = weights.normalized(op.add(x, attention(weights, x, states, states, WIDTH)))
        x = fed_forward(weights, x)
    logits = op.matmul(x, words, False, True)
    return ov.Model([op.result(named(logits, "logits"))], [ids, states], "speech decoder")


def voice_detector() -> ov.Model:
    """One step of a recurrent detector: `sound` f32[1,128], `state` f32[2,1,24] -> `speech` f32[1,1], `next` f32[2,1,24]."""
    sound = named(op.parameter([1, WINDOW], np.float32, name="sound"), "sound")
    state = named(op.parameter([2, 1, HIDDEN], np.float32, name="state"), "state")
    weights = Weights(7)
    parts = op.convolution(op.unsqueeze(sound, np.array(1)), weights.of(32, 1, 32), [16], [0], [0], [1])
    power = op.sqrt(op.add(op.multiply(parts, parts), np.float32(1e-4)))
    features = op.relu(op.convolution(power, weights.of(HIDDEN, 32, 3), [1], [1], [1], [1]))
    hidden, cell = (op.squeeze(each, np.array(0)) for each in op.split(state, np.array(0), 2).outputs())
    matrices = [op.constant(weights.of(4 * HIDDEN, HIDDEN, gain=1)) for _ in range(2)]
    bias = op.constant(weights.of(4 * HIDDEN, gain=0.1))
    step = op.lstm_cell(op.reduce_mean(features, np.array([2]), False), hidden, cell, *matrices, bias, HIDDEN)
    speech = op.sigmoid(op.matmul(step.output(0), weights.of(1, HIDDEN, gain=6), False, True))
    both = op.concat([op.unsqueeze(each, np.array(0)) for each in step.outputs()], 0)
    return ov.Model(
        [op.result(named(speech, "speech")), op.result(named(both, "next"))], [sound, state], "voice detector"
    )


def streaming_detector() -> ov.Model:
    """`frame` f32[1,20] -> `speech` f32[1,1]; the last frames and a hidden vector are states."""
    frame, weights = named(op.parameter([1, BANDS], np.float32, name="frame"), "frame"), Weights(9)
    zeros = [op.constant(np.zeros(shape, np.float32)) for shape in ((1, BANDS, 4), (1, HIDDEN))]
    past, hidden = (
        op6.read_value(zero, name, ov.Type.f32, zero.output(0).get_partial_shape())
        for zero, name in zip(zeros, ("past", "hidden"), strict=True)
    )
    frames = op.concat([past, op.unsqueeze(frame, np.array(2))], 2)
    kept = op.slice(frames, np.array([1]), np.array([5]), np.array([1]), np.array([2]))
    features = op.relu(op.convolution(frames, weights.of(32, BANDS, 5), [1], [0], [0], [1]))
    from_frames = op.matmul(op.squeeze(features, np.array(2)), weights.of(HIDDEN, 32), False, True)
    new = op.tanh(op.add(from_frames, op.matmul(hidden, weights.of(HIDDEN, HIDDEN), False, True)))
    speech = named(op.sigmoid(op.matmul(new, weights.of(1, HIDDEN, gain=2), False, True)), "speech")
    sinks = [op6.assign(kept, "past"), op6.assign(new, "hidden")]
    return ov.Model([op.result(speech)], sinks, [frame], "streaming detector")


def recommender() -> ov.Model:
    """`city`, `device` i64[?], `numbers` f32[?,8] -> `score` f32[?,1]."""
    city, device = integers("city", -1), integers("device", -1)
    numbers = named(op.parameter([-1, NUMBERS], np.float32, name="numbers"), "numbers")
    weights = Weights(8)
    x: Any = op.concat([table(weights, CITIES, city, 16), table(weights, DEVICES, device, 8), numbers], 1)
    width = 24 + NUMBERS
    for columns in (64, 32):
        x = op.relu(op.add(op.matmul(x, weights.of(columns, width), False, True), weights.of(1, columns, gain=0.1)))
        width = columns
    score = op.sigmoid(op.matmul(x, weights.of(1, width, gain=2), False, True))
    return ov.Model([op.result(named(score, "score"))], [city, device, numbers], "recommender")
