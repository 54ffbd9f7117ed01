"""Layers whose int8 kernels are wrong with some data: what irquant makes of them is right, at sizes of real models.

Each layer runs in a process of its own, since some of these kernels write beyond their memory.
"""

import json
import subprocess
import sys

import pytest

#: Quantizes one convolution of signed data; prints the SQNR in dB for each size, and the number of int8 layers.
PROGRAM = """
import json, sys
import numpy as np
import openvino as ov
import openvino.opset13 as op
from irquant.passes import QuantizationConfig, quantize_model

case = json.loads(sys.argv[1])
rng, rank, groups = np.random.default_rng(0), len(case["kernel"]), case.get("groups")
one = [1] * rank
shape = [groups, case["out"] // groups, case["in"] // groups] if groups else [case["out"], case["in"]]
weights = rng.normal(size=[*shape, *case["kernel"]]).astype(np.float32)
x = op.parameter([1, case["in"], *(case["sizes"][0] if len(case["sizes"]) == 1 else [-1] * rank)], np.float32)
layer = op.group_convolution if groups else op.convolution
pads = case.get("pads", [0] * rank)
y = layer(x, weights, case.get("strides", one), pads, pads, case.get("dilations", one))
y = op.relu(op.add(y, rng.normal(size=[1, case["out"], *one]).astype(np.float32)))
model = ov.Model([op.result(y)], [x])

def drawn(size):  # limits that most samples reach on both sides make a symmetric range the best one
    sample = rng.normal(size=[1, case["in"], *size]).astype(np.float32)
    return np.clip(sample, -1.5, 1.5) if len(case["sizes"]) > 1 else sample

data = [drawn(case["sizes"][0]) for _ in range(12)]
config = QuantizationConfig.checked(activations={"mode": case.get("mode")})
result = quantize_model(model, data, config=config, guard=False)
config = {"INFERENCE_PRECISION_HINT": "f32"}
float_model, int8_model = (ov.Core().compile_model(each, "CPU", config) for each in (model, result.model))
ratios = []
for size in case["sizes"] * 2:
    sample = drawn(size)
    meant, made = (each(sample)[0].astype(np.float64) for each in (float_model, int8_model))
    ratios.append(10 * np.log10(np.square(meant).sum() / np.square(made - meant).sum()))
print(json.dumps([min(ratios), sum(each.is_int8 for each in result.report.layers)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        {"in": 64, "out": 64, "kernel": [3, 3], "dilations": [2, 2], "pads": [2, 2], "sizes": [[96, 96]]},
        {"in": 16, "out": 16, "kernel": [5, 5], "dilations": [2, 2], "pads": [4, 4], "sizes": [[96, 96]]},
        {"in": 16, "out": 128, "groups": 2, "kernel": [3, 3], "pads": [1, 1], "sizes": [[16, 16]]},
        {"in": 16, "out": 128, "groups": 2, "kernel": [3, 3], "sizes": [[16, 16]]},
        {"in": 192, "out": 192, "groups": 8, "kernel": [3, 3], "pads": [1, 1], "sizes": [[37, 37]]},
        {"in": 12, "out": 48, "kernel": [2, 2], "strides": [2, 2], "sizes": [[16, 16], [4, 4]]},
        {"in": 64, "out": 16, "kernel": [3, 3], "pads": [0, 1], "sizes": [[8, 8], [3, 3]]},
        {"in": 12, "out": 48, "kernel": [3], "pads": [1], "sizes": [[64], [4]]},
        {"in": 12, "out": 48, "kernel": [3], "pads": [1], "sizes": [[64], [4]], "mode": "symmetric"},
        {
            "in": 16,
            "out": 128,
            "groups": 2,
            "kernel": [3, 3],
            "pads": [1, 1],
            "sizes": [[16, 16]],
            "mode": "asymmetric",
        },
        {
            "in": 32,
            "out": 32,
            "kernel": [3, 3],
            "dilations": [2, 2],
            "pads": [2, 2],
            "sizes": [[128, 128]],
            "mode": "asymmetric",
        },
        {"in": 8, "out": 16, "kernel": [1], "strides": [4], "sizes": [[20], [13]]},
    ],
)
def test_int8_convolutions_of_signed_data_are_right(case: dict[str, object]) -> None:
    """Weights and data of one layer leave about 40 dB."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(case)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ratio, int8 = json.loads(done.stdout.splitlines()[-1])
    assert int8 == 1
    assert ratio > 25
