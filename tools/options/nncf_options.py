"""Options of weight compression by their names in NNCF and in `optimum-cli export openvino`: what to write instead."""

from collections.abc import Callable
from typing import Any

from irquant.tools.options.former_options import FormerOption, former_options

_ROUNDING = "leave it out: with data, weights are rounded by GPTQ, with scales of least error"
_OPTIONS = (
    *(
        FormerOption((name,), takes="FORMAT", instead="write --weights int8, int4 or nf4")
        for name in ("--mode", "--weight-format")
    ),
    FormerOption(("--group-size",), takes="N", instead="write --group N; 0 for one scale in each row"),
    FormerOption(("--dataset",), takes="SOURCE", write="--data"),
    *(FormerOption((name,), takes="N", write="--samples") for name in ("--subset-size", "--num-samples")),
    FormerOption(("--sym",), instead="leave it out: a group gets a zero point only if that fits much better"),
    *(FormerOption((name,), instead=_ROUNDING) for name in ("--awq", "--gptq", "--scale-estimation")),
    *(
        FormerOption((name,), takes="MODE", instead="leave it out: layers without 4 bits have 8")
        for name in ("--backup-mode", "--backup-precision")
    ),
    FormerOption(
        ("--sensitivity-metric",), takes="NAME", instead="leave it out: the error of a layer's outputs counts"
    ),
    FormerOption(("--lora-correction",), instead="not supported: leave it out"),
    FormerOption(
        ("--ignored",),
        takes="NAME",
        instead="not supported: --ratio or --min-db leave the most sensitive layers in 8 bits",
    ),
)


def nncf_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which refuses them."""
    return former_options(command, _OPTIONS)
