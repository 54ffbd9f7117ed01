"""Models whose first inferences are wrong on the CPU plugin, so that each sample has to run twice."""

from typing import Any


def may_need_warm_up(model: Any) -> bool:
    """Whether a model has an If with outputs of dynamic sizes.

    In the inference in which its inputs are larger than ever before, the CPU plugin (2026.4) may lose such an output:
    if it runs the If, it resizes the memory of layers behind it, which may be the same memory. Its readers get garbage.
    Later inferences of these sizes are right, so that each sample runs twice. Loops have no such fault.
    """
    return any(
        (op.get_type_name() == "If" and any(each.get_partial_shape().is_dynamic for each in op.outputs()))
        or any(map(may_need_warm_up, bodies_of(op)))
        for op in model.get_ops()
    )


def bodies_of(op: Any) -> list[Any]:
    """The bodies of a control-flow operation; none for others."""
    match op.get_type_name():
        case "If":
            return [op.get_function(0), op.get_function(1)]
        case "Loop" | "TensorIterator":
            return [op.get_function()]
        case _:
            return []
