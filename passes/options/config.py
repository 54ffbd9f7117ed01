"""What the user wants of a run, apart from the model, the data and the target."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from .accuracy import AccuracyOptions
from .ignored import Ignored
from .quantization import ActivationOptions, RangeEstimator, WeightOptions
from .strict import Strict

Preset = Literal["performance", "mixed", "accuracy"]
SaturationFix = Literal["no", "first_layer", "all"]
#: Until when the guard looks for a better model.
GuardAim = Literal["floor", "knee", "good"]


class QuantizationConfig(Strict):
    """Options of a quantization.

    Attributes:
        preset: `performance`: symmetric weights and activations; `mixed`: asymmetric activations; `accuracy`:
            asymmetric weights, too, where the device takes them. None: `mixed` for transformers, whose activations are
            lopsided, else `performance`.
        samples: How many samples to take from the data at most, those held out for the check included; None: all.
        shuffle: Whether to draw them at random, instead of taking the first.
        seed: Of that drawing.
        ignored: What stays float.
        model_type: `transformer`: take it for one even if it has no attention blocks.
        saturation_fix: Which layers get wider weight ranges where products could overflow 16 bits: none, those that
            read the model's inputs, or all. None: all on a target that adds in 16 bits, else none.
        weights: How weights are quantized, if not as target and preset say.
        activations: How activations are.
        range_estimator: How ranges are estimated where `weights` or `activations` have no estimator of their own.
        align: Whether channels between convolutions are brought to alike ranges.
        align_across: Whether also across ReLU, PReLU and depthwise convolutions.
        align_streams: Whether channels of whole streams are, too, through residual sums, gates, pooling and
            concatenation, where that lowers the expected error.
        migrate_scales: Whether loud channels in front of matrix products are made quieter, and their weights louder.
            None: in transformers, whose channels differ most.
        correct_biases: `fast`: for the rounding of weights, from statistics; `sequential`: for all that changes a
            layer's mean output, in two short runs; `no`.
        correct_float_layers: Whether `sequential` also corrects layers whose weights stay float.
        keep_intermediate: Whether to write the model as it is before biases are corrected, too.
        guard: Whether to look for a gentler way to quantize if an output is not good, and how far: `floor`: until no
            output is poor; `knee` (also `true`): beyond that while layers in float bring much for little time; `good`:
            until all outputs are good, with as many layers in float as that takes.
        accuracy: How much of the user's metrics may be lost; None: as by default, if there are metrics.
    """

    preset: Preset | None = None
    samples: Annotated[int, Field(ge=1)] | None = 300
    shuffle: bool = False
    seed: int = 0
    ignored: Ignored = Ignored()
    model_type: Literal["transformer"] | None = None
    saturation_fix: SaturationFix | None = None
    weights: WeightOptions = WeightOptions()
    activations: ActivationOptions = ActivationOptions()
    range_estimator: RangeEstimator | None = None
    align: bool = True
    align_across: bool = False
    align_streams: bool = False
    migrate_scales: bool | None = None
    correct_biases: Literal["fast", "sequential", "no"] = "fast"
    correct_float_layers: bool = False
    keep_intermediate: bool = False
    guard: bool | GuardAim = True
    accuracy: AccuracyOptions | None = None

    @classmethod
    def checked(cls, **options: object) -> Self:
        """The options given as keywords."""
        return cls.read(options, "")

    @property
    def guard_aim(self) -> GuardAim | None:
        """How far the guard goes; None if there is none."""
        if isinstance(self.guard, bool):
            return "knee" if self.guard else None
        return self.guard

    @property
    def may_correct_more(self) -> bool:
        """Whether the guard may correct biases for more than the rounding of weights: the user chose nothing else."""
        return self.guard_aim is not None and "correct_biases" not in self.model_fields_set

    def preset_for(self, *, attention: int) -> Preset:
        """The preset that the user chose, or the one that suits a model with so many attention blocks."""
        return self.preset or ("mixed" if self.is_transformer(attention=attention) else "performance")

    def is_transformer(self, *, attention: int) -> bool:
        """Whether a model with so many attention blocks is a transformer, or the user says so of any."""
        return self.model_type == "transformer" or attention > 0

    def overruled(
        self, *, ignored: Sequence[str] = (), accuracy: Mapping[str, object] | None = None, **options: object
    ) -> Self:
        """The same with options that are not None in place of its own, and more that is ignored."""
        given = {name: value for name, value in options.items() if value is not None}
        if wanted := {name: value for name, value in (accuracy or {}).items() if value is not None}:
            own_accuracy = self.accuracy.model_dump(exclude_unset=True) if self.accuracy else {}
            given["accuracy"] = own_accuracy | wanted
        if ignored:
            scope = [*self.ignored.scope, *ignored]
            given["ignored"] = self.ignored.model_dump(exclude_unset=True) | {"scope": scope}
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).read(own | given, "")
