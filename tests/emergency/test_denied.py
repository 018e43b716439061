"""An emergency opening that did not come about is in the log: a miss, a forged step, a limit, a conflict of interest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.db import db
from portal.core.errors import Lack
from portal.core.policy import Role
from portal.emergency.models import EmergencyAccess
from portal.emergency.search import MISSES_PER_DAY
from tests.audit import denied
from tests.browsers import Browser
from tests.emergency import acts
from tests.emergency.acts import BIRTHDAY, HANAKO
from tests.emergency.test_second import answer, exclude
from tests.factories import Member, make_member, make_person
from tests.wall.pages import blurred

Visit = Callable[..., Browser]
MISSED = "emergency:missed"


@pytest.fixture(autouse=True)
def _verified(app: Flask, tmp_path: Path) -> Iterator[None]:
    with denied.sound(app, tmp_path):
        yield


def opened() -> int:
    db.end()
    return db.read().execute(select(func.count()).select_from(EmergencyAccess)).scalar_one()


def test_a_miss_and_a_person_from_whom_one_is_excluded_look_alike_and_the_log_tells_them_apart(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    exclude(asker, hanako)
    visit = browser(asker)
    pages = []
    for name, lack, person in (("髙橋 花子", Lack.EXCLUDED, hanako), ("田中 一郎", Lack.HIDDEN, None)):
        before = denied.length()
        missed = acts.find(visit, name)
        pages.append(blurred(missed.text).replace(name, ""))
        denied.one_of(
            denied.since(before),
            by=asker,
            lack=lack,
            about=("emergency", person),
            person=person,
            event=MISSED,
        )
    assert pages[0] == pages[1]
    assert opened() == 0


def test_a_forged_step(browser: Visit, home: Member, asker: Member, hanako: UUID) -> None:
    """The id of somebody else in the hidden field: of one who is there, and of nobody."""
    other = make_person(home, family="別", given="人", family_kana="べつ", given_kana="ひと")
    visit = browser(asker)
    form = acts.form_to(acts.find(visit), "/ask")
    pages = []
    for asked in (other, uuid4()):
        before = denied.length()
        gone = visit.post("/emergency/ask", data=acts.sent(form, person=str(asked)))
        assert gone.status_code == 404
        pages.append(blurred(gone.text))
        denied.one_of(
            denied.since(before), by=asker, lack=Lack.HIDDEN, about=("emergency", asked), event=MISSED
        )
    assert pages[0] == pages[1]
    assert opened() == 0


def test_excluded_between_two_steps(browser: Visit, home: Member, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    checked = acts.to_check(visit, acts.start(visit, acts.find(visit)))
    exclude(asker, hanako)
    before = denied.length()
    assert acts.confirm(visit, checked).status_code == 404
    denied.one_of(
        denied.since(before),
        by=asker,
        lack=Lack.EXCLUDED,
        about=("emergency", hanako),
        person=hanako,
        event=MISSED,
    )
    assert opened() == 0


def test_the_limit_of_misses(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    for n in range(MISSES_PER_DAY):
        acts.find(visit, f"だれか {n}")
    for _ in range(2):
        before = denied.length()
        assert acts.find(visit).status_code == 429
        denied.one_of(denied.since(before), by=asker, lack=Lack.TRIES, about=("emergency.index", None))


def test_wrong_passwords_and_the_delay_after_them(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    checked = acts.to_check(visit, acts.start(visit, acts.find(visit)))
    before = denied.length()
    for _ in range(5):
        acts.confirm(visit, checked, "まちがい")
    assert [one["event"] for one in denied.since(before)] == ["session:failed"] * 5
    before = denied.length()
    assert acts.confirm(visit, checked).status_code == 429
    denied.one_of(denied.since(before), by=asker, lack=Lack.TRIES, about=("emergency.ask", hanako))
    assert opened() == 0


def test_a_strangers_delay_is_nobodys(browser: Visit, asker: Member) -> None:
    """Who hammers the sign-in page fills no log by it: what is tried is logged, what is not even tried is not."""
    stranger = browser()
    for _ in range(5):
        stranger.post("/sign-in", data={"email": asker.email, "password": "まちがい"})
    before = denied.length()
    assert stranger.post("/sign-in", data={"email": asker.email, "password": "x"}).status_code == 429
    assert denied.length() == before


def test_the_second_person_may_not_let_in_who_is_excluded(
    browser: Visit, home: Member, asker: Member
) -> None:
    chief = make_member(asker.agency_id, Role.COORDINATOR)
    who = make_person(home, **HANAKO, birth=BIRTHDAY, protected_address=True)
    access_id = acts.access_of(acts.use(browser(asker)))
    exclude(asker, who)
    before = denied.length()
    assert answer(browser(chief), access_id, "approve").status_code == 409
    denied.one_of(
        denied.since(before),
        by=chief,
        lack=Lack.EXCLUDED,
        about=("emergency_access", access_id),
        person=who,
    )
