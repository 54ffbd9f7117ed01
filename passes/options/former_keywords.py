"""Parameters and names of NNCF and POT in Python, and what to write instead: what a moved script tries first.

An unknown parameter is refused anyway; this table makes the message say how to go on.
"""

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any

from ...ir.suggestions import closest, did_you_mean
from .former_advanced import OF_CONFIG, Advice, about_advanced

#: The least similarity of a keyword that a message suggests: those for other things are spelt alike, too.
_NEAR = 0.7
_GUIDE = "docs/migrate_from_nncf.md"
_SECOND = "give the samples, or a data set of NNCF, as second argument, after the model"
_METRIC = f"write metric=FUNCTION: it gets `predict`, which runs one sample, and has its own data ({_GUIDE})"
_NO_SCOPE = "not supported: ratio= or min_db= leave the most sensitive layers in 8 bits, which are nearly exact"
_GPTQ = "leave it out: with data, irquant rounds weights by GPTQ, with scales of least error"


def _instead(text: str) -> Callable[[Any], str]:
    """The same text for each value; None, the default of NNCF, is only left out."""
    return lambda value: "leave it out" if value is None else text


def _renamed(name: str) -> Callable[[Any], str]:
    """The same value under another name."""
    return lambda value: f"write {name}={_spelt(value)}"


def _spelt(value: Any) -> str:
    if isinstance(value, Enum):
        return repr(value.value)
    return repr(value) if isinstance(value, (str, int, float, bool)) else "..."


def _in_config(advice: Callable[[Any], Advice]) -> Callable[[Any], str]:
    """The advice of `QuantizationConfig`, where such an object is taken."""
    return lambda value: advice(value).in_config


def of_formats(value: Any) -> str:
    """What to write instead of a mode of NNCF.

    Args:
        value: The member of the enumeration, or its word.
    """
    word = str(value.value if isinstance(value, Enum) else value).lower()
    known = next((each for each in ("int8", "int4", "nf4") if word.startswith(each)), "")
    if not known:
        return 'write weights="int8", "int4" or "nf4": there are no others'
    rows = {"int8": ": a row gets a zero point only if", "int4": ": a group gets a zero point only if", "nf4": ""}[
        known
    ]
    return f'write weights="{known}"{rows and f"{rows} that fits much better"}'


def _of_group(value: Any) -> str:
    return "write group=0: one scale for each row" if value == -1 else _renamed("group")(value)


def about_scope(scope: Any) -> str:
    """What to write instead of NNCF's `IgnoredScope`.

    Args:
        scope: The object, or None.
    """
    if scope is None:
        return "leave it out"
    found = {each: [*(getattr(scope, each, None) or ())] for each in ("names", "patterns", "types", "subgraphs")}
    listed = [*found["names"], *(f"re:{each}" for each in found["patterns"])]
    if found["subgraphs"] or not (listed or found["types"]):
        return "write ignored=[...] with the names of the layers, globs, or regular expressions after 're:'"
    if not found["types"]:
        return f"write ignored={listed!r}"
    operations = [{"type": each} for each in found["types"]]
    return f"write ignored={({'scope': listed} if listed else {}) | {'operations': operations}!r}"


