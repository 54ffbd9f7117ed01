"""What a plan means for the operations that it decides nothing about: whether they read rounded numbers, and why."""

from ...ir import InPort, Node
from ...ir.match import told
from ...ir.ops import LAYER_TYPES, bias_port, is_constant
from ...targets import Rule, Target
from ..analysis.constants import SHAPE_READERS
from .plan import Plan


def reads_rounded(node: Node, plan: Plan, target: Target) -> bool:
    """Whether an operation reads rounded numbers at all inputs that its rule names, or at any if there is no rule."""
    return bool(plan.feeding(*node.inputs)) and not _float_inputs(node, plan, target)


def why_passed_over(node: Node, plan: Plan, target: Target) -> str:
    """Why an operation without a decision reads rounded numbers, or floats.

    Args:
        node: The operation, in the graph that the plan is for.
        plan: The plan.
        target: The device.
    """
    rule = target.rule(node)
    if node in plan.moved:
        return "it only moves numbers, so the FakeQuantize of the layers behind it stands in front of it"
    if node in plan.kept and not reads_rounded(node, plan, target):
        return plan.kept[node]
    if plan.feeding(*node.inputs):
        return _why_rounded(node, plan, target)
    if rule and not rule.inputs and rule.because:
        return rule.because
    if rule and (constant := _why_constant(node, rule, target)):
        return constant
    asks_behind = rule.requantizes if rule else _moves(node, target)
    if asks_behind and (reader := _float_reader(node, plan, target)):
        floats = f"{_as_reader(reader)} takes its result as floats"
        return f"{floats}, so no FakeQuantize in front of it would serve all readers"
    if rule:
        return f"target '{target.name}' could round what it reads, but no layer around asks for it"
    if names := [f"'{site.name}'" for site in plan.sites if site.source.node == node]:
        return (
            f"target '{target.name}' has no rule that fits it; {', '.join(names)} rounds its result, so a device that "
            "fuses it with the layer in front computes both in int8"
        )
    return f"target '{target.name}' has no rule that fits it, and no layer behind needs its data rounded"


def _why_rounded(node: Node, plan: Plan, target: Target) -> str:
    rule = target.rule(node)
    if rule is None or not rule.inputs:
        return "it reads no values, and shares the FakeQuantize of the other readers"
    if not (floats := _float_inputs(node, plan, target)):
        return f"target '{target.name}' computes it on rounded numbers"
    port = floats[0]
    reader = _float_reader(port.source.node, plan, target, besides=node)
    why = f", since {_as_reader(reader)} takes that as floats, too" if reader else ""
    return f"other readers of one input need it rounded; its input {port.index} stays float{why}"


def _why_constant(node: Node, rule: Rule, target: Target) -> str:
    """Why a constant operand keeps an operation float; empty if it does not."""
    constant = next((index for index in rule.ports(node) if is_constant(node.source(index))), None)
    if constant is None or not rule.requantizes:
        return ""
    layers = (port.source.node for port in node.inputs if port.source.node.type in LAYER_TYPES)
    if layer := next((each for each in layers if (bias := bias_port(each)) and bias.node == node), None):
        return f"it adds the bias of {told(layer)}, and a bias is added before a result is rounded"
    depend = f"target '{target.name}' rounds what it reads only if all of that depends on the data"
    return f"its input {constant} is constant, and {depend}"


def _float_inputs(node: Node, plan: Plan, target: Target) -> list[InPort]:
    """The inputs that a rule names, and that read floats which depend on the data."""
    rule = target.rule(node)
    ports = [node.input(index) for index in rule.ports(node)] if rule else []
    return [port for port in ports if not plan.feeding(port) and not is_constant(port.source)]


def _float_reader(node: Node, plan: Plan, target: Target, besides: Node | None = None) -> Node | None:
    """The nearest node that takes a result as floats, also behind operations that only move it; None: there is none.

    An operation that takes int8 only if its own result is taken in int8 is such a node if its result is not.
    """
    rounded = {port for site in plan.sites for port in site.consumers}
    waiting: list[tuple[Node, Node | None]] = [(node, None)]  # a node, and what takes floats if a reader of it does
    seen = {node, besides}
    for above, taking in waiting:  # the list grows
        for port in (each for output in above.outputs for each in output.consumers):
            reader = port.node
            if reader in seen or reader.type in SHAPE_READERS or port in rounded or reader in plan.moved:
                continue
            rule = target.rule(reader) if reader not in plan.decisions else None
            is_requantizing = rule is not None and rule.requantizes and bool(rule.inputs)
            if not is_requantizing and not _moves(reader, target):
                return taking or reader
            seen.add(reader)
            waiting.append((reader, taking or (reader if is_requantizing else None)))
    return None


def _moves(node: Node, target: Target) -> bool:
    return node.type in target.unified or target.transparency(node) is not None


def _as_reader(node: Node) -> str:
    return f"output '{node.name}' of the model" if node.type == "Result" else told(node)
