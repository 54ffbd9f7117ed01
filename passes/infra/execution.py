"""What running a quantized model showed, as plain values."""

import math
from dataclasses import dataclass

from ...ir import Scope
from ..analysis.agreement import Agreement


@dataclass(frozen=True)
class Fault:
    """A layer that was planned for int8, and that the device runs in float, computes wrongly or cannot run.

    Attributes:
        key: The body that it is in, and its id.
        name: Its friendly name.
        type: Its op type.
        reason: In what way; of one that runs in float, what the executed graph says of it.
    """

    key: tuple[Scope, int]
    name: str
    type: str
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
    fallen: tuple[Fault, ...] = ()
    unseen: int = 0

    @property
    def int8_share(self) -> float:
        """Share of the executed layers that ran in int8."""
        return self.int8 / self.total if self.total else 0.0


@dataclass(frozen=True)
class Asked:
    """What came of asking the device whether it computes what the FakeQuantizes mean (see `accuracy/device.py`).

    Attributes:
        output: The output at which the two are farthest apart.
        made: Its signal-to-noise ratio to the float model's in dB, as the device computes it.
        meant: The same with FakeQuantizes computed in float.
        samples: On how many samples.
        wrong: In what way the device computes something else; empty if it does not.
        is_own: Whether it does so in its own precision only, and not in f32.
        looks_slow: Whether one inference leaves doubt that int8 is faster (see `layer_times`).
    """

    output: str = ""
    made: float = math.inf
    meant: float = math.inf
    samples: int = 0
    wrong: str = ""
    is_own: bool = False
    looks_slow: bool = False


@dataclass(frozen=True)
class Check:
    """What running the quantized model showed.

    Attributes:
        execution: What the runtime executes; None for a device that this machine does not have.
        outputs: How close each output is to the float model's on the held-out samples. None if there were none.
        failure: Why the runtime does not compile the model; empty if it does.
        asked: Whether the device computes what the FakeQuantizes mean. None if nobody asked, or could: the device is
            not here, or there are no samples.
    """

    execution: Execution | None = None
    outputs: tuple[Agreement, ...] | None = None
    failure: str = ""
    asked: Asked | None = None

    @property
    def margin(self) -> float:
        """How far the worst output lies above its floor, in dB; infinite if nobody can tell."""
        if self.failure:
            return -math.inf
        return min((each.margin for each in self.outputs or ()), default=math.inf)
