"""What can be measured of a tensor, and how the numbers are kept."""
