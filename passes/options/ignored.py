"""The user's choice of layers that stay float: by name, glob, regular expression, or op type and attributes."""

import fnmatch
import glob
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ...ir import Graph, Node
from ...ir.ops import LAYER_TYPES, layer_of_tail
from ...ir.suggestions import closest, did_you_mean, near
from .strict import Strict

_REGEX = "re:"
#: What makes a pattern of a name: an escaped character stays.
_META = re.compile(r"\\(.)|[.*+?^$()\[\]{}|]")
#: The most names that a warning about a regular expression shows.
_SHOWN = 3
#: The suffix that the ONNX converter appends to the name of a layer if the Add of its bias takes the name.
_SPLIT = "/WithoutBiases"
#: What NNCF calls its parts, and what they are here.
_OF_SCOPE = {
    **dict.fromkeys(("type", "types"), 'did you mean \'operations\'? write {"operations": [{"type": "MatMul"}]}'),
    **dict.fromkeys(("name", "names"), "did you mean 'scope'? it takes names and globs"),
    **dict.fromkeys(("pattern", "patterns"), "did you mean 'scope'? it takes regular expressions after 're:'"),
}
#: The most channels of a depthwise convolution that is written dense.
MOST_DENSE = 16
#: The start of the reasons why nodes stay float by the user's choice.
BY_USER = "you ignore "


def _joined(item: Any) -> Any:
    """The scope as one text: the published tool writes the path into a body as a list of names.

    Raises:
        ValueError: it is an operation of the runtime instead of its name.
    """
    if hasattr(item, "get_friendly_name"):
        message = f"it is an operation; write its name, {item.get_friendly_name()!r}, which get_friendly_name() gives"
        raise ValueError(message)
    return "|".join(map(str, cast(list[object], item))) if isinstance(item, list) else item


def _names(given: Any) -> list[Any]:
    """Names where a section was expected."""
    listed = [given] if isinstance(given, str) else given
    return [*cast(Iterable[Any], listed)] if isinstance(listed, (list, tuple)) else []


class IgnoredType(Strict):
    """Operations of a type, optionally with certain attributes.

    Attributes:
        type: The op type as in the .xml. As in the published tool, `Convolution` includes convolutions with groups.
        attributes: Attributes that must have these values.
    """

    type: str
    attributes: Mapping[str, Any] = Field(default_factory=dict[str, Any])

    def fits(self, node: Node) -> bool:
        """Whether the entry matches a node."""
        type_ = "GroupConvolution" if _groups(node) else node.type
        if type_ != self.type and (self.type, type_) != ("Convolution", "GroupConvolution"):
            return False
        return all(_spelt(value) == _found(node, name) for name, value in self.attributes.items())

    def __str__(self) -> str:
        """The entry in messages."""
        return self.text("operations of type {}")

    def text(self, form: str) -> str:
        """The entry in messages, with its type in a form of words."""
        values = ", ".join(f"{name}={_spelt(value)}" for name, value in self.attributes.items())
        return f"{form.format(self.type)}{f' with {values}' if values else ''}"


def _spelt(value: Any) -> str:
    """A value as an attribute of the .xml, without spaces and in lower case."""
    text = ",".join(map(str, cast(list[object], value))) if isinstance(value, (list, tuple)) else str(value)
    return text.lower().replace(" ", "")


def _found(node: Node, name: str) -> str | None:
    if name == "group" and (groups := _groups(node)):  # a dimension of the weights in this format
        return _spelt(groups)
    value = node.attributes.get(name)
    return None if value is None else _spelt(value)


def _groups(node: Node) -> int:
    """The groups of a convolution, also of a depthwise one that `densify-depthwise` has written dense; 0: none."""
    if node.type == "GroupConvolution":
        return node.source(1).shape[0]
    if node.type != "Convolution" or (weights := node.source(1).node).type != "Const":
        return 0
    results, channels = weights.output().shape[:2]
    if results != channels or not 1 < channels <= MOST_DENSE:
        return 0
    return 0 if np.any(weights.array[~np.eye(channels, dtype=bool)]) else channels


