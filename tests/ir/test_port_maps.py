"""A body computes with the types and sizes of what its port map brings in and takes out."""

import re
from pathlib import Path

import pytest

from irquant.ir import IRError, read_model, verify


def changed(path: Path, what: str, to: str, body: str) -> Path:
    """The model with another text in a Parameter or Result of a body, whichever comes first."""
    text = path.read_text()
    start = text.index(f"<{body}>")
    assert what in text[start:]
    path.write_text(text[:start] + text[start:].replace(what, to, 1))
    return path


def test_what_the_runtime_writes_is_taken(branches: Path) -> None:
    verify(read_model(branches))


def test_a_type_that_the_runtime_infers_is_taken(branches: Path) -> None:
    verify(read_model(changed(branches, 'element_type="f32"', 'element_type="dynamic"', "then_body")))


@pytest.mark.parametrize("body", ["then_body", "else_body"])
def test_a_parameter_of_another_type_is_refused(branches: Path, body: str) -> None:
    path = changed(branches, 'element_type="f32"', 'element_type="f16"', body)
    with pytest.raises(IRError) as caught:
        verify(read_model(path))
    said = rf"If '\w+' \(id \d+\): Parameter '\w+' \(id \d+\) of its {body} is f16, expected f32 as outside"
    assert re.fullmatch(said, str(caught.value))


@pytest.mark.parametrize("body", ["then_body", "else_body"])
def test_a_parameter_of_another_size_is_refused(branches: Path, body: str) -> None:
    text = branches.read_text()
    size = re.search(r"<dim>(\d+)</dim>", text[text.index(f"<{body}>") :])
    assert size
    path = changed(branches, size[0], "<dim>77</dim>", body)
    with pytest.raises(IRError) as caught:
        verify(read_model(path))
    said = rf"If '\w+' \(id \d+\): Parameter '\w+' \(id \d+\) of its {body} is \[[\d,]*77[\d,]*\], expected \[[\d,]+\] as outside"
    assert re.fullmatch(said, str(caught.value))
