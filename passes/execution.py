"""What running a quantized model showed, as plain values."""

import math
from dataclasses import dataclass

from .quality.agreement import Agreement


@dataclass(frozen=True)
class Fallen:
    """A layer that was planned for int8 and that the runtime executed in float.

    Attributes:
        name: Its friendly name.
        reason: What the executed graph says of it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Execution:
    """What the runtime executes.

    Attributes:
        int8: Executed layers (convolutions, matrix products) that ran in int8.
        total: All such layers that can be seen.
        fallen: Where the plan and the executed graph differ.
        unseen: Layers in bodies of dynamic shapes, into which the runtime lets nobody look; not in `total`.
    """

    int8: int
    total: int
    fallen: tuple[Fallen, ...] = ()
    unseen: int = 0

    @property
    def int8_share(self) -> float:
        """Share of the executed layers that ran in int8."""
        return self.int8 / self.total if self.total else 0.0


@dataclass(frozen=True)
class Check:
    """What running the quantized model showed.

    Attributes:
        execution: What the runtime executes; None for a device that this machine does not have.
        outputs: How close each output is to the float model's on the held-out samples. None if there were none.
        failure: Why the runtime does not compile the model; empty if it does.
    """

    execution: Execution | None = None
    outputs: tuple[Agreement, ...] | None = None
    failure: str = ""

    @property
    def margin(self) -> float:
        """How far the worst output lies above its floor, in dB; infinite if nobody can tell."""
        if self.failure:
            return -math.inf
        return min((each.margin for each in self.outputs or ()), default=math.inf)
