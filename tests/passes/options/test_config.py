"""Configuration files: the published format, and every mistake with its path."""

from pathlib import Path

import pytest

from irquant.passes import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.pot_config import read_config_file

FULL = """
/* as the published tool reads it */
{
    "compression": {
        "target_device": "ANY", // CPU
        "algorithms": [
            {
                "name": "DefaultQuantization",
                "params": {"preset": "mixed", "stat_subset_size": 100,},
            },
        ],
    },
}
"""


def complaint(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_json_with_comments_and_trailing_commas_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(FULL)
    found = read_config_file(tmp_path / "c.json")
    assert (found.target, found.config) == ("cpu", QuantizationConfig(preset="mixed", samples=100))


def test_yaml_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "compression:\n  target_device: CPU\n  algorithms:\n    - name: DefaultQuantization\n"
    )
    found = read_config_file(tmp_path / "c.yaml")
    assert (found.target, found.config) == ("cpu", QuantizationConfig(samples=None))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "'compression' is missing"),
        ('{"compression": {}}', "'compression.algorithms' is missing"),
        (
            '{"compression": {"algorithms": [{"params": {}}]}}',
            "'compression.algorithms[0].name' is missing; there are: DefaultQuantization, AccuracyAwareQuantization, "
            "ActivationChannelAlignment, MinMaxQuantization, FastBiasCorrection, BiasCorrection",
        ),
        (
            '{"compression": {"algorithms": [{"name": "DefaultQuantisation"}]}}',
            "compression.algorithms[0].name is 'DefaultQuantisation'; did you mean 'DefaultQuantization'? "
            "there are: DefaultQuantization, AccuracyAwareQuantization, ActivationChannelAlignment, MinMaxQuantization, "
            "FastBiasCorrection, BiasCorrection",
        ),
        (
            '{"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"stat_subset_size": 0}}]}}',
            "compression.algorithms[0].params.stat_subset_size is 0; should be greater than or equal to 1",
        ),
        (
            '{"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"stat_subset_size": "7"}}]}}',
            "compression.algorithms[0].params.stat_subset_size is '7'; should be an integer",
        ),
        (
            '{"name": "DefaultQuantization", "params": {"ignored": {"operations": ["MatMul"]}}}',
            "compression.algorithms[0].params.ignored.operations[0] is 'MatMul'; should be a mapping; its keys: type, "
            "attributes",
        ),
        (
            '{"name": "DefaultQuantization", "params": 7}',
            "compression.algorithms[0].params is 7; should be a mapping of keys to values",
        ),
        ("", "the content is empty; should be a mapping; its keys: model, engine, compression"),
        ('"mixed"', "the content is 'mixed'; should be a mapping; its keys: model, engine, compression"),
        ("9" * 5000, "cannot be read: a number of 5,000 characters, expected 400 or less"),
        ("// a\n" + "9" * 5000, "cannot be read: a number of 5,000 characters, expected 400 or less"),
        (
            '{"models": {}, "compression": {"algorithms": [{"name": "DefaultQuantization"}]}}',
            "unknown key 'models'; did you mean 'model'? known keys: model, engine, compression",
        ),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path / "c.json", text) == said


def test_text_that_is_no_json_or_yaml_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "c.json", "{").startswith("cannot be read: ")
    assert complaint(tmp_path / "c.yaml", "a: [").startswith("cannot be read: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.json: cannot be read: .*No such file"):
        read_config_file(tmp_path / "gone.json")


TWICE = {
    "c.json": """{"name": "DefaultQuantization", "params": {"preset": "mixed", "preset": "accuracy"}}""",
    "bare.json": """"name": "DefaultQuantization", "params": {}, "params": {"preset": "mixed"}""",
    "c.yaml": "name: DefaultQuantization\nparams:\n  preset: mixed\n  seed: 1\n  preset: mixed\n",
}


@pytest.mark.parametrize("name", TWICE)
def test_a_key_that_is_given_twice_is_refused(tmp_path: Path, name: str) -> None:
    key = "params" if name == "bare.json" else "preset"
    assert complaint(tmp_path / name, TWICE[name]) == f"cannot be read: key '{key}' is given twice: leave one out"


