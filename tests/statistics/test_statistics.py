"""The monthly statistics as numbers: each national item at the turn of the year, and referrals against a plain count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Milestone, Outcome
from portal.cases.models import CaseMilestone
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.referrals.states import Refusal
from portal.statistics import services as statistics_services
from portal.statistics.tables import MONTHS, Band, Item, Period, Statistics, share
from tests.activity_factories import make_milestone
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_case, make_member, make_person, make_referral, step

Clock = Callable[..., None]


def count(
    year: int, month: int | None = None, *, who: Member | None = None, agency: UUID | None = None
) -> Statistics:
    """As the auditor sees it, who sees all, unless somebody else is meant."""
    actor = (who or make_member(role=Role.AUDITOR)).actor
    found = statistics_services.count(db.unrestricted(), actor, Period(year, month), agency)
    db.end()
    return found


def months(view: Statistics, item: Item, member: Member) -> dict[int, Any]:
    """The months in which something was counted; `0` is the year."""
    assert member.agency_id
    *twelve, year = view.items[item].months(member.agency_id)
    return {month: n for month, n in zip((*MONTHS, 0), (*twelve, year), strict=True) if n != 0}


@pytest.mark.parametrize("day", ["2026-03-31", "2026-04-01"])
def test_cases_count_in_the_year_of_their_day(app: Flask, at: Clock, day: str) -> None:
    at("2026-04-02T10:00")
    mine = make_member()
    opened = date.fromisoformat(day)
    make_case(mine, opened_on=opened)
    year, other = (2025, 2026) if opened.month == 3 else (2026, 2025)
    assert months(count(year), Item.OPENED, mine) == {opened.month: 1, 0: 1}
    assert months(count(other), Item.OPENED, mine) == {}


@pytest.mark.parametrize(
    ("moment", "year", "month"),
    [("2026-03-31T23:59:59", 2025, 3), ("2026-04-01T00:00", 2026, 4), ("2026-04-30T23:30", 2026, 4)],
)
@pytest.mark.both_databases
def test_referrals_count_by_the_clock_of_japan(
    app: Flask, at: Clock, moment: str, year: int, month: int
) -> None:
    """Half past midnight in Japan is still the day before in UTC."""
    at(moment, tick=False)
    mine, theirs = make_member(), make_member()
    make_referral(mine, theirs)
    make_referral(mine, theirs, status="entered_in_error")
    make_referral(mine, theirs, status="draft")
    view = count(year, month)
    assert months(view, Item.REFERRED, mine) == {month: 1, 0: 1}
    assert months(view, Item.REFERRED, theirs) == {}
    assert [(pair.sender, pair.recipient, pair.sent) for pair in view.pairs] == [
        (mine.agency_id, theirs.agency_id, 1)
    ]
    assert months(count(4041 - year if year == 2026 else 2026), Item.REFERRED, mine) == {}


def test_plans_and_higher_earnings_count_by_their_day(app: Flask, at: Clock) -> None:
    at("2026-04-10T10:00")
    mine = make_member()
    case = make_case(mine, opened_on=date(2026, 3, 1))
    make_milestone(mine, case, happened_on=date(2026, 3, 31))
    make_milestone(mine, case, happened_on=date(2026, 4, 1), for_employment=True)
    make_milestone(mine, case, happened_on=date(2026, 4, 9))
    make_milestone(mine, case, Milestone.EARNINGS_UP, happened_on=date(2026, 4, 5))
    struck = make_milestone(mine, case, happened_on=date(2026, 4, 6), for_employment=True)
    before = count(2026)
    assert months(before, Item.PLANNED, mine) == {4: 3, 0: 3}
    assert months(before, Item.FOR_WORK, mine) == {4: 2, 0: 2}
    strike(mine, struck)
    view = count(2026)
    assert months(view, Item.PLANNED, mine) == {4: 2, 0: 2}
    assert months(view, Item.FOR_WORK, mine) == {4: 1, 0: 1}
    assert months(view, Item.EARNING_MORE, mine) == {4: 1, 0: 1}
    assert months(count(2025), Item.PLANNED, mine) == {3: 1, 0: 1}


def strike(member: Member, milestone_id: UUID) -> None:
    with db.transaction() as session:
        found = session.get_one(CaseMilestone, milestone_id)
        found.struck_at = clock.now()
        audit.record(AuditEvent.MILESTONE_STRUCK, found, actor=member.actor)


def test_who_found_work_counts_once_in_a_year_and_agency(app: Flask, at: Clock) -> None:
    at("2026-04-01T09:00")
    mine, theirs = make_member(), make_member()
    person = make_person(mine)
    case = make_case(mine, person)
    referral = make_referral(mine, theirs, person_id=person, status="in_progress")
    at("2026-05-20T10:00")
    make_milestone(mine, case, Milestone.PART_TIME_JOB, happened_on=date(2026, 5, 20))
    at("2026-06-20T10:00")
    make_milestone(mine, case, Milestone.EMPLOYED, happened_on=date(2026, 6, 20))
    step(theirs, referral, "complete", outcome=Outcome.EMPLOYED)
    at("2026-07-20T10:00")
    cases.close_case(mine.actor, case, outcome=Outcome.EMPLOYED)
    another = make_case(mine)
    cases.close_case(mine.actor, another, outcome=Outcome.PART_TIME_JOB)
    moved = make_case(mine)
    cases.close_case(mine.actor, moved, outcome=Outcome.MOVED_AWAY)
    at("2027-04-02T10:00")
    again = make_case(mine, person)
    make_milestone(mine, again, Milestone.EMPLOYED, happened_on=date(2027, 4, 1))
    view = count(2026)
    assert months(view, Item.EMPLOYED, mine) == {5: 1, 7: 1, 0: 2}
    assert months(view, Item.EMPLOYED, theirs) == {6: 1, 0: 1}, "by the agency that completed it"
    assert months(count(2027), Item.EMPLOYED, mine) == {4: 1, 0: 1}


def test_months_sum_to_the_year_and_pairs_to_the_sender(app: Flask, at: Clock) -> None:
    at("2026-04-10T10:00")
    members = [make_member() for _ in range(4)]
    for month, (a, b) in zip(
        (4, 5, 5, 8, 8, 11), ((0, 1), (0, 2), (1, 2), (2, 0), (0, 1), (3, 0)), strict=True
    ):
        at(f"2026-{month:02}-10T10:00")
        make_referral(members[a], members[b], person_id=make_person(members[a]))
        make_case(members[a])
    view = count(2026)
    for table in view.items.values():
        for agency in view.agencies:
            *twelve, year = table.months(agency)
            assert sum(n or 0 for n in twelve) == year
        assert sum(table.of(agency, None) or 0 for agency in view.agencies) == table.of_all(None)
        assert [sum(table.of(a, m) or 0 for a in view.agencies) for m in MONTHS] == table.months(None)[:-1]
    assert view.items[Item.REFERRED].of_all(None) == 6
    for member in members:
        assert member.agency_id
        sent = sum(pair.sent or 0 for pair in view.pairs if pair.sender == member.agency_id)
        assert sent == view.items[Item.REFERRED].of(member.agency_id, None)
    by_month = [sum(pair.sent or 0 for pair in count(2026, month).pairs) for month in (4, 5, 8, 11)]
    assert by_month == [1, 2, 2, 1]


def test_what_became_of_referrals(app: Flask, at: Clock) -> None:
    """Friday to Monday is one business day of a recipient who rests at weekends."""
    at("2026-10-30T10:00")
    sender, recipient = make_member(), make_member(make_agency(weekly_closed="56"))
    sent = [make_referral(sender, recipient) for _ in range(5)]
    at("2026-11-02T10:00")
    step(recipient, sent[0], "reject", refusal=Refusal.NOT_ELIGIBLE)
    for one in sent[1:3]:
        step(recipient, one, "accept")
    at("2026-11-09T10:00")
    step(recipient, sent[1], "start")
    step(recipient, sent[1], "complete", outcome=Outcome.PLACE_TO_BELONG)
    at("2026-11-28T10:00")
    step(recipient, sent[3], "reject", refusal=Refusal.NO_CAPACITY)
    view = count(2026, 10)
    assert view.flow
    assert view.flow.sent == 5
    assert (view.flow.answered.part, view.flow.answered.whole) == (3, 5), "late and overdue are not in time"
    assert view.flow.refused == 2
    assert {code: n for code, n in view.flow.refusals.items() if n} == {
        Refusal.NOT_ELIGIBLE: 1,
        Refusal.NO_CAPACITY: 1,
    }
    assert {code: n for code, n in view.flow.outcomes.items() if n} == {Outcome.PLACE_TO_BELONG: 1}
    medians = view.flow.medians
    assert (medians.answered, medians.started, medians.ended) == (1, 10, 10)
    (pair,) = view.pairs
    assert (pair.sent, pair.median, pair.answered.percent, pair.refused.part) == (5, 1, 60, 2)
    assert not pair.is_stuck
    empty = count(2026, 9)
    assert empty.flow
    assert (empty.flow.sent, empty.pairs, empty.flow.medians.answered) == (0, [], None)


def test_a_pair_that_waits_is_marked(app: Flask, at: Clock) -> None:
    at("2026-06-01T10:00")
    sender, slow, quick = (make_member() for _ in range(3))
    for _ in range(3):
        make_referral(sender, slow)
        make_referral(sender, quick, status="accepted")
    at("2026-07-01T10:00")
    marked = {pair.recipient: pair.is_stuck for pair in count(2026).pairs}
    assert marked == {slow.agency_id: True, quick.agency_id: False}


def crowd(at: Clock) -> list[Member]:
    """Four agencies: the first two send each other much, the third sends each of them one."""
    members = [make_member() for _ in range(4)]
    first, second, third, _fourth = members
    for month, number in ((6, 4), (7, 3)):
        at(f"2026-{month:02}-05T10:00")
        for _ in range(number):
            make_referral(first, second, status="rejected")
        make_referral(second, first, status="accepted")
        make_referral(second, first, status="accepted")
    make_referral(third, first)
    make_referral(third, second)
    make_case(third)
    at("2026-08-20T10:00")
    return members


def test_another_agency_is_told_no_small_number(app: Flask, at: Clock) -> None:
    first, second, third, fourth = crowd(at)
    view = count(2026, who=fourth)
    pairs = {(pair.sender, pair.recipient): pair for pair in view.pairs}
    large = pairs[first.agency_id, second.agency_id]  # type: ignore[index]
    assert large.sent == 7
    assert large.answered.percent == 100, "all of them in time: it tells no small number"
    assert large.answered.part is None
    for recipient in (first, second):
        small = pairs[third.agency_id, recipient.agency_id]  # type: ignore[index]
        assert small.sent is None
        assert small.median is None
        assert small.answered.percent is small.answered.band is small.refused.percent is None
    assert view.items[Item.REFERRED].of(third.agency_id, None) is None  # type: ignore[arg-type]
    referred = view.items[Item.REFERRED]
    assert [referred.of(one, None) for one in view.agencies] == [7, None, None, 0]
    assert referred.of_all(None) == 13, "the second agency's four are hidden with the third's two"
    assert pairs[second.agency_id, first.agency_id].sent is None  # type: ignore[index]
    assert view.items[Item.OPENED].of(third.agency_id, None) is None  # type: ignore[arg-type]
    assert view.has_hidden
    assert count(2026, who=fourth, agency=first.agency_id).flow is None


def test_own_numbers_are_told_exactly(app: Flask, at: Clock) -> None:
    first, second, third, _fourth = crowd(at)
    for who, sender, recipient, sent in (
        *((third, third, first, 1), (first, third, first, 1)),
        *((second, first, second, 7), (second, second, first, 4)),
    ):
        pairs = {(pair.sender, pair.recipient): pair for pair in count(2026, who=who).pairs}
        assert pairs[sender.agency_id, recipient.agency_id].sent == sent  # type: ignore[index]
    own = count(2026, who=third)
    assert months(own, Item.REFERRED, third) == {7: 2, 0: 2}
    assert months(own, Item.OPENED, third) == {7: 1, 0: 1}
    flow = count(2026, who=first, agency=first.agency_id).flow
    assert flow
    assert (flow.sent, flow.refused, flow.refusals[Refusal.NO_CAPACITY]) == (12, 7, 7)
    assert flow.answered.whole == 12
    everything = count(2026)
    assert not everything.has_hidden
    assert everything.items[Item.REFERRED].of_all(None) == 13
    assert everything.flow
    assert everything.flow.sent == 13


def test_of_a_month_others_are_told_no_pairs(app: Flask, at: Clock) -> None:
    """Eleven months beside their year would tell the twelfth."""
    first, second, _third, fourth = crowd(at)
    assert count(2026, 7, who=fourth).pairs == []
    assert {pair.sender for pair in count(2026, 7, who=second).pairs} >= {first.agency_id}
    assert len(count(2026, 7).pairs) == 4


def test_shares_that_tell_a_small_number_are_told_roughly() -> None:
    assert share(9, 10, 3, is_exact=True).percent == 90
    assert share(9, 10, 3, is_exact=False).band is Band.MOST
    assert share(8, 14, 3, is_exact=False).percent == 57
    assert share(5, 7, 3, is_exact=False).band is Band.HALF
    assert share(1, 7, 3, is_exact=False).band is Band.LESS
    assert share(7, 7, 3, is_exact=False).percent == 100
    assert share(6, 10, 3, known=(5, 5), is_exact=False).band is Band.HALF, "one of the five others"
    assert share(0, 0, 3, is_exact=False).percent is None


def test_statements_do_not_grow_with_the_records(app: Flask, at: Clock, count_queries: CountQueries) -> None:
    at("2026-06-05T10:00")
    reader = make_member()
    counts = []
    for number in (0, 3, 6):
        for _ in range(number):
            make_referral(
                make_member(make_agency(weekly_closed=str(number))), make_member(), status="accepted"
            )
        with count_queries() as statements:
            count(2026, who=reader)
        counts.append(len(statements))
    assert counts == [counts[0]] * 3
