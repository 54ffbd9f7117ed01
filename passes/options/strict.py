"""The base of everything that users configure."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ...targets import explain, explain_all
from .config_error import ConfigError


class Strict(BaseModel):
    """A frozen value that accepts no unknown keys."""

    # Many models, such as those of the published configuration's sections, are imported and never read.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def model_parametrized_name(cls, params: Any) -> str:
        """The name of a generic class in messages, without its type parameters."""
        return cls.__name__

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
            raise ConfigError(message, [f"{where}{each}" for each in explain_all(error, cls)]) from None
