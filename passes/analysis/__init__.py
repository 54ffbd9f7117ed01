"""Mathematics and facts of graphs; nothing here changes one."""
