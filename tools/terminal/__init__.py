"""What is printed, and how much of it."""