def test_what_yaml_merges_may_be_overruled(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "- name: MinMaxQuantization\n  params: &both {seed: 1, preset: mixed}\n"
        "- name: FastBiasCorrection\n  params: {<<: *both, seed: 1}\n"
    )
    assert read_config_file(tmp_path / "c.yaml").config.preset == "mixed"


@pytest.mark.parametrize("word", ["no", "'no'", "No", "off", "false"])
def test_the_word_no_of_yaml_is_no(tmp_path: Path, word: str) -> None:
    (tmp_path / "c.yaml").write_text(f"name: DefaultQuantization\nparams: {{saturation_fix: {word}}}\n")
    assert read_config_file(tmp_path / "c.yaml").config.saturation_fix == "no"


@pytest.mark.parametrize("word", ["yes", "true"])
def test_the_word_yes_of_yaml_is_nothing(tmp_path: Path, word: str) -> None:
    text = f"name: DefaultQuantization\nparams: {{saturation_fix: {word}}}\n"
    said = "compression.algorithms[0].params.saturation_fix is 'True'; there are: no, first_layer, all"
    assert complaint(tmp_path / "c.yaml", text) == said


CONTRADICTIONS = [
    (
        {"target_device": "CPU", "algorithms": [{"name": "DefaultQuantization", "params": {"target_device": "GPU"}}]},
        "compression.algorithms[0].params.target_device is 'gpu', but compression has 'cpu': make them equal",
    ),
    (
        {
            "model_type": "transformer",
            "algorithms": [{"name": "DefaultQuantization", "params": {"model_type": "None"}}],
        },
        "compression.algorithms[0].params.model_type is None, but compression has 'transformer': make them equal",
    ),
    (
        {
            "algorithms": [
                {"name": "MinMaxQuantization", "params": {"seed": 1}},
                {"name": "BiasCorrection", "params": {"seed": 2}},
            ]
        },
        "compression.algorithms[1].params.seed is 2, but algorithms[0] has 1: make them equal",
    ),
    (
        {
            "algorithms": [
                {"name": "DefaultQuantization", "params": {"use_fast_bias": True}},
                {"name": "BiasCorrection"},
            ]
        },
        "use_fast_bias is True, but BiasCorrection is listed: leave one of them out",
    ),
    (
        {
            "algorithms": [
                {"name": "MinMaxQuantization", "params": {"use_fast_bias": False}},
                {"name": "FastBiasCorrection"},
            ]
        },
        "use_fast_bias is False, but FastBiasCorrection is listed: leave one of them out",
    ),
]


