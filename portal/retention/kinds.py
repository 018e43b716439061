"""The kinds of records kept about a person, their retention periods, and what blocks an erasure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import Select, and_, case, exists, false, func, literal, null, or_, select, true
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from portal.cases.models import Case
from portal.configuration import queries as setting_queries
from portal.consents.models import Consent, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.disclosures.models import Basis, Disclosure
from portal.emergency.models import EmergencyAccess
from portal.emergency.states import WAITS
from portal.inspections.models import AuditFinding, SampleItem
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus, OutcomeKind
from portal.people.models import Person
from portal.referrals.models import FollowUp, Referral
from portal.referrals.states import OPEN, ReferralStatus
from portal.retention.models import ErasureGround


class Kind(Labelled):
    """The lists: people whose whole record is due, and what is over its period of each kind."""

    PEOPLE = "people", N_("相談者")
    CASES = "cases", N_("ケース")
    REFERRALS = "referrals", N_("つなぎ")
    CONSENTS = "consents", N_("同意")
    MEETINGS = "meetings", N_("議事録")
    PROVISIONS = "provisions", N_("提供の記録")


PERIOD_OF = {
    Kind.CASES: "retention.case_years",
    Kind.REFERRALS: "retention.referral_years",
    Kind.CONSENTS: "retention.consent_years",
    Kind.MEETINGS: "retention.meeting_years",
    Kind.PROVISIONS: "retention.provision_years",
}


class Reason(Labelled):
    """Why a person's record may not be erased yet. The first ones are open work, the others periods."""

    CASE_OPEN = "case_open", N_("支援中のケースがあります")
    REFERRAL_OPEN = "referral_open", N_("終わっていないつなぎがあります")
    CONSENT_LIVES = "consent_lives", N_("有効な同意があります")
    ITEM_OPEN = "item_open", N_("議事録が承認されていない会議の議題があります")
    PROMISE_OPEN = "promise_open", N_("済んでいない対応事項があります")
    FOLLOW_UP_OPEN = "follow_up_open", N_("断られた後の対応に、済んでいないものがあります")
    EMERGENCY_OPEN = "emergency_open", N_("点検が終わっていない緊急閲覧があります")
    FINDING_OPEN = "finding_open", N_("完了していない監査の指摘があります")
    ELSEWHERE = "elsewhere", N_("ほかの機関で、支援または記録の保存が続いています")
    PROVISION = "provision", N_("第三者提供の記録の保存期間です")
    CASE = "case", N_("ケースの記録の保存期間です")
    REFERRAL = "referral", N_("つなぎの記録の保存期間です")
    CONSENT = "consent", N_("同意書の保存期間です")
    MEETING = "meeting", N_("会議の議事録の保存期間です")
    RECORD = "record", N_("登録してからの保存期間です")


# What the person's own wish, or a record that should never have been, shortens: the periods that the city sets for
# itself. The record of what was passed on is kept by law, and open work is finished first (docs/decisions/019).
OWN_PERIODS = frozenset({Reason.CASE, Reason.REFERRAL, Reason.CONSENT, Reason.MEETING, Reason.RECORD})
LIFTED: Mapping[ErasureGround, frozenset[Reason]] = {
    ErasureGround.PERIOD_OVER: frozenset(),
    ErasureGround.REQUESTED: OWN_PERIODS,
    ErasureGround.UNLAWFUL: OWN_PERIODS,
}


@dataclass(frozen=True, slots=True)
class Block:
    """`until` is the first day on which it stands in the way no more; none while nobody can say."""

    reason: Reason
    number: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """The periods in years, and the days before which each is over, at one moment."""

    now: datetime
    years: Mapping[Kind, int]

    @classmethod
    def at(cls, now: datetime, settings: Mapping[str, int]) -> Cut:
        return cls(now, {kind: settings[key] for kind, key in PERIOD_OF.items()})

    @property
    def today(self) -> date:
        return clock.japan_date(self.now)

    def day(self, kind: Kind) -> date:
        """What ended on this day or before is past its period."""
        return self.today - relativedelta(years=self.years[kind])

    def moment(self, kind: Kind) -> datetime:
        """What ended before this moment is past its period."""
        return clock.end_of_day(self.day(kind))

    def due(self, kind: Kind, ended: date) -> date:
        """The first day on which what ended then is past its period."""
        return ended + relativedelta(years=self.years[kind])


