"""Agenda items (議題), drafted from the work and arranged by people."""
