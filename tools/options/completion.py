"""What the shell completes as the value of an option that takes free text."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from irquant.targets import load_target, target_names

_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def words(*values: str) -> _Complete:
    """Completes these values, and nothing else."""
    return lambda _context, _parameter, start: _beginning(values, start)


def words_or_files(*values: str) -> _Complete:
    """Completes these values, and files where none of them fits; without values, only files."""
    return lambda _context, _parameter, start: _beginning(values, start) or [CompletionItem(start, type="file")]


def targets(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Completes names and aliases of targets, and files where none of them fits."""
    aliases = (alias for name in target_names() for alias in load_target(name).aliases)
    return _beginning((*target_names(), *aliases), start) or [CompletionItem(start, type="file")]


def _beginning(values: Iterable[str], start: str) -> list[CompletionItem]:
    return [CompletionItem(each) for each in values if each.lower().startswith(start.lower())]
