"""Messages name options as their reader writes them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from irquant.ir.spelling import option, spelt_with_flags, switched_on, worded


def test_python_gets_keywords_and_the_command_line_flags() -> None:
    assert (option("max_mb"), switched_on("force"), worded("a", "b")) == ("max_mb", "force=True", "b")
    with spelt_with_flags():
        assert (option("max_mb"), switched_on("force"), worded("a", "b")) == ("--max-mb", "--force", "a")


def test_threads_see_the_same_reader() -> None:
    with spelt_with_flags(), ThreadPoolExecutor() as pool:
        assert pool.submit(option, "max_mb").result() == "--max-mb"


def test_an_error_inside_leaves_keywords_behind() -> None:
    with pytest.raises(KeyError), spelt_with_flags():
        raise KeyError
    assert option("max_mb") == "max_mb"
