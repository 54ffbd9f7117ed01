"""The lines of values in a YAML file."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml


class Lines:
    """The lines of one YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """

    def __init__(self, text: str) -> None:
        self._root: Any = yaml.compose(text, yaml.SafeLoader)

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

    def repeated(self) -> Iterator[tuple[int, str]]:
        """Repeated keys in one mapping, where YAML takes the last: the line of the repetition, and the key."""
        for node in self._nodes():
            known = set[str]()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if key.value in known:
                    yield key.start_mark.line + 1, str(key.value)
                known.add(str(key.value))

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
            if isinstance(node, yaml.MappingNode):
                waiting += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                waiting += node.value
