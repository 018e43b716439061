"""Scenario files: the demo says what the source document says; a wrong file loads nothing and names its line."""

import itertools
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency, Service
from portal.audit.models import AuditEntry
from portal.cases.codes import Method, Outcome, Score
from portal.cases.models import Case, ProgressNote
from portal.consents.models import Withdrawal
from portal.core import clock
from portal.core.db import db
from portal.disclosures.models import Basis, Disclosure
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.issues.models import LocalIssue
from portal.meetings.outcomes import queries as outcome_queries
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import IssueStatus, MeetingKind, MeetingStatus, OutcomeKind, Source
from portal.people.models import Person
from portal.referrals.models import Referral, ReferralGoal
from portal.referrals.states import ReferralKind, ReferralStatus, Refusal
from portal.scenario.plan import ACTS
from tests.browsers import Browser

ROOT = Path(__file__).resolve().parent.parent
DEMO = pytest.mark.scenario(str(ROOT / "scenarios" / "ashiya.yaml"))
DOCUMENTATION = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")

HEAD = """\
agencies:
  - {key: jiritsu, name: 自立相談支援機関, short: 自立, kind: self_reliance, closed: [sat, sun], holidays: closed}
  - key: shuro
    name: 就労準備支援事業
    short: 就労
    kind: employment_preparation
    services: [{key: cafe, name: 寄ってカフェ}]
staff:
  - {email: a1@example.jp, password: correct horse battery, name: 相談 一郎, agency: jiritsu, role: staff}
  - {email: b1@example.jp, name: 準備 三郎, agency: shuro, role: staff, administers: true}
  - {email: kansa@example.jp, password: kansa no aikotoba desu, name: 監査 公平, role: auditor}
events:
"""
EVENTS = """\
  - {at: 2020-12-01T09:00, by: a1@example.jp, act: register_person, key: p1, family: 山田, given: 太郎, family_kana: やまだ,
     given_kana: たろう, birth: 1986-05-01, information: {health: 手帳なし, finances: 家賃の滞納 2 か月}}
  - {at: 2020-12-01T09:20, by: a1@example.jp, act: record_consent, key: c1, person: p1, recipients: [shuro],
     categories: [basic, health], until: 2021-03-31, method: written, given_by: self, purpose: 働く準備のため}
  - {at: 2020-12-01T09:30, by: a1@example.jp, act: send_referral, key: r1, person: p1, to: cafe, kind: referral, basis: c1,
     categories: [basic, health], need: 働く準備を始めたい, goals: [{domain: social, text: 月に1回来る}]}
  - {at: 2020-12-02T09:50, by: b1@example.jp, act: receive, referral: r1}
  - {at: 2020-12-02T10:00, by: b1@example.jp, act: accept, referral: r1, case_key: k1}
"""
WHOLE = HEAD + EVENTS
FIRST_EVENT = HEAD.count("\n") + 1
NEXT_EVENT = WHOLE.count("\n") + 1

Load = Callable[..., Result]


@pytest.fixture
def load(runner: FlaskCliRunner, tmp_path: Path) -> Load:
    """`load(text, *options)` runs the command on a file with this text."""

    def run(text: str | bytes, *options: str) -> Result:
        file = tmp_path / "scenario.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return runner.invoke(args=["scenario", "load", str(file), *options])

    return run


def counted(model: type) -> int:
    return db.read.scalar(select(func.count()).select_from(model)) or 0


def referrals(**wanted: object) -> list[Referral]:
    return list(db.read.scalars(select(Referral).filter_by(**wanted).order_by(Referral.listed_at)))


def agency(name: str) -> Agency:
    return db.read.scalars(select(Agency).where(Agency.name == name)).one()


def year_of(at: datetime | None) -> int:
    assert at
    return clock.fiscal_year(clock.japan_date(at))


# The demo.


@DEMO
def test_the_demo_has_the_whole_network_and_every_state(app: Flask) -> None:
    assert counted(Agency) == 13
    assert 20 <= counted(Staff) <= 30
    assert 40 <= counted(Person) <= 60
    every = referrals()
    assert {r.status for r in every} == set(ReferralStatus)
    assert {r.kind for r in every} == set(ReferralKind)
    for year in (2019, 2020):
        sent = [r for r in every if r.sent_at and year_of(r.sent_at) == year]
        assert {r.kind for r in sent} == set(ReferralKind), year
        assert len(sent) >= 20, year
    assert {r.basis for r in every} == {Basis.CONSENT, Basis.ANONYMOUS}


