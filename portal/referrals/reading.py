"""ReferralView, the only shape of a referral outside the domain, within the wall; and its logged reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, or_, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.agencies.models import Agency, Service
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Domain, Outcome, Score
from portal.consents.models import Consent, Withdrawal
from portal.core import clock
from portal.core.db import among, db
from portal.core.labels import N_, Labelled
from portal.core.ordering import Key, Sort
from portal.core.policy import Actor
from portal.disclosures import people
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.people import PersonView, Withheld
from portal.disclosures.queries import lives_for, to_confirm
from portal.people.categories import Category
from portal.referrals import queries
from portal.referrals.models import (
    Referral,
    ReferralCategory,
    ReferralEvent,
    ReferralGoal,
    ReferralNews,
    TimelineEvent,
)
from portal.referrals.queries import NEWEST, Box, Filter
from portal.referrals.states import OPEN, ReferralAction, ReferralKind, ReferralStatus, Refusal, asked
from portal.wall import predicates


class Stop(Labelled):
    """Why a referral may only be ended: what became of the consent it rests on."""

    WITHDRAWN = "withdrawn", N_("同意撤回により停止")
    EXPIRED = "expired", N_("同意の期限切れにより停止")
    CHANGED = "changed", N_("同意の変更により停止")


@dataclass(frozen=True, slots=True)
class GoalView:
    id: UUID
    domain: Domain
    text: str | Withheld
    score: Score | None


@dataclass(frozen=True, slots=True)
class Line:
    """One event of the timeline. `code` is the refusal or the outcome that came with a step."""

    at: datetime
    who: str
    agency: str
    mine: bool
    what: TimelineEvent
    code: Refusal | Outcome | None
    text: str | Withheld
    sequel_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReferralView:
    """A referral as one of its two agencies may see it at one moment.

    `person` is None where the reader may not know who it is: an anonymous request, or a basis that died with
    nothing left to account for. `is_stopped`: open on a dead basis; `stop` says why, while somebody must act on it.
    """

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    basis: Basis
    version: int
    is_sender: bool
    from_agency_id: UUID
    from_name: str
    from_telephone: str
    to_agency_id: UUID
    to_name: str
    to_telephone: str
    author_name: str
    service_id: UUID | None
    service_name: str
    worker_id: UUID | None
    worker_name: str
    worker_is_excluded: bool  # shut out of the person's affairs (利益相反): somebody else must take over
    person: PersonView | None
    person_id: UUID | None
    consent_id: UUID | None
    consent_until: date | None
    categories: Sequence[Category]
    need: str | Withheld
    goals: Sequence[GoalView]
    timeline: Sequence[Line]
    anonymous_age_band: str
    appointment_at: datetime | None
    appointment_place: str
    created_at: datetime
    sent_at: datetime | None
    received_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    acknowledge_by: date | None
    respond_by: date | None
    first_contact_on: date | None
    refusal: Refusal | None
    outcome: Outcome | None
    part_of_id: UUID | None
    is_live: bool
    writes_until: datetime | None  # after a refusal
    is_stopped: bool
    is_awaited: bool  # an answer is still asked for
    must_confirm_stop: bool
    stop: Stop | None

    @property
    def is_anonymous(self) -> bool:
        return self.basis is Basis.ANONYMOUS

    def asked(self, action: ReferralAction) -> tuple[frozenset[str], frozenset[str]]:
        """What the form of this step needs and takes."""
        contacted = self.first_contact_on is not None
        return asked(action, self.kind, is_anonymous=self.is_anonymous, was_contacted=contacted)

    @property
    def may_ask_again(self) -> bool:
        """Whether the same may be asked of the same agency, which had no place; a joint interview needs a new day."""
        had_no_place = self.status is ReferralStatus.REJECTED and self.refusal is Refusal.NO_CAPACITY
        is_known = self.is_sender and self.person_id is not None
        return had_no_place and is_known and self.kind is not ReferralKind.JOINT_INTERVIEW

    @property
    def may_write(self) -> bool:
        """Whether messages may still be sent."""
        is_struck = self.status is ReferralStatus.ENTERED_IN_ERROR
        return self.is_sent and not is_struck and (self.is_live or self.writes_until is not None)

    @property
    def is_overdue(self) -> bool:
        return self.is_awaited and self.respond_by is not None and self.respond_by < clock.today()

    @property
    def is_sent(self) -> bool:
        return self.sent_at is not None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def other_name(self) -> str:
        return self.to_name if self.is_sender else self.from_name


# What a reader sees of a referral: frozen views within the wall, and the logged reading.

# Steps of the sender that the recipient does not see.
SENDERS_OWN = {TimelineEvent.DRAFTED, TimelineEvent.REROUTED}


@cache
def header_statement() -> Select[*tuple[Any, ...]]:
    """The statement for a referral's columns and the names beside them; built once, run with `bound`."""
    sender, recipient, author = aliased(Agency), aliased(Agency), aliased(Staff)
    former = aliased(Referral)  # of a referral that came with a transfer, the former one is not the reader's
    waiting = to_confirm(predicates.READER, predicates.NOW).where(Disclosure.source_id == Referral.id)
    has_news = queries.news(predicates.READER).where(ReferralNews.referral_id == Referral.id).exists()
    # A renewed consent carries the referral on with a new disclosure.
    renewed_until = (
        select(Consent.valid_until)
        .join(Disclosure, Disclosure.consent_id == Consent.id)
        .where(Disclosure.source_id == Referral.id)
        .order_by(Disclosure.starts_at.desc(), Disclosure.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            *Referral.__table__.columns,
            sender.name.label("from_name"),
            sender.telephone.label("from_telephone"),
            recipient.name.label("to_name"),
            recipient.telephone.label("to_telephone"),
            author.name.label("author_name"),
            Service.name.label("service_name"),
            Staff.name.label("worker_name"),
            predicates.is_staff_excluded(Referral.worker_id, Referral.person_id).label("worker_is_excluded"),
            former.id.label("former_id"),
            func.coalesce(renewed_until, Consent.valid_until).label("consent_until"),
            lives_for(Referral.id, Referral.to_agency_id, predicates.NOW).label("is_live"),
            queries.is_awaited(predicates.NOW).label("is_awaited"),
            predicates.goes_on(Referral, predicates.NOW).label("goes_on"),
            waiting.exists().label("must_confirm"),
            has_news.label("has_news"),
        )
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .join(author, author.id == queries.worker_of(Box.OUT))
        .outerjoin(former, former.id == Referral.part_of_id)
        .outerjoin(Service, Service.id == Referral.service_id)
        .outerjoin(Staff, Staff.id == Referral.worker_id)
        .outerjoin(Consent, Consent.id == Referral.consent_id)
        .where(Referral.id == bindparam("referral_id"), queries.visible_to(predicates.READER))
    )


