"""The quantized model as a graph for Model Explorer, with a colour for what runs in int8 and what in float.

The file is in the form that Model Explorer reads without an adapter: its JSON of a collection of graphs (package
`ai-edge-model-explorer` 0.1.34, `graph_builder.py`). It has no adapter for OpenVINO models that could take node data.
Netron opens the .xml itself, but takes no colours. Precision is in the labels, too: colours alone tell nothing to some.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from irquant.ir import DYNAMIC, Graph, Node, Scope, UserError, printable
from irquant.ir.atomic_write import write_bytes, write_failure
from irquant.passes import Report
from irquant.passes.files.own_files import GRAPH_MARK
from irquant.tools.report.layer_rows import LayerRow, layer_rows

#: Precision -> the colours of background and border.
COLOURS: Mapping[str, tuple[str, str]] = {"int8": ("#9cc7e3", "#0072b2"), "float": ("#f4c568", "#8a5700")}
#: Kinds of the bodies around a layer, and its name in reports -> what is known of it.
_Rows: TypeAlias = Mapping[tuple[tuple[str, ...], str], LayerRow]


class ModelGraphError(UserError):
    """The file cannot be written."""


def write_model_graph(path: Path, graph: Graph, report: Report) -> None:
    """Writes the file.

    Args:
        path: The .json.
        graph: The quantized model.
        report: The findings about it.

    Raises:
        ModelGraphError: it cannot be written.
    """
    text = json.dumps(model_graph(graph, report), indent=1)
    assert text.encode().startswith(GRAPH_MARK), "irquant replaces its own files"
    try:
        write_bytes(path, text.encode("utf-8"))
    except OSError as error:
        raise ModelGraphError(write_failure(path, error)) from None


def model_graph(graph: Graph, report: Report) -> dict[str, Any]:
    """The model as plain values: the main graph first, then the bodies of its operations."""
    rows = {(_tags(row.layer.scope if row.layer else ()), row.name): row for row in layer_rows(report)}
    graphs = [_graph_values(name, prefix, each, rows) for name, prefix, each in _graphs("model", "", graph)]
    return {"label": f"irquant: {printable(graph.name)}", "graphs": graphs}


def _graph_values(name: str, prefix: str, graph: Graph, rows: _Rows) -> dict[str, Any]:
    shown = _shown(graph)
    known = {node.id for node in shown}
    found = {node: rows.get((_tags(graph.scope), f"{prefix}{node.name}")) for node in shown}
    return {"id": name, "nodes": [_node_values(name, node, known, row) for node, row in found.items()]}


def _tags(scope: Scope) -> tuple[str, ...]:
    """The kinds of the bodies around a layer: reports give the branches of an If one name, and a file other ids."""
    return tuple(tag for _, tag in scope)


def _graphs(name: str, prefix: str, graph: Graph) -> Iterator[tuple[str, str, Graph]]:
    """The graph and all bodies inside it, each with its own name, and the prefix of its nodes' names in reports."""
    yield name, prefix, graph
    for node in graph.in_file_order():
        for tag, body in node.bodies.items():
            yield from _graphs(_body_name(name, node, tag), f"{prefix}{node.name}|", body)


def _body_name(graph: str, node: Node, tag: str) -> str:
    return f"{graph}|{node.name}|{tag}"


def _shown(graph: Graph) -> list[Node]:
    """All nodes but constants, and what is computed from constants alone: weights, and how they are unpacked."""
    hidden: set[Node] = set()
    for node in graph.nodes():
        sources = [port.source.node for port in node.inputs]
        if node.type == "Const" or (sources and hidden.issuperset(sources)):
            hidden.add(node)
    return [node for node in graph.in_file_order() if node not in hidden]


def _node_values(graph: str, node: Node, known: Collection[int], row: LayerRow | None) -> dict[str, Any]:
    precision = row.runs if row else ""
    colours = COLOURS.get(precision)
    return {
        "id": str(node.id),
        "label": f"{node.type} ({precision})" if precision else node.type,
        "namespace": _group(node),
        "subgraphIds": [_body_name(graph, node, tag) for tag in node.bodies],
        "attrs": [{"key": key, "value": printable(value)} for key, value in _facts(node, row)],
        "incomingEdges": _edges(node, known),
        "outputsMetadata": [
            {"id": str(index), "attrs": [{"key": "shape", "value": _shape(port.element_type.name, port.shape)}]}
            for index, port in enumerate(node.outputs)
        ],
        **({"style": dict(zip(("backgroundColor", "borderColor"), colours, strict=True))} if colours else {}),
    }


def _group(node: Node) -> str:
    """The path in front of the name, by which Model Explorer folds nodes; a layer is no group of its FakeQuantizes."""
    path = node.name.rpartition("/")[0]
    while path and node.graph.unique_name(path) != path:
        path = path.rpartition("/")[0]
    return path.strip("/")


def _facts(node: Node, row: LayerRow | None) -> Iterator[tuple[str, str]]:
    """What is known of a node, with the results of the run first."""
    yield "name", node.name
    if row and row.layer:
        yield "precision", row.runs
        yield "reason", row.layer.reason
    if row and row.effect:
        yield "share of the outputs' error", f"{row.effect.share:.1%}"
    if row and row.macs:
        yield "multiply-accumulates", f"{row.macs:,}"
    if row and row.time:
        yield "time in float, ms", f"{row.time.before * 1e3:.4g}"
        unsure = "" if row.time.is_sure else " (measurements disagree on which is less)"
        yield "time in int8, ms", f"{row.time.after * 1e3:.4g}{unsure}"
    if row and row.sources:
        yield "names in the source framework", ", ".join(row.sources)
    yield from sorted(node.attributes.items())


def _edges(node: Node, known: Collection[int]) -> Sequence[dict[str, str]]:
    """What a node reads of the shown nodes."""
    sources = ((index, port.source) for index, port in enumerate(node.inputs))
    return [
        {
            "sourceNodeId": str(source.node.id),
            "sourceNodeOutputId": str(source.index),
            "targetNodeInputId": str(index),
        }
        for index, source in sources
        if source.node.id in known
    ]


def _shape(kind: str, shape: tuple[int, ...]) -> str:
    return f"{kind}[{','.join('?' if each == DYNAMIC else str(each) for each in shape)}]"
