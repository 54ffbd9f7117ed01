"""The definition of a pass: a rewrite of the whole graph that declares its requirements and results.

A pass is a small frozen dataclass. Its fields are its options; its class says what it requires, establishes and drops.
`run` returns how many places it changed, and a second run must change none.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from ...ir import Graph, Node, Scope, UserError
from ...ir.match import Match, Miss
from ..analysis.bias_cross_validation import Correction
from ..analysis.outputs import Outputs
from ..options.config import Preset, QuantizationConfig
from ..placement.plan import Plan
from ..placement.unmeasured import without_unmeasured
from ..runtime.samples import PreparedSample, ValidationSample
from ..statistics.request import Request, Statistics
from .calibration import Calibration
from .compressed_layers import CompressedLayer, WeightCheck
from .execution import Check
from .run_inputs import RunInputs

if TYPE_CHECKING:  # most runs choose no bits
    from ..analysis.bit_choice import Candidate


class Fact(StrEnum):
    """Facts that can hold for a graph between two passes.

    Attributes:
        NORMALIZED: Weights and biases are plain constants.
        PLANNED: The context's plan says where each FakeQuantize goes.
        MEASURED: There are statistics of the model's tensors as they were when they were measured.
        AS_MEASURED: The graph still computes those tensors, or the statistics describe their changes.
        FAKE_QUANTIZED: All FakeQuantizes of the plan are inserted.
        RANGES_SET: Each of them has its ranges.
        BIASES_CORRECTED: Biases compensate for the rounding of the weights.
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


class PassFailure(Exception):  # noqa: N818
    """Passes do not do their work, and where.

    Attributes:
        pass_name: The pass that failed; empty if none did.
        node: The node at which it failed, if known.
    """

    def __init__(self, message: str, pass_name: str = "", node: Node | None = None) -> None:
        super().__init__(message)
        self.pass_name, self.node = pass_name, node

    @property
    def layer(self) -> str:
        """The name of the node; empty if it is not known."""
        return self.node.name if self.node else ""


class PipelineError(PassFailure, UserError):
    """Passes cannot follow one another as listed, or one of the user's own failed (its cause is chained)."""


class InternalError(PassFailure):
    """One of irquant's own passes failed: not a mistake of the user, and no `UserError`.

    Attributes:
        pass_name: The pass that failed.
        layer: The name of the node at which it failed; empty if it is not known.
    """


class RequirementError(PipelineError):
    """A pass requires facts that no pass before it establishes.

    Attributes:
        missing: The missing facts.
        dropped_by: The pass that drops them again; empty if no pass before establishes them.
    """

    def __init__(self, message: str, missing: frozenset[Fact], dropped_by: str = "") -> None:
        super().__init__(message)
        self.missing, self.dropped_by = missing, dropped_by


@dataclass(eq=False, match_args=False)
class RunState:
    """The results of the passes of one run besides the graph.

    Attributes:
        calibration: The results of the calibration run; by `calibrate`, which calls `take_over`.
        statistics: The statistics of the current graph's tensors: the measured numbers, and their changes since.
        halves: Constants, by body and id, that had 16 bits before `normalize` converted them to 32-bit floats.
        decomposed: The last products, by body and id, of attention that `decompose-attention` decomposed.
        wanted: The statistics that later passes read; by the manager.
        readers: These passes; by the manager.
        plan: The place of each FakeQuantize; by `plan-placement`.
        aligned: Layers whose input channels were scaled to similar ranges, or need not be; by the passes that do so.
        warnings: Messages to the user besides those of the plan.
        corrections: Layer -> the result of correcting its bias; by the passes that correct biases.
        check: The result of running the quantized model; by `verify-execution`.
        compressed: The storage of each layer's weights; by `quantize-weights-only`.
        four_bits: What 4 bits would cost each layer; by `measure-weight-errors`.
        weight_check: The result of running the model with compressed weights; by `verify-weights`.
    """

    calibration: Calibration = field(default_factory=Calibration)
    statistics: Statistics = field(default_factory=Statistics)
    halves: set[tuple[Scope, int]] = field(default_factory=set[tuple[Scope, int]])
    decomposed: set[tuple[Scope, int]] = field(default_factory=set[tuple[Scope, int]])
    wanted: frozenset[Request] = frozenset()
    readers: Sequence["Pass"] = ()
    plan: Plan = field(default_factory=Plan)
    aligned: set[Node] = field(default_factory=set[Node])
    warnings: list[str] = field(default_factory=list[str])
    corrections: dict[Node, Correction] = field(default_factory=dict[Node, Correction])
    check: Check = field(default_factory=Check)
    compressed: Sequence[CompressedLayer] = ()
    four_bits: "Sequence[Candidate]" = ()
    weight_check: WeightCheck = field(default_factory=WeightCheck)


