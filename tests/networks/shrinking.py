"""Smaller networks that fail alike."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from irquant.ir import to_text
from irquant.passes.runtime.convert import from_runtime

from .checking import FoundError, check
from .drawing import Recipe, draw, without
from .options import DEFAULTS

Case = tuple[Recipe, dict[str, Any]]


def shrunk(recipe: Recipe, options: dict[str, Any], signature: str) -> Case:
    """The case without all that it fails alike without."""
    best: Case = (recipe, options)
    going = True
    while going:
        going = False
        for smaller in _smaller(*best):
            if fails_alike(smaller, signature):
                best, going = smaller, True
                break
    return best


def fails_alike(case: Case, signature: str) -> bool:
    """Whether a case fails with that signature."""
    try:
        check(*case)
    except FoundError as failure:
        return failure.signature == signature
    except Exception:  # whatever it is, it is not the same
        return False
    return False


def _smaller(recipe: Recipe, options: dict[str, Any]) -> Iterator[Case]:
    """What is tried: half of the blocks, then each; then plain sizes, types and names; then each option."""
    count = len(recipe.steps)
    if count > 3:
        yield without(recipe, steps=range(count // 2, count)), options
        yield without(recipe, steps=range(count // 2)), options
    for index in reversed(range(count)):
        yield without(recipe, steps=[index]), options
    if len(recipe.sources) > 1:
        for index in range(len(recipe.sources)):
            yield without(recipe, inputs=[index]), options
    if not recipe.is_plain:
        yield replace(recipe, is_plain=True), options
    for name, value in DEFAULTS.items():
        if name != "config" and options[name] != value:
            yield recipe, {**options, name: value}
    for name in options["config"]:
        if options["config"][name] != DEFAULTS["config"].get(name):
            config = {key: value for key, value in options["config"].items() if key != name}
            yield (
                recipe,
                {
                    **options,
                    "config": {**config, **({name: DEFAULTS["config"][name]} if name in DEFAULTS["config"] else {})},
                },
            )


def described(case: Case) -> str:
    """The options, and the text of the network, without its weights."""
    drawn = draw(case[0])
    assert drawn is not None
    shapes = [{name: f"{each.dtype}{list(each.shape)}" for name, each in sample.items()} for sample in drawn.samples]
    head = f"recipe {case[0]}\noptions {case[1]}\n{len(shapes)} samples, the first {shapes[0]}\n"
    return head + to_text(from_runtime(drawn.model))
