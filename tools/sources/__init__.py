"""Where data come from: pictures, arrays, functions, user code."""
