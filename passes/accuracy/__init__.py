"""The measures that improve a quantized model whose accuracy is too low."""
