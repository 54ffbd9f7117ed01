"""Configuration files: the published format, and every mistake with its path."""

from pathlib import Path

import pytest

from irquant.passes import Config, ConfigError, read_settings

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
        read_settings(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_json_with_comments_and_trailing_commas_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(FULL)
    found = read_settings(tmp_path / "c.json")
    assert (found.target, found.config) == ("cpu", Config(preset="mixed", samples=100))


def test_yaml_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "compression:\n  target_device: CPU\n  algorithms:\n    - name: DefaultQuantization\n"
    )
    found = read_settings(tmp_path / "c.yaml")
    assert (found.target, found.config) == ("cpu", Config(samples=None))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "'compression' is missing"),
        ('{"compression": {}}', "'compression.algorithms' is missing"),
        ('{"compression": {"algorithms": [{"params": {}}]}}', "'compression.algorithms[0].name' is missing"),
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
            "compression.algorithms[0].params.stat_subset_size is '7'; should be a valid integer",
        ),
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
        read_settings(tmp_path / "gone.json")
