"""The content of a configuration file as options; `pot_config` reads it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import field_validator

from ...ir.spelling import option
from .config import QuantizationConfig
from .strict import Strict

if TYPE_CHECKING:  # most runs have no configuration
    from .engine import EngineOptions


class Model(Strict):
    """The section `model`: the model and its name."""

    model_name: str | None = None
    model: str | None = None
    weights: str | None = None

    @field_validator("model_name")
    @classmethod
    def _names_a_file(cls, name: str | None) -> str | None:
        if name is not None and (not name or {*name} & {*"/\\\0"}):
            message = f"{name!r} is not a file name; give the path of the result by {option('output')}"
            raise ValueError(message)
        return name


@dataclass(frozen=True)
class ConfigFile:
    """The content of a configuration.

    Attributes:
        config: The options of the run.
        target: The name of the target.
        given: The names of the options that it gives, including `target`; the others have their defaults.
        model: The model and its name.
        engine: The source of the data.
        lacking: Why its section `engine` gives no data, and what to do; empty otherwise.
        warnings: Messages about options that no longer apply, with their replacements; some are notes (see `Note`).
        where: The name of the configuration in messages.
    """

    config: QuantizationConfig = field(default_factory=QuantizationConfig)
    target: str | None = None
    given: frozenset[str] = frozenset()
    model: Model = field(default_factory=Model)
    engine: "EngineOptions | None" = None
    lacking: str = ""
    warnings: tuple[str, ...] = ()
    where: str = ""
