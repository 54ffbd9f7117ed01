"""Two models side by side: what corresponds, how far it is off, and what cannot be compared."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from irquant.ir import Array, Graph, from_text
from irquant.passes import QuantizationConfig
from irquant.passes.analysis.agreement import Tally, Verdict, sqnr
from irquant.passes.evaluation import layer_probes
from irquant.passes.evaluation.channel_sums import ChannelSums
from irquant.passes.evaluation.compare_models import Comparison, compare_models
from irquant.passes.evaluation.layer_probes import LayerProbe
from irquant.passes.evaluation.matching import ComparisonError, LayerPair, match_inputs, match_layers, match_outputs
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import LATENCY
from irquant.passes.runtime.samples import DataError, Sample
from irquant.targets import load_target

CONVOLUTION = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
WEIGHTS = "0.5, -1.0, 0.25, 2.0, -0.75, 1.5"
FLOAT = f"""
x: f32[1,2,4,4]<"image"> = Parameter()
w: f32[3,2,1,1] = Const() [{WEIGHTS}]
conv: f32[1,3,4,4] = Convolution(x, w) {CONVOLUTION}
b: f32[1,3,1,1] = Const() [0.1, -0.2, 0.3]
biased: f32[1,3,4,4]<"y"> = Add(conv, b) auto_broadcast="numpy"
r = Result(biased)
"""


def images(count: int = 12) -> list[Sample]:
    rng = np.random.default_rng(7)
    return [Sample(f"sample {k}", rng.normal(size=(1, 2, 4, 4)).astype(np.float32)) for k in range(count)]


def compared(one: str, other: str, *, per_layer: bool = False) -> Comparison:
    return compare_models(from_text(one), from_text(other), images(), latency=False, per_layer=per_layer)


# ------------------------------------------------------------------------------------------------------------ matching


def test_layers_are_matched_by_name_with_their_bias() -> None:
    other = FLOAT.replace("[0.1, -0.2, 0.3]", "[0.1, -0.2, 0.4]")
    (pair,) = match_layers(from_text(FLOAT), from_text(other)).pairs
    assert [tensor.node.name for tensor in pair.tensors] == ["biased", "biased"]
    (error,) = list(compared(FLOAT, other, per_layer=True).layers or ())
    assert (error.name, error.type) == ("conv", "Convolution")
    assert error.sqnr == pytest.approx(compared(FLOAT, other).outputs[0].sqnr, abs=1e-3)


def test_a_bias_in_half_precision_is_one() -> None:
    half = FLOAT.replace("b: f32[1,3,1,1] = Const()", "h: f16[1,3,1,1] = Const()").replace(
        "biased:", 'b: f32[1,3,1,1] = Convert(h) destination_type="f32"\nbiased:'
    )
    (pair,) = match_layers(from_text(FLOAT), from_text(half)).pairs
    assert [tensor.node.name for tensor in pair.tensors] == ["biased", "biased"]


def test_a_sum_of_two_branches_is_no_bias() -> None:
    text = FLOAT.replace("b: f32[1,3,1,1] = Const() [0.1, -0.2, 0.3]\n", "b: f32[1,3,4,4] = ReLU(conv)\n")
    (pair,) = match_layers(from_text(text), from_text(text)).pairs
    assert [tensor.node.name for tensor in pair.tensors] == ["conv", "conv"]


def test_a_bias_that_took_the_name_over_belongs_to_its_layer() -> None:
    plain = f"graph 10\n{FLOAT.partition('b: f32')[0]}r = Result(conv)\n"
    made = (
        FLOAT.replace("biased", "conv@")
        .replace("conv:", '"conv/original":')
        .replace("Add(conv,", 'Add("conv/original",')
    )
    made = "graph 10\n" + made.replace("conv@", "conv")
    matching = match_layers(from_text(plain), from_text(made))
    assert [[tensor.node.name for tensor in pair.tensors] for pair in matching.pairs] == [["conv", "conv"]]
    assert [tensor.node.type for tensor in matching.pairs[0].tensors] == ["Convolution", "Add"]
    assert (matching.only_first, matching.only_second) == ((), ())


def test_layers_of_one_name_are_matched_in_their_order() -> None:
    text = f"""