@DEMO
def test_the_demo_tells_the_stories_of_the_source(app: Flask) -> None:
    withdrawals = db.read.scalars(select(Withdrawal)).all()
    assert any(w.recipient_id is None for w in withdrawals)
    assert any(w.recipient_id for w in withdrawals)
    rerouted = [r for r in referrals() if r.part_of_id]
    former = db.read.scalars(select(Referral).where(Referral.id.in_([r.part_of_id for r in rerouted]))).all()
    assert {Refusal.NO_CAPACITY, Refusal.NOT_ELIGIBLE} <= {r.refusal for r in former}
    assert referrals(kind=ReferralKind.ADVICE, basis=Basis.ANONYMOUS, status=ReferralStatus.COMPLETED)
    for moved in referrals(kind=ReferralKind.TRANSFER, status=ReferralStatus.COMPLETED):
        person = db.read.scalars(select(Person).where(Person.id == moved.person_id)).one()
        assert person.home_agency_id == moved.to_agency_id
    hidamari = agency("ひだまりの会 －子どもを思いやる親の会－")
    family = select(AuditEntry.event).where(
        AuditEntry.agency_id == hidamari.id,
        AuditEntry.event.in_(["person:registered", "family:tied", "person:identified"]),
    )
    assert set(db.read.scalars(family)) == {"person:registered", "family:tied", "person:identified"}


@DEMO
def test_the_demo_yields_the_figures_of_the_yearly_evaluation(app: Flask) -> None:
    programme, hello_work = agency("就労準備支援事業"), agency("ハローワーク")
    joined = referrals(
        kind=ReferralKind.JOINT_INTERVIEW, to_agency_id=programme.id, outcome=Outcome.JOINED_PROGRAMME
    )
    assert Counter(year_of(r.ended_at) for r in joined) == {2019: 2, 2020: 4}
    cases = {
        case.person_id: case.opened_on
        for case in db.read.scalars(
            select(Case).where(Case.agency_id == programme.id).order_by(Case.opened_on.desc())
        )
    }
    carried = [r for r in joined if year_of(r.ended_at) == 2020 and cases[r.person_id] < date(2020, 4, 1)]
    assert len(carried) == 1
    jobs = {
        (year_of(r.ended_at), r.to_agency_id, r.person_id) for r in referrals(outcome=Outcome.PART_TIME_JOB)
    }
    assert Counter((year, to) for year, to, _person in jobs) == {
        (2019, hello_work.id): 1,
        (2020, programme.id): 1,
    }
    assert all(r.ended_at and r.ended_at < datetime(2021, 1, 1, tzinfo=UTC) for r in joined)


@DEMO
def test_in_the_demo_one_person_goes_from_the_closed_door_to_a_face(app: Flask) -> None:
    notes = db.read.execute(
        select(Case.person_id, ProgressNote.method, ProgressNote.held_on)
        .join(Case, Case.id == ProgressNote.case_id)
        .where(ProgressNote.method.in_([Method.THROUGH_DOOR, Method.VISIT]))
        .order_by(ProgressNote.held_on, ProgressNote.id)
    ).all()
    opened = set()
    for person_id in {note.person_id for note in notes}:
        days = {m: [n.held_on for n in notes if n.person_id == person_id and n.method is m] for m in Method}
        if days[Method.THROUGH_DOOR] and days[Method.VISIT]:
            assert max(days[Method.THROUGH_DOOR]) < max(days[Method.VISIT])
            opened.add(person_id)
    assert len(opened) == 1


@DEMO
def test_the_demo_leaves_something_to_do_today(app: Flask) -> None:
    """Counted back from the day of loading: unopened, overdue, lapsing soon, withdrawn and not confirmed."""
    now = clock.now()
    waiting = referrals(status=ReferralStatus.REQUESTED)
    recent = [r for r in waiting if r.sent_at and now - r.sent_at < timedelta(days=60)]
    assert any(r.received_at is None for r in recent)
    assert any(r.respond_by and r.respond_by < clock.today() for r in recent)
    assert db.read.scalar(select(func.max(AuditEntry.at))) < now


