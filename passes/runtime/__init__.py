"""The only code that touches the OpenVINO runtime: engines, samples, models."""
