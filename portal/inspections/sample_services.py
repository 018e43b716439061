"""Drawing a random sample of referrals, looking through it, and ending it."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid
from portal.inspections.checks import Check, Verdict
from portal.inspections.models import Sample, SampleItem
from portal.once import claim
from portal.policy import Actor, Permission, require
from portal.referrals.models import Referral
from portal.words import N_

MOST = 200
LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Draw:
    """What is drawn from: the referrals sent from the first through the last day, of one agency or of all."""

    first: date
    last: date
    wanted: int
    agency_id: UUID | None = None
    seed: str = ""


def sent_within(session: Session, first: date, last: date, agency_id: UUID | None) -> list[UUID]:
    """The ids of the referrals to choose from, in the order of their text: the same on every machine."""
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
    """Choose `wanted.wanted` referrals by lot; returns the sample's id.

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
    """Write down what was found in one referral; returns the sample's id.

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
    """End a sample whose every referral was checked; done twice it is done once.

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
