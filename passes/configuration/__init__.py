"""What the user wants of a run: options, the published configuration format, and where each value came from."""
