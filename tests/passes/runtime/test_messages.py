"""What of a message of the runtime is shown."""

from irquant.passes.runtime.messages import first_line

LOOP = """Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
-- Loop-14 with a message:
[ONNX Frontend] Conversion failed for Loop-14
Check '(canonical_inputs.size() >= control_inputs_count)' failed at src/frontends/onnx/frontend/src/op/loop.cpp:310:
While validating ONNX node '<Node(Loop): linear_3.w_0.0>':
The provided loop body graph canonical inputs size (18), does not match the sum (32)

Summary:
-- Conversion is failed for: Loop-14
"""


def test_the_reason_of_a_conversion_that_failed_is_shown() -> None:
    said = "Loop-14: The provided loop body graph canonical inputs size (18), does not match the sum (32)"
    assert first_line(RuntimeError(LOOP)) == said


def test_a_message_of_places_alone_is_shown_from_its_start() -> None:
    assert first_line(RuntimeError("FrontEnd API failed with OpConversionFailure:")).startswith("FrontEnd API failed")
    assert first_line(RuntimeError("")) == "no reason given"
