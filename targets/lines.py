"""A YAML text: the lines of its values, and the values. Reading it needs bounded time and memory."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

#: The most values that a text may stand for, and the most characters of a number in it.
_MOST_VALUES, _MOST_DIGITS = 1_000_000, 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def why_too_long(number: str) -> str:
    """Why the text of a number is not read: Python takes long for many digits; empty if it is short enough."""
    is_short = len(number) <= _MOST_DIGITS
    return "" if is_short else f"a number of {len(number):,} characters, expected {_MOST_DIGITS} or less"


class YamlMistake(yaml.YAMLError):
    """A text is not YAML; the message is one line with the place, which the parser's own is not.

    Attributes:
        line: The line, from 1, or None.
        problem: What is wrong, without the place.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}, column {column}: {problem}")
        self.problem, self.line = problem, line


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except RecursionError:
        message = "it is nested too deeply"
        raise YamlMistake(message) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        is_half = str(error.problem).startswith("but ")  # "expected a single document, but found another"
        problem = f"{error.context}, {error.problem}" if is_half else error.problem or error.context
        raise YamlMistake(str(problem), *((mark.line + 1, mark.column + 1) if mark else ())) from None
    except yaml.reader.ReaderError as error:
        message = f"the text holds the character {chr(error.character)!r}, which YAML does not allow"
        raise YamlMistake(message) from None


class Lines:
    """The lines of one YAML text.

    Raises:
        YamlMistake: the text is not YAML, or is nested too deeply.
    """

    def __init__(self, text: str) -> None:
        with _told():
            self._root: Any = yaml.compose(text, yaml.SafeLoader)
            self._refuse_expansion()

    def content(self) -> Any:
        """What the text holds, as plain values.

        Raises:
            YamlMistake: a value is none of its type.
        """
        if self._root is None:
            return None
        with _told():
            constructor: Any = _Constructor("")
            return constructor.construct_document(self._root)

    def _refuse_expansion(self) -> None:
        """Refuses aliases that stand for more than any file says, or for themselves."""
        sizes: dict[int, int] = {}

        def size(node: Any) -> int:
            if id(node) not in sizes:
                sizes[id(node)] = _MOST_VALUES + 1  # where it is met inside itself
                sizes[id(node)] = 1 + sum(map(size, _children(node)))
            return sizes[id(node)]

        if size(self._root) > _MOST_VALUES:
            message = f"its aliases stand for more than {_MOST_VALUES:,} values"
            raise YamlMistake(message)

    def of(self, location: Sequence[int | str]) -> int:
        """The line, from 1, of the deepest existing part of a location."""
        node = self._root
        line: int = node.start_mark.line if node else 0
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        return line + 1

    def repeated(self) -> Iterator[tuple[int, str, int]]:
        """Repeated keys in one mapping, where YAML takes the last: line of the repetition, key, line of the first."""
        for node in self._nodes():
            known: dict[str, int] = {}
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and key.value in known:
                    yield line, str(key.value), known[key.value]
                known.setdefault(str(key.value), line)

    def lost(self) -> Iterator[tuple[int, str]]:
        r"""Backslashes in double quotes that give unprintable characters, as in "C:\new": line, message."""
        for node in self._nodes():
            if isinstance(node, yaml.ScalarNode) and node.style == '"' and not node.value.isprintable():
                written = node.value.encode("unicode_escape").decode()
                message = f'"{written}": a backslash between double quotes is an escape; put single quotes around paths'
                yield node.start_mark.line + 1, message

    def _nodes(self) -> Iterator[Any]:
        """All values, each once."""
        waiting, seen = [self._root], set[int]()
        while waiting:
            node = waiting.pop()
            if node is None or id(node) in seen:  # an alias may lead to a visited node
                continue
            seen.add(id(node))
            yield node
            waiting += _children(node)


def _children(node: Any) -> list[Any]:
    """The values right below one."""
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Constructor(yaml.SafeLoader):
    """Makes values of nodes; whatever Python says of one that it refuses is told with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of one node.

        Raises:
            yaml.YAMLError: it is none of its type.
        """
        if node.tag in _NUMBERS and (message := why_too_long(node.value)):
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        base: Any = super()
        try:
            return base.construct_object(node, deep)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            message = f"{str(node.value)[:40]!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error
