"""Statistics in a file: measured once, used for any preset, estimator or target.

The file is an `.npz` (numpy's zip of arrays; nothing in it is ever executed) with

- `header`: a text in JSON: `format` ("irquant statistics"), `version` (1), the fingerprints of `model` and `data`, what
  was `fed` in one line, the `options` of the run by name, as texts in JSON, the number of `samples`, `unseen` (the
  bodies that no sample reached, as names of their operation and tags), and `statistics`, a list of `tensor` (the name
  of its layer, after those of the operations whose bodies contain it; `@` and its id if several layers share the name),
  `port`, `reduction`, `channel_axis`, `level`;
- `0`, `1`, ...: the numbers of each statistic, f32[observations, size].
"""

import errno
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...ir import Array, Graph, Node, Scope, UserError
from ...ir.array_files import stored_array
from ...ir.atomic_write import write_failure, write_whole
from ...ir.user_files import open_user_file
from .request import Numbers, Reduction, Request, Statistics

_DAMAGED = "not a statistics file, or a damaged one"


class StatisticsFileError(UserError):
    """A statistics file cannot be read, or belongs to another model or other data."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class _Entry(_Strict):
    tensor: str
    port: int
    reduction: Reduction
    channel_axis: int | None
    level: float | None


class _Header(_Strict):
    format: Literal["irquant statistics"]
    version: Literal[1]
    model: str
    data: str
    fed: str = ""  # files of earlier versions say neither this nor the options
    options: dict[str, str] = Field(default_factory=dict[str, str])
    samples: Annotated[int, Field(ge=0)]
    unseen: list[list[list[str]]]
    statistics: list[_Entry]


def save_statistics(
    path: Path,
    statistics: Statistics,
    graph: Graph,
    *,
    model: str,
    data: str,
    fed: str,
    options: Mapping[str, str],
) -> None:
    """Writes the statistics; the file appears whole or not at all.

    Args:
        path: An .npz.
        statistics: The statistics.
        graph: The graph that they belong to.
        model: The fingerprint of the model.
        data: The fingerprint of the data.
        fed: What was fed, in one line.
        options: The options of the run, by name.

    Raises:
        StatisticsFileError: the file cannot be written.
    """
    names = {place: name for name, place in _places(graph).items()}
    requests = list(statistics.measured)
    entries = [
        _Entry(
            tensor=names[each.scope, each.node],
            port=each.port,
            reduction=each.reduction,
            channel_axis=each.channel_axis,
            level=each.level,
        )
        for each in requests
    ]
    unseen = sorted(_path(graph, scope) for scope in statistics.unseen)
    header = _Header(
        format="irquant statistics",
        version=1,
        model=model,
        data=data,
        fed=fed,
        options=dict(options),
        samples=statistics.samples,
        unseen=unseen,
        statistics=entries,
    )

    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _put(archive, "header", np.array(header.model_dump_json()))
            for number, each in enumerate(requests):
                _put(archive, str(number), statistics[each])

    try:
        write_whole(path, write)
    except OSError as error:
        raise StatisticsFileError(write_failure(path, error)) from None


def _put(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:  # ZipInfo: no time stamp
        np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def _path(graph: Graph, scope: Scope) -> list[list[str]]:
    """A scope with names instead of ids."""
    return [[Node(graph.body_at(scope[:depth]), id_).name, tag] for depth, (id_, tag) in enumerate(scope)]


def _places(graph: Graph) -> dict[str, tuple[Scope, int]]:
    """The name of each layer, made unique -> its place."""
    found = [
        (f"{prefix}{node.name}", (each.scope, node.id)) for prefix, each in graph.walk_named() for node in each.nodes()
    ]
    counts = Counter(name for name, _ in found)
    return {name if counts[name] == 1 else f"{name}@{place[1]}": place for name, place in found}


@dataclass(frozen=True)
class StatisticsFile:
    """A statistics file; numbers are read on request.

    Attributes:
        path: The file.
        header: The content of its header.
    """

    path: Path
    header: _Header

    def of(self, graph: Graph) -> "SavedStatistics":
        """The statistics as requests to this graph, without tensors that it does not have."""
        places = _places(graph)
        numbers: dict[Request, int] = {}
        for number, each in enumerate(self.header.statistics):
            if each.tensor in places:
                scope, node = places[each.tensor]
                request = Request(node, each.port, each.reduction, each.channel_axis, each.level, scope)
                numbers[request] = number
        return SavedStatistics(self.path, numbers)

    def unseen(self, graph: Graph) -> frozenset[Scope]:
        """The bodies of this graph that no sample reached."""
        paths = [[tuple(step) for step in path] for path in self.header.unseen]
        found = (each.scope for each in graph.walk() if each.scope)
        return frozenset(scope for scope in found if [tuple(step) for step in _path(graph, scope)] in paths)


@dataclass(frozen=True)
class SavedStatistics:
    """The numbers in a file, by request."""

    path: Path
    numbers: Mapping[Request, int]

    def __getitem__(self, wanted: Request, /) -> Numbers:
        """The numbers [observations, size]."""
        found = _array(self.path, str(self.numbers[wanted]))
        if found.dtype != np.float32 or found.ndim != 2:
            message = f"{self.path}: array {self.numbers[wanted]} is {found.dtype}{list(found.shape)}, not f32 rows"
            raise StatisticsFileError(message)
        return found

    def check(self, wanted: Request, size: int) -> None:
        """Checks the numbers of a request.

        Args:
            wanted: The request.
            size: The number of numbers per observation; negative: unknown.

        Raises:
            StatisticsFileError: they are missing, have another size, or are not finite.
        """
        found, array = self[wanted], f"{self.path}: array {self.numbers[wanted]}"
        if not len(found) or found.shape[1] != size >= 0:
            message = f"{array} is f32{list(found.shape)}, expected {size} numbers in each of its rows"
            raise StatisticsFileError(message)
        if not np.isfinite(found).all():
            message = f"{array} holds NaN or Inf, which a calibration never writes: the file is damaged"
            raise StatisticsFileError(message)

    def __contains__(self, wanted: object, /) -> bool:
        """Whether exactly this request was measured."""
        return wanted in self.numbers

    def __iter__(self) -> Iterator[Request]:
        """The measured requests."""
        return iter(self.numbers)


def open_statistics(path: Path) -> StatisticsFile:
    """Opens a statistics file.

    Raises:
        StatisticsFileError: the file is not one, or it is damaged.
    """
    text = _array(path, "header")
    if text.dtype.kind != "U" or text.ndim:
        message = f"{path}: {_DAMAGED}"
        raise StatisticsFileError(message)
    try:
        return StatisticsFile(path, _Header.model_validate_json(str(text)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{path}: not statistics that this version can read: {where}: {first['msg']}"
        raise StatisticsFileError(message) from None


def _array(path: Path, name: str) -> Array:
    try:
        # np.load leaves damaged files open.
        with open_user_file(path) as file, zipfile.ZipFile(file) as archive:
            return stored_array(partial(archive.open, f"{name}.npy")).whole()
    except MemoryError:
        raise
    except OSError as error:
        # A damaged file makes its reader look in front of the first byte; errors of opening have the name of the file.
        is_damaged = error.errno == errno.EINVAL and error.filename is None
        message = f"{path}: {_DAMAGED if is_damaged else f'cannot be read: {error.strerror or error}'}"
    except Exception:  # readers of damaged files may raise anything
        message = f"{path}: {_DAMAGED}"
    raise StatisticsFileError(message)
