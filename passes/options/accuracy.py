"""How much of the user's own metrics a quantized model may lose, and what may be spent on finding it."""

from typing import Annotated, Literal

from pydantic import Field

from .strict import Strict

DropType = Literal["absolute", "relative"]


class AccuracyOptions(Strict):
    """Options of the search for a model that keeps the metrics.

    Attributes:
        max_drop: The most that a metric may lose, where it has no limit of its own.
        drop_type: `absolute`: in the metric's own unit; `relative`: as a share of the float model's value.
        max_trials: The most models that are measured.
        max_layers: The most operations that are returned to float; None: any number.
        seconds: No model is begun after so much time; None: no limit.
        try_mixed: Whether asymmetric activations are tried even if the preset says otherwise.
        baselines: What the float model reaches, by the metrics' names; it is not measured then.
        is_required: Whether it is a mistake to give no metric.
    """

    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    drop_type: DropType = "absolute"
    max_trials: Annotated[int, Field(ge=1)] = 40
    max_layers: Annotated[int, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    try_mixed: bool = False
    baselines: dict[str, float] = Field(default_factory=dict[str, float])
    is_required: bool = True
