"""A large, plausible, invented world, for measuring: the rows that the services write, many at a time."""
