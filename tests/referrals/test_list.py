"""The list: what each filter finds, names within the wall, paging, and what it costs."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import date
from html import unescape
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts import services
from portal.audit.models import AuditEntry
from portal.consents.models import Consent
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.referrals import conversation
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral, step

pytestmark = pytest.mark.quick

Browsers = Callable[..., Browser]
S = ReferralStatus


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


def listed(page: str) -> list[UUID]:
    """The referrals on the page, in its order: number and name lead to each."""
    found = [UUID(key) for key in re.findall(r'<a href="/referrals/([0-9a-f-]{36})">', page)]
    assert found[::2] == found[1::2]
    return found[::2]


def search(one: Browser, q: str, where: str = "/referrals/") -> str:
    """The page that shows what is found, whose address keeps the search without its words."""
    answer = one.post(where, data={"q": q})
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query).keys() >= ({"s"} if q else set())
    assert not set(q) & set("山田太郎やまだ") or unquote(answer.location).isascii()
    return one.get(answer.location).text


def names(keys: dict[str, UUID], page: str) -> set[str]:
    return {name for name, key in keys.items() if key in listed(page)}


def withdraw(member: Member, person_id: UUID) -> None:
    db.end()
    for consent_id in db.read.scalars(select(Consent.id).where(Consent.person_id == person_id)).all():
        disclosures.withdraw_consent(member.actor, consent_id, reason="本人の申し出")


@pytest.fixture
def world(sides: tuple[Member, Member], at: Callable[..., None]) -> dict[str, UUID]:
    """One referral of each sort between the two, made in April; it is now the 20th."""
    ours, theirs = sides
    at("2026-04-01T10:00")
    keys = {
        "overdue": make_referral(ours, theirs),
        "rejected": make_referral(ours, theirs, status=S.REJECTED),
        "failed": make_referral(ours, theirs, status=S.FAILED),
        "done": make_referral(ours, theirs, status=S.COMPLETED),
        "draft": make_referral(ours, theirs, status=S.DRAFT),
        "back": make_referral(theirs, ours, status=S.ACCEPTED),
    }
    asked = make_person(ours)
    keys["asked in vain"] = make_referral(ours, theirs, person_id=asked)
    withdraw(ours, asked)
    at("2026-04-20T10:00")
    person = make_person(ours)
    keys["stopped"] = make_referral(ours, theirs, person_id=person, status=S.ACCEPTED)
    withdraw(ours, person)
    keys["fresh"] = make_referral(ours, theirs)
    return keys


OURS = {
    "show=all": {"overdue", "rejected", "failed", "done", "draft", "back", "stopped", "fresh", "asked in vain"},
    "": {"overdue", "draft", "back", "stopped", "fresh", "asked in vain"},
    "show=open": {"overdue", "draft", "back", "stopped", "fresh", "asked in vain"},
    "show=ended": {"rejected", "failed", "done"},
    "box=in": {"back"},
    "box=out&show=all": {"overdue", "rejected", "failed", "done", "draft", "stopped", "fresh", "asked in vain"},
    "box=nonsense&status=nonsense&overdue=2&kind=x&agency=x&since=x&sort=x&rows=x&show=all": {
        "overdue", "rejected", "failed", "done", "draft", "back", "stopped", "fresh", "asked in vain"
    },
    "since=R8.4.20": {"stopped", "fresh"},
    "until=R8.4.19&show=ended": {"rejected", "failed", "done"},
    "since=2026-04-02&until=2026-04-19": set(),
    "kind=referral": {"overdue", "draft", "back", "stopped", "fresh", "asked in vain"},
    "kind=transfer&show=all": set(),
    "status=requested": {"overdue", "fresh", "asked in vain"},
    "unanswered=1": {"overdue", "fresh"},
    "status=rejected&status=failed": {"rejected", "failed"},
    "overdue=1": {"overdue"},
    "new=1": {"overdue", "fresh"},
    "news=1": {"rejected", "failed", "done", "back", "stopped"},
    "stopped=1": {"stopped", "asked in vain"},
    "unattended=1": {"rejected", "failed"},
    "box=in&unattended=1": set(),
}  # fmt: skip
THEIRS = {
    "show=all": {"overdue", "rejected", "failed", "done", "back", "stopped", "fresh", "asked in vain"},
    "": {"overdue", "back", "stopped", "fresh", "asked in vain"},
    "box=in&show=all": {"overdue", "rejected", "failed", "done", "stopped", "fresh", "asked in vain"},
    "box=out": {"back"},
    "box=in&status=requested": {"overdue", "fresh", "asked in vain"},
    "box=in&unanswered=1": {"overdue", "fresh"},
    "box=in&new=1": {"overdue", "fresh"},
    "overdue=1": {"overdue"},
    "news=1": {"overdue", "rejected", "failed", "done", "back", "stopped", "fresh", "asked in vain"},
    "stopped=1": {"stopped"},  # the other was never opened
    "unattended=1": set(),
}


def test_every_filter_finds_what_it_says(
    sides: tuple[Member, Member], world: dict[str, UUID], browser: Browsers
) -> None:
    for member, expected in zip(sides, (OURS, THEIRS), strict=True):
        one = browser(member)
        for query, found in expected.items():
            page = one.get(f"/referrals/?{query}").text
            assert names(world, page) == found, query
    stranger = browser(make_member())
    for query in {*OURS, *THEIRS}:
        assert listed(stranger.get(f"/referrals/?{query}").text) == []


def test_opening_takes_it_off_the_news(
    sides: tuple[Member, Member], world: dict[str, UUID], browser: Browsers
) -> None:
    us, them = browser(sides[0]), browser(sides[1])
    them.get(f"/referrals/{world['fresh']}")
    assert names(world, them.get("/referrals/?box=in&new=1").text) == {"overdue"}
    assert "fresh" not in names(world, them.get("/referrals/?news=1").text)
    assert "fresh" in names(world, us.get("/referrals/?news=1").text)  # it was received
    us.get(f"/referrals/{world['fresh']}")
    assert "fresh" not in names(world, us.get("/referrals/?news=1").text)


def test_what_one_opens_stays_news_to_the_colleague(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    colleague = browser(make_member(theirs.agency_id))
    them, key = browser(theirs), make_referral(ours, theirs)
    them.get(f"/referrals/{key}")
    assert listed(them.get("/referrals/?news=1").text) == []
    assert listed(colleague.get("/referrals/?news=1").text) == [key]
    colleague.get(f"/referrals/{key}")
    assert listed(colleague.get("/referrals/?news=1").text) == []
    conversation.send_message(ours.actor, key, "追加の連絡です。")
    for one in (them, colleague):
        assert listed(one.get("/referrals/?news=1").text) == [key]


def test_whose_work_it_is_is_shown_and_narrows_the_list(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    colleague = make_member(theirs.agency_id, name="係 二郎")
    keys = {
        "sent": make_referral(theirs, ours),
        "hers": make_referral(ours, theirs),
        "free": make_referral(ours, theirs),
    }
    conversation.assign_worker(theirs.actor, keys["hers"], colleague.staff_id)
    them, her, us = browser(theirs), browser(colleague), browser(ours)
    assert names(keys, them.get("/referrals/?worker=me").text) == {"sent"}
    assert names(keys, her.get("/referrals/?worker=me").text) == {"hers"}
    assert names(keys, them.get("/referrals/?worker=none").text) == {"free"}
    assert names(keys, them.get(f"/referrals/?worker={colleague.staff_id}").text) == {"hers"}
    assert names(keys, them.get("/referrals/?worker=nonsense").text) == set(keys)
    # The other side's division of work is not for us.
    assert names(keys, us.get(f"/referrals/?worker={colleague.staff_id}").text) == set()
    assert "係 二郎" in them.get("/referrals/").text
    assert "係 二郎" not in us.get("/referrals/").text
    services.disable(make_member(theirs.agency_id, Role.AGENCY_ADMIN).actor, theirs.staff_id)
    assert names(keys, her.get("/referrals/?worker=none").text) == {"sent", "free"}


SPELLINGS = ["山田", "やまだ", "ﾔﾏﾀﾞ ﾀﾛｳ", "太郎"]
NOBODY = ["田中", "%", "_", "。、", "' OR 1=1 --"]


def test_search_finds_any_spelling_and_no_pattern(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    key = make_referral(ours, theirs, person_id=person)
    third = browser(make_member())
    for one in (browser(ours), browser(theirs)):
        for q in SPELLINGS + NOBODY:
            assert (key in listed(search(one, q))) is (q in SPELLINGS), q
            assert listed(search(third, q)) == []


def test_search_finds_a_whole_number(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    us = browser(ours)
    found = re.search(rf'{key}">([^<]+)<', us.get("/referrals/").text)
    assert found
    number = found[1]
    wide = number.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    for q in (number, f" {number} ", wide, number.lower()):
        assert listed(search(us, q)) == [key], q
    assert listed(search(us, number[:-1])) == []


def test_a_name_is_neither_shown_nor_found_once_the_consent_is_withdrawn(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    key = make_referral(ours, theirs, person_id=person)
    them = browser(theirs)
    assert "山田 太郎" in them.get("/referrals/").text
    withdraw(ours, person)
    page = them.get("/referrals/").text
    assert listed(page) == [key]
    assert "山田" not in page
    assert "氏名非表示" in page
    assert "停止" in page
    assert listed(search(them, "山田")) == []
    assert listed(search(browser(ours), "山田")) == [key]


def many(ours: Member, theirs: Member, number: int) -> list[UUID]:
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    consent = make_consent(ours, person, [theirs])
    return [
        make_referral(ours, theirs, person_id=person, consent_id=consent, need=f"その{n}")
        for n in range(number)
    ]


def test_pages_follow_one_another_without_gap_or_twin(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    keys = many(ours, theirs, 27)
    us = browser(ours)
    first = us.get("/referrals/?box=out").text
    onward = re.search(r'rel="next"\s+href="([^"]+)"', first)
    assert onward
    second = us.get(onward[1].replace("&amp;", "&")).text
    assert listed(first) + listed(second) == keys[::-1]
    assert "box=out" in onward[1]
    assert listed(us.get("/referrals/?after=nonsense").text) == listed(first)

    found = search(us, "やまだ")
    assert listed(found) + listed(us.get(following(found)).text) == keys[::-1]
    assert len(listed(us.get("/referrals/?rows=50").text)) == 27


def following(page: str) -> str:
    """The address of the next page."""
    onward = re.search(r'rel="next"\s+href="([^"]+)"', page)
    assert onward, "no next page"
    return unescape(onward[1])


def walked(one: Browser, address: str) -> list[UUID]:
    """The referrals of all pages, in their order."""
    page = one.get(address).text
    keys = listed(page)
    while 'rel="next"' in page:
        page = one.get(following(page)).text
        keys += listed(page)
    return keys


@pytest.mark.both_databases
def test_each_order_goes_through_all_pages_without_gap_or_twin(
    sides: tuple[Member, Member],
    browser: Browsers,
    at: Callable[..., None],
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = sides
    keys = {}
    for day, status in enumerate((S.REQUESTED, S.ACCEPTED, S.DRAFT, S.REQUESTED, S.COMPLETED), start=1):
        at(f"2026-04-{day:02}T10:00")
        keys[make_referral(ours, theirs, status=status)] = status
    back = make_referral(theirs, ours)
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    us = browser(ours)
    made = [*keys, back]
    db.end()
    number = {row.id: row for row in db.read.scalars(select(Referral))}
    db.end()
    never = date.max
    asked = {key: one.respond_by if one.status is S.REQUESTED else never for key, one in number.items()}
    orders: dict[str, Callable[[UUID], Any]] = {
        "at": lambda key: number[key].listed_at,
        "number": lambda key: number[key].number,
        "status": lambda key: list(S).index(number[key].status),
        "by": lambda key: asked[key],
    }
    for code, order in orders.items():
        upwards = sorted(made, key=lambda key: (order(key), key.bytes))
        assert walked(us, f"/referrals/?show=all&sort={code}") == upwards, code
        assert walked(us, f"/referrals/?show=all&sort=-{code}") == upwards[::-1], code
    other = browser(theirs)
    seen = [key for key in made if keys.get(key) is not S.DRAFT]
    assert set(walked(other, "/referrals/?show=all&sort=number")) == set(seen)
    first = us.get("/referrals/?show=all&sort=number").text
    turned = following(first).replace("sort=number", "sort=-at")
    assert listed(us.get(turned).text) == listed(us.get("/referrals/?show=all").text)


def test_the_heads_say_the_order_and_keep_the_filters(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    make_referral(ours, theirs)
    page = browser(ours).get("/referrals/?box=out&sort=number").text
    assert re.findall(r'aria-sort="(\w+)"', page) == ["ascending"]
    links = {unescape(one) for one in re.findall(r'href="(/referrals/\?[^"]*sort=[^"]+)"', page)}
    assert {
        "/referrals/?box=out&sort=-number",
        "/referrals/?box=out&sort=-at",
        "/referrals/?box=out&sort=by",
    } <= links
    assert not any("sort=person" in one for one in links)


def test_an_agency_is_a_filter_of_both_sides(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    third = make_member()
    sent, got, other = make_referral(ours, theirs), make_referral(theirs, ours), make_referral(ours, third)
    us = browser(ours)
    page = us.get(f"/referrals/?agency={theirs.agency_id}").text
    assert set(listed(page)) == {sent, got}
    assert f'<option selected value="{theirs.agency_id}">' in page
    assert listed(us.get(f"/referrals/?agency={third.agency_id}").text) == [other]


def test_a_search_is_of_its_own_session_and_can_be_returned_to(
    sides: tuple[Member, Member], browser: Browsers, at: Callable[..., None]
) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    key = make_referral(ours, theirs, person_id=person)
    make_referral(ours, theirs)
    us, colleague, again = browser(ours), browser(ours), browser(ours)
    where = us.post("/referrals/", data={"q": "山田"}).location
    for _twice in range(2):
        page = us.get(where).text
        assert listed(page) == [key]
        assert 'value="山田"' in page
    assert listed(us.get(f"{where}&box=in&show=all").text) == []
    for stranger in (colleague, again):
        stranger.post("/referrals/", data={"q": "佐藤"})
        gone = stranger.get(where).text
        assert listed(gone) == []
        assert "この検索は残っていません" in gone
        assert "山田" not in gone
    for number in range(20):
        us.post("/referrals/", data={"q": f"その{number}" * 10})
    assert "この検索は残っていません" in us.get(where).text


def test_the_words_of_a_search_are_not_readable_in_the_cookie(
    sides: tuple[Member, Member], browser: Browsers, app: Flask
) -> None:
    us = browser(sides[0])
    us.post("/referrals/", data={"q": "秘密山"})
    with us.session_transaction() as kept:
        assert len(kept["searches"]) == 1
        assert "秘密山" not in repr(dict(kept))
        assert "秘密山" not in urlsafe_b64decode(kept["searches"][0][1]).decode("utf-8", "replace")


Counting = Callable[[], AbstractContextManager[list[str]]]


def test_the_list_costs_few_questions_however_much_it_shows(
    sides: tuple[Member, Member], browser: Browsers, count_queries: Counting
) -> None:
    ours, theirs = sides
    us = browser(ours)
    make_referral(ours, theirs)

    def cost(path: str = "/referrals/") -> tuple[int, bytes]:
        us.get(path)
        with count_queries() as asked:
            page = us.get(path).data
        return len(asked), page

    few, _page = cost()
    many(ours, theirs, 26)
    for key in listed(us.get("/referrals/").text)[:3]:
        step(theirs, key, "accept")
    full, page = cost()
    assert few == full <= 8
    assert len(listed(page.decode())) == 25
    assert len(page) <= 60_000
    for query in OURS:
        assert cost(f"/referrals/?{query}")[0] <= 8


def test_reading_the_list_is_logged_without_names(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    make_referral(ours, theirs, person_id=person)
    us = browser(ours)
    search(us, "山田")
    db.end()
    newest = db.read.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one()
    db.end()
    assert newest.event == "referral:listed"
    assert newest.staff_id == ours.staff_id
    assert not any(word in newest.body.decode() for word in ("山田", "太郎"))


def current(page: str) -> Collection[Any]:
    return re.findall(r'aria-current="page">\s*([^<]+?)\s*<', page)


def test_the_tabs_say_where_one_is(sides: tuple[Member, Member], browser: Browsers) -> None:
    us = browser(sides[0])
    for query, tab in {
        "": "進行中",
        "show=ended&kind=transfer": "終了",
        "show=all": "すべて",
        "box=in&new=1": "新着",
        "unattended=1": "断られた後の対応",
        "status=rejected": "すべて",
    }.items():
        assert tab in current(us.get(f"/referrals/?{query}").text), query
    page = us.get("/referrals/?show=ended&box=out&kind=transfer").text
    assert 'href="/referrals/?box=out&amp;kind=transfer&amp;show=all"' in page
