"""What the user wants of a run, apart from the model and the data."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PRESETS = ("performance", "mixed")


class Config(BaseModel):
    """Options of a quantization.

    Attributes:
        preset: `performance`: symmetric activations; `mixed`: asymmetric ones. Weights are symmetric either way.
        samples: How many samples to take from the data at most, those held out for the check included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["performance", "mixed"] = "performance"
    samples: Annotated[int, Field(ge=1)] = 300
