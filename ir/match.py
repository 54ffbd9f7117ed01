"""The result of matching a pattern: the parts in the graph, or where and why the pattern does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from .errors import IRError, printable
from .folding import folded
from .graph import InPort, Node, OutPort
from .layer import Array

T = TypeVar("T")
_SHOWN = 3


class Part(Generic[T]):
    """A part of a pattern, as a key; its value in a match is a `T`."""


@dataclass(frozen=True)
class Miss:
    """Why a pattern does not match, at the furthest place of the attempt.

    Attributes:
        found: A layer, and what it is or reads, as the first half of a sentence.
        expected: What would match there, in any alternative.
    """

    found: str
    expected: tuple[str, ...]

    def __bool__(self) -> Literal[False]:
        return False

    @property
    def reason(self) -> str:
        """What was found and what was expected: "'add': input 1 is Parameter 'y', expected Const"."""
        return f"{self.found}, expected {' or '.join(self.expected)}"


@dataclass(frozen=True)
class Place:
    """A tensor, and the input that reads it; None at the start of a search."""

    tensor: OutPort
    reader: InPort | None = None

    def __str__(self) -> str:
        node = self.tensor.node
        if self.reader is None:
            return f"{_quoted(node)} is {node.type}"
        return f"{_quoted(self.reader.node)}: input {self.reader.index} is {told(node)}"


@dataclass(frozen=True, eq=False)
class Match:
    """The parts of a pattern in a graph: `found[part]` is the node, or the tensor, of a part.

    Attributes:
        depth: The number of matched steps; the miss with the largest depth gives the reason.
    """

    _values: Mapping[Part[Any], Any]
    _places: Mapping[Part[Any], Place]
    depth: int = 0

    def __bool__(self) -> Literal[True]:
        return True

    def __getitem__(self, part: Part[T]) -> T:
        value: T = self._values[part]
        return value

    def get(self, part: Part[T]) -> T | None:
        """The value of `found[part]`; None for a part of an unused alternative."""
        return self._values.get(part)

    def place(self, part: Part[Any]) -> Place:
        """The place of a part."""
        return self._places[part]

    def input(self, part: Part[Any]) -> InPort:
        """The input that reads a part; the whole pattern has none."""
        reader = self._places[part].reader
        assert reader is not None, "nothing in the pattern reads the whole"
        return reader

    def value(self, part: Part[Any]) -> Array:
        """The value of a constant part as its reader gets it: of a Const, or of a chain of Converts behind one.

        Raises:
            IRError: the part is not constant.
        """
        tensor = self._places[part].tensor
        if (value := folded(tensor, unpack=True)) is None:
            message = f"{tensor.node} has no value: expected a Const, or operations that convert or move one"
            raise IRError(message)
        return value

    def with_part(self, part: Part[T], value: T, place: Place) -> "Match":
        """A copy with one more part."""
        return Match({**self._values, part: value}, {**self._places, part: place}, self.depth + 1)

    def deeper(self, steps: int) -> "Match":
        """A copy with a larger depth: this many steps closer to the whole pattern."""
        return replace(self, depth=self.depth + steps)


class Search:
    """Keeps the miss with the largest depth; of equal ones, the first."""

    def __init__(self) -> None:
        self.miss, self._depth = Miss("the pattern has no such part", ("one of its own",)), -1

    def missed(self, place: Place, match: Match, expected: str) -> None:
        """Records that something else was expected at a place."""
        if match.depth >= self._depth:
            self._note(str(place), expected, is_further=match.depth > self._depth)
            self._depth = match.depth

    def missed_reader(self, tensor: OutPort, expected: str) -> None:
        """Records, during a search for the start of a match, that no suitable node reads a tensor; later is further."""
        if self._depth < 0:
            found = f"{_quoted(tensor.node)} is read by {readers(tensor)}"
            self._note(found, expected, is_further=found != self.miss.found)

    def _note(self, found: str, expected: str, *, is_further: bool) -> None:
        if is_further:
            self.miss = Miss(found, (expected,))
        elif found == self.miss.found:
            self.miss = Miss(found, tuple(dict.fromkeys((*self.miss.expected, expected))))


def readers(tensor: OutPort) -> str:
    """The readers of a tensor, as text."""
    found = [told(port.node) for port in tensor.consumers]
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return " and ".join([*found[:_SHOWN], *more]) or "nobody"


def told(node: Node) -> str:
    """A node as text: "ReLU 'relu_1'"."""
    return f"{node.type} {_quoted(node)}"


def _quoted(node: Node) -> str:
    return f"'{printable(node.name)}'"
