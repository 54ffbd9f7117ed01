"""The base of everything that users configure."""

from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ...targets import explain, explain_all
from .config_error import ConfigError


class Strict(BaseModel):
    """A frozen value that accepts no unknown keys."""

    # Many models, such as those of the published configuration's sections, are imported and never read.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    def __init__(self, /, **options: Any) -> None:
        """Takes the options as keywords.

        Raises:
            ConfigError: an option is unknown or missing, or a value is wrong.
        """
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise _mistakes(error, type(self), "") from None

    # Pydantic calls only constructors without this mark for parts of other values, whose mistakes need the whole path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]

    @model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, given: Any) -> Any:
        """Numbers of numpy as those of Python: `len` of data, or a share, often comes from an array."""
        if not isinstance(given, Mapping):
            return given
        options = cast(Mapping[object, object], given)
        return {name: _plain(value) for name, value in options.items()}

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """What to write instead of a key that another tool has; empty: there is no advice."""
        return ""

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
            raise _mistakes(error, cls, where) from None


def _plain(value: object) -> object:
    return cast(object, value.item()) if isinstance(value, np.generic) else value


def _mistakes(error: ValidationError, model: type[Strict], where: str) -> ConfigError:
    """The error with all mistakes, each behind `where`; the message is the most useful one."""
    listed = explain_all(error, model, _instead)
    return ConfigError(f"{where}{explain(error, model, _instead)}", [f"{where}{each}" for each in listed])


def _instead(model: type[BaseModel], name: str, value: object) -> str:
    return model.instead_of(name, value) if issubclass(model, Strict) else ""
