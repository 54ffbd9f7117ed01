"""What is done where a quantized model is not good enough."""
