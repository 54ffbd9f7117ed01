"""YAML texts: what is told of them, and what none of them can do."""

import pytest
import yaml

from irquant.targets import Lines, YamlMistake


def complaint(text: str) -> str:
    with pytest.raises(YamlMistake) as caught:
        Lines(text).content()
    return str(caught.value)


def test_the_content_is_that_of_the_usual_reader() -> None:
    text = "a: &x [1, 2.5, no, ~, 2020-01-02]\nb: *x\nc: {d: 'text', <<: {e: 1}}\n"
    assert Lines(text).content() == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_text_without_content_has_none(text: str) -> None:
    assert Lines(text).content() is None


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "[" * 2000 + "]" * 2000])
def test_what_is_nested_too_deeply_is_told(text: str) -> None:
    assert complaint(text) == "it is nested too deeply"


def test_aliases_cannot_stand_for_more_than_any_file_says() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert complaint("\n".join(lines)) == "its aliases stand for more than 1,000,000 values"
    assert Lines("\n".join(lines[:3])).content()


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}"])
def test_an_alias_cannot_stand_for_itself(text: str) -> None:
    assert complaint(text) == "its aliases stand for more than 1,000,000 values"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 2026-99-99", "'2026-99-99' is no timestamp"),
        ("a: !!int x", "'x' is no int"),
        ("a: !!bool x", "'x' is no bool"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("a: !!int 0b", "'0b' is no int"),
        (f"a: {'9' * 401}", "a number of 401 characters, expected 400 or less"),
        (f"a: 9{':59' * 9000}", "a number of 27,001 characters, expected 400 or less"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_told_with_its_line(text: str, said: str) -> None:
    assert complaint(f"b: 1\n{text}") == f"line 2, column 4: {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\t- b", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: {b: 1", "line 1, column 9: expected ',' or '}', but got '<stream end>'"),
        ("--- 1\n--- 2", "line 2, column 1: expected a single document in the stream, but found another document"),
        ("a: \x1b", "the text holds the character '\\x1b', which YAML does not allow"),
    ],
)
def test_what_is_no_yaml_is_one_line_with_the_place(text: str, said: str) -> None:
    assert complaint(text) == said


def test_nothing_is_ever_run() -> None:
    assert "could not determine a constructor" in complaint("!!python/object/apply:os.system ['true']")


def test_a_key_that_is_a_list_is_told() -> None:
    lines = Lines("? [a, b]\n: c\n")
    assert list(lines.repeated()) == []
    assert "unhashable key" in complaint("? [a, b]\n: c\n")


def test_a_repeated_key_has_both_lines() -> None:
    assert list(Lines("a: 1\nb: {c: 1,\n  c: 2}\na: 2\na: 3\n").repeated()) == [(4, "a", 1), (5, "a", 1), (3, "c", 2)]
