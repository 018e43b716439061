"""Two who act at once: erasing against referring, erasing twice, agreeing against declining."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.policy import Role
from portal.people.models import Person
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from portal.retention import services
from portal.retention.models import Erasure, ErasureGround
from tests.factories import make_case, make_member, make_referral
from tests.retention.lives import Office, make_office, old_life, propose
from tests.wall.test_races import together

pytestmark = pytest.mark.both_databases

TRIES = 6


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office()


def erased(who: UUID) -> bool:
    is_erased = db.read.get_one(Person, who).erased_at is not None
    db.end()
    return is_erased


def test_erasing_against_a_new_referral_one_of_them_wins(office: Office) -> None:
    """Never a referral of somebody without a name, never an erasure under an open one."""
    for _ in range(TRIES):
        who = old_life(office, told=False)
        erasure_id = propose(office, who)
        both = together(
            lambda: services.erase(office.second.actor, erasure_id),  # noqa: B023 - they end in this turn
            lambda: make_referral(
                office.worker,
                office.other,
                status="draft",
                person_id=who,  # noqa: B023
                basis="anonymous",
                kind="advice",
                need="一緒に考えてほしい",
            ),
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1, [one.error for one in both]
        assert isinstance(losers[0], Conflict)
        drafts = db.read.scalars(
            select(Referral.id).where(Referral.person_id == who, Referral.status == ReferralStatus.DRAFT)
        ).all()
        db.end()
        assert bool(drafts) != erased(who)


def test_erasing_against_a_new_case_one_of_them_wins(office: Office) -> None:
    for _ in range(TRIES):
        who = old_life(office, told=False)
        erasure_id = propose(office, who)
        both = together(
            lambda: services.erase(office.second.actor, erasure_id),  # noqa: B023
            lambda: make_case(office.worker, who),  # noqa: B023
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], Conflict)


def test_agreed_to_twice_at_once_it_is_done_once(office: Office) -> None:
    another = make_member(office.worker.agency_id, Role.COORDINATOR)
    who = old_life(office, told=False)
    erasure_id = propose(office, who)
    both = together(
        lambda: services.erase(office.second.actor, erasure_id),
        lambda: services.erase(another.actor, erasure_id),
    )
    losers = [one.error for one in both if one.error]
    assert len(losers) == 1
    assert isinstance(losers[0], Conflict)
    found = select(func.count()).select_from(AuditEntry).where(AuditEntry.event == "person:erased")
    assert db.read.scalar(found) == 1


def test_agreeing_against_declining_one_of_them_wins(office: Office) -> None:
    for _ in range(TRIES):
        who = old_life(office, told=False)
        erasure_id = propose(office, who)
        both = together(
            lambda: services.erase(office.second.actor, erasure_id),  # noqa: B023
            lambda: services.drop(office.admin.actor, erasure_id),  # noqa: B023
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], Conflict)
        row = db.read.get_one(Erasure, erasure_id)
        assert (row.done_at is None) != (row.dropped_at is None)
        done = row.done_at is not None
        db.end()
        assert erased(who) == done


def test_proposed_twice_at_once_it_waits_once(office: Office) -> None:
    who = old_life(office, told=False)
    both = together(
        lambda: services.propose(office.worker.actor, who, ErasureGround.PERIOD_OVER, "期間満了"),
        lambda: services.propose(office.second.actor, who, ErasureGround.PERIOD_OVER, "期間満了"),
    )
    losers = [one.error for one in both if one.error]
    assert len(losers) == 1
    assert isinstance(losers[0], Conflict)
    assert len(db.read.scalars(select(Erasure)).all()) == 1