@pytest.mark.parametrize(("compression", "said"), CONTRADICTIONS)
def test_what_contradicts_itself_is_refused(compression: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config_file({"compression": compression})
    assert str(caught.value) == said


FLOAT = (
    "apply_for_all_nodes has no effect without sequential bias correction (use_fast_bias: false): weights that stay "
    "float have no rounding error"
)
LOWER = "weights.range_estimator.min affects only clipping: weights are symmetric, and max sets both ends"


def outliers(path: str) -> str:
    return f"{path}.outlier_prob has no effect: only quantiles use it; also give type: quantile"


@pytest.mark.parametrize(
    ("params", "names", "said"),
    [
        ({"apply_for_all_nodes": True}, ["DefaultQuantization"], [FLOAT]),
        ({"apply_for_all_nodes": True}, ["MinMaxQuantization"], [FLOAT]),
        ({"apply_for_all_nodes": True}, ["MinMaxQuantization", "FastBiasCorrection"], [FLOAT]),
        ({"apply_for_all_nodes": True}, ["MinMaxQuantization", "BiasCorrection"], []),
        ({"apply_for_all_nodes": True, "use_fast_bias": False}, ["DefaultQuantization"], []),
        (
            {"range_estimator": {"max": {"outlier_prob": 0.1}}},
            ["DefaultQuantization"],
            [outliers("range_estimator.max")],
        ),
        (
            {"activations": {"range_estimator": {"preset": "quantile", "min": {"type": "min", "outlier_prob": 0.1}}}},
            ["DefaultQuantization"],
            [outliers("activations.range_estimator.min")],
        ),
        (
            {"weights": {"range_estimator": {"preset": "quantile", "max": {"outlier_prob": 0.1}}}},
            ["DefaultQuantization"],
            [],
        ),
        ({"range_estimator": {"max": {"type": "abs_quantile", "outlier_prob": 0.1}}}, ["DefaultQuantization"], []),
        ({"weights": {"range_estimator": {"min": {"type": "quantile"}}}}, ["DefaultQuantization"], [LOWER]),
        ({"weights": {"range_estimator": {"min": {"clipping_value": -1.0}}}}, ["DefaultQuantization"], []),
        (
            {"weights": {"mode": "asymmetric", "range_estimator": {"min": {"type": "quantile"}}}},
            ["DefaultQuantization"],
            [],
        ),
        (
            {"preset": "accuracy", "weights": {"range_estimator": {"min": {"type": "quantile"}}}},
            ["DefaultQuantization"],
            [],
        ),
        (
            {"ignored": {"scope": ["a"]}},
            ["MinMaxQuantization", "FastBiasCorrection"],
            ["ignored of MinMaxQuantization applies to all algorithms"],
        ),
        ({"ignored": {"scope": ["a"]}}, ["MinMaxQuantization"], []),
        ({"ignored": {}}, ["MinMaxQuantization", "FastBiasCorrection"], []),
    ],
)
def test_what_changes_nothing_or_more_than_it_seems_to_is_told(
    params: dict[str, object], names: list[str], said: list[str]
) -> None:
    algorithms = [{"name": name, "params": {} if index else params} for index, name in enumerate(names)]
    assert list(read_config_file(algorithms).warnings) == said


def test_the_same_said_twice_is_no_contradiction() -> None:
    params = {"target_device": "cpu", "model_type": "transformer", "use_fast_bias": False}
    algorithms = [{"name": "DefaultQuantization", "params": params}, {"name": "BiasCorrection"}]
    compression = {"target_device": "ANY", "model_type": "transformer", "algorithms": algorithms}
    found = read_config_file({"compression": compression})
    assert (found.target, found.config.model_type, found.config.correct_biases) == ("cpu", "transformer", "sequential")


def test_algorithms_that_quantize_nothing_are_refused_with_the_file(tmp_path: Path) -> None:
    said = "compression.algorithms: FastBiasCorrection quantizes nothing; add MinMaxQuantization"
    (tmp_path / "c.json").write_text('{"name": "FastBiasCorrection"}')
    with pytest.raises(ConfigError) as caught:
        read_config_file(tmp_path / "c.json")
    assert str(caught.value) == f"{tmp_path / 'c.json'}: {said}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (r'"C:\data\new"', r'"C:\data\new": a backslash is written twice in JSON: "C:\\data\\new", or "C:/data/new" if it is a path'),
        (r'"\\share\x"', r'"\\share\x": a backslash is written twice in JSON: "\\share\\x", or "/share/x" if it is a path'),
        (r'"C:\new"', r'"C:\new": a backslash is written twice in JSON: "C:\\new", or "C:/new" if it is a path'),
        (r'"C:\users"', r'"C:\users": a backslash is written twice in JSON: "C:\\users", or "C:/users" if it is a path'),
        (r"'C:\x86'", r"'C:\x86': a backslash is written twice in JSON: 'C:\\x86', or 'C:/x86' if it is a path"),
        (r'"re:conv\d+"', r'"re:conv\d+": a backslash is written twice in JSON: "re:conv\\d+"'),
    ],
)  # fmt: skip
def test_single_backslashes_of_json_are_not_lost(tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(f'// one\n{{"engine": {{"data_source": {written}}}}}')
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    assert str(caught.value) == f"{path}: cannot be read: line 2: {said}"


def test_escapes_that_say_what_they_mean_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(
        r"""{"engine": {"data_source": "C:\\data\/new\u0041\x42"}, // C:\data, and an apostrophe: don't
        /* "C:\data" */ "compression": {"algorithms": [{"name": "DefaultQuantization"}]}}"""
    )
    engine = read_config_file(path).engine
    assert engine is not None
    assert engine.data_source == r"C:\data/newAB"


def test_backslashes_between_double_quotes_of_yaml_are_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text('engine:\n  data_source: "C:\\new"\n')
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    said = r'line 2: "C:\new": a backslash between double quotes is an escape; put single quotes around paths'
    assert str(caught.value) == f"{path}: cannot be read: {said}"