class Ignored(Strict):
    """The user's choice of layers that stay float.

    Attributes:
        scope: Names of operations, in this model or in the source framework; in a body, after the names of the
            operations around it ("if|conv"); with `*`, `?` or `[` a glob; after `re:` a regular expression for the
            whole name. The name of a layer's bias means the layer.
        operations: Types of operations.
        skip_model: Whether the whole model stays float.
    """

    scope: Annotated[tuple[Annotated[str, BeforeValidator(_joined)], ...], Field(strict=False)] = ()
    operations: Annotated[tuple[IgnoredType, ...], Field(strict=False)] = ()
    skip_model: bool = False

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """What to write instead of a part of NNCF's `IgnoredScope`."""
        return _OF_SCOPE.get(name, "")

    @model_validator(mode="before")
    @classmethod
    def _is_section(cls, given: Any) -> Any:
        if names := _names(given):
            message = f'names of layers go into "scope": write {{"scope": {names!r}}}'
            raise ValueError(message)
        return given

    @field_validator("scope")
    @classmethod
    def _regexes_compile(cls, scope: tuple[str, ...]) -> tuple[str, ...]:
        for item in scope:
            if item.startswith(_REGEX):
                try:
                    re.compile(item.removeprefix(_REGEX))
                except re.error as error:
                    message = f"'{item}' is not a regular expression: {error}"
                    raise ValueError(message) from None
        return scope

    def joined(self, other: Self) -> Self:
        """The rules of both."""
        both = {
            "scope": (*self.scope, *other.scope),
            "operations": (*self.operations, *other.operations),
            "skip_model": self.skip_model or other.skip_model,
        }
        given = self.model_fields_set | other.model_fields_set
        return type(self).read({name: value for name, value in both.items() if name in given}, "")

    def hits(self, graph: Graph) -> "Hits":
        """The nodes that each rule matches in a model and its bodies."""
        if not (self.scope or self.operations or self.skip_model):
            return Hits({}, {}, (), {})
        names = {
            node: f"{prefix}{node.name}"
            for prefix, each in graph.walk_named()
            for node in each.in_file_order()
            if node.type != "Const"
        }
        reasons: dict[Node, str] = {}
        by_rule: dict[str, tuple[Node, ...]] = {}
        missed: list[str] = []
        for item in self.scope:
            found = _with_layers(_named(item, names))
            reasons |= dict.fromkeys(found, f"{BY_USER}'{item}'")
            by_rule |= {f"'{item}'": found} if found else {}
            missed += [] if found else [_no_hit(f"'{item}'", *_meant_by(item, names))]
        for operation in self.operations:
            found = tuple(node for node in names if operation.fits(node))
            reasons |= dict.fromkeys(found, f"{BY_USER}{operation}")
            by_rule |= {str(operation): found} if found else {}
            missed += [] if found else [_no_hit(operation.text("type '{}'"), _type_meant_by(operation.type, names))]
        if self.skip_model:
            reasons |= dict.fromkeys(names, f"{BY_USER}the whole model")
        return Hits(reasons, by_rule, tuple(missed), names)


@dataclass(frozen=True)
class Hits:
    """The nodes that the user's rules match.

    Attributes:
        reasons: The nodes that are ignored -> the rule that matches each.
        by_rule: A rule, by its name in messages -> the nodes that it matches.
        missed: A warning for each rule that matches nothing.
        names: The names of the model's nodes in messages.
    """

    reasons: Mapping[Node, str]
    by_rule: Mapping[str, tuple[Node, ...]]
    missed: tuple[str, ...]
    names: Mapping[Node, str]

    def warnings(self, concerned: Collection[Node]) -> list[str]:
        """Messages to the user.

        Args:
            concerned: The nodes that would be quantized if no rule matched them, and all layers.
        """
        idle = [
            (rule, nodes)
            for rule, nodes in self.by_rule.items()
            if not any(each in concerned for node in nodes for each in (node, *node.inside()))  # left float with it
        ]
        return [*self.missed, *(self._idle(rule, nodes) for rule, nodes in idle)]

    def _idle(self, rule: str, nodes: Sequence[Node]) -> str:
        first = f"{nodes[0].type} '{self.names[nodes[0]]}'"
        some = f"{len(nodes)} operations (for example {first}), which are"
        what = f"only {first}, which is" if len(nodes) == 1 else some
        near = [
            f"'{self.names[layer]}' {where} it"
            for layer, where in ((_nearest(nodes[0], _sources), "before"), (_nearest(nodes[0], _readers), "behind"))
            if layer is not None
        ]
        are = "layers are" if len(near) > 1 else "layer is"
        hint = f"; the nearest {are} {' and '.join(near)}" if near else ""
        return f"ignored: {rule} matches {what} not quantized anyway{hint}"


