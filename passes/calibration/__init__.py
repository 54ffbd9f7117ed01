"""Calibration: the statistics that passes request, the one run over the data that measures them, and their storage."""
