"""What is given stands over what a configuration says; what nobody says is the default."""

import pytest

from irquant.passes import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.resolved import ResolvedOptions
from irquant.targets import TargetError, load_target

FILE = ConfigFile(config=QuantizationConfig(preset="mixed", samples=7), target="gpu")


def test_what_nobody_says_is_the_default() -> None:
    found = ResolvedOptions.of(ConfigFile())
    assert (found.config, found.target.name, dict(found.flags)) == (QuantizationConfig(), "cpu", {})


def test_the_configuration_stands_where_nothing_is_given() -> None:
    found = ResolvedOptions.of(FILE, None, preset=None, samples=None)
    assert (found.config.preset, found.config.samples, found.target.name) == ("mixed", 7, "gpu")


def test_what_is_given_stands_over_the_configuration() -> None:
    found = ResolvedOptions.of(FILE, "npu", preset="performance", ignored=["a"], accuracy={"max_drop": 0.5})
    assert (found.config.preset, found.config.samples, found.target.name) == ("performance", 7, "npu")
    assert found.config.accuracy is not None
    assert (found.config.accuracy.max_drop, list(found.config.ignored.scope)) == (0.5, ["a"])


def test_ignored_types_and_those_of_the_configuration_hold_both() -> None:
    settings = ConfigFile(config=QuantizationConfig.checked(ignored={"scope": ["a"]}))
    types = {"operations": [{"type": "MatMul"}], "scope": ["b"]}
    ignored = ResolvedOptions.of(settings, ignored=types).config.ignored
    assert (ignored.scope, [each.type for each in ignored.operations]) == (("a", "b"), ["MatMul"])


def test_a_target_is_taken_as_it_is() -> None:
    target = load_target("npu")
    assert ResolvedOptions.of(FILE, target).target is target


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset"):
        ResolvedOptions.of(FILE, preset="fast")


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(TargetError, match="abacus"):
        ResolvedOptions.of(FILE, "abacus")
