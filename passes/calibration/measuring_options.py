"""The options that decide which statistics a run measures, and how those of two runs differ."""

import json
from collections.abc import Iterator, Mapping

from ..infra.base import Context
from ..options.config import QuantizationConfig

#: What a file of statistics names beside the options if samples were sequences.
SEQUENCES = "sequences"
#: Options that decide about samples, checks and files.
_OTHERS = {"samples", "shuffle", "seed", "guard", "accuracy", "keep_intermediate", "keep_compressed"}


def measuring_options(context: Context) -> dict[str, str]:
    """The target and the options of a run, by name, as texts in JSON."""
    return {"target": json.dumps(context.target.name), **_texts(context.config)}


def differences(saved: Mapping[str, str], context: Context) -> Iterator[str]:
    """The options that the statistics were saved with, as far as this run has others."""
    unset = _texts(QuantizationConfig())
    for name, here in measuring_options(context).items():
        there = saved.get(name, unset.get(name, here))
        if there != here:
            yield f"{name} {there} instead of {here}"


def _texts(config: QuantizationConfig) -> dict[str, str]:
    given = config.model_dump(mode="json", exclude=_OTHERS, exclude_none=True)
    fields = [name for name in type(config).model_fields if name not in _OTHERS]
    return {name: json.dumps(given.get(name)) for name in fields}