def header(session: Session, actor: Actor, referral_id: UUID, now: datetime) -> Row[*tuple[Any, ...]]:
    """The one row of `header_statement`.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    values = queries.values_for(actor, now, Filter(), referral_id=referral_id)
    return session.execute(header_statement(), values).one()


def person_of(session: Session, actor: Actor, row: Row[*tuple[Any, ...]], now: datetime) -> PersonView | None:
    if row.basis is Basis.ANONYMOUS and row.from_agency_id != actor.agency_id:
        return None
    try:
        return people.load(session, actor, row.person_id, now)
    except NoResultFound:
        return None


TIMELINE = (
    select(
        ReferralEvent.created_at,
        ReferralEvent.agency_id,
        ReferralEvent.what,
        ReferralEvent.code,
        ReferralEvent.text,
        ReferralEvent.sequel_id,
        Staff.name.label("who"),
        Agency.name.label("agency"),
    )
    .join(Staff, Staff.id == ReferralEvent.staff_id)
    .join(Agency, Agency.id == ReferralEvent.agency_id)
    .where(ReferralEvent.referral_id == bindparam("referral_id"))
    .order_by(ReferralEvent.id)
)
RECIPIENTS_TIMELINE = TIMELINE.where(~among(ReferralEvent.what, SENDERS_OWN))
GOALS = (
    select(ReferralGoal.id, ReferralGoal.domain, ReferralGoal.text, ReferralGoal.score)
    .where(ReferralGoal.referral_id == bindparam("referral_id"))
    .order_by(ReferralGoal.id)
)
CATEGORIES = select(ReferralCategory.category).where(ReferralCategory.referral_id == bindparam("referral_id"))


def timeline_of(session: Session, actor: Actor, row: Row[*tuple[Any, ...]], *, readable: bool) -> list[Line]:
    statement = TIMELINE if row.from_agency_id == actor.agency_id else RECIPIENTS_TIMELINE
    return [
        Line(
            at=line.created_at,
            who=line.who,
            agency=line.agency,
            mine=line.agency_id == actor.agency_id,
            what=line.what,
            code=code_of(line.what, line.code),
            text=line.text
            if readable or is_own_or_later(line, row, actor) or not line.text
            else Withheld.ENDED,
            sequel_id=line.sequel_id,
        )
        for line in session.execute(statement, {"referral_id": row.id})
    ]


def is_own_or_later(line: Row[*tuple[Any, ...]], row: Row[*tuple[Any, ...]], actor: Actor) -> bool:
    """One's own words, and those that the other side wrote after the refusal."""
    return bool(line.agency_id == actor.agency_id or (row.goes_on and line.created_at > row.answered_at))


def code_of(what: TimelineEvent, code: str) -> Refusal | Outcome | None:
    if not code:
        return None
    return Refusal(code) if what is TimelineEvent.REJECT else Outcome(code)


def goals_of(session: Session, row: Row[*tuple[Any, ...]], *, readable: bool) -> list[GoalView]:
    rows = session.execute(GOALS, {"referral_id": row.id})
    return [GoalView(g.id, g.domain, g.text if readable else Withheld.ENDED, g.score) for g in rows]


