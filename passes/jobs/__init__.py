"""One run, from its options to its result: quantization, or compression of weights."""
