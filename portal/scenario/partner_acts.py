"""Acts on partners and their agreements."""

from __future__ import annotations

from portal.scenario.play import Act

ACTS: dict[str, Act] = {}
