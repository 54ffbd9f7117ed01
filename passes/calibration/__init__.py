"""Calibration: what passes want measured, how it is measured in one run over the data, and where it is kept."""
