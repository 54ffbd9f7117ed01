"""Samples from the user's own code: `module:function` or `file.py:function`."""

from collections.abc import Iterator
from dataclasses import dataclass

from irquant.ir import UserError
from irquant.passes.calibration.subset import items_of, what_is_wrong
from irquant.passes.runtime.samples import DataError, Sample, reason_of
from irquant.tools.sources.user_code import load_function


@dataclass(frozen=True)
class FunctionSource:
    """The samples from a function without arguments, which returns any iterable."""

    text: str

    def __iter__(self) -> Iterator[Sample]:
        """Calls the function, and numbers its samples."""
        items = self._items()
        index = 0
        while True:
            label = f"sample {index} of {self.text}"
            try:
                item = next(items)
            except StopIteration:
                return
            except (UserError, KeyboardInterrupt):
                raise
            except BaseException as error:  # GeneratorExit and SystemExit, too, would end more than the data
                message = f"{label}: {type(error).__name__}: {reason_of(error)}"
                raise DataError(message) from error
            yield Sample(label, item)
            index += 1

    def __length_hint__(self) -> int:
        """Unknown until the function is called."""
        return 0

    def _items(self) -> Iterator[object]:
        function = load_function(self.text)
        try:
            items = function()
            if not (wrong := what_is_wrong(items)):
                return iter(items_of(items))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            message = f"{self.text}: raised {type(error).__name__}: {reason_of(error)}"
            raise DataError(message) from error
        message = f"{self.text}: gave {wrong}"
        raise DataError(message)
