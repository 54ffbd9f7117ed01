"""Samples from .npy and .npz files.

.npy   for a model with one input: an array with the input's shape is one sample; an array with one more leading axis,
       or with a first axis longer than the model's batch, is a stack of samples.
.npz   arrays by input name, with the same rules: one sample, or stacks of equal length. A key `00012|name` is sample 12
       of input `name`, so that samples may differ in size. Keys that start with "_" are skipped. For a model with one
       input, a single array may have any key.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from irquant.ir import DYNAMIC, Array
from irquant.ir.suggestions import closest, did_you_mean
from irquant.passes.runtime.samples import DataError, ModelInput, Sample, reason_of

ARRAY_SUFFIXES = (".npy", ".npz")
_Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class ArraySource:
    """Arrays from files, one or several samples per file."""

    paths: tuple[Path, ...]
    inputs: tuple[ModelInput, ...]

    def __length_hint__(self) -> int:
        """One sample per file; for a single file, the number that is known without reading it (0: unknown)."""
        first, *more = self.paths
        if more:
            return len(self.paths)
        with _opened(first, self.inputs) as arrays:
            numbers = {key.split("|", 1)[0] for key in arrays if _is_numbered(key)}
            if numbers or first.suffix.lower() == ".npz":
                return len(numbers)
            (array,) = arrays.values()
            return len(array) if self._stacks(self.inputs[0].name, array) else 1

    def __iter__(self) -> Iterator[Sample]:
        """Reads one sample after the other."""
        index = 0
        for path in self.paths:
            with _opened(path, self.inputs) as arrays:
                for place, feed in self._feeds(path, arrays):
                    yield Sample(f"sample {index} ({path}{place})", feed)
                    index += 1

    def _feeds(self, path: Path, arrays: _Arrays) -> Iterator[tuple[str, dict[str, Array]]]:
        keys = self._keys(path, arrays)
        numbered = {key: key.split("|", 1) for key in keys if _is_numbered(key)}
        if numbered:
            for number in sorted({int(number) for number, _ in numbered.values()}):
                keys_of_sample = {name: key for key, (each, name) in numbered.items() if int(each) == number}
                yield f", number {number}", {name: _read(path, arrays, key) for name, key in keys_of_sample.items()}
            return
        values = {name: _read(path, arrays, key) for key, name in keys.items()}
        if not self._is_stack(path, values):
            yield "", values
            return
        for row in range(len(next(iter(values.values())))):
            yield f", row {row}", {name: np.asarray(array[row]) for name, array in values.items()}

    def _keys(self, path: Path, arrays: _Arrays) -> dict[str, str]:
        """The keys of a file to read -> input names."""
        keys = [key for key in arrays if not key.rpartition("|")[2].startswith("_")]
        if not keys:
            message = f"{path}: contains no array"
            raise DataError(message)
        if len(self.inputs) == 1 and len(keys) == 1 and "|" not in keys[0]:
            return {keys[0]: self.inputs[0].name}
        mixed = [key for key in keys if _is_numbered(key)]
        if mixed and len(mixed) != len(keys):
            odd = next(key for key in keys if key not in mixed)
            message = f"{path}: key '{odd}' has no sample number, but '{mixed[0]}' has one"
            raise DataError(message)
        return {key: self._input_name(path, key) for key in keys}

    def _input_name(self, path: Path, key: str) -> str:
        name = key.split("|", 1)[1] if _is_numbered(key) else key
        known = [each for model in self.inputs for each in sorted(model.names)]
        if name not in known:
            problem = f"{path}: key '{key}' is not an input of the model"
            raise DataError(did_you_mean(problem, closest(name, known), f"it takes {', '.join(map(str, self.inputs))}"))
        return name

    def _is_stack(self, path: Path, values: Mapping[str, Array]) -> bool:
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

    def _stacks(self, name: str, array: Array) -> bool:
        shape = next(model.shape for model in self.inputs if name in model.names)
        if shape is None or not array.ndim:
            return False
        if array.ndim == len(shape) + 1:
            return True
        return array.ndim == len(shape) and bool(shape) and shape[0] in (1, DYNAMIC) and array.shape[0] > 1


def _is_numbered(key: str) -> bool:
    number, bar, _ = key.partition("|")
    return bool(bar) and number.isdecimal()


@contextmanager
def _opened(path: Path, inputs: tuple[ModelInput, ...]) -> Generator[_Arrays]:
    """The arrays of a file by key; members of an .npz are read at their first use, an .npy is mapped."""
    if path.suffix.lower() != ".npz" and len(inputs) != 1:
        message = f"{path}: an .npy file can feed one input only; give .npz files with {', '.join(map(str, inputs))}"
        raise DataError(message)
    with ExitStack() as stack:
        try:
            if path.suffix.lower() == ".npz":
                # The file is opened here, because NumPy does not close a damaged archive that it opened.
                file = stack.enter_context(path.open("rb"))
                arrays = cast(_Arrays, stack.enter_context(np.load(file, allow_pickle=False)))
            else:
                arrays = {inputs[0].name: np.load(path, mmap_mode="r", allow_pickle=False)}
        except Exception as error:  # damaged files make readers raise anything
            raise _unreadable(path, error) from error
        yield arrays


def _read(path: Path, arrays: _Arrays, key: str) -> Array:
    try:
        return arrays[key]
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    message = f"{path}: cannot be read as an array file: {reason_of(error)}"
    return DataError(message)
