"""The passes that change a graph, one per file."""
