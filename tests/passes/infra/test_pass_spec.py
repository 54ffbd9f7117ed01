"""A pass is written as its name and options, read back with the same meaning, and refused with the reason."""

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import pytest

import irquant.passes
from irquant.ir import Graph
from irquant.passes import Context, Pass
from irquant.passes.infra.pass_spec import PassSpec, PassSpecError, make_pass, options_of, read_specs, spec_text
from irquant.passes.infra.pipeline_file import read_pipeline
from irquant.passes.infra.registry import PASSES, pass_class


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Rich(Pass):
    """Takes options of all kinds."""

    count: int
    share: float = 0.5
    is_loud: bool = False
    file: Path | None = None
    words: tuple[str, ...] = ()
    sizes: frozenset[int] = field(default_factory=frozenset[int])
    mode: Literal["fast", "slow"] = "fast"
    colour: Colour = Colour.RED

    name: ClassVar[str] = "rich"

    def __post_init__(self) -> None:
        if self.count < 0:
            message = f"count is {self.count}: nobody counts below 0"
            raise ValueError(message)

    def run(self, graph: Graph, context: Context) -> int:
        return 0


def made(text: str) -> Pass:
    (spec,) = read_specs(text)
    return make_pass(Rich, spec.options)


def test_options_become_values_of_their_types() -> None:
    assert made("rich{count=3 share=0.25 is-loud file=a/b.npz words=x,y sizes=2,1 mode=slow colour=blue}") == Rich(
        3, 0.25, True, Path("a/b.npz"), ("x", "y"), frozenset({1, 2}), "slow", Colour.BLUE
    )


def test_underscores_do_as_well_as_hyphens() -> None:
    assert made("rich{count=3 is_loud=true}") == Rich(3, is_loud=True)


@pytest.mark.parametrize(
    "pass_",
    [
        Rich(1),
        Rich(2, 0.1, True, Path("with space.npz"), ("a", "b"), frozenset({4, 3}), "slow", Colour.BLUE),
        Rich(3, file=Path('a"b,{c}=d\\e')),
    ],
)
def test_a_pass_prints_back_as_it_is_written(pass_: Pass) -> None:
    assert made(spec_text(pass_)) == pass_


def test_options_with_their_defaults_are_not_printed() -> None:
    assert spec_text(Rich(1, share=0.5, is_loud=True)) == "rich{count=1 is-loud=true}"


def test_several_passes_are_separated_by_commas_outside_of_braces() -> None:
    assert read_specs('a, b{x=1,2 y="3, {4}"} ,c-d{}') == [
        PassSpec("a"),
        PassSpec("b", {"x": "1,2", "y": "3, {4}"}),
        PassSpec("c-d"),
    ]


@pytest.mark.parametrize("text", ["a{", "a}", "a{x=1", "{x=1}", "a,,b", ",a", "a{x=1}{y=2}", 'a{x="1}'])
def test_what_is_no_list_of_passes_is_refused(text: str) -> None:
    with pytest.raises(PassSpecError, match=r"^cannot read '.*' as passes; write name\{option=value\},name$"):
        read_specs(text)


@pytest.mark.parametrize("text", ["a{=1}", "a{x=1,y = 2}", "a{1=2}", 'a{x="1"2}'])
def test_what_are_no_options_is_refused(text: str) -> None:
    with pytest.raises(PassSpecError, match=r"^pass 'a': cannot read '.*' as options; write option=value"):
        read_specs(text)


