"""What a pass is: a rewrite of the whole graph that says what it needs, what it leaves true, and what it measured.

A pass is a small frozen dataclass. Its fields are its options; its class says what it requires, establishes and drops.
`run` returns how many places it changed, and a second run must change none.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Self

from ...ir import Graph, Node, Scope, UserError
from ...ir.match import Match, Miss
from ..analysis.bias_cross_validation import Correction
from ..analysis.outputs import Outputs
from ..options.config import Preset, QuantizationConfig
from ..placement.plan import Plan
from ..runtime.samples import PreparedSample, ValidationSample
from ..statistics.request import Request, Statistics
from .calibration import Calibration
from .execution import Check
from .run_inputs import RunInputs


class Fact(StrEnum):
    """What can hold of a graph between two passes.

    Attributes:
        NORMALIZED: Weights and biases are plain constants.
        PLANNED: The context's plan says where each FakeQuantize goes.
        MEASURED: There are statistics of the model's tensors as they were when they were measured.
        AS_MEASURED: The graph still computes those tensors, or the statistics know what became of them.
        FAKE_QUANTIZED: A FakeQuantize stands wherever the plan wants one.
        RANGES_SET: Each of them has its ranges.
        BIASES_CORRECTED: Biases make up for the rounding of the weights.
        WEIGHTS_COMPRESSED: Quantized weights are stored as int8.
    """

    NORMALIZED = "normalized"
    PLANNED = "planned"
    MEASURED = "measured"
    AS_MEASURED = "as-measured"
    FAKE_QUANTIZED = "fake-quantized"
    RANGES_SET = "ranges-set"
    BIASES_CORRECTED = "biases-corrected"
    WEIGHTS_COMPRESSED = "weights-compressed"


class PipelineError(UserError):
    """Passes cannot follow one another as listed, or a pass failed (its cause is chained).

    Attributes:
        pass_name: The pass that failed; empty if none did.
        node: At which node, as far as is known.
    """

    def __init__(self, message: str, pass_name: str = "", node: Node | None = None) -> None:
        super().__init__(message)
        self.pass_name, self.node = pass_name, node

    @property
    def layer(self) -> str:
        """The name of the node; empty if it is not known."""
        return self.node.name if self.node else ""


class InternalError(PipelineError):
    """A pass failed that is irquant's own: no mistake of the user.

    Attributes:
        pass_name: The pass that failed.
        layer: The name of the node at which it failed; empty if it is not known.
    """


class RequirementError(PipelineError):
    """A pass requires what no pass before it leaves true.

    Attributes:
        missing: What.
    """

    def __init__(self, message: str, missing: frozenset[Fact]) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(eq=False, match_args=False)
class RunState:
    """What the passes of one run leave besides the graph.

    Attributes:
        calibration: What running the data showed; by `calibrate`, which has the context `take_over`.
        statistics: What is known of the tensors of the graph as it is: the numbers measured, and what became of them.
        halves: Constants, by body and id, that had 16 bits before `normalize` made floats of 32 of them.
        decomposed: The products, by body and id, that attention ends in which `decompose-attention` wrote out.
        wanted: The statistics that later passes read; by the manager.
        plan: Where each FakeQuantize goes; by `plan-placement`.
        aligned: Layers whose input channels were brought to alike ranges, or need not be; by the passes that do so.
        warnings: What the user should know besides what the plan says.
        corrections: Layer -> what was found out about a correction of its bias; by the passes that correct biases.
        check: What running the result showed; by `verify-execution`.
    """

    calibration: Calibration = field(default_factory=Calibration)
    statistics: Statistics = field(default_factory=Statistics)
    halves: set[tuple[Scope, int]] = field(default_factory=set[tuple[Scope, int]])
    decomposed: set[tuple[Scope, int]] = field(default_factory=set[tuple[Scope, int]])
    wanted: frozenset[Request] = frozenset()
    plan: Plan = field(default_factory=Plan)
    aligned: set[Node] = field(default_factory=set[Node])
    warnings: list[str] = field(default_factory=list[str])
    corrections: dict[Node, Correction] = field(default_factory=dict[Node, Correction])
    check: Check = field(default_factory=Check)


class Context(RunInputs, RunState):
    """What the passes of one run share besides the graph.

    What the run was given (`RunInputs`) is what the constructor takes, and cannot be written afterwards. What passes
    leave (`RunState`) is fresh in each context, and written by them.
    """

    def __new__(cls, *given: object, **named: object) -> Self:
        """A context with a fresh state; what it is given is filled in by the constructor of `RunInputs`."""
        context = super().__new__(cls)
        RunState.__init__(context)
        return context

    def again(self, config: QuantizationConfig, reverted_to_float: Mapping[tuple[Scope, int], str]) -> Self:
        """A fresh context for a copy of the model as it was measured, with other options.

        Args:
            config: The options.
            reverted_to_float: Operations that stay float, by body and id -> why.
        """
        fresh = replace(self, config=config, reverted_to_float=reverted_to_float)
        fresh.halves, fresh.decomposed = set(self.halves), set(self.decomposed)  # the copy of the model has them, too
        fresh.take_over(self.calibration)
        return fresh

    def take_over(self, calibration: Calibration) -> None:
        """Takes what running the data showed, its statistics included."""
        self.calibration, self.statistics = calibration, calibration.statistics

    def knowing(self, statistics: Statistics) -> Self:
        """The same with other statistics."""
        other = copy(self)
        other.statistics = statistics
        return other

    @property
    def outputs(self) -> Outputs:
        """What the model's outputs are."""
        return self.calibration.outputs

    @property
    def held_out(self) -> Sequence[ValidationSample]:
        """Samples that calibration did not see, with what the float model gives."""
        return self.calibration.held_out

    @property
    def kept(self) -> Mapping[int, PreparedSample]:
        """Number -> sample that calibration saw, for passes that run the model again."""
        return self.calibration.kept

    @property
    def is_transformer(self) -> bool:
        """Whether the model is one: it has attention blocks, or the user says so."""
        return self.config.is_transformer(attention=self.plan.attention)

    @property
    def preset(self) -> Preset:
        """The preset that the user chose, or the one that suits the model."""
        return self.config.preset_for(attention=self.plan.attention)


class Pass(ABC):
    """A rewrite of a whole graph: a subclass needs a name and `run`, and says of the rest what is not as it is here.

    Attributes:
        name: A verb phrase of lower-case words joined by hyphens.
        requires: What must hold before it.
        establishes: What holds behind it.
        drops: What holds no more behind it.
        hides_rounding: Whether it makes up for rounding, or stores its results: without such passes, the error of each
            operation can be seen.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset()
    hides_rounding: ClassVar[bool] = False

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The statistics of this graph that the pass will read, for the `calibrate` before it to measure: none."""
        return frozenset()

    def attempt(self, layer: Node, context: Context) -> Match | Miss | None:
        """The pass's pattern, tried at a layer for `explain`; None: the pass has no pattern for such layers."""
        return None

    @abstractmethod
    def run(self, graph: Graph, context: Context) -> int:
        """Rewrites the graph in place and returns how many places were changed."""


@dataclass(frozen=True)
class PassResult:
    """What a pass did.

    Attributes:
        changes: Places changed.
        seconds: Wall time.
    """

    changes: int
    seconds: float

    def __add__(self, other: "PassResult") -> "PassResult":
        """What two runs of one pass did."""
        return PassResult(self.changes + other.changes, self.seconds + other.seconds)


Results = Mapping[str, PassResult]
