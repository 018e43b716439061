"""Disabling or moving a member of staff: what hangs on them is shown by number, and handed over in the same step."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts import services as accounts
from portal.accounts.models import Staff
from portal.accounts.services import Post
from portal.audit.models import AuditEntry
from portal.cases import services as cases
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.exclusions.models import Conflict as Why
from portal.handovers import services
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.roster.models import Attendance
from portal.referrals import conversation
from portal.referrals.models import Referral
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, make_outcome, name_member
from tests.words import words_of

Open = Callable[..., Browser]


@pytest.fixture
def leaver(app: Flask) -> Member:
    """A caseworker with one of everything."""
    home, other = make_agency(), make_member(role=Role.COORDINATOR)
    member = make_member(home)
    cases.open_case(member.actor, make_person(member, family="波止場"), worker_id=member.staff_id)
    make_referral(member, other)
    make_referral(member, other, status="completed")
    received = make_referral(other, member)
    conversation.assign_worker(member.actor, received, member.staff_id)
    coming = make_meeting(other, [member], status="announced")
    name_member(other, coming, member)
    held = make_meeting(other, [member], starts_at=clock.now(), status="in_session")
    owed = {"kind": "action", "owner_agency_id": home.id, "owner_staff_id": member.staff_id}
    make_outcome(other, make_item(other, held), **owed)
    return member


def belongings(staff_id: UUID) -> tuple[int, int, int, int, int]:
    """How many cases, received and sent referrals, promises and places on rosters name this member."""
    columns = (
        Case.worker_id,
        Referral.worker_id,
        Referral.sender_worker_id,
        MeetingOutcome.owner_staff_id,
        Attendance.staff_id,
    )
    with db.transaction() as session:
        return tuple(len(session.scalars(select(one).where(one == staff_id)).all()) for one in columns)  # type: ignore[return-value]


def is_disabled(staff_id: UUID) -> bool:
    with db.transaction() as session:
        return session.get_one(Staff, staff_id).disabled_at is not None


@pytest.mark.both_databases
def test_disabling_shows_what_hangs_and_hands_it_over(browser: Open, leaver: Member) -> None:
    heir = make_member(leaver.agency_id, name="後任 花子")
    client = browser(make_member(leaver.agency_id, Role.AGENCY_ADMIN))
    address = f"/accounts/{leaver.staff_id}/disable"
    page = client.get(address)
    assert len(re.findall(r"\b1件", words_of(page))) == 5
    assert "波止場" not in page.text
    assert "後任 花子" in page.text

    undecided = client.post(address)
    assert undecided.status_code == 409
    assert "引き継ぐ人を選んでください" in undecided.text
    assert not is_disabled(leaver.staff_id)
    client.post(address, data={"heir": str(make_member().staff_id)})
    assert not is_disabled(leaver.staff_id)

    assert client.post(address, data={"heir": str(heir.staff_id)}).status_code == 303
    assert is_disabled(leaver.staff_id)
    assert belongings(leaver.staff_id) == (0, 0, 0, 0, 0)
    assert belongings(heir.staff_id) == (1, 1, 1, 1, 1)
    with db.transaction() as session:
        noted = set(session.scalars(select(AuditEntry.event)).all())
    assert {"case:updated", "referral:assigned", "outcome:changed", "roster:changed"} <= noted


def test_to_nobody_is_said_and_then_colleagues_find_it(browser: Open, leaver: Member) -> None:
    colleague = browser(make_member(leaver.agency_id))
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    assert client.post(f"/accounts/{leaver.staff_id}/disable", data={"heir": "none"}).status_code == 303
    assert belongings(leaver.staff_id) == (0, 0, 0, 0, 0)
    page = colleague.get("/").text
    assert len(set(re.findall(r"/referrals/[0-9a-f-]{36}/take", page))) == 2


def test_moving_hands_over_and_a_change_of_name_does_not(browser: Open, leaver: Member) -> None:
    heir = make_member(leaver.agency_id)
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    address = f"/accounts/{leaver.staff_id}/edit"
    form = {"name": "改名 花子", "role": "staff", "agency": str(leaver.agency_id), "version": "1"}
    assert client.post(address, data=form).status_code == 303
    assert belongings(heir.staff_id)[0] == 0
    moved = form | {"agency": str(make_agency().id), "version": "2"}
    assert client.post(address, data=moved).status_code == 409
    assert client.post(address, data=moved | {"heir": str(heir.staff_id)}).status_code == 303
    assert belongings(heir.staff_id) == (1, 1, 1, 1, 1)


def test_who_is_excluded_does_not_inherit(leaver: Member) -> None:
    heir = make_member(leaver.agency_id)
    admin = make_member(leaver.agency_id, Role.AGENCY_ADMIN)
    with db.transaction() as session:
        person_id = session.scalars(select(Case.person_id).where(Case.agency_id == leaver.agency_id)).one()
    exclusions.exclude(leaver.actor, person_id, heir.staff_id, Why.RELATIVE, "いとこです。")
    services.disable(admin.actor, leaver.staff_id, heir_id=heir.staff_id)
    assert belongings(heir.staff_id)[0] == 0
    assert belongings(leaver.staff_id)[0] == 0


def test_nothing_is_taken_away_when_the_handing_over_fails(leaver: Member) -> None:
    admin = make_member(leaver.agency_id, Role.AGENCY_ADMIN)
    with pytest.raises(Conflict):
        services.update(
            admin.actor, leaver.staff_id, name="見本", post=Post(Role.AGENCY_ADMIN, leaver.agency_id)
        )
    with db.transaction() as session:
        assert accounts.membership_of(session, leaver.staff_id).role is Role.STAFF
