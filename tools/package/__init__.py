"""Post-training INT8 quantization of OpenVINO IR: a trained model and some data in, an INT8 model out.

`quantize` and `quantize_model` are the entry points, and `compress` and `compress_model` for weights alone. The rest is
in `irquant.passes` (passes and the pass manager), `irquant.ir` (models as graphs) and `irquant.targets` (devices).
Modules are imported at their first use.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irquant.ir import UserError
    from irquant.passes import (
        AccuracyWarning,
        CompressionReport,
        CompressionResult,
        InternalError,
        QuantizationConfig,
        QuantizationResult,
        QuantizationWarning,
        Report,
        compress,
        compress_model,
        load_model,
        quantize,
        quantize_model,
    )
    from irquant.passes.infra.internal_errors import write_fault

    __version__: str

__all__ = [
    "AccuracyWarning",
    "CompressionReport",
    "CompressionResult",
    "InternalError",
    "QuantizationConfig",
    "QuantizationResult",
    "QuantizationWarning",
    "Report",
    "UserError",
    "__version__",
    "compress",
    "compress_model",
    "load_model",
    "quantize",
    "quantize_model",
    "write_fault",
]


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> Any:
        """A public name, imported from its module."""
        if name == "__version__":
            return import_module("importlib.metadata").version("irquant")
        if name not in __all__:
            raise AttributeError(_instead_of(name) or f"module 'irquant' has no attribute '{name}'")
        if name == "UserError":
            return import_module("irquant.ir").UserError
        with import_module("irquant.ir.gc_paused").gc_paused():  # imported objects stay
            import_module("irquant.tools.front_end").install_front_end()
            return getattr(import_module("irquant.passes"), name)

    def _instead_of(name: str) -> str:
        """What to write instead of a name that `nncf` has; empty for others."""
        instead = import_module("irquant.passes.options.former_keywords").OF_MODULE.get(name)
        return f"irquant has no '{name}': {instead}" if instead else ""

    class _FormerNames:
        """Says the same for `from irquant import NAME`, which searches for a module and drops the AttributeError."""

        @staticmethod
        def find_spec(fullname: str, *_: object) -> None:
            """Finds nothing; refuses a name of `nncf`."""
            package, _, name = fullname.partition(".")
            if package == __name__ and (message := _instead_of(name)):
                raise ImportError(message, name=package)

    sys.meta_path.append(_FormerNames)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
