"""Writes the table of operations that `irquant targets check` knows: `python tests/programs/operation_table.py`.

Types and attributes are asked of the installed runtime, each in a process of its own: to ask an operation without inputs
takes some down.
"""

import importlib
import importlib.util
import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openvino as ov
from openvino.utils.node_factory import NodeFactory

TABLE = Path(__file__).parents[2] / "targets" / "operations.json"
#: The runtime's names -> those of the .xml, where they differ.
SPELT = {"Constant": "Const", "PRelu": "PReLU", "Relu": "ReLU", "Softmax": "SoftMax"}
_OPSETS = [number for number in range(1, 32) if importlib.util.find_spec(f"openvino.opset{number}")]


def version() -> str:
    """The runtime's, without its build."""
    return str(ov.get_version()).split("-")[0]


def operations() -> dict[str, list[str]]:
    """Op type, as the .xml spells it -> its attributes, of all opsets."""
    return {SPELT.get(name, name): attributes(name) for name in sorted(set(types()))}


def types() -> Iterator[str]:
    """Op types as the runtime calls them."""
    for number in _OPSETS:
        opset = importlib.import_module(f"openvino.opset{number}")
        for each in vars(opset).values():
            if inspect.isfunction(each):
                yield from re.findall(r'\.create\(\s*"(\w+)"', inspect.getsource(inspect.unwrap(each)))
                yield from re.findall(r'_create_recurrent\w*\(\s*"(\w+)"', inspect.getsource(inspect.unwrap(each)))
    yield from ("Parameter", "Constant", "Result", "If", "Loop", "TensorIterator")


def attributes(name: str) -> list[str]:
    """The attributes of an operation, in any opset."""
    found: set[str] = set()
    for number in _OPSETS:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                node: Any = NodeFactory(f"opset{number}").create(name)
                os.write(writing, json.dumps([*node.get_attributes()]).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            told = stream.read()
        os.waitpid(child, 0)
        found |= set(json.loads(told)) if told else set()
    return sorted(found)


if __name__ == "__main__":
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in operations().items())
    TABLE.write_text(f'{{"openvino": "{version()}", "operations": {{\n{lines}\n}}}}\n')
