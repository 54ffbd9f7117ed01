"""The named pipelines: plain lists, to be printed, cut, reordered and extended."""

from ..calibration.calibrate import Calibrate
from ..infra.base import Pass
from ..infra.registry import pass_class
from ..options.config import QuantizationConfig
from ..transforms.absorb_zero_points import AbsorbZeroPoints
from ..transforms.align_activation_channels import AlignActivationChannels
from ..transforms.cancel_transposes import CancelTransposes
from ..transforms.compress_weights import CompressWeights
from ..transforms.create_biases import CreateBiases
from ..transforms.decompose_attention import DecomposeAttention
from ..transforms.decompose_einsum import DecomposeEinsum
from ..transforms.densify_depthwise import DensifyDepthwise
from ..transforms.fold_input_normalization import FoldInputNormalization
from ..transforms.insert_fake_quantize import InsertFakeQuantize
from ..transforms.keep_attention_float import KeepAttentionFloat
from ..transforms.keep_reduced_axes import KeepReducedAxes
from ..transforms.keep_sums_float import KeepSumsFloat
from ..transforms.normalize import Normalize
from ..transforms.order_operands import OrderOperands
from ..transforms.plan_placement import PlanPlacement
from ..transforms.restore_attention import RestoreAttention
from ..transforms.separate_ranges import SeparateRanges
from ..transforms.set_ranges import SetRanges
from ..transforms.smooth_quant import SmoothQuant
from ..transforms.store_halves import StoreHalves
from ..transforms.untranspose_weights import UntransposeWeights
from ..transforms.widen_integers import WidenIntegers
from ..transforms.widen_kernels import WidenKernels
from ..transforms.widen_masks import WidenMasks

#: The options that select passes.
_SELECTING = ("align", "align_across", "align_streams", "migrate_scales", "correct_biases")
#: `correct_biases` -> passes. These, and others that few runs select, are named, so that no other run imports them.
_CORRECTIONS = {
    "fast": ("correct-biases-fast",),
    "sequential": ("correct-biases", "correct-biases-fast"),  # the latter corrects what is in bodies
    "no": (),
}


def selecting_options(config: QuantizationConfig) -> list[str]:
    """The options that select other passes than the defaults: another pipeline does not know them."""
    default = QuantizationConfig()
    return [name for name in _SELECTING if getattr(config, name) != getattr(default, name)]


def default_quantization(measuring: Pass | None = None, config: QuantizationConfig | None = None) -> list[Pass]:
    """The published DefaultQuantization, with one run over the data instead of two.

    Args:
        measuring: The pass that provides the statistics; default: `Calibrate()`.
        config: The options, which select parts of the algorithm; default: alignment, migration, ranges, fast bias
            correction.

    Returns:
        A new list of passes, in order.
    """
    config = config or QuantizationConfig()
    corrections = [pass_class(name)() for name in _CORRECTIONS[config.correct_biases]]
    return [
        DecomposeEinsum(),  # leaves constants to be folded
        CancelTransposes(),  # those of an Einsum, too; a bias behind one becomes that of its layer
        Normalize(),
        FoldInputNormalization(),
        DecomposeAttention(),
        UntransposeWeights(),  # keys of attention that was one operation, too
        DensifyDepthwise(),  # before the model runs: with the layers as they are, it may never end
        KeepReducedAxes(),
        PlanPlacement(),
        WidenMasks(),  # before the model runs: with some dynamic sizes, it does not compile with such a mask
        measuring or Calibrate(),  # the only pass that runs over the whole data; measures the requests of all below
        KeepSumsFloat(),  # first: it plans again, and all below go by the plan
        KeepAttentionFloat(),
        *([AlignActivationChannels(across=config.align_across)] if config.align else []),  # changes weights: first
        *([pass_class("align-streams")()] if config.align_streams else []),
        *([SmoothQuant(everywhere=bool(config.migrate_scales))] if config.migrate_scales is not False else []),
        SeparateRanges(),  # after those that change ranges
        InsertFakeQuantize(),
        SetRanges(),
        *corrections,  # they need the rounded weights, hence after the ranges
        AbsorbZeroPoints(),  # after the corrections, which compare the layer with the one that reads floats
        CreateBiases(),  # after the passes that may have given a layer a bias already
        WidenMasks(),  # such a bias of a product of two activations is a row, too
        WidenIntegers(),
        WidenKernels(),
        OrderOperands(),
        CompressWeights(),  # the passes above look at the float weights
        RestoreAttention(),  # the passes above know the products by the plan
        StoreHalves(),  # last: the passes above look at the float weights
    ]
