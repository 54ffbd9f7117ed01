"""Compiler passes over OpenVINO IR that quantize it, and what runs them."""

from .already_quantized import find_quantized
from .analyze import Analysis, analyze_graph
from .base import Context, Fact, NoRequests, Pass, PassResult, PipelineError
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
from .front_door import AccuracyWarning, Wanted, measured_by, quantize, quantize_graph, watching_for
from .instruments import DumpAfter, Instrument, Timing, Verify, WriteAfter
from .load_model import load_model
from .manager import PassManager
from .pipelines import default_quantization
from .quality.metrics import Metric, MetricError
from .quality.wishes import metrics_of
from .report import Report

__all__ = [
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
    "LoadStatistics",
    "MeasurementPlan",
    "Metric",
    "MetricError",
    "NoRequests",
    "Pass",
    "PassManager",
    "PassResult",
    "PipelineError",
    "Quantized",
    "Reduction",
    "Report",
    "Request",
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
    "measured_by",
    "metrics_of",
    "plan_measurement",
    "quantize",
    "quantize_graph",
    "read_settings",
    "watching_for",
]
