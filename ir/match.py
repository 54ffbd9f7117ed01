"""What comes of matching a pattern: what its parts are in a graph, or where and why the pattern does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from .errors import printable
from .graph import InPort, Node, OutPort

T = TypeVar("T")
_SHOWN = 3


class Part(Generic[T]):
    """The name of a part of a pattern; in a match it is a `T`."""


@dataclass(frozen=True)
class Miss:
    """Why a pattern does not match, at the place where it came furthest.

    Attributes:
        found: A layer, and what it is or reads, as half a sentence.
        expected: What would match in its place, by any alternative.
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
    """A tensor, and the input that reads it; None where a search begins."""

    tensor: OutPort
    reader: InPort | None = None

    def __str__(self) -> str:
        node = self.tensor.node
        if self.reader is None:
            return f"{_quoted(node)} is {node.type}"
        return f"{_quoted(self.reader.node)}: input {self.reader.index} is {told(node)}"


@dataclass(frozen=True, eq=False)
class Match:
    """What the parts of a pattern are in a graph: `found[part]` is the node, or the tensor, that a part stands for.

    Attributes:
        depth: How many steps the pattern was followed; the reason for a miss is taken where that was furthest.
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
        """What `found[part]` is; None for a part of an alternative that was not taken."""
        return self._values.get(part)

    def place(self, part: Part[Any]) -> Place:
        """Where a part is."""
        return self._places[part]

    def input(self, part: Part[Any]) -> InPort:
        """The input through which the pattern came to a part; the whole has none."""
        reader = self._places[part].reader
        assert reader is not None, "nothing in the pattern reads the whole"
        return reader

    def with_part(self, part: Part[T], value: T, place: Place) -> "Match":
        """The same with one more part."""
        return Match({**self._values, part: value}, {**self._places, part: place}, self.depth + 1)

    def deeper(self, steps: int) -> "Match":
        """The same, so many steps nearer to the whole: how near counts for which miss is told."""
        return replace(self, depth=self.depth + steps)


class Search:
    """Keeps the miss that came furthest; of several that came as far, the first."""

    def __init__(self) -> None:
        self.miss, self._depth = Miss("the pattern has no such part", ("one of its own",)), -1

    def missed(self, place: Place, match: Match, expected: str) -> None:
        """Notes that something else was expected at a place."""
        if match.depth >= self._depth:
            self._note(str(place), expected, is_further=match.depth > self._depth)
            self._depth = match.depth

    def missed_reader(self, tensor: OutPort, expected: str) -> None:
        """Notes, on the way to where a match may begin, that nothing of use reads a tensor; the later, the further."""
        if self._depth < 0:
            found = f"{_quoted(tensor.node)} is read by {readers(tensor)}"
            self._note(found, expected, is_further=found != self.miss.found)

    def _note(self, found: str, expected: str, *, is_further: bool) -> None:
        if is_further:
            self.miss = Miss(found, (expected,))
        elif found == self.miss.found:
            self.miss = Miss(found, tuple(dict.fromkeys((*self.miss.expected, expected))))


def readers(tensor: OutPort) -> str:
    """Who reads a tensor, in words."""
    found = [told(port.node) for port in tensor.consumers]
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return " and ".join([*found[:_SHOWN], *more]) or "nobody"


def told(node: Node) -> str:
    """A node in words: "ReLU 'relu_1'"."""
    return f"{node.type} {_quoted(node)}"


def _quoted(node: Node) -> str:
    return f"'{printable(node.name)}'"
