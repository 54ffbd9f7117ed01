"""Sequences: samples of a model with states that are lists of steps.

Each step is a sample of its own, that knows the steps in front of it (see `Past`): whoever runs it, and whichever steps
ran before, its states are those that the steps in front of it leave.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from .samples import Feed, ModelInput, Past, PreparedSample, Sample, Steps, checked_feed, takes_shape
from .shape_hints import shape_of

_Step = TypeVar("_Step", bound=PreparedSample)


def steps_of(feed: object, inputs: Sequence[ModelInput]) -> Sequence[object] | None:
    """The steps of a sequence; None if a sample of a model with states is none.

    A sequence is a list or tuple of dicts by input name, or of lists that each have an array for each input. A list of
    arrays is one step, as without states. So is a dict in front of another that names no input, as labels do.
    """
    if isinstance(feed, Steps):
        return feed.each
    if not isinstance(feed, (tuple, list)):
        return None
    values: Sequence[object] = cast(Sequence[object], feed)
    if values and all(isinstance(each, Mapping) for each in values):
        return values if _names_one(values[0], inputs) == _names_one(values[min(1, len(values) - 1)], inputs) else None
    return values if values and all(is_in_order(each, inputs) for each in values) else None


def _names_one(step: object, inputs: Sequence[ModelInput]) -> bool:
    """Whether a dict names an input."""
    return any(each.names & cast(Mapping[str, object], step).keys() for each in inputs)


def is_in_order(step: object, inputs: Sequence[ModelInput]) -> bool:
    """Whether something is a list of arrays of the shapes of the inputs, in their order."""
    if not isinstance(step, (tuple, list)):
        return False
    shapes = [shape_of(each) for each in cast(Sequence[object], step)]
    return len(shapes) == len(inputs) and all(
        shape is not None and takes_shape(model, shape) for model, shape in zip(inputs, shapes, strict=True)
    )


def split_steps(sample: Sample, inputs: Sequence[ModelInput]) -> list[Sample]:
    """The steps of a sequence, with their numbers in their labels; a sample that is none is its only step."""
    steps = steps_of(sample.feed, inputs)
    if steps is None:
        return [sample]
    return [Sample(f"{sample.label}, step {number}", feed) for number, feed in enumerate(steps)]


def in_sequence(steps: Iterable[_Step]) -> list[_Step]:
    """The steps of a sequence in their order: each begins with the states that those in front of it leave."""
    found, past = list[_Step](), None
    for each in steps:
        found.append(replace(each, past=past))
        past = Past(each.feed, past)
    return found


def prepared_steps(sample: Sample, inputs: Sequence[ModelInput], *, has_states: bool) -> list[PreparedSample]:
    """The steps of a sample; a sample that is no sequence is its only step.

    Args:
        sample: The sample.
        inputs: The inputs of the model.
        has_states: Whether the model has states: else no sample is a sequence.

    Raises:
        DataError: names, shapes, types or values do not fit.
    """
    given = split_steps(sample, inputs) if has_states else [sample]
    return in_sequence(PreparedSample(each, checked_feed(each, inputs)) for each in given)


def with_steps_before(samples: Iterable[PreparedSample]) -> list[PreparedSample]:
    """The samples and all steps in front of them, each once and behind those in front of it."""
    found: dict[int, PreparedSample] = {}
    for each in samples:
        steps, past = [each], each.past
        while past and id(past.feed) not in found:
            steps.append(PreparedSample(each.sample, past.feed, past=past.past))
            past = past.past
        for step in reversed(steps):
            found.setdefault(id(step.feed), step)
    return [*found.values()]


def fed_otherwise(samples: Iterable[PreparedSample], other: Callable[[Feed], Feed]) -> list[PreparedSample]:
    """The samples with other arrays, also in the steps in front of them.

    Args:
        samples: The samples.
        other: Makes the arrays of a sample or step of its present ones.
    """
    feeds, pasts = dict[int, Feed](), dict[int, Past]()

    def fed(feed: Feed) -> Feed:
        if id(feed) not in feeds:
            feeds[id(feed)] = other(feed)
        return feeds[id(feed)]

    def behind(past: Past | None) -> Past | None:
        waiting = list[Past]()
        while past and id(past) not in pasts:
            waiting.append(past)
            past = past.past
        made = pasts[id(past)] if past else None
        for each in reversed(waiting):
            made = pasts[id(each)] = Past(fed(each.feed), made)
        return made

    return [PreparedSample(each.sample, fed(each.feed), past=behind(each.past)) for each in samples]