THERE = (
    "it has: count=INTEGER, share=NUMBER, is-loud=true|false, file=PATH, words=TEXT,.., sizes=INTEGER,.., "
    "mode=fast|slow, colour=red|blue"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rich", "pass 'rich' needs the option count=INTEGER"),
        ("rich{cuont=1}", f"pass 'rich' has no option 'cuont'; did you mean 'count'? {THERE}"),
        ("rich{count=1 z=2}", f"pass 'rich' has no option 'z'; {THERE}"),
        ("rich{count=one}", "pass 'rich': count is 'one', expected INTEGER"),
        ("rich{count}", "pass 'rich': count is 'true', expected INTEGER"),
        ("rich{count=1 share=x}", "pass 'rich': share is 'x', expected NUMBER"),
        ("rich{count=1 is-loud=perhaps}", "pass 'rich': is-loud is 'perhaps', expected true|false"),
        ("rich{count=1 sizes=1,b}", "pass 'rich': sizes is '1,b', expected INTEGER,.."),
        ("rich{count=1 mode=slwo}", "pass 'rich': mode is 'slwo', expected fast|slow"),
        ("rich{count=1 colour=green}", "pass 'rich': colour is 'green', expected red|blue"),
        ("rich{count=-1}", "pass 'rich': count is -1: nobody counts below 0"),
    ],
)
def test_a_wrong_option_is_explained(text: str, said: str) -> None:
    with pytest.raises(PassSpecError) as caught:
        made(text)
    assert str(caught.value) == said


def test_an_option_of_a_pass_without_any_is_refused() -> None:
    with pytest.raises(PassSpecError, match=r"^pass 'normalize' has no option 'deep'; it has none$"):
        make_pass(pass_class("normalize"), {"deep": "1"})


def test_a_pass_answers_to_the_name_that_it_had_before() -> None:
    assert pass_class("migrate-scales").name == "smooth-quant"


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_is_known_by_its_own_name(name: str) -> None:
    assert pass_class(name).name == name
    assert (pass_class(name).__doc__ or "").strip()
    assert all(option.takes != "VALUE" for option in options_of(pass_class(name)))


def test_every_pass_that_anybody_may_run_is_listed() -> None:
    inner = {
        "attach-statistics",
        "attach-gates",
        "measure-weight-errors",
    }  # parts of others, whose options nobody writes by hand
    for name in PASSES:
        pass_class(name)
    known = {
        cast(Any, class_).name
        for class_ in Pass.__subclasses__()
        if class_.__module__.startswith(irquant.passes.__name__) and class_.__module__ in sys.modules  # no example
    }
    assert known - inner <= set(PASSES)


def test_an_unknown_pass_is_refused_with_the_nearest() -> None:
    with pytest.raises(PassSpecError) as caught:
        pass_class("normalise")
    assert str(caught.value) == (
        f"no pass 'normalise'; did you mean 'normalize'? there are: {', '.join(PASSES)}; or give module:Class"
    )


# ------------------------------------------------------------------------------------------------- pipelines in files


def test_a_file_lists_passes_with_their_options(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("- normalize\n- rich: {count: 3, words: [a, b], is-loud: true}\n- other:\n")
    specs = read_pipeline(path)
    assert [spec.name for spec in specs] == ["normalize", "rich", "other"]
    assert make_pass(Rich, specs[1].options) == Rich(3, is_loud=True, words=("a", "b"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("normalize", "{}: expected a list of passes, '- name' or '- name: {{option: value}}' a line"),
        ("", "{}: expected a list of passes, '- name' or '- name: {{option: value}}' a line"),
        ("- 3", "{}: [0] is 3; expected a name, or one name with its options: '- name: {{option: value}}'"),
        (
            "- a\n- {b: {}, c: {}}",
            "{}: [1] is {{'b': {{}}, 'c': {{}}}}; "
            "expected a name, or one name with its options: '- name: {{option: value}}'",
        ),
        ("- a: 1", "{}: [0] is {{'a': 1}}; expected a name, or one name with its options: '- name: {{option: value}}'"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(content)
    with pytest.raises(PassSpecError) as caught:
        read_pipeline(path)
    assert str(caught.value) == said.format(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PassSpecError, match=r"gone\.yaml: cannot be read: No such file or directory$"):
        read_pipeline(tmp_path / "gone.yaml")
    (tmp_path / "p.yaml").write_text("- [")
    with pytest.raises(PassSpecError, match=r"p\.yaml: not YAML: "):
        read_pipeline(tmp_path / "p.yaml")
