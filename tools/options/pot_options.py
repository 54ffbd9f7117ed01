"""Options of `irquant quantize` with the names of the original tool (pot).

The original writes results to `<folder>/<model name>_DefaultQuantization/<time stamp>/optimized/<model name>.xml`, with
`--direct-dump` to `<folder>/optimized/<model name>.xml`.
"""

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from irquant.ir import UserError
from irquant.passes.options.engine import flags_for
from irquant.passes.options.strict import ConfigError
from irquant.passes.runtime.load_model import result_path
from irquant.tools.options.completion import words_or_files
from irquant.tools.options.former_options import FormerOption, former_options
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option

_ALGORITHM, _FOLDER = "DefaultQuantization", Path("results")
#: What `-q` takes in the original.
_ALGORITHMS = ("default", "accuracy_aware")


@dataclass(frozen=True)
class Place:
    """The place of a result.

    Attributes:
        output: The .xml that the user names.
        folder: The folder that the user names.
        name: The name of the model, given by the user.
        layout: Whether to use the original's layout.
        is_direct: Whether to use it without time stamp.
    """

    output: Path | None = None
    folder: Path | None = None
    name: str | None = None
    layout: bool = False
    is_direct: bool = False

    def __post_init__(self) -> None:
        if self.name is not None and (not self.name or {*self.name} & {*"/\\\0"}):
            message = f"--name: {self.name!r} is not a file name; choose the folder with --output-dir"
            raise ConfigError(message)
        others = {
            "--name": self.name,
            "--output-dir": self.folder,
            "--pot-layout": self.layout,
            "--direct-dump": self.is_direct,
        }
        if self.output and (beside := [flag for flag, given in others.items() if given]):
            message = f"-o already sets the path of the result: leave it out, or {' and '.join(beside)}"
            raise ConfigError(message)

    def of(self, model: Path, name: str | None) -> Path:
        """The .xml for the result.

        Args:
            model: The model.
            name: The name of the model in its configuration.
        """
        called = self.name or name
        if self.output:
            return self.output
        if not (self.layout or self.is_direct):
            beside = result_path(model, called)
            return self.folder / beside.name if self.folder else beside
        file = Path("optimized") / f"{called or model.stem}.xml"
        folder = self.folder or _FOLDER
        if self.is_direct:
            return folder / file
        return folder / f"{file.stem}_{_ALGORITHM}" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}" / file

    @contextmanager
    def prepared(self, result: Path) -> Generator[None]:
        """Makes the folder of a result; removes the new folders if the run fails."""
        missing = [each for each in result.parents if not each.exists()] if self.output is None else []
        try:
            for each in reversed(missing):
                _make(each)
            yield
        except BaseException:
            with suppress(OSError):  # the folder is not empty, or was never made
                for each in missing:
                    each.rmdir()
            raise


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be created: {error.strerror}"
        raise UserError(message) from None


_DATA_FREE = (
    "irquant makes no synthetic data, since ranges that were measured on them do not fit real data; give 100 typical "
    "samples without labels: --data SOURCE"
)
_FORMER = (
    FormerOption(("--generate-data",), instead=_DATA_FREE),
    FormerOption(
        ("--evaluate", "-e"),
        instead="irquant has no metrics for data sets; check the result with `irquant compare`, or use your own "
        "metric: --metric module:function",
    ),
    FormerOption(("--save-model", "-sm"), note="the float model stays where it is"),
    FormerOption(("--progress-bar",)),  # terminals have one anyway
    FormerOption(("--progress",)),
    FormerOption(("--stream-output", "--stream_output")),
    FormerOption(("--keep-uncompressed-weights",), note="quantized weights are always stored as int8"),
)
_OPTIONS = (
    grouped_option(
        HelpGroup.FORMER,
        "-m",
        "--model",
        "--input_model",
        "--input-model",
        "--saved_model_dir",
        "named",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The model, like MODEL.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "-w",
        "--weights",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The .bin of the model.  [default: the one beside it]",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--data-source",
        metavar="SOURCE",
        shell_complete=words_or_files(),
        help="Like --data, with images in BGR order as in pot.",
    ),
    grouped_option(
        HelpGroup.FORMER, "-n", "--name", "--model_name", "--model-name", metavar="NAME", help="The name of the result."
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--quantize",
        "algorithm",
        type=click.Choice(_ALGORITHMS, case_sensitive=False),
        help="The algorithm: default; -q default is the same. For accuracy_aware see --metric.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--engine",
        type=click.Choice(["simplified", "accuracy_checker", "data_free"], case_sensitive=False),
        help="simplified: the data are images, as --data-source says. For the others, prints what to do instead.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--ac-config",
        "checker",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Not supported: prints the options that replace the file.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--output_dir",
        "--output-dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="The folder of the result.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--pot-layout",
        is_flag=True,
        help="Write into folders as pot does: algorithm, time, `optimized`; in --output-dir.  [default: results]",
    ),
    grouped_option(
        HelpGroup.FORMER, "-d", "--direct-dump", is_flag=True, help="Write optimized/NAME.xml in --output-dir."
    ),
)


class PotCommand(GroupedCommand):
    """A command whose `-q` means --quiet as everywhere, but `-q default` chooses the algorithm as in the original."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Tells the two apart, which click cannot: whether an option takes a value is fixed there."""
        chooses = [word == "-q" and _is_algorithm(after) for word, after in pairwise([*args, ""])]
        named = ["--quantize" if is_choice else word for word, is_choice in zip(args, chooses, strict=True)]
        return super().parse_args(ctx, named)


def _is_algorithm(word: str) -> bool:
    """Whether a word behind -q is an algorithm, perhaps a misspelt one, and not a model."""
    return word.lower() in _ALGORITHMS or (word.isidentifier() and not Path(word).exists())


def pot_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which gets `model`, `weights`, `place` and `notes`."""

    @functools.wraps(command)
    def with_pot(
        *,
        model: Path | None,
        named: Path | None,
        path: Path | None,
        folder: Path | None,
        name: str | None,
        algorithm: str | None,
        engine: str | None,
        checker: Path | None,
        pot_layout: bool,
        direct_dump: bool,
        data: str | None,
        data_source: str | None,
        pictures: ImageOptions,
        **others: object,
    ) -> Any:
        _refuse_elsewhere(algorithm, engine, checker)
        if model and named and model != named:
            message = f"two models are given: {model}, and {named} with --model; give one"
            raise ConfigError(message)
        if data and data_source:
            message = (
                "two sources are given: --data and --data-source; give one (they differ only in the order of colours)"
            )
            raise ConfigError(message)
        if data_source:
            pictures = replace(pictures, colour_order=pictures.colour_order or "bgr")
        place = Place(path, folder, name, pot_layout, direct_dump)
        return command(model=model or named, place=place, data=data or data_source, pictures=pictures, **others)

    for option in reversed(_OPTIONS):
        with_pot = option(with_pot)
    return former_options(with_pot, _FORMER)


def _refuse_elsewhere(algorithm: str | None, engine: str | None, checker: Path | None) -> None:
    if algorithm == "accuracy_aware":
        message = "accuracy_aware needs a metric: give your own function, --metric module:function"
        raise ConfigError(message)
    if engine == "data_free":
        message = f"--engine data_free: {_DATA_FREE}"
        raise ConfigError(message)
    if checker or engine == "accuracy_checker":
        flag = "--ac-config" if checker else "--engine accuracy_checker"
        message = f"{flag}: AccuracyChecker is no longer supported; {flags_for(checker)}"
        raise ConfigError(message)
