"""What stands in a configuration, as plain dictionaries and lists, before anybody asks what it means."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from .strict import ConfigError

#: A JSON text that begins, comments aside, with a key.
_BARE = re.compile(r'(\s|//[^\n]*|(?>/\*.*?\*/))*"', re.DOTALL)


def plain(given: object) -> Any:
    """Python objects as a file would give them: numbers of numpy are numbers, tuples lists, mappings dictionaries."""
    if isinstance(given, np.generic):
        return cast(object, given.item())
    if isinstance(given, Mapping):
        return {key: plain(value) for key, value in cast(Mapping[object, object], given).items()}
    if isinstance(given, (list, tuple)):
        return [plain(each) for each in cast(Sequence[object], given)]
    return given


def content_of(path: Path) -> Any:
    """The content of a file: JSON with comments and trailing commas, or YAML.

    Raises:
        ConfigError: it is neither, or a key is given twice.
    """
    if path.suffix not in (".json", ".yaml", ".yml"):
        message = f"{path}: a configuration ends in .json, .yaml or .yml"
        raise ConfigError(message)
    try:
        text = path.read_text(encoding="utf-8")
        return _json(text) if path.suffix == ".json" else yaml.load(text, _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(message) from None


def _json(text: str) -> Any:
    import json5  # here: most runs read no configuration

    # The published description prints an algorithm without the braces around it.
    whole = f"{{{text}}}" if _BARE.match(text) else text
    return json5.loads(whole, object_pairs_hook=_unique)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    _refuse_twice([key for key, _ in listed])
    return dict(listed)


def _refuse_twice(keys: Sequence[str]) -> None:
    """The parsers would take the last, without a word."""
    for index, key in enumerate(keys):
        if key in keys[:index]:
            message = f"key '{key}' is given twice: leave one out"
            raise ValueError(message)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice; what `<<` merges in is overruled, not given."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        _refuse_twice([key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return node
