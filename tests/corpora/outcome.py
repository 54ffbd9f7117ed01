"""What can become of a model, apart from what judges it: the runtime is not loaded here."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can become of a model."""

    QUANTIZED = "quantized"
    NOTHING = "nothing to quantize"
    REFUSED = "refused"
    RUNTIME_CANNOT = "the runtime itself cannot"
    FAULT = "fault"


#: How a case is bent: not at all, with all inputs but one as constants, and with a layer in front and one behind.
AS_IT_IS, WITH_CONSTANTS, BETWEEN_LAYERS = VARIANTS = ("as it is", "with constants", "between layers")


@dataclass(frozen=True)
class Outcome:
    """What became of one variant of a case.

    Attributes:
        case: Its name.
        variant: How it was bent.
        kind: What became of it.
        detail: The reason, the fault, or what the quantizer warned of.
        int8: Executed layers in int8, and all.
    """

    case: str
    variant: str
    kind: Kind
    detail: str
    int8: tuple[int, int] = (0, 0)

    @property
    def signature(self) -> str:
        """The detail without what differs from case to case: names and numbers."""
        unnamed = re.sub(r"'[^']*'", "'...'", self.detail)
        return re.sub(r"-?(?:inf\b|\d+)", "N", unnamed)
