"""Tests passes, irquant's and the user's: text before, text after, and the contract of every pass."""

import difflib
from collections.abc import Sequence

from ..ir import Graph, IRError, from_text, to_text, verify
from ..targets import load_target
from .infra.base import Context, Pass


def check_pass(
    pass_: Pass,
    *,
    before: str,
    after: str,
    context: Context | None = None,
    prepare: Sequence[Pass] = (),
) -> Context:
    """Runs a pass on the graph of one text and compares the result with another.

    It also checks the contract of every pass: a graph that verifies, no change in a second run, a correct statement of
    whether there were changes, and unchanged names, types and shapes of the model's inputs and outputs.

    Args:
        pass_: The pass.
        before: The graph to run it on, in the text form.
        after: The expected graph; the order of independent lines does not matter.
        context: The context of the pass; default: only the target of `load_target()`.
        prepare: Passes to run first.

    Returns:
        The context, for further questions.

    Raises:
        AssertionError: a text is no valid graph, the result differs from `after` (the message shows how), or the
            contract is broken.
    """
    context = context or Context(load_target())
    graph, wanted = _valid(before, "before"), _valid(after, "after")
    for each in prepare:
        each.run(graph, context)
    start, interface = to_text(graph, values=True), _interface(graph)
    changes = pass_.run(graph, context)
    verify(graph)
    found, expected = _lines(graph), _lines(wanted)
    if found != expected:
        lines = difflib.unified_diff(expected, found, "expected", "found", lineterm="")
        message = "\n".join([f"'{pass_.name}' gave another graph:", *lines])
        raise AssertionError(message)
    changed = to_text(graph, values=True) != start
    assert changed == (changes > 0), (
        f"'{pass_.name}' says {changes} changes, but the graph {'did' if changed else 'did not'} change"
    )
    assert _interface(graph) == interface, f"'{pass_.name}' changed an input or output of the model"
    again = pass_.run(graph, context)
    assert again == 0, f"'{pass_.name}' made {again} changes in a second run"
    return context


def _valid(text: str, name: str) -> Graph:
    """The graph of a text, with a check: what is wrong with the text is no mistake of the pass."""
    try:
        graph = from_text(text)
        verify(graph)
    except IRError as error:
        message = f"the graph of `{name}` is invalid: {error}"
        raise AssertionError(message) from error
    return graph


def _lines(graph: Graph) -> list[str]:
    """The lines of a graph's text, sorted, since independent nodes have no order, and all values of constants."""
    constants = [node for each in graph.walk() for node in each.nodes("Const") if node.output().element_type.dtype]
    values = [f"{node.name}: {node.array.tolist()}" for node in constants]
    return [*sorted(to_text(graph).splitlines()), *sorted(values)]


def _interface(graph: Graph) -> list[object]:
    """Names, types and shapes of the model's inputs and outputs."""
    tensors = [node.output() for node in graph.in_file_order("Parameter")]
    tensors += [node.source() for node in graph.in_file_order("Result")]
    return [(tensor.names, tensor.element_type.name, tensor.shape) for tensor in tensors]
