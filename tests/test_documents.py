"""README and CONTRIBUTING stay true: their code runs as it stands; CI runs the two installation lines."""

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as op
import pytest
from onnx import TensorProto, helper, numpy_helper

from irquant.ir import from_text, to_text, verify
from irquant.passes import Context, Fact, Pass, check_pass, default_quantization
from irquant.passes.compress import CompressOptions
from irquant.passes.infra.registry import PASSES, pass_class
from irquant.passes.jobs.quantize_options import QuantizeOptions
from irquant.passes.options import deprecated_options
from irquant.passes.options.accuracy_aware import AccuracyParameters, MetricEntry
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.options.config_file import Model
from irquant.passes.options.engine import EngineSection
from irquant.passes.options.pot_config import AlgorithmName, Parameters
from irquant.passes.options.quantization import ActivationEndOptions, ActivationOptions, RangeEstimator, WeightOptions
from irquant.targets import QuantSpec, Rule, Step, Target, load_target, parse_target
from irquant.targets.properties import Property
from irquant.targets.target import Compression
from irquant.tools.cli import run
from irquant.tools.zoo.batch_file import Entry, Expected
from irquant.tools.zoo.record import State
from tests.documents import ROOT, run_document
from tests.passes.weight_only_models import language_model, sentences

if not (ROOT / "README.md").is_file():
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)


def blocks(document: str, language: str) -> list[str]:
    """The fenced code blocks of a language; those in lists are indented."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.finditer(rf"^( *)```{language}\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(each[2]) for each in found]


#: What the metric of docs/accuracy.md is measured on.
LABELLED = """

def my_labelled_pictures():
    return [(np.ones((1, 3, 8, 8), np.float32), 0)]
