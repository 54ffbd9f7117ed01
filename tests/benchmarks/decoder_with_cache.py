"""Time a token of a decoder whose cache is a state of the model, float against INT8, at several lengths of the cache.

    python tests/benchmarks/decoder_with_cache.py [PAST ...]

Two layers of 8 heads of 64 channels, with attention as one operation and written out. The prompt has as many tokens as
PAST says (default: 512 2048); then both models compute single tokens in turn. Each figure is the median over them; the
SQNR is that of the INT8 model's outputs on the same tokens.
"""

import statistics
import sys
import time
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
from openvino.op.util import Variable, VariableInfo

from irquant.passes import quantize

_LAYERS, _HEADS, _SIZE, _TOKENS = 2, 8, 64, 100


def decoder(heads: int, size: int, *, layers: int, is_fused: bool) -> ov.Model:
    """Tokens come in as vectors; keys and values are kept in variables, behind a Gather by beam."""
    rng, width = np.random.default_rng(0), heads * size
    x = op.parameter([1, -1, width], np.float32, name="x")
    beams = op.parameter([1], np.int32, name="beams")
    sinks: list[Any] = []

    def linear(tensor: Any, rows: int, columns: int) -> Any:
        weights = rng.normal(size=(rows, columns)) / np.sqrt(columns)
        return op.matmul(tensor, op.constant(weights.astype(np.float32)), False, True)

    def in_heads(tensor: Any) -> Any:
        split = op.reshape(tensor, op.constant([1, -1, heads, size]), False)
        return op.transpose(split, op.constant([0, 2, 1, 3]))

    def kept(tensor: Any, name: str) -> Any:
        info = VariableInfo()
        info.data_shape, info.data_type, info.variable_id = ov.PartialShape([1, heads, -1, size]), ov.Type.f32, name
        variable = Variable(info)
        empty = op.constant(np.zeros((1, heads, 0, size), np.float32))
        past = op.gather(ov.opset6.read_value(empty, variable), beams, op.constant(0))
        whole = op.concat([past, tensor], 2)
        sinks.append(ov.opset6.assign(whole, variable))
        return whole

    def attention(query: Any, key: Any, value: Any) -> Any:
        if is_fused:
            return op.scaled_dot_product_attention(query, key, value)
        scores = op.multiply(op.matmul(query, key, False, True), op.constant(np.float32(size**-0.5)))
        return op.matmul(op.softmax(scores, -1), value, False, False)

    y: Any = x
    for index in range(layers):
        normal = op.mvn(y, op.constant([-1]), True, 1e-5, "inside_sqrt")
        query, key, value = (in_heads(linear(normal, width, width)) for _ in range(3))
        mixed = attention(query, kept(key, f"key{index}"), kept(value, f"value{index}"))
        joined = op.reshape(op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([1, -1, width]), False)
        y = op.add(y, linear(joined, width, width))
        normal = op.mvn(y, op.constant([-1]), True, 1e-5, "inside_sqrt")
        y = op.add(y, linear(op.gelu(linear(normal, 4 * width, width), "erf"), width, 4 * width))
    return ov.Model([op.result(y)], sinks, [x, beams], "decoder")


def prompt(tokens: int, width: int, seed: int) -> dict[str, Any]:
    """That many tokens."""
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(1, tokens, width)).astype(np.float32), "beams": np.zeros(1, np.int32)}


def main() -> None:
    width, config = _HEADS * _SIZE, {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    samples = [prompt(32, width, seed) for seed in range(1, 21)]
    print("| attention | past | float ms | INT8 ms | ratio | SQNR dB |\n| --- | --- | --- | --- | --- | --- |")
    for is_fused in (True, False):
        float_model = decoder(_HEADS, _SIZE, layers=_LAYERS, is_fused=is_fused)
        both = [float_model, quantize(float_model, samples)]
        compiled = [ov.Core().compile_model(model, "CPU", config) for model in both]
        for past in [int(each) for each in sys.argv[1:]] or [512, 2048]:
            requests = [model.create_infer_request() for model in compiled]
            for request in requests:
                request.infer(prompt(past, width, 0))
            seconds: list[list[float]] = [[], []]
            noise, signal = 0.0, 0.0
            for token in range(_TOKENS):
                outputs: list[Any] = []
                for request, times in zip(requests, seconds, strict=True):
                    start = time.perf_counter()
                    request.infer(prompt(1, width, past + token))
                    times.append(time.perf_counter() - start)
                    outputs.append(np.array(request.get_output_tensor(0).data))
                signal += float(np.sum(outputs[0] ** 2))
                noise += float(np.sum((outputs[0] - outputs[1]) ** 2))
            before, after = (1000 * statistics.median(times) for times in seconds)
            form, decibels = "fused" if is_fused else "written out", 10 * np.log10(signal / noise)
            print(f"| {form} | {past:,} | {before:.2f} | {after:.2f} | {after / before:.2f} | {decibels:.0f} |")


if __name__ == "__main__":
    main()
