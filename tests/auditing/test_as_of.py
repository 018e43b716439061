"""As of any moment: the history of the wall says what the wall itself said when the clock stood there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents import services as disclosures
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import as_of
from portal.disclosures import services as disclosure_services
from portal.disclosures.as_of import Gone, Past
from portal.disclosures.models import Basis, Channel, Disclosure
from portal.exclusions.models import Conflict, Exclusion
from portal.meetings.packets import services as packet_services
from portal.meetings.states import MeetingKind
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_item, make_meeting, name_member, take_step
from tests.wall.grounds import Town

Clock = Callable[..., None]
Answer = tuple[UUID, UUID, Category]


def said(readers: Iterable[Member], people: Iterable[UUID]) -> set[Answer]:
    """Who sees which category of whom, by the wall of this moment."""
    now, wanted = clock.now(), set(people)
    found: set[Answer] = set()
    for reader in readers:
        for category in Category:
            seen = db.unrestricted.scalars(
                select(Person.id).where(predicates.sees(reader.actor, category, now, Person))
            )
            found |= {(reader.staff_id, person, category) for person in wanted & set(seen)}
    db.end()
    return found


def history(people: Iterable[UUID]) -> dict[UUID, Past]:
    found = {person: as_of.load(db.unrestricted(), person)[0] for person in people}
    db.end()
    return found


def remembered(readers: Iterable[Member], pasts: dict[UUID, Past], moment: datetime) -> set[Answer]:
    return {
        (reader.staff_id, person, category)
        for person, past in pasts.items()
        for reader in readers
        for category in Category
        if past.sees(reader.agency_id, reader.staff_id, category, moment)
    }


def caseworkers(readers: Iterable[Member]) -> list[Member]:
    return [reader for reader in readers if reader.actor.role in {Role.STAFF, Role.COORDINATOR}]


def test_now_it_is_the_wall_on_every_ground(app: Flask, at: Clock) -> None:
    at("2026-04-06T10:00", tick=False)
    town = Town()
    town.meet(MeetingKind.STATUTORY)
    readers, people = caseworkers(town.readers.values()), set(town.people.values())
    for later in (timedelta(), timedelta(hours=14), timedelta(days=11), timedelta(days=200)):
        at(datetime(2026, 4, 6, 1, tzinfo=clock.JAPAN) + timedelta(hours=9) + later, tick=False)
        truth = said(readers, people)
        assert remembered(readers, history(people), clock.now()) == truth
        assert truth


@dataclass
class Story:
    """A year in which everything happens that opens or shuts a record, and what the wall said on the way."""

    at: Clock
    now: datetime = datetime(2026, 4, 6, 9, 0, tzinfo=clock.JAPAN)
    spoken: list[tuple[datetime, set[Answer]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go(timedelta())
        self.home, self.one, self.other = (make_member(make_agency(), Role.COORDINATOR) for _ in range(3))
        self.colleague = make_member(self.one.agency_id)
        self.readers = [self.home, self.one, self.other, self.colleague, make_member(self.home.agency_id)]
        self.people = [make_person(self.home) for _ in range(6)]
        self.ask()
        self.go(timedelta(minutes=5))

    def go(self, by: timedelta) -> None:
        self.now += by
        self.at(self.now, tick=False)

    def ask(self) -> None:
        self.spoken.append((clock.now(), said(self.readers, self.people)))

    def run(self) -> None:
        dice = random.Random(4)
        for act in (
            *(self.refer, self.renew, self.withdraw_for_one, self.withdraw, self.refuse, self.transfer),
            *(self.council, self.emergency, self.exclude, self.lift, self.close_council, self.idle),
        ):
            act()
            self.ask()
            self.go(timedelta(minutes=dice.randrange(1, 100_000)))
            self.ask()
            self.go(timedelta(microseconds=1))
        self.go(timedelta(days=400))
        self.ask()

    def refer(self) -> None:
        whole = ("basic", "health", "finances")
        self.consents = [
            make_consent(self.home, person, [self.one, self.other], whole) for person in self.people[:5]
        ]
        self.referrals = [
            make_referral(
                self.home, to, person_id=person, consent_id=consent, categories=("basic", "health"), kind=kind
            )
            for person, consent, to, kind in zip(
                self.people,
                self.consents,
                [self.one, self.one, self.other, self.one, self.one],
                ["referral", "referral", "referral", "referral", "transfer"],
                strict=False,
            )
        ]
        make_referral(self.home, self.other, person_id=self.people[0], consent_id=self.consents[0])

    def renew(self) -> None:
        narrower = ("basic", "health")
        make_consent(self.home, self.people[0], [self.one], narrower[:1])
        self.renewed = disclosure_services.record_consent(
            self.home.actor, self.people[1], terms(self.one, narrower[:1]), replaces=self.consents[1]
        )

    def withdraw_for_one(self) -> None:
        assert self.one.agency_id
        disclosure_services.withdraw_consent(
            self.home.actor, self.consents[0], recipients={self.one.agency_id}
        )

    def withdraw(self) -> None:
        disclosure_services.withdraw_consent(self.home.actor, self.consents[2])

    def refuse(self) -> None:
        step(self.one, self.referrals[3], "reject")

    def transfer(self) -> None:
        step(self.one, self.referrals[4], "accept")

    def council(self) -> None:
        self.meeting = make_meeting(
            self.home, [self.one], kind=MeetingKind.STATUTORY, starts_at=clock.now() + timedelta(days=90)
        )
        name_member(self.home, self.meeting, self.colleague, agreed=True)
        make_item(self.home, self.meeting, person_id=self.people[5], categories=("basic", "finances"))
        take_step(self.home, self.meeting, "announce")
        packet_services.open_packet(self.colleague.actor, self.meeting)

    def emergency(self) -> None:
        with db.transaction():
            disclosure_services.disclose(
                self.other.actor,
                person_id=self.people[5],
                to_agency_id=self.other.agency_id or UUID(int=0),
                to_staff_id=self.other.staff_id,
                basis=Basis.EMERGENCY,
                categories=[Category.BASIC],
                channel=Channel.EMERGENCY,
                teller=(self.home.agency_id or UUID(int=0), self.other.staff_id),
                until=clock.now() + timedelta(minutes=60),
            )

    def exclude(self) -> None:
        assert self.home.agency_id
        with db.transaction() as session:
            self.exclusion = Exclusion(
                person_id=self.people[0],
                staff_id=self.readers[-1].staff_id,
                agency_id=self.home.agency_id,
                made_by_id=self.home.staff_id,
                conflict=Conflict.RELATIVE,
            )
            session.add(self.exclusion)
            audit.record(AuditEvent.EXCLUSION_MADE, self.exclusion, actor=self.home.actor)

    def lift(self) -> None:
        with db.transaction() as session:
            row = session.get_one(Exclusion, self.exclusion.id)
            row.lifted_at, row.lifted_by_id = clock.now(), self.home.staff_id
            audit.record(AuditEvent.EXCLUSION_LIFTED, row, actor=self.home.actor)

    def close_council(self) -> None:
        for action in ("begin", "close", "approve"):
            take_step(self.home, self.meeting, action)

    def idle(self) -> None:
        """Nothing happens, and time goes by."""


def terms(to: Member, categories: Iterable[str]) -> disclosures.ConsentTerms:
    assert to.agency_id
    return disclosures.ConsentTerms(
        recipients=frozenset({to.agency_id}),
        categories=frozenset(Category(one) for one in categories),
        valid_from=clock.today(),
        valid_until=clock.today() + timedelta(days=90),
        method="written",  # type: ignore[arg-type]
        purpose="支援の調整のため",
    )


@pytest.fixture
def story(app: Flask, at: Clock) -> Story:
    story = Story(at)
    story.run()
    return story


def test_then_it_is_what_the_wall_said_then(story: Story) -> None:
    pasts = history(story.people)
    answers = set()
    for moment, truth in story.spoken:
        assert remembered(story.readers, pasts, moment) == truth, moment
        answers.add(frozenset(truth))
    assert len(answers) >= 10, "a story in which nothing changes proves nothing"


def test_each_ground_that_was_there_is_said_with_what_ended_it(story: Story) -> None:
    pasts = history(story.people)
    gone = {
        ground.gone for past in pasts.values() for sight in past.sights(clock.now()) for ground in sight.past
    }
    assert gone == set(Gone) - {Gone.GIVEN_BACK}


def test_the_table_and_the_rule_say_the_same(story: Story) -> None:
    pasts = history(story.people)
    for moment, _wise in story.spoken:
        for past in pasts.values():
            seen = {(s.agency_id, s.staff_id, c) for s in past.sights(moment) for c in s.categories}
            for reader in story.readers:
                if any(one.staff_id == reader.staff_id for one in past.excluded_at(moment)):
                    continue
                for category in Category:
                    listed = {
                        (reader.agency_id, None, category),
                        (reader.agency_id, reader.staff_id, category),
                    }
                    assert bool(listed & seen) == past.sees(
                        reader.agency_id, reader.staff_id, category, moment
                    )


def test_before_the_record_was_made_nobody_saw_anything(app: Flask, at: Clock) -> None:
    at("2026-04-06T10:00", tick=False)
    member = make_member()
    past = history([make_person(member)]).popitem()[1]
    before = clock.now() - timedelta(seconds=1)
    assert past.sights(before) == []
    assert not past.sees(member.agency_id, member.staff_id, Category.BASIC, before)
    assert past.sees(member.agency_id, member.staff_id, Category.BASIC, clock.now())


def test_an_emergency_given_back_is_said_so(app: Flask, at: Clock) -> None:
    story = Story(at)
    story.emergency()
    story.go(timedelta(minutes=20))
    with db.transaction() as session:
        line = session.scalars(select(Disclosure).where(Disclosure.basis == Basis.EMERGENCY)).one()
        line.ended_at = clock.now()
        audit.record(AuditEvent.DISCLOSURE_ENDED, line, actor=story.other.actor)
    past = history([story.people[5]]).popitem()[1]
    (sight,) = [one for one in past.sights(clock.now()) if one.staff_id == story.other.staff_id]
    assert [ground.gone for ground in sight.past] == [Gone.GIVEN_BACK]
