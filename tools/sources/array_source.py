"""Samples from .npy and .npz files. Of a stack only the sample in question is in memory, whatever a header promises.

.npy   for a model with one input: an array with the input's shape is one sample; an array with one more leading axis,
       or with a first axis longer than the model's batch, is a stack of samples.
.npz   arrays by input name, with the same rules: one sample, or stacks of equal length. A key `00012|name` is sample 12
       of input `name`, so that samples may differ in size. A key `00012.003|name` is step 3 of sample 12: such samples
       are sequences. Keys that start with "_" are skipped. For a model with one input, a single array may have any key.
"""

import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from irquant.ir import DYNAMIC, Array
from irquant.ir.array_files import StoredArray, stored_array
from irquant.ir.suggestions import closest, did_you_mean
from irquant.ir.user_files import open_user_file
from irquant.passes.calibration.numbered_arrays import by_number, feed_of, is_numbered
from irquant.passes.runtime.samples import DataError, ModelInput, Sample, why_unread

#: What opens each array of a file, by its key.
_Arrays = Mapping[str, Callable[[], StoredArray]]
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class ArraySource:
    """Arrays from files, one or several samples per file."""

    paths: tuple[Path, ...]
    inputs: tuple[ModelInput, ...]

    @property
    def sample_files(self) -> tuple[Path, ...]:
        """The files."""
        return self.paths

    def __length_hint__(self) -> int:
        """One sample per file; for a single file, the number that is known without reading it (0: unknown)."""
        first, *more = self.paths
        if more:
            return len(self.paths)
        with _opened(first, self.inputs) as arrays:
            numbers = {key.split("|", 1)[0].partition(".")[0] for key in arrays if is_numbered(key)}
            if numbers or first.suffix.lower() == ".npz":
                return len(numbers)
            array = _read(first, next(iter(arrays.values())))
            return len(array) if self._stacks(self.inputs[0].name, array) else 1

    def __iter__(self) -> Iterator[Sample]:
        """Reads one sample after the other."""
        index = 0
        for path in self.paths:
            with _opened(path, self.inputs) as arrays:
                for place, feed in self._feeds(path, arrays):
                    yield Sample(f"sample {index} ({path}{place})", feed)
                    index += 1

    def count_parts(self) -> int:
        """The number of files, if the first holds one sample; for a single file, of its samples.

        It is 0 for stacks that can be read from their beginning only: those in .npz files, or stored column by column.
        """
        first, *more = self.paths
        with _opened(first, self.inputs) as arrays:
            count = self._count_parts(first, arrays)
        return len(self.paths) * (count == 1) if more else count

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """The samples of these files; of a single file, the samples of these numbers."""
        path, *more = self.paths
        if more:
            yield from (self._samples(self.paths[index], index) for index in order)
            return
        with _opened(path, self.inputs) as arrays:
            read = self._reader(path, arrays)
            for index in order:
                place, feed = read(index)
                yield (Sample(f"sample {index} ({path}{place})", feed),)

    def _samples(self, path: Path, index: int) -> Iterator[Sample]:
        with _opened(path, self.inputs) as arrays:
            for place, feed in self._feeds(path, arrays):
                yield Sample(f"sample {index} ({path}{place})", feed)

    def _count_parts(self, path: Path, arrays: _Arrays) -> int:
        keys = self._keys(path, arrays)
        if numbers := by_number(keys):
            return len(numbers)
        stored = {name: _read(path, arrays[key]) for key, name in keys.items()}
        if not self._is_stack(path, stored):
            return 1
        (array, *_) = stored.values()
        return 0 if path.suffix.lower() == ".npz" or array.is_fortran else len(array)

    def _reader(self, path: Path, arrays: _Arrays) -> Callable[[int], tuple[str, object]]:
        """Reads one of the samples that `_count_parts` counts; gives its place in the file, too."""
        keys = self._keys(path, arrays)
        if numbers := list(by_number(keys).items()):
            return lambda index: self._numbered(path, arrays, *numbers[index])
        stored = {name: _read(path, arrays[key]) for key, name in keys.items()}
        if not self._is_stack(path, stored):
            return lambda _: ("", {name: _read(path, array.whole) for name, array in stored.items()})
        return lambda index: (
            f", row {index}",
            {name: _read(path, partial(array.row, index)) for name, array in stored.items()},
        )

    def _numbered(
        self, path: Path, arrays: _Arrays, number: int, by_step: Mapping[int, Mapping[str, str]]
    ) -> tuple[str, object]:
        return f", number {number}", feed_of(by_step, lambda key: _read(path, _read(path, arrays[key]).whole))

    def _feeds(self, path: Path, arrays: _Arrays) -> Iterator[tuple[str, object]]:
        keys = self._keys(path, arrays)
        if numbers := by_number(keys):
            yield from (self._numbered(path, arrays, *each) for each in numbers.items())
            return
        stored = {name: _read(path, arrays[key]) for key, name in keys.items()}
        if not self._is_stack(path, stored):
            yield "", {name: _read(path, array.whole) for name, array in stored.items()}
            return
        rows = {name: _rows(path, array) for name, array in stored.items()}
        for row in range(len(next(iter(stored.values())))):
            yield f", row {row}", {name: next(each) for name, each in rows.items()}

    def _input(self, name: str) -> ModelInput:
        return next(model for model in self.inputs if name in model.names)

    def _keys(self, path: Path, arrays: _Arrays) -> dict[str, str]:
        """The keys of a file to read -> input names."""
        keys = [key for key in arrays if not key.rpartition("|")[2].startswith("_")]
        if not keys:
            message = f"{path}: contains no array"
            raise DataError(message)
        if len(self.inputs) == 1 and len(keys) == 1 and "|" not in keys[0]:
            return {keys[0]: self.inputs[0].name}
        mixed = [key for key in keys if is_numbered(key)]
        if mixed and len(mixed) != len(keys):
            odd = next(key for key in keys if key not in mixed)
            message = f"{path}: key '{odd}' has no sample number, but '{mixed[0]}' has one"
            raise DataError(message)
        stepped = [key for key in mixed if "." in key.partition("|")[0]]
        if stepped and len(stepped) != len(keys):
            odd = next(key for key in keys if key not in stepped)
            message = f"{path}: key '{odd}' has no number of a step, but '{stepped[0]}' has one"
            raise DataError(message)
        return {key: self._input_name(path, key) for key in keys}

    def _input_name(self, path: Path, key: str) -> str:
        name = key.split("|", 1)[1] if is_numbered(key) else key
        known = [each for model in self.inputs for each in sorted(model.names)]
        if name not in known:
            problem = f"{path}: key '{key}' is not an input of the model"
            raise DataError(did_you_mean(problem, closest(name, known), f"it takes {', '.join(map(str, self.inputs))}"))
        return name

    def _is_stack(self, path: Path, values: Mapping[str, StoredArray]) -> bool:
        """Whether the arrays contain one sample per row, by the shapes of all inputs; False if that is unclear."""
        stacked = {name: self._stacks(name, array) for name, array in values.items()}
        if not any(stacked.values()):
            return False
        lengths = {name: len(array) for name, array in values.items() if array.ndim}
        if len(set(lengths.values())) > 1 or len(lengths) < len(values):
            found = ", ".join(f"'{name}' {list(array.shape)}" for name, array in values.items())
            message = f"{path}: stacked arrays must have the same length, found {found}"
            raise DataError(message)
        return True

    def _stacks(self, name: str, array: StoredArray) -> bool:
        shape = self._input(name).shape
        if shape is None or not array.ndim:
            return False
        if array.ndim == len(shape) + 1:
            return True
        return array.ndim == len(shape) and bool(shape) and shape[0] in (1, DYNAMIC) and array.shape[0] > 1


@contextmanager
def _opened(path: Path, inputs: tuple[ModelInput, ...]) -> Generator[_Arrays]:
    """The arrays of a file by key; each is read at its first use."""
    if path.suffix.lower() != ".npz" and len(inputs) != 1:
        message = f"{path}: an .npy file can feed one input only; give .npz files with {', '.join(map(str, inputs))}"
        raise DataError(message)
    if path.suffix.lower() != ".npz":
        yield {inputs[0].name: partial(stored_array, partial(open_user_file, path))}
        return
    with ExitStack() as stack:
        archive = _read(path, lambda: zipfile.ZipFile(stack.enter_context(open_user_file(path))))
        names = stack.enter_context(archive).namelist()
        yield {name.removesuffix(".npy"): partial(stored_array, partial(archive.open, name)) for name in names}


def _rows(path: Path, array: StoredArray) -> Iterator[Array]:
    """The samples of a stack."""
    rows = array.rows()
    for _ in range(len(array)):
        yield _read(path, partial(next, rows))


def _read(path: Path, read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except Exception as error:  # damaged files make readers raise anything
        message = f"{path}: cannot be read as an array file: {why_unread(error)}"
        raise DataError(message) from error
