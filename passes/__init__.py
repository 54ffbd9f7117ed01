"""Compiler passes over OpenVINO IR that quantize it, and what runs them."""

from .already_quantized import find_quantized
from .analyze import Analysis, analyze_graph
from .base import Context, Fact, InternalError, NoRequests, Pass, PassResult, PipelineError, RequirementError
from .calibration.calibrate import Calibrate
from .calibration.load_statistics import LoadStatistics
from .calibration.samples import DataError, Sample
from .calibration.statistics import Reduction, Request, Statistics
from .configuration.config import Config
from .configuration.published import Settings, read_settings
from .configuration.strict import ConfigError
from .dry_run import MeasurementPlan, plan_measurement
from .effective_options import Setting, effective_options
from .explain import ExplainedPlan, Explanation, Quantized, explain, find_layer
from .front_door import AccuracyWarning, QuantizationWarning, Wanted, measured_by, quantize, quantize_graph
from .instruments import DumpAfter, Instrument, PrintAfter, Timing, Verify, WriteAfter
from .internal_errors import write_fault
from .load_model import load_model
from .manager import PassManager
from .pass_spec import PassSpec, PassSpecError, make_pass, options_of, read_specs, spec_text
from .pipeline_file import read_pipeline
from .pipelines import default_quantization
from .quality.metrics import Metric, MetricError
from .quality.wishes import metrics_of
from .registry import PASSES, pass_class
from .report import Report
from .run_files import watching_for

__all__ = [
    "PASSES",
    "AccuracyWarning",
    "Analysis",
    "Calibrate",
    "Config",
    "ConfigError",
    "Context",
    "DataError",
    "DumpAfter",
    "ExplainedPlan",
    "Explanation",
    "Fact",
    "Instrument",
    "InternalError",
    "LoadStatistics",
    "MeasurementPlan",
    "Metric",
    "MetricError",
    "NoRequests",
    "Pass",
    "PassManager",
    "PassResult",
    "PassSpec",
    "PassSpecError",
    "PipelineError",
    "PrintAfter",
    "QuantizationWarning",
    "Quantized",
    "Reduction",
    "Report",
    "Request",
    "RequirementError",
    "Sample",
    "Setting",
    "Settings",
    "Statistics",
    "Timing",
    "Verify",
    "Wanted",
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
    "read_pipeline",
    "read_settings",
    "read_specs",
    "spec_text",
    "watching_for",
    "write_fault",
]
