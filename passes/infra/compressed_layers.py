"""The results of a weight-only quantization, as plain values."""

from dataclasses import dataclass

from ..analysis.agreement import Agreement


@dataclass(frozen=True)
class CompressedLayer:
    """The storage of a layer's weights.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        kind: The element type of the stored weights; empty: they stay as they were.
        group: The number of weights that share a scale; 0: those of a row.
        error: The squared error of the weights as a share of their power.
        reason: Why the weights are not in the requested format; empty if they are.
    """

    name: str
    type: str
    kind: str = ""
    group: int = 0
    error: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class WeightCheck:
    """The result of running a model with compressed weights.

    Attributes:
        kept: The layers whose weights the device reads in the element type in which they are stored.
        folded: The layers of which it makes floats, and what it reads instead; it should be empty.
        outputs: The agreement of each output with the float model's on held-out samples, with exact activations; None
            without such samples.
        outputs_by_default: The same with the properties that the runtime has by default: it may round activations, too.
    """

    kept: tuple[str, ...] = ()
    folded: tuple[tuple[str, str], ...] = ()
    outputs: tuple[Agreement, ...] | None = None
    outputs_by_default: tuple[Agreement, ...] | None = None
