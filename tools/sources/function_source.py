"""Samples from the user's own code: `module:function` or `file.py:function`."""

from collections.abc import Iterator
from dataclasses import dataclass

from irquant.ir import UserError
from irquant.passes.calibration.subset import items_of, what_is_wrong
from irquant.passes.calibration.tables import rows_of
from irquant.passes.runtime.samples import DataError, Sample, reason_of
from irquant.tools.sources.failing_line import failing_line
from irquant.tools.sources.user_code import load_function


@dataclass(frozen=True)
class FunctionSource:
    """The samples from a function without arguments, which returns any iterable."""

    text: str

    def __iter__(self) -> Iterator[Sample]:
        """Calls the function, and numbers its samples."""
        data = self._data()
        return self._samples(data)

    def _samples(self, data: object) -> Iterator[Sample]:
        try:
            for index, item in enumerate(items_of(data, self.text)):
                yield Sample(f"sample {index} of {self.text}", item)
        except DataError as error:
            message = f"{error}{failing_line(error)}"
            raise DataError(message) from error.__cause__

    def __length_hint__(self) -> int:
        """Unknown until the function is called."""
        return 0

    def _data(self) -> object:
        function = load_function(self.text)
        try:
            data = rows_of(function())
        except (UserError, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = f"{self.text}: raised {type(error).__name__}: {reason_of(error)}{failing_line(error)}"
            raise DataError(message) from error
        if wrong := what_is_wrong(data):
            message = f"{self.text}: gave {wrong}"
            raise DataError(message)
        return data