# What is kept of a person, kind by kind: whose it is, when it ended, and whether it still stands in the way.
#
# Each rule is one SQL condition, asked both of the people of one page and of everybody when the due are listed.

Rows = Select[*tuple[Any, ...]]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Source:
    """`rows` are all that is kept of this kind; rows for which `holds` is true block an erasure.

    A row has `person_id`, its `number`, the agencies whose it is (`owner`, `partner`; none: the home's), when it
    `ended` and whether it `is_open`.
    """

    rows: Rows
    person: InstrumentedAttribute[Any]
    holds: ColumnElement[bool]
    open: Reason | None
    period: Reason | None
    kind: Kind | None

    def of(self, people: Collection[UUID], *, holding: bool) -> Rows:
        found = self.rows.where(self.person.in_(people))
        return found.where(self.holds) if holding else found

    def is_in_the_way(self) -> ColumnElement[bool]:
        """Whether a row blocks the erasure of the person of the enclosing statement."""
        held = self.rows.where(self.person == Person.id, self.holds)
        return held.correlate(Person).exists() if self.person is not Person.id else self.holds


def rows(
    person: Column,
    *,
    owner: Column | None = None,
    partner: Column | None = None,
    number: Column | None = None,
    ended: Column | None = None,
    is_open: ColumnElement[bool],
) -> Rows:
    return select(
        person.label("person_id"),
        (literal("") if number is None else number).label("number"),
        (null() if owner is None else owner).label("owner"),
        (null() if partner is None else partner).label("partner"),
        (null() if ended is None else ended).label("ended"),
        is_open.label("is_open"),
    )


def everything(cut: Cut) -> list[Source]:
    return [
        cases(cut),
        referrals(cut),
        consents(cut),
        items(cut),
        promises(),
        follow_ups(),
        emergencies(cut),
        findings(),
        provisions(cut),
        records(cut),
    ]


def cases(cut: Cut) -> Source:
    found = rows(
        Case.person_id,
        owner=Case.agency_id,
        number=Case.number,
        ended=Case.closed_on,
        is_open=Case.closed_on.is_(None),
    )
    holds = or_(Case.closed_on.is_(None), Case.closed_on > cut.day(Kind.CASES))
    return Source(found, Case.person_id, holds, Reason.CASE_OPEN, Reason.CASE, Kind.CASES)


def referrals(cut: Cut) -> Source:
    ended = func.coalesce(Referral.ended_at, Referral.answered_at, Referral.listed_at)
    is_open = Referral.status.in_(OPEN | {ReferralStatus.DRAFT})
    found = rows(
        Referral.person_id,
        owner=Referral.from_agency_id,
        partner=Referral.to_agency_id,
        number=Referral.number,
        ended=ended,
        is_open=is_open,
    )
    holds = or_(is_open, ended >= cut.moment(Kind.REFERRALS))
    return Source(found, Referral.person_id, holds, Reason.REFERRAL_OPEN, Reason.REFERRAL, Kind.REFERRALS)


