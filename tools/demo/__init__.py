"""A trained network and its pictures, to show on one's own machine what quantization does."""
