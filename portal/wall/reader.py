"""The reader of the reader session and the moment, as the rules of the wall need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core import clock
from portal.core.db import Database, close_reading
from portal.core.policy import Actor, Permission, Role, can


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. `agency` is set for caseworkers, `office` is the workplace, `admin` the agency administered.

    `token` is the hash of a secret that a visitor presents: it opens the one row that belongs to it.
    """

    staff: UUID | None = None
    agency: UUID | None = None
    office: UUID | None = None
    admin: UUID | None = None
    convener: UUID | None = None
    auditor: bool = False
    sysadmin: bool = False
    token: str | None = None

    @classmethod
    def of(cls, actor: Actor, token: str | None = None) -> Reader:
        administers = actor.administers or actor.role is Role.AGENCY_ADMIN
        return cls(
            staff=actor.staff_id,
            agency=actor.agency_id if can(actor, Permission.CASEWORK) else None,
            office=actor.agency_id,
            admin=actor.agency_id if administers else None,
            convener=actor.agency_id if can(actor, Permission.MEETING_CONVENE) else None,
            auditor=can(actor, Permission.AUDIT_READ),
            sysadmin=actor.role is Role.SYSTEM_ADMIN,
            token=token,
        )


NOBODY = Reader()
# What the rules may ask of a reader and of the moment, as SQLite keeps it: `@agency` and its like.
VALUES: dict[str, Callable[[Reader, datetime], Any]] = {
    "staff": lambda reader, _now: reader.staff and reader.staff.hex,
    "agency": lambda reader, _now: reader.agency and reader.agency.hex,
    "office": lambda reader, _now: reader.office and reader.office.hex,
    "admin": lambda reader, _now: reader.admin and reader.admin.hex,
    "convener": lambda reader, _now: reader.convener and reader.convener.hex,
    "auditor": lambda reader, _now: int(reader.auditor),
    "sysadmin": lambda reader, _now: int(reader.sysadmin),
    "token": lambda reader, _now: reader.token,
    "now": lambda _reader, now: f"{now:%Y-%m-%d %H:%M:%S.%f}",
    "today": lambda _reader, now: clock.japan_date(now).isoformat(),
}


class Refused(RuntimeError):
    """A statement that tries to go round the wall: a programmer's mistake, so it is no `PortalError`."""


def read_as(database: Database, reader: Reader) -> None:
    """Make this the reader until `database.end()`; what was open for another reader is closed."""
    if database.reader.get() != reader:
        close_reading(database.read)
        database.reader.set(reader)


def show_token(database: Database, token: str) -> None:
    """Let the reader also see the one row that belongs to this hash of a token."""
    read_as(database, replace(database.reader.get() or NOBODY, token=token))
