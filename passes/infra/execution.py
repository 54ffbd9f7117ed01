"""The results of running a quantized model, as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...ir import Array, Scope
from ..analysis.agreement import Agreement


@dataclass(frozen=True)
class Fault:
    """A layer that was planned for int8, and that the device runs in float, computes wrongly or cannot run.

    Attributes:
        key: The body that it is in, and its id.
        name: Its friendly name.
        type: Its op type.
        reason: The fault; for a layer that runs in float, the details of the executed graph.
    """

    key: tuple[Scope, int]
    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class Execution:
    """The layers that the runtime executes.

    Attributes:
        int8: Executed layers (convolutions, matrix products) that ran in int8.
        total: All such layers that can be seen.
        fallen: The layers that fell back to FP32 against the plan.
        unseen: Layers in bodies of dynamic shapes, which the runtime does not show; not in `total`.
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
    """The result of checking that the device computes what the FakeQuantizes mean (see `accuracy/device.py`).

    Attributes:
        output: The output at which the two are farthest apart.
        made: Its signal-to-noise ratio to the float model's in dB, as the device computes it.
        meant: The same with FakeQuantizes computed in float.
        samples: The number of samples.
        wrong: How the device computes something else; empty if it does not.
        is_own: Whether it does so only in its own precision or with one thread, and not in f32 with all threads.
        looks_slow: Whether the profiles suggest that int8 may be no faster (see `layer_times`).
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
    """The result of running the quantized model.

    Attributes:
        execution: The layers that the runtime executes; None for a device that this machine does not have.
        outputs: The agreement of each output with the float model's on the held-out samples; None without such samples.
        failure: Why the runtime does not compile the model; empty if it does.
        asked: Whether the device computes what the FakeQuantizes mean; None if it was not checked: the device is not in
            this machine, or there are no samples.
        is_put_off: Whether it was not checked because the model may change first.
        hardest: The numbers of the held-out samples with the largest errors -> the model's outputs on them, then its
            taps.
    """

    execution: Execution | None = None
    outputs: tuple[Agreement, ...] | None = None
    failure: str = ""
    asked: Asked | None = None
    is_put_off: bool = False
    hardest: Mapping[int, Sequence[Array]] = field(
        default_factory=dict[int, Sequence[Array]], compare=False, repr=False
    )

    @property
    def margin(self) -> float:
        """The distance of the worst output above its floor, in dB; infinite if unknown."""
        if self.failure:
            return -math.inf
        return min((each.margin for each in self.outputs or ()), default=math.inf)
