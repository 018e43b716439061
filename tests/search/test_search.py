"""The search over everything: what it finds of each kind, and nothing beyond the wall."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures.models import Basis
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import make_case, make_member, make_person, make_referral
from tests.meeting_factories import make_meeting

pytestmark = [pytest.mark.both_databases, pytest.mark.quick]

Visit = Callable[..., Browser]
NAMED = {"family": "秘密山", "given": "花子", "family_kana": "ひみつやま", "given_kana": "はなこ"}


def found(visit: Browser, q: str) -> str:
    answer = visit.post("/search/", data={"q": q})
    assert answer.status_code == 303
    assert q not in answer.location
    page = visit.get(answer.location)
    assert page.status_code == 200
    return page.text


def test_it_finds_each_kind_that_the_reader_may_see_and_tells_others_nothing(browser: Visit) -> None:
    ours, theirs, third = make_member(role=Role.COORDINATOR), make_member(), make_member()
    person = make_person(ours, **NAMED)
    referral = make_referral(ours, theirs, person_id=person)
    case_id = make_case(ours, person)
    meeting = make_meeting(
        ours, [theirs], name="秘密山の支援を話す会", starts_at=clock.now() + timedelta(days=1)
    )
    here, there, elsewhere = browser(ours), browser(theirs), browser(third)

    page = found(here, "ひみつやま")
    for path in (f"/people/{person}", f"/referrals/{referral}", f"/cases/{case_id}"):
        assert f'href="{path}"' in page
    assert f'href="/meetings/{meeting}"' in found(here, "秘密山の支援")
    page = found(there, "秘密山")
    for path in (f"/people/{person}", f"/referrals/{referral}", f"/meetings/{meeting}"):
        assert f'href="{path}"' in page
    assert str(case_id) not in page
    number = db.read.scalars(select(Referral.number).where(Referral.id == referral)).one()
    db.end()
    assert f'href="/referrals/{referral}"' in found(there, number)
    nobody = found(elsewhere, "存在しない名").replace("存在しない名", "?")
    for q in ("秘密山", "ひみつやま", number, "秘密山の支援"):
        assert found(elsewhere, q).replace(q, "?").count("見つかりませんでした") == nobody.count(
            "見つかりませんでした"
        )
        assert not any(str(one) in found(elsewhere, q) for one in (person, referral, case_id, meeting))


def test_whom_an_anonymous_request_is_about_is_found_by_nobody_else(browser: Visit) -> None:
    ours, theirs = make_member(), make_member()
    person = make_person(ours, **NAMED)
    asked = {"kind": ReferralKind.ADVICE, "basis": Basis.ANONYMOUS, "categories": ()}
    key = make_referral(ours, theirs, person_id=person, anonymous_age_band="35-39", **asked)
    assert f'href="/referrals/{key}"' in found(browser(ours), "秘密山")
    assert str(key) not in found(browser(theirs), "秘密山")


def test_it_is_logged_like_the_lists_without_the_words(browser: Visit) -> None:
    ours = make_member()
    make_person(ours, **NAMED)
    found(browser(ours), "秘密山")
    rows = db.read.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(4)).all()
    db.end()
    assert {row.event for row in rows} == {
        "person:listed",
        "referral:listed",
        "case:listed",
        "meeting:listed",
    }
    assert not any("秘密山" in row.body.decode() for row in rows)


def test_only_casework_searches_and_a_strange_search_says_so(browser: Visit) -> None:
    ours = make_member()
    make_person(ours, **NAMED)
    where = browser(ours).post("/search/", data={"q": "秘密山"}).location
    gone = browser(ours).get(where).text
    assert "この検索は残っていません" in gone
    assert "秘密山" not in gone
    for role in (Role.AUDITOR, Role.SYSTEM_ADMIN):
        other = browser(make_member(role=role))
        assert other.get("/search/").status_code == 403
        assert 'action="/search/"' not in other.get("/agencies/").text
    assert 'action="/search/"' in browser(ours).get("/agencies/").text


def test_it_costs_the_same_however_much_it_finds(browser: Visit, count_queries: CountQueries) -> None:
    ours, theirs = make_member(), make_member()
    visit, costs = browser(ours), []
    for more in (1, 12):
        for _one in range(more):
            person = make_person(ours, **NAMED)
            make_referral(ours, theirs, person_id=person)
            make_case(ours, person)
        where = visit.post("/search/", data={"q": "秘密山"}).location
        visit.get(where)
        with count_queries() as asked:
            page = visit.get(where).text
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert page.count("10件以上") == 3
