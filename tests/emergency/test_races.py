"""Two at once: one access, one answer, one review, and never a sixth use alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound

from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Disclosure
from portal.emergency import services
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice, Finding
from portal.emergency.search import NoMoreTries, Wanted, find
from portal.emergency.services import Wish
from portal.people.categories import Category
from tests.emergency.acts import BIRTHDAY, HANAKO, NAME, events
from tests.factories import Member, make_member, make_person
from tests.wall.test_races import PATIENCE, Runner, paused_at, together

pytestmark = pytest.mark.both_databases


def wish_for(person_id: UUID, name: str = NAME) -> Wish:
    return Wish(
        Wanted(name=name, birth=BIRTHDAY),
        person_id,
        Emergency.LIFE,
        "電話の途中で応答がなくなった。",
        frozenset({Category.HEALTH}),
    )


def count(model: Any) -> int:
    db.end()
    return int(db.read().scalar(select(func.count()).select_from(model)) or 0)


def errors(runners: list[Runner]) -> list[type]:
    return sorted((type(one.error) for one in runners), key=lambda kind: kind.__name__)


@pytest.fixture
def pending(asker: Member, home: Member) -> UUID:
    person_id = make_person(home, **HANAKO, birth=BIRTHDAY, protected_address=True)
    access_id = services.file(asker.actor, wish_for(person_id))
    db.end()
    return access_id


def test_the_same_form_sent_five_times_at_once_is_one_access(asker: Member, hanako: UUID) -> None:
    db.end()
    key = uuid4().hex
    act: Callable[[], UUID] = lambda: services.file(asker.actor, wish_for(hanako), idempotency_key=key)  # noqa: E731
    all_five = together(*[act] * 5)
    assert [one.error for one in all_five] == [None] * 5
    assert len({one.result for one in all_five}) == 1
    assert (count(EmergencyAccess), count(Disclosure), count(EmergencyNotice)) == (1, 1, 2)


def test_two_answers_at_once_have_one_winner(app: Flask, asker: Member, pending: UUID) -> None:
    chiefs = [make_member(asker.agency_id, Role.COORDINATOR) for _ in range(2)]
    db.end()
    both = together(*[lambda one=one: services.agree(one.actor, pending) for one in chiefs])
    assert errors(both) == [Conflict, type(None)]
    assert (count(Disclosure), count(EmergencyNotice)) == (1, 2)
    assert len(events("emergency:approved")) == 1


def test_two_reviews_at_once_have_one_winner(asker: Member, hanako: UUID) -> None:
    access_id = services.file(asker.actor, wish_for(hanako))
    services.give_back(asker.actor, access_id)
    chiefs = [make_member(asker.agency_id, Role.COORDINATOR), make_member(None, Role.AUDITOR)]
    db.end()
    findings = (Finding.JUSTIFIED, Finding.NOT_JUSTIFIED)
    acts = [
        lambda one=one, finding=finding: services.review(one.actor, access_id, finding, "記録を見た。")
        for one, finding in zip(chiefs, findings, strict=True)
    ]
    assert errors(together(*acts)) == [Conflict, type(None)]
    assert len(events("emergency:reviewed")) == 1


def test_of_six_uses_at_once_one_waits_for_a_second_person(home: Member, asker: Member) -> None:
    people = {
        make_person(home, **HANAKO | {"given": f"花{n}", "given_kana": "はな"}, birth=BIRTHDAY): f"髙橋花{n}"
        for n in range(6)
    }
    db.end()
    acts = [
        lambda person_id=person_id, name=name: services.file(asker.actor, wish_for(person_id, name))
        for person_id, name in people.items()
    ]
    assert [one.error for one in together(*acts)] == [None] * 6
    waits = list(db.read().scalars(select(EmergencyAccess.needs_second)))
    assert sorted(waits) == [False] * 5 + [True]
    assert count(Disclosure) == 5


def test_guesses_at_once_are_counted_one_after_the_other(asker: Member) -> None:
    db.end()
    guess: Callable[[], Any] = lambda: [find(asker.actor, Wanted("無人 太郎", BIRTHDAY)) for _ in range(4)]  # noqa: E731
    results = together(*[guess] * 4)
    assert {type(one.error) for one in results} <= {NoMoreTries, type(None)}
    assert len(events("emergency:missed")) == 10


def test_given_back_while_the_page_is_read_the_reading_came_first(asker: Member, hanako: UUID) -> None:
    access_id = services.file(asker.actor, wish_for(hanako))
    db.end()
    with paused_at("UPDATE disclosure") as pause:
        ending = Runner(pause.act(lambda: services.give_back(asker.actor, access_id)))
        assert pause.reached.wait(PATIENCE)
        reading = Runner(lambda: disclosures.show(asker.actor, hanako))
        reading.join(0.3)
        pause.go_on.set()
        assert ending.finish().result is True
        reading.finish()
    later = Runner(lambda: disclosures.show(asker.actor, hanako)).finish()
    assert isinstance(later.error, NoResultFound)
    read = [entry.seq for entry in events("person:read")]
    assert len(read) <= 1
    assert len(events("emergency:ended")) == 1
