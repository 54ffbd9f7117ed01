"""The files of a run: which ones it reads and writes, and which of them irquant made."""
