"""Families: tying people of the own record, and a 本人 of whom a parent speaks before they agreed."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from portal.core.db import db
from portal.people import services as people
from portal.people.categories import Relation
from portal.people.models import FamilyTie, Person
from tests.browsers import Browser
from tests.factories import Member, make_member, make_person, make_referral

Visit = Callable[..., Browser]


def ties() -> list[FamilyTie]:
    found = list(db.read.scalars(select(FamilyTie)))
    db.end()
    return found


def count_people() -> int:
    found = db.read.scalar(select(func.count()).select_from(Person))
    db.end()
    return found or 0


@pytest.fixture
def member(app: object) -> Member:
    return make_member()


@pytest.fixture
def parent(member: Member) -> UUID:
    return make_person(member, family="見本", given="母子")


def test_a_relative_is_searched_chosen_and_shown_from_both_sides(
    browser: Visit, member: Member, parent: UUID
) -> None:
    child = make_person(member, family="見本", given="太郎", family_kana="みほん", given_kana="たろう")
    make_person(make_member(), family="見本", given="太郎", family_kana="みほん", given_kana="たろう")
    visit, path = browser(member), f"/people/{parent}/family/new"

    offered = visit.post(path, data={"q": "ﾀﾛｳ", "find": "1"}).text
    assert offered.count('type="radio" value="') + offered.count("見本 太郎") >= 1
    assert str(child) in offered
    assert offered.count("見本 太郎") == 1
    assert ties() == []

    answer = visit.post(path, data={"q": "ﾀﾛｳ", "relative": str(child), "relation": "child"})

    assert answer.location == f"/people/{parent}"
    above, below = visit.get(f"/people/{parent}").text, visit.get(f"/people/{child}").text
    assert f"/people/{child}" in above
    assert '<td data-label="続柄">子</td>' in above
    assert f"/people/{parent}" in below
    assert '<td data-label="続柄">親</td>' in below


def test_nobody_but_those_offered_can_be_tied(browser: Visit, member: Member, parent: UUID) -> None:
    stranger = make_person(make_member())
    visit, path = browser(member), f"/people/{parent}/family/new"

    for relative in (str(stranger), str(parent), str(uuid4()), "nonsense"):
        answer = visit.post(path, data={"q": "見本", "relative": relative, "relation": "child"})
        assert answer.status_code in {200, 404}
    assert ties() == []


def test_what_is_missing_is_asked_for(browser: Visit, member: Member, parent: UUID) -> None:
    child = make_person(member)
    visit, path = browser(member), f"/people/{parent}/family/new"

    assert "家族を選んでください。" in visit.post(path, data={"q": "見本", "relation": "child"}).text
    answer = visit.post(path, data={"q": "見本", "relative": str(child), "relation": "cousin"})
    assert "続柄を選んでください。" in answer.text
    assert ties() == []


def test_two_people_are_tied_once(browser: Visit, member: Member, parent: UUID) -> None:
    child = make_person(member)
    visit, key = browser(member), uuid4().hex
    sent = {"q": "見本", "relative": str(child), "relation": "child"}

    for _ in range(2):
        answer = visit.post(f"/people/{parent}/family/new", data=sent | {"idempotency_key": key})
        assert answer.status_code == 302
    other_side = {"q": "見本", "relative": str(parent), "relation": "parent"}
    refused = visit.post(f"/people/{child}/family/new", data=other_side)

    assert refused.status_code == 409
    assert "すでに登録されています" in refused.text
    assert len(ties()) == 1


def test_a_tie_is_taken_back(browser: Visit, member: Member, parent: UUID) -> None:
    child = make_person(member)
    tie = people.tie_family(member.actor, parent, child, Relation.CHILD)
    visit = browser(member)

    assert visit.get(f"/people/{child}/family/{tie}/remove").status_code == 200
    answer = visit.post(f"/people/{child}/family/{tie}/remove")

    assert answer.location == f"/people/{child}"
    assert ties() == []
    assert visit.post(f"/people/{child}/family/{tie}/remove").status_code == 404


def test_a_recipient_sees_only_relatives_it_may_know_of(browser: Visit, member: Member, parent: UUID) -> None:
    recipient = make_member()
    child, brother = make_person(member, given="次郎"), make_person(member, pseudonym="Dさん")
    people.tie_family(member.actor, parent, child, Relation.CHILD)
    people.tie_family(member.actor, parent, brother, Relation.CHILD)
    make_referral(member, recipient, person_id=parent)
    visit = browser(recipient)

    alone = visit.get(f"/people/{parent}").text
    assert str(child) not in alone
    assert str(brother) not in alone

    make_referral(member, recipient, person_id=child)

    both = visit.get(f"/people/{parent}").text
    assert str(child) in both
    assert "見本 次郎" in both
    assert str(brother) not in both
    assert "Dさん" not in both


def test_the_son_is_registered_under_a_pseudonym_and_tied_in_one_go(
    browser: Visit, member: Member, parent: UUID
) -> None:
    visit, key = browser(member), uuid4().hex
    assert "本人を仮名で登録する" in visit.get(f"/people/{parent}").text
    sent = {"pseudonym": "Aさん", "age_band": "30-34", "relation": "child", "idempotency_key": key}

    answers = [visit.post(f"/people/{parent}/family/pseudonym", data=sent) for _ in range(2)]

    assert answers[0].location == answers[1].location
    assert count_people() == 2
    assert [(tie.person_id, tie.relation) for tie in ties()] == [(parent, Relation.CHILD)]
    assert "Aさん" in visit.get(f"/people/{parent}").text


def test_neither_is_written_when_one_is_refused(browser: Visit, member: Member, parent: UUID) -> None:
    visit = browser(member)
    sent = {"pseudonym": "", "relation": "child", "household": "母と2人暮らし"}

    answer = visit.post(f"/people/{parent}/family/pseudonym", data=sent)

    assert answer.status_code == 400
    assert "母と2人暮らし" in answer.text
    assert count_people() == 1
    assert ties() == []