def _named(item: str, names: Mapping[Node, str]) -> list[Node]:
    """The nodes that an item of a scope matches.

    An equal name comes first, since names may look like globs; then an equal name in the source framework.
    """
    if item.startswith(_REGEX):
        return _matching(re.compile(item.removeprefix(_REGEX)).fullmatch, names)
    exact = [node for node, name in names.items() if name == item]
    exact = exact or [node for node in names if item in _other_names(node)]
    if exact or not any(mark in item for mark in "*?["):
        return exact
    return _matching(re.compile(fnmatch.translate(item)).match, names)


def _matching(matches: Callable[[str], object], names: Mapping[Node, str]) -> list[Node]:
    return [node for node, name in names.items() if any(matches(each) for each in (name, *_other_names(node)))]


def _other_names(node: Node) -> tuple[str, ...]:
    """The name of a node in the source framework, if the model has it."""
    split = node.name.removesuffix(_SPLIT)
    return (split, *node.fused_names) if split != node.name else node.fused_names


def _with_layers(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes, and the layers that they belong to: frameworks give a layer and its bias one name."""
    layers = (layer for node in nodes if (layer := layer_of_tail(node)) is not None)
    return tuple(dict.fromkeys([*nodes, *layers]))


def _nearest(start: Node, neighbours: Callable[[Node], Iterable[Node]]) -> Node | None:
    """The nearest layer in one direction."""
    waiting, seen = deque(neighbours(start)), {start}
    while waiting:
        node = waiting.popleft()
        if node.type in LAYER_TYPES:
            return node
        if node not in seen:
            seen.add(node)
            waiting.extend(neighbours(node))
    return None


def _sources(node: Node) -> Iterable[Node]:
    return (port.source.node for port in node.inputs)


def _readers(node: Node) -> Iterable[Node]:
    return (port.node for output in node.outputs for port in output.consumers)


def _no_hit(rule: str, close: str, rest: str = "") -> str:
    return did_you_mean(f"ignored: {rule} matches no operation of the model", close, rest)


def _type_meant_by(wanted: str, names: Iterable[Node]) -> str:
    """A suggestion for a type that no operation has, unless there is such a type."""
    return "" if wanted in LAYER_TYPES else closest(wanted, (each.type for each in names))


def _meant_by(wanted: str, names: Mapping[Node, str]) -> tuple[str, str]:
    """A suggestion for a name that no operation has, and what to write if it is a type or a regular expression."""
    if wanted.startswith(_REGEX):
        return "", _regex_meant(wanted.removeprefix(_REGEX), names)
    count = sum(IgnoredType(type=wanted).fits(node) for node in names)
    have = "1 operation has" if count == 1 else f"{count} operations have"
    operations = f'{{"operations": [{{"type": "{wanted}"}}]}}'
    return (
        ("", f"{have} this type: Python and configurations take ignored as {operations}")
        if count
        else (_name_meant(wanted, names), "")
    )


def _regex_meant(pattern: str, names: Mapping[Node, str]) -> str:
    """What is wrong with a regular expression that matches no name, with some names that it may be about."""
    known = [each for node, name in names.items() for each in (name, *_other_names(node))]
    if inside := [each for each in known if re.search(pattern, each)][:_SHOWN]:
        whole = f"(?:{pattern})" if "|" in pattern else pattern
        return f"the whole name must match: '{_REGEX}.*{whole}.*' matches {_quoted(inside)}"
    close = near(_META.sub(r"\1", pattern), known, _SHOWN)
    return f"the whole name must match; names are, for example, {_quoted(close or known[:_SHOWN])}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{each}'" for each in names)


def _name_meant(wanted: str, names: Mapping[Node, str]) -> str:
    """A suggestion for a name that no operation has.

    Converters lengthen names ("layer1.0" becomes "__module.layer1.0/aten::linear/MatMul"), and drop the names of folded
    operations: then their neighbours in the source framework have the same path.
    """
    called = {name: (name, *_other_names(node)) for node, name in names.items()}
    longer = [name for name, all_ in called.items() if len(wanted) > 2 and any(wanted in each for each in all_)]
    if len(longer) > 1:
        return f"*{glob.escape(wanted)}*"
    known = [each for all_ in called.values() for each in all_]
    path, slash, _ = wanted.rpartition("/")
    beside = (name for name in known if path and name.startswith(path + slash))
    plain = (each.removesuffix(_SPLIT) for each in known)  # a long common end makes any two names alike
    return next(iter(longer), "") or closest(wanted.removesuffix(_SPLIT), plain) or next(beside, "")
