"""Patterns of operations, written as the expression that they match.

    x, shift = any_tensor(), const()
    conv = op("Convolution", x, const())
    biased = op("Add", conv.read_once(), shift).commutative()

    if found := biased.match(node):
        found[conv], found[x], found.input(shift)    # a Node, an OutPort, the InPort that takes the constant
    else:
        found.reason                                 # "'add': input 1 is Parameter 'y', expected Const"

A pattern is also its key in a match: a type checker knows the type of `found[conv]`. A part that is used twice is the
same tensor both times. A part that may be missing is an alternative: in a match of `relu | conv` with `relu =
op("ReLU", conv)`, `found.get(relu)` is the ReLU or None. All combinations are tried, inputs from left to right, and the
first match counts.

An FP16 model has a Convert behind each constant. `chain(("Convert",), const())` matches both forms, and
`found.value(part)` is the value that the reader gets.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .graph import Node, OutPort
from .match import Match, Miss, Part, Place, Search, readers, told

T = TypeVar("T")
S = TypeVar("S", Node, OutPort)


class Pattern(ABC, Part[T]):
    """A pattern for a tensor. `T` is its type in a match: a Node, an OutPort, or the tensors of a chain.

    `any_tensor`, `op`, `const` and `chain` make patterns, and methods make them narrower or wider. A pattern is also
    its key in a match; a pattern that is used twice is the same tensor both times.
    """

    def match(self, node: Node) -> Match | Miss:
        """Matches a node, and backwards its inputs.

        Args:
            node: The node for the whole pattern.

        Returns:
            The first match, which is true, or a miss, which is false and has a `reason` in words.
        """
        search = Search()
        return next(self._all([OutPort(node, 0)], Match({}, {}), search), None) or search.miss

    def match_around(self, part: "Pattern[S]", value: S) -> Match | Miss:
        """Matches forwards: the first match around a given node or tensor.

        Args:
            part: A part of this pattern.
            value: The node or tensor for that part.

        Returns:
            A match or a miss, like `match`.
        """
        search = Search()
        tensor = value if isinstance(value, OutPort) else value.output()
        start = Place(tensor)
        found = self._all(self._roots(part, tensor, search), Match({part: value}, {part: start}), search)
        return next((each for each in found if each.place(part) is not start), None) or search.miss

    def where(self, holds: Callable[[T], bool], expected: str) -> "Pattern[T]":
        """A narrower pattern with a condition. `expected` describes what fits: "a matrix"."""
        return _Checked(self, lambda match, _: None if holds(match[self]) else expected)

    def provided(self, holds: Callable[[Match], bool], expected: str) -> "Pattern[T]":
        """A narrower pattern with a condition on it and the parts above it."""
        return _Checked(self, lambda match, _: None if holds(match) else expected)

    def read_once(self) -> "Pattern[T]":
        """A narrower pattern: nothing else reads the tensor, so it may be changed for this reader."""
        return _Checked(self, lambda _, place: _why_shared(place.tensor))

    def __or__(self, other: "Pattern[T]") -> "Pattern[T]":
        """An alternative: this pattern, or else the other one."""
        return _Either((self, other))

    def _all(self, roots: Iterable[OutPort], known: Match, search: Search) -> Iterator[Match]:
        return (match for tensor in roots for match in self._matches(Place(tensor), known, search))

    def _bound(self, value: T, place: Place, match: Match, search: Search) -> Iterator[Match]:
        """The match with this part added; nothing if it already has another value."""
        known = match.get(self)
        if known is None or known == value:
            yield match.with_part(self, value, place)
        else:
            search.missed(place, match, f"{told(match.place(self).tensor.node)} as in another place")

    @abstractmethod
    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        """All matches of a tensor that are consistent with the parts so far."""

    @abstractmethod
    def _seems(self, tensor: OutPort, match: Match) -> bool:
        """Whether a tensor may match, without a check of its inputs."""

    @abstractmethod
    def _roots(self, part: "Pattern[Any]", tensor: OutPort, search: Search) -> Iterator[OutPort]:
        """The tensors below that may match, by their types, if a part is a given tensor."""


@dataclass(frozen=True, eq=False)
class _Tensor(Pattern[OutPort]):
    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        yield from self._bound(place.tensor, place, match, search)

    def _seems(self, tensor: OutPort, match: Match) -> bool:
        return match.get(self) in (None, tensor)

    def _roots(self, part: Pattern[Any], tensor: OutPort, search: Search) -> Iterator[OutPort]:
        yield from [tensor] if part is self else []


@dataclass(frozen=True, eq=False)
class Op(Pattern[Node]):
    """An operation of one of several types, with patterns for its first inputs; further inputs do not matter."""

    types: tuple[str, ...]
    operands: tuple[Pattern[Any], ...]

    def commutative(self) -> Pattern[Node]:
        """A wider pattern: its two operands in either order."""
        assert len(self.operands) == 2, "two operands have two orders"
        return self | replace(self, operands=self.operands[::-1])

    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        node = place.tensor.node
        if node.type not in self.types:
            search.missed(place, match, " or ".join(self.types))
        elif len(node.inputs) < len(self.operands):
            search.missed(place, match, f"{node.type} with {len(self.operands)} inputs")
        else:
            seeming = sum(each._seems(node.source(k), match) for k, each in enumerate(self.operands))
            for found in self._bound(node, place, match.deeper(seeming), search):
                yield from self._from_input(0, node, found, search)

    def _from_input(self, index: int, node: Node, match: Match, search: Search) -> Iterator[Match]:
        if index == len(self.operands):
            yield match
            return
        port = node.input(index)
        for found in self.operands[index]._matches(Place(port.source, port), match, search):
            yield from self._from_input(index + 1, node, found, search)

    def _seems(self, tensor: OutPort, match: Match) -> bool:
        return tensor.node.type in self.types and match.get(self) in (None, tensor.node)

    def _roots(self, part: Pattern[Any], tensor: OutPort, search: Search) -> Iterator[OutPort]:
        if part is self:
            yield tensor
            return
        for below in (each for operand in self.operands for each in operand._roots(part, tensor, search)):
            found = _results(below, self.types)
            if not found:
                search.missed_reader(below, " or ".join(self.types))
            yield from found


@dataclass(frozen=True, eq=False)
class _Chain(Pattern[tuple[OutPort, ...]]):
    types: tuple[str, ...]
    start: Pattern[Any]
    longest: int | None
    by_any_input: bool

    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        ways: list[tuple[Place, Match, tuple[OutPort, ...]]] = [(place, match, (place.tensor,))]
        while ways:
            here, known, tensors = ways.pop()
            for found in self.start._matches(here, known, search):
                yield from self._bound(tensors, place, found, search)
            node = here.tensor.node
            if node.type in self.types and (self.longest is None or len(tensors) <= self.longest):
                ports = node.inputs if self.by_any_input else node.inputs[:1]
                above = [Place(port.source, port) for port in reversed(ports)]
                ways += [(each, known.deeper(1), (each.tensor, *tensors)) for each in above]

    def _seems(self, tensor: OutPort, match: Match) -> bool:
        return tensor.node.type in self.types or self.start._seems(tensor, match)

    def _roots(self, part: Pattern[Any], tensor: OutPort, search: Search) -> Iterator[OutPort]:
        waiting, seen = [*self.start._roots(part, tensor, search)], set[OutPort]()
        while waiting:
            below = waiting.pop()
            if below not in seen:
                seen.add(below)
                yield below
                waiting += _results(below, self.types)


@dataclass(frozen=True, eq=False)
class _Either(Pattern[T]):
    alternatives: tuple[Pattern[T], ...]

    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        for each in self.alternatives:
            for found in each._matches(place, match, search):
                yield from self._bound(found[each], place, found, search)

    def _seems(self, tensor: OutPort, match: Match) -> bool:
        return any(each._seems(tensor, match) for each in self.alternatives)

    def _roots(self, part: Pattern[Any], tensor: OutPort, search: Search) -> Iterator[OutPort]:
        if part is self:
            yield tensor
            return
        for each in self.alternatives:
            yield from each._roots(part, tensor, search)


@dataclass(frozen=True, eq=False)
class _Checked(Pattern[T]):
    pattern: Pattern[T]
    expected: Callable[[Match, Place], str | None]

    def _matches(self, place: Place, match: Match, search: Search) -> Iterator[Match]:
        for found in self.pattern._matches(place, match, search):
            if expected := self.expected(found, place):
                search.missed(place, found, expected)
            else:
                yield from self._bound(found[self.pattern], place, found, search)

    def _seems(self, tensor: OutPort, match: Match) -> bool:
        return self.pattern._seems(tensor, match)

    def _roots(self, part: Pattern[Any], tensor: OutPort, search: Search) -> Iterator[OutPort]:
        yield from [tensor] if part is self else self.pattern._roots(part, tensor, search)


def any_tensor() -> Pattern[OutPort]:
    """Any tensor.

    Returns:
        A pattern; a match has an output port for it.
    """
    return _Tensor()


def op(types: str | tuple[str, ...], *operands: Pattern[Any]) -> Op:
    """An operation of that type, or of one of several.

    Args:
        types: The type, or the types.
        operands: Patterns for its first inputs; further inputs do not matter.

    Returns:
        A pattern; a match has a node for it. With two operands, its `commutative()` takes them in either order.
    """
    return Op((types,) if isinstance(types, str) else types, operands)


def const() -> Op:
    """A constant; `where` adds a condition: `const().where(lambda node: node.elements == 1, "a single number")`.

    Returns:
        A pattern; a match has a node for it.
    """
    return op("Const")


def chain(
    types: tuple[str, ...], start: Pattern[Any], *, longest: int | None = None, by_any_input: bool = False
) -> Pattern[tuple[OutPort, ...]]:
    """Any number of operations of these types, or none, behind a start.

    Args:
        types: The types of operations in the chain.
        start: The pattern for the start of the chain.
        longest: The largest number of operations; default: any number.
        by_any_input: Whether the chain may enter an operation by any input; default: only by the first.

    Returns:
        A pattern; a match has the tensors of the chain for it: first that of `start`, last the output of the chain.
    """
    return _Chain(types, start, longest, by_any_input)


def _results(tensor: OutPort, types: tuple[str, ...]) -> list[OutPort]:
    """The outputs of operations of these types that read a tensor; one without outputs counts with output 0."""
    found = [port.node for port in tensor.consumers if port.node.type in types]
    return [each for node in found for each in node.outputs or [OutPort(node, 0)]]


def _why_shared(tensor: OutPort) -> str | None:
    """The expectation that fails for a tensor with several readers, or none."""
    return None if len(tensor.consumers) == 1 else f"a single reader, not {readers(tensor)}"
