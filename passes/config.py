"""What the user wants of a run, apart from the model and the data.

The file format is that of the published tool: JSON with comments and trailing commas, or YAML, with a section
`compression` that lists one algorithm, DefaultQuantization, and its parameters.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from .ignored import Ignored
from .strict import ConfigError, Strict

Preset = Literal["performance", "mixed"]
SaturationFix = Literal["no", "first_layer", "all"]


class Config(Strict):
    """Options of a quantization.

    Attributes:
        preset: `performance`: symmetric activations; `mixed`: asymmetric ones. Weights are symmetric either way.
            None: `mixed` for transformers, whose activations are lopsided, else `performance`.
        samples: How many samples to take from the data at most, those held out for the check included.
        ignored: What stays float.
        model_type: `transformer`: take it for one even if it has no attention blocks.
        saturation_fix: Which layers get wider weight ranges where products could overflow 16 bits: none, those that
            read the model's inputs, or all. None: all on a target that adds in 16 bits, else none.
    """

    preset: Preset | None = None
    samples: Annotated[int, Field(ge=1)] = 300
    ignored: Ignored = Ignored()
    model_type: Literal["transformer"] | None = None
    saturation_fix: SaturationFix | None = None

    @classmethod
    def checked(cls, **options: object) -> Self:
        """The options given as keywords."""
        return cls.read(options, "")


class _Parameters(Strict):
    preset: Preset | None = None
    stat_subset_size: Annotated[int, Field(ge=1)] = 300
    ignored: Ignored = Ignored()
    saturation_fix: SaturationFix | None = None


class _Algorithm(Strict):
    name: Literal["DefaultQuantization"]
    params: _Parameters = _Parameters()


def _none(value: Any) -> Any:
    """The published tool takes the word for the thing."""
    return None if value == "None" else value


class _Compression(Strict):
    target_device: str = "CPU"
    model_type: Annotated[Literal["transformer"] | None, BeforeValidator(_none)] = None
    algorithms: Annotated[list[_Algorithm], Field(min_length=1, max_length=1)]


class ConfigFile(Strict):
    """A configuration file."""

    compression: _Compression

    @property
    def target(self) -> str:
        """The name of the target; ANY means the CPU, as in the published tool."""
        name = self.compression.target_device
        return "cpu" if name == "ANY" else name.lower()

    @property
    def config(self) -> Config:
        """The options of the run."""
        params = self.compression.algorithms[0].params
        return Config(
            preset=params.preset,
            samples=params.stat_subset_size,
            ignored=params.ignored,
            model_type=self.compression.model_type,
            saturation_fix=params.saturation_fix,
        )


def read_config(path: Path) -> ConfigFile:
    """Reads a .json, .yaml or .yml configuration file.

    Raises:
        ConfigError: it cannot be read, or holds a mistake; the message names the file and the path in it.
    """
    import json5  # here: most runs read no configuration
    import yaml

    if path.suffix not in (".json", ".yaml", ".yml"):
        message = f"{path}: a configuration ends in .json, .yaml or .yml"
        raise ConfigError(message)
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = json5.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(message) from None
    return ConfigFile.read(content, f"{path}: ")
