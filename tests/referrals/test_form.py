"""The form of a new referral without a script: what its kind needs, the services of its agency, and the consent on the way."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from portal.agencies.models import Room
from portal.core.db import db
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.consents.acts import terms
from tests.factories import Member, make_consent, make_member, make_person, make_referral, make_service
from tests.referrals.typed import id_from, proposal

Browsers = Callable[..., Browser]


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


def is_shown(page: str, when: str) -> bool:
    """Whether the part with this condition is shown before any script has run."""
    (attributes,) = re.findall(rf'<(?:div|optgroup)\s([^>]*data-when="{when}"[^>]*)>', page)
    return "hidden" not in attributes


def test_each_kind_shows_its_own_fields_and_loses_nothing_typed(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    us, person = browser(ours), make_person(ours)
    joint, basis, band = "kind=joint_interview", "kind=advice basis=anonymous", "basis=anonymous"
    page = us.get(f"/referrals/new?person={person}").text
    assert [is_shown(page, part) for part in (joint, basis, band)] == [False, False, False]
    typed = proposal(person, theirs, appointment_place="相談室2", need="見学したい", shape="1")
    for more, shown in (
        ({"kind": "joint_interview"}, [True, False, False]),
        ({"kind": "advice"}, [False, True, False]),
        ({"kind": "advice", "basis": "anonymous"}, [False, True, True]),
        ({"kind": "referral", "basis": "anonymous"}, [False, True, True]),  # what is wrong is never hidden
    ):
        answer = us.post("/referrals/new", data=typed | more)
        assert answer.status_code == 200
        assert [is_shown(answer.text, part) for part in (joint, basis, band)] == shown, more
        assert is_shown(answer.text, "basis=consent") is not shown[2]
        assert "入力内容を確認してください" not in answer.text, "nothing is checked yet"
        assert "相談室2" in answer.text
        assert "見学したい" in answer.text
    assert db.read.scalars(select(Referral.id)).all() == []
    db.end()


def test_an_agency_narrows_the_services_and_shows_their_room(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    other = make_member()
    assert theirs.agency_id
    assert other.agency_id
    make_service(theirs.agency_id, name="見学の日", room=Room.WAITING)
    foreign = make_service(other.agency_id, name="よその集まり")
    us, person = browser(ours), make_person(ours)
    both = [f"to={one.agency_id} to=" for one in (theirs, other)]
    page = us.get(f"/referrals/new?person={person}").text
    assert [is_shown(page, part) for part in both] == [True, True]
    page = us.post("/referrals/new", data=proposal(person, theirs, shape="1")).text
    assert [is_shown(page, part) for part in both] == [True, False]
    assert [is_shown(page, f"to={one.agency_id}") for one in (theirs, other)] == [True, False]
    assert "順番待ち" in page
    refused = us.post("/referrals/new", data=proposal(person, theirs, service=str(foreign))).text
    assert "支援メニューを選び直してください。" in refused


def test_an_anonymous_request_tells_no_category_that_was_ticked_before(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    us, person = browser(ours), make_person(ours)
    asked = proposal(person, theirs, kind="advice", basis="anonymous", categories=["basic"])
    answer = us.post("/referrals/new", data=asked)
    assert answer.status_code == 302
    assert (
        "見本 花子"
        not in us.get(answer.location).text.split("相手に見えるもの")[1].split("こちらに残るもの")[0]
    )


def test_routing_anew_marks_who_is_covered_and_who_refused(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    covered, third = make_member(), make_member()
    person = make_person(ours)
    consent = make_consent(ours, person, [theirs, covered])
    key = make_referral(ours, theirs, person_id=person, consent_id=consent, status=ReferralStatus.REJECTED)
    page = browser(ours).get(f"/referrals/new?part_of={key}").text
    choice = page[page.index('id="to"') : page.index("</select>", page.index('id="to"'))]
    before, after = choice.split("同意がまだない機関")
    assert f"{theirs.actor.agency_name}［受入不可の回答あり］" in before
    assert covered.actor.agency_name in before
    assert third.actor.agency_name in after
    assert choice.count("受入不可の回答あり") == 1


def test_the_missing_consent_is_recorded_on_the_way(
    sides: tuple[Member, Member], browser: Browsers, at: Callable[[str], None]
) -> None:
    at("2026-04-01T10:00")
    ours, theirs = sides
    us, person = browser(ours), make_person(ours)
    asked = proposal(person, theirs, categories=["basic", "health"], consent="1")
    on_the_way = us.post("/referrals/new", data=asked)
    draft = id_from(on_the_way.location.replace("?referral=", "/referrals/"))
    assert on_the_way.location == f"/people/{person}/consents/new?referral={draft}"
    form = us.get(on_the_way.location).text
    ticked = set(re.findall(r'<input[^>]*checked[^>]*value="([^"]+)"', form))
    assert {str(theirs.agency_id), "basic", "health"} <= ticked
    given = terms([theirs], categories=["basic", "health"], confirmed="1")
    recorded = us.post(on_the_way.location, data=given)
    assert recorded.location == f"/referrals/{draft}/send"
    assert "この内容で送付する" in us.get(recorded.location).text
    # A draft about somebody else, or of another agency, waits for nothing here.
    for member in (ours, theirs):
        one = browser(member)
        own = make_person(member)
        answer = one.post(
            f"/people/{own}/consents/new?referral={draft}",
            data=terms([sides[1]] if member is ours else [ours], confirmed="1"),
        )
        assert answer.location.startswith("/consents/")
