"""How referrals are read. A list is one statement: keys first, by index, then the columns of those rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, exists, false, literal, null, or_, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal import clock
from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.disclosures.models import Basis
from portal.disclosures.queries import lives_for
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import search_key
from portal.policy import Actor, Permission, can
from portal.referrals.models import FollowUp, Referral, ReferralEvent, ReferralGoal, ReferralNews
from portal.referrals.states import OPEN, ReferralStatus
from portal.text import like_pattern


class Box(StrEnum):
    IN = "in"
    OUT = "out"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to. `q` finds a number, or a name among those whose name the reader may see."""

    box: Box = Box.ALL
    statuses: frozenset[ReferralStatus] = frozenset()
    overdue: bool = False
    unopened: bool = False
    q: str = ""
    person_id: UUID | None = None


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """`Permission.REFERRAL_READ`, in SQL. A test keeps the two in step."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return or_(
        Referral.from_agency_id == actor.agency_id,
        and_(Referral.to_agency_id == actor.agency_id, Referral.sent_at.is_not(None)),
    )


def visible(actor: Actor) -> Select[Referral]:
    return select(Referral).where(visible_to(actor))


def locked(session: Session, actor: Actor, referral_id: UUID) -> Referral:
    """The referral, held until the transaction ends, with its person held before it.

    Withdrawing a consent holds the person too, so nothing is told after a withdrawal was acknowledged.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    person_id = session.scalars(
        select(Referral.person_id).where(visible_to(actor), Referral.id == referral_id)
    ).one()
    session.execute(select(Person.id).where(Person.id == person_id).with_for_update())
    statement = visible(actor).where(Referral.id == referral_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def is_live(session: Session, referral: Referral) -> bool:
    """Whether what this referral told may still be read by its recipient."""
    statement = select(Referral.id).where(
        Referral.id == referral.id, lives_for(Referral.id, Referral.to_agency_id, clock.now())
    )
    return session.scalar(statement) is not None


def goals_of(referral_id: UUID) -> Select[ReferralGoal]:
    return select(ReferralGoal).where(ReferralGoal.referral_id == referral_id).order_by(ReferralGoal.id)


def events_of(referral_id: UUID) -> Select[ReferralEvent]:
    return select(ReferralEvent).where(ReferralEvent.referral_id == referral_id).order_by(ReferralEvent.id)


def narrowed(actor: Actor, wanted: Filter, now: datetime) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    if wanted.statuses:
        tests.append(Referral.status.in_(sorted(wanted.statuses)))
    if wanted.overdue:
        tests += [
            Referral.status == ReferralStatus.REQUESTED,
            Referral.respond_by < clock.japan_date(now),
        ]
    if wanted.unopened:
        tests += [Referral.status == ReferralStatus.REQUESTED, Referral.received_at.is_(None)]
    if wanted.person_id:
        tests.append(Referral.person_id == wanted.person_id)
    if wanted.q:
        person = aliased(Person)
        named = exists().where(
            person.id == Referral.person_id,
            person.search_key.like(like_pattern(search_key(wanted.q)), escape="\\"),
            wall.sees(actor, Category.BASIC, now, person),
        )
        # Asked for no name at all, e.g. only punctuation, the name matches nothing rather than everything.
        by_name = and_(named, Referral.basis != Basis.ANONYMOUS) if search_key(wanted.q) else false()
        own = and_(named, Referral.from_agency_id == actor.agency_id) if search_key(wanted.q) else false()
        tests.append(or_(Referral.number == wanted.q.strip(), by_name, own))
    return tests


def side(actor: Actor, box: Box) -> list[ColumnElement[bool]]:
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return [false()]
    if box is Box.OUT:
        return [Referral.from_agency_id == actor.agency_id]
    return [Referral.to_agency_id == actor.agency_id, Referral.sent_at.is_not(None)]


def keys(
    actor: Actor, wanted: Filter, now: datetime, *, after: tuple[datetime, UUID] | None, size: int
) -> Select[Any]:
    """The keys of one page, newest first: each side is read off its own index and never sorted as a whole."""
    order = (Referral.listed_at.desc(), Referral.id.desc())
    parts = []
    for box in (Box.IN, Box.OUT) if wanted.box is Box.ALL else (wanted.box,):
        part = select(Referral.listed_at, Referral.id).where(
            *side(actor, box), *narrowed(actor, wanted, now)
        )
        if after:
            moment = literal(after[0], Referral.listed_at.type)
            part = part.where(
                tuple_(Referral.listed_at, Referral.id) < tuple_(moment, literal(after[1], Referral.id.type))
            )
        parts.append(select(part.order_by(*order).limit(size).subquery()))
    both = union_all(*parts).subquery()
    return select(both).order_by(both.c.listed_at.desc(), both.c.id.desc()).limit(size)


def is_stopped(now: datetime) -> ColumnElement[bool]:
    """Open on a basis that has died: it may only be ended."""
    return and_(
        Referral.status.in_(sorted(OPEN)),
        Referral.basis == Basis.CONSENT,
        ~lives_for(Referral.id, Referral.to_agency_id, now),
    )


def listing(
    actor: Actor, wanted: Filter, now: datetime, *, after: tuple[datetime, UUID] | None = None, size: int = 25
) -> Select[Any]:
    """One page of rows with all that the list shows; the name only where the wall lets it through."""
    page = keys(actor, wanted, now, after=after, size=size).subquery()
    sender, recipient = aliased(Agency), aliased(Agency)
    # An anonymous asking names the person to nobody but the agency that asks.
    named = and_(
        wall.sees(actor, Category.BASIC, now),
        or_(Referral.basis != Basis.ANONYMOUS, Referral.from_agency_id == actor.agency_id),
    )
    return (
        select(
            Referral.id,
            Referral.number,
            Referral.kind,
            Referral.status,
            Referral.basis,
            Referral.listed_at,
            Referral.respond_by,
            Referral.received_at,
            Referral.from_agency_id,
            sender.name.label("from_name"),
            recipient.name.label("to_name"),
            case((named, Person.family), else_=null()).label("family"),
            case((named, Person.given), else_=null()).label("given"),
            case((named, Person.pseudonym), else_=null()).label("pseudonym"),
            is_stopped(now).label("is_stopped"),
        )
        .join(page, page.c.id == Referral.id)
        .join(Person, Person.id == Referral.person_id)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .order_by(page.c.listed_at.desc(), page.c.id.desc())
    )


def counted(statement: Select[Any], *, most: int = 100) -> Select[Any]:
    """How many rows, counting no further than `most`: a counter must not grow with the years."""
    return statement.order_by(None).limit(most)


def open_twins(actor: Actor, person_id: UUID, to_agency_id: UUID) -> Select[Referral]:
    """One's own open referrals of the same person to the same agency: is this one a duplicate?"""
    return select(Referral).where(
        Referral.from_agency_id == actor.agency_id,
        Referral.person_id == person_id,
        Referral.to_agency_id == to_agency_id,
        Referral.status.in_(sorted(OPEN)),
    )


def unattended(actor: Actor) -> Select[Referral]:
    """One's own that ended badly and that nobody has taken further yet."""
    sequel = aliased(Referral)
    return select(Referral).where(
        Referral.from_agency_id == actor.agency_id,
        Referral.status.in_([ReferralStatus.REJECTED, ReferralStatus.FAILED]),
        ~exists().where(
            sequel.part_of_id == Referral.id, sequel.status != ReferralStatus.ENTERED_IN_ERROR
        ),
        ~exists().where(FollowUp.referral_id == Referral.id, FollowUp.agency_id == actor.agency_id),
    )


def news_of(actor: Actor) -> Select[ReferralNews]:
    statement = select(ReferralNews).where(ReferralNews.agency_id == actor.agency_id)
    return statement.order_by(ReferralNews.at.desc(), ReferralNews.referral_id)


def follow_ups(actor: Actor) -> Select[FollowUp]:
    statement = select(FollowUp).where(FollowUp.agency_id == actor.agency_id)
    return statement.order_by(FollowUp.done_at.is_not(None), FollowUp.id.desc())
