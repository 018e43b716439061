"""Samples and their referrals as the auditor reads them: numbers only, never a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.inspections.checks import Check, Hint, Verdict
from portal.inspections.hint_queries import hints
from portal.inspections.models import AuditFinding, Sample, SampleItem
from portal.inspections.sample_services import chosen, sent_within
from portal.policy import Actor, Permission, require
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus


@dataclass(frozen=True, slots=True)
class SampleRow:
    id: UUID
    created_at: datetime
    first: date
    last: date
    agency: str
    by: str
    found: int
    count: int
    checked: int
    closed_at: datetime | None
    seed: str
    wanted: int
    agency_id: UUID | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    id: UUID
    position: int
    referral_id: UUID
    number: str
    from_name: str
    to_name: str
    status: ReferralStatus
    sent_at: datetime
    is_checked: bool
    problems: int
    findings: int


@dataclass(frozen=True, slots=True)
class SampleView:
    """A sample with its referrals. `is_same` when drawing it again gives the same ones."""

    sample: SampleRow
    items: tuple[ItemRow, ...]
    is_same: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    sample_id: UUID
    is_closed: bool
    row: ItemRow
    count: int
    version: int
    note: str
    answers: dict[Check, Verdict]
    hints: dict[Check, Hint]
    next_id: UUID | None
    from_agency_id: UUID
    to_agency_id: UUID


def listing(actor: Actor, *, size: int, behind: UUID | None = None) -> list[SampleRow]:
    """The samples, the newest first."""
    require(actor, Permission.INSPECT)
    audit.record_reading(AuditEvent.AUDIT_READ, ("audit_sample", None), actor=actor)
    statement = rows().order_by(Sample.id.desc()).limit(size)
    if behind:
        statement = statement.where(Sample.id < behind)
    return [SampleRow(*row) for row in db.read.execute(statement)]


OF_SAMPLE = (
    *(Sample.id, Sample.created_at, Sample.first, Sample.last, Sample.found),
    *(Sample.closed_at, Sample.seed, Sample.wanted, Sample.agency_id),
)


def rows() -> Select[*tuple[Any, ...]]:
    checked = func.sum(case((SampleItem.checked_at.is_not(None), 1), else_=0))
    return (
        select(
            Sample.id,
            Sample.created_at,
            Sample.first,
            Sample.last,
            func.coalesce(func.max(Agency.name), "").label("agency"),
            func.max(Staff.name).label("by"),
            Sample.found,
            func.count(SampleItem.id),
            checked,
            Sample.closed_at,
            Sample.seed,
            Sample.wanted,
            Sample.agency_id,
        )
        .join(SampleItem, SampleItem.sample_id == Sample.id)
        .join(Staff, Staff.id == Sample.staff_id)
        .outerjoin(Agency, Agency.id == Sample.agency_id)
        # By each: the reader's view of the table has no key that the others would follow from.
        .group_by(*OF_SAMPLE)
    )


def load(actor: Actor, sample_id: UUID) -> SampleView:
    """One sample, drawn again to see that it is the one that the seed gives.

    Raises:
        NoResultFound: there is no such sample.
    """
    require(actor, Permission.INSPECT)
    session = db.read()
    sample = SampleRow(*session.execute(rows().where(Sample.id == sample_id)).one())
    audit.record_reading(AuditEvent.AUDIT_READ, ("audit_sample", sample_id), actor=actor)
    items = item_rows(session, sample_id)
    ids = sent_within(session, sample.first, sample.last, sample.agency_id)
    is_same = chosen(ids, sample.wanted, sample.seed) == [item.referral_id for item in items]
    return SampleView(sample, items, is_same)


def item_rows(session: Session, sample_id: UUID) -> tuple[ItemRow, ...]:
    sender, recipient = aliased(Agency), aliased(Agency)
    findings = (
        select(func.count())
        .where(AuditFinding.item_id == SampleItem.id)
        .correlate(SampleItem)
        .scalar_subquery()
    )
    found = session.execute(
        select(SampleItem, Referral, sender.name, recipient.name, findings)
        .join(Referral, Referral.id == SampleItem.referral_id)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .where(SampleItem.sample_id == sample_id)
        .order_by(SampleItem.position)
    )
    return tuple(
        ItemRow(
            id=item.id,
            position=item.position,
            referral_id=referral.id,
            number=referral.number,
            from_name=from_name,
            to_name=to_name,
            status=referral.status,
            sent_at=referral.sent_at,
            is_checked=item.checked_at is not None,
            problems=sum(verdict == Verdict.NOT_OK.value for verdict in item.answers.values()),
            findings=count,
        )
        for item, referral, from_name, to_name, count in found
    )


def load_item(actor: Actor, item_id: UUID) -> ItemView:
    """One referral of a sample with its checklist and what the portal worked out; logged as a reading of it.

    Raises:
        NoResultFound: there is no such item.
    """
    require(actor, Permission.INSPECT)
    session = db.read()
    item, referral, closed_at = session.execute(
        select(SampleItem, Referral, Sample.closed_at)
        .join(Referral, Referral.id == SampleItem.referral_id)
        .join(Sample, Sample.id == SampleItem.sample_id)
        .where(SampleItem.id == item_id)
    ).one()
    audit.record_reading(
        AuditEvent.AUDIT_READ, ("referral", referral.id), actor=actor, person_id=referral.person_id
    )
    items = item_rows(session, item.sample_id)
    later = [one for one in items if one.position > item.position and not one.is_checked]
    waiting = later or [one for one in items if not one.is_checked and one.id != item.id]
    return ItemView(
        sample_id=item.sample_id,
        is_closed=closed_at is not None,
        row=items[item.position - 1],
        count=len(items),
        version=item.version,
        note=item.note,
        answers={Check(code): Verdict(verdict) for code, verdict in item.answers.items()},
        hints=hints(session, referral),
        next_id=waiting[0].id if waiting else None,
        from_agency_id=referral.from_agency_id,
        to_agency_id=referral.to_agency_id,
    )