def consents(cut: Cut) -> Source:
    """A consent lapses by its last day, or when it was renewed or taken back from every recipient."""
    newer = aliased(Consent)
    taken = or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == ConsentRecipient.agency_id)
    taken_back = exists().where(Withdrawal.consent_id == ConsentRecipient.consent_id, taken)
    somebody = exists().where(ConsentRecipient.consent_id == Consent.id, ~taken_back).correlate(Consent)
    last_taken = (
        select(func.max(Withdrawal.withdrawn_at)).where(Withdrawal.consent_id == Consent.id).scalar_subquery()
    )
    renewed = select(func.min(newer.created_at)).where(newer.replaces_id == Consent.id).scalar_subquery()
    early = func.coalesce(renewed, case((~somebody, last_taken), else_=null()))
    over = cut.moment(Kind.CONSENTS)
    is_open = and_(Consent.valid_until >= cut.today, early.is_(None))
    holds = and_(
        Consent.valid_until > cut.day(Kind.CONSENTS),
        or_(early.is_(None), early >= over),
    )
    found = rows(Consent.person_id, ended=early, is_open=is_open).add_columns(Consent.valid_until)
    return Source(found, Consent.person_id, holds, Reason.CONSENT_LIVES, Reason.CONSENT, Kind.CONSENTS)


def items(cut: Cut) -> Source:
    done = {MeetingStatus.APPROVED, MeetingStatus.CANCELLED}
    is_open = Meeting.status.not_in(done)
    ended = func.coalesce(Meeting.approved_at, Meeting.starts_at)
    shared = case((AgendaItem.shared, null()), else_=AgendaItem.brought_by_id)
    found = rows(AgendaItem.person_id, owner=shared, ended=ended, is_open=is_open).join(
        Meeting, Meeting.id == AgendaItem.meeting_id
    )
    holds = or_(is_open, ended >= cut.moment(Kind.MEETINGS))
    return Source(found, AgendaItem.person_id, holds, Reason.ITEM_OPEN, Reason.MEETING, Kind.MEETINGS)


def promises() -> Source:
    found = rows(AgendaItem.person_id, owner=AgendaItem.brought_by_id, is_open=true()).join(
        MeetingOutcome, MeetingOutcome.item_id == AgendaItem.id
    )
    holds = and_(
        MeetingOutcome.kind == OutcomeKind.ACTION,
        MeetingOutcome.done_at.is_(None),
        MeetingOutcome.struck_at.is_(None),
    )
    return Source(found, AgendaItem.person_id, holds, Reason.PROMISE_OPEN, None, None)


def follow_ups() -> Source:
    found = rows(Referral.person_id, owner=FollowUp.agency_id, number=Referral.number, is_open=true()).join(
        FollowUp, FollowUp.referral_id == Referral.id
    )
    return Source(found, Referral.person_id, FollowUp.done_at.is_(None), Reason.FOLLOW_UP_OPEN, None, None)


def emergencies(cut: Cut) -> Source:
    """A use is open until a second person has reviewed it; so is a request that waits for one."""
    waits = and_(
        EmergencyAccess.starts_at.is_(None),
        EmergencyAccess.declined_at.is_(None),
        EmergencyAccess.created_at > cut.now - WAITS,
    )
    unreviewed = and_(EmergencyAccess.starts_at.is_not(None), EmergencyAccess.finding.is_(None))
    found = rows(EmergencyAccess.person_id, is_open=true())
    person = EmergencyAccess.person_id
    return Source(found, person, or_(waits, unreviewed), Reason.EMERGENCY_OPEN, None, None)


def findings() -> Source:
    about = func.coalesce(AuditFinding.referral_id, SampleItem.referral_id)
    found = (
        rows(Referral.person_id, owner=AuditFinding.agency_id, number=Referral.number, is_open=true())
        .select_from(AuditFinding)
        .outerjoin(SampleItem, SampleItem.id == AuditFinding.item_id)
        .join(Referral, Referral.id == about)
    )
    person = Referral.person_id
    return Source(found, person, AuditFinding.closed_at.is_(None), Reason.FINDING_OPEN, None, None)


def provisions(cut: Cut) -> Source:
    """Disclosures with a name; one that cannot identify anybody is no provision of personal data."""
    found = rows(Disclosure.person_id, ended=Disclosure.starts_at, is_open=false())
    holds = and_(Disclosure.basis != Basis.ANONYMOUS, Disclosure.starts_at >= cut.moment(Kind.PROVISIONS))
    named = found.where(Disclosure.basis != Basis.ANONYMOUS)
    return Source(named, Disclosure.person_id, holds, None, Reason.PROVISION, Kind.PROVISIONS)


