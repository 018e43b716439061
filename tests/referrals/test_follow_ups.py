"""What is kept in mind after a referral went badly: for the next meeting, or as a local issue."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.core.db import db
from portal.meetings.issues.models import LocalIssue
from portal.referrals.models import FollowUp
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_person, make_referral

Browsers = Callable[..., Browser]
S = ReferralStatus


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(make_agency(name="甲機関", short_name="甲")), make_member(
        make_agency(name="乙機関", short_name="乙")
    )


def rows() -> list[FollowUp]:
    db.end()
    found = list(db.read.scalars(select(FollowUp)))
    db.end()
    return found


def issues() -> list[LocalIssue]:
    db.end()
    found = list(db.read.scalars(select(LocalIssue)))
    db.end()
    return found


def rejected(ours: Member, theirs: Member) -> UUID:
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    return make_referral(ours, theirs, person_id=person, status=S.REJECTED)


def prefilled(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\s*(.*?)</textarea>", page, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("kind", ["meeting", "local_issue"])
def test_it_is_kept_listed_done_and_undone(
    sides: tuple[Member, Member], browser: Browsers, kind: str
) -> None:
    ours, theirs = sides
    key = rejected(ours, theirs)
    us = browser(ours)
    assert str(key) in us.get("/referrals/?unattended=1").text
    form = us.get(f"/referrals/{key}/follow-up?kind={kind}")
    text = prefilled(form.text)
    assert "乙機関" in text
    assert "受入の余裕がない" in text
    assert "山田" not in text
    typed = {"kind": kind, "text": text + "夜間の窓口", "idempotency_key": "f" * 32}
    for _time in range(2):
        kept = us.post(f"/referrals/{key}/follow-up?kind={kind}", data=typed)
        assert kept.location == f"/referrals/{key}"
    assert [(row.kind.value, row.text) for row in rows()] == [(kind, text + "夜間の窓口")]
    kept_as_issues = [(rows()[0].id, text + "夜間の窓口")] if kind == "local_issue" else []
    assert [(issue.follow_up_id, issue.text) for issue in issues()] == kept_as_issues
    assert "夜間の窓口" in us.get(f"/referrals/{key}").text
    assert str(key) not in us.get("/referrals/?unattended=1").text

    [row] = rows()
    assert "夜間の窓口" in us.get("/referrals/follow-ups").text
    assert us.post(f"/referrals/follow-ups/{row.id}/done").status_code == 302
    assert "夜間の窓口" not in us.get("/referrals/follow-ups").text
    assert "夜間の窓口" in us.get("/referrals/follow-ups?done=1").text
    us.post(f"/referrals/follow-ups/{row.id}/undo")
    assert "夜間の窓口" in us.get("/referrals/follow-ups").text


def test_a_local_issue_holds_no_person(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = rejected(ours, theirs)
    us = browser(ours)
    typed = {"kind": "local_issue", "text": "ヤマダさんの行き先がない"}
    refused = us.post(f"/referrals/{key}/follow-up?kind=local_issue", data=typed)
    assert refused.status_code == 400
    assert "ヤマダさんの行き先がない" in refused.text
    assert rows() == []


def test_another_agency_neither_sees_nor_ticks_it(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = rejected(ours, theirs)
    us, them = browser(ours), browser(theirs)
    us.post(f"/referrals/{key}/follow-up?kind=meeting", data={"kind": "meeting", "text": "内輪の話"})
    [row] = rows()
    assert "内輪の話" not in them.get(f"/referrals/{key}").text
    assert "内輪の話" not in them.get("/referrals/follow-ups").text
    for act in ("done", "undo"):
        answer = them.post(f"/referrals/follow-ups/{row.id}/{act}")
        assert answer.status_code == 404
        assert answer.data == them.post(f"/referrals/follow-ups/{uuid4()}/{act}").data
    assert rows()[0].done_at is None


def test_an_unknown_kind_leads_nowhere(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = rejected(ours, theirs)
    us = browser(ours)
    assert us.get(f"/referrals/{key}/follow-up").status_code == 404
    assert us.get(f"/referrals/{key}/follow-up?kind=party").status_code == 404
