"""The contract of passes: their definition, execution and names."""
