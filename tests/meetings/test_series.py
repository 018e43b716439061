"""Series: the rules that are understood, closed days, six coming dates, changing and ending."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound

from portal.agencies.calendar import OpeningDays
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import rules, services, slots
from portal.meetings.schedule.models import Meeting, MeetingMember, MeetingSeries
from portal.meetings.schedule.rules import Frequency, Rule
from portal.meetings.schedule.services import MeetingFacts, SeriesFacts, move
from portal.meetings.states import ClosedDay, MeetingAction, MeetingKind, MeetingStatus
from tests.browsers import Browser
from tests.factories import Member, id_of, make_agency, make_member

Visit = Callable[..., Browser]
A, S = MeetingAction, MeetingStatus
ALWAYS = OpeningDays(frozenset(), holidays_closed=False, yearend_closed=False)


@pytest.fixture
def convener(app: Flask, at: Callable[..., None]) -> Member:
    at("2026-10-01T09:00")  # a Thursday
    return make_member(role=Role.COORDINATOR)


def facts(member: Member, **more: Any) -> SeriesFacts:
    given = {
        "kind": MeetingKind.WEEKLY,
        "name": "週次打合せ",
        "rule": "FREQ=WEEKLY;BYDAY=TU",
        "starts_on": date(2026, 10, 1),
        "begins": time(10),
        "minutes": 60,
        "members": frozenset(),
        "closed_day": ClosedDay.SKIP,
        "place": "会議室",
        "link": "",
        "presenter_agency_id": member.agency_id,
    }
    return SeriesFacts(**given | more)  # type: ignore[arg-type]


def meetings_of(series_id: UUID) -> list[Meeting]:
    statement = select(Meeting).where(Meeting.series_id == series_id).order_by(Meeting.starts_at)
    found = list(db.read.scalars(statement))
    db.end()
    return found


def days_of(series_id: UUID) -> list[date]:
    return [clock.japan_date(one.starts_at) for one in meetings_of(series_id) if one.is_coming]


def members_of(meeting_id: UUID) -> set[UUID]:
    found = set(
        db.read.scalars(select(MeetingMember.agency_id).where(MeetingMember.meeting_id == meeting_id))
    )
    db.end()
    return found


def entries() -> int:
    found = db.read.scalar(select(func.count()).select_from(AuditEntry)) or 0
    db.end()
    return found


@pytest.mark.parametrize(
    ("text", "rule", "shown"),
    [
        ("FREQ=WEEKLY;BYDAY=TU", Rule(Frequency.WEEKLY, 1), "毎週火曜 10:00"),
        ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", Rule(Frequency.FORTNIGHTLY, 0), "隔週月曜 10:00"),
        ("FREQ=MONTHLY;BYDAY=3TH", Rule(Frequency.MONTHLY, 3, 3), "第3木曜 10:00"),
        ("freq=monthly;byday=fr;bysetpos=-1", Rule(Frequency.MONTHLY, 4, -1), "毎月最終金曜 10:00"),
    ],
)
def test_a_rule_is_understood_and_said_in_words(text: str, rule: Rule, shown: str) -> None:
    assert rules.parse(text) == rule
    assert rules.parse(rule.text()) == rule
    assert rules.words(rule, time(10)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", "毎週火曜", "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=TU,FR", "FREQ=WEEKLY;BYDAY=2TU"),
        *("FREQ=WEEKLY;INTERVAL=3;BYDAY=TU", "FREQ=MONTHLY;BYDAY=TU", "FREQ=MONTHLY;BYDAY=5TU"),
        *("FREQ=MONTHLY;BYMONTHDAY=15", "FREQ=WEEKLY;BYDAY=TU;COUNT=3", "FREQ=MONTHLY;BYDAY=0TU"),
        *("FREQ=WEEKLY;FREQ=WEEKLY;BYDAY=TU", "FREQ=MONTHLY;BYDAY=1TU;BYSETPOS=1", "FREQ=YEARLY;BYDAY=1TU"),
    ],
)
def test_every_other_rule_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rules.parse(text)


def planned(rule: str, days: OpeningDays, closed_day: ClosedDay, count: int = 3) -> list[date]:
    since = date(2026, 10, 1)
    found = rules.plan(rules.parse(rule), since, days, closed_day, since, None)
    return [day for _, (_slot, day) in zip(range(count), found, strict=False)]


def test_every_second_week_counts_from_the_first_such_day() -> None:
    found = planned("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", ALWAYS, ClosedDay.SKIP)
    assert found == [date(2026, 10, 6), date(2026, 10, 20), date(2026, 11, 3)]


def test_the_nth_and_the_last_weekday_of_a_month() -> None:
    third = planned("FREQ=MONTHLY;BYDAY=3TH", ALWAYS, ClosedDay.SKIP)
    assert third == [date(2026, 10, 15), date(2026, 11, 19), date(2026, 12, 17)]
    last = planned("FREQ=MONTHLY;BYDAY=-1FR", ALWAYS, ClosedDay.SKIP)
    assert last == [date(2026, 10, 30), date(2026, 11, 27), date(2026, 12, 25)]


@pytest.mark.parametrize(
    ("closed_day", "second"),
    [
        (ClosedDay.SKIP, date(2026, 11, 10)),
        (ClosedDay.BEFORE, date(2026, 11, 2)),
        (ClosedDay.AFTER, date(2026, 11, 4)),
    ],
)
def test_a_holiday_is_skipped_or_makes_the_meeting_earlier_or_later(
    closed_day: ClosedDay, second: date
) -> None:
    """3 November is a national holiday, and a Tuesday in 2026."""
    found = planned("FREQ=WEEKLY;BYDAY=TU", OpeningDays(), closed_day, 6)
    assert next(day for day in found if day >= date(2026, 11, 1)) == second


@pytest.mark.parametrize("closed_day", [ClosedDay.BEFORE, ClosedDay.AFTER])
def test_two_slots_never_meet_on_one_day(closed_day: ClosedDay) -> None:
    """Two Mondays lie in one closure: both would go to the day before it, or after it."""
    closure = (date(2026, 10, 12), date(2026, 10, 19))
    shut = OpeningDays(frozenset(), holidays_closed=False, yearend_closed=False, closures=(closure,))
    found = planned("FREQ=WEEKLY;BYDAY=MO", shut, closed_day, 3)
    near = date(2026, 10, 11) if closed_day is ClosedDay.BEFORE else date(2026, 10, 20)
    assert found == [date(2026, 10, 5), near, date(2026, 10, 26)]


def test_what_is_put_off_to_another_slots_day_leaves_one_meeting() -> None:
    shut = OpeningDays(
        frozenset(),
        holidays_closed=False,
        yearend_closed=False,
        closures=((date(2026, 10, 6), date(2026, 10, 12)),),
    )
    found = planned("FREQ=WEEKLY;BYDAY=TU", shut, ClosedDay.AFTER, 3)
    assert found == [date(2026, 10, 13), date(2026, 10, 20), date(2026, 10, 27)]


def test_six_coming_meetings_exist_at_once_and_after_each_step(convener: Member, at: Any) -> None:
    other = make_agency()
    series_id = services.define(
        convener.actor, facts(convener, members=frozenset({other.id})), idempotency_key="k" * 32
    )
    weeks = [date(2026, 10, 6) + timedelta(days=7 * n) for n in (0, 1, 2, 3, 5, 6)]  # 3 November is a holiday
    assert days_of(series_id) == weeks
    again = services.define(
        convener.actor, facts(convener, members=frozenset({other.id})), idempotency_key="k" * 32
    )
    assert again == series_id
    first = meetings_of(series_id)[0]
    assert first.starts_at == datetime(2026, 10, 6, 10, tzinfo=clock.JAPAN)
    assert members_of(first.id) == {other.id, convener.agency_id}
    services.perform(convener.actor, A.CANCEL, first.id, text="台風のため")
    assert len(days_of(series_id)) == 6
    second = meetings_of(series_id)[1]
    assert second.id != first.id
    services.perform(convener.actor, A.ANNOUNCE, second.id)
    at("2026-10-13T10:00")
    services.perform(convener.actor, A.BEGIN, second.id)
    assert len(days_of(series_id)) == 6
    assert date(2026, 10, 6) not in days_of(series_id)  # a cancelled date is not made again


def roster_of(meeting_id: UUID) -> set[UUID | None]:
    found = set(db.read.scalars(select(Attendance.staff_id).where(Attendance.meeting_id == meeting_id)))
    db.end()
    return found


@pytest.mark.both_databases
def test_regular_members_are_on_each_roster_from_the_series(browser: Any, app: Flask, at: Any) -> None:
    at("2026-10-01T09:00")
    convener = make_member(role=Role.COORDINATOR)
    other, stranger = make_member(name="常連 花子"), make_member()
    colleague = make_member(other.agency_id, name="常連 次郎")
    series_id = services.define(convener.actor, facts(convener, members=frozenset({id_of(other)})))
    first, second = (one.id for one in meetings_of(series_id)[:2])
    services.perform(convener.actor, A.ANNOUNCE, first)
    path, client = f"/meetings/series/{series_id}/regulars", browser(other)
    assert str(convener.staff_id) not in client.get(path).text, "each agency names its own"
    chosen = {"staff": [str(other.staff_id), str(colleague.staff_id)]}
    assert client.post(path, data=chosen).status_code == 302
    assert client.post(path, data={"staff": [str(convener.staff_id)]}).status_code != 302
    assert browser(stranger).get(path).status_code == 404
    assert colleague.actor.name in browser(convener).get(f"/meetings/series/{series_id}").text
    for meeting_id in (first, second):
        assert roster_of(meeting_id) == {other.staff_id, colleague.staff_id}
    services.perform(convener.actor, A.CANCEL, second, text="台風のため")
    newest = meetings_of(series_id)[-1].id
    assert roster_of(newest) == {other.staff_id, colleague.staff_id}, "a new meeting begins with them"
    assert client.post(path, data={"staff": [str(other.staff_id)]}).status_code == 302
    assert roster_of(newest) == {other.staff_id}
    assert roster_of(first) == {other.staff_id, colleague.staff_id}, "it was announced with them"
    services.change(convener.actor, series_id, facts(convener), version=None)
    assert "いつも出席する職員" in browser(convener).get(f"/meetings/series/{series_id}").text
    assert other.actor.name not in browser(convener).get(f"/meetings/series/{series_id}").text
    assert roster_of(newest) == set()


def test_dates_by_the_conveners_calendar(app: Flask, at: Any) -> None:
    at("2026-10-01T09:00")
    office = make_agency(holidays_closed=True, yearend_closed=True)
    convener = make_member(office, role=Role.COORDINATOR)
    series_id = services.define(convener.actor, facts(convener))
    assert date(2026, 11, 3) not in days_of(series_id)
    assert len(days_of(series_id)) == 6


def test_a_rule_on_a_day_that_is_always_closed_is_refused(app: Flask) -> None:
    convener = make_member(make_agency(weekly_closed="1"), role=Role.COORDINATOR)
    with pytest.raises(Invalid) as refused:
        services.define(convener.actor, facts(convener, starts_on=clock.today()))
    assert refused.value.field == "rule"


def test_only_a_coordinator_of_the_convener_defines_changes_and_ends(convener: Member) -> None:
    guest = make_member(role=Role.COORDINATOR)
    staff = make_member(convener.agency_id)
    stranger = make_member(role=Role.COORDINATOR)
    with pytest.raises(NotAllowed):
        services.define(staff.actor, facts(staff))
    assert guest.agency_id
    wanted = facts(convener, members=frozenset({guest.agency_id}))
    series_id = services.define(convener.actor, wanted)
    for who, error in ((staff, NotAllowed), (guest, NotAllowed), (stranger, NoResultFound)):
        with pytest.raises(error):
            services.change(who.actor, series_id, wanted, version=None)
        with pytest.raises(error):
            services.end(who.actor, series_id, clock.today())


def test_changing_a_series_changes_untouched_drafts_and_nothing_else(convener: Member) -> None:
    series_id = services.define(convener.actor, facts(convener))
    announced, moved, *drafts = meetings_of(series_id)
    services.perform(convener.actor, A.ANNOUNCE, announced.id)
    by_hand = MeetingFacts(
        kind=moved.kind,
        name=moved.name,
        starts_at=moved.starts_at + timedelta(days=1),
        minutes=30,
        members=frozenset(),
        place="別の部屋",
        link="",
        presenter_agency_id=moved.presenter_agency_id,
    )
    move(convener.actor, moved.id, by_hand, version=moved.version)
    other = make_agency()
    changed = facts(
        convener,
        rule="FREQ=WEEKLY;BYDAY=FR",
        begins=time(14),
        members=frozenset({other.id}),
        place="新しい部屋",
    )
    services.change(convener.actor, series_id, changed, version=1)
    after = {one.id: one for one in meetings_of(series_id)}
    assert after[announced.id].starts_at == announced.starts_at
    assert after[announced.id].place == "会議室"
    assert after[moved.id].starts_at == by_hand.starts_at
    assert members_of(announced.id) == {convener.agency_id}
    for draft in drafts:
        now = after[draft.id]
        assert clock.in_japan(now.starts_at).weekday() == 4
        assert clock.in_japan(now.starts_at).hour == 14
        assert now.place == "新しい部屋"
        assert now.calendar_sequence == 1
        assert members_of(draft.id) == {convener.agency_id, other.id}
    weeks = [clock.japan_date(one.starts_at).isocalendar()[:2] for one in after.values() if one.is_coming]
    assert len(weeks) == len(set(weeks)) == 6  # no second meeting in a week that has its own
    with pytest.raises(StaleForm):
        services.change(convener.actor, series_id, changed, version=1)


def test_ending_a_series_cancels_what_comes_after(convener: Member) -> None:
    series_id = services.define(convener.actor, facts(convener))
    with pytest.raises(Invalid):
        services.end(convener.actor, series_id, date(2026, 9, 30))
    services.end(convener.actor, series_id, date(2026, 10, 13))
    assert days_of(series_id) == [date(2026, 10, 6), date(2026, 10, 13)]
    assert [one.status for one in meetings_of(series_id)][2:] == [S.CANCELLED] * 4
    slots.top_up(convener.actor, series_id)
    assert len(days_of(series_id)) == 2


def test_an_ended_series_is_not_changed(convener: Member, at: Any) -> None:
    series_id = services.define(convener.actor, facts(convener))
    services.end(convener.actor, series_id, date(2026, 10, 13))
    at("2026-10-14T09:00")
    with pytest.raises(Conflict):
        services.change(convener.actor, series_id, facts(convener), version=None)


def test_the_meeting_of_a_slot_is_found_or_made(convener: Member) -> None:
    series_id = services.define(convener.actor, facts(convener))
    first = meetings_of(series_id)[0]
    with db.transaction() as session:
        assert slots.meeting_on(session, convener.actor, series_id, date(2026, 10, 6)) == first.id
        later = slots.meeting_on(session, convener.actor, series_id, date(2026, 12, 22))
    assert [one.id for one in meetings_of(series_id)][-1] == later
    with pytest.raises(Invalid), db.transaction() as session:
        slots.meeting_on(session, convener.actor, series_id, date(2026, 10, 7))


# Pages.


def typed(member: Member, **more: Any) -> dict[str, Any]:
    return {
        "kind": "weekly",
        "name": "週次打合せ",
        "frequency": "weekly",
        "nth": "1",
        "rule": "1",
        "begins": "10時半",
        "minutes": "60",
        "starts_on": "令和8年10月1日",
        "closed_day": "skip",
        "presenter": str(member.agency_id),
        "place": "",
        "link": "",
    } | more


def test_a_series_is_defined_changed_and_ended_through_the_pages(convener: Member, browser: Visit) -> None:
    other = make_agency(name="見本の相手")
    client = browser(convener)
    assert "毎月のときだけ使います" in client.get("/meetings/series/new").text
    answer = client.post("/meetings/series/new", data=typed(convener, members=[str(other.id)]))
    assert answer.status_code == 302, answer.text
    page = client.get(answer.location).text
    assert "毎週火曜 10:30" in page
    assert "見本の相手" in page
    series_id = UUID(answer.location.rsplit("/", 1)[1])
    edit = f"/meetings/series/{series_id}/edit"
    assert 'value="10:30"' in client.get(edit).text
    more = {"frequency": "monthly", "nth": "3", "rule": "3", "members": [str(other.id)]}
    answer = client.post(edit, data=typed(convener, **more, version="1"))
    assert answer.status_code == 302, answer.text
    assert "第3木曜 10:30" in client.get(answer.location).text
    stale = client.post(edit, data=typed(convener, version="1", name="書きかけの名前"))
    assert stale.status_code == 409
    assert "書きかけの名前" in stale.text
    answer = client.post(f"/meetings/series/{series_id}/end", data={"last_day": "2026-10-20"})
    assert answer.status_code == 302
    assert "令和8年10月20日で終わる" in client.get(answer.location).text
    assert "令和8年10月20日で終わる" not in client.get("/meetings/?show=series").text
    assert days_of(series_id) == [date(2026, 10, 15)]


def test_nonsense_is_refused_at_its_field(convener: Member, browser: Visit) -> None:
    client = browser(convener)
    answer = client.post(
        "/meetings/series/new",
        data=typed(convener, begins="25:00", minutes="0", frequency="daily", name="", members=["x"]),
    )
    assert answer.status_code == 200
    for words in ("時刻を「10:00」", "1分から1440分まで", "くり返しを選んで", "会議の名前を入力"):
        assert words in answer.text
    assert db.read.scalar(select(func.count()).select_from(MeetingSeries)) == 0


def test_looking_makes_the_missing_dates_and_writes_nothing_otherwise(
    convener: Member, browser: Visit, at: Any
) -> None:
    series_id = services.define(convener.actor, facts(convener))
    client = browser(convener)
    client.get(f"/meetings/series/{series_id}")
    before = entries()
    client.get(f"/meetings/series/{series_id}")
    assert entries() == before
    at("2026-10-21T09:00")
    client = browser(convener)
    client.get("/meetings/")
    assert len([day for day in days_of(series_id) if day > date(2026, 10, 21)]) == 6


def test_who_is_not_at_the_table_finds_no_series(convener: Member, browser: Visit) -> None:
    series_id = services.define(convener.actor, facts(convener))
    stranger, staff = make_member(role=Role.COORDINATOR), make_member(convener.agency_id)
    for path in ("", "/edit", "/end", ".ics"):
        assert browser(stranger).get(f"/meetings/series/{series_id}{path}").status_code == 404
    assert browser(staff).get(f"/meetings/series/{series_id}").status_code == 200
    assert browser(staff).get(f"/meetings/series/{series_id}/edit").status_code == 403
    assert browser(staff).get("/meetings/series/new").status_code == 403
    assert "週次打合せ" not in browser(stranger).get("/meetings/?show=series").text
