"""People whose whole story lies years back, told through the services as it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from portal.cases import services as cases
from portal.cases.codes import Domain, Milestone, Outcome
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.people import services as people
from portal.people.categories import Category, Relation
from portal.people.services import Basics
from portal.retention import services
from portal.retention.models import ErasureGround
from tests.activity_factories import make_activity, make_attendance
from tests.factories import (
    Member,
    make_agency,
    make_case,
    make_member,
    make_note,
    make_referral,
)
from tests.meeting_factories import make_item, make_meeting, make_outcome, take_step

# Found nowhere else in the database.
CANARIES = {
    "family": "鳥籠",
    "given": "消去子",
    "family_kana": "とりかご",
    "given_kana": "けしこ",
    "address": "籠町一丁目七番の十三",
    "telephone": "090-0000-7777",
    "household": "カナリヤの父と二人",
    "sex": "カナリヤ性",
    "contact_prohibited_reason": "カナリヤには電話しない",
}
WORDS = ["鳥籠", "消去子", "とりかご", "トリカゴ", "籠町", "090-0000-7777", "カナリヤ", "1971-07-07"]


@dataclass(frozen=True)
class Office:
    """One agency with those who can propose and agree, and another agency."""

    worker: Member
    second: Member
    admin: Member
    other: Member


def make_office() -> Office:
    agency = make_agency()
    return Office(
        worker=make_member(agency),
        second=make_member(agency, Role.COORDINATOR),
        admin=make_member(agency, Role.AGENCY_ADMIN),
        other=make_member(),
    )


@contextmanager
def years_ago(years: float) -> Iterator[datetime]:
    with clock.frozen(clock.now() - timedelta(days=round(years * 365.25))) as then:
        yield then


def register(office: Office, **basics: object) -> UUID:
    given = {**CANARIES, "contact_prohibited": True, "birth": date(1971, 7, 7), **basics}
    return people.register(office.worker.actor, Basics(**given))  # type: ignore[arg-type]


def old_life(office: Office, *, years: float = 12, told: bool = True) -> UUID:
    """Somebody who was helped, referred, spoken of and let go, all of it long ago. Texts hold a canary."""
    with years_ago(years):
        who = register(office)
        mother = people.register(
            office.worker.actor, Basics(family="見本", given="母", family_kana="みほん", given_kana="はは")
        )
        people.tie_family(office.worker.actor, who, mother, Relation.PARENT)
        people.update_information(office.worker.actor, who, Category.HEALTH, text="カナリヤの持病")
        case_id = make_case(office.worker, who)
        cases.set_goal(office.worker.actor, case_id, Domain.DAILY, "カナリヤと話す")
        make_note(office.worker, case_id, text="カナリヤの家を訪ねた")
        cases.note_milestone(office.worker.actor, case_id, Milestone.EMPLOYED, text="カナリヤの仕事")
        make_attendance(office.worker, make_activity(office.worker), who, note="カナリヤは笑った")
        if told:
            make_referral(
                office.worker,
                office.other,
                status="completed",
                person_id=who,
                need="カナリヤの居場所がほしい",
            )
            meeting = make_meeting(office.second, [office.other], status="in_session")
            item = make_item(
                office.worker, meeting, person_id=who, title="カナリヤさん", minutes_text="カナリヤは元気"
            )
            make_outcome(office.worker, item, text="カナリヤに電話する")
            take_step(office.second, meeting, "close")
            take_step(office.second, meeting, "approve")
        cases.close_case(office.worker.actor, case_id, outcome=Outcome.EMPLOYED, text="カナリヤは働き始めた")
    if told:
        with years_ago(years - 0.01):
            theirs = make_case_elsewhere(office, who)
            assert theirs is None or theirs
    db.end()
    return who


def make_case_elsewhere(office: Office, who: UUID) -> UUID | None:
    """The recipient closed what it opened on acceptance."""
    for case in db.unrestricted().scalars(
        select(Case).where(Case.person_id == who, Case.agency_id == office.other.agency_id)
    ):
        make_note(office.other, case.id, text="カナリヤは落ち着いた")
        cases.close_case(office.other.actor, case.id, outcome=Outcome.IMPROVED, text="カナリヤを送り出した")
        return case.id
    return None


def propose(office: Office, who: UUID, ground: str = "period_over", by: Member | None = None) -> UUID:
    erasure_id = services.propose(
        (by or office.worker).actor, who, ErasureGround(ground), "カナリヤの期間が過ぎた"
    )
    db.end()
    return erasure_id


def erase(office: Office, who: UUID, ground: str = "period_over") -> UUID:
    erasure_id = propose(office, who, ground)
    services.erase(office.second.actor, erasure_id)
    db.end()
    return erasure_id
