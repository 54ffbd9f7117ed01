"""Post-training INT8 quantization of OpenVINO IR: a trained model and some data in, an INT8 model out.

`quantize` and `quantize_model` are the entry points, and `compress` and `compress_model` for weights alone. The rest is
in `irquant.passes` (passes and the pass manager), `irquant.ir` (models as graphs) and `irquant.targets` (devices).
Modules are imported at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irquant.ir import UserError
    from irquant.passes import (
        CompressionReport,
        CompressionResult,
        QuantizationConfig,
        QuantizationResult,
        Report,
        compress,
        compress_model,
        load_model,
        quantize,
        quantize_model,
    )

    __version__: str

__all__ = [
    "CompressionReport",
    "CompressionResult",
    "QuantizationConfig",
    "QuantizationResult",
    "Report",
    "UserError",
    "__version__",
    "compress",
    "compress_model",
    "load_model",
    "quantize",
    "quantize_model",
]


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> Any:
        """A public name, imported from its module."""
        if name == "__version__":
            return import_module("importlib.metadata").version("irquant")
        if name not in __all__:
            _refuse_former(name)
            message = f"module 'irquant' has no attribute '{name}'"
            raise AttributeError(message)
        if name == "UserError":
            return import_module("irquant.ir").UserError
        import_module("irquant.tools.front_end").install_front_end()
        return getattr(import_module("irquant.passes"), name)

    def _refuse_former(name: str) -> None:
        """Says what to write instead of a name that `nncf` has.

        The error is an ImportError: for `from irquant import Dataset`, Python replaces the text of any AttributeError.
        """
        instead = import_module("irquant.passes.options.former_keywords").OF_MODULE.get(name)
        if instead:
            message = f"irquant has no '{name}': {instead}"
            raise ImportError(message, name="irquant")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
