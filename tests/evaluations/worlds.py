"""A programme and what it does on which day, for tests of figures; each of them is counted by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAttendance, Agreement
from portal.agencies.models import Agency, AgencyKind
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Milestone, Outcome
from portal.cases.models import Case, CaseMilestone
from portal.core import clock
from portal.core.db import db
from portal.evaluations import counting
from portal.evaluations.catalogue import Count, Key, Measure, Period, of_kind
from portal.evaluations.programmes import areas_of
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import MeetingKind, MeetingStatus
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus
from tests import activity_factories, factories
from tests.factories import Member, id_of, make_agency, make_member

K = ActivityKind
AREA_OF = {
    **dict.fromkeys((K.CAFE, K.HOME_VISIT, K.OTHER), "place"),
    **dict.fromkeys((K.SCHOOL_VISIT, K.BRIEFING, K.LEAFLET), "outreach"),
    K.CITY_VISIT: "consultation",
}
NOON = time(12)


@contextmanager
def on(when: date | datetime | str) -> Iterator[None]:
    """The clock stands at noon of that day in Japan, or at that moment there."""
    if isinstance(when, str):
        when = datetime.fromisoformat(when) if "T" in when else date.fromisoformat(when)
    moment = when if isinstance(when, datetime) else datetime.combine(when, NOON)
    with clock.frozen(moment if moment.tzinfo else moment.replace(tzinfo=clock.JAPAN)):
        yield


@dataclass
class Programme:
    """A programme, a self-reliance office that refers to it, and a Hello Work."""

    me: Member
    office: Member
    desk: Member
    people: list[UUID] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return id_of(self.me)

    def person(self, member: Member | None = None, **basics: Any) -> UUID:
        """Somebody new on the record of the programme, unless another agency keeps it."""
        return factories.make_person(member or self.me, **basics)

    def activity(
        self,
        day: date | str,
        kind: ActivityKind = K.CAFE,
        *,
        who: Sequence[UUID | None] = (),
        first: int = 0,
        together: Collection[Agency | Member | UUID] = (),
        by: Member | None = None,
        **values: Any,
    ) -> UUID:
        """`who` came: persons, or None for somebody anonymous; `first` more came anonymously for the first time."""
        held_on = date.fromisoformat(day) if isinstance(day, str) else day
        values.setdefault("area", AREA_OF.get(kind, "employment"))
        by = by or self.me
        made = activity_factories.make_activity(by, together, kind=kind, held_on=held_on, **values)
        for person in who:
            activity_factories.make_attendance(by, made, person)
        for _ in range(first):
            activity_factories.make_attendance(by, made, None, is_first=True)
        return made

    def visit(self, day: date | str, mode: Mode, *who: UUID, **values: Any) -> UUID:
        return self.activity(day, K.HOME_VISIT, who=who, mode=mode, **values)

    def case(self, person: UUID, day: date | str, *, member: Member | None = None, **values: Any) -> UUID:
        heard_by = values.pop("heard_by", None)
        with on(day):
            made = factories.make_case(member or self.me, person, **values)
        if heard_by:
            amend(Case, made, AuditEvent.CASE_UPDATED, heard_by=heard_by)
        return made

    def cases(self) -> Sequence[Case]:
        """The programme's own; a referral that it accepts begins one."""
        try:
            return (
                db.unrestricted()
                .scalars(select(Case).where(Case.agency_id == self.id).order_by(Case.id))
                .all()
            )
        finally:
            db.end()

    def close(self, case_id: UUID, day: date | str, outcome: Outcome, member: Member | None = None) -> None:
        with on(day):
            cases.close_case((member or self.me).actor, case_id, outcome=outcome, text="見本の終わり")

    def milestone(
        self, case_id: UUID, what: Milestone, day: date | str, helper: Member | None = None, **values: Any
    ) -> UUID:
        happened_on = date.fromisoformat(day) if isinstance(day, str) else day
        if helper:
            values["helper_agency_id"] = id_of(helper)
        return activity_factories.make_milestone(self.me, case_id, what, happened_on=happened_on, **values)

    def referral(
        self,
        sent: date | str,
        ended: date | datetime | str | None = None,
        outcome: Outcome = Outcome.IMPROVED,
        *,
        sender: Member | None = None,
        to: Member | None = None,
        started: date | str | None = None,
        **values: Any,
    ) -> UUID:
        """Sent on a day, begun on the same unless told otherwise, and completed with an outcome."""
        sender, to = sender or self.office, to or self.me
        with on(sent):
            made = factories.make_referral(sender, to, status=ReferralStatus.ACCEPTED, **values)
        with on(started or sent):
            factories.step(to, made, ReferralAction.START)
        if ended:
            with on(ended):
                factories.step(to, made, ReferralAction.COMPLETE, outcome=outcome)
        return made

    def joint(self, sent: date | str, ended: date | str | None = None, **values: Any) -> UUID:
        """A first interview sat in on, that led to the programme where it is said when."""
        return self.referral(
            sent, ended, Outcome.JOINED_PROGRAMME, kind=ReferralKind.JOINT_INTERVIEW, **values
        )

    def meeting(
        self,
        starts: str,
        kind: MeetingKind = MeetingKind.WEEKLY,
        status: MeetingStatus = MeetingStatus.MINUTED,
        *,
        convener: Member | None = None,
        members: Collection[Member] | None = None,
    ) -> UUID:
        convener = convener or self.office
        moment = datetime.fromisoformat(starts).replace(tzinfo=clock.JAPAN)
        table = {id_of(convener), *map(id_of, [self.me] if members is None else members)}
        with db.transaction() as session:
            row = Meeting(
                convener_id=id_of(convener),
                kind=kind,
                name="見本の会議",
                starts_at=moment,
                minutes=60,
                presenter_agency_id=id_of(convener),
                status=status,
            )
            session.add(row)
            session.flush()
            session.add_all(MeetingMember(meeting_id=row.id, agency_id=one) for one in sorted(table))
            audit.record(AuditEvent.MEETING_SCHEDULED, row, actor=convener.actor)
        return row.id

    def figures(self, year: int, as_of: date | None = None) -> dict[Key, int]:
        period = Period(year, as_of) if as_of else Period.whole(year)
        try:
            session = counting.everybody()
            return counting.count(session, self.id, period, areas_of(session, self.id, year))
        finally:
            db.end()

    def measure(self, what: Measure, year: int, as_of: date | None = None) -> int:
        (found,) = (value for key, value in self.figures(year, as_of).items() if key.what is what)
        return found

    def count(
        self, kind: ActivityKind, what: Count, year: int, as_of: date | None = None, area: str = ""
    ) -> int:
        return self.figures(year, as_of)[of_kind(area or AREA_OF.get(kind, "employment"), kind, what)]


def make_programme() -> Programme:
    return Programme(
        make_member(make_agency(kind=AgencyKind.EMPLOYMENT_PREPARATION)),
        make_member(make_agency(kind=AgencyKind.SELF_RELIANCE)),
        make_member(make_agency(kind=AgencyKind.HELLO_WORK)),
    )


def amend(table: type[Any], key: UUID, event: AuditEvent, **values: Any) -> None:
    """A correction, as a service leaves the row and the log."""
    with db.transaction() as session:
        row = session.get_one(table, key)
        changes = row.apply(**values)
        audit.record(event, row, actor=None, channel="command", changes=changes)


def strike(table: type[Any], key: UUID) -> None:
    events = {
        Activity: AuditEvent.ACTIVITY_STRUCK,
        ActivityAttendance: AuditEvent.ATTENDANCE_CHANGED,
        Agreement: AuditEvent.AGREEMENT_STRUCK,
        CaseMilestone: AuditEvent.MILESTONE_STRUCK,
    }
    amend(table, key, events[table], struck_at=clock.now())
