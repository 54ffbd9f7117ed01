"""Two models that should do the same, side by side: a float one and a quantized one, or two quantized ones."""
