"""An activity is of those who held it; a name is of the agency that wrote it down, while the wall shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from portal.activities import services
from portal.activities.kinds import ActivityKind
from portal.activities.services import ActivityFacts, Heads
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.exclusions.models import Conflict, Exclusion
from tests.activities.acts import boxes, heads, record
from tests.activity_factories import make_activity, make_activity_series, make_attendance
from tests.browsers import Browser
from tests.factories import Member, make_case, make_consent, make_member, make_person, make_referral

Visit = Callable[..., Browser]


@pytest.fixture
def member(app: Any, at: Callable[..., None]) -> Member:
    at("2020-12-05T15:00")
    return make_member()


def exclude(member: Member, staff: Member, person_id: Any) -> None:
    exclusions.exclude(member.actor, person_id, staff.staff_id, Conflict.OTHER, "見本の理由")


def test_a_third_agency_finds_nothing(browser: Visit, member: Member) -> None:
    partner, third = make_member(), make_member()
    series = make_activity_series(member, [partner], title="見本の定例")
    made = make_activity(member, [partner], title="見本の秘密", series_id=series)
    head = make_attendance(member, made, make_person(member))
    pages = [
        f"/activities/{made}",
        f"/activities/{made}/edit",
        f"/activities/{made}/strike",
        f"/activities/{made}/attendance",
        *(f"/activities/{made}/attendance/{head}{act}" for act in ("", "/link", "/unlink", "/remove")),
        *(f"/activities/series/{series}{act}" for act in ("", "/edit", "/end")),
        f"/activities/new?series={series}",
    ]
    stranger = browser(third)
    missing = stranger.get(f"/activities/{head}").text
    for page in pages:
        answer = stranger.get(page)
        assert (page, answer.status_code) == (page, 404)
        assert answer.text == missing or "見本の" not in answer.text
        assert stranger.post(page, data={"why": "x", "version": "1"}).status_code in {404, 405}
    assert "見本の" not in stranger.get("/activities/").text.replace("見本機関", "")
    assert browser(partner).get(f"/activities/{made}").status_code == 200


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN])
def test_who_does_no_casework_has_no_activities(browser: Visit, member: Member, role: Role) -> None:
    made = make_activity(member)
    other = make_member(member.agency_id if role is Role.AGENCY_ADMIN else None, role)
    assert browser(other).get(f"/activities/{made}").status_code == 404
    assert browser(other).get("/activities/").status_code == 403
    assert browser(other).get("/activities/new?kind=cafe").status_code == 403


def test_those_who_held_it_together_see_how_many_and_no_names(browser: Visit, member: Member) -> None:
    partner = make_member()
    made = make_activity(member, [partner])
    person = make_person(member, family="架空", given="二郎")
    head = make_attendance(member, made, person, note="この人だけのメモ")
    make_attendance(member, made, is_first=True)
    page = browser(partner).get(f"/activities/{made}").text
    assert "延べ2人" in page
    for hidden in ("架空", "この人だけのメモ", str(person), str(head)):
        assert hidden not in page
    assert browser(partner).get(f"/activities/{made}/attendance/{head}").status_code == 404
    assert browser(partner).get(f"/activities/{made}/edit").status_code == 403
    assert browser(partner).get(f"/activities/{made}/strike").status_code == 403
    # It notes who came of its own; the organiser sees how many.
    own = make_person(partner, family="例示", given="三郎")
    url = f"/activities/{made}/attendance"
    make_case(partner, own)
    assert browser(partner).post(url, data={"people": str(own), "was": "0-0"}).status_code == 302
    page = browser(member).get(f"/activities/{made}").text
    assert "延べ3人" in page
    assert "例示" not in page
    assert "架空 二郎" in page


def test_an_agency_that_noted_somebody_stays_among_those_who_held_it(browser: Visit, member: Member) -> None:
    partner = make_member()
    made = make_activity(member, [partner])
    make_attendance(partner, made)
    typed = {"held_on": "2020-12-05", "mode": "in_person", "area": "place", "version": "1"}
    answer = browser(member).post(f"/activities/{made}/edit", data=typed)
    assert "共催から外せません" in answer.text


def test_who_stands_on_the_other_agencys_list_is_not_counted_twice(browser: Visit, member: Member) -> None:
    partner = make_member()
    made = make_activity(member, [partner])
    person = make_person(member)
    make_referral(member, partner, person_id=person)
    make_case(partner, person)
    make_attendance(member, made, person)
    url = f"/activities/{made}/attendance"
    answer = browser(partner).post(url, data={"people": str(person), "was": "0-0"})
    assert answer.status_code == 409
    assert len(heads(made)) == 1


def test_a_name_goes_when_its_basis_goes(browser: Visit, member: Member, at: Callable[..., None]) -> None:
    home = make_member()
    person = make_person(home, family="架空", given="二郎")
    consent = make_consent(home, person, [member], until=date(2020, 12, 20))
    make_referral(home, member, person_id=person, consent_id=consent)
    made = make_activity(member)
    make_attendance(member, made, person, note="自分たちの仕事のメモ")
    make_case(member, person)
    visit = browser(member)
    assert "架空 二郎" in visit.get(f"/activities/{made}").text
    assert str(person) in boxes(visit.get("/activities/new?kind=cafe").text)
    at("2020-12-21T10:00")
    visit = browser(member)
    page = visit.get(f"/activities/{made}").text
    assert "架空" not in page
    assert "氏名非表示" in page
    assert "自分たちの仕事のメモ" in page, "work stays one's own"
    assert boxes(visit.get("/activities/new?kind=cafe").text) == {}
    answer = record(visit, people=str(person))
    assert "選べなくなったものが含まれています" in answer.text


def test_who_is_excluded_sees_nothing_of_this_person(browser: Visit, member: Member) -> None:
    colleague = make_member(member.agency_id)
    person, other = make_person(member, family="架空", given="二郎"), make_person(member)
    made = make_activity(member)
    head = make_attendance(member, made, person, note="架空のメモ")
    make_attendance(member, made, other)
    make_case(member, person)
    exclude(member, colleague, person)
    assert db.read.scalars(select(Exclusion)).all()
    db.end()
    visit = browser(colleague)
    page = visit.get(f"/activities/{made}").text
    for hidden in ("架空 二郎", "架空のメモ", str(person), str(head)):
        assert hidden not in page
    assert "見本 花子" in page
    assert visit.get(f"/activities/{made}/attendance/{head}").status_code == 404
    offered = visit.post("/activities/new?kind=cafe", data={"q": "架空", "find": "1"}).text
    assert str(person) not in boxes(offered)
    assert "見つかりませんでした" in offered
    assert record(visit, people=str(person)).status_code == 200
    assert len(heads(made)) == 2


def test_readings_are_logged(browser: Visit, member: Member) -> None:
    person = make_person(member)
    made = services.record(
        member.actor,
        ActivityFacts(kind=ActivityKind.CAFE, area="place", held_on=date(2020, 12, 5)),
        Heads({person: ""}),
    ).id
    visit = browser(member)
    visit.get(f"/activities/{made}")
    visit.get("/activities/")
    entries = {entry.event: entry for entry in db.read.scalars(select(AuditEntry))}
    assert entries[AuditEvent.ACTIVITY_READ.value].object_id == made
    assert entries[AuditEvent.ACTIVITY_READ.value].person_id == person
    assert AuditEvent.ACTIVITIES_LISTED.value in entries
