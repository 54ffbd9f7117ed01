"""`irquant zoo`: many models from one batch file, each in its own process, in runs that can be stopped at any time."""
