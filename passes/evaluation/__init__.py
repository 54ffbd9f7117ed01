"""Measures quantized models: executed layers, sensitivity, comparison with another model."""
