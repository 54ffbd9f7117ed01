"""The contract of passes: what they are, how they run, how they are named."""