class Context(RunInputs, RunState):
    """The data that the passes of one run share besides the graph.

    The constructor takes the inputs of the run (`RunInputs`), which are read-only afterwards. The results of passes
    (`RunState`) are fresh in each context, and passes write them.
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
        """Takes the results of a calibration run with its statistics."""
        self.calibration, self.statistics = calibration, calibration.statistics

    def knowing(self, statistics: Statistics) -> Self:
        """The context with other statistics."""
        other = copy(self)
        other.statistics = statistics
        return other

    def as_measured(self, plan: Plan, graph: Graph) -> Plan:
        """A plan of the graph without what the calibration run says nothing about."""
        advanced = self.calibration.have_advanced
        return without_unmeasured(plan, graph, self.statistics.unseen, have_advanced=advanced)

    @property
    def outputs(self) -> Outputs:
        """The model's outputs with their kinds."""
        return self.calibration.outputs

    @property
    def held_out(self) -> Sequence[ValidationSample]:
        """The held-out samples with the float model's outputs."""
        return self.calibration.held_out

    @property
    def kept(self) -> Mapping[int, PreparedSample]:
        """Number -> calibration sample, for passes that run the model again."""
        return self.calibration.kept

    @property
    def is_transformer(self) -> bool:
        """Whether the model is a transformer: it has attention blocks, or the user says so."""
        return self.config.is_transformer(attention=self.plan.attention)

    @property
    def preset(self) -> Preset:
        """The preset that the user chose, or the one that suits the model."""
        return self.config.preset_for(attention=self.plan.attention)


class Pass(ABC):
    """A rewrite of a whole graph: a subclass needs a name and `run`, and overrides other defaults as necessary.

    Attributes:
        name: A verb phrase of lower-case words joined by hyphens.
        requires: The facts that must hold before it.
        establishes: The facts that hold after it.
        drops: The facts that no longer hold after it.
        hides_rounding: Whether it compensates for rounding, stores rounded values, or moves values between a layer and
            its bias: without such passes, the error of each operation is visible.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset()
    hides_rounding: ClassVar[bool] = False

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The statistics of this graph that the pass will read, for the `calibrate` before it to measure: none."""
        return frozenset()

    def why_all(self, graph: Graph, context: Context) -> str:
        """Why the pass needs the statistics of all samples; empty if it needs means, which settle.

        A pass that says nothing else of its estimates may need extremes: a later sample may always exceed them.
        """
        return f"'{self.name}' needs all of them" if self.requests(graph, context) else ""

    def why_more(self, graph: Graph, context: Context) -> str:
        """Why the pass needs more samples than the statistics have so far; empty if its means have settled."""
        return ""

    def attempt(self, layer: Node, context: Context) -> Match | Miss | None:
        """Tries the pattern of the pass at a layer: `irquant explain --node` shows why it does not match.

        `explain` asks the passes of the default pipeline only.

        Returns:
            The match or the miss; None: the pass has no pattern for such layers.
        """
        return None

    @abstractmethod
    def run(self, graph: Graph, context: Context) -> int:
        """Rewrites the graph in place and returns how many places were changed."""


@dataclass(frozen=True)
class PassResult:
    """The result of a pass.

    Attributes:
        changes: Places changed.
        seconds: Wall time.
    """

    changes: int
    seconds: float

    def __add__(self, other: "PassResult") -> "PassResult":
        """The sum of two runs of one pass."""
        return PassResult(self.changes + other.changes, self.seconds + other.seconds)


Results = Mapping[str, PassResult]
