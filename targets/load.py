"""Reads a `Target` from YAML. Every mistake is reported with its file, its line and its path in the file."""

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from ..ir import UserError
from ..ir.suggestions import closest, did_you_mean
from ..ir.user_files import read_user_text
from .explain import explain, first_mistake, path_text
from .lines import Lines, YamlMistake
from .operations import unknown_words
from .pointless_rules import pointless_rules, unused_specs
from .target import Target

_FILES = resources.files("irquant.targets")
#: The alias of the default target.
ANY = "any"
#: libyaml reads a file in an eighth of the time, but does not see all mistakes, and tells them in other words: it reads
#: what ships with irquant. A PyYAML that was built without it has its own reader only.
_FAST_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class TargetError(UserError):
    """A target does not exist, or its file is wrong."""


def target_names() -> list[str]:
    """The names of the targets that ship with irquant."""
    return sorted(file.name[: -len(".yaml")] for file in _FILES.iterdir() if file.name.endswith(".yaml"))


def target_name(device: str) -> str:
    """The name of the shipped target with this name or alias, in any case of letters.

    Other texts (for example the path of a file) are returned unchanged.
    """
    word, names = device.lower(), target_names()
    if word in names or _is_path(word):
        return word if word in names else device
    return next((name for name in names if word in _shipped_content(name).get("aliases", ())), device)


def target_text(name: str) -> str:
    """The text of the target file with the name or alias `name`, or at the path `name` if it ends in .yaml or .yml.

    Raises:
        TargetError: the target does not exist, or cannot be read.
    """
    name = target_name(name)
    if _is_path(name):
        try:
            return read_user_text(Path(name))
        except OSError as error:
            message = f"{name}: cannot be read: {error.strerror}"
            raise TargetError(message) from None
    if name not in target_names():
        there = f"there are: {', '.join(target_names())}; or give the path of a .yaml file"
        raise TargetError(did_you_mean(f"no target '{name}'", closest(name.lower(), target_names(), cutoff=0.4), there))
    return (_FILES / f"{name}.yaml").read_text(encoding="utf-8")


def load_target(name: str = ANY) -> Target:
    """The target with the name or alias `name`, or of the file at that path.

    Args:
        name: A name or an alias in any case of letters; or the path of a file that ends in .yaml or .yml.

    Returns:
        The target, with the content of the target that it extends.

    Raises:
        TargetError: the target does not exist, or its file is wrong.
    """
    shipped = target_name(name)
    return _shipped(shipped) if shipped in target_names() else parse_target(target_text(name), name)


@functools.cache
def _shipped(name: str) -> Target:
    """A target that ships with irquant: its file does not change, and to validate it takes longer than most passes."""
    return Target.model_validate(_shipped_content(name))


@functools.cache
def _shipped_content(name: str) -> Mapping[str, Any]:
    """The content of a file that ships with irquant, over that of the target that it extends."""
    content: dict[str, Any] = yaml.load(target_text(name), _FAST_LOADER)
    return _over(_shipped_content(content["extends"]), content) if "extends" in content else content


def check_target(name: str) -> Target:
    """Like `load_target`, with a check that the file means something.

    All operations and attributes are in OpenVINO or the file's `operations`, each rule can decide something, and rules
    use all specs of the file.

    Raises:
        TargetError: the target does not exist, its file is wrong, it names an unknown operation or attribute, or a rule
            or spec has no effect.
    """
    document = _Document(target_text(name), name)
    target = document.target()
    rules, specs = (document.content.get(key) or () for key in ("rules", "specs"))
    wrong = (*unknown_words(target), *pointless_rules(target, len(rules)), *unused_specs(target, specs))
    for location, said in wrong:
        raise TargetError(document.complaint(location, said))
    return target


def parse_target(text: str, where: str) -> Target:
    """The target of a YAML text; error messages start with `where`, its name or path."""
    return _Document(text, where).target()


#: Former keys of target files -> present keys: of the file, of a spec, of a rule.
_OF_FILE, _OF_SPEC = {"pair_sum_bits": "accumulator_bits"}, {"beyond": "unsupported_reason"}
_OF_RULE = {"adds_pairs": "saturates"}
#: A former word of `when`, and its `multiples`.
_OF_WHEN, _MULTIPLES = "channels_by_4_and_16", {"in": 4, "out": 16}


def _renamed(content: Any) -> dict[Any, Any]:
    """The content with present keys and words."""
    found: dict[Any, Any] = _with_keys(content, _OF_FILE)
    if isinstance(specs := found.get("specs"), dict):
        found["specs"] = {name: _with_keys(each, _OF_SPEC) for name, each in cast(dict[object, object], specs).items()}
    if isinstance(rules := found.get("rules"), list):
        found["rules"] = [_with_keys(each, _OF_RULE) for each in cast(list[object], rules)]
    if isinstance(patterns := found.get("stays_float"), list):
        found["stays_float"] = [_with_multiples_in(each, "chain") for each in cast(list[object], patterns)]
    for key in ("rules", "transparent"):
        found = _with_multiples_in(found, key)
    return found


