"""The world that a scenario file is making while it is replayed, and what an act is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.core.errors import PortalError
from portal.core.labels import Labelled
from portal.core.policy import Actor
from portal.scenario.shapes import Fields, Sort, wrong
from portal.scenario.source import Table

# What a service calls a field, and what the file calls it.
NAMES = {
    "short_name": "short",
    "weekly_closed": "closed",
    "valid_until": "until",
    "refusal": "reason",
    "first_contact_on": "first_contact",
    "scores": "goals",
    "held_on": "date",
    "happened_on": "date",
    "added_on": "date",
    "signed_on": "signed",
    "appointment_at": "appointment",
    "service": "to",
    "people": "attendees",
    "together": "with",
    "first": "anonymous",
    "again": "anonymous",
}


Given = Mapping[str, Any]


@dataclass(slots=True)
class Play:
    """The ids that the keys of the file stand for so far. `home` is the agency of each service's key."""

    session: Session
    ids: dict[tuple[Sort, str], UUID] = field(default_factory=dict)
    home: dict[str, UUID] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)

    def agency(self, key: str) -> UUID:
        """The agency of this key, or whose service it is."""
        return self.home.get(key) or self.ids[Sort.PLACE, key]

    def service(self, key: str) -> UUID | None:
        return self.ids[Sort.PLACE, key] if key in self.home else None

    def name(self, sort: Sort, given: Given, made_id: UUID) -> None:
        """Remember what a line made under its key; a line that nobody refers to needs no key."""
        if "key" in given:
            self.ids[sort, given["key"]] = made_id


@dataclass(frozen=True, slots=True)
class Act:
    """An act that a line may ask for. `instead`: other fields, for a line that has the first of them."""

    run: Callable[[Play, Actor, Given], object]
    fields: Fields
    instead: Fields | None = None

    def fields_for(self, names: Mapping[str, object]) -> Fields:
        return self.instead if self.instead and next(iter(self.instead)) in names else self.fields


@contextmanager
def told_by_line(where: Table) -> Iterator[None]:
    """Turn a refusal of a service into a mistake on the line that asked for it."""
    try:
        yield
    except PortalError as error:
        values = {k: v.word if isinstance(v, Labelled) else v for k, v in error.values.items()}
        field = NAMES.get(error.field or "", error.field or "")
        raise wrong(
            where.line_of(field), error.message % values, f"refused: {type(error).__name__}"
        ) from error
    except NoResultFound as error:
        raise wrong(
            where.line,
            "この職員の機関からは見えない記録です",
            "the agency of this member of staff knows of no such record",
        ) from error