"""
POT = """{
    "model": {"model_name": "model", "model": "model.xml", "weights": "model.bin"},
    "engine": {"type": "simplified", "data_source": "calibration.npz"},
    "compression": {
        "target_device": "ANY",
        "algorithms": [{"name": "DefaultQuantization", "params": {"preset": "mixed", "stat_subset_size": 300}}]
    }
}"""


@pytest.fixture
def in_folder_with_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds what the examples assume: a model in two formats, data, a configuration."""
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    conv = op.relu(op.convolution(image, weights, [1, 1], [0, 0], [0, 0], [1, 1]))
    conv.output(0).set_names({"logits"})
    ov.serialize(ov.Model([op.result(conv)], [image], "m"), tmp_path / "model.xml", tmp_path / "model.bin")
    (tmp_path / "metrics.py").write_text(f"{blocks('docs/accuracy.md', 'python')[0]}{LABELLED}")
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 3, 8, 8]), ("y", [1, 4, 6, 6]))
    ]
    graph = helper.make_graph(nodes, "m", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "model.onnx"
    )
    (tmp_path / "pot.json").write_text(POT)
    (tmp_path / "val.txt").write_text("".join(f"{number}.jpg 0\n" for number in range(12)))
    np.savez(tmp_path / "calibration.npz", image=np.random.default_rng(1).random((12, 3, 8, 8), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_readme_run(in_folder_with_model: Path) -> None:
    commands = [
        line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("irquant ")
    ]
    assert commands
    for command in commands:
        name, *arguments = shlex.split(command)[1:]
        assert run([name, *arguments]) == (1 if name == "diff" else 0)
    assert (in_folder_with_model / "model_int8.xml").is_file()


@pytest.mark.slow
def test_the_benchmark_of_the_readme_runs(in_folder_with_model: Path) -> None:
    commands = [
        line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("python ")
    ]
    for command in commands:
        script, *given = shlex.split(command)[1:]
        arguments = ["calibration.npz" if each == "photos/" else each for each in given]
        few = ["--samples", "12", "--rounds", "1", "--nncf", ""]
        process = [sys.executable, str(ROOT / script), *arguments, *few]
        done = subprocess.run(process, capture_output=True, text=True, check=True)
        # Two more where int8 looks no faster on this machine, and two where its own precision looks suspicious.
        assert re.search(r"irquant: calibration .* \d+ inferences, [2-8] compilations$", done.stdout, re.MULTILINE)
    assert len(commands) == 2


DOCUMENTS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem == "benchmarks" else [])
    for path in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "targets" / "README.md")
    if path.stem != "other_tools"  # tests/integrations run that one, where these tools are
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::irquant.QuantizationWarning")  # what is shown need not fit the small model
@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_the_documents_show_runs(
    document: Path, in_folder_with_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(in_folder_with_model)
    if document.stem in ("compress_weights", "migrate_from_nncf"):  # elsewhere, `zoo init` would find it
        ov.serialize(language_model(), "language.xml", "language.bin")
        np.savez("texts.npz", rows=np.concatenate(sentences(12)))
    run_document(document.read_text(encoding="utf-8"), in_folder_with_model)


def test_the_commands_about_metrics_run(in_folder_with_model: Path) -> None:
    (commands,) = blocks("docs/accuracy.md", "sh")
    for command in commands.splitlines():
        assert run(shlex.split(command)[1:]) == 0
    assert len((in_folder_with_model / "trials.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_the_batch_file_and_the_commands_about_it_run(in_folder_with_model: Path) -> None:
    (batch,), (commands,) = (blocks("docs/zoo.md", language) for language in ("yaml", "sh"))
    (in_folder_with_model / "batch.yaml").write_text(batch)
    for command in commands.splitlines()[1:]:
        assert run(shlex.split(command)[1:]) == 0
    assert (in_folder_with_model / "zoo_results" / "model_mixed.xml").is_file()


@pytest.mark.parametrize("key", sorted({*Entry.model_fields, *Expected.model_fields, *State}))
def test_every_key_and_state_of_a_batch_is_documented(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")


PARAMETERS = {
    *Parameters.model_fields,
    *Model.model_fields,
    *EngineSection.model_fields,
    *WeightOptions.model_fields,
    *ActivationOptions.model_fields,
    *RangeEstimator.model_fields,
    *ActivationEndOptions.model_fields,
    *get_args(AlgorithmName),
    *deprecated_options.ENGINE,
    *deprecated_options.SECTIONS,
    "threshold",
    "inplace_statistics",
    "stat_batch_size",
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_every_parameter_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert re.search(rf"`{name}\b", text)


#: The parameters of NNCF 3.4's functions for OpenVINO models, and of the classes that they take.
NNCF_PARAMETERS = {
    *("calibration_dataset", "mode", "preset", "target_device", "subset_size", "fast_bias_correction", "model_type"),
    *("ignored_scope", "advanced_parameters", "validation_dataset", "validation_fn", "max_drop", "drop_type"),
    *("advanced_quantization_parameters", "advanced_accuracy_restorer_parameters"),
    *("names", "patterns", "types", "subgraphs", "validate"),
    *("overflow_fix", "quantize_outputs", "inplace_statistics", "disable_channel_alignment", "disable_bias_correction"),
    *("batchwise_statistics", "activations_quantization_params", "weights_quantization_params"),
    *("quantizer_propagation_rule", "activations_range_estimator_params", "weights_range_estimator_params"),
    *("bias_correction_params", "smooth_quant_alphas", "smooth_quant_alpha", "backend_params"),
    *("apply_for_all_nodes", "threshold", "num_bits", "signedness_to_force", "per_channel", "narrow_range"),
    *("max_num_iterations", "tune_hyperparams", "ranking_subset_size", "num_ranking_workers"),
    *("intermediate_model_dir", "restore_mode"),
    *("ratio", "group_size", "all_layers", "dataset", "sensitivity_metric", "awq", "scale_estimation", "gptq"),
    *("lora_correction", "backup_mode", "compression_format"),
}


@pytest.mark.parametrize("name", sorted(NNCF_PARAMETERS))
def test_every_parameter_of_nncf_has_its_counterpart(name: str) -> None:
    text = (ROOT / "docs" / "migrate_from_nncf.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| .*`[^`]*\b{name}\b", text, re.MULTILINE)


def test_the_counterparts_of_nncf_are_options() -> None:
    """The right column of the tables, where it has code with a keyword."""
    text = (ROOT / "docs" / "migrate_from_nncf.md").read_text(encoding="utf-8")
    codes = [
        code for row in re.findall(r"^\|.+\| (.+) \|$", text, re.MULTILINE) for code in re.findall("`([^`]+)`", row)
    ]
    keywords = {name for code in codes for name in re.findall(r"\b(\w+)=", code)} - {"quantize"}
    options = {*QuantizationConfig.model_fields, *QuantizeOptions.__annotations__, *CompressOptions.__annotations__}
    assert len(keywords) > 20
    assert keywords - options == set()


@pytest.mark.parametrize("name", sorted({*AccuracyParameters.model_fields, *MetricEntry.model_fields}))
def test_every_parameter_about_metrics_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


def test_every_test_that_the_documents_name_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")))
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()


def test_the_configuration_of_the_readme_is_one(in_folder_with_model: Path) -> None:
    (config,) = blocks("README.md", "json")
    (in_folder_with_model / "config.json").write_text(config)
    assert run(["quantize", "model.xml", "--data", "calibration.npz", "-c", "config.json"]) == 0


def test_the_python_of_the_readme_runs(in_folder_with_model: Path) -> None:
    code = blocks("README.md", "python")
    assert len(code) == 2
    exec("\n".join(code), {})
    assert (in_folder_with_model / "model_int8.bin").is_file()


def join_sums() -> Pass:
    """The pass that CONTRIBUTING shows, as a module of `irquant.passes.transforms`."""
    names: dict[str, Any] = {
        "__name__": "irquant.passes.transforms.join_sums",
        "__package__": "irquant.passes.transforms",
    }
    (code,) = blocks("CONTRIBUTING.md", "python")
    exec(code, names)
    example = names["JoinSums"]()
    assert isinstance(example, Pass)
    return example


SUMS = """
x: f32[1] = Parameter()
a: f32[1] = Const() [1.0]
b: f32[1] = Const() [2.0]
{lines}
r = Result(z)
"""


def test_the_pass_of_contributing_with_a_pattern_does_what_it_draws() -> None:
    before = SUMS.format(lines="y: f32[1] = Add(a, x)\nz: f32[1] = Add(y, b)")
    after = """
    x: f32[1] = Parameter()
    z/total: f32[1] = Const() [3.0]
    z: f32[1] = Add(x, z/total)
    r = Result(z)
    """
    check_pass(join_sums(), before=before, after=after)


def test_the_pass_of_contributing_with_a_pattern_joins_any_number() -> None:
    lines = "y: f32[1] = Add(a, x)\nu: f32[1] = Add(y, b)\nc: f32[1] = Const() [4.0]\nz: f32[1] = Add(c, u)"
    graph = from_text(SUMS.format(lines=lines))
    assert join_sums().run(graph, Context(load_target("cpu"))) == 2
    assert [node.array.tolist() for node in graph.nodes("Const")] == [[7.0]]


IN_BODY = """
x: f32[1] = Parameter()
c: boolean[] = Parameter()
z: f32[1] = If(c, x)
r = Result(z)
then_body of z {{
  p: f32[1] = Parameter()
{lines}
  s = Result(v)
}}
else_body of z {{
  p: f32[1] = Parameter()
  s = Result(p)
}}
"""


def test_the_pass_of_contributing_with_a_pattern_joins_sums_in_bodies() -> None:
    constants = "  a: f32[1] = Const() [1.0]\n  b: f32[1] = Const() [2.0]\n"
    check_pass(
        join_sums(),
        before=IN_BODY.format(lines=f"{constants}  u: f32[1] = Add(a, p)\n  v: f32[1] = Add(u, b)"),
        after=IN_BODY.format(lines="  v/total: f32[1] = Const() [3.0]\n  v: f32[1] = Add(p, v/total)"),
    )


def test_the_pass_of_contributing_joins_sums_of_an_fp16_model() -> None:
    halves = 'h: f16[1] = Const() [0.5]\nc: f32[1] = Convert(h) destination_type="f32"\n'
    graph = from_text(SUMS.format(lines=f"{halves}y: f32[1] = Add(c, x)\nz: f32[1] = Add(y, b)"))
    assert join_sums().run(graph, Context(load_target("cpu"))) == 1
    total = graph.node("z/total").array
    assert (total.dtype, total.tolist()) == (np.dtype(np.float32), [2.5])


@pytest.mark.parametrize(
    "lines",
    [
        "y: f32[1] = Add(a, x)\nu: f32[1] = Add(y, b)\nz: f32[1] = Multiply(u, y)",  # others read the first sum
        "y: f32[1] = ReLU(x)\nz: f32[1] = Add(y, b)",
        "y: f32[1] = Add(x, a)\nz: f32[1] = Add(y, x)",
        "y: f32[1] = Subtract(x, a)\nz: f32[1] = Add(y, b)",
    ],
)
def test_the_pass_of_contributing_with_a_pattern_leaves_other_sums_alone(lines: str) -> None:
    graph = SUMS.format(lines=lines)
    check_pass(join_sums(), before=graph, after=graph)


def test_the_table_of_facts_is_that_of_the_passes() -> None:
    text = (ROOT / "docs" / "write_a_pass.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*?)\|(.*?)\|(.*?)\|", text, re.MULTILINE)
    shown = [(fact, *(set(re.findall(r"`(.+?)`", cell)) for cell in cells)) for fact, *cells in rows]
    passes = [pass_class(name) for name in PASSES]
    assert shown == [
        (
            fact.name,
            {each.name for each in passes if fact in each.establishes},
            {each.name for each in passes if fact in each.requires},
            {each.name for each in passes if fact in each.drops},
        )
        for fact in Fact
    ]


def test_the_text_form_of_the_reference_is_what_is_printed() -> None:
    (text,) = blocks("docs/reference/graphs.md", "text")
    graph = from_text(text)
    verify(graph)
    assert to_text(graph) == text


DIVISION = "x: f32[2,3] = Parameter()\nd: f32[3] = {divisor}\ny: f32[2,3] = Divide(x, d)\nr = Result(y)\n"


def test_the_pass_that_finds_and_builds_makes_products_of_divisions() -> None:
    product = (
        "y/factor: f32[3] = Const() [0.5, 0.25, 2.0]\n"
        'y/product: f32[2,3] = Multiply(x, y/factor) auto_broadcast="numpy"\n'
    )
    after = f"x: f32[2,3] = Parameter()\n{product}r = Result(y/product)\n"
    check_pass(_multiply_instead(), before=DIVISION.format(divisor="Const() [2.0, 4.0, 0.5]"), after=after)


def test_the_pass_that_finds_and_builds_takes_two_divisions_in_a_row() -> None:
    head = "x: f32[1] = Parameter()\na: f32[1] = Const() [2.0]\nb: f32[1] = Const() [4.0]\n"
    factors = "y/factor: f32[1] = Const() [0.5]\nz/factor: f32[1] = Const() [0.25]\n"
    products = (
        'y/product: f32[1] = Multiply(x, y/factor) auto_broadcast="numpy"\n'
        'z/product: f32[1] = Multiply(y/product, z/factor) auto_broadcast="numpy"\n'
    )
    check_pass(
        _multiply_instead(),
        before=f"{head}y: f32[1] = Divide(x, a)\nz: f32[1] = Divide(y, b)\nr = Result(z)\n",
        after=f"x: f32[1] = Parameter()\n{factors}{products}r = Result(z/product)\n",
    )


def test_the_pass_that_finds_and_builds_works_in_bodies_and_on_fp16_models() -> None:
    half = '  h: f16[1] = Const() [4.0]\n  d: f32[1] = Convert(h) destination_type="f32"\n'
    product = '  v/product: f32[1] = Multiply(p, v/factor) auto_broadcast="numpy"\n  s = Result(v/product)'
    after = IN_BODY.replace("  s = Result(v)\n", "")
    check_pass(
        _multiply_instead(),
        before=IN_BODY.format(lines=f"{half}  v: f32[1] = Divide(p, d)"),
        after=after.format(lines=f"  v/factor: f32[1] = Const() [0.25]\n{product}"),
    )


@pytest.mark.parametrize("divisor", ["Parameter()", "Const() [2.0, 0.0, 0.5]"])
def test_the_pass_that_finds_and_builds_leaves_other_divisions(divisor: str) -> None:
    graph = DIVISION.format(divisor=divisor)
    check_pass(_multiply_instead(), before=graph, after=graph)


def test_a_miss_has_the_reason_that_is_shown() -> None:
    quotient = _names_of_multiply_instead()["QUOTIENT"]
    reason = quotient.match(from_text(DIVISION.format(divisor="Parameter()")).node("y")).reason
    assert f'"{reason}"' in (ROOT / "docs" / "write_a_pass.md").read_text(encoding="utf-8")


def _multiply_instead() -> Pass:
    made: Pass = _names_of_multiply_instead()["MultiplyInstead"]()
    return made


def _names_of_multiply_instead() -> dict[str, Any]:
    """What the module of the example has."""
    (code,) = (block for block in blocks("docs/write_a_pass.md", "python") if "QUOTIENT" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_files_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:docs|ir|passes|targets|tests|tools)/[\w/.]*\w", text))
    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_options_that_the_readme_lists_exist(capfd: pytest.CaptureFixture[str]) -> None:
    options = re.findall(r"^\| `(-[^ `]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert run(["quantize", "--help"]) == 0
    shown = capfd.readouterr().out
    assert options
    assert all(option in shown for option in options)


def test_the_passes_that_the_readme_lists_are_the_pipeline() -> None:

    listed = re.findall(
        r"^\| `([a-z]+(?:-[a-z]+)*)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert listed == [pass_.name for pass_ in default_quantization()]


def test_the_second_line_of_the_readme_is_what_ci_looks_for() -> None:
    lines = [block.strip() for block in blocks("README.md", "sh")][:2]
    assert ["\n" in line for line in lines] == [False, False]
    assert lines[0].endswith("irquant demo")
    assert lines[1].endswith("bin/python -m pytest")


TARGET_KEYS = {
    *Target.model_fields,
    *Rule.model_fields,
    *Compression.model_fields,
    *QuantSpec.model_fields,
    *Step.model_fields,
    *get_args(Property),
}


@pytest.mark.parametrize("key", sorted(TARGET_KEYS))
def test_every_key_of_a_target_file_is_documented(key: str) -> None:
    assert f"`{key}`" in (ROOT / "targets" / "README.md").read_text(encoding="utf-8")


def test_the_target_files_that_are_shown_work(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for text in (shown := blocks("targets/README.md", "yaml")):
        (tmp_path / "mine.yaml").write_text(text)
        assert run(["targets", "check", str(tmp_path / "mine.yaml")]) == 0, capfd.readouterr().err
    first, second, third = (parse_target(text, "mine.yaml") for text in shown)
    assert first.rules[0].because == "my device pads wrongly without padding"
    assert second.transparent[0].op == second.operations == ("MyShuffle",)
    assert third.specs["s8"].signed
    assert not third.specs["s8"].may_have_zero_point
