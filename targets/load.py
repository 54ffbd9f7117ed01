"""From YAML to `Target`. Every mistake is reported with its file and its path in the file."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..ir import UserError
from .explain import explain
from .target import Target

_FILES = resources.files("irquant.targets")


class TargetError(UserError):
    """A target does not exist, or its file is wrong."""


def target_names() -> list[str]:
    """The targets that come with irquant."""
    return sorted(file.name[: -len(".yaml")] for file in _FILES.iterdir() if file.name.endswith(".yaml"))


def load_target(name: str) -> Target:
    """The target called `name`, or described by the file of that path if it ends in .yaml or .yml.

    Raises:
        TargetError: there is none, or its file is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        try:
            return parse_target(path.read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            message = f"{name}: cannot be read: {error}"
            raise TargetError(message) from None
    if name not in target_names():
        close = difflib.get_close_matches(name, target_names(), n=1, cutoff=0.4)
        hint = f"did you mean '{close[0]}'? " if close else ""
        message = f"no target '{name}'; {hint}there are: {', '.join(target_names())}; or give the path of a .yaml file"
        raise TargetError(message)
    return parse_target((_FILES / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def parse_target(text: str, where: str) -> Target:
    """The target that a YAML text describes; error messages begin with `where`."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"{where}: not YAML: {' '.join(str(error).split())}"
        raise TargetError(message) from None
    if not isinstance(content, dict):
        message = f"{where}: expected a mapping with the keys {', '.join(Target.model_fields)}"
        raise TargetError(message)
    try:
        target = Target.model_validate(content)
    except ValidationError as error:
        message = f"{where}: {explain(error, Target)}"
        raise TargetError(message) from None
    for index, rule in enumerate(target.rules):
        for role, spec in rule.inputs.items():
            if spec not in target.specs:
                message = (
                    f"{where}: rules[{index}].inputs.{role}: no spec '{spec}'; there are: {', '.join(target.specs)}"
                )
                raise TargetError(message)
    return target
