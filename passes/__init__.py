"""Compiler passes that quantize OpenVINO IR, and the functions that run them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analyze import analyze_graph
    from .compress import CompressionResult, compress, compress_model
    from .evaluation.compare_models import compare_models
    from .explain import explain
    from .infra.base import Context, Fact, InternalError, Pass
    from .infra.instruments import Verify
    from .infra.manager import PassManager
    from .jobs.compress_graph import CompressionReport
    from .jobs.pipelines import default_quantization
    from .jobs.quantize_job import QuantizationResult
    from .options.config import QuantizationConfig
    from .quantize import quantize, quantize_model
    from .reporting.python_warnings import AccuracyWarning, QuantizationWarning
    from .reporting.report import Report
    from .runtime.load_model import load_model
    from .statistics.request import Reduction, Request
    from .testing import check_pass

__all__ = [
    "AccuracyWarning",
    "CompressionReport",
    "CompressionResult",
    "Context",
    "Fact",
    "InternalError",
    "Pass",
    "PassManager",
    "QuantizationConfig",
    "QuantizationResult",
    "QuantizationWarning",
    "Reduction",
    "Report",
    "Request",
    "Verify",
    "analyze_graph",
    "check_pass",
    "compare_models",
    "compress",
    "compress_model",
    "default_quantization",
    "explain",
    "load_model",
    "quantize",
    "quantize_model",
]

#: Module, imported when one of its names is used first -> these names; type checkers read the imports above.
_NAMES = {
    "analyze": ("analyze_graph",),
    "compress": ("CompressionResult", "compress", "compress_model"),
    "evaluation.compare_models": ("compare_models",),
    "explain": ("explain",),
    "infra.base": ("Context", "Fact", "InternalError", "Pass"),
    "infra.instruments": ("Verify",),
    "infra.manager": ("PassManager",),
    "jobs.compress_graph": ("CompressionReport",),
    "jobs.pipelines": ("default_quantization",),
    "jobs.quantize_job": ("QuantizationResult",),
    "options.config": ("QuantizationConfig",),
    "quantize": ("quantize", "quantize_model"),
    "reporting.python_warnings": ("AccuracyWarning", "QuantizationWarning"),
    "reporting.report": ("Report",),
    "runtime.load_model": ("load_model",),
    "statistics.request": ("Reduction", "Request"),
    "testing": ("check_pass",),
}
#: Former name in this package, for older code -> its module and name today; type checkers report them.
_FORMER = {
    "PASSES": "infra.registry:PASSES",
    "Analysis": "analyze:Analysis",
    "Calibrate": "calibration.calibrate:Calibrate",
    "Config": "options.config:QuantizationConfig",
    "ConfigError": "options.config_error:ConfigError",
    "ConfigFile": "options.config_file:ConfigFile",
    "DataError": "runtime.samples:DataError",
    "DumpAfter": "infra.instruments:DumpAfter",
    "EffectiveOption": "jobs.effective_options:EffectiveOption",
    "ExplainedPlan": "explain:ExplainedPlan",
    "Explanation": "explain:Explanation",
    "Instrument": "infra.instruments:Instrument",
    "LoadStatistics": "calibration.load_statistics:LoadStatistics",
    "MeasurementPlan": "dry_run:MeasurementPlan",
    "Metric": "accuracy.metrics:Metric",
    "MetricError": "accuracy.metrics:MetricError",
    "MetricGoals": "accuracy.metric_goals:MetricGoals",
    "NoRequests": "infra.base:Pass",
    "PassResult": "infra.base:PassResult",
    "PassSpec": "infra.pass_spec:PassSpec",
    "PassSpecError": "infra.pass_spec:PassSpecError",
    "PipelineError": "infra.base:PipelineError",
    "PrintAfter": "infra.instruments:PrintAfter",
    "QuantizeOptions": "jobs.quantize_options:QuantizeOptions",
    "Quantized": "explain:Quantized",
    "RequirementError": "infra.base:RequirementError",
    "Sample": "runtime.samples:Sample",
    "Setting": "jobs.effective_options:EffectiveOption",
    "Settings": "options.config_file:ConfigFile",
    "Statistics": "statistics.request:Statistics",
    "Timing": "infra.instruments:Timing",
    "Wanted": "accuracy.metric_goals:MetricGoals",
    "WriteAfter": "infra.instruments:WriteAfter",
    "effective_options": "jobs.effective_options:effective_options",
    "find_layer": "explain:find_layer",
    "find_quantized": "analysis.already_quantized:find_quantized",
    "make_pass": "infra.pass_spec:make_pass",
    "measured_by": "jobs.measured_by:measured_by",
    "metrics_of": "accuracy.parse_metrics:metrics_of",
    "options_of": "infra.pass_spec:options_of",
    "pass_class": "infra.registry:pass_class",
    "plan_measurement": "dry_run:plan_measurement",
    "quantize_graph": "jobs.quantize_graph:quantize_graph",
    "read_config_file": "options.pot_config:read_config_file",
    "read_pipeline": "infra.pipeline_file:read_pipeline",
    "read_settings": "options.pot_config:read_config_file",
    "read_specs": "infra.pass_spec:read_specs",
    "spec_text": "infra.pass_spec:spec_text",
    "watching_for": "files.run_files:watching_for",
    "write_fault": "infra.internal_errors:write_fault",
}

#: Folders, which `import irquant.passes` alone gives, too.
_FOLDERS = (
    *("accuracy", "analysis", "calibration", "evaluation", "files", "infra", "jobs", "options", "placement"),
    *("reporting", "runtime", "statistics", "transforms", "tuning"),
)

if not TYPE_CHECKING:  # type checkers know the public names, and report all others
    import lazy_loader

    _first_use, __dir__, _ = lazy_loader.attach(__name__, _FOLDERS, _NAMES)

    def __getattr__(name: str) -> object:
        """Imports a public name at its first use, or finds what was moved or renamed, for older code."""
        if name not in _FORMER:
            return _first_use(name)
        module, _, today = _FORMER[name].partition(":")
        return getattr(import_module(f".{module}", __name__), today)
