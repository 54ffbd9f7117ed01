"""The kinds of a model's outputs, and the tensors that are compared to judge them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from ...ir import Array, Graph, InPort, Node, OutPort
from ..runtime.samples import ValidationSample
from ..runtime.taps import tap
from .caches import keeps_an_input
from .choices import Choice, are_features, choice_of, chooses_for_pixels, unmoved
from .decisions import Decisions, above
from .parts import Part, find_parts, is_joined
from .picked_by import PickedBy
from .pictures import is_picture_of, may_be_picture
from .probabilities import Probabilities, are_score_logits
from .row_axes import index_axis
from .selections import Selections

_PROBABILITIES = ("HardSigmoid", "HSigmoid", "LogSoftmax", "Sigmoid", "SoftMax")
#: Probabilities below this in all samples show nothing.
NOTHING = 0.01
_NAME = "irquant/compared"


class OutputKind(StrEnum):
    """The contents of an output, as far as its layer and its shape show."""

    VALUES = "values"
    CLASSES = "classes"  # scores; only the largest counts
    IMAGE = "image"  # an image that looks like the input image
    DETECTIONS = "detections"  # picked by comparing scores
    DECISIONS = "decisions"  # whole numbers or flags made of floats
    RANDOM = "random"  # different values in each run


@dataclass(frozen=True)
class Output:
    """An output of a model.

    Attributes:
        name: Its name in messages.
        kind: The kind of its contents.
        tensors: The tensors that are compared: numbers of outputs, then of taps (see `Outputs`).
        choice: The choice that its first tensor makes; None if it makes none.
        parts: Columns of these tensors that are judged on their own, or probabilities that are judged instead of their
            logits.
        has_probabilities: Whether its first tensor is that of a sigmoid: one probability for each element.
        shows_nothing: Whether these are below `NOTHING` in all samples.
    """

    name: str
    kind: OutputKind
    tensors: tuple[int, ...]
    choice: Choice | None = None
    parts: tuple[Part | Probabilities, ...] = ()
    has_probabilities: bool = False
    shows_nothing: bool = False

    def least_of(self, number: int) -> float:
        """The least amplitude of one of its tensors against which errors count.

        Next to values of 1e-7, any error is large, and means nothing: a probability of 0.001 is none, either.
        """
        return NOTHING if self.shows_nothing and number == self.tensors[0] else 0.0

    def seen_in(self, first: Sequence[Array]) -> "Output":
        """The same output, with what its first tensor shows in some samples."""
        if not self.has_probabilities:
            return self
        return replace(self, shows_nothing=bool(first) and all(each.max(initial=0.0) < NOTHING for each in first))


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model.

    Attributes:
        each: The outputs, in the model's order.
        taps: Inputs of decisions (see `decisions`). Their tensors are compared instead of the decided outputs, or with
            them. Others hold the indices of picked rows.
        joined: The tensors that are joined from others: their columns may differ in scale.
        left_out: The ids of Results that are not computed (see `narrowed`).
        rows: Tensors whose rows come in the order of a selection, and the axis of the rows.
        picked_by: Those of them whose rows were picked by indices (see `paired`).
    """

    each: tuple[Output, ...] = ()
    taps: tuple[InPort, ...] = ()
    joined: frozenset[int] = frozenset()
    left_out: tuple[int, ...] = ()
    rows: Mapping[int, int] = field(default_factory=dict[int, int])
    picked_by: Mapping[int, PickedBy] = field(default_factory=dict[int, PickedBy])

    @property
    def ascending(self) -> frozenset[int]:
        """The tensors that are compared with each column in ascending order: no indices tell their rows apart."""
        return frozenset(self.rows.keys() - self.picked_by.keys())

    def paired(self, reference: Sequence[Array], found: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """The tensors of two models as they are compared: each picked row with the one that has the same index.

        Args:
            reference: The float model's outputs, then its taps.
            found: The same of the other model.
        """
        ascending = self.ascending
        ours, theirs = (
            [self._sorted(number, each) if number in ascending else each for number, each in enumerate(arrays)]
            for arrays in (reference, found)
        )
        for number, by in self.picked_by.items():
            theirs[number] = by.paired(reference[by.tensor], found[by.tensor], found[number], self.rows[number])
        return ours, theirs

    def common(self, number: int, *models: Sequence[Array]) -> list[Array]:
        """A tensor of each model as far as no selection comes between: of picked rows, those that all models picked.

        If that is less than half of them, it is the whole tensor with each column in ascending order.

        Args:
            number: The number of the tensor.
            models: The outputs of each model, then its taps.
        """
        arrays, by = [each[number] for each in models], self.picked_by.get(number)
        indices = [each[by.tensor] for each in models] if by else []
        if by and all(by.numbers(each, self.rows[number], its) for each, its in zip(arrays, indices, strict=True)):
            rows = by.common(indices, arrays, self.rows[number])
            if 2 * rows[0].size >= arrays[0].size:
                return rows
        return [self._sorted(number, each) for each in arrays]

    def _sorted(self, number: int, array: Array) -> Array:
        """A tensor, with each column in ascending order if a selection puts the rows in another order."""
        axis = self.rows.get(number, array.ndim)
        return np.sort(array, axis) if axis < array.ndim else array

    def narrowed(self, graph: Graph, planned: Collection[Node]) -> "Outputs":
        """The same outputs without selected tensors, which are not compared: loops of selections compile slowly.

        Args:
            graph: The model.
            planned: Its layers that are to run in int8. All of them must be in front of the compared tensors.
        """
        results = graph.in_file_order("Result")
        numbers = [index for index, each in enumerate(self.each) if each.kind is OutputKind.DETECTIONS]
        kept = [result for index, result in enumerate(results) if index not in numbers]
        needed = {node for result in kept for node in above(result)}
        needed |= {node for tap in self.taps for node in (tap.source.node, *above(tap.source.node))}
        layers = {Node(graph, node.graph.scope[0][0]) if node.graph.scope else node for node in planned}
        if not numbers or not layers <= needed:
            return self
        kept_numbers = [number for number in range(len(results) + len(self.taps)) if number not in numbers]
        position = {number: place for place, number in enumerate(kept_numbers)}
        each = tuple(replace(it, tensors=tuple(position[number] for number in it.tensors)) for it in self.each)
        joined = frozenset(position[number] for number in self.joined if number in position)
        rows = {position[number]: axis for number, axis in self.rows.items() if number in position}
        picked_by = {
            position[number]: replace(by, tensor=position[by.tensor])
            for number, by in self.picked_by.items()
            if number in position
        }
        left_out = tuple(results[index].id for index in numbers)
        return replace(self, each=each, joined=joined, left_out=left_out, rows=rows, picked_by=picked_by)

    def seen(self, samples: Sequence[ValidationSample]) -> "Outputs":
        """The same outputs with facts that only values show: images, choices, and columns that differ in scale.

        Args:
            samples: Samples with the float model's outputs. Without any, no output is an image or makes a choice.
        """
        return replace(self, each=tuple(self._seen(it, samples) for it in self.each))

    def _seen(self, it: Output, samples: Sequence[ValidationSample]) -> Output:
        names = list(samples[0].feed) if samples else []
        given = {number: [each.outputs[number] for each in samples] for number in it.tensors}
        first = given[it.tensors[0]]
        joined = [number for number in it.tensors if number in self.joined]
        parts = (self._without_rows(part) for number in joined for part in find_parts(number, given[number]))
        it = replace(it, parts=tuple(part for part in parts if part)).seen_in(first)
        if it.kind is OutputKind.VALUES and are_score_logits(first, self._others(it, samples)):
            return replace(it, parts=(Probabilities(it.tensors[0]),))
        if it.kind is OutputKind.IMAGE:
            pairs = (zip([each.feed[name] for each in samples], first, strict=True) for name in names)
            if any(is_picture_of(list(each)) for each in pairs):
                return replace(it, choice=None)
            it = replace(it, kind=OutputKind.VALUES)
        if not (it.choice and it.choice.is_guess):
            return it
        is_map = it.kind is not OutputKind.CLASSES
        is_choice = chooses_for_pixels(first, it.choice.axis) if is_map else bool(first) and not are_features(first)
        return replace(it, kind=OutputKind.CLASSES) if is_choice else replace(it, kind=OutputKind.VALUES, choice=None)

    def _without_rows(self, part: Part) -> Part | None:
        """The part, without a choice if its rows are in ascending order; None if it is made of picked rows."""
        if self.rows.get(part.tensor) == part.axis:
            return None
        return replace(part, choice=None) if part.tensor in self.ascending else part

    def _others(self, it: Output, samples: Sequence[ValidationSample]) -> list[Array]:
        """The other outputs of the first sample."""
        return [samples[0].outputs[each.tensors[0]] for each in self.each if each is not it] if samples else []

    def without(self, random: Collection[int]) -> "Outputs":
        """The same outputs, marked as random if they are made of some tensors."""
        each = (
            replace(it, kind=OutputKind.RANDOM, choice=None, parts=()) if set(it.tensors) & set(random) else it
            for it in self.each
        )
        return replace(self, each=tuple(each))

    def tapped(self, graph: Graph) -> Graph:
        """A copy of the model, or of its changed form, with the taps as last outputs; itself if there are no taps."""
        if not self.taps:
            return graph
        copy = graph.copy()
        self.attach(copy)
        return copy

    def attach(self, graph: Graph) -> None:
        """Makes the taps the last outputs of a graph, and removes the results that are left out."""
        for each in self.taps:
            tap(InPort(Node(graph, each.node.id), each.index).source, name=_NAME)
        self.leave_out(graph)

    def leave_out(self, graph: Graph) -> None:
        """Removes the results that are left out of a graph, and what only they read."""
        for result in [Node(graph, id_) for id_ in self.left_out]:
            source = result.source().node
            graph.remove(result)
            graph.prune(source)


def find_outputs(graph: Graph) -> Outputs:
    """The outputs of a float model as far as its graph shows: images are unconfirmed (see `Outputs.seen`).

    An output is compared in front of a selection only if the selection decides it (see `Selections`). If layers compute
    it from what was selected, for example by a router of experts, it is compared itself.
    """
    results, decisions = graph.in_file_order("Result"), Decisions(graph)
    selections = Selections(graph, decisions)
    taps: dict[InPort, int] = {}
    found: list[Output] = []
    for index, result in enumerate(results):
        ports, is_picked = selections.of(result), selections.rows_of(result.source()) is not None
        choice = None if ports or is_picked else choice_of(result.source(), is_alone=len(results) == 1)
        kind = OutputKind.VALUES if is_picked else _kind(result, graph, choice)
        kind = OutputKind.DETECTIONS if ports else kind
        if not ports and kind is not OutputKind.IMAGE and (ports := decisions.of(result.source())):
            kind, choice = OutputKind.DECISIONS, None
        lengths = [] if ports else decisions.of_lengths(result)
        for port in (*ports, *lengths):
            taps.setdefault(port, len(results) + len(taps))
        numbers = [taps[port] for port in (*ports, *lengths)]
        of_elements = not ports and unmoved(result.source()).node.type == "Sigmoid"
        tensors = tuple(numbers if ports else [index, *numbers])
        found.append(Output(_name(result), kind, tensors, choice, has_probabilities=of_elements))
    compared = list(enumerate([*(result.source() for result in results), *(port.source for port in taps)]))
    rows = {number: it for number, tensor in compared if (it := selections.rows_of(tensor)) is not None}
    picked_by = dict[int, PickedBy]()
    for number, tensor in compared:
        indices = selections.indices_of(rows[number]) if number in rows else None
        if indices and _are_numbered(tensor, rows[number].axis, indices):
            place = taps.setdefault(indices, len(results) + len(taps))
            picked_by[number] = PickedBy(place, index_axis(indices.node))
    joined = frozenset(number for number, tensor in compared if is_joined(tensor))
    axes = {number: it.axis for number, it in rows.items()}
    return Outputs(tuple(found), tuple(taps), joined, rows=axes, picked_by=picked_by)


def _are_numbered(tensor: OutPort, axis: int, indices: InPort) -> bool:
    """Whether there is an index for each row: of each item of the batch on its own if there are several."""
    if index_axis(indices.node) > 1:
        return False
    batch = indices.source.shape[: index_axis(indices.node)]
    return batch in ((), (1,)) or (axis > 0 and batch == tensor.shape[:1])


def _name(result: Node) -> str:
    """The name of the output in the file that the model came from, which converters put first in that of the Result."""
    names = result.source().names
    own = result.name.partition("/sink_port_")[0]
    if own in names:
        return own
    return names[0] if names else result.source().node.name


def _kind(result: Node, graph: Graph, choice: Choice | None) -> OutputKind:
    tensor = result.source()
    if choice and (not choice.is_guess or len(tensor.shape) == 2):
        return OutputKind.CLASSES
    if unmoved(tensor).node.type in _PROBABILITIES or keeps_an_input(result):
        return OutputKind.VALUES
    inputs = [node.output().shape for node in graph.in_file_order("Parameter")]
    return OutputKind.IMAGE if any(may_be_picture(tensor.shape, each) for each in inputs) else OutputKind.VALUES
