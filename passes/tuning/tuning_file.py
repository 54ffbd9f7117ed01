"""The file of a tuning: which layers stay float because that is faster, and what was measured.

A run with the file measures nothing, and writes the same bytes on any machine.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ...ir import UserError
from ...ir.atomic_write import write_bytes, write_failure
from ..options.content import content_of
from ..options.strict import Strict

_ENDINGS = (".json", ".yaml", ".yml")


class TuningFileError(UserError):
    """The file is no tuning, or belongs to another model, or cannot be written."""


class MeasuredTimes(Strict):
    """What the measurements showed, for people: a run with the file does not read it.

    Attributes:
        openvino: The version of the runtime.
        precision: The precision of floats.
        threads: The number of threads of an inference.
        float_ms: The median latency of the float model in milliseconds.
        int8_ms: The median latency of the quantized model before the tuning in milliseconds.
        tuned_ms: The median latency of the tuned model in milliseconds.
    """

    openvino: str
    precision: str
    threads: Annotated[int, Field(ge=1)]
    float_ms: Annotated[float, Field(gt=0)]
    int8_ms: Annotated[float, Field(gt=0)]
    tuned_ms: Annotated[float, Field(gt=0)]


class Tuning(Strict):
    """The content of the file.

    Attributes:
        format: What the file is.
        version: The version of the format.
        model: The fingerprint of the float model.
        target: The name of the target.
        float_layers: The names of the layers that stay float, in the model's order.
        measured: What was measured.
    """

    format: Literal["irquant tuning"]
    version: Literal[1]
    model: str
    target: str
    float_layers: list[str]
    measured: MeasuredTimes | None = None


def write_tuning(path: Path, tuning: Tuning) -> None:
    """Writes a tuning as JSON.

    Raises:
        TuningFileError: the file cannot be written.
    """
    try:
        write_bytes(path, (json.dumps(tuning.model_dump(mode="json"), indent=2) + "\n").encode())
    except OSError as error:
        raise TuningFileError(write_failure(path, error)) from None


def read_tuning(path: Path) -> Tuning:
    """Reads a tuning, JSON or YAML, and validates all of it.

    Raises:
        UserError: the file cannot be read, or a value is missing, unknown or wrong.
    """
    check_ending(path)
    return Tuning.read(content_of(path), f"{path}: ")


def check_ending(path: Path) -> None:
    """Refuses a path that is neither JSON nor YAML by its name.

    Raises:
        TuningFileError: the name has another ending.
    """
    if path.suffix not in _ENDINGS:
        message = f"{path}: the file of a tuning ends in .json, .yaml or .yml"
        raise TuningFileError(message)
