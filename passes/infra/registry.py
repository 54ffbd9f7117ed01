"""The passes that come with irquant, by the names that they have on the command line."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # options of the command line read the names, and wait for nothing else
    from .base import Pass

#: Name -> module in `irquant.passes`, and class.
PASSES: Mapping[str, str] = {
    "decompose-einsum": "transforms.decompose_einsum:DecomposeEinsum",
    "cancel-transposes": "transforms.cancel_transposes:CancelTransposes",
    "normalize": "transforms.normalize:Normalize",
    "fold-input-normalization": "transforms.fold_input_normalization:FoldInputNormalization",
    "decompose-attention": "transforms.decompose_attention:DecomposeAttention",
    "untranspose-weights": "transforms.untranspose_weights:UntransposeWeights",
    "plan-placement": "transforms.plan_placement:PlanPlacement",
    "measure-outputs": "calibration.measure_outputs:MeasureOutputs",
    "calibrate": "calibration.calibrate:Calibrate",
    "load-statistics": "calibration.load_statistics:LoadStatistics",
    "keep-attention-float": "transforms.keep_attention_float:KeepAttentionFloat",
    "align-activation-channels": "transforms.align_activation_channels:AlignActivationChannels",
    "align-streams": "transforms.align_streams:AlignStreams",
    "densify-depthwise": "transforms.densify_depthwise:DensifyDepthwise",
    "keep-reduced-axes": "transforms.keep_reduced_axes:KeepReducedAxes",
    "keep-sums-float": "transforms.keep_sums_float:KeepSumsFloat",
    "smooth-quant": "transforms.smooth_quant:SmoothQuant",
    "separate-ranges": "transforms.separate_ranges:SeparateRanges",
    "insert-fake-quantize": "transforms.insert_fake_quantize:InsertFakeQuantize",
    "set-ranges": "transforms.set_ranges:SetRanges",
    "correct-biases": "transforms.correct_biases:CorrectBiases",
    "correct-biases-fast": "transforms.correct_biases_fast:CorrectBiasesFast",
    "absorb-zero-points": "transforms.absorb_zero_points:AbsorbZeroPoints",
    "create-biases": "transforms.create_biases:CreateBiases",
    "widen-masks": "transforms.widen_masks:WidenMasks",
    "widen-integers": "transforms.widen_integers:WidenIntegers",
    "widen-kernels": "transforms.widen_kernels:WidenKernels",
    "order-operands": "transforms.order_operands:OrderOperands",
    "compress-weights": "transforms.compress_weights:CompressWeights",
    "quantize-weights-only": "transforms.quantize_weights_only:QuantizeWeightsOnly",
    "restore-attention": "transforms.restore_attention:RestoreAttention",
    "store-halves": "transforms.store_halves:StoreHalves",
    "verify-weights": "evaluation.verify_weights:VerifyWeights",
    "verify-execution": "evaluation.verify_execution:VerifyExecution",
}
#: What the command line calls the pipeline of `default_quantization`.
DEFAULT_PIPELINE = "default-quantization"
#: Former names of passes.
ALIASES: Mapping[str, str] = {"migrate-scales": "smooth-quant"}


def pass_class(name: str) -> "type[Pass]":
    """The class of the pass of that name.

    Raises:
        PassSpecError: there is no such pass.
    """
    name = ALIASES.get(name, name)
    if name not in PASSES:
        from ...ir.suggestions import closest, did_you_mean
        from .pass_spec import PassSpecError

        there = f"there are: {', '.join(PASSES)}; or give module:Class"
        raise PassSpecError(did_you_mean(f"no pass '{name}'", closest(name, PASSES), there))
    module, _, class_name = PASSES[name].partition(":")
    return cast("type[Pass]", getattr(import_module(f"irquant.passes.{module}"), class_name))
