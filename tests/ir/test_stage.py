"""What is running is told to whoever wants to know."""

import pytest

from irquant.ir.stage import Stage


def test_nobody_is_told_unless_somebody_wants_to_know() -> None:
    with Stage().at("compiling"):
        pass


def test_the_end_is_told_too_also_that_of_a_failure() -> None:
    stage, told = Stage(), list[str]()
    stage.tell(told.append)
    with pytest.raises(ValueError, match="no"), stage.at("compiling"):
        raise ValueError("no")
    assert told == ["compiling", ""]


def test_what_another_thread_still_runs_is_told_again() -> None:
    stage, told = Stage(), list[str]()
    stage.tell(told.append)
    first, second = stage.at("compiling a model"), stage.at("compiling another")
    first.__enter__()
    second.__enter__()
    second.__exit__(None, None, None)
    first.__exit__(None, None, None)
    assert told == ["compiling a model", "compiling another", "compiling a model", ""]
