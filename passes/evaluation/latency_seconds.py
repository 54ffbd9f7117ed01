"""How long latency is measured."""

#: The seconds to measure if the user names none.
SECONDS = 5.0