def end_of_consent(session: Session, row: Row[*tuple[Any, ...]], now: datetime) -> Line | None:
    """The end of the consent while the referral was open, as a timeline event without its author."""
    if row.is_live or row.basis is not Basis.CONSENT or row.sent_at is None:
        return None
    # The first that concerns this recipient: it may not know of later withdrawals for others.
    at = session.scalar(
        select(func.min(Withdrawal.withdrawn_at))
        .join(Disclosure, Disclosure.consent_id == Withdrawal.consent_id)
        .where(
            Disclosure.source_id == row.id,
            or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == row.to_agency_id),
        )
    )
    what = TimelineEvent.CONSENT_WITHDRAWN
    if at is None and row.consent_until is not None:
        at, what = clock.end_of_day(row.consent_until), TimelineEvent.CONSENT_EXPIRED
    if at is None or at > (row.ended_at or now):
        return None
    return Line(at, "", "", mine=False, what=what, code=None, text="", sequel_id=None)


def stop_of(line: Line | None) -> Stop:
    if line is None:
        return Stop.CHANGED
    return Stop.WITHDRAWN if line.what is TimelineEvent.CONSENT_WITHDRAWN else Stop.EXPIRED


def load(actor: Actor, referral_id: UUID) -> tuple[ReferralView, Row[*tuple[Any, ...]]]:
    """The referral and its row, for a page that logs this reading.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    session, now = db.read(), clock.now()
    row = header(session, actor, referral_id, now)
    is_sender = row.from_agency_id == actor.agency_id
    readable = is_sender or row.is_live
    person = person_of(session, actor, row, now)
    categories = session.scalars(CATEGORIES, {"referral_id": referral_id})
    order = list(Category)
    timeline = timeline_of(session, actor, row, readable=readable)
    end = end_of_consent(session, row, now)
    is_stopped = row.status in OPEN and not row.is_live
    until = queries.words_until(row.ended_at) if row.goes_on else None
    view = ReferralView(
        id=row.id,
        number=row.number,
        kind=row.kind,
        status=row.status,
        basis=row.basis,
        version=row.version,
        is_sender=is_sender,
        from_agency_id=row.from_agency_id,
        from_name=row.from_name,
        from_telephone=row.from_telephone,
        to_agency_id=row.to_agency_id,
        to_name=row.to_name,
        to_telephone=row.to_telephone,
        author_name=row.author_name,
        service_id=row.service_id,
        service_name=row.service_name or "",
        worker_id=row.worker_id,
        worker_name=row.worker_name or "",
        worker_is_excluded=bool(row.worker_is_excluded and person and not is_sender),
        person=person,
        person_id=person.id if person else None,
        consent_id=row.consent_id if is_sender else None,
        consent_until=row.consent_until,
        categories=sorted(categories, key=order.index),
        need=row.need if readable else Withheld.ENDED,
        goals=goals_of(session, row, readable=readable),
        timeline=sorted([*timeline, end], key=lambda line: line.at) if end else timeline,
        anonymous_age_band=row.anonymous_age_band if readable else "",
        appointment_at=row.appointment_at if readable else None,
        appointment_place=row.appointment_place if readable else "",
        created_at=row.created_at,
        sent_at=row.sent_at,
        received_at=row.received_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        acknowledge_by=row.acknowledge_by,
        respond_by=row.respond_by,
        first_contact_on=row.first_contact_on,
        refusal=row.refusal,
        outcome=row.outcome,
        part_of_id=row.former_id if is_sender else None,
        is_live=row.is_live,
        writes_until=until if until and until >= now else None,
        is_stopped=is_stopped,
        is_awaited=row.is_awaited,
        must_confirm_stop=row.must_confirm,
        stop=stop_of(end) if is_stopped or row.must_confirm else None,
    )
    return view, row


def show(actor: Actor, referral_id: UUID, *, channel: str = "portal") -> tuple[ReferralView, bool]:
    """The referral, and whether this member's look must be noted (`conversation.opened`).

    The reading is logged before it is returned.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    view, row = load(actor, referral_id)
    person = view.person
    audit.record_reading(
        AuditEvent.REFERRAL_READ,
        ("referral", referral_id),
        actor=actor,
        person_id=row.person_id,
        categories=person.visible_categories if person else (),
        ground=person.ground if person else row.basis,
        channel=channel,
    )
    # On a dead basis there is nothing to read, so a look receives nothing.
    first_look = not view.is_sender and row.received_at is None and row.is_live
    return view, row.has_news or first_look


def page(
    actor: Actor, wanted: Filter, *, sort: Sort = NEWEST, after: Key | None = None, size: int = 25
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows of a list, one more than `size` when there are more; names only within the wall; logged."""
    rows = queries.rows(db.read(), actor, wanted, clock.now(), sort=sort, after=after, size=size + 1)
    audit.record_reading(
        AuditEvent.REFERRALS_LISTED,
        ("referral", None),
        actor=actor,
        categories=[Category.BASIC],
        count=min(len(rows), size),
    )
    return rows
