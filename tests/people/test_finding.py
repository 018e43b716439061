"""The list of people and the search: what an agency may see, in every spelling, page by page."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote, unquote

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.disclosures import people
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.states import ReferralAction
from portal.wall import predicates
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import make_case, make_consent, make_member, make_person, make_referral, step

pytestmark = [pytest.mark.both_databases, pytest.mark.quick]

Visit = Callable[..., Browser]
ICHIRO = {"family": "髙橋", "given": "一郎", "family_kana": "タカハシ", "given_kana": "いちろう"}


def found(visit: Browser, q: str) -> str:
    answer = visit.post("/people/", data={"q": q}, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    "q",
    [
        "髙橋",
        "高橋",
        "たかはし",
        "タカハシ",
        "ﾀｶﾊｼ",
        "高橋一郎",
        "髙橋　一郎",
        "いちろう",
        "イチロウ",
        "ﾊｼ",
        "郎",
    ],
)
def test_every_spelling_finds_the_person(browser: Visit, q: str) -> None:
    member = make_member()
    make_person(member, **ICHIRO)
    make_person(member, family="佐藤", given="花子", family_kana="さとう", given_kana="はなこ")

    page = found(browser(member), q)

    assert "髙橋 一郎" in page
    assert "佐藤 花子" not in page


@pytest.mark.parametrize(
    "shape", [str, str.lower, lambda n: n.replace("R", "Ｒ"), lambda n: n.replace("-", "−")]
)
def test_the_own_number_finds_exactly_one(browser: Visit, shape: Callable[[str], str]) -> None:
    member = make_member()
    ids = [make_person(member, given=f"花子{n}") for n in range(3)]
    number = db.read.scalars(select(Person.number).where(Person.id == ids[1])).one()

    page = found(browser(member), shape(number))

    assert "花子1" in page
    assert "花子0" not in page
    assert "花子2" not in page


@pytest.mark.parametrize(
    "q", ["%", "_", "!", "！？", "' OR 1=1 --", "存在しない", "\u202e", "a" * 50_000, "\x00"]
)
def test_what_names_nobody_finds_nobody(browser: Visit, q: str) -> None:
    member = make_member()
    make_person(member, **ICHIRO)
    visit = browser(member)

    if q == "\u202e":  # nothing is left of it: the whole list, as for an empty box
        assert "髙橋 一郎" in found(visit, q)
    else:
        assert "髙橋 一郎" not in found(visit, q)


def test_no_address_ever_holds_a_name(browser: Visit, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    member = make_member()
    for _ in range(5):
        make_person(member, **ICHIRO)

    page = found(browser(member), "髙橋")

    links = re.findall(r'(?:href|action)="([^"]*)"', page)
    assert any("after=" in link for link in links)
    for name in ("髙橋", quote("髙橋"), "高橋", quote("高橋")):
        assert not any(name in link for link in links)


def test_another_agency_finds_nothing_before_it_is_told_and_after_it_may_know(browser: Visit) -> None:
    sender, recipient, third = make_member(), make_member(), make_member()
    person = make_person(sender, **ICHIRO)
    there, elsewhere = browser(recipient), browser(third)
    assert "髙橋" not in there.get("/people/").text

    referral = make_referral(sender, recipient, person_id=person)

    number = db.read.scalars(select(Person.number).where(Person.id == person)).one()
    assert "髙橋 一郎" in there.get("/people/").text
    assert "髙橋 一郎" in found(there, "たかはし")
    assert "髙橋 一郎" not in found(there, number)
    assert number not in there.get("/people/").text
    assert "髙橋" not in elsewhere.get("/people/").text
    assert "髙橋 一郎" not in found(elsewhere, "たかはし")

    step(sender, referral, ReferralAction.CANCEL)

    assert "髙橋" not in there.get("/people/").text
    assert "髙橋 一郎" not in found(there, "たかはし")


def test_marks_stand_beside_the_name(browser: Visit) -> None:
    member = make_member()
    make_person(member, contact_prohibited=True, contact_prohibited_reason="父には知らせない")
    make_person(member, pseudonym="Bさん")
    make_case(member)

    page = browser(member).get("/people/").text

    for word in ("連絡禁止", "仮名", "支援中"):
        assert page.count(f">{word}</span>") == 1


def test_pages_follow_one_another_without_gaps(
    browser: Visit, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 3)
    sender, recipient = make_member(), make_member()
    told = [make_person(sender, given=f"甲{n}") for n in range(4)]
    for person in told:
        make_referral(sender, recipient, person_id=person)
    own = [make_person(recipient, given=f"乙{n}") for n in range(4)]
    visit, seen = browser(recipient), []

    url: str | None = "/people/"
    while url:
        page = visit.get(url).text
        seen.append(list(dict.fromkeys(re.findall(r'href="/people/([0-9a-f-]{36})"', page))))
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        url = following[1] if following else None

    assert [len(ids) for ids in seen] == [3, 3, 2]
    assert [one for ids in seen for one in ids] == [str(one) for one in reversed(told + own)]


def test_the_list_is_what_the_wall_says(app: Flask, at: Callable[..., None]) -> None:
    """A world of every sort of telling, walked through time: the quick list and the slow rule agree."""
    at("2026-06-01T10:00")
    agencies = [make_member() for _ in range(3)]
    for n, sender in enumerate(agencies):
        for until in (1, 30, 90):
            recipient = agencies[(n + until) % 3]
            if recipient is sender:
                recipient = agencies[(n + 1) % 3]
            person = make_person(sender)
            consent = make_consent(
                sender, person, [recipient], ["basic", "health"], until=clock.today() + timedelta(days=until)
            )
            referral = make_referral(
                sender, recipient, person_id=person, consent_id=consent, categories=["basic"]
            )
            if until == 90:
                step(sender, referral, ReferralAction.CANCEL)
        make_person(sender, pseudonym="Cさん")
    for moment in ("2026-06-01T11:00", "2026-06-03T00:00", "2026-07-15T09:00"):
        at(moment)
        now = clock.now()
        for member in agencies:
            slow = select(Person.id).where(predicates.sees(member.actor, Category.BASIC, now, Person))
            quick = people.page(db.read(), member.actor, now, size=100)
            by_name = people.page(db.read(), member.actor, now, q="見本", size=100)
            expected = sorted(db.read.scalars(slow), reverse=True)
            assert [row.id for row in quick] == expected
            named = {row.id for row in quick if row.is_identified}
            assert {row.id for row in by_name} == named
            db.end()


def readings(event: str) -> list[Any]:
    rows = db.read.scalars(select(AuditEntry).where(AuditEntry.event == event).order_by(AuditEntry.seq)).all()
    db.end()
    return list(rows)


def test_by_name_they_stand_in_the_order_of_the_syllabary_on_every_page(
    browser: Visit, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    sender, recipient = make_member(), make_member()
    kana = {"さとう": sender, "あべ": sender, "たなか": recipient, "いとう": recipient, "かとう": recipient}
    made = {}
    for family, keeper in kana.items():
        made[family] = make_person(keeper, family=f"架空{family}", family_kana=family, given_kana="はな")
    for family in ("さとう", "あべ"):
        make_referral(sender, recipient, person_id=made[family])
    hidden = make_person(sender, family="架空うえだ", family_kana="うえだ", given_kana="はな")
    visit, seen = browser(recipient), []
    for code in ("name", "-name"):
        url: str | None = f"/people/?sort={code}"
        while url:
            assert not any(family in unquote(url) for family in kana)
            page = visit.get(url).text
            seen += dict.fromkeys(re.findall(r'href="/people/([0-9a-f-]{36})"', page))
            following = re.search(r'rel="next"\s+href="([^"]+)"', page)
            url = unescape(following[1]) if following else None
    order = [str(made[family]) for family in sorted(kana)]
    assert seen == order + order[::-1]
    assert str(hidden) not in seen


def test_each_page_of_the_list_is_one_entry_of_the_log(browser: Visit) -> None:
    member = make_member()
    make_person(member, **ICHIRO)
    visit = browser(member)

    visit.get("/people/")
    found(visit, "髙橋")

    entries = readings("person:listed")
    assert len(entries) == 2
    for entry in entries:
        assert entry.staff_id == member.staff_id
        assert b'"bucket":"1"' in entry.body
        assert "髙橋" not in entry.body.decode()


def test_a_list_costs_the_same_however_long(browser: Visit, count_queries: CountQueries) -> None:
    member, sender = make_member(), make_member()
    visit = browser(member)
    make_person(member)
    costs = []
    for more in (0, 12):
        for n in range(more):
            make_case(member, make_person(member, given=f"子{n}"))
            make_referral(sender, member)
        with count_queries() as listed:
            visit.get("/people/")
        where = visit.post("/people/", data={"q": "見本"}).location
        with count_queries() as searched:
            visit.get(where)
        costs.append((len(listed), len(searched)))
    assert costs[0] == costs[1]
    assert max(costs[1]) <= 8
