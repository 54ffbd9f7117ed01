"""Compiler passes over OpenVINO IR that quantize it, and what runs them."""

from typing import TYPE_CHECKING

from .accuracy.metric_goals import MetricGoals
from .accuracy.metrics import Metric, MetricError
from .accuracy.parse_metrics import metrics_of
from .analysis.already_quantized import find_quantized
from .analyze import Analysis, analyze_graph
from .calibration.calibrate import Calibrate
from .calibration.load_statistics import LoadStatistics
from .dry_run import MeasurementPlan, plan_measurement
from .effective_options import EffectiveOption, effective_options
from .explain import ExplainedPlan, Explanation, Quantized, explain, find_layer
from .infra.base import Context, Fact, InternalError, Pass, PassResult, PipelineError, RequirementError
from .infra.instruments import DumpAfter, Instrument, PrintAfter, Timing, Verify, WriteAfter
from .infra.internal_errors import write_fault
from .infra.manager import PassManager
from .infra.pass_spec import PassSpec, PassSpecError, make_pass, options_of, read_specs, spec_text
from .infra.pipeline_file import read_pipeline
from .infra.registry import PASSES, pass_class
from .measured_by import measured_by
from .model_place import FilePlace, MemoryPlace
from .options.config import QuantizationConfig
from .options.pot_config import ConfigFile, read_config_file
from .options.resolved import ResolvedOptions
from .options.strict import ConfigError
from .pipelines import default_quantization
from .quantize import AccuracyWarning, QuantizationWarning, quantize, quantize_model
from .quantize_graph import quantize_graph
from .quantize_job import QuantizationResult, QuantizeJob
from .quantize_options import QuantizeOptions
from .report import Report
from .runtime.load_model import load_model
from .runtime.samples import DataError, Sample
from .statistics.request import Reduction, Request, Statistics

__all__ = [
    "PASSES",
    "AccuracyWarning",
    "Analysis",
    "Calibrate",
    "ConfigError",
    "ConfigFile",
    "Context",
    "DataError",
    "DumpAfter",
    "EffectiveOption",
    "ExplainedPlan",
    "Explanation",
    "Fact",
    "FilePlace",
    "Instrument",
    "InternalError",
    "LoadStatistics",
    "MeasurementPlan",
    "MemoryPlace",
    "Metric",
    "MetricError",
    "MetricGoals",
    "Pass",
    "PassManager",
    "PassResult",
    "PassSpec",
    "PassSpecError",
    "PipelineError",
    "PrintAfter",
    "QuantizationConfig",
    "QuantizationResult",
    "QuantizationWarning",
    "QuantizeJob",
    "QuantizeOptions",
    "Quantized",
    "Reduction",
    "Report",
    "Request",
    "RequirementError",
    "ResolvedOptions",
    "Sample",
    "Statistics",
    "Timing",
    "Verify",
    "WriteAfter",
    "analyze_graph",
    "default_quantization",
    "effective_options",
    "explain",
    "find_layer",
    "find_quantized",
    "load_model",
    "make_pass",
    "measured_by",
    "metrics_of",
    "options_of",
    "pass_class",
    "plan_measurement",
    "quantize",
    "quantize_graph",
    "quantize_model",
    "read_config_file",
    "read_pipeline",
    "read_specs",
    "spec_text",
    "write_fault",
]

#: What had another name before.
_FORMER = {
    "Config": "QuantizationConfig",
    "NoRequests": "Pass",
    "Setting": "EffectiveOption",
    "Settings": "ConfigFile",
    "Wanted": "MetricGoals",
    "read_settings": "read_config_file",
}


if not TYPE_CHECKING:  # who has names for them, and complains of others

    def __getattr__(name: str) -> object:
        """What is called otherwise now, for code that was written before."""
        if name not in _FORMER:
            message = f"module '{__name__}' has no attribute '{name}'"
            raise AttributeError(message)
        return globals()[_FORMER[name]]
