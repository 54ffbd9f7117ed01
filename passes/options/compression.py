"""The user's options of a weight-only quantization, apart from the model, the data and the target."""

from typing import Annotated, Literal

from pydantic import Field

from .strict import Strict

#: What weights are rounded to: 8 bits, 4 bits, or the 16 quantiles of the normal distribution.
WeightFormat = Literal["int8", "int4", "nf4"]


class CompressionConfig(Strict):
    """Options of a weight-only quantization.

    Attributes:
        weights: What weights are rounded to.
        group: The most neighbouring weights of a row that share a scale, for `int4` and `nf4`; it becomes the largest
            number that divides the row. 0: one scale for each row, as `int8` has.
        all_layers: Whether the first layers and the last ones (embeddings, classifiers) are rounded to 4 bits, too,
            instead of 8.
        samples: The most samples to use, held-out samples included; None: all.
    """

    weights: WeightFormat = "int8"
    group: Annotated[int, Field(ge=0)] = 128
    all_layers: bool = False
    samples: Annotated[int, Field(ge=1)] | None = 128