@DEMO
def test_the_log_of_the_demo_runs_with_the_clock_of_its_events(app: Flask) -> None:
    entries = db.read.execute(select(AuditEntry.seq, AuditEntry.at).order_by(AuditEntry.seq)).all()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(first.at <= second.at for first, second in itertools.pairwise(entries))
    assert year_of(entries[0].at) == 2019


# What loading does.


def test_an_event_leaves_what_the_page_would(load: Load, browser: Callable[..., Browser]) -> None:
    done = load(WHOLE)
    assert done.exit_code == 0, done.output
    events = db.read.scalars(select(AuditEntry.event).order_by(AuditEntry.seq)).all()
    assert events[-13:] == [
        "person:registered",
        "information:updated",
        "information:updated",
        "consent:recorded",
        "referral:edited",
        "referral:drafted",
        "disclosure:made",
        "referral:sent",
        "referral:read",
        "referral:received",
        "case:opened",
        "referral:accepted",
        "log:bound",
    ]
    (referral,) = referrals()
    assert referral.number == "R2-自立-0001"
    assert referral.received_at == datetime(2020, 12, 2, 0, 50, tzinfo=UTC)
    assert referral.respond_by == date(2020, 12, 8)
    page = browser("a1@example.jp", "correct horse battery").get(f"/referrals/{referral.id}")
    assert page.status_code == 200
    assert "山田" in page.text


def test_new_passwords_are_printed_and_open_the_door(load: Load, browser: Callable[..., Browser]) -> None:
    (line,) = load(WHOLE).stdout.splitlines()
    email, password, role, agency_name = line.split("\t")
    assert (email, role, agency_name) == ("b1@example.jp", "staff", "就労準備支援事業")
    assert len(password) >= 15
    assert browser(email, password).get("/referrals/").status_code == 200


def test_everybody_can_be_printed_and_made_up(load: Load, browser: Callable[..., Browser]) -> None:
    printed = load(WHOLE, "--print-sign-ins").stdout.splitlines()
    assert printed[0] == "a1@example.jp\tcorrect horse battery\tstaff\t自立相談支援機関"
    assert printed[2] == "kansa@example.jp\tkansa no aikotoba desu\tauditor\t"
    assert len(printed) == 3


def test_passwords_of_the_file_can_be_left_aside(load: Load, browser: Callable[..., Browser]) -> None:
    printed = load(WHOLE, "--random-passwords", "--print-sign-ins").stdout
    assert "correct horse battery" not in printed
    email, password, _role, _agency = printed.splitlines()[0].split("\t")
    assert browser(email, password)


def test_nothing_is_loaded_twice(load: Load) -> None:
    assert load(WHOLE).exit_code == 0
    before = counted(AuditEntry)
    again = load(WHOLE)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "--add" in again.stderr
    left_alone = load(WHOLE, "--if-empty", "--print-sign-ins")
    assert (left_alone.exit_code, left_alone.stdout) == (0, "")
    assert counted(AuditEntry) == before


def test_more_can_be_added_to_agencies_that_are_there(load: Load) -> None:
    assert load(WHOLE).exit_code == 0
    known = load(WHOLE, "--add")
    assert known.exit_code == 1
    assert "line 9" in known.stderr
    assert counted(Person) == 1
    others = WHOLE.replace("a1@", "a2@").replace("b1@", "b2@").replace("kansa@", "kansa2@")
    assert load(others, "--add").exit_code == 0
    assert (counted(Agency), counted(Service), counted(Person)) == (2, 1, 2)
    assert sorted(r.number for r in referrals()) == ["R2-自立-0001", "R2-自立-0002"]


def test_recent_events_are_counted_back_from_today(load: Load, at: Callable[..., None]) -> None:
    at("2026-05-20T12:00")
    done = load(
        WHOLE
        + """\
recent:
  - {at: -3d 09:30, by: a1@example.jp, act: register_person, key: p2, pseudonym: Mさん, age_band: 40-44}
  - {at: -2d 10:00, by: a1@example.jp, act: record_consent, key: c2, person: p1, recipients: [shuro], categories: [basic],
     until: +90d, method: oral, witness: 立会 花子, given_by: {name: 例示 みね, relation: 成年後見人}, purpose: 面談のため}
  - {at: -2d 10:05, by: a1@example.jp, act: send_referral, key: r2, person: p1, to: shuro, kind: joint_interview, basis: c2,
     categories: [basic], need: 同席をお願いします, appointment: {at: +4d 14:00, place: 相談室1}}
"""
    )
    assert done.exit_code == 0, done.output
    mine = db.read.scalars(select(Person).where(Person.pseudonym == "Mさん")).one()
    assert mine.created_at == datetime(2026, 5, 17, 0, 30, tzinfo=UTC)
    (joint,) = referrals(kind=ReferralKind.JOINT_INTERVIEW)
    assert joint.appointment_at == datetime(2026, 5, 24, 5, 0, tzinfo=UTC)


