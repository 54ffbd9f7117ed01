"""The proof that weights stay compressed, and what it says if they do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant import CompressionReport, compress_model
from irquant.ir import Graph
from irquant.targets import parse_target
from irquant.tools.terminal.compression import compression_lines
from tests.passes.weight_only_models import language_model, sentences, weights

Read = Callable[[ov.Model], Graph]
#: A target that promises too much: this plugin makes floats of a table of nf4.
LIAR = parse_target(
    "name: liar\nspecs: {}\nrules: []\nkeeps_compressed:\n  - {op: [MatMul, Gather], types: nf4, smallest_group: 4}\n",
    "liar.yaml",
)


def report(model: ov.Model, data: list[Any] | None = None, **options: Any) -> CompressionReport:
    return compress_model(model, data, **options).report


def test_all_layers_are_found_under_the_names_of_their_biases_too() -> None:
    x = op.parameter([2, 16], np.float32, name="x")
    one = op.matmul(x, weights(0, 16, 16), False, True, name="plain")
    other = op.add(op.matmul(op.relu(one), weights(1, 16, 16), False, True, name="biased"), weights(2, 1, 16))
    check = report(ov.Model([op.result(other)], [x])).check
    assert (check.kept, check.folded) == (("plain", "biased"), ())


def test_what_the_device_makes_floats_of_against_the_target_is_told() -> None:
    found = report(language_model(), target=LIAR, weights="nf4", all_layers=True)
    assert len(found.check.kept) == 5
    ((name, read),) = found.check.folded
    assert name == "embedding"
    assert read.startswith("f32 from Const '")
    lines = [*compression_lines(found, "out.xml")]
    assert "the execution graph shows compressed weights in 5 of 6 layers" in lines
    assert f"planned compressed, but the device makes floats of it: 'embedding' reads {read}" in lines


def test_a_device_that_is_not_here_is_not_verified() -> None:
    found = report(language_model(), sentences(12), target="gpu")
    assert (found.check.kept, found.check.folded) == ((), ())
    assert found.check.outputs is not None  # the codes are the same on any device
    assert "not verified: this machine has no GPU" in [*compression_lines(found, "out.xml")]


def test_the_runtimes_default_rounds_activations_too() -> None:
    model = language_model()
    check = report(model, sentences(30)).check
    assert check.outputs is not None
    assert check.outputs_by_default is not None
    assert check.outputs[0].sqnr > check.outputs_by_default[0].sqnr
    said = "\n".join(compression_lines(report(model, sentences(30)), "out.xml"))
    assert "with the runtime's default, which also rounds activations" in said
    assert "DYNAMIC_QUANTIZATION_GROUP_SIZE=0" in said


def test_small_groups_keep_activations_exact_by_default() -> None:
    found = report(language_model(), sentences(30), weights="int4", group=16, all_layers=True)
    assert found.check.outputs is not None
    assert found.check.outputs_by_default is not None
    assert abs(found.check.outputs[0].sqnr - found.check.outputs_by_default[0].sqnr) < 0.05
    assert not any("with the runtime's default" in each for each in compression_lines(found, "out.xml"))
