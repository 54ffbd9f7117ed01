"""The user's options, and configuration files."""