#: Parameters that mean the same here, or that `quantize` answers in another way.
_OWN = frozenset({"mode", "subset_size"})
#: The parameters of `quantize` and `quantize_with_accuracy_control` -> what to write here.
OF_QUANTIZE: Mapping[str, Callable[[Any], str]] = {
    **{name: _in_config(advice) for name, advice in OF_CONFIG.items() if name not in _OWN},
    "calibration_dataset": _instead(_SECOND),
    "dataset": _instead(_SECOND),
    "transform_func": _instead("write transform=FUNCTION"),
    "transform_fn": _instead("write transform=FUNCTION"),
    "batch_size": lambda _: "leave it out: batches come as the samples are, and are split if necessary",
    "target_device": _renamed("target"),
    "mode": _instead("leave it out: irquant makes int8 models"),
    "model_type": _instead("leave it out: transformers are recognised"),
    "ignored_scope": about_scope,
    "advanced_parameters": about_advanced,
    "advanced_quantization_parameters": about_advanced,
    "advanced_accuracy_restorer_parameters": _instead(
        'write config=QuantizationConfig(accuracy={"max_trials": 20}), the number of models to measure'
    ),
    "validation_fn": _instead(_METRIC),
    "validation_dataset": _instead("leave it out: the function in metric= has its own data"),
}
#: The parameters of `compress_weights` -> what to write here.
OF_COMPRESS: Mapping[str, Callable[[Any], str]] = {
    "mode": of_formats,
    "dataset": _instead(_SECOND),
    "calibration_dataset": _instead(_SECOND),
    "transform_func": _instead("write transform=FUNCTION"),
    "transform_fn": _instead("write transform=FUNCTION"),
    "group_size": _of_group,
    "ignored_scope": _instead(_NO_SCOPE),
    "ignored": _instead(_NO_SCOPE),
    "awq": _instead(_GPTQ),
    "gptq": _instead(_GPTQ),
    "scale_estimation": _instead(_GPTQ),
    "lora_correction": _instead("not supported: leave it out"),
    "sensitivity_metric": _instead("leave it out: the error of a layer's outputs counts, without data of its weights"),
    "backup_mode": _instead("leave it out: layers without 4 bits have 8"),
    "compression_format": _instead("leave it out: there is one format"),
    "advanced_parameters": _instead("leave it out: there is nothing of the kind"),
}
_BY_NAME = "write the value as a word"
_NO_CLASS = "there is nothing of the kind: leave it out"
#: Names of the module `nncf` -> what to write here.
OF_MODULE: Mapping[str, str] = {
    "Dataset": "give the items themselves: quantize(model, items), with transform=FUNCTION if they need one",
    "IgnoredScope": "write ignored=[...]: names, globs, or regular expressions after 're:'",
    "Subgraph": "write ignored=[...] with the names of the layers in between",
    "QuantizationPreset": f'{_BY_NAME}: preset="mixed"',
    "TargetDevice": f'{_BY_NAME}: target="cpu"',
    "ModelType": "leave model_type out: transformers are recognised",
    "DropType": f'{_BY_NAME}: drop_type="relative"',
    "CompressWeightsMode": f'{_BY_NAME}: weights="int4"',
    "AdvancedQuantizationParameters": f"write QuantizationConfig(...); {_GUIDE} has each of its parameters",
    "QuantizationParameters": 'write QuantizationConfig(activations={"mode": "asymmetric"})',
    "RangeEstimatorParameters": 'write QuantizationConfig(activations={"range_estimator": {"preset": "quantile"}})',
    "StatisticsCollectorParameters": 'write QuantizationConfig(activations={"range_estimator": {"max": {...}}})',
    "AdvancedSmoothQuantParameters": "leave it out: each group of layers gets the strength of least error",
    "AdvancedBiasCorrectionParameters": 'write QuantizationConfig(correct_biases="sequential")',
    "OverflowFix": 'write QuantizationConfig(saturation_fix="all")',
    "quantize_with_accuracy_control": "write quantize(model, data, metric=FUNCTION, max_drop=0.01)",
    "compress_weights": "write compress_model(model)",
    "set_log_level": "write logging.getLogger('irquant').setLevel(logging.INFO)",
    "disable_logging": "write logging.getLogger('irquant').disabled = True",
    "QuantizationMode": "leave mode out: irquant makes int8 models",
    "AdvancedAccuracyRestorerParameters": 'write QuantizationConfig(accuracy={"max_trials": 20})',
    **dict.fromkeys(("SensitivityMetric", "BackupMode", "CompressionFormat", "GroupSizeFallbackMode"), _NO_CLASS),
    **dict.fromkeys(("AdvancedCompressionParameters", "AdvancedAWQParameters", "AdvancedGPTQParameters"), _NO_CLASS),
    **dict.fromkeys(("AdvancedScaleEstimationParameters", "AdvancedLoraCorrectionParameters"), _NO_CLASS),
    **dict.fromkeys(("prune", "PruneMode", "batch_norm_adaptation", "strip"), "irquant does not train networks"),
    # Names of the Python interface of the original tool (`openvino.tools.pot`).
    **dict.fromkeys(("IEEngine", "create_pipeline"), "write quantize(model, data_loader, config=algorithms)"),
    **dict.fromkeys(("DataLoader", "Metric"), "no base class is needed: give an object with its methods"),
    "compress_model_weights": "leave it out: quantized weights are stored in int8",
    "save_model": "write quantize(model, data, output='model_int8.xml'), or openvino.save_model(result, PATH)",
}


def refuse_unknown(
    function: str, given: Mapping[str, object], known: Collection[str], former: Mapping[str, Callable[[Any], str]]
) -> None:
    """Refuses unknown parameters, which would otherwise be ignored.

    Args:
        function: The name of the function in messages.
        given: The given parameters.
        known: The names of those that there are.
        former: The parameters of NNCF, and what to write instead of a value of each.

    Raises:
        TypeError: a parameter is unknown.
    """
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    hints = [f"{name}: {former[name](given[name])}" for name in unknown if name in former]
    named = ", ".join(f"'{name}'" for name in unknown)
    several = f"unexpected keyword arguments {named}"
    problem = f"{function}() got {several if len(unknown) > 1 else f'an unexpected keyword argument {named}'}"
    raise TypeError(
        "; ".join([problem, *hints]) if hints else did_you_mean(problem, closest(unknown[0], known, cutoff=_NEAR))
    )
