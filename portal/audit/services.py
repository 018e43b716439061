"""Write the audit log."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import Table, insert, select, update

from portal.audit import checkpoints, jumps, log_integrity, stale_read
from portal.audit.events import AuditEvent
from portal.audit.models import AuditDetail, AuditEntry, AuditHead
from portal.audit.vault import seal, vault
from portal.core import clock
from portal.core.db import Base, db
from portal.core.errors import Conflict, Lack
from portal.core.labels import N_

if TYPE_CHECKING:
    from portal.core.policy import Actor

# Ties the entries of one request together; the web sets it, commands leave it empty.
request_id: ContextVar[str] = ContextVar("request_id", default="")

# Every page writes one entry: the statements are built once.
NEXT_SEQ = (
    update(AuditHead)
    .where(AuditHead.id == 1)
    .values(seq=AuditHead.seq + 1)
    .returning(
        AuditHead.seq,
        AuditHead.origin,
        AuditHead.checkpoint_size,
        AuditHead.checkpoint_at,
        select(AuditEntry.at).order_by(AuditEntry.seq.desc()).limit(1).scalar_subquery().label("last_at"),
    )
)
NEW_ENTRY = insert(cast(Table, AuditEntry.__table__))
NEW_DETAIL = insert(cast(Table, AuditDetail.__table__))


class ErasedPerson(Conflict):
    """Details would be logged about a person whose record has been erased (retention)."""

    title = N_("この人の記録は消去されています")
    lack = Lack.ERASED


BUCKETS = ((0, "0"), (1, "1"), (5, "2-5"), (25, "6-25"), (100, "26-100"))


def bucket(count: int) -> str:
    """The number of people that a list showed, rounded so that the log does not reveal how many there are."""
    return next((word for limit, word in BUCKETS if count <= limit), "100+")


# What canonical JSON holds as it is.
AS_IT_IS = frozenset({str, int, bool, type(None)})
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """A value as canonical JSON holds it: no floats, codes for enums, ISO for times."""
    if type(value) in AS_IT_IS:
        return value
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case UUID() | date():
            return str(value)
        case dict():
            return {str(key): item if type(item) in AS_IT_IS else plain(item) for key, item in value.items()}
        case list() | tuple():
            return [item if type(item) in AS_IT_IS else plain(item) for item in value]
        case set() | frozenset():
            return sorted(plain(item) for item in value)
        case float():
            raise TypeError("the audit log holds no floats")
        case _:
            return value


def canonical(value: dict[str, Any]) -> bytes:
    return ENCODER.encode(plain(value)).encode()


def record(
    what: AuditEvent,
    subject: Any = None,
    *,
    actor: Actor | None,
    person_id: UUID | None = None,
    categories: Iterable[str] = (),
    ground: str | None = None,
    channel: str = "portal",
    allowed: bool = True,
    count: int | None = None,
    is_reading: bool = False,
    fact: dict[str, Any] | None = None,
    **details: Any,
) -> int:
    """Add an entry to the current transaction, which commits the act and its entry, or neither; its number.

    `subject` is the record acted on, or a pair (kind, id). `details` may hold names and text: the entry
    itself keeps only a salted commitment to them, and about a person they are sealed with that person's key.
    `count` is a number of people shown, kept as a bucket. `fact` is what the log says about itself: codes only.

    Raises:
        Halted: the log does not go on from the last checkpoint kept outside; only readings are taken then.
        ClockBehind: the clock stands before the last entry; not even readings are taken then.
    """
    with db.transaction() as session:
        if isinstance(subject, Base):
            session.flush()  # a new subject has no id before this
            session.info.setdefault("explained", set()).add(subject)
            kind, object_id = subject.__tablename__, getattr(subject, "id", None)
        else:
            kind, object_id = subject or (None, None)
        connection = session.connection()
        head = connection.execute(NEXT_SEQ).first()
        if head is None:  # not `one`: the page of a broken log is no "not found"
            raise RuntimeError(
                "the audit log has lost its head row: nothing can be logged, so nothing is done"
            )
        now = clock.now()
        jumps.require(what, size=head.seq - 1, last=head.last_at, now=now)
        is_due = checkpoints.is_due(head.seq, head.checkpoint_size, now, head.checkpoint_at)
        is_sound = log_integrity.require(
            session,
            what,
            is_reading=is_reading,
            origin=head.origin,
            size=head.seq - 1,
            checkpoint_size=head.checkpoint_size,
            is_due=is_due,
        )
        key = vault.key_for(connection, person_id) if details and person_id else None
        if details and person_id and key is None:
            if allowed and not is_reading and has_words(details):
                raise ErasedPerson(
                    N_("この人の記録は消去されています。書き足すことはできません。"), person_id=person_id
                )
            details = {}  # erased: nothing more is kept about them, sealed or not
        entry, detail = entry_values(
            head.seq,
            now,
            what,
            actor=(actor.staff_id, actor.agency_id, actor.role) if actor else None,
            subject=(kind, object_id),
            person_id=person_id,
            categories=categories,
            ground=ground,
            channel=channel,
            allowed=allowed,
            count=count,
            request=request_id.get(),
            details=details,
            salt=secrets.token_bytes(32),
            key=key,
            fact=fact,
            version=2 if clock.is_replaying() else 3,
        )
        connection.execute(NEW_ENTRY, entry)
        if detail:
            connection.execute(NEW_DETAIL, detail)
        if is_due and is_sound:
            checkpoints.make(session)
        return int(head.seq)


def has_words(value: Any) -> bool:
    """Whether the value holds typed text; codes, ids, numbers and times do not count."""
    if isinstance(value, dict):
        return any(has_words(item) for item in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(has_words(item) for item in value)
    return type(value) is str and value != ""


def entry_values(
    seq: int,
    at: datetime,
    what: AuditEvent,
    *,
    actor: tuple[Any, Any, Any] | None,
    subject: tuple[str | None, Any],
    person_id: Any,
    categories: Iterable[str],
    ground: str | None,
    channel: str,
    allowed: bool,
    count: int | None,
    request: str,
    details: dict[str, Any],
    salt: bytes,
    key: tuple[UUID, bytes] | None = None,
    fact: dict[str, Any] | None = None,
    version: int = 2,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The rows of one entry and of its details, if it has any. `actor` is who, for which agency, in which role.

    `key` is the id and the key of the person whom the details are about: they are sealed with it.
    `version` 3 says that `at` is what the clock said, and that the clock stood after the entry before.
    """
    staff_id, agency_id, role = actor or (None, None, None)
    body: dict[str, Any] = {
        "v": version,
        "seq": seq,
        "at": at,
        "event": what.value,
        "outcome": "allow" if allowed else "deny",
        "staff": staff_id,
        "agency": agency_id,
        "role": role,
        "object": subject,
        "subject": person_id,
        "categories": sorted(categories),
        "ground": ground,
        "channel": channel,
        "request": request,
        "bucket": None if count is None else bucket(count),
        "commitment": None,
        "sealed": None,
    }
    if fact:
        body["fact"] = fact
    detail: dict[str, Any] | None = None
    if details:
        stored = canonical(details)
        body["commitment"] = hashlib.sha256(salt + stored).hexdigest()
        detail = {"seq": seq, "key_id": None, "salt": salt, "details": stored}
        if key:
            sealed = seal(key[1], seq, salt, stored)
            body["sealed"] = hashlib.sha256(sealed).hexdigest()
            detail |= {"key_id": key[0], "salt": None, "details": sealed}
    entry = {
        "seq": seq,
        "at": at,
        "event": what.value,
        "staff_id": staff_id,
        "agency_id": agency_id,
        "object_id": subject[1],
        "person_id": person_id,
        "ground": ground,
        "body": canonical(body),
    }
    return entry, detail


def record_reading(what: AuditEvent, subject: Any = None, *, actor: Actor, **more: Any) -> None:
    """Log a reading before the page that shows it is answered.

    The reader session stays open: the entry commits first, and when it cannot, no page is shown.

    Raises:
        StaleRead: what was read must not be shown any more; the web layer asks again.
    """
    before = stale_read.seen()
    with db.transaction(keep_reader=True) as session:
        seq = record(what, subject, actor=actor, is_reading=True, **more)
        stale_read.check(session, before, seq)
