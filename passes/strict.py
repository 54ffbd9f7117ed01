"""The base of everything that users configure."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..ir import UserError
from ..targets import explain


class ConfigError(UserError):
    """An option, or the configuration file, is wrong."""


class Strict(BaseModel):
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
