"""What a programme may do in some years, as plain facts that hypothesis makes up, and how they become rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Agreement, Partner
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Domain, HeardBy, Milestone, Outcome, Score
from portal.cases.models import Case, CaseGoal, CaseMilestone
from portal.core import clock
from portal.core.db import db, new_id
from portal.disclosures.models import Basis
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import MeetingKind, MeetingStatus
from portal.referrals.models import Referral, ReferralGoal
from portal.referrals.states import ReferralKind, ReferralStatus
from tests.evaluations.worlds import AREA_OF, Programme, make_programme
from tests.factories import Member, id_of

PEOPLE = 2
FIRST_DAY, LAST_DAY = date(2019, 3, 1), date(2021, 6, 30)
EDGES = tuple(date(year, *day) for year in (2019, 2020, 2021) for day in ((3, 31), (4, 1)))
K = ActivityKind


@dataclass(frozen=True)
class Gathering:
    day: date
    kind: ActivityKind
    mode: Mode
    not_held_why: str
    is_struck: bool
    together: bool
    named: frozenset[int]
    linked: frozenset[int]  # of those, who came as somebody anonymous and were known afterwards
    anonymous: tuple[bool, ...]  # each the first time or not
    audience: int | None

    def by(self, day: date) -> Gathering | None:
        return self if self.day <= day else None


@dataclass(frozen=True)
class Support:
    """A case of the programme or of another agency, with what came of it."""

    person: int
    own: bool
    day: date
    heard_by: HeardBy | None
    steps: tuple[tuple[date, Milestone, bool, bool], ...]  # when, what, with Hello Work, struck
    scored: tuple[tuple[date, Domain, Score], ...]
    closed: date | None
    outcome: Outcome

    def by(self, day: date) -> Support | None:
        if self.day > day:
            return None
        return replace(
            self,
            steps=tuple(step for step in self.steps if step[0] <= day),
            scored=tuple(goal for goal in self.scored if goal[0] <= day),
            closed=self.closed if self.closed and self.closed <= day else None,
        )


@dataclass(frozen=True)
class Asking:
    """A referral; `ended` is a moment in Japan."""

    person: int
    kind: ReferralKind
    way: str
    day: date
    begun: date
    ended: datetime | None
    status: ReferralStatus
    outcome: Outcome
    score: Score

    def settled(self) -> Asking:
        """Without an end it goes on, unless it was a mistake."""
        over = self.ended or self.status is ReferralStatus.ENTERED_IN_ERROR
        return self if over else replace(self, status=ReferralStatus.IN_PROGRESS)

    def by(self, day: date) -> Asking | None:
        if self.day > day:
            return None
        still = self.ended is None or self.ended.date() > day
        # That it was entered by mistake is a correction: true from the beginning.
        return replace(self, ended=None).settled() if still else self


@dataclass(frozen=True)
class Sitting:
    starts: datetime
    kind: MeetingKind
    status: MeetingStatus
    invited: bool

    def by(self, day: date) -> Sitting | None:
        return self if self.starts.date() <= day else None


@dataclass(frozen=True)
class Company:
    day: date
    signed: tuple[tuple[date, bool], ...]  # when, struck

    def by(self, day: date) -> Company | None:
        if self.day > day:
            return None
        return replace(self, signed=tuple(one for one in self.signed if one[0] <= day))


Act = Gathering | Support | Asking | Sitting | Company

# Few enough days that things often fall on the same one, and on the edges of years.
days = st.one_of(st.sampled_from(EDGES), st.sampled_from(EDGES), st.dates(FIRST_DAY, LAST_DAY))
spans = st.one_of(st.sampled_from((0, 1, 365, 366)), st.integers(0, 500))
hours = st.sampled_from((time(0), time(8, 59), time(9), time(23, 59)))
moments = st.builds(datetime.combine, days, hours)
persons = st.integers(0, PEOPLE - 1)


@st.composite
def gatherings(draw: st.DrawFn) -> Gathering:
    named = draw(st.frozensets(persons))
    kind = draw(st.sampled_from((K.CAFE, K.CAFE, K.HOME_VISIT, K.HOME_VISIT, K.SALON, K.BRIEFING)))
    modes = (
        (Mode.THROUGH_DOOR, Mode.IN_PERSON)
        if kind is K.HOME_VISIT
        else (Mode.IN_PERSON, Mode.ONLINE, Mode.BOTH)
    )
    return Gathering(
        draw(days),
        kind,
        draw(st.sampled_from(modes)),
        draw(st.sampled_from(("", "", "", "休館のため"))),
        draw(st.integers(0, 5)) == 0,
        draw(st.booleans()),
        named,
        draw(st.frozensets(st.sampled_from(sorted(named)))) if named else frozenset(),
        tuple(draw(st.lists(st.booleans(), max_size=4))),
        draw(st.none() | st.integers(0, 30)),
    )


JOBS = (Outcome.EMPLOYED, Outcome.PART_TIME_JOB)
outcomes = st.sampled_from(
    (*JOBS, Outcome.PART_TIME_JOB, Outcome.PLACE_TO_BELONG, Outcome.JOINED_PROGRAMME, Outcome.IMPROVED)
)


@st.composite
def supports(draw: st.DrawFn) -> Support:
    begun = draw(days)
    later = spans.map(lambda n: begun + timedelta(days=n))
    what = st.sampled_from((Milestone.EMPLOYED, Milestone.PART_TIME_JOB, Milestone.PLAN_MADE))
    return Support(
        draw(persons),
        draw(st.integers(0, 3)) > 0,
        begun,
        draw(st.none() | st.sampled_from((HeardBy.LEAFLET, HeardBy.LEAFLET_OF_COMMISSIONER, HeardBy.FAMILY))),
        tuple(
            draw(
                st.lists(
                    st.tuples(later, what, st.booleans(), st.integers(0, 4).map(lambda n: n == 0)), max_size=2
                )
            )
        ),
        tuple(draw(st.lists(st.tuples(later, st.sampled_from(Domain), st.sampled_from(Score)), max_size=2))),
        draw(st.none() | later),
        draw(outcomes),
    )


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    sent = draw(days)
    ended = datetime.combine(sent + timedelta(days=draw(spans)), draw(hours))
    status = draw(
        st.sampled_from(
            (*[ReferralStatus.COMPLETED] * 4, ReferralStatus.FAILED, ReferralStatus.ENTERED_IN_ERROR)
        )
    )
    return Asking(
        draw(persons),
        draw(st.sampled_from((ReferralKind.JOINT_INTERVIEW, ReferralKind.REFERRAL))),
        draw(st.sampled_from(("in", "in", "out", "desk"))),
        sent,
        sent,
        ended if draw(st.integers(0, 4)) else None,
        status,
        draw(outcomes),
        draw(st.sampled_from(Score)),
    ).settled()


@st.composite
def sittings(draw: st.DrawFn) -> Sitting:
    kinds = (MeetingKind.WEEKLY, MeetingKind.COORDINATION, MeetingKind.CASE_STUDY, MeetingKind.STATUTORY)
    return Sitting(
        draw(moments), draw(st.sampled_from(kinds)), draw(st.sampled_from(MeetingStatus)), draw(st.booleans())
    )


@st.composite
def companies(draw: st.DrawFn) -> Company:
    added = draw(days)
    signed = st.tuples(
        spans.map(lambda n: added + timedelta(days=n)), st.integers(0, 3).map(lambda n: n == 0)
    )
    return Company(added, tuple(draw(st.lists(signed, max_size=2))))


def plans(most: int = 10) -> st.SearchStrategy[list[Act]]:
    """Some acts of every sort, activities and what came of cases the most."""
    acts = (gatherings(), gatherings(), supports(), supports(), askings(), askings(), sittings(), companies())
    return st.lists(st.one_of(*acts), max_size=most).map(possible)


def possible(plan: list[Act]) -> list[Act]:
    """An agency has one open case of a person at a time: the next begins after the last has ended."""
    last: dict[tuple[bool, int], date] = {}
    dropped = set()
    for number, act in sorted(
        ((n, act) for n, act in enumerate(plan) if isinstance(act, Support)), key=lambda one: one[1].day
    ):
        key = (act.own, act.person)
        if key in last and act.day <= last[key]:
            dropped.add(number)
        else:
            last[key] = act.closed or date.max
    return [act for number, act in enumerate(plan) if number not in dropped]


def by(plan: Sequence[Act], day: date) -> list[Act]:
    """What of it had happened by the end of that day."""
    return [left for act in plan if (left := act.by(day))]


class Writer:
    """Puts a plan into the database as rows, each explained, in the order in which it stands."""

    def __init__(self, it: Programme) -> None:
        self.it = it
        self.people = [it.person() for _ in range(PEOPLE)]

    def write(self, plan: Sequence[Act]) -> None:
        with db.transaction() as self.session:
            for act in plan:
                match act:
                    case Gathering():
                        self.gather(act)
                    case Support():
                        self.support(act)
                    case Asking():
                        self.ask(act)
                    case Sitting():
                        self.sit(act)
                    case Company():
                        self.win(act)

    def add(self, event: AuditEvent, row: Any, by: Member | None = None) -> UUID:
        row.id = new_id()
        self.session.add(row)
        self.session.flush()
        audit.record(event, row, actor=(by or self.it.me).actor)
        found: UUID = row.id
        return found

    def gather(self, act: Gathering) -> None:
        struck_at = clock.now() if act.is_struck else None
        row = Activity(
            agency_id=self.it.id,
            recorded_by_id=self.it.me.staff_id,
            kind=act.kind,
            area=AREA_OF.get(act.kind, "employment"),
            title="見本の活動",
            held_on=act.day,
            mode=act.mode,
            not_held_why=act.not_held_why,
            audience_number=act.audience,
            struck_at=struck_at,
        )
        key = self.add(AuditEvent.ACTIVITY_RECORDED, row)
        for holder in (self.it.me, *([self.it.office] if act.together else [])):
            self.session.add(ActivityAgency(activity_id=key, agency_id=id_of(holder), held_on=act.day))
        heads = [(self.people[n], n in act.linked, False) for n in sorted(act.named)]
        for person, linked, first in [*heads, *((None, False, first) for first in act.anonymous)]:
            head = ActivityAttendance(
                activity_id=key,
                agency_id=self.it.id,
                person_id=person,
                is_first=first,
                linked_at=clock.now() if linked else None,
            )
            self.add(AuditEvent.ATTENDANCE_NOTED, head)

    def support(self, act: Support) -> None:
        member = self.it.me if act.own else self.it.office
        row = Case(
            agency_id=id_of(member),
            person_id=self.people[act.person],
            number=str(new_id()),
            opened_on=act.day,
            opened_by_id=member.staff_id,
            heard_by=act.heard_by,
            closed_on=act.closed,
            outcome=act.outcome if act.closed else None,
        )
        key = self.add(AuditEvent.CASE_OPENED, row, member)
        for day, what, helped, is_struck in act.steps:
            step = CaseMilestone(
                case_id=key,
                what=what,
                happened_on=day,
                helper_agency_id=id_of(self.it.desk) if helped else None,
                noted_by_id=member.staff_id,
                struck_at=clock.now() if is_struck else None,
            )
            self.add(AuditEvent.MILESTONE_NOTED, step, member)
        for day, domain, score in act.scored:
            at = clock.end_of_day(day) - timedelta(minutes=1)
            goal = CaseGoal(case_id=key, domain=domain, text="見本の目標", score=score, scored_at=at)
            self.add(AuditEvent.CASE_UPDATED, goal, member)

    def ask(self, act: Asking) -> None:
        it = self.it
        sender, to = {"in": (it.office, it.me), "out": (it.me, it.office), "desk": (it.me, it.desk)}[act.way]
        over = act.status is ReferralStatus.COMPLETED
        row = Referral(
            person_id=self.people[act.person],
            from_agency_id=id_of(sender),
            to_agency_id=id_of(to),
            created_by_id=sender.staff_id,
            kind=act.kind,
            status=act.status,
            basis=Basis.ANONYMOUS,
            need="見本",
            sent_at=clock.start_of_day(act.day),
            first_contact_on=act.begun,
            ended_at=act.ended and act.ended.replace(tzinfo=clock.JAPAN),
            outcome=act.outcome if over else None,
        )
        key = self.add(AuditEvent.REFERRAL_DRAFTED, row, sender)
        goal = ReferralGoal(
            referral_id=key, domain=Domain.SOCIAL, text="見本の目標", score=act.score if over else None
        )
        self.add(AuditEvent.REFERRAL_EDITED, goal, sender)

    def sit(self, act: Sitting) -> None:
        convener = self.it.office
        row = Meeting(
            convener_id=id_of(convener),
            kind=act.kind,
            name="見本の会議",
            starts_at=act.starts.replace(tzinfo=clock.JAPAN),
            minutes=60,
            presenter_agency_id=id_of(convener),
            status=act.status,
        )
        key = self.add(AuditEvent.MEETING_SCHEDULED, row, convener)
        for guest in (convener, *([self.it.me] if act.invited else [])):
            self.session.add(MeetingMember(meeting_id=key, agency_id=id_of(guest)))

    def win(self, act: Company) -> None:
        partner = Partner(agency_id=self.it.id, name="見本商店", added_on=act.day)
        key = self.add(AuditEvent.PARTNER_ADDED, partner)
        for day, is_struck in act.signed:
            row = Agreement(
                partner_id=key,
                agency_id=self.it.id,
                signed_on=day,
                struck_at=clock.now() if is_struck else None,
            )
            self.add(AuditEvent.AGREEMENT_SIGNED, row)


def world_of(plan: Sequence[Act]) -> Programme:
    """A programme of its own that did all this."""
    it = make_programme()
    Writer(it).write(plan)
    return it
