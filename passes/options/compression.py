"""The user's options of a weight-only quantization, apart from the model, the data and the target."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .former_advanced import word_of
from .former_keywords import of_formats
from .strict import Strict

#: What weights are rounded to: 8 bits, 4 bits, or the 16 quantiles of the normal distribution.
WeightFormat = Literal["int8", "int4", "nf4"]
#: The default of `group`.
_GROUP = 128


def _word(value: Any) -> Any:
    """A word in lower case, also that of an enumeration's member.

    Members of NNCF's enumeration that say whether there are zero points are refused with what to write: here, the
    weights decide that.
    """
    found = word_of(value)
    if isinstance(found, str) and found.endswith(("_sym", "_asym")):
        raise ValueError(of_formats(value))
    return found


def _of_row(value: Any) -> Any:
    """A number of weights; -1, which means a whole row in NNCF, is refused with the number to write."""
    if value == -1:
        message = "write 0 for one scale in each row"
        raise ValueError(message)
    return value


class CompressionConfig(Strict):
    """Options of a weight-only quantization.

    Attributes:
        weights: What weights are rounded to.
        group: The most neighbouring weights of a row that share a scale, for `int4` and `nf4`; it becomes the largest
            number that divides the row. 0: one scale for each row, as `int8` has.
        all_layers: Whether the first layers and the last ones (embeddings, classifiers) are rounded to 4 bits, too,
            instead of 8.
        ratio: The largest share of weights in 4 bits among those that may have them; the others have 8.
        max_mb: The largest size of all constants, in MB (10^6 bytes): as many weights have 8 bits as fit.
        min_db: The least output SQNR, in dB: as many weights have 4 bits as it allows.
        samples: The most samples to use, held-out samples included; None: all.
    """

    weights: Annotated[WeightFormat, BeforeValidator(_word)] = "int8"
    group: Annotated[int, Field(ge=0), BeforeValidator(_of_row)] = _GROUP
    all_layers: bool = False
    ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    max_mb: Annotated[float, Field(gt=0)] | None = None
    min_db: float | None = None
    samples: Annotated[int, Field(ge=1)] | None = 128

    @model_validator(mode="after")
    def _has_one_aim(self) -> Self:
        given = [name for name in ("ratio", "max_mb", "min_db") if getattr(self, name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} exclude each other: give one of them"
            raise ValueError(message)
        if given and self.weights == "int8":
            message = f"{given[0]} divides the weights between 4 and 8 bits: it needs weights of int4 or nf4"
            raise ValueError(message)
        if self.weights == "int8" and self.group not in (0, _GROUP):
            message = f"group is {self.group}, but int8 has one scale for each row: groups are for int4 and nf4"
            raise ValueError(message)
        return self
