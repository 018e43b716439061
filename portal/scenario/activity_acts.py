"""Acts on activities, their series and who came."""

from __future__ import annotations

from portal.scenario.play import Act

ACTS: dict[str, Act] = {}
