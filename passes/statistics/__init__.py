"""The statistics of a tensor, and how the numbers are kept."""