def test_goals_are_scored_in_their_order(load: Load) -> None:
    done = load(
        WHOLE.replace(
            "goals: [{domain: social, text: 月に1回来る}]",
            "goals: [{domain: social, text: 一}, {domain: daily, text: 二}, {domain: social, text: 三}]",
        )
        + """\
  - {at: 2020-12-09T10:00, by: b1@example.jp, act: start, referral: r1, first_contact: 2020-12-08}
  - {at: 2021-01-20T10:00, by: b1@example.jp, act: complete, referral: r1, outcome: improved, goals: [achieved, not, partial]}
  - {at: 2021-01-20T10:10, by: b1@example.jp, act: close_case, case: k1, outcome: improved}
"""
    )
    assert done.exit_code == 0, done.output
    goals = db.read.scalars(select(ReferralGoal).order_by(ReferralGoal.id)).all()
    assert [(goal.text, goal.score) for goal in goals] == [
        ("一", Score.ACHIEVED),
        ("二", Score.NOT_ACHIEVED),
        ("三", Score.PARTIAL),
    ]


def test_what_can_be_left_out(load: Load) -> None:
    """Short names, purposes, keys that nobody refers to, the day of a first contact that is today."""
    done = load(
        WHOLE.replace(", short: 自立", "")
        .replace(", purpose: 働く準備のため", "")
        .replace(", case_key: k1", "")
        + """\
  - {at: 2020-12-04T10:00, by: b1@example.jp, act: start, referral: r1}
  - {at: 2020-12-04T11:00, by: a1@example.jp, act: register_person, pseudonym: Aさん, contact_prohibited: true}
"""
    )
    assert done.exit_code == 0, done.output
    (referral,) = referrals()
    assert (referral.number, referral.first_contact_on) == ("R2-自立-0001", date(2020, 12, 4))
    someone = db.read.scalars(select(Person).where(Person.pseudonym == "Aさん")).one()
    assert someone.contact_prohibited
    assert someone.contact_prohibited_reason


# Meetings.


def meetings(**wanted: object) -> list[Meeting]:
    return list(db.read.scalars(select(Meeting).filter_by(**wanted).order_by(Meeting.starts_at, Meeting.id)))


@DEMO
def test_the_demo_shows_a_year_of_meetings(app: Flask) -> None:
    """The source: meetings every week since November 2020, and the council once a month."""
    in_2020 = [m for m in meetings() if year_of(m.starts_at) == 2020]
    held = Counter(m.kind for m in in_2020 if m.status is MeetingStatus.APPROVED)
    assert held[MeetingKind.COORDINATION] == 12
    assert held[MeetingKind.STATUTORY] == held[MeetingKind.CASE_STUDY] == 1
    assert held[MeetingKind.WEEKLY] >= 17
    weekly = [clock.japan_date(m.starts_at) for m in in_2020 if m.kind is MeetingKind.WEEKLY]
    assert min(weekly) == date(2020, 11, 10)  # the 3rd was a holiday
    assert {day.weekday() for day in weekly} == {1}
    assert not {date(2020, 12, 29), date(2021, 2, 23)} & set(weekly)
    councils = [clock.japan_date(m.starts_at) for m in in_2020 if m.kind is MeetingKind.COORDINATION]
    thursdays = [(4, 16), (5, 21), (6, 18), (7, 16), (8, 20), (9, 17), (10, 15), (11, 19), (12, 17)]
    assert councils[:9] == [date(2020, month, day) for month, day in thursdays]
    assert councils[9:12] == [date(2021, 1, 21), date(2021, 2, 18), date(2021, 3, 18)]
    assert {m.status for m in meetings()} >= {*MeetingStatus} - {MeetingStatus.IN_SESSION}


