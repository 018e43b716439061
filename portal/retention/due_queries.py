"""The lists: who is due, and what of each kind is over its period.

What is due follows from everybody's records, so it is asked over all agencies; what is shown of it is this agency's own,
with a name only where the reader may see it on his own session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, literal, null, or_, select, tuple_
from sqlalchemy.orm import Session

from portal.cases.models import Case
from portal.consents.models import Consent
from portal.db import db
from portal.disclosures.models import Basis, Disclosure
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus
from portal.people.models import Person
from portal.policy import Actor, Permission, can
from portal.referrals.models import Referral
from portal.referrals.states import ENDED
from portal.retention import blocks, sources
from portal.retention.kinds import Block, Cut, Kind
from portal.retention.models import ErasureGround
from portal.retention.queries import is_known, names_of, numbers_of, proposals_of

After = tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class Due:
    """One line of a list. `label` is empty for who may not see names; `blocks` are of the person it is about."""

    id: UUID
    at: datetime
    number: str
    ended: date
    due: date
    person_id: UUID | None = None
    person_number: str = ""
    label: str = ""
    is_home: bool = True
    blocks: Sequence[Block] = ()
    erasure_id: UUID | None = None


def people_due(actor: Actor, cut: Cut) -> Select[*tuple[Any, ...]]:
    """Of the home agency's people those about whom nothing is kept that is open or within its period, anywhere."""
    in_the_way = or_(*(source.is_in_the_way() for source in sources.everything(cut)))
    return select(
        Person.id,
        Person.created_at.label("at"),
        Person.number,
        Person.created_at.label("ended"),
        Person.id.label("person_id"),
    ).where(
        Person.home_agency_id == actor.agency_id,
        Person.erased_at.is_(None),
        is_known(actor, Person.id),
        ~in_the_way,
    )


def statement(kind: Kind, actor: Actor, cut: Cut) -> Select[*tuple[Any, ...]]:
    """What is over its period, of records of this agency; ordered and paged by `id` and `at`."""
    if kind is Kind.PEOPLE:
        return people_due(actor, cut)
    made: dict[Kind, Any] = {
        Kind.CASES: cases,
        Kind.REFERRALS: referrals,
        Kind.CONSENTS: consents,
        Kind.MEETINGS: meetings,
        Kind.PROVISIONS: provisions,
    }
    found: Select[*tuple[Any, ...]] = made[kind](actor, cut)
    return found


def of_people(found: Any, person: Any, actor: Actor) -> Any:
    alive = and_(Person.id == person, Person.erased_at.is_(None))
    return found.join(Person, alive).where(is_known(actor, person))


def cases(actor: Actor, cut: Cut) -> Any:
    found = select(
        Case.id,
        Case.created_at.label("at"),
        Case.number,
        Case.closed_on.label("ended"),
        Case.person_id.label("person_id"),
    ).where(Case.agency_id == actor.agency_id, Case.closed_on <= cut.day(Kind.CASES))
    return of_people(found, Case.person_id, actor)


def referrals(actor: Actor, cut: Cut) -> Any:
    ended = func.coalesce(Referral.ended_at, Referral.answered_at, Referral.listed_at)
    own = or_(
        Referral.from_agency_id == actor.agency_id,
        and_(Referral.to_agency_id == actor.agency_id, Referral.sent_at.is_not(None)),
    )
    found = select(
        Referral.id,
        Referral.listed_at.label("at"),
        Referral.number,
        ended.label("ended"),
        Referral.person_id.label("person_id"),
    ).where(own, Referral.status.in_(ENDED), ended < cut.moment(Kind.REFERRALS))
    return of_people(found, Referral.person_id, actor)


def consents(actor: Actor, cut: Cut) -> Any:
    found = select(
        Consent.id,
        Consent.created_at.label("at"),
        null().label("number"),
        Consent.valid_until.label("ended"),
        Consent.person_id.label("person_id"),
    ).where(Consent.agency_id == actor.agency_id, Consent.valid_until <= cut.day(Kind.CONSENTS))
    return of_people(found, Consent.person_id, actor)


def provisions(actor: Actor, cut: Cut) -> Any:
    found = select(
        Disclosure.id,
        Disclosure.created_at.label("at"),
        null().label("number"),
        Disclosure.starts_at.label("ended"),
        Disclosure.person_id.label("person_id"),
    ).where(
        Disclosure.from_agency_id == actor.agency_id,
        Disclosure.basis != Basis.ANONYMOUS,
        Disclosure.starts_at < cut.moment(Kind.PROVISIONS),
    )
    return of_people(found, Disclosure.person_id, actor)


def meetings(actor: Actor, cut: Cut) -> Any:
    """Of the agency that called it. The minutes themselves stay; what they say of a person goes with the person."""
    return select(
        Meeting.id,
        Meeting.created_at.label("at"),
        Meeting.name.label("number") if can(actor, Permission.CASEWORK) else null().label("number"),
        Meeting.approved_at.label("ended"),
        null().label("person_id"),
    ).where(
        Meeting.convener_id == actor.agency_id,
        Meeting.status == MeetingStatus.APPROVED,
        Meeting.approved_at < cut.moment(Kind.MEETINGS),
    )


def page(session: Session, actor: Actor, kind: Kind, now: datetime, *, after: After, size: int) -> list[Due]:
    """One page of a list, what was made first on top, beginning behind the key `after`.

    `session` is the reader's own: names come from it and from nowhere else.
    """
    cut = blocks.cut_at(session, now)
    found = statement(kind, actor, cut).subquery()
    wanted = select(found).order_by(found.c.at, found.c.id).limit(size)
    if after:
        mark = tuple_(literal(after[0], found.c.at.type), literal(after[1], found.c.id.type))
        wanted = wanted.where(tuple_(found.c.at, found.c.id) > mark)
    everybody = db.across()
    rows = everybody.execute(wanted).all()
    people = {row.person_id for row in rows if row.person_id}
    stands = blocks.of_people(everybody, people, now, ErasureGround.PERIOD_OVER)
    homes = blocks.homes_of(everybody, people)
    numbers = numbers_of(everybody, people)
    open_ones = proposals_of(everybody, people)
    days = blocks.due_days(everybody, people, now) if kind is Kind.PEOPLE else {}
    names = names_of(session, actor, people, now)

    def line(row: Any) -> Due:
        ended = blocks.day_of(row.ended)
        is_home = row.person_id is not None and homes[row.person_id] == actor.agency_id
        return Due(
            id=row.id,
            at=row.at,
            number=row.number or "",
            ended=ended,
            due=days[row.id] if kind is Kind.PEOPLE else cut.due(kind, ended),
            person_id=row.person_id,
            person_number=numbers[row.person_id] if is_home else "",
            label=names.get(row.person_id, ""),
            is_home=is_home,
            blocks=stands[row.person_id] if is_home else (),
            erasure_id=open_ones.get(row.person_id) if is_home else None,
        )

    return [line(row) for row in rows]
