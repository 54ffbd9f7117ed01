"""Where FakeQuantizes go, with which ranges, and why."""