@DEMO
def test_in_the_demo_promises_are_kept_and_one_comes_back(app: Flask) -> None:
    now = clock.today()
    open_ones = db.read.scalars(
        select(MeetingOutcome).where(MeetingOutcome.kind == OutcomeKind.ACTION, ~outcome_queries.is_done())
    ).all()
    assert any(one.due_on and one.due_on < now for one in open_ones)
    assert all(one.due_on and one.due_on > date(2021, 12, 31) for one in open_ones)
    again = select(AgendaItem.reason_count).where(AgendaItem.source == Source.ACTION)
    assert max(db.read.scalars(again)) >= 2
    assert db.read.scalars(select(AgendaItem).where(AgendaItem.source == Source.CARRIED)).first()
    issue = db.read.scalars(select(LocalIssue).where(LocalIssue.status == IssueStatus.PASSED_ON)).one()
    assert issue.result


@DEMO
def test_the_demo_leaves_a_meeting_to_prepare_and_oaths_to_give(app: Flask) -> None:
    coming = [m for m in meetings() if m.starts_at > clock.now()]
    assert {m.kind for m in coming if m.status is MeetingStatus.ANNOUNCED} >= {
        MeetingKind.COORDINATION,
        MeetingKind.STATUTORY,
    }
    (council,) = [m for m in coming if m.kind is MeetingKind.STATUTORY]
    roster = db.read.scalars(select(Attendance).where(Attendance.meeting_id == council.id)).all()
    assert len(roster) == 3
    assert not any(named.secrecy_at for named in roster)
    next_week = next(m for m in coming if m.kind is MeetingKind.WEEKLY)
    assert next_week.status is MeetingStatus.DRAFT
    items = db.read.scalars(select(AgendaItem).where(AgendaItem.meeting_id == next_week.id)).all()
    assert {Source.ACTION, Source.MINUTES} <= {item.source for item in items}
    assert any(item.referral_id for item in items)


@DEMO
def test_what_a_support_council_of_the_demo_told_has_ended(app: Flask) -> None:
    lines = db.read.scalars(select(Disclosure).where(Disclosure.basis == Basis.COUNCIL)).all()
    assert {line.to_staff_id is not None and line.ended_at is not None for line in lines} == {True}


MEETING = (
    WHOLE.replace("role: staff}", "role: coordinator}", 1)
    + """\
  - {at: 2020-12-07T09:00, by: a1@example.jp, act: define_series, key: s1, kind: weekly, name: 打合せ, members: [shuro], rule: FREQ=WEEKLY,
     from: 2020-12-13, time: "10:00"}
  - {at: 2020-12-10T09:00, by: a1@example.jp, act: schedule_meeting, key: m1, series: s1, date: 2020-12-08}
"""
)
HELD = """\
  - {at: 2020-12-10T09:10, by: b1@example.jp, act: add_item, key: i1, meeting: m1, kind: information, title: カフェの日}
  - {at: 2020-12-18T10:00, by: a1@example.jp, act: hold_meeting, meeting: m1, packets: [b1@example.jp],
     attend: [a1@example.jp, b1@example.jp],
     record: [{item: i1, text: 木曜がよい。, outcomes: [{key: o1, type: action, text: 日を決める, owner: shuro, due: 2020-12-21}]}]}
  - {at: 2020-12-21T09:00, by: b1@example.jp, act: finish_action, promise: o1, text: 24日に決めた}
  - {at: 2020-12-22T09:00, by: a1@example.jp, act: approve_minutes, meeting: m1}
"""
NEXT_ITEM = MEETING.count("\n") + 1


def test_a_whole_meeting_on_one_line(load: Load) -> None:
    done = load(MEETING + HELD)
    assert done.exit_code == 0, done.output
    held, *coming = meetings()
    # A rule without a weekday takes that of `from`; the 13th was a Sunday, so it is Friday the 11th.
    assert clock.japan_date(held.starts_at) == date(2020, 12, 11)
    assert held.status is MeetingStatus.APPROVED
    assert len(coming) >= 5
    outcome = db.read.scalars(select(MeetingOutcome)).one()
    assert outcome.done_note == "24日に決めた"
    item = db.read.get_one(AgendaItem, outcome.item_id)
    assert (item.minutes_text, item.brought_by_id) == ("木曜がよい。", agency("就労準備支援事業").id)
    came = db.read.scalars(select(Attendance).where(Attendance.meeting_id == held.id)).all()
    assert [one.was_there for one in came] == [True, True]
    opened = select(AuditEntry.agency_id).where(AuditEntry.event == "packet:opened")
    assert db.read.scalars(opened).all() == [agency("就労準備支援事業").id]


