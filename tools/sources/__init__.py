"""Sources of data: images, arrays, functions, user code."""
