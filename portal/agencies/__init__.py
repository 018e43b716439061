"""Agencies: the organisations of the network, what they offer, and when they are open."""
