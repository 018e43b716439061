"""The world that a scenario file is making while it is replayed, and what an act is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal.policy import Actor
from portal.scenario.shapes import Fields, Sort


@dataclass(slots=True)
class Play:
    """What the keys of the file have come to stand for. `home` is the agency of each service's key."""

    session: Session
    ids: dict[tuple[Sort, str], UUID] = field(default_factory=dict)
    home: dict[str, UUID] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    def agency(self, key: str) -> UUID:
        """The agency of this key, or whose service it is."""
        return self.home.get(key) or self.ids[Sort.PLACE, key]

    def service(self, key: str) -> UUID | None:
        return self.ids[Sort.PLACE, key] if key in self.home else None


Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """What a line may ask for. `instead`: other fields, for a line that has the first of them."""

    run: Callable[[Play, Actor, Given], object]
    fields: Fields
    instead: Fields | None = None

    def fields_for(self, names: Mapping[str, object]) -> Fields:
        return self.instead if self.instead and next(iter(self.instead)) in names else self.fields