WRONG_MEETING = {
    "no such item": ("act: record_minutes, meeting: m1, referral: r1, text: 進んだ", "その議題はありません"),
    "no such time of day": (
        "act: define_series, kind: weekly, name: 会, members: [shuro], rule: FREQ=WEEKLY, time: 25:00",
        "25:00",
    ),
    "an agency's meeting by another's hand": ("act: begin, meeting: m1, by: b1@example.jp", "権限"),
}


@pytest.mark.parametrize(("rest", "says"), WRONG_MEETING.values(), ids=WRONG_MEETING.keys())
def test_a_wrong_line_about_a_meeting_is_named(load: Load, rest: str, says: str) -> None:
    by = "" if "by:" in rest else "by: a1@example.jp, "
    refused = load(MEETING + f"  - {{at: 2020-12-11T10:00, {by}{rest}}}\n")
    assert refused.exit_code == 1
    assert f"line {NEXT_ITEM}:" in refused.stderr
    assert says in refused.stderr
    assert counted(Meeting) == 0


# Wrong files.


def event(rest: str, *, at: str = "2020-12-03T09:00", by: str = "b1@example.jp") -> str:
    return f"{WHOLE}  - {{at: {at}, by: {by}, {rest}}}\n"


WRONG = {
    "no such act": (event("act: acept, referral: r1"), NEXT_EVENT, "accept"),
    "no such argument": (event("act: receive, referral: r1, txt: はい"), NEXT_EVENT, "txt"),
    "an argument is missing": (event("act: message, referral: r1"), NEXT_EVENT, "text"),
    "nothing named so": (event("act: receive, referral: r9"), NEXT_EVENT, "r9"),
    "something of another sort": (event("act: receive, referral: p1"), NEXT_EVENT, "p1"),
    "a name given twice": (
        event("act: register_person, key: p1, pseudonym: Aさん", by="a1@example.jp"),
        NEXT_EVENT,
        f"{FIRST_EVENT}行目",
    ),
    "no such code": (event("act: reject, referral: r1, reason: busy, text: 満員"), NEXT_EVENT, "busy"),
    "no such day": (event("act: start, referral: r1, first_contact: 2020-02-30"), NEXT_EVENT, "2020-02-30"),
    "no such time": (event("act: receive, referral: r1", at="2020-12-03"), NEXT_EVENT, "2020-12-03"),
    "a time out of order": (
        event("act: receive, referral: r1", at="2020-12-01T09:00"),
        NEXT_EVENT,
        "前の時刻",
    ),
    "a time to come": (
        event("act: receive, referral: r1", at="2199-01-01T09:00"),
        NEXT_EVENT,
        "まだ来ていない",
    ),
    "a relative time among the fixed": (
        event("act: receive, referral: r1", at="-3d 09:00"),
        NEXT_EVENT,
        "recent",
    ),
    "nobody of that name": (
        event("act: receive, referral: r1", by="x@example.jp"),
        NEXT_EVENT,
        "x@example.jp",
    ),
    "not one value": (event("act: message, referral: r1, text: [a, b]"), NEXT_EVENT, "一つの値"),
    "not a list": (
        event("act: withdraw_consent, consent: c1, recipients: shuro, reason: 休む", by="a1@example.jp"),
        NEXT_EVENT,
        "リスト",
    ),
    "a service where an agency belongs": (
        event("act: withdraw_consent, consent: c1, recipients: [cafe], reason: 休む", by="a1@example.jp"),
        NEXT_EVENT,
        "支援メニュー",
    ),
    "refused by the machine": (event("act: accept, referral: r1"), NEXT_EVENT, "受入"),
    "refused by the policy": (event("act: accept, referral: r1", by="a1@example.jp"), NEXT_EVENT, "権限"),
    "refused by the wall": (
        event("act: update_information, person: p1, category: health, text: 通院中"),
        NEXT_EVENT,
        "見えない",
    ),
    "refused for want of a basis": (
        event("act: start, referral: r1, first_contact: 2021-04-02", at="2021-04-02T09:00"),
        NEXT_EVENT,
        "同意",
    ),
    "more scores than goals": (
        event("act: complete, referral: r1, outcome: improved, goals: [achieved, partial]"),
        NEXT_EVENT,
        "目標は 1 件",
    ),
    "an auditor at work": (
        event("act: register_person, key: p2, pseudonym: Aさん", by="kansa@example.jp"),
        NEXT_EVENT,
        "権限",
    ),
    "the line of the field that is wrong": (
        WHOLE.replace("until: 2021-03-31", "until: 2020-11-30"),
        FIRST_EVENT + 3,
        "終了日",
    ),
    "no such kind of agency": (WHOLE.replace("self_reliance", "bank"), 2, "bank"),
    "an agency named twice": (
        WHOLE.replace("name: 就労準備支援事業", "name: 自立相談支援機関"),
        4,
        "同じ名称",
    ),
    "too short a password": (WHOLE.replace("correct horse battery", "short"), 9, "15文字"),
    "a member of staff of nowhere": (WHOLE.replace(", agency: jiritsu", ""), 9, "agency"),
    "an e-mail used twice": (WHOLE.replace("b1@example.jp, name", "a1@example.jp, name"), 10, "二度"),
    "no such part": (WHOLE + "guests: []\n", NEXT_EVENT, "guests"),
    "something twice on a line": (event("act: receive, referral: r1, referral: r1"), NEXT_EVENT, "二度"),
    "not YAML": (WHOLE + "  - {at: 2020\n", NEXT_EVENT + 1, "YAML"),
    "a reference": (WHOLE + "  - &a {at: 2020}\n  - *a\n", NEXT_EVENT + 1, "YAML"),
    "not UTF-8": (WHOLE.encode() + b"# \xff\n", NEXT_EVENT, "UTF-8"),
    "a character that nobody can see": (
        event("act: message, referral: r1, text: \x07"),
        NEXT_EVENT,
        "使えない文字",
    ),
    "an escaped NUL": (event('act: message, referral: r1, text: "a\\0b"'), NEXT_EVENT, "使えない文字"),
    "nothing": ("", 1, "agencies"),
}


