"""Texts of small target files, and what is said of wrong ones."""

import re

import pytest

from irquant.targets import TargetError, parse_target

SPECS = "name: t\nspecs:\n  a: {bits: 8, granularity: per_tensor}\n"
RULES = SPECS + "rules:\n  - {op: MatMul, inputs: {data: a, weights: a}}\n"


def complaint(text: str) -> str:
    with pytest.raises(TargetError) as caught:
        parse_target(text, "t.yaml")
    return re.sub(r"^t\.yaml(, line \d+)?: ", "", str(caught.value))
