"""Writes the origin of a quantized model into it, without paths or times: a second run gives the same bytes."""

import json
from importlib.metadata import version

from ...ir import Graph
from ..infra.base import Context
from ..runtime.core import runtime_version

SECTION = "irquant"


def record_version(graph: Graph) -> None:
    """Marks a model as made by irquant if nothing more is known about it."""
    graph.set_metadata(SECTION, {"version": version("irquant")})


def record_provenance(graph: Graph, context: Context) -> None:
    """Writes versions, the effective configuration and the fingerprints of model and data into the model's rt_info."""
    config = context.config.model_dump(mode="json", exclude_none=True) | {"preset": context.preset}
    names = {(node.graph.scope, node.id): name for node, name in context.plan.names.items()}
    returned = sorted(names.get(key, str(key)) for key in context.reverted_to_float)
    graph.set_metadata(
        SECTION,
        {
            "version": version("irquant"),
            "openvino": runtime_version(),
            "target": context.target.name,
            "config": json.dumps(config, sort_keys=True),
            "model": context.model_fingerprint,
            "data": context.calibration.data_fingerprint,
            **({"fed": context.calibration.fed} if context.calibration.fed else {}),
            "samples": str(context.statistics.samples),
            **({"returned_to_float": json.dumps(returned)} if returned else {}),
        },
    )
