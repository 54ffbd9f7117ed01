"""The properties with which the runtime compiles a model.

Everything runs in f32 (`INFERENCE_PRECISION_HINT`) unless it asks for `OWN_PRECISION`: the CPU plugin's own default may
be bf16, which would add errors to statistics and comparisons.
"""

_PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}
THROUGHPUT = {**_PRECISION, "PERFORMANCE_HINT": "THROUGHPUT"}
LATENCY = {**_PRECISION, "PERFORMANCE_HINT": "LATENCY"}
#: The properties of users without options: the model runs in the device's preferred precision (see `own_precision`).
OWN_PRECISION = {"PERFORMANCE_HINT": "LATENCY"}
#: The same for users who want many inferences a second, and do not mind how long each takes.
OWN_THROUGHPUT = {"PERFORMANCE_HINT": "THROUGHPUT"}
#: The same on one core; each stream of throughput mode has about as much.
ONE_THREAD = {**OWN_PRECISION, "INFERENCE_NUM_THREADS": "1"}
ONE_THREAD_F32 = {**LATENCY, "INFERENCE_NUM_THREADS": "1"}
#: All cores, in the device's own precision, whatever the environment allows irquant.
ALL_THREADS = {**OWN_PRECISION, "INFERENCE_NUM_THREADS": "0"}
#: Makes an inference measure the time of each operation (see `Engine.profile`).
PROFILING = {"PERF_COUNT": "YES"}
#: Shows every layer: by default, the plugin merges chains of matrix products into one node without details.
INSPECTION = {**LATENCY, "SNIPPETS_MODE": "DISABLE"}
#: Keeps activations exact: by default, layers with compressed weights round them to 8 bits if 32 or more share a scale.
EXACT_ACTIVATIONS = {**INSPECTION, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
#: Computes FakeQuantizes in float, as the specification defines them, instead of by this plugin's int8 kernels.
EMULATION = {**EXACT_ACTIVATIONS, "LP_TRANSFORMS_MODE": "NO"}
