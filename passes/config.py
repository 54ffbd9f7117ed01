"""What the user wants of a run, apart from the model and the data.

The file format is that of the published tool: JSON with comments and trailing commas, or YAML, with a section
`compression` that lists one algorithm, DefaultQuantization, and its parameters.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..ir import UserError
from ..targets import explain

Preset = Literal["performance", "mixed"]


class ConfigError(UserError):
    """An option, or the configuration file, is wrong."""


class _Strict(BaseModel):
    """A frozen value that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def read(cls, content: Any, where: str) -> Self:
        """Validates; the error begins with `where` and names the path of the first mistake.

        Raises:
            ConfigError: a key is unknown or missing, or a value is wrong.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            message = f"{where}{explain(error, cls)}"
            raise ConfigError(message) from None


class Config(_Strict):
    """Options of a quantization.

    Attributes:
        preset: `performance`: symmetric activations; `mixed`: asymmetric ones. Weights are symmetric either way.
        samples: How many samples to take from the data at most, those held out for the check included.
    """

    preset: Preset = "performance"
    samples: Annotated[int, Field(ge=1)] = 300

    @classmethod
    def checked(cls, **options: object) -> Self:
        """The options given as keywords."""
        return cls.read(options, "")


class _Parameters(_Strict):
    preset: Preset = "performance"
    stat_subset_size: Annotated[int, Field(ge=1)] = 300


class _Algorithm(_Strict):
    name: Literal["DefaultQuantization"]
    params: _Parameters = _Parameters()


class _Compression(_Strict):
    target_device: str = "CPU"
    algorithms: Annotated[list[_Algorithm], Field(min_length=1, max_length=1)]


class ConfigFile(_Strict):
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
        return Config(preset=params.preset, samples=params.stat_subset_size)


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
