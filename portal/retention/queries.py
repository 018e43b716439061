"""Queries of due and proposed erasures, with as much of a person as this reader may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, null, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.cases.models import Case
from portal.consents.models import Consent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.person_header import label_columns, label_of
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import Referral
from portal.referrals.states import ENDED
from portal.retention import kinds
from portal.retention.kinds import Block, Cut, Kind
from portal.retention.models import Erasure, ErasureGround
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class Proposal:
    """One erasure, as the home agency may see it."""

    id: UUID
    version: int
    person_id: UUID
    agency_id: UUID
    staff_id: UUID
    person_number: str
    label: str
    ground: ErasureGround
    reason: str
    proposed_at: datetime
    proposed_by: str
    agreed_by: str
    dropped_at: datetime | None
    dropped_by: str
    done_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.dropped_at is None and self.done_at is None


def is_known(actor: Actor, person: Any) -> ColumnElement[bool]:
    """The person is not one the reader is excluded from."""
    return ~predicates.is_excluded(actor, person)


def names_of(session: Session, actor: Actor, people: Collection[UUID], now: datetime) -> dict[UUID, str]:
    """Names that this reader may see, read on the reader's own session: an administrator gets none."""
    if not people or not can(actor, Permission.CASEWORK):
        return {}
    named = predicates.sees(actor, Category.BASIC, now, Person)
    found = select(Person.id, *label_columns(named)).where(Person.id.in_(people))
    return {row.id: label_of(row) for row in session.execute(found)}


def numbers_of(session: Session, people: Collection[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Person.id, Person.number).where(Person.id.in_(people)))
    return {row.id: row.number for row in rows}


def proposals_of(session: Session, people: Collection[UUID]) -> dict[UUID, UUID]:
    found = select(Erasure.person_id, Erasure.id).where(
        Erasure.person_id.in_(people), Erasure.done_at.is_(None), Erasure.dropped_at.is_(None)
    )
    return {row.person_id: row.id for row in session.execute(found)}


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Proposals of one's own agency, of people that the reader is not excluded from."""
    return and_(Erasure.agency_id == actor.agency_id, is_known(actor, Erasure.person_id))


def proposals() -> Select[*tuple[Any, ...]]:
    proposer, second, dropper = aliased(Staff), aliased(Staff), aliased(Staff)
    return (
        select(
            Erasure,
            proposer.name.label("proposed_by"),
            second.name.label("agreed_by"),
            dropper.name.label("dropped_by"),
        )
        .join(proposer, proposer.id == Erasure.proposed_by_id)
        .outerjoin(second, second.id == Erasure.agreed_by_id)
        .outerjoin(dropper, dropper.id == Erasure.dropped_by_id)
    )


def shown(session: Session, actor: Actor, rows: Sequence[Any], now: datetime) -> list[Proposal]:
    people = {row.Erasure.person_id for row in rows}
    numbers = numbers_of(db.unrestricted(), people)
    names = names_of(session, actor, people, now)
    return [
        Proposal(
            id=row.Erasure.id,
            version=row.Erasure.version,
            person_id=row.Erasure.person_id,
            agency_id=row.Erasure.agency_id,
            staff_id=row.Erasure.proposed_by_id,
            person_number=numbers[row.Erasure.person_id],
            label=names.get(row.Erasure.person_id, ""),
            ground=row.Erasure.ground,
            reason=row.Erasure.reason,
            proposed_at=row.Erasure.created_at,
            proposed_by=row.proposed_by,
            agreed_by=row.agreed_by or "",
            dropped_at=row.Erasure.dropped_at,
            dropped_by=row.dropped_by or "",
            done_at=row.Erasure.done_at,
        )
        for row in rows
    ]


def waiting(session: Session, actor: Actor, now: datetime) -> list[Proposal]:
    """Proposals of one's agency that nobody has answered, the oldest first; read on the reader's own session."""
    wanted = proposals().where(visible_to(actor), Erasure.done_at.is_(None), Erasure.dropped_at.is_(None))
    rows = session.execute(wanted.order_by(Erasure.created_at, Erasure.id).limit(100)).all()
    return shown(session, actor, rows, now)


def proposal(session: Session, actor: Actor, erasure_id: UUID, now: datetime) -> Proposal:
    """One proposal, answered or not.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(proposals().where(visible_to(actor), Erasure.id == erasure_id)).one()
    return shown(session, actor, [row], now)[0]


def erased(session: Session, actor: Actor, *, size: int) -> list[Proposal]:
    """The latest erasures."""
    wanted = proposals().where(visible_to(actor), Erasure.done_at.is_not(None))
    rows = session.execute(wanted.order_by(Erasure.done_at.desc(), Erasure.id).limit(size)).all()
    return shown(session, actor, rows, clock.now())


# The lists of people who are due, and of records of each kind that are past their period.
#
# What is due follows from everybody's records, so it is asked over all agencies; what is shown of it is this agency's own,
# with a name only where the reader may see it on their own session.

After = tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class Due:
    """One row of a list. `label` is empty for readers who may not see names; `blocks` are the person's."""

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
    """People of the home agency about whom nothing is kept anywhere that is open or within its period."""
    in_the_way = or_(*(source.is_in_the_way() for source in kinds.everything(cut)))
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
    """Records of this agency that are past their period; ordered and paged by `id` and `at`."""
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
    """Meetings of the agency that called them. The minutes stay; a person's part goes with the person."""
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
    """One page of a list, the oldest record first, after the key `after`.

    `session` is the reader's own: names come from it and from nowhere else.
    """
    cut = kinds.cut_at(session, now)
    found = statement(kind, actor, cut).subquery()
    wanted = select(found).order_by(found.c.at, found.c.id).limit(size)
    if after:
        mark = tuple_(literal(after[0], found.c.at.type), literal(after[1], found.c.id.type))
        wanted = wanted.where(tuple_(found.c.at, found.c.id) > mark)
    everybody = db.unrestricted()
    rows = everybody.execute(wanted).all()
    people = {row.person_id for row in rows if row.person_id}
    stands = kinds.of_people(everybody, people, now, ErasureGround.PERIOD_OVER)
    homes = kinds.homes_of(everybody, people)
    numbers = numbers_of(everybody, people)
    open_ones = proposals_of(everybody, people)
    days = kinds.due_days(everybody, people, now) if kind is Kind.PEOPLE else {}
    names = names_of(session, actor, people, now)

    def line(row: Any) -> Due:
        ended = kinds.day_of(row.ended)
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
