"""Compiler passes over OpenVINO IR that quantize it, and what runs them."""

from .already_quantized import find_quantized
from .base import Context, Fact, NoRequests, Pass, PassResult, PipelineError
from .calibration.calibrate import Calibrate
from .calibration.load_statistics import LoadStatistics
from .calibration.samples import DataError, Sample
from .calibration.statistics import Reduction, Request, Statistics
from .config import Config, read_config
from .dry_run import MeasurementPlan, plan_measurement
from .explain import ExplainedPlan, Explanation, Quantized, explain, find_layer
from .front_door import Report, measured_by, quantize, quantize_graph
from .instruments import DumpAfter, Instrument, Timing, Verify
from .manager import PassManager
from .pipelines import default_quantization
from .strict import ConfigError

__all__ = [
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
    "Statistics",
    "Timing",
    "Verify",
    "default_quantization",
    "explain",
    "find_layer",
    "find_quantized",
    "measured_by",
    "plan_measurement",
    "quantize",
    "quantize_graph",
    "read_config",
]
