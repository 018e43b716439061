"""Samples (抽出点検): drawing referrals at random, looking at each, and how samples are read."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.inspections.hints import Check, Hint, Verdict, hints
from portal.inspections.models import AuditFinding, Sample, SampleItem
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus

MOST = 200
LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Draw:
    """The referrals to draw from: those sent from the first through the last day, of one agency or of all."""

    first: date
    last: date
    wanted: int
    agency_id: UUID | None = None
    seed: str = ""


def sent_within(session: Session, first: date, last: date, agency_id: UUID | None) -> list[UUID]:
    """The ids of the referrals to draw from, sorted as text: the same on every machine."""
    statement = select(Referral.id).where(
        Referral.sent_at >= clock.start_of_day(first), Referral.sent_at < clock.end_of_day(last)
    )
    if agency_id:
        statement = statement.where(
            or_(Referral.from_agency_id == agency_id, Referral.to_agency_id == agency_id)
        )
    return sorted(session.scalars(statement), key=str)


def chosen(ids: list[UUID], wanted: int, seed: str) -> list[UUID]:
    """Python's own generator, seeded with the text of the seed: anybody can draw the same again."""
    return random.Random(seed).sample(ids, min(wanted, len(ids)))


def draw(actor: Actor, wanted: Draw, *, idempotency_key: str | None = None) -> UUID:
    """Draw `wanted.wanted` referrals at random; returns the sample's id.

    Raises:
        NotAllowed: no auditor.
        Invalid: the days are the wrong way round, or nothing was sent on them.
    """
    require(actor, Permission.INSPECT)
    if wanted.last < wanted.first:
        raise Invalid(N_("終わりの日は、始まりの日より後にしてください。"), field="last")
    if not 1 <= wanted.wanted <= MOST:
        raise Invalid(N_("1から200までの数を入力してください。"), field="wanted")
    sample_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, sample_id):
            return earlier
        ids = sent_within(session, wanted.first, wanted.last, wanted.agency_id)
        if not ids:
            raise Invalid(
                N_("この期間に送付されたつなぎはありません。期間か機関を変えてください。"), field="first"
            )
        seed = wanted.seed or secrets.token_hex(8)
        sample = Sample(
            id=sample_id,
            staff_id=actor.staff_id,
            agency_id=wanted.agency_id,
            first=wanted.first,
            last=wanted.last,
            wanted=wanted.wanted,
            found=len(ids),
            seed=seed,
        )
        session.add(sample)
        session.flush()
        audit.record(
            AuditEvent.SAMPLE_DRAWN, sample, actor=actor, seed=seed, found=len(ids), wanted=wanted.wanted
        )
        for position, referral_id in enumerate(chosen(ids, wanted.wanted, seed), 1):
            item = SampleItem(sample_id=sample_id, referral_id=referral_id, position=position, answers={})
            session.add(item)
            audit.record(AuditEvent.SAMPLE_DRAWN, item, actor=actor, position=position)
    return sample_id


def check(
    actor: Actor, item_id: UUID, verdicts: Mapping[Check, Verdict], note: str, *, version: int | None = None
) -> UUID:
    """Record what was found in one referral; returns the sample's id.

    Raises:
        NoResultFound: there is no such item.
        Invalid: a check has no verdict, or one is not ok and nothing says why.
        Conflict: the sample is closed.
        StaleForm: somebody else has checked it meanwhile.
    """
    require(actor, Permission.INSPECT)
    if missing := [one for one in Check if one not in verdicts]:
        raise Invalid(N_("選んでください。"), field=missing[0].value)
    if Verdict.NOT_OK in verdicts.values() and not note.strip():
        raise Invalid(N_("「問題あり」の内容を、メモに書いてください。"), field="note")
    with db.transaction() as session:
        item = session.scalars(select(SampleItem).where(SampleItem.id == item_id).with_for_update()).one()
        require_open(session, item.sample_id)
        item.advance(version)
        item.apply(
            answers={one.value: verdict.value for one, verdict in verdicts.items()},
            note=note,
            checked_at=clock.now(),
        )
        audit.record(AuditEvent.SAMPLE_CHECKED, item, actor=actor, answers=item.answers, note=note)
        return item.sample_id


def require_open(session: Session, sample_id: UUID) -> Sample:
    sample = session.scalars(select(Sample).where(Sample.id == sample_id).with_for_update()).one()
    if sample.closed_at:
        raise Conflict(N_("この点検は終了しています。"))
    return sample


def close(actor: Actor, sample_id: UUID) -> None:
    """End a sample of which every referral was checked; a second time changes nothing.

    Raises:
        Conflict: some are not checked yet.
    """
    require(actor, Permission.INSPECT)
    with db.transaction() as session:
        sample = session.scalars(select(Sample).where(Sample.id == sample_id).with_for_update()).one()
        if sample.closed_at:
            return
        waiting = select(SampleItem.id).where(
            SampleItem.sample_id == sample_id, SampleItem.checked_at.is_(None)
        )
        if left := len(session.scalars(waiting).all()):
            raise Conflict(
                N_("まだ点検していないつなぎが%(n)s件あります。すべて点検してから終了してください。"), n=left
            )
        sample.closed_at = clock.now()
        sample.advance(None)
        audit.record(AuditEvent.SAMPLE_CLOSED, sample, actor=actor)


# Samples and their referrals as the auditor reads them: numbers only, never a name.


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
    """A sample with its referrals. `is_same`: drawing again with the seed gives the same referrals."""

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
    """One sample, drawn again to confirm that the seed gives the same referrals.

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
