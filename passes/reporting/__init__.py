"""The report of a run, and the front end that shows it."""
