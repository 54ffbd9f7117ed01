"""What is said of texts that are no JSON."""

from pathlib import Path

import pytest

from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.content import content_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "a": 1\n "b": 2\n}', "line 3, column 2: a comma is missing at the end of line 2"),
        ('{ // why\n "a": "x" // not\n\n "b": 2}', "line 4, column 2: a comma is missing at the end of line 2"),
        ('{"a": {"c": 1} "b": 2}', 'line 1, column 16: a comma is missing in front of "'),
        ('{"a": [1 2]}', "line 1, column 10: a comma or a colon is missing in front of 2"),
        ('{"a" 1}', "line 1, column 6: a comma or a colon is missing in front of 1"),
        ('{"a": }', "line 1, column 7: unexpected '}'"),
        ('{"a": 1\n', "line 2: the text ends inside a bracket or a quotation: one is not closed"),
    ],
)
def test_the_line_and_what_is_missing_are_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        content_of(path)
    assert str(caught.value) == f"{path}: cannot be read: {said}"
