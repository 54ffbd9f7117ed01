"""Says what a run feeds to a model, and warns of data that look wrong.

The rules only look at what any data of that kind must have, so that good data cause no warning. Integers, and images
for a model that normalizes them itself, may lie anywhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...ir import Graph
from ...ir.listing import number_of
from ...ir.spelling import has_flags
from ..runtime.data_look import DataLook, Described, FromFiles
from ..runtime.samples import model_inputs
from .image_findings import DataMistake, ExpectedInput, about_images
from .input_steps import first_bias, first_gain, steps_of
from .split_names import about_splits
from .states import is_unmeasured, to_give_sequences

#: Fewer samples are few; more than this share of copies is too much.
_FEW, _COPIES = 16, 0.1
#: The most files that are named.
_NAMED = 3


@dataclass(frozen=True)
class DataFindings:
    """What the data are, and what looks wrong about them.

    Attributes:
        line: What the run feeds, as one line; empty: there were no data.
        warnings: What looks wrong, each with its remedy.
        mistakes: Those of them that make the result worth nothing, whatever was measured with the data.
    """

    line: str = ""
    warnings: tuple[str, ...] = ()
    mistakes: tuple[DataMistake, ...] = ()


def expected_inputs(graph: Graph) -> list[ExpectedInput]:
    """What a float model does with its inputs first."""
    both = zip(model_inputs(graph), graph.in_file_order("Parameter"), strict=True)
    return [
        ExpectedInput(
            model,
            tuple(max(abs(values), default=0.0) for _, values in steps_of(node)),
            first_gain(node),
            first_bias(node),
        )
        for model, node in both
    ]


def find_about_data(
    expected: Sequence[ExpectedInput],
    look: DataLook,
    data: object,
    fed: str,
    *,
    gives_images: bool,
    floats: Iterable[str] = (),
) -> DataFindings:
    """What the data are, and what looks wrong about them.

    Args:
        expected: The inputs of the float model.
        look: The samples.
        data: Their source, which may be `Described`, or `FromFiles`.
        fed: What the run feeds (see `fed_line`).
        gives_images: Whether the model makes images, which it computes from pixels as they are.
        floats: Why layers stay float.
    """
    of_states = _about_states(floats)
    if not look.samples:
        return DataFindings(fed, tuple(map(str, of_states)), of_states)
    paths = data.sample_files if isinstance(data, FromFiles) else ()
    are_images = isinstance(data, Described)
    doubts = (*(data.doubts if isinstance(data, Described) else ()), *about_splits(paths, by_folder=are_images))
    by_input = [
        mistake
        for each in expected
        if each.is_image and (seen := look.inputs.get(each.model.name)) and look.constant < look.samples
        for mistake in about_images(each, seen, gives_images=gives_images)
    ]
    has_options = are_images and has_flags()  # flags say how images are prepared
    others = [each if has_options else each.without_options for each in (*_about_all(look), *by_input)]
    mistakes = (*of_states, *others)
    line = fed if are_images or len(paths) < 2 else f"{fed}; from {_named(paths)}"
    return DataFindings(line, (*look.told, *_about_number(look), *doubts, *map(str, mistakes)), mistakes)


def _named(paths: Sequence[Path]) -> str:
    """How many files there are, and the first names."""
    more = ", ..." if len(paths) > _NAMED else ""
    return f"{len(paths)} files: {', '.join(path.name for path in paths[:_NAMED])}{more}"


def _about_states(floats: Iterable[str]) -> tuple[DataMistake, ...]:
    """Samples of single steps, which show no state but the first one."""
    behind = list(filter(is_unmeasured, floats))
    if not behind:
        return ()
    layers = f"{len(behind)} layers behind them stay" if len(behind) > 1 else "a layer behind them stays"
    found = (
        f"each sample is a single step, and states kept their first values: {layers} float, and the outputs were "
        "compared on first steps only"
    )
    return (DataMistake(found, to_give_sequences()),)


def _about_number(look: DataLook) -> Iterator[str]:
    """Too few different samples, which are right by themselves."""
    count = look.samples
    if count < _FEW:
        given = f"only {number_of(count, 'steps' if look.continued else 'samples')}"
        yield f"{given}: ranges and check depend on each of them; give 100 to 300 typical ones"
    if not _are_equal(look) and not look.continued and look.copies > max(1, _COPIES * count):
        yield f"{look.copies} of {count} samples are copies of others: give different ones"


def _about_all(look: DataLook) -> Iterator[DataMistake]:
    """Samples that were not read as they are."""
    if look.continued:  # nothing may happen for many steps
        return
    if _are_equal(look):
        yield DataMistake(f"all {look.samples} samples are equal", "check how they are read")
    if look.constant > look.samples / 2:
        yield DataMistake(f"{look.constant} of {look.samples} samples hold one value only", "check how they are read")


def _are_equal(look: DataLook) -> bool:
    return look.samples > 1 and len(look.digests) == 1
