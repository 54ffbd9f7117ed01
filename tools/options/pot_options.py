"""Options of `irquant quantize` with the names of the original tool (pot)."""

import functools
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from irquant.passes.options.config_error import ConfigError
from irquant.tools.options.former_data import data_source_option, from_source, refuse_two_sources
from irquant.tools.options.former_options import FormerOption, Refusal, former_options, refuse
from irquant.tools.options.place import Place
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option

#: What `-q` takes in the original.
_ALGORITHMS = ("default", "accuracy_aware")
#: What `--engine` takes there.
_ENGINES = ("simplified", "accuracy_checker", "data_free")

_DATA_FREE = (
    "irquant makes no synthetic data, since ranges that were measured on them do not fit real data; give 100 typical "
    "samples without labels: --data SOURCE"
)
_FORMER = (
    FormerOption(("--generate-data",), instead=_DATA_FREE),
    FormerOption(("--shape",), takes="VALUE", instead=_DATA_FREE),
    FormerOption(
        ("--evaluate", "-e"),
        instead="irquant has no metrics for data sets; check the result with `irquant compare`, or use your own "
        "metric: --metric module:function",
    ),
    FormerOption(("--save-model", "-sm"), note="the float model stays where it is"),
    FormerOption(("--progress-bar",)),  # terminals have one anyway
    FormerOption(("--progress",)),
    FormerOption(("--stream-output",)),
    FormerOption(("--keep-uncompressed-weights",), note="quantized weights are always stored as int8"),
    # The names that the parameters have in configurations and in NNCF.
    FormerOption(("--stat-subset-size",), takes="VALUE", write="--samples"),
    FormerOption(("--subset-size",), takes="VALUE", write="--samples"),
    FormerOption(("--target-device",), takes="VALUE", write="--target"),
    FormerOption(("--ignored-scope",), takes="VALUE", write="--ignored"),
    FormerOption(("--model-type",), takes="VALUE", instead="leave it out: transformers are recognised"),
    FormerOption(
        ("--fast-bias-correction", "--use-fast-bias"),
        takes="VALUE",
        instead='the guard tries the sequential correction by itself; to force it, give "use_fast_bias": false in a '
        "configuration: -c FILE",
    ),
)
_OPTIONS = (
    grouped_option(
        HelpGroup.FORMER,
        "-m",
        "--model",
        "--input_model",
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
    data_source_option,
    grouped_option(HelpGroup.FORMER, "-n", "--name", "--model_name", metavar="NAME", help="The name of the result."),
    grouped_option(
        HelpGroup.FORMER,
        "--quantize",
        "algorithm",
        type=click.Choice(_ALGORITHMS, case_sensitive=False),
        metavar=f"[{'|'.join(_ALGORITHMS)}]",
        help="The algorithm; -q default is the same. accuracy_aware needs --metric.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--engine",
        type=click.Choice(_ENGINES, case_sensitive=False),
        metavar=f"[{'|'.join(_ENGINES)}]",
        help="simplified: the data are images, as --data-source says; accuracy_checker: see --ac-config. For "
        "data_free, prints what to do instead.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--ac-config",
        "checker",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Take data and preprocessing from the first data set of this AccuracyChecker configuration.",
    ),
    grouped_option(
        HelpGroup.FORMER,
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
        metric: tuple[str, ...],
        notes: tuple[str, ...],
        refused: tuple[Refusal, ...],
        **others: object,
    ) -> Any:
        refuse((*_refused(algorithm, engine, checker, metric), *refused))
        if model and named and model != named:
            message = f"two models are given: {model}, and {named} with --model; give one"
            raise ConfigError(message)
        refuse_two_sources({"--data": data, "--data-source": data_source, "--ac-config": checker})
        pictures = from_source(pictures, data_source)
        if checker:
            data_source, pictures, taken = _checked(checker, pictures)
            notes = (*notes, *taken)
        return command(
            model=model or named,
            place=Place(path, folder, name, pot_layout, direct_dump, bool(algorithm or engine or checker)),
            data=data or data_source,
            pictures=pictures,
            metric=metric,
            notes=notes,
            **others,
        )

    for option in reversed(_OPTIONS):
        with_pot = option(with_pot)
    return former_options(with_pot, _FORMER)


def _refused(
    algorithm: str | None, engine: str | None, checker: Path | None, metric: tuple[str, ...]
) -> Iterator[Refusal]:
    """What cannot be taken over, and what to write instead."""
    if algorithm == "accuracy_aware" and not metric:
        yield "-q accuracy_aware", "give a metric of your own, --metric module:function"
    if engine == "data_free":
        yield "--engine data_free", _DATA_FREE
    if engine == "accuracy_checker" and not checker:
        from irquant.passes.options.engine import FORM  # here, as below: rarely given

        yield "--engine accuracy_checker", f"give its file, --ac-config FILE, or write instead: {FORM}"


def _checked(checker: Path, pictures: ImageOptions) -> tuple[str, ImageOptions, tuple[str, ...]]:
    """The data and the preprocessing of an AccuracyChecker configuration, and what was taken from it.

    Raises:
        ConfigError: it names no data that can be read.
    """
    from irquant.passes.options.engine import engine_of_checker
    from irquant.tools.sources.open_inputs import as_published

    found = engine_of_checker(checker)
    if found.engine is None:
        raise ConfigError(found.lacking)
    return found.engine.data_source, as_published(pictures, found.engine), found.warnings