def records(cut: Cut) -> Source:
    found = rows(Person.id, owner=Person.home_agency_id, ended=Person.created_at, is_open=false())
    holds = Person.created_at >= cut.moment(Kind.CASES)
    return Source(found, Person.id, holds, None, Reason.RECORD, Kind.CASES)


# What blocks somebody's erasure, in words that reveal nothing of what other agencies do.


def cut_at(session: Session, now: datetime) -> Cut:
    return Cut.at(now, setting_queries.values(session))


def of_people(
    session: Session, people: Collection[UUID], now: datetime, ground: ErasureGround
) -> Mapping[UUID, list[Block]]:
    """For each of these people what blocks the erasure: open work first, then what is over last."""
    found: dict[UUID, list[Block]] = {person_id: [] for person_id in people}
    cut = cut_at(session, now)
    homes = homes_of(session, people)
    for source in everything(cut):
        for row in session.execute(source.of(people, holding=True)):
            if block := block_of(source, row, homes[row.person_id], cut, ground):
                found[row.person_id].append(block)
    return {person_id: merged(blocks) for person_id, blocks in found.items()}


def homes_of(session: Session, people: Collection[UUID]) -> dict[UUID, UUID]:
    rows = session.execute(select(Person.id, Person.home_agency_id).where(Person.id.in_(people)))
    return {row.id: row.home_agency_id for row in rows}


def is_own(row: Any, home: UUID) -> bool:
    return (row.owner is None and row.partner is None) or home in {row.owner, row.partner}


def day_of(value: date | datetime) -> date:
    return clock.japan_date(value) if isinstance(value, datetime) else value


def lapse_of(row: Any) -> date:
    """When it ended: a consent on its last day, unless it was withdrawn or renewed before."""
    last = getattr(row, "valid_until", None)
    days = [day_of(value) for value in (row.ended, last) if value is not None]
    return min(days)


def block_of(source: Source, row: Any, home: UUID, cut: Cut, ground: ErasureGround) -> Block | None:
    """None when the ground of erasure lifts it. Another agency's work shows as such, without its number."""
    if row.is_open:
        reason, until = source.open, None
    else:
        reason, until = source.period, cut.due(source.kind, lapse_of(row)) if source.kind else None
    if reason is None:
        return None
    if not is_own(row, home):
        return Block(Reason.ELSEWHERE, "", until)
    return None if reason in LIFTED[ground] else Block(reason, row.number, until)


ORDER = {reason: rank for rank, reason in enumerate(Reason)}


def merged(blocks: Iterable[Block]) -> list[Block]:
    """One block for each reason (and number of open work), with the latest day of several."""
    by_key: dict[tuple[Reason, str], Block] = {}
    for block in blocks:
        key = (block.reason, block.number if block.until is None else "")
        known = by_key.get(key)
        number = block.number if block.until is None else ""
        until = later(known, block) if known else block.until
        by_key[key] = Block(block.reason, number, until)
    return sorted(by_key.values(), key=lambda one: (ORDER[one.reason], one.number))


def later(known: Block, block: Block) -> date | None:
    """The later of two days; None as long as one of them is open."""
    return None if known.until is None or block.until is None else max(known.until, block.until)


def due_days(session: Session, people: Collection[UUID], now: datetime) -> Mapping[UUID, date]:
    """For each of these people the day on which the last of their periods is over, open work aside."""
    cut = cut_at(session, now)
    days: dict[UUID, date] = {}
    for source in everything(cut):
        if source.kind is None:
            continue
        for row in session.execute(source.of(people, holding=False)):
            if not row.is_open:
                due = cut.due(source.kind, lapse_of(row))
                days[row.person_id] = max(days.get(row.person_id, due), due)
    return days
