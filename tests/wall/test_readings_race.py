"""A page that is being read while its ground is taken back: it shows what was told before, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event, get_ident
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import services as audit
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.disclosures import services as disclosures
from portal.exclusions.models import Conflict
from portal.meetings.schedule import services as meetings
from portal.meetings.states import MeetingAction
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting
from tests.wall.test_races import PATIENCE, Runner
from tests.words import words_of

pytestmark = pytest.mark.both_databases

Visit = Callable[..., Browser]
NAME = "白鳥沢"


class Town:
    """A person of `home`, told to `told` by a consent, a referral and the agenda of a meeting."""

    def __init__(self) -> None:
        self.home, self.told = make_member(role=Role.COORDINATOR), make_member()
        self.person = make_person(self.home, family=NAME, given="例")
        self.consent = make_consent(self.home, self.person, [self.told])
        ids: dict[str, Any] = {"person_id": self.person, "consent_id": self.consent}
        self.referral = make_referral(self.home, self.told, status="accepted", **ids)
        self.meeting = make_meeting(self.home, [self.told], kind="coordination")
        make_item(self.home, self.meeting, person_id=self.person, categories=["basic"])
        meetings.perform(self.home.actor, MeetingAction.ANNOUNCE, self.meeting)
        db.end()

    def withdraw(self) -> None:
        disclosures.withdraw_consent(self.home.actor, self.consent)

    def exclude(self) -> None:
        exclusions.exclude(self.home.actor, self.person, self.told.staff_id, Conflict.RELATIVE, "親族です。")


PAGES: dict[str, Callable[[Town], str]] = {
    "the person": lambda t: f"/people/{t.person}",
    "the list of people": lambda t: "/people/",
    "the referral": lambda t: f"/referrals/{t.referral}",
    "the list of referrals": lambda t: "/referrals/",
    "the sheet": lambda t: f"/referrals/{t.referral}/sheet",
    "the packet": lambda t: f"/meetings/{t.meeting}/packet",
    "the packet on paper": lambda t: f"/meetings/{t.meeting}/packet.pdf",
}


class Held:
    """Holds one thread, once, between what it has loaded and the entry that tells of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real, self.thread = audit.record_reading, -1
        self.reached, self.go_on = Event(), Event()
        monkeypatch.setattr(audit, "record_reading", self.record_reading)

    def record_reading(self, *given: Any, **more: Any) -> None:
        if get_ident() == self.thread and not self.reached.is_set():
            self.reached.set()
            assert self.go_on.wait(PATIENCE)
        self.real(*given, **more)

    def act(self, act: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            self.thread = get_ident()
            return act()

        return run


def readings_after(event: str, member: Member) -> list[tuple[Any, ...]]:
    """What the log says that this one read after that event, of whom anything was told."""
    entries = db.read.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
    db.end()
    last = max(entry.seq for entry in entries if entry.event == event)
    bodies = [json.loads(one.body) for one in entries if one.seq > last and one.staff_id == member.staff_id]
    # The list of referrals counts its lines, those without a name too.
    told = (
        body
        for body in bodies
        if body["categories"] and body["bucket"] != "0" and body["event"] != "referral:listed"
    )
    return [(body["event"], body["categories"], body["bucket"]) for body in told]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("ending", ["withdraw", "exclude"])
def test_after_it_is_acknowledged_no_page_that_was_being_read_tells_anything(
    app: Flask, browser: Visit, monkeypatch: pytest.MonkeyPatch, page: str, ending: str
) -> None:
    town = Town()
    desk, path = browser(town.told), PAGES[page](town)
    before = desk.get(path)
    assert before.status_code == 200
    assert page.endswith("paper") or NAME in words_of(before), "it shows who it is as long as it may"
    held = Held(monkeypatch)
    reader = Runner(held.act(lambda: desk.get(path)))
    assert held.reached.wait(PATIENCE)
    ender = Runner(getattr(town, ending)).finish()
    assert ender.error is None, "it was acknowledged while the page was still being read"
    held.go_on.set()
    answer = reader.finish().result
    assert reader.error is None
    assert answer.status_code in {200, 404}
    if answer.mimetype == "text/html":
        assert NAME not in words_of(answer)
    event = {"withdraw": "consent:withdrawn", "exclude": "exclusion:made"}[ending]
    assert readings_after(event, town.told) == [], words_of(answer)
