"""Whether a quantized model is good: its outputs, the layers that spoil them, and what is done about those."""
