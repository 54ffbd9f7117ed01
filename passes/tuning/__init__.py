"""Placement by measured latency: layers that int8 makes slower stay float."""
