"""Acts on the yearly evaluation: areas and texts, closing."""

from __future__ import annotations

from portal.scenario.play import Act

ACTS: dict[str, Act] = {}
