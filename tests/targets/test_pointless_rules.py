"""The check of a target file refuses rules and specs that have no effect."""

from pathlib import Path

import pytest

from irquant.targets import TargetError, check_target
from tests.targets.target_texts import RULES


def test_a_spec_that_no_rule_uses_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(RULES.replace("rules:", "  b: {bits: 8, granularity: per_tensor}\nrules:"))
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value) == f"{path}, line 4: specs.b: no rule uses it; remove it, or name it in a rule"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            "  - {op: [MaxPool, Convolution], inputs: {data: a8, weights: w8}}\n",
            "rules[0].inputs.weights: no weights in MaxPool; expected data, second or all",
        ),
        (
            "  - {op: [Convolution, MatMul], inputs: {data: a8}}\n"
            "  - {op: Convolution, ranks: [4], inputs: {data: a8}}\n",
            "rules[1]: a rule before it fits every Convolution; the first that fits decides, so put this one first",
        ),
    ],
)
def test_the_check_refuses_rules_that_decide_nothing(rules: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    specs = "specs:\n  a8: {bits: 8, granularity: per_tensor}\n  w8: {bits: 8, granularity: per_channel}\n"
    path.write_text(f"name: mine\n{specs}rules:\n{rules}")
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value).endswith(said)


def test_a_rule_may_overrule_those_of_the_target_that_is_extended(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: npu\nrules:\n  - {op: Convolution, because: it stays float here}\n")
    assert check_target(str(path)).rules[0].because == "it stays float here"
