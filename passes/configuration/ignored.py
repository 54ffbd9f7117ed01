"""What the user wants to stay float: by name, by glob, by regular expression, or by op type and attributes."""

import difflib
import fnmatch
import re
from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, field_validator

from ...ir import Graph, Node
from .strict import Strict

_REGEX = "re:"
#: How the reasons begin for which something stays float because the user says so.
BY_USER = "you ignore "


def _joined(item: Any) -> Any:
    """The published tool writes the way into a body as a list of names."""
    return "|".join(map(str, cast(list[object], item))) if isinstance(item, list) else item


class IgnoredType(Strict):
    """Operations of a type, optionally with certain attributes.

    Attributes:
        type: The op type as the .xml spells it. As in the published tool, `Convolution` means those with groups, too.
        attributes: Attributes that must have these values.
    """

    type: str
    attributes: Mapping[str, Any] = Field(default_factory=dict[str, Any])

    def fits(self, node: Node) -> bool:
        """Whether the entry speaks of this node."""
        if node.type != self.type and (self.type, node.type) != ("Convolution", "GroupConvolution"):
            return False
        return all(_spelt(value) == _found(node, name) for name, value in self.attributes.items())

    def __str__(self) -> str:
        """For messages."""
        values = ", ".join(f"{name}={_spelt(value)}" for name, value in self.attributes.items())
        return f"operations of type {self.type}{f' with {values}' if values else ''}"


def _spelt(value: Any) -> str:
    """A value as an attribute of the .xml, without spaces and case."""
    text = ",".join(map(str, cast(list[object], value))) if isinstance(value, (list, tuple)) else str(value)
    return text.lower().replace(" ", "")


def _found(node: Node, name: str) -> str | None:
    if name == "group" and node.type == "GroupConvolution":  # a dimension of the weights in this format
        return _spelt(node.source(1).shape[0])
    value = node.attributes.get(name)
    return None if value is None else _spelt(value)


class Ignored(Strict):
    """What stays float because the user says so.

    Attributes:
        scope: Names of operations, in a body behind those of what is around it ("if|conv"); with `*`, `?` or `[` a
            glob; after `re:` a regular expression for the whole name.
        operations: Types of operations.
        skip_model: Everything.
    """

    scope: Annotated[tuple[Annotated[str, BeforeValidator(_joined)], ...], Field(strict=False)] = ()
    operations: Annotated[tuple[IgnoredType, ...], Field(strict=False)] = ()
    skip_model: bool = False

    @field_validator("scope")
    @classmethod
    def _regexes_compile(cls, scope: tuple[str, ...]) -> tuple[str, ...]:
        for item in scope:
            if item.startswith(_REGEX):
                try:
                    re.compile(item.removeprefix(_REGEX))
                except re.error as error:
                    message = f"'{item}' is no regular expression: {error}"
                    raise ValueError(message) from None
        return scope

    def reasons(self, graph: Graph) -> tuple[dict[Node, str], list[str]]:
        """The nodes that are ignored, each with the rule that hit it; and a warning for each rule that hit nothing."""
        names = {
            node: f"{prefix}{node.name}"
            for prefix, each in graph.walk_named()
            for node in each.in_file_order()
            if node.type != "Const"
        }
        found: dict[Node, str] = {}
        warnings: list[str] = []
        for item in self.scope:
            hits = _named(item, names)
            found |= dict.fromkeys(hits, f"{BY_USER}'{item}'")
            known = [] if item.startswith(_REGEX) else list(names.values())
            warnings += [] if hits else [_no_hit(f"'{item}'", item, known)]
        for operation in self.operations:
            hits = [node for node in names if operation.fits(node)]
            found |= dict.fromkeys(hits, f"{BY_USER}{operation}")
            warnings += [] if hits else [_no_hit(str(operation), operation.type, [node.type for node in names])]
        if self.skip_model:
            found |= dict.fromkeys(names, f"{BY_USER}the whole model")
        return found, warnings


def _named(item: str, names: Mapping[Node, str]) -> list[Node]:
    """The nodes that an item of a scope means: exactly that name before all, since names may look like globs."""
    if item.startswith(_REGEX):
        pattern = re.compile(item.removeprefix(_REGEX))
        return [node for node, name in names.items() if pattern.fullmatch(name)]
    exact = [node for node, name in names.items() if name == item]
    if exact or not any(mark in item for mark in "*?["):
        return exact
    pattern = re.compile(fnmatch.translate(item))
    return [node for node, name in names.items() if pattern.match(name)]


def _no_hit(rule: str, wanted: str, known: list[str]) -> str:
    close = difflib.get_close_matches(wanted, dict.fromkeys(known), n=1)
    hint = f"; did you mean '{close[0]}'?" if close and close[0] != wanted else ""
    return f"ignored: {rule} hits no operation of the model{hint}"
