"""Findings as the auditor and the agency addressed read them, with their history out of the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditDetail, AuditEntry
from portal.db import db
from portal.errors import NotAllowed
from portal.inspections.checks import Check
from portal.inspections.models import AuditFinding, FindingKind
from portal.policy import Actor, Permission, Role, can
from portal.referrals.models import Referral
from portal.words import N_

HISTORY = [
    event.value
    for event in (
        AuditEvent.FINDING_NOTED,
        AuditEvent.FINDING_ANSWERED,
        AuditEvent.FINDING_CLOSED,
        AuditEvent.FINDING_REOPENED,
    )
]


class Standing(StrEnum):
    """Whose turn it is; the page has a word for each."""

    WAITING = "waiting"
    OVERDUE = "overdue"
    ANSWERED = "answered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class FindingView:
    id: UUID
    created_at: datetime
    agency_id: UUID
    agency: str
    number: str  # of the referral that it is about, if it is about one
    referral_id: UUID | None
    item_id: UUID | None
    kind: FindingKind
    check: Check | None
    text: str
    due_on: date
    answer: str
    closing: str
    standing: Standing
    version: int


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a finding's history. `what` is a msgid."""

    at: datetime
    who: str
    agency: str
    what: str
    text: str


def is_reader(actor: Actor) -> bool:
    """Who finds the list: the auditor, an agency's administrators and its coordinators."""
    return (
        can(actor, Permission.INSPECT)
        or actor.role in {Role.AGENCY_ADMIN, Role.COORDINATOR}
        or (actor.administers and actor.agency_id is not None)
    )


def visible_to(actor: Actor) -> ColumnElement[bool]:
    if can(actor, Permission.INSPECT):
        return true()
    return AuditFinding.agency_id == actor.agency_id


def require_reader(actor: Actor) -> None:
    if not is_reader(actor):
        raise NotAllowed(N_("指摘を見られるのは、監査と、機関管理者・調整担当です。"))


def listing(
    actor: Actor, standing: Standing | None, *, size: int, behind: tuple[datetime, UUID] | None = None
) -> list[FindingView]:
    """One page, the newest first; that it was read is logged.

    Raises:
        NotAllowed: the list is not for this reader's role.
    """
    require_reader(actor)
    audit.record_reading(AuditEvent.FINDINGS_READ, ("audit_finding", None), actor=actor)
    statement = select(AuditFinding).where(visible_to(actor), *stands(standing))
    if behind:
        statement = statement.where(AuditFinding.id < behind[1])
    session = db.read()
    return views(session, statement.order_by(AuditFinding.id.desc()).limit(size))


def stands(standing: Standing | None) -> list[ColumnElement[bool]]:
    late = AuditFinding.due_on < clock.today()
    waiting: list[ColumnElement[bool]] = [
        AuditFinding.closed_at.is_(None),
        AuditFinding.answered_at.is_(None),
    ]
    match standing:
        case Standing.CLOSED:
            return [AuditFinding.closed_at.is_not(None)]
        case Standing.ANSWERED:
            return [AuditFinding.closed_at.is_(None), AuditFinding.answered_at.is_not(None)]
        case Standing.WAITING:
            return waiting
        case Standing.OVERDUE:
            return [*waiting, late]
        case _:
            return []


def open_count(session: Session, actor: Actor) -> int:
    """How many findings wait for this agency's answer."""
    if not is_reader(actor) or actor.agency_id is None:
        return 0
    return session.scalar(select(func.count()).where(visible_to(actor), *stands(Standing.WAITING))) or 0


def views(session: Session, statement: Select[AuditFinding]) -> list[FindingView]:
    """With the agencies' names and the referrals' numbers, in three questions.

    A number is no secret from whom the finding is addressed to, though an administrator sees no referral.
    """
    found = session.scalars(statement).all()
    agencies = {row[0]: row[1] for row in session.execute(select(Agency.id, Agency.name))} if found else {}
    ids = {one.referral_id for one in found if one.referral_id}
    wanted = select(Referral.id, Referral.number).where(Referral.id.in_(ids))
    numbers = {row[0]: row[1] for row in db.across().execute(wanted)} if ids else {}
    return [view_of(one, agencies, numbers) for one in found]


def view_of(one: AuditFinding, agencies: dict[UUID, str], numbers: dict[UUID, str]) -> FindingView:
    return FindingView(
        id=one.id,
        created_at=one.created_at,
        agency_id=one.agency_id,
        agency=agencies[one.agency_id],
        number=numbers.get(one.referral_id, "") if one.referral_id else "",
        referral_id=one.referral_id,
        item_id=one.item_id,
        kind=one.kind,
        check=Check(one.check_code) if one.check_code else None,
        text=one.text,
        due_on=one.due_on,
        answer=one.answer,
        closing=one.closing,
        standing=standing_of(one),
        version=one.version,
    )


def standing_of(one: AuditFinding) -> Standing:
    if one.closed_at:
        return Standing.CLOSED
    if one.answered_at:
        return Standing.ANSWERED
    return Standing.OVERDUE if one.due_on < clock.today() else Standing.WAITING


def load(actor: Actor, finding_id: UUID) -> tuple[FindingView, list[Happened]]:
    """One finding with its history; logged.

    Raises:
        NotAllowed: not for this role.
        NoResultFound: none that this reader may know of.
    """
    require_reader(actor)
    session = db.read()
    wanted = select(AuditFinding).where(AuditFinding.id == finding_id, visible_to(actor))
    session.scalars(wanted).one()
    audit.record_reading(AuditEvent.FINDINGS_READ, ("audit_finding", finding_id), actor=actor)
    return views(session, wanted)[0], history(finding_id)


def history(finding_id: UUID) -> list[Happened]:
    """What the log says of a finding that the reader has been shown; its texts are the auditor's and the agency's."""
    statement = (
        select(AuditEntry.at, AuditEntry.event, AuditDetail.details, Staff.name, Agency.name.label("agency"))
        .join(AuditDetail, AuditDetail.seq == AuditEntry.seq)
        .outerjoin(Staff, Staff.id == AuditEntry.staff_id)
        .outerjoin(Agency, Agency.id == AuditEntry.agency_id)
        .where(
            AuditEntry.object_id == finding_id, AuditEntry.event.in_(HISTORY), AuditDetail.key_id.is_(None)
        )
        .order_by(AuditEntry.seq)
    )
    with db.transaction(keep_reader=True) as session:
        found: Sequence[Any] = session.execute(statement).all()
    return [
        Happened(
            row.at,
            row.name or "",
            row.agency or "",
            AuditEvent(row.event).word,
            json.loads(row.details)["text"],
        )
        for row in found
    ]
