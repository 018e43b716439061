"""Partners (協力先) and their agreements."""
