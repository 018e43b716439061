"""The extract for the case file: all minutes about one person, within the wall."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.meetings.minutes import services as minutes_services
from portal.meetings.outcomes import services as outcome_services
from portal.meetings.outcomes.services import OutcomeFacts
from portal.meetings.packets import services as packet_services
from portal.meetings.states import MeetingAction, MeetingKind, OutcomeKind
from portal.people.categories import Category
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, take_step

A = MeetingAction
ENDS = pytest.mark.parametrize("end", ["", ".txt"])


def hold(
    chair: Member, readers: list[Member], person_id: UUID, words: str, *, shared: bool = True, **meeting: Any
) -> UUID:
    """A meeting that spoke of the person; returns the item."""
    meeting_id = make_meeting(chair, readers, **meeting)
    categories = [Category.BASIC] if shared else []
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=categories, title=f"{words}の題")
    take_step(chair, meeting_id, A.ANNOUNCE)
    for reader in readers:
        packet_services.open_packet(reader.actor, meeting_id)
    take_step(chair, meeting_id, A.BEGIN)
    minutes_services.write(chair.actor, item_id, words, version=None)
    outcome_services.note(chair.actor, item_id, OutcomeFacts(OutcomeKind.DECISION, f"{words}の決定"))
    return item_id


@ENDS
def test_all_meetings_that_spoke_of_the_person(browser: Any, app: Flask, end: str) -> None:
    chair, told, third = make_member(role=Role.COORDINATOR), make_member(), make_member()
    person_id = make_person(chair, family="秘密野", given="見本子")
    consent_id = make_consent(chair, person_id, [told])
    hold(chair, [told, third], person_id, "一回目")
    hold(chair, [told, third], person_id, "二回目", shared=False)
    hold(chair, [told], make_person(chair, family="別野"), "別の人")
    path = f"/meetings/extracts/{person_id}{end}"
    mine, theirs = browser(chair).get(path), browser(told).get(path)
    assert mine.status_code == theirs.status_code == 200
    for word, sees in (("一回目", True), ("二回目", False)):
        for shown in (word, f"{word}の題", f"{word}の決定"):
            assert shown in mine.text
            assert (shown in theirs.text) is sees
    assert "別の人" not in mine.text
    assert "秘密野" in theirs.text
    assert browser(third).get(path).status_code == 404
    assert browser(make_member()).get(path).status_code == 404
    disclosures.withdraw_consent(chair.actor, consent_id)
    after = browser(told).get(path)
    assert after.status_code == 200, "it was told once, and knows that there is somebody"
    assert "一回目" not in after.text
    assert "秘密野" not in after.text


@ENDS
def test_what_was_asked_anonymously_names_nobody(browser: Any, app: Flask, end: str) -> None:
    """The other side of an anonymous asking knows the person from elsewhere, and must not learn who was meant."""
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    person_id = make_person(chair, family="秘密野", given="見本子")
    make_referral(chair, other, person_id=person_id)
    asked_id = make_referral(chair, other, person_id=person_id, kind="advice", basis=Basis.ANONYMOUS)
    meeting_id = make_meeting(chair, [other])
    item_id = make_item(chair, meeting_id, person_id=person_id, referral_id=asked_id)
    take_step(chair, meeting_id, A.ANNOUNCE)
    take_step(chair, meeting_id, A.BEGIN)
    minutes_services.write(chair.actor, item_id, "匿名で話したこと", version=None)
    assert "匿名で話したこと" in browser(other).get(f"/meetings/{meeting_id}/minutes").text
    path = f"/meetings/extracts/{person_id}{end}"
    page = browser(other).get(path)
    assert page.status_code == 200
    assert "匿名で話したこと" not in page.text
    assert "匿名で話したこと" in browser(chair).get(path).text


def test_a_case_study_names_nobody(browser: Any, app: Flask) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    person_id = make_person(chair, family="秘密野", given="見本子")
    make_referral(chair, other, person_id=person_id)
    hold(chair, [other], person_id, "事例の話", kind=MeetingKind.CASE_STUDY)
    path = f"/meetings/extracts/{person_id}"
    assert "事例の話" in browser(chair).get(path).text
    assert "事例の話" not in browser(other).get(path).text


def test_the_extract_is_logged_with_its_person(browser: Any, app: Flask) -> None:
    chair = make_member(role=Role.COORDINATOR)
    person_id = make_person(chair)
    hold(chair, [], person_id, "一回目")
    browser(chair).get(f"/meetings/extracts/{person_id}")
    browser(chair).get(f"/meetings/extracts/{person_id}.txt")
    entries = db.read.execute(
        select(AuditEntry.person_id, AuditEntry.body)
        .where(AuditEntry.event == "minutes:read")
        .order_by(AuditEntry.seq)
    ).all()
    assert [entry.person_id for entry in entries] == [person_id, person_id]
    channels = [re.search(r'"channel":"(\w+)"', bytes(entry.body).decode()) for entry in entries]
    assert [one and one[1] for one in channels] == ["portal", "text"]


def test_an_extract_of_nothing_says_so(browser: Any, app: Flask) -> None:
    member = make_member()
    page = browser(member).get(f"/meetings/extracts/{make_person(member)}")
    assert page.status_code == 200
    assert "この人についての議事録はありません" in page.text
