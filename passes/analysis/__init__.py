"""Mathematics and facts of graphs; no module here changes a graph."""
