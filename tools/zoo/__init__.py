"""`irquant zoo`: many models from one batch file, each in its own process, in runs that may be stopped anytime."""
