"""Moved: see `portal.once`."""

from portal.once import claim, made_by

__all__ = ["claim", "made_by"]
