"""What a command does: its module imports this when it is called, so that its help needs none of it."""
