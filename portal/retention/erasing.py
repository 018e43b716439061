"""Doing it: the key destroyed, names and texts blanked everywhere, and an entry for each record that changed."""

from __future__ import annotations

import logging
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import binding, vault
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.keeping import keeping
from portal.audit.models import Audited, AuditHead
from portal.db import Base, Versioned, db
from portal.errors import Conflict, PortalError
from portal.people.models import FamilyTie, Person
from portal.policy import Actor
from portal.retention.fields import BLANKED, Blank
from portal.words import N_

log = logging.getLogger(__name__)
LIST = "erased.txt"


def erase(session: Session, actor: Actor | None, person: Person, *, ground: str | None) -> None:
    """Within the transaction of the act, which holds the person's row. `actor` is none for a command."""
    channel = "portal" if actor else "command"
    now = clock.now()
    untie(session, actor, person.id, channel)
    # First the key: from here on the database lets what was typed about him be blanked.
    key_id = vault.destroy(session, person.id, now)
    for blank in BLANKED:
        for row in session.scalars(select(blank.model).where(blank.about(person.id))):
            binding.renew(session, row)
            empty_out(actor, row, blank, person.id, channel)
    person.erased_at = now
    audit.record(
        AuditEvent.PERSON_ERASED,
        person,
        actor=actor,
        person_id=person.id,
        ground=ground,
        channel=channel,
        fact={"key": key_id, "person": person.id},
    )


def untie(session: Session, actor: Actor | None, person_id: UUID, channel: str) -> None:
    """Whose son he was would tell who he is: ties are undone, as if somebody had undone them by hand."""
    ties = select(FamilyTie).where(or_(FamilyTie.person_id == person_id, FamilyTie.relative_id == person_id))
    for tie in session.scalars(ties).all():
        audit.record(AuditEvent.FAMILY_UNTIED, tie, actor=actor, person_id=tie.person_id, channel=channel)
        session.delete(tie)


def empty_out(actor: Actor | None, row: Base, blank: Blank, person_id: UUID, channel: str) -> None:
    if not row.apply(**blank.values):
        return
    if isinstance(row, Versioned):
        row.advance(None)
    if isinstance(row, Audited):
        audit.record(AuditEvent.RECORD_BLANKED, row, actor=actor, person_id=person_id, channel=channel)


def note_outside(session: Session, people: list[UUID]) -> None:
    """Add ids to the list beside the kept checkpoints: an older backup brought back must not bring them back.

    Only ids: whoever has the list alone learns of nobody.
    """
    origin = session.scalar(select(AuditHead.origin))
    place = keeping.place(origin or "")
    if place is None:
        return
    known = set(noted_outside(session))
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (place / LIST).open("a", encoding="ascii") as file:
            file.writelines(f"{person_id}\n" for person_id in people if person_id not in known)
    except OSError:
        # It is done and logged; `flask retention reapply` completes the list.
        log.exception("an erasure could not be noted outside the data directory")


def noted_outside(session: Session) -> list[UUID]:
    """The ids on the list of this log; a line that is no id is passed over."""
    origin = session.scalar(select(AuditHead.origin))
    place = keeping.place(origin or "")
    if place is None or not (place / LIST).is_file():
        return []
    found = []
    for line in (place / LIST).read_text(encoding="ascii", errors="replace").split():
        try:
            found.append(UUID(line))
        except ValueError:
            log.warning("a line of %s is no id", LIST)
    return found


# What an erasure leaves in the files of the database until they are written anew.


def clear_files(*, rebuild: bool = False) -> None:
    """Write the write-ahead log of SQLite back and empty it; with `rebuild`, write the whole file anew.

    Raises:
        Conflict: somebody reads or writes at this moment; nothing was lost, try again.
        PortalError: this database is not SQLite; it has commands of its own.
    """
    if db.engine.dialect.name != "sqlite":
        raise PortalError(N_("PostgreSQL では VACUUM を使ってください（docs/operations.md）。"))
    # Neither may run inside a transaction, so this connection begins none.
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if rebuild:
            cursor.execute("VACUUM")
        (is_busy, _pages, _written) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    if is_busy:
        raise Conflict(N_("ほかの処理が使っているため、終わりませんでした。もう一度実行してください。"))