@pytest.mark.parametrize(("text", "line", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_names_its_line_and_loads_nothing(
    load: Load, text: str | bytes, line: int, says: str
) -> None:
    refused = load(text)
    assert (refused.exit_code, refused.stdout) == (1, "")
    told = [words for words in refused.stderr.splitlines() if f"line {line}:" in words]
    assert len(told) == 1, refused.stderr
    assert says in told[0]
    assert [counted(model) for model in (Agency, Staff, Membership, Person, Referral, AuditEntry)] == [0] * 6


def test_all_mistakes_are_told_at_once_and_each_once(load: Load) -> None:
    text = WHOLE.replace("kind: referral, basis", "kind: transferr, basis").replace(
        "holidays: closed", "holidays: x"
    )
    lines = re.findall(r"line (\d+):", load(text).stderr)
    assert lines == ["2", str(FIRST_EVENT + 4)]


def test_a_file_that_is_not_there(runner: FlaskCliRunner) -> None:
    refused = runner.invoke(args=["scenario", "load", "/nowhere/at/all.yaml"])
    assert refused.exit_code == 1
    assert "開けません" in refused.stderr


# The documentation.


def documented() -> dict[str, str]:
    """The cell of arguments of every act."""
    rows = (line.split("|") for line in DOCUMENTATION.splitlines() if re.match(r"\| `[a-z_]+` \|", line))
    return {row[1].strip(" `"): row[-3] for row in rows if row[1].strip(" `") in ACTS}


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"send_referral"}))
def test_every_act_is_documented_with_its_arguments(name: str) -> None:
    cell = re.sub(
        r"（.*?）|\[.*?\]", " ", documented()[name].replace("（または / or **pseudonym**）", "pseudonym")
    )
    assert set(re.findall(r"[a-z_]{2,}", cell)) - {"or"} == set(ACTS[name].fields)
    required = {field for field, wanted in ACTS[name].fields.items() if wanted.required}
    bold = set(re.findall(r"\*\*([a-z_]+)\*\*", cell))
    assert required <= bold <= required | {"family", "given", "family_kana", "given_kana"}
