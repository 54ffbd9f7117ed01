"""How long it takes to decide where FakeQuantizes go, by the number of layers.

    python tests/benchmarks/placement.py [LAYERS ...]

Nets of that many operations (default: 100 1000 10000): residual blocks of convolutions, depthwise convolutions, pooling
and Concat. Each figure is the best of three runs of `plan-placement`.
"""

import sys
import time

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes import Context
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.targets import load_target

_ONES, _NONE = [1, 1], [0, 0]


def net(operations: int) -> ov.Model:
    """About that many operations, constants not counted."""
    kernel = np.ones((8, 8, 1, 1), np.float32)
    wide, depth = np.ones((8, 16, 1, 1), np.float32), np.ones((8, 1, 1, 3, 3), np.float32)
    image = op.parameter([1, 8, 8, 8], np.float32)
    tensor = op.relu(image).output(0)
    for _ in range(operations // 8):
        inner = op.relu(op.convolution(tensor, op.constant(kernel), _ONES, _NONE, _NONE, _ONES))
        inner = op.relu(op.group_convolution(inner, op.constant(depth), _ONES, _ONES, _ONES, _ONES))
        both = op.concat([tensor, inner], 1)
        joined = op.convolution(both, op.constant(wide), _ONES, _NONE, _NONE, _ONES)
        tensor = op.max_pool(op.add(joined, tensor), _ONES, _ONES, _ONES, _ONES, [3, 3], "floor").output(0)
    return ov.Model([op.result(tensor)], [image], "net")


def main() -> None:
    print("| operations | FakeQuantizes | s | us an operation |\n| --- | --- | --- | --- |")
    for wanted in [int(each) for each in sys.argv[1:]] or [100, 1000, 10000]:
        graph = from_runtime(net(wanted))
        operations = sum(node.type != "Const" for node in graph.nodes())
        seconds: list[float] = []
        context = Context(load_target("cpu"))
        for _ in range(3):
            start = time.perf_counter()
            PlanPlacement().run(graph, context)
            seconds.append(time.perf_counter() - start)
        best = min(seconds)
        print(f"| {operations:,} | {len(context.plan.sites):,} | {best:.3f} | {best / operations * 1e6:.0f} |")


if __name__ == "__main__":
    main()