x: f32[1,1,4,4] = Parameter()
w: f32[1,1,1,1] = Const() [2.0]
conv@1: f32[1,1,4,4] = Convolution(x, w) {CONVOLUTION}
conv@2: f32[1,1,4,4] = Convolution(conv@1, w) {CONVOLUTION}
r = Result(conv@2)
"""
    matching = match_layers(from_text(text), from_text(text))
    assert [(pair.node.id, pair.twin.id) for pair in matching.pairs] == [(pair.node.id,) * 2 for pair in matching.pairs]
    assert len(matching.pairs) == 2


def test_other_names_types_and_shapes_are_told_apart() -> None:
    renamed = FLOAT.replace("conv", "other")
    matching = match_layers(from_text(FLOAT), from_text(renamed))
    assert (matching.pairs, matching.only_first, matching.only_second) == ((), ("conv",), ("other",))
    larger = FLOAT.replace("4,4]", "5,5]")
    matching = match_layers(from_text(FLOAT), from_text(larger))
    assert (matching.pairs, matching.only_first, matching.only_second) == ((), ("conv",), ("conv",))
    assert match_layers(from_text(FLOAT), from_text(FLOAT.replace("4,4]", "?,?]"))).pairs


TWO = """
a: f32[1,2]<"left"> = Parameter()
b: f32[1,3]<"right"> = Parameter()
p: f32[1,2]<"p"> = ReLU(a)
q: f32[1,3]<"q"> = ReLU(b)
r = Result(p)
s = Result(q)
"""
SWAPPED = """
b: f32[1,3]<"right"> = Parameter()
a: f32[1,2]<"left"> = Parameter()
p: f32[1,2]<"p"> = ReLU(a)
q: f32[1,3]<"q"> = ReLU(b)
s = Result(q)
r = Result(p)
"""


def test_inputs_and_outputs_are_matched_by_name_in_any_order() -> None:
    one, other = from_text(TWO), from_text(SWAPPED)
    assert match_inputs(one, other) == [1, 0]
    assert match_outputs(one, other) == [1, 0]
    samples = [Sample("sample", {"left": np.ones((1, 2)), "right": np.ones((1, 3))})]
    found = compare_models(one, other, samples, latency=False)
    assert [(each.name, each.sqnr) for each in found.outputs] == [("p", math.inf), ("q", math.inf)]


def test_a_single_input_needs_no_name() -> None:
    assert match_inputs(from_text(FLOAT), from_text(FLOAT.replace("image", "data").replace("x", "z"))) == [0]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (FLOAT.replace("x: f32[1,2,4,4]", "x: f32[1,2,5,5]"), "'image' f32[1,2,5,5]"),
        (FLOAT.replace("x: f32[1,2,4,4]", "x: f32[1,2,4]"), "'image' f32[1,2,4]"),
        (FLOAT.replace("x: f32[1,2,4,4]", "x: u8[1,2,4,4]"), "'image' u8[1,2,4,4]"),
        (TWO, "'left' f32[1,2], 'right' f32[1,3]"),
        ("c: f32[1] = Const() [1.0]\nr = Result(c)\n", "nothing"),
    ],
)
def test_models_of_different_inputs_are_refused(other: str, said: str) -> None:
    with pytest.raises(ComparisonError) as caught:
        compared(FLOAT, other)
    assert str(caught.value) == (f"the models take different inputs: the first 'image' f32[1,2,4,4]; the second {said}")


def test_inputs_that_are_only_called_otherwise_are_refused_if_there_are_several() -> None:
    with pytest.raises(ComparisonError) as caught:
        match_inputs(from_text(TWO), from_text(TWO.replace("left", "up").replace("a:", "c:").replace("(a)", "(c)")))
    assert str(caught.value) == (
        "the models take different inputs: the first 'left' f32[1,2], 'right' f32[1,3]; "
        "the second 'up' f32[1,2], 'right' f32[1,3]"
    )


def test_models_of_different_outputs_are_refused() -> None:
    with pytest.raises(ComparisonError) as caught:
        match_outputs(from_text(TWO), from_text(FLOAT))
    assert str(caught.value) == "the models have different outputs: the first p, q; the second biased"


def test_no_samples_are_refused() -> None:
    with pytest.raises(DataError, match=r"^the data are empty: at least one sample is needed$"):
        compare_models(from_text(FLOAT), from_text(FLOAT), [], latency=False)


# -------------------------------------------------------------------------------------------------------------- ratios


def pairs(scale: float = 1.0, shift: float = 0.0) -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng(3)
    factors = (scale ** np.arange(3)).reshape(1, 3, 1)
    for _ in range(4):
        one = rng.normal(size=(1, 3, 50)) + 1
        yield one, one * factors + shift + rng.normal(scale=0.01, size=one.shape) * factors


def sums_of(found: list[tuple[Array, Array]], axis: int | None) -> ChannelSums:
    sums = ChannelSums(axis)
    for each in found:
        sums.add(*each)
    return sums


@pytest.mark.parametrize("axis", [1, -2, None])
def test_ratios_by_sums_are_those_of_the_tensors(axis: int | None) -> None:
    found = list(pairs())
    plain = sqnr([one for one, _ in found], [other for _, other in found])
    assert sums_of(found, axis).sqnr == pytest.approx(plain, abs=1e-6)


def test_scales_that_moved_from_layer_to_layer_are_told_from_errors() -> None:
    sums = sums_of(list(pairs(scale=3.0, shift=0.5)), 1)
    assert sums.sqnr < 0
    assert sums.sqnr_but_for_scale == pytest.approx(sums_of(list(pairs()), 1).sqnr, abs=0.5)
    assert sums_of(list(pairs(scale=3.0)), None).sqnr_but_for_scale < 20, "without channels there is one scale"


def test_equal_tensors_are_equal_and_constant_ones_too() -> None:
    one = np.full((1, 3, 4), 2.0)
    assert sums_of([(one, one)], 1).sqnr == math.inf
    assert sums_of([(one, one)], 1).sqnr_but_for_scale == math.inf


def test_tensors_of_other_sizes_have_no_ratio() -> None:
    sums = sums_of([(np.ones((1, 3)), np.ones((1, 4)))], 1)
    assert math.isnan(sums.sqnr)
    assert math.isnan(sums.sqnr_but_for_scale)
    assert math.isnan(ChannelSums(1).sqnr), "nothing was seen"


def test_tallies_of_several_samples_are_one_ratio() -> None:
    found, tally = list(pairs()), Tally()
    for each in found:
        tally.add(*each)
    one, other = (np.concatenate([each[k].ravel() for each in found]) for k in range(2))
    assert tally.sqnr == pytest.approx(10 * math.log10((one**2).sum() / ((one - other) ** 2).sum()))
    assert tally.cosine == pytest.approx(one @ other / math.sqrt((one @ one) * (other @ other)))
    tally.add(np.ones(2), np.ones((2, 1)))
    assert math.isnan(tally.sqnr)
    assert math.isnan(tally.top1)


# ------------------------------------------------------------------------------------------------------- whole models


@pytest.fixture(scope="module")
def quantized() -> Graph:
    graph, _ = quantize_graph(from_text(FLOAT), images(40), load_target("cpu"), QuantizationConfig())
    return graph


def test_a_quantized_model_is_close_in_outputs_and_layers(quantized: Graph) -> None:
    found = compare_models(from_text(FLOAT), quantized, images(40), most=10, per_layer=True)
    (output,) = found.outputs
    (layer,) = list(found.layers or ())
    assert found.samples == 10
    assert output.verdict is Verdict.GOOD
    assert not found.is_poor
    assert layer.sqnr == pytest.approx(output.sqnr, abs=0.5)
    assert not layer.is_rescaled
    assert (found.first.execution.int8, found.second.execution.int8, found.second.execution.total) == (0, 1, 1)
    assert found.warnings == ()
    assert found.latencies is not None
    assert found.latencies.first.p10 <= found.latencies.first.median
    assert found.latencies.rounds >= 5
    assert found.latencies.threads >= 1


def test_on_held_out_samples_it_gives_the_numbers_of_the_quantization() -> None:
    graph, report = quantize_graph(from_text(FLOAT), images(40), load_target("cpu"), QuantizationConfig())
    found = compare_models(from_text(FLOAT), graph, images(40), held_out=True, latency=False)
    assert (found.samples, found.held_out) == (report.held_out, True)
    assert found.outputs == report.check.outputs
    others = compare_models(from_text(FLOAT), graph, images(40), latency=False)
    assert others.outputs != report.check.outputs
    assert (others.samples, others.is_spread) == (32, True)


def test_of_few_samples_none_is_held_out(quantized: Graph) -> None:
    with pytest.raises(DataError) as caught:
        compare_models(from_text(FLOAT), quantized, images(8), held_out=True)
    assert str(caught.value) == (
        "a calibration holds out none of so few samples: give nine or more, or compare on all of them"
    )


def test_two_quantized_models_can_be_compared(quantized: Graph) -> None:
    found = compare_models(quantized, quantized.copy(), images(), latency=False, per_layer=True)
    assert found.outputs[0].sqnr == math.inf
    assert [each.sqnr for each in found.layers or ()] == [math.inf]


def test_an_output_that_is_something_else_is_poor() -> None:
    other = FLOAT.replace(WEIGHTS, "-0.5, 1.0, 9.0, 2.0, 7.0, 1.5")
    assert compared(FLOAT, other).is_poor
    assert compared(FLOAT, other).outputs[0].verdict is Verdict.POOR
    assert compared(FLOAT, other).layers is None


def test_layers_are_looked_at_in_groups_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    text = FLOAT.replace(
        "r = Result(biased)",
        f"v: f32[1,3,1,1] = Const() [1.0, 2.0, 3.0]\n"
        f"two: f32[1,1,4,4] = Convolution(biased, v) {CONVOLUTION}\nr = Result(two)",
    )
    whole = compared(text, text.replace("0.25", "0.3"), per_layer=True).layers
    made: list[int] = []
    of = LayerProbe.of

    def counted(group: Sequence[LayerPair], models: tuple[Graph, Graph]) -> LayerProbe:
        made.append(len(group))
        return of(group, models)

    monkeypatch.setattr(LayerProbe, "of", counted)
    monkeypatch.setattr(layer_probes, "_MOST_BYTES", 4 * 48)
    assert compared(text, text.replace("0.25", "0.3"), per_layer=True).layers == whole
    assert made == [1, 1]


def test_a_model_that_runs_otherwise_when_looked_at_is_computed_in_float(
    quantized: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = LayerProbe.second
    monkeypatch.setattr(LayerProbe, "second", lambda self, items: [-each for each in spoilt(self, items)])
    found = compare_models(from_text(FLOAT), quantized, images(), latency=False, per_layer=True)
    assert found.warnings == (
        "observing its layers changes what the second model computes in int8; their errors were measured with its "
        "FakeQuantizes computed in float",
    )
    assert (found.layers or ())[0].sqnr > 30


SELECTING = f"""
x: f32[1,2,4,4]<"image"> = Parameter()
w: f32[3,2,1,1] = Const() [{WEIGHTS}]
conv: f32[1,3,4,4] = Convolution(x, w) {CONVOLUTION}
k: i64[] = Const() [1]
top: (f32[1,1,4,4], i64[1,1,4,4]) = TopK.opset11(conv, k) axis="1" mode="max" sort="value" index_element_type="i64" stable="false"
r = Result(top#1)
"""


def test_what_is_selected_is_compared_before_the_selection() -> None:
    other = SELECTING.replace("0.25", "0.26")
    found = compared(SELECTING, other)
    assert [each.kind for each in found.outputs] == ["detections"]
    assert 30 < found.outputs[0].sqnr < 100
    assert found.warnings == ()


def test_what_a_layer_computes_from_selected_scores_is_compared_itself() -> None:
    """As the logits behind a router of experts."""
    routed = SELECTING.replace(
        "r = Result(top#1)",
        """m: f32[4,2] = Const() [1, 2, -3, 4, 5, 6, 7, -8]
logits: f32[1,1,4,2] = MatMul(top#0, m) transpose_a="false" transpose_b="false"
r = Result(logits)
s = Result(top#1)""",
    )
    negated = routed.replace("[1, 2, -3, 4, 5, 6, 7, -8]", "[-1, -2, 3, -4, -5, -6, -7, 8]")
    found = compared(routed, negated)
    assert [(each.kind, each.verdict) for each in found.outputs] == [
        ("values", Verdict.POOR),
        ("detections", Verdict.GOOD),
    ]
    assert found.outputs[0].sqnr == pytest.approx(-20 * math.log10(2), abs=1e-3)


def test_a_selection_that_the_other_model_lacks_is_told() -> None:
    found = compared(SELECTING, SELECTING.replace("top", "other"))
    assert found.warnings == (
        "the second model does not have the first's TopK: the outputs that it decides are compared directly",
    )
    assert [(each.kind, each.sqnr) for each in found.outputs] == [("values", math.inf)]


def test_outputs_are_those_of_the_models_as_they_run(quantized: Graph) -> None:
    samples, models = images(), [Engine(graph, LATENCY) for graph in (from_text(FLOAT), quantized)]
    outputs: list[list[Array]] = [[], []]
    for engine, found in zip(models, outputs, strict=True):
        for each in samples:
            engine.compiled(each.feed)
            found.append(engine.compiled(each.feed)[0])
    plain = compare_models(from_text(FLOAT), quantized, samples, latency=False, per_layer=True)
    assert plain.outputs[0].sqnr == pytest.approx(sqnr(*outputs), abs=0.01)
