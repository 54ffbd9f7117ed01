"""What the user wants: options, and configuration files."""
