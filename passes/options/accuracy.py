"""The limits of losses in the user's own metrics, and the budget of the search."""

from typing import Annotated, Literal

from pydantic import Field

from .strict import Strict

DropType = Literal["absolute", "relative"]


class AccuracyOptions(Strict):
    """Options of the search for a model that keeps the metrics.

    Attributes:
        max_drop: The most that a metric may lose if it has no limit of its own.
        drop_type: `absolute`: in the metric's own unit; `relative`: as a share of the float model's value.
        max_trials: The most models that are measured.
        max_layers: The most operations that are reverted to float; None: any number.
        seconds: The time after which no further model is measured; None: no limit.
        try_mixed: Whether asymmetric activations are tried even if the preset says otherwise.
        baselines: The float model's values by the metrics' names; then they are not measured.
        is_required: Whether a missing metric is an error.
    """

    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    drop_type: DropType = "absolute"
    max_trials: Annotated[int, Field(ge=1)] = 40
    max_layers: Annotated[int, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    try_mixed: bool = False
    baselines: dict[str, float] = Field(default_factory=dict[str, float])
    is_required: bool = True
