"""The executed graph: what the runtime made of a model."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Executed:
    """A node of the executed graph.

    Attributes:
        name: Its name, often that of its layer.
        type: Its type, e.g. "Convolution", "FullyConnected".
        primitive: The implementation, e.g. "brgconv_avx512_I8".
        fused: The names of all layers that it contains, joined by commas.
        reads: Its input, e.g. "f32 from Eltwise 'sum'".
        sources: The names of the nodes that give its inputs.
    """

    name: str
    type: str
    primitive: str
    fused: str = ""
    reads: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_int8(self) -> bool:
        """Whether the primitive's name ends in `_I8` (unsigned data) or `_i8` (signed data)."""
        return self.primitive.endswith(("_I8", "_i8"))


def executed_graph(compiled: Any) -> list[Executed]:
    """The executed graph of a compiled model, in topological order."""
    return [
        Executed(
            op.get_friendly_name(),
            _info(op, "layerType"),
            _info(op, "primitiveType"),
            _info(op, "originalLayersNames"),
            tuple(_source(value) for value in op.input_values()),
            tuple(value.get_node().get_friendly_name() for value in op.input_values()),
        )
        for op in compiled.get_runtime_model().get_ordered_ops()
    ]


def _source(value: Any) -> str:
    node, index = value.get_node(), int(value.get_index())
    kinds = _info(node, "outputPrecisions").split(",")
    kind = kinds[min(index, len(kinds) - 1)]
    return f"{kind} from {_info(node, 'layerType')} '{node.get_friendly_name()}'"


def _info(node: Any, key: str) -> str:
    info = node.get_rt_info()
    return str(info[key].astype(str)) if key in info else ""
