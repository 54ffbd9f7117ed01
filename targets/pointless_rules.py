"""Rules of a target file that cannot do what they say, and specs that no rule uses."""

from collections.abc import Collection, Iterator

from ..ir.ops import RECURRENT_TYPES, WEIGHTED_TYPES
from .operations import Location
from .target import Rule, Target


def unused_specs(target: Target, own: Collection[str]) -> Iterator[tuple[Location, str]]:
    """The specs of a target's own file that no rule uses: location and message."""
    used = {name for rule in target.rules for name in rule.inputs.values()}
    yield from (
        (("specs", name), "no rule uses it; remove it, or name it in a rule") for name in own if name not in used
    )


def pointless_rules(target: Target, count: int) -> Iterator[tuple[Location, str]]:
    """What among the first rules of a target has no effect: location and message.

    Args:
        target: The target.
        count: The number of rules of its own file. Rules of the target that it extends may be overruled.
    """
    weighted = {*WEIGHTED_TYPES, *RECURRENT_TYPES, "Gather", *target.operations}  # a Gather may be an embedding
    for index, rule in enumerate(target.rules[:count]):
        without = [name for name in rule.op if name not in weighted]
        if "weights" in rule.inputs and without:
            yield (
                ("rules", index, "inputs", "weights"),
                f"no weights in {', '.join(without)}; expected data, second or all",
            )
        hidden = [name for name in rule.op if any(_fits_all(each, name) for each in target.rules[:index])]
        if len(hidden) == len(rule.op):
            said = (
                f"a rule before it fits every {', '.join(hidden)}; the first that fits decides, so put this one first"
            )
            yield ("rules", index), said


def _fits_all(rule: Rule, name: str) -> bool:
    """Whether a rule is about every operation of a type."""
    return name in rule.op and not (rule.where or rule.unless or rule.when or rule.ranks or rule.multiples)
