"""The statistics that can be measured of a tensor, and their storage."""
