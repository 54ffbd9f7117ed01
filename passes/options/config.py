"""The user's options of a run, apart from the model, the data and the target."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from .accuracy import AccuracyOptions
from .former_advanced import OF_CONFIG, instead_of
from .ignored import Ignored
from .quantization import ActivationOptions, RangeEstimator, WeightOptions
from .strict import Strict

Preset = Literal["performance", "mixed", "accuracy"]
SaturationFix = Literal["no", "first_layer", "all"]
#: The aim of the guard's search for a better model.
GuardAim = Literal["floor", "knee", "good"]
#: The most samples that are read if the user names no number.
ENOUGH_SAMPLES = 300


class QuantizationConfig(Strict):
    """Options of a quantization.

    Attributes:
        preset: `performance`: symmetric weights and activations; `mixed`: asymmetric activations; `accuracy`:
            asymmetric weights, too, if the device supports them. None: `mixed` for transformers, whose activations are
            asymmetric, else `performance`.
        samples: The subset size: the most samples to use, held-out samples included; None: all. If it is not given, as
            many are measured as it takes until the ranges settle.
        shuffle: Whether to draw the samples at random instead of taking the first.
        seed: The seed of the random draw.
        ignored: The layers that stay float.
        keep_compressed: Whether layers whose weights are compressed already (see `compress`) may stay as they are. If
            not, or None, such a model is refused.
        model_type: `transformer`: treat the model as a transformer even if it has no attention blocks.
        saturation_fix: The layers that get wider weight ranges if products could overflow 16 bits: none, those that
            read the model's inputs, or all. None: all on a target that adds in 16 bits, else none.
        weights: How weights are quantized, if different from target and preset.
        activations: How activations are quantized, if different from target and preset.
        range_estimator: How ranges are estimated if `weights` or `activations` have no estimator.
        align: Whether channels between convolutions are scaled to similar ranges.
        align_across: Whether this also happens across ReLU, PReLU and depthwise convolutions.
        align_streams: Whether this also happens for whole streams: through residual sums, gates, pooling and
            concatenation, if that lowers the expected error.
        migrate_scales: Whether large channels before matrix products are scaled down, and their weights up. None: in
            transformers, whose channels differ most.
        correct_biases: `fast`: corrects the rounding of weights, from statistics; `sequential`: corrects the whole
            error of a layer's mean output, in two short runs; `no`.
        correct_float_layers: Whether `sequential` also corrects layers whose weights stay float.
        keep_intermediate: Whether to write the model before bias correction, too.
        guard: Whether to try gentler quantization if an output is not good, and how far: `floor`: until no output is
            poor; `knee` (also `true`): further while layers in float gain much for little time; `good`: until all
            outputs are good, with as many layers in float as necessary.
        slow_zero_points: Whether ranges may be asymmetric where a zero point takes time on some of the devices. The
            guard tries `False`.
        accuracy: The limits of losses in the user's metrics; None: the defaults, if there are metrics.
    """

    preset: Preset | None = None
    samples: Annotated[int, Field(ge=1)] | None = ENOUGH_SAMPLES
    shuffle: bool = False
    seed: int = 0
    ignored: Ignored = Ignored()
    keep_compressed: bool | None = None
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
    slow_zero_points: bool = True
    accuracy: AccuracyOptions | None = None

    @classmethod
    def checked(cls, **options: object) -> Self:
        """The options given as keywords."""
        return cls.read(options, "")

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """What to write instead of a parameter of NNCF."""
        return instead_of(OF_CONFIG, name, value)

    @property
    def takes_enough_samples(self) -> bool:
        """Whether as many samples are measured as it takes: the user did not choose `samples`."""
        return "samples" not in self.model_fields_set

    @property
    def guard_aim(self) -> GuardAim | None:
        """The aim of the guard; None without a guard."""
        if isinstance(self.guard, bool):
            return "knee" if self.guard else None
        return self.guard

    @property
    def may_correct_more(self) -> bool:
        """Whether the guard may correct the whole error of biases: the user did not choose `correct_biases`."""
        return self.guard_aim is not None and "correct_biases" not in self.model_fields_set

    @property
    def may_spare_zero_points(self) -> bool:
        """Whether the guard may spare zero points that take time: the user chose none of what decides about them."""
        is_chosen = self.preset or self.activations.mode or "slow_zero_points" in self.model_fields_set
        return self.guard_aim is not None and not is_chosen

    def preset_for(self, *, attention: int) -> Preset:
        """The preset that the user chose, or the one that suits a model with so many attention blocks."""
        return self.preset or ("mixed" if self.is_transformer(attention=attention) else "performance")

    def is_transformer(self, *, attention: int) -> bool:
        """Whether a model with so many attention blocks is a transformer, or the user says so of any."""
        return self.model_type == "transformer" or attention > 0

    def overruled(
        self,
        *,
        ignored: Sequence[str] | Mapping[str, object] = (),
        accuracy: Mapping[str, object] | None = None,
        **options: object,
    ) -> Self:
        """A copy with other options in place of its own, if they are not None, and with more ignored layers.

        Raises:
            ConfigError: an option is wrong.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if wanted := {name: value for name, value in (accuracy or {}).items() if value is not None}:
            own_accuracy = self.accuracy.model_dump(exclude_unset=True) if self.accuracy else {}
            given["accuracy"] = own_accuracy | wanted
        if ignored:
            more = ignored if isinstance(ignored, Mapping) else {"scope": [*ignored]}
            given["ignored"] = self.ignored.joined(type(self).read({"ignored": more}, "").ignored)
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).read(own | given, "")
