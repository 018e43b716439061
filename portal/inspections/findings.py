"""Findings (指摘): stated by the auditor, answered by the agency, closed or asked again; and their history out of the log."""

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

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditDetail, AuditEntry
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, can, require
from portal.inspections.hints import Check
from portal.inspections.models import AuditFinding, FindingKind, SampleItem
from portal.referrals.models import Referral

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
    """Whether the actor has the list: the auditor, an agency's administrators and its coordinators."""
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
    """The number of findings that wait for this agency's answer."""
    if not is_reader(actor) or actor.agency_id is None:
        return 0
    return session.scalar(select(func.count()).where(visible_to(actor), *stands(Standing.WAITING))) or 0


def views(session: Session, statement: Select[AuditFinding]) -> list[FindingView]:
    """Findings as views with the agencies' names and the referrals' numbers, in three statements.

    The number is no secret from the agency addressed, though an administrator sees no referral.
    """
    found = session.scalars(statement).all()
    agencies = {row[0]: row[1] for row in session.execute(select(Agency.id, Agency.name))} if found else {}
    ids = {one.referral_id for one in found if one.referral_id}
    wanted = select(Referral.id, Referral.number).where(Referral.id.in_(ids))
    numbers = {row[0]: row[1] for row in db.unrestricted().execute(wanted)} if ids else {}
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
    """The history of a finding that the reader was shown, from the log; its texts are both sides' own."""
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


# Findings (指摘): the auditor states one, the agency answers, the auditor closes it or asks again.

LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Statement:
    """A finding as the auditor states it to an agency; about a referral of a sample, or about none."""

    agency_id: UUID
    kind: FindingKind
    text: str
    due_on: date
    item_id: UUID | None = None
    check: Check | None = None


def state(actor: Actor, said: Statement, *, idempotency_key: str | None = None) -> UUID:
    """Address a finding to one agency; returns its id.

    Raises:
        NoResultFound: no such agency or item.
        Invalid: no text, a due day in the past, or an agency that had no part in the referral.
    """
    require(actor, Permission.INSPECT)
    if not said.text.strip():
        raise Invalid(N_("指摘の内容を入力してください。"), field="text")
    if said.due_on < clock.today():
        raise Invalid(N_("回答の期限は、今日より後の日にしてください。"), field="due_on")
    finding_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, finding_id):
            return earlier
        agency = session.scalars(select(Agency).where(Agency.id == said.agency_id)).one()
        referral_id = referral_of(session, said)
        finding = AuditFinding(
            id=finding_id,
            item_id=said.item_id,
            referral_id=referral_id,
            agency_id=agency.id,
            made_by_id=actor.staff_id,
            kind=said.kind,
            check_code=said.check.value if said.check else "",
            text=said.text,
            due_on=said.due_on,
        )
        session.add(finding)
        audit.record(
            AuditEvent.FINDING_NOTED,
            finding,
            actor=actor,
            addressed_to=agency.id,
            kind=said.kind,
            text=said.text,
            due_on=said.due_on,
        )
    return finding_id


def referral_of(session: Session, said: Statement) -> UUID | None:
    if said.item_id is None:
        return None
    item = session.scalars(select(SampleItem).where(SampleItem.id == said.item_id)).one()
    referral = session.scalars(select(Referral).where(Referral.id == item.referral_id)).one()
    if said.agency_id not in {referral.from_agency_id, referral.to_agency_id}:
        raise Invalid(N_("このつなぎを送った機関か、受けた機関を選んでください。"), field="agency")
    return referral.id


def answer(actor: Actor, finding_id: UUID, text: str, *, version: int | None = None) -> None:
    """Write the agency's answer; it may be changed until the auditor has judged it.

    Raises:
        NoResultFound: no finding that this actor may know of.
        Conflict: it is closed.
        StaleForm: a colleague has answered meanwhile.
    """
    if not text.strip():
        raise Invalid(N_("回答を入力してください。"), field="text")
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        require(actor, Permission.FINDING_ANSWER, finding)
        require_open(finding)
        finding.advance(version)
        finding.answer, finding.answered_by_id = text, actor.staff_id
        finding.answered_at = clock.now()
        audit.record(AuditEvent.FINDING_ANSWERED, finding, actor=actor, text=text)


def close(actor: Actor, finding_id: UUID, text: str, *, version: int | None = None) -> None:
    """Close the finding: the answer satisfies the auditor.

    Raises:
        Conflict: there is no answer yet, or it is closed.
        StaleForm: the answer was changed while the auditor read it.
    """
    require(actor, Permission.INSPECT)
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        require_open(finding)
        finding.advance(version)
        if finding.answered_at is None:
            raise Conflict(N_("まだ回答がありません。回答を待ってから完了にしてください。"))
        finding.closed_at, finding.closed_by_id, finding.closing = clock.now(), actor.staff_id, text
        audit.record(AuditEvent.FINDING_CLOSED, finding, actor=actor, text=text)


def ask_again(
    actor: Actor, finding_id: UUID, text: str, due_on: date | None, *, version: int | None = None
) -> None:
    """Ask the agency again by another day: the answer is not enough, or a closed matter came up again.

    Raises:
        Invalid: nothing says what is asked, or the day is past.
        Conflict: it waits for an answer anyway.
    """
    require(actor, Permission.INSPECT)
    if not text.strip():
        raise Invalid(N_("何を、もう一度回答してほしいかを入力してください。"), field="text")
    if due_on is None or due_on < clock.today():
        raise Invalid(N_("回答の期限は、今日より後の日にしてください。"), field="due_on")
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        finding.advance(version)
        if finding.answered_at is None:
            raise Conflict(N_("まだ回答がありません。回答を待ってください。"))
        finding.answered_at = finding.closed_at = finding.closed_by_id = None
        finding.closing, finding.due_on = text, due_on
        audit.record(AuditEvent.FINDING_REOPENED, finding, actor=actor, text=text, due_on=due_on)


def known(session: Session, actor: Actor, finding_id: UUID) -> AuditFinding:
    """The finding, locked. Raises NoResultFound for another agency's finding."""
    wanted = select(AuditFinding).where(AuditFinding.id == finding_id)
    if not can(actor, Permission.INSPECT):
        wanted = wanted.where(AuditFinding.agency_id == actor.agency_id)
    return session.scalars(wanted.with_for_update()).one()


def require_open(finding: AuditFinding) -> None:
    if finding.closed_at:
        raise Conflict(N_("この指摘は完了しています。"))
