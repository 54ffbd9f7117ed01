"""Batch files: all mistakes at once, each with its line, before any work; and how a folder of models becomes one."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from irquant.targets import target_names
from irquant.tools.cli import run
from irquant.tools.zoo.batch_errors import BatchError
from irquant.tools.zoo.reading import read_batch

Complaints = Callable[..., list[str]]


@pytest.fixture
def folder(model: Path, arrays: Path, tmp_path: Path) -> Path:
    """Holds a model and samples."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"m{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    (tmp_path / "s.npz").write_bytes(arrays.read_bytes())
    return tmp_path


@pytest.fixture
def complaints(folder: Path, capfd: pytest.CaptureFixture[str]) -> Complaints:
    """What is said of a batch file: all lines, without its path."""

    def said(text: str, *arguments: str) -> list[str]:
        path = folder / "b.yaml"
        path.write_text(text)
        assert run(["zoo", str(path), *arguments]) == 2
        captured = capfd.readouterr()
        assert captured.out == ""
        assert not (folder / "zoo_results").exists(), "nothing was begun"
        *lines, last = captured.err.splitlines()
        count = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        assert last == f"error: {path}: {count}, see above; nothing was done"
        return [line.removeprefix(f"{path}:") for line in lines]

    return said


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(complaints: Complaints, folder: Path) -> None:
    (folder / "c.json").write_text(
        '{"name": "DefaultQuantization", "params": {"prset": "mixed", "stat_subset_size": 0}}'
    )
    found = complaints(
        "defaults:\n  presett: mixed\n  target: cpuu\n"
        "models:\n"
        "  - model: gone.xml\n    data: s.npz\n"
        "  - name: first\n    model: m.xml\n"
        "  - name: First\n    model: m.xml\n    data: none/*.png\n    size: 224\n    config: c.json\n"
        "    ignored: 're:('\n    expect: {sqr: 3}\n"
        "  - data: none.npz\n"
    )
    config = f"13: models[2].config: {folder / 'c.json'}: "
    assert [line for line in found if not line.startswith(("2: ", "15: ", config))] == [
        f"3: defaults.target: no target 'cpuu'; did you mean 'cpu'? there are: {', '.join(target_names())}; "
        "or give the path of a .yaml file",
        f"5: models[0].model: {folder / 'gone.xml'}: no such file",
        "7: models[1].data: no data: say where samples come from, here, in 'defaults', or in 'config'",
        "9: models[2].name: the name 'First' is also that of models[1] in line 7; give another name",
        f"11: models[2].data: {folder / 'none/*.png'}: no file matches",
        "12: models[2].size: '224' is not a size; write HEIGHTxWIDTH, e.g. 224x224",
        "14: models[2].ignored: ignored.scope: 're:(' is not a regular expression: missing ), unterminated subpattern at "
        "position 0",
        f"16: models[3].data: {folder / 'none.npz'}: no such file or folder (nor module:function)",
        "16: models[3].model: no model: give its path here, or in 'config' (model.model)",
    ]
    assert found[0].startswith("2: unknown key 'defaults.presett'; did you mean 'preset'? known keys: data, config, ")
    assert sum(line.startswith(config) for line in found) == 2, "each mistake of the configuration"
    assert (
        "15: unknown key 'models[2].expect.sqr'; did you mean 'sqnr'? known keys: sqnr, int8_share, size_ratio, verdict"
        in found
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the content is empty; should be a mapping; its keys: defaults, models"),
        ("- 7", "1: the content is [7]; should be a mapping; its keys: defaults, models"),
        ("models: []", "1: models is []; should have at least 1 entry"),
        ("\nmodels: 3", "2: models is 3; should be a list"),
        ("defaults: {}", "1: 'models' is missing"),
        ("models:\n- 7", "2: models[0] is 7; should be a mapping of keys to values"),
        ("models: &m [*m]", "1: not YAML: its aliases stand for more than 1,000,000 values"),
        ("models: 2020-13-45", "1: not YAML: '2020-13-45' is no timestamp"),
        (
            "models: !!python/object:os.system x",
            "1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("models: [", "1: not YAML: expected the node content, but found '<stream end>'"),
        ("models:\n- {model: m.xml,\n   data: s.npz, data: s.npz}", "3: key 'data' is given twice"),
        (
            "modles: 1\nmodels: [{model: m.xml, data: s.npz}]",
            "1: unknown key 'modles'; did you mean 'models'? known keys: defaults, models",
        ),
    ],
)
def test_what_is_no_batch_file_is_told_why(complaints: Complaints, text: str, said: str) -> None:
    assert complaints(text) == [said]


def test_backslashes_between_double_quotes_are_not_lost(complaints: Complaints) -> None:
    said = complaints('models:\n- {model: m.xml,\n   data: "C:\\new.npz"}')
    assert said[0] == '3: "C:\\new.npz": a backslash between double quotes is an escape; put single quotes around paths'


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("preset: mixd", "preset is 'mixd'; did you mean 'mixed'? there are: performance, mixed, accuracy"),
        ("samples: 0", "samples is 0; should be greater than or equal to 1"),
        ("samples: many", "samples is 'many'; should be an integer"),
        ("timeout_seconds: -1", "timeout_seconds is -1; should be greater than 0"),
        ("memory_mb: 0", "memory_mb is 0; should be greater than 0"),
        ("retries: -1", "retries is -1; should be greater than or equal to 0"),
        ("layout: nchw", "layout is 'nchw'; there are: NCHW, NHWC, CHW, HWC"),
        ("mean: [1, x]", "mean[1] is 'x'; should be a number"),
        ("expect: {int8_share: 90}", "expect.int8_share is 90; should be less than or equal to 1"),
        ("name: a/b", "name: 'a/b' names the files of the result: letters, digits, '_', '-' and '.', a letter or digit first"),
        ("name: .hidden", "name: '.hidden' names the files of the result: letters, digits, '_', '-' and '.', a letter or digit first"),
        ("config: c.ini", "config: {folder}/c.ini: a configuration ends in .json, .yaml or .yml"),
        ("metric: accuracy", "metric: {folder}/accuracy: no such function; write module:function or file.py:function"),
        ("metric: 7", "metric is 7; should be a text"),
        ("max_drop: 0.1", "max_drop: needs a metric: add 'metric: module:function'"),
        ("drop_type: relative", "drop_type: needs a metric: add 'metric: module:function'"),
        ("max_drop: -1", "max_drop is -1; should be greater than or equal to 0"),
        ("drop_type: relativ", "drop_type is 'relativ'; did you mean 'relative'? there are: absolute, relative"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named_with_its_line(complaints: Complaints, folder: Path, option: str, said: str) -> None:
    (folder / "own.py").write_text("def accuracy(predict):\n    def inner(): ...\n    return 1.0\n")
    (folder / "wrong.py").write_text("\naccuracy = (\n")
    data = "" if option.startswith("data") else "\n  data: s.npz"
    found = complaints(f"models:\n- model: m.xml\n  {option}{data}\n")
    assert found == [f"3: models[0].{said.format(folder=folder)}"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("config: c.yaml", "config: {folder}/c.yaml: cannot be read: No such file or directory"),
        ("target: t.yaml", "target: {folder}/t.yaml: cannot be read: No such file or directory"),
        ("data: f.py:samples", "data: {folder}/f.py: no such file"),
        ("data: nowhere:samples", "data: no module 'nowhere'"),
        ("data: json.nowhere:samples", "data: no module 'json.nowhere'"),
        ("data: json:samples", "data: json:samples: 'json' has no 'samples'"),
        ("metric: f.py:accuracy", "metric: {folder}/f.py: no such file"),
        ("metric: nowhere:accuracy", "metric: no module 'nowhere'"),
        ("metric: own:acuracy", "metric: own:acuracy: 'own' has no 'acuracy'; did you mean 'accuracy'?"),
        ("metric: own.py:inner", "metric: {folder}/own.py:inner: '{folder}/own.py' has no 'inner'"),
        ("metric: wrong:accuracy", "metric: {folder}/wrong.py: line 2: '(' was never closed"),
        ("data: m.xml", "data: {folder}/m.xml: no samples: expected .npy, .npz, .png, .jpg, .jpeg, .bmp, .webp, .tif, .tiff, .gif, .ppm, .pgm, .mp4, .m4v, .mov, .mkv, .webm, .avi files"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_stops_its_model_only(
    folder: Path, capfd: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    (folder / "own.py").write_text("def accuracy(predict):\n    def inner(): ...\n    return 1.0\n")
    (folder / "wrong.py").write_text("\naccuracy = (\n")
    data = "" if option.startswith("data") else "\n  data: s.npz"
    (folder / "b.yaml").write_text(
        f"models:\n- name: bad\n  model: m.xml\n  {option}{data}\n- {{model: m.xml, data: s.npz}}\n"
    )
    assert run(["zoo", str(folder / "b.yaml"), "--dry-run"]) == 1
    assert capfd.readouterr().out.splitlines() == [
        f"bad: cannot run: {said.format(folder=folder)}",
        "m: new",
        "1 of 2 models to do",
    ]


def test_missing_files_and_empty_folders_stop_their_models_only(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "w.xml").write_text("<net/>")
    entries = (
        "model: gone.xml, data: s.npz",
        "model: w.xml, data: s.npz",
        "model: empty, data: s.npz",
        "model: saved, data: s.npz",
        "model: m.xml, data: empty",
        "model: m.xml, data: none/*.png",
        "model: m.xml, data: gone",
        "model: m.xml, data: s.npz, tuning: gone.json",
        "model: m.xml, data: s.npz, extension: gone.so",
    )
    text = "".join(f"- {{name: m{place}, {entry}}}\n" for place, entry in enumerate(entries))
    (folder / "b.yaml").write_text(f"models:\n{text}")
    said = [each.lacking.replace(str(folder), "") for each in read_batch(folder / "b.yaml", folder / "results")]
    assert said[:4] == [
        "model: /gone.xml: no such file",
        "model: /w.xml: its weights are missing: there is no w.bin next to it",
        "model: /empty: a folder, but no TensorFlow SavedModel; `irquant zoo init /empty` lists the models in a folder",
        "model: /saved: no such file",
    ]
    assert said[4].startswith("data: /empty: no samples: expected .npy, ")
    assert said[5:] == [
        "data: /none/*.png: no file matches",
        "data: /gone: no such file or folder (nor module:function)",
        "tuning: /gone.json: cannot be read: No such file or directory",
        "extension: /gone.so: no such file",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "accuracy = max",
        "from numpy import mean as accuracy",
        "if True:\n    def accuracy(predict): ...",
        "from numpy import *",
        "globals()['accuracy'] = max",
        "import sys\nsys.modules[__name__] = max",
        "def __getattr__(name): ...",
        "def f():\n    global accuracy\n    accuracy = max\nf()",
    ],
)
def test_a_function_may_get_into_its_module_in_many_ways(folder: Path, code: str) -> None:
    (folder / "own.py").write_text(code)
    (folder / "b.yaml").write_text("models: [{model: m.xml, data: s.npz, metric: own:accuracy}]\n")
    (named,) = read_batch(folder / "b.yaml", folder / "results")
    assert named.entry.metric == "own:accuracy"


def test_a_drop_among_the_defaults_is_for_the_models_with_a_metric(complaints: Complaints, folder: Path) -> None:
    (folder / "own.py").write_text("def accuracy(predict): ...\n")
    text = "defaults:\n  data: s.npz\n  max_drop: 0.1\nmodels:\n- model: m.xml\n- {name: n, model: m.xml"
    assert complaints(f"{text}}}\n") == ["3: defaults.max_drop: needs a metric: add 'metric: module:function'"]
    (folder / "b.yaml").write_text(f"{text}, metric: own.py:accuracy}}\n")
    assert [each.entry.max_drop for each in read_batch(folder / "b.yaml", folder / "results")] == [0.1, 0.1]


def test_a_configuration_that_needs_a_metric_is_told_of(complaints: Complaints, folder: Path) -> None:
    (folder / "c.yaml").write_text("name: AccuracyAwareQuantization\n")
    assert complaints("models:\n- model: m.xml\n  data: s.npz\n  config: c.yaml\n") == [
        f"4: models[0].config: {folder / 'c.yaml'}: AccuracyAwareQuantization needs a metric: add 'metric: "
        "module:function'; without one take DefaultQuantization, whose guard needs no labels"
    ]


def test_a_key_that_is_no_text_is_unknown_like_others(complaints: Complaints) -> None:
    (said,) = complaints("models:\n- model: m.xml\n  data: s.npz\n  null: 3\n")
    assert said.startswith("2: unknown key 'models[0].None'; known keys: data, config, ")


VALUES = (
    "null",
    "7",
    "[1, 2]",
    "{a: 1}",
    "[]",
    "{}",
    "'x'",
    "*a",
    "&a 3",
    "2020-01-01",
    ".nan",
    "!!binary aGk=",
    "-",
    "1e999",
)
KEYS = ("1", "null", "true", "model", "name", "data", "defaults", "models", "[1, 2]", "expect", "ignored", "size", "metric", "max_drop")  # fmt: skip


@pytest.mark.slow
def test_whatever_a_file_says_it_is_read_or_refused(folder: Path) -> None:
    sound = (
        "defaults:\n  data: s.npz\n  expect: {sqnr: 3}\n  mean: [1, 2]\nmodels:\n  - model: m.xml\n    name: x\n"
        "    ignored: [a, b]\n  - {model: m.xml, target: cpu, size: 3x4}"
    ).splitlines()
    chance, path = random.Random(), folder / "b.yaml"
    for _ in range(300):
        lines = list(sound)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(lines))
            if chance.random() < 0.5:
                lines[place] = f"{lines[place].partition(':')[0]}: {chance.choice(VALUES)}"
            else:
                lines.insert(place, f"{' ' * chance.choice((0, 2, 4))}{chance.choice(KEYS)}: {chance.choice(VALUES)}")
        path.write_text("\n".join(lines))
        with contextlib.suppress(BatchError):
            read_batch(path, folder)


def test_a_wrong_default_is_told_once(complaints: Complaints, folder: Path) -> None:
    models = "\n".join(f"- {{name: m{index}, model: m.xml}}" for index in range(3))
    found = complaints(f"defaults: {{data: none.npz, target: cpuu}}\nmodels:\n{models}\n")
    assert found[:1] == [f"1: defaults.data: {folder / 'none.npz'}: no such file or folder (nor module:function)"]


def test_a_model_needs_its_weights_and_is_never_replaced(complaints: Complaints, folder: Path) -> None:
    (folder / "w.xml").write_text("<net/>")
    text = "defaults: {data: s.npz}\nmodels:\n- model: w.xml\n- {name: x, model: s.npz}\n- model: m.xml\n"
    assert complaints(text, "-o", str(folder)) == [
        f"3: models[0].model: {folder / 'w.xml'}: its weights are missing: there is no w.bin next to it",
        f"4: models[1].model: {folder / 's.npz'}: a model is an .xml, .onnx, .pb, .pbtxt, .meta, .tflite, .pdmodel, or "
        "the folder of a TensorFlow SavedModel",
        f"5: models[2].model: {folder / 'm.xml'}: the result would replace it; give another name, or another folder "
        "for the results",
    ]


def test_a_file_that_is_not_there_is_told_of(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", str(folder / "none.yaml")]) == 2
    assert capfd.readouterr().err.startswith(f"{folder / 'none.yaml'}: cannot be read: No such file")


def test_a_target_that_a_configuration_names_must_be_there(complaints: Complaints, folder: Path) -> None:
    algorithms = "algorithms: [{name: DefaultQuantization}]"
    (folder / "c.yaml").write_text(f"compression: {{target_device: TPU, {algorithms}}}\n")
    overruled = "- {name: x, model: m.xml, config: c.yaml, target: cpu}"
    found = complaints(f"defaults: {{data: s.npz}}\nmodels:\n- {{model: m.xml, config: c.yaml}}\n{overruled}\n")
    start = f"3: models[0].config: {folder / 'c.yaml'}: no target 'TPU'; "
    assert [each.startswith(start) for each in found] == [True]


def test_data_may_stand_in_the_configuration(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "c.yaml").write_text(
        "engine: {data_source: s.npz}\ncompression: {algorithms: [{name: DefaultQuantization}]}\n"
    )
    (folder / "b.yaml").write_text("models: [{model: m.xml, config: c.yaml}]\n")
    assert run(["zoo", str(folder / "b.yaml"), "--dry-run"]) == 0
    assert capfd.readouterr().out == "m: new\n1 of 1 model to do\n"


def test_a_tuning_is_a_file_of_the_command_and_its_other_options_are_named(
    complaints: Complaints, folder: Path
) -> None:
    (folder / "own.py").write_text("def accuracy(predict): ...\n")
    (folder / "t.json").write_text(
        '{"format": "irquant tuning", "version": 1, "model": "x", "target": "cpu", "float_layers": []}'
    )
    options = (
        "tuning: gone.json",
        "tuning: {t.json: 1}",
        "tune: true",
        "weights: int4",
        "tuning: t.json, metric: own:accuracy",
    )
    entries = "".join(f"- {{name: m{place}, model: m.xml, {option}}}\n" for place, option in enumerate(options))
    found = complaints(f"defaults: {{data: s.npz}}\nmodels:\n{entries}")
    assert found[0] == f"3: models[0].tuning: {folder / 'gone.json'}: cannot be read: No such file or directory"
    assert found[1] == "4: models[1].tuning is {'t.json': 1}; should be a text"
    assert found[2].endswith(
        "'models[2].tune': a batch measures no latency: run `irquant tune MODEL --tuning FILE`, and write `tuning: FILE`"
    )
    assert found[3].endswith(
        "'models[3].weights': a batch quantizes activations, too: weights alone are `irquant compress MODEL --weights int4`"
    )
    assert found[4] == "7: models[4].tuning: a tuning and metrics exclude each other: give one of them"


def test_other_words_for_keys_are_one_mistake_that_says_what_to_write(complaints: Complaints) -> None:
    entries = "".join(f"- {{name: m{place}, model: m.xml, calibration: s.npz}}\n" for place in range(3))
    assert complaints(f"models:\n{entries}") == [
        "2: unknown key 'models[0].calibration': write 'data' (and 2 more times)"
    ]
    said = complaints(
        "models:\n- {model: m.xml, data: [s.npz, t.npz]}\n- {name: n, model: m.xml, data: s.npz, statistics: t}\n"
    )
    assert said == [
        "2: models[0].data is ['s.npz', 't.npz']; should be a text; several files are one glob ('calib*.npz') or "
        "a .txt file that lists them",
        "3: unknown key 'models[1].statistics': a batch calibrates each model: for variants of one model, run `irquant "
        "quantize MODEL --save-statistics FILE` once, then with `--statistics FILE`",
    ]


def test_a_configuration_may_name_model_and_data(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "pot.yaml").write_text(
        "model: {model_name: mine, model: m.xml, weights: ./m.bin}\nengine: {data_source: s.npz}\n"
        "compression: {algorithms: [{name: DefaultQuantization}]}\n"
    )
    (folder / "b.yaml").write_text("models:\n- config: pot.yaml\n- {config: pot.yaml, name: other, preset: mixed}\n")
    (named, other) = read_batch(folder / "b.yaml", folder / "results")
    assert (named.name, named.entry.model) == ("mine", str(folder / "m.xml"))
    assert (other.name, other.entry.model) == ("other", str(folder / "m.xml"))
    assert run(["zoo", str(folder / "b.yaml"), "--dry-run"]) == 0
    assert capfd.readouterr().out == "mine: new\nother: new\n2 of 2 models to do\n"


def test_what_a_configuration_names_is_checked(complaints: Complaints, folder: Path) -> None:
    algorithms = "compression: {algorithms: [{name: DefaultQuantization}]}"
    (folder / "gone.yaml").write_text(f"model: {{model: gone.xml}}\n{algorithms}\n")
    (folder / "none.yaml").write_text(f"{algorithms}\n")
    (folder / "far.yaml").write_text(f"model: {{model: m.xml, weights: other.bin}}\n{algorithms}\n")
    entries = "".join(f"- config: {name}.yaml\n" for name in ("gone", "none", "far"))
    assert complaints(f"defaults: {{data: s.npz}}\nmodels:\n{entries}") == [
        f"3: models[0].model: {folder / 'gone.xml'}: no such file",
        "4: models[1].model: no model: give its path here, or in 'config' (model.model)",
        f"5: models[2].config: {folder / 'far.yaml'}: model.weights: a batch takes the .bin next to the .xml only: "
        "put it there",
    ]


# --------------------------------------------------------------------------------------------- from a folder of models


@pytest.fixture
def tree(folder: Path) -> Path:
    """A folder as Open Model Zoo lays it out, with what does not belong there, too."""
    for place in ("public/one/FP32", "public/one/FP16", "public/two/two-p/FP16", "intel/three/FP16-INT8", "other"):
        target = folder / "tree" / place
        target.mkdir(parents=True)
        name = {"FP32": "one", "FP16": target.parent.name, "FP16-INT8": "three", "other": "one"}[target.name]
        for suffix in (".xml", ".bin"):
            (target / f"{name}{suffix}").write_bytes((folder / f"m{suffix}").read_bytes())
    three = folder / "tree/intel/three/FP16-INT8/three.xml"
    assert run(["quantize", str(folder / "m.xml"), "--data", str(folder / "s.npz"), "-o", str(three), "--force"]) == 0
    (folder / "tree/public/one/calib.npz").write_bytes((folder / "s.npz").read_bytes())
    (folder / "tree/annotations.xml").write_text("<x/>")
    (folder / "tree/public/broken.xml").write_text("<x/>")
    (folder / "tree/public/broken.bin").touch()
    return folder / "tree"


def test_a_tree_of_models_becomes_a_batch_file(tree: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert run(["zoo", "init", str(tree), "-o", str(folder / "b.yaml")]) == 0
    captured = capfd.readouterr()
    quantized, precise = "intel/three/FP16-INT8/three.xml", "public/one/FP16/one.xml"
    assert [line.partition(" '")[0] for line in captured.out.splitlines()] == [
        f"{folder / 'b.yaml'}: 3 models (2 without data, as comments: say where data are), 3 left out",
        f"left out: {tree / quantized}: already quantized: it contains FakeQuantize",
        f"left out: {tree / precise}: public/one/FP32/one.xml is there",
    ]
    broken = "public/broken.xml: left out: not an OpenVINO IR: the root element is <x>, expected <net>"
    assert captured.err == f"warning: {tree}/{broken}\n"
    text = (folder / "b.yaml").read_text()
    assert yaml.safe_load(text)["models"] == [
        {"name": "public-one-FP32-one", "model": "tree/public/one/FP32/one.xml", "data": "tree/public/one/calib.npz"},
    ]
    assert (
        "\n  # no data were found: say where they are, and remove the marks\n  # - name: other-one\n"
        "  #   model: tree/other/one.xml\n  #   data: '...'\n"
    ) in text
    assert [each.name for each in read_batch(folder / "b.yaml", folder / "results")] == ["public-one-FP32-one"]
    assert "\n# left out: tree/public/broken.xml: not an OpenVINO IR: the root element is <x>, expected <net>\n" in text
    assert "\n# left out: tree/intel/three/FP16-INT8/three.xml: already quantized: it contains FakeQuantize '" in text


def test_a_pattern_tells_where_data_are(tree: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "data/two-p").mkdir(parents=True)
    (folder / "data/two-p/s.npz").write_bytes((folder / "s.npz").read_bytes())
    batch = folder / "b.yaml"
    assert run(["zoo", "init", str(tree / "public"), "-o", str(batch), "--data", f"{folder}/data/{{name}}/*.npz"]) == 0
    models = {each["name"]: each.get("data") for each in yaml.safe_load(batch.read_text())["models"]}
    assert models == {"two-p": "data/two-p/*.npz"}


def test_new_models_are_added_to_a_batch_file(tree: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    batch, init = folder / "b.yaml", ["zoo", "init", str(tree), "-o", str(folder / "b.yaml")]
    assert run([*init, "--data", str(folder / "s.npz")]) == 0
    text = f"defaults: {{preset: mixed}} # mine\n{batch.read_text()}  # model: by hand\n"
    batch.write_text(text)
    for suffix in (".xml", ".bin"):
        (tree / f"late{suffix}").write_bytes((folder / f"m{suffix}").read_bytes())
        (tree / f"bare{suffix}").write_bytes((folder / f"m{suffix}").read_bytes())
    (folder / "data").mkdir()
    (folder / "data/late.npz").write_bytes((folder / "s.npz").read_bytes())
    capfd.readouterr()
    for expected in ("2 models (1 without data, as comments: say where data are)", "0 models"):
        assert run([*init, "--data", f"{folder}/data/{{name}}.npz", "--add"]) == 0
        assert capfd.readouterr().out.startswith(f"{batch}: {expected}, ")
        assert batch.read_text() == (
            f"{text}  # no data were found: say where they are, and remove the marks\n  # - name: bare\n"
            "  #   model: tree/bare.xml\n  #   data: '...'\n"
            "  - name: late\n    model: tree/late.xml\n    data: data/late.npz\n"
        )
    batch.write_text("models: [{model: m.xml, data: s.npz}]\n")
    assert run([*init, "--add"]) == 2
    assert capfd.readouterr().err == (
        f"error: {batch}: models cannot be added: its last lines must be those of `models`, each as `- model: PATH`\n"
    )
    assert batch.read_text() == "models: [{model: m.xml, data: s.npz}]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: " * 5000, "it is nested too deeply"),
        ("models: " + "9" * 5000, "line 1, column 9: a number of 5,000 characters, expected 400 or less"),
    ],
)
def test_a_file_that_no_models_can_be_added_to_is_told(
    tree: Path, folder: Path, capfd: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    batch = folder / "b.yaml"
    batch.write_text(text)
    assert run(["zoo", "init", str(tree), "-o", str(batch), "--add"]) == 2
    assert capfd.readouterr().err == f"error: {batch}: cannot be read: {said}\n"


def test_nothing_to_quantize_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    (folder / "m.bin").write_bytes(b"")
    assert [run(["zoo", "init", str(folder / each)]) for each in ("none", "empty", "")] == [2, 2, 2]
    first, second, third = capfd.readouterr().err.splitlines()
    formats = (
        ".xml with its .bin, .onnx, .pb, .pbtxt, .meta, .tflite, .pdmodel, or the folder of a TensorFlow SavedModel"
    )
    assert first == f"error: {folder / 'none'}: no such folder"
    assert second == f"error: {folder / 'empty'}: contains no float model to quantize ({formats})"
    assert third.startswith(f"error: {folder}: contains no float model to quantize ({formats}); left out: m.xml: ")


def test_a_batch_file_is_never_replaced(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "b.yaml").write_text("mine")
    assert run(["zoo", "init", str(folder), "-o", str(folder / "b.yaml")]) == 2
    assert (
        capfd.readouterr().err
        == f"error: {folder / 'b.yaml'}: cannot be written: File exists; give another -o, or --add to add models to it\n"
    )
    assert (folder / "b.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (".", "is a folder, expected a batch file: `irquant zoo init .` writes one"),
        ("m.xml", "is a model, expected a batch file: `irquant quantize m.xml` takes one model"),
    ],
)
def test_what_is_no_batch_file_is_told(
    given: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert run(["zoo", given]) == 2
    assert capfd.readouterr().err == f"{given}: {said}\nerror: {given}: a mistake, see above; nothing was done\n"
