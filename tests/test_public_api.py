"""What users may rely on: these names and no others, each described in full and in the reference."""

import dataclasses
import enum
import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pydantic
import pytest

import irquant.passes
from irquant.passes.infra.base import Pass
from irquant.passes.options.config import QuantizationConfig

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "irquant": [
        "AccuracyWarning",
        "CompressionReport",
        "CompressionResult",
        "InternalError",
        "QuantizationConfig",
        "QuantizationResult",
        "QuantizationWarning",
        "Report",
        "UserError",
        "__version__",
        "compress",
        "compress_model",
        "load_model",
        "quantize",
        "quantize_model",
        "write_fault",
    ],
    "irquant.passes": [
        "AccuracyWarning",
        "CompressionReport",
        "CompressionResult",
        "Context",
        "Fact",
        "InternalError",
        "Pass",
        "PassManager",
        "QuantizationConfig",
        "QuantizationResult",
        "QuantizationWarning",
        "Reduction",
        "Report",
        "Request",
        "Verify",
        "analyze_graph",
        "check_pass",
        "compare_models",
        "compress",
        "compress_model",
        "default_quantization",
        "explain",
        "load_model",
        "quantize",
        "quantize_model",
    ],
    "irquant.ir": [
        "Builder",
        "Graph",
        "InPort",
        "Match",
        "Node",
        "OutPort",
        "Pattern",
        "UserError",
        "any_tensor",
        "chain",
        "const",
        "from_text",
        "op",
        "read_model",
        "to_text",
        "write_model",
    ],
    "irquant.targets": ["Target", "load_target"],
}
#: Each by the first module that has it.
HOMES = {name: module for module, names in reversed(PUBLIC.items()) for name in names}
OBJECTS = {name: getattr(import_module(module), name) for name, module in HOMES.items() if name != "__version__"}
#: Functions that refuse nothing.
REFUSE_NOTHING = {"any_tensor", "chain", "const", "default_quantization", "op", "to_text"}


def parts_of(class_: type) -> list[type]:
    """The bases that a value has fields of; the reference shows their docstrings below its own."""
    return [each for each in class_.__mro__[1:] if dataclasses.is_dataclass(each)]


def fields_of(class_: type) -> set[str]:
    """What a user sets or reads of a value."""
    if issubclass(class_, pydantic.BaseModel):
        return set(class_.model_fields)
    if issubclass(class_, enum.Enum):
        return set(class_.__members__)
    if dataclasses.is_dataclass(class_):
        found = [each.name for part in (class_, *parts_of(class_)) for each in dataclasses.fields(part)]
        return {name for name in found if not name.startswith("_")}
    if issubclass(class_, Pass):
        return {name for name in inspect.get_annotations(class_) if not name.startswith("_")}
    return set()


def gaps(name: str, described: object) -> set[str]:
    """What the docstring of a public name says nothing of."""
    described_in = [described, *(parts_of(described) if isinstance(described, type) else ())]
    text = "\n\n".join(inspect.getdoc(each) or "" for each in described_in)
    names = set(re.findall(r"^ {4}(\w+):", text, re.MULTILINE))
    if isinstance(described, type):
        fields = fields_of(described)
        return {"a docstring"} - {"a docstring" if text else ""} | {
            *(fields - names),
            *({"Attributes:"} if fields and "\nAttributes:\n" not in text else ()),
        }
    assert callable(described)
    signature = inspect.signature(inspect.unwrap(described))  # keywords are described in `options`
    wanted = {"Args:"} if signature.parameters else set[str]()
    wanted |= {"Returns:"} if signature.return_annotation not in (None, "None") else set[str]()
    wanted |= set[str]() if name in REFUSE_NOTHING else {"Raises:"}
    return {each for each in wanted if f"\n{each}\n" not in text} | (set(signature.parameters) - names)


@pytest.mark.parametrize("module", PUBLIC)
def test_these_names_are_public_and_no_others(module: str) -> None:
    assert import_module(module).__all__ == PUBLIC[module]


def test_a_name_is_the_same_thing_in_all_modules_that_have_it() -> None:
    for module, names in PUBLIC.items():
        for name in names:
            assert name == "__version__" or getattr(import_module(module), name) is OBJECTS[name]


@pytest.mark.parametrize("name", OBJECTS)
def test_a_public_name_is_described_in_full(name: str) -> None:
    assert gaps(name, OBJECTS[name]) == set()


@pytest.mark.parametrize("name", [name for name, found in OBJECTS.items() if isinstance(found, type)])
def test_what_a_public_class_offers_is_described(name: str) -> None:
    own = {each: found for each, found in vars(OBJECTS[name]).items() if not each.startswith("_")}
    called = {each: found for each, found in own.items() if inspect.isroutine(found) or isinstance(found, property)}
    assert {each for each, found in called.items() if not inspect.getdoc(found)} == set()


def _undescribed(graph: int) -> int:
    """Something, without Args."""
    return graph


@dataclasses.dataclass
class _Bare:
    """A value.

    Attributes:
        one: This.
    """

    one: int
    two: int


class _Derived(_Bare):
    """A value, whose base has its fields."""


def test_what_is_not_described_is_found() -> None:
    assert gaps("x", _undescribed) == {"Args:", "Returns:", "Raises:", "graph"}
    assert gaps("to_text", _undescribed) == {"Args:", "Returns:", "graph"}
    assert gaps("x", _Bare) == gaps("x", _Derived) == {"two"}


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documents are not part of the wheel")
def test_the_reference_has_each_public_name_once_and_no_other() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
    shown = re.findall(r"^::: (\S+)\.(\w+)$", pages, re.MULTILINE)
    # Where a module has the name of its function, the function is found in there only.
    homes = {name: twin if find_spec(twin := f"irquant.passes.{name}") else HOMES[name] for name in OBJECTS}
    classes = [found for found in OBJECTS.values() if isinstance(found, type)]
    homes |= {part.__name__: part.__module__ for class_ in classes for part in parts_of(class_)}
    assert sorted((name, module) for module, name in shown) == sorted(homes.items())
    assert pages.count(":::") == len(shown)
    for name, found in OBJECTS.items():
        assert getattr(import_module(homes[name]), name) is found


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documents are not part of the wheel")
@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]
)
def test_a_document_imports_public_names_only(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    imports = re.findall(r"^from (irquant\S*) import (.+)$", text, re.MULTILINE)
    named = {(module, name.strip()) for module, names in imports for name in names.split(",")}
    assert {each for each in named if each[1] not in PUBLIC.get(each[0], ())} == set()


def _former() -> dict[str, str]:
    found: dict[str, str] = vars(irquant.passes)["_FORMER"]
    return found


@pytest.mark.parametrize("name", sorted(_former()))
def test_a_former_name_still_works_but_is_not_public(name: str) -> None:
    module, _, today = _former()[name].partition(":")
    home: ModuleType = import_module(f"irquant.passes.{module}")
    assert getattr(irquant.passes, name) is getattr(home, today)
    assert name not in irquant.passes.__all__


def test_a_former_name_that_changed_means_what_it_meant() -> None:
    assert [getattr(irquant.passes, name) for name in ("Config", "NoRequests")] == [QuantizationConfig, Pass]


def test_a_name_that_never_was_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"^No irquant\.passes attribute quantise$"):
        getattr(irquant.passes, "quantise")  # noqa: B009 - type checkers know that there is none
