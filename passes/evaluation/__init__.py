"""What a quantized model does: executed layers, sensitivity, comparison with another model."""