def _with_multiples_in(owner: Any, key: str) -> Any:
    """A mapping with present words in the conditions of one of its lists."""
    if not isinstance(owner, dict):
        return owner
    content = cast(dict[object, object], owner)
    if not isinstance(listed := content.get(key), list):
        return content
    return content | {key: [_with_multiples(each) for each in cast(list[object], listed)]}


def _with_multiples(condition: Any) -> Any:
    """A condition with `multiples` for `_OF_WHEN`; one with both does not change, and is refused later."""
    if not isinstance(condition, dict):
        return condition
    entry = cast(dict[object, object], condition)
    words = [found] if isinstance(found := entry.get("when"), str) else found
    if "multiples" in entry or not isinstance(words, list) or _OF_WHEN not in words:
        return entry
    others = [each for each in cast(list[object], words) if each != _OF_WHEN]
    return entry | {"when": others, "multiples": _MULTIPLES}


def _with_keys(entry: Any, former: Mapping[str, str]) -> Any:
    """An entry with other keys; one with both, old and new, does not change, and is refused because of the old key."""
    if not isinstance(entry, dict):
        return entry
    keys = cast(dict[object, object], entry)
    return {key if (new := former.get(str(key), key)) in keys else new: value for key, value in keys.items()}


def _over(inherited: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file over that of the target that it extends, without the aliases, which belong to one target.

    Specs of the same name are replaced, lists are prepended, other values are replaced.
    """
    result = {key: value for key, value in inherited.items() if key != "aliases"} | dict(content)
    for key in inherited.keys() & content.keys():
        value, old = content[key], inherited[key]
        if isinstance(value, dict) and isinstance(old, dict):
            result[key] = old | value
        elif isinstance(value, list) and isinstance(old, list):
            result[key] = value + old
    return result


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


class _Document:
    """One target file.

    Args:
        text: Its text.
        where: Its name in messages.
        heirs: The files that extend this one.
    """

    def __init__(self, text: str, where: str, heirs: tuple[str, ...] = ()) -> None:
        self.where, self.heirs = where, (*heirs, where)
        try:
            self._lines = Lines(text)
            content = self._lines.content()
        except YamlMistake as error:
            message = f"{where}: not YAML: {error}"
            raise TargetError(message) from None
        for line, key, first in self._lines.repeated():
            message = f"{where}, line {line}: '{key}' is given twice, first in line {first}; keep one"
            raise TargetError(message)
        if not isinstance(content, dict):
            message = f"{where}: expected a mapping with the keys {', '.join(Target.model_fields)}"
            raise TargetError(message)
        self.content: dict[Any, Any] = _renamed(cast(object, content))

    def target(self) -> Target:
        """The target, with the content of the target that it extends."""
        try:
            target = Target.model_validate(self.merged())
        except ValidationError as error:
            mistake = first_mistake(error)
            replaced = self._replaced(mistake["loc"]) if mistake["type"] == "missing" else ""
            message = f"{self._at(mistake['loc'])}: {explain(error, Target)}{replaced}"
            raise TargetError(message) from None
        for index, rule in enumerate(target.rules):
            for role, spec in rule.inputs.items():
                if spec not in target.specs:
                    known = ", ".join(target.specs)
                    said = f"no spec '{spec}'; there are: {known}"
                    raise TargetError(self.complaint(("rules", index, "inputs", role), said))
        return target

    def merged(self) -> Mapping[Any, Any]:
        """The content over that of the extended target."""
        inherited = self._inherited()
        return self.content if inherited is None else _over(inherited, self.content)

    def _inherited(self) -> Mapping[Any, Any] | None:
        """The content of the extended target; None: it extends none."""
        if not isinstance(parent := self.content.get("extends"), str):
            return None
        if _is_path(parent):
            parent = str(Path(self.where).parent / parent)
        if parent in self.heirs:
            message = f"{self._at(('extends',))}: extends: '{parent}' extends this file in turn"
            raise TargetError(message)
        if (shipped := target_name(parent)) in target_names():
            return _shipped_content(shipped)
        try:
            return _Document(target_text(parent), parent, self.heirs).merged()
        except TargetError as error:
            message = f"{self._at(('extends',))}: extends: {error}"
            raise TargetError(message) from None

    def _replaced(self, location: Sequence[int | str]) -> str:
        """What to add to a message about a key that is missing from a spec which the extended target has, too."""
        specs: Any = (self._inherited() or {}).get("specs")
        if location[0] != "specs" or not isinstance(specs, dict) or location[1] not in specs:
            return ""
        return f"; spec '{location[1]}' replaces that of '{self.content['extends']}' as a whole: give all its keys"

    def complaint(self, location: Sequence[int | str], said: str) -> str:
        """A message about a location, with file, line and path."""
        return f"{self._at(location)}: {path_text(location)}: {said}"

    def _at(self, location: Sequence[int | str]) -> str:
        """`file, line 7` for the deepest existing part of a location."""
        former = {new: old for each in (_OF_FILE, _OF_SPEC, _OF_RULE) for old, new in each.items()}
        places = (location, [former.get(str(part), part) for part in location])
        return f"{self.where}, line {max(self._lines.of(place) for place in places)}"
