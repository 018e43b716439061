"""The wall in Python, the wall in SQL and the oracle: the same answer on every combination of what can differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, select

from portal.agencies.models import Agency
from portal.consents import queries as consent_queries
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import rule
from portal.disclosures.models import Basis, Disclosure, DisclosureCategory
from portal.disclosures.queries import lives_for
from portal.exclusions.models import Conflict, Exclusion
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates
from tests.factories import Member, make_member
from tests.wall import oracle

pytestmark = pytest.mark.either_database

# The last day in Japan ends at 15:00 UTC: the moments lie close around it and around the beginning.
BEGINS = datetime(2026, 6, 10, 3, 0, tzinfo=UTC)
LAST_DAY = date(2026, 6, 30)
ENDS = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)
LINES = (Disclosure, DisclosureCategory)
TICK = timedelta(microseconds=1)
MOMENTS = (BEGINS - TICK, BEGINS, BEGINS + timedelta(days=9), ENDS - TICK, ENDS, ENDS + timedelta(days=1))
DAYS = (
    (date(2026, 6, 1), LAST_DAY),
    (date(2026, 6, 10), date(2026, 6, 10)),
    (date(2026, 6, 11), LAST_DAY),
    (date(2026, 6, 1), date(2026, 6, 18)),
    (date(2026, 6, 1), date(2026, 7, 31)),
)


@dataclass(frozen=True)
class Fact:
    """One way in which a line of the ledger and its consent can stand."""

    basis: Basis
    to_me: bool
    tells_health: bool
    open_ended: bool
    ended: bool
    days: tuple[date, date] = DAYS[0]
    names_me: bool = True
    covers_health: bool = True
    withdrawn: str = "no"
    replaced: bool = False
    member: str = ""  # of a council, an emergency: "me", "colleague" (another of their agency), "" nobody


def combinations() -> list[Fact]:
    yes_no = (True, False)
    plain = [Fact(*each) for each in product(Basis, yes_no, yes_no, yes_no, yes_no)]
    consents = [
        replace(fact, days=days, names_me=names, covers_health=covers, withdrawn=withdrawn, replaced=again)
        for fact in plain
        if fact.basis is Basis.CONSENT
        for days, names, covers, withdrawn, again in product(
            DAYS, yes_no, yes_no, ("no", "all", "me", "other"), yes_no
        )
    ]
    personal = [
        replace(fact, member=member)
        for fact in plain
        if fact.basis in {Basis.COUNCIL, Basis.EMERGENCY}
        for member in ("me", "colleague")
    ]
    return [fact for fact in plain if fact.basis is not Basis.CONSENT] + consents + personal


class World:
    """Every combination, a person each; all of `home`, told to `me` or to `other`."""

    def __init__(self) -> None:
        self.home, self.me, self.other = make_member(), make_member(), make_member()
        self.colleague = make_member(self.me.agency_id)
        # Works where the record is kept, and where it was told to; shut out of every person's affairs.
        self.excluded = (make_member(self.home.agency_id), make_member(self.me.agency_id))
        self.facts = {uuid4(): fact for fact in combinations()}
        self.consent_of: dict[UUID, UUID] = {}
        self.rows: dict[Any, list[dict[str, Any]]] = {}
        for number, (person_id, fact) in enumerate(self.facts.items()):
            self.note_person(person_id, number)
            if fact.basis is Basis.CONSENT:
                self.note_consent(person_id, fact)
            self.note_line(person_id, fact)
            self.note_exclusions(person_id)
        with db.engine.begin() as connection:
            for model in (Person, Consent, ConsentRecipient, ConsentCategory, Withdrawal, Exclusion, *LINES):
                connection.execute(insert(model.__table__), self.rows[model])

    def note(self, model: Any, **row: Any) -> None:
        self.rows.setdefault(model, []).append(row)

    def note_person(self, person_id: UUID, number: int) -> None:
        self.note(
            Person,
            **{c.name: "" for c in Person.__table__.columns if str(c.type) == "TEXT"},
            **dict.fromkeys(("contact_prohibited", "protected_address", "is_identified"), False),
            id=person_id,
            created_at=BEGINS,
            version=1,
            birth=None,
            home_agency_id=self.home.agency_id,
            registered_by_id=self.home.staff_id,
        )
        self.rows[Person][-1] |= {"number": f"n{number}", "pseudonym": "見本"}

    def note_consent(self, person_id: UUID, fact: Fact) -> None:
        consent_id = self.consent_of[person_id] = uuid4()
        self.write_consent(consent_id, person_id, fact, None)
        told = [self.me, self.other] if fact.names_me else [self.other]
        for one in told:
            self.note(ConsentRecipient, consent_id=consent_id, agency_id=one.agency_id)
        for category in [Category.BASIC, *([Category.HEALTH] if fact.covers_health else [])]:
            self.note(ConsentCategory, consent_id=consent_id, category=category)
        if fact.withdrawn != "no":
            taken = {"all": None, "me": self.me.agency_id, "other": self.other.agency_id}[fact.withdrawn]
            self.note(
                Withdrawal,
                id=uuid4(),
                created_at=BEGINS,
                consent_id=consent_id,
                recipient_id=taken,
                agency_id=self.home.agency_id,
                recorded_by_id=self.home.staff_id,
                withdrawn_at=BEGINS,
                reason="",
            )
        if fact.replaced:
            self.write_consent(uuid4(), person_id, fact, consent_id)

    def write_consent(self, consent_id: UUID, person_id: UUID, fact: Fact, replaces: UUID | None) -> None:
        self.note(
            Consent,
            **{c.name: "" for c in Consent.__table__.columns if str(c.type) == "TEXT"},
            id=consent_id,
            created_at=BEGINS,
            person_id=person_id,
            method="written",
            agency_id=self.home.agency_id,
            recorded_by_id=self.home.staff_id,
            valid_from=fact.days[0],
            valid_until=fact.days[1],
            replaces_id=replaces,
        )

    def note_line(self, person_id: UUID, fact: Fact) -> None:
        line_id = uuid4()
        self.note(
            Disclosure,
            id=line_id,
            created_at=BEGINS,
            person_id=person_id,
            basis=fact.basis,
            from_agency_id=self.home.agency_id,
            made_by_id=self.home.staff_id,
            to_agency_id=(self.me if fact.to_me else self.other).agency_id,
            to_staff_id=self.member_of(fact),
            channel="referral",
            consent_id=self.consent_of.get(person_id),
            source_id=person_id,
            starts_at=BEGINS,
            ends_at=None if fact.open_ended else ENDS,
            ended_at=BEGINS if fact.ended else None,
        )
        for category in [Category.BASIC, *([Category.HEALTH] if fact.tells_health else [])]:
            self.note(DisclosureCategory, disclosure_id=line_id, category=category)

    def note_exclusions(self, person_id: UUID) -> None:
        """Those who are out; and one of `me` who was let in again."""
        for staff, lifted in (*((one, None) for one in self.excluded), (self.me, BEGINS)):
            self.note(
                Exclusion,
                id=uuid4(),
                created_at=BEGINS,
                person_id=person_id,
                staff_id=staff.staff_id,
                agency_id=staff.agency_id,
                made_by_id=self.home.staff_id,
                conflict=Conflict.RELATIVE,
                reason="",
                lifted_at=lifted,
                lifted_by_id=None,
                lifted_why="",
            )

    def member_of(self, fact: Fact) -> UUID | None:
        return {"me": self.me.staff_id, "colleague": self.colleague.staff_id}.get(fact.member)

    def python(self, fact: Fact) -> rule.DisclosureFacts:
        """The same line as `rule.py` wants it."""
        me, other = self.me.agency_id, self.other.agency_id
        assert me
        assert other
        consent = None
        if fact.basis is Basis.CONSENT:
            withdrawn: dict[str, set[UUID | None]] = {
                "no": set(),
                "all": {None},
                "me": {me},
                "other": {other},
            }
            consent = rule.ConsentFacts(
                recipients={me, other} if fact.names_me else {other},
                categories={Category.BASIC, Category.HEALTH} if fact.covers_health else {Category.BASIC},
                valid_from=fact.days[0],
                valid_until=fact.days[1],
                withdrawn_for=withdrawn[fact.withdrawn],
                is_replaced=fact.replaced,
            )
        return rule.DisclosureFacts(
            to_agency_id=me if fact.to_me else other,
            basis=fact.basis,
            categories={Category.BASIC, Category.HEALTH} if fact.tells_health else {Category.BASIC},
            starts_at=BEGINS,
            ends_at=None if fact.open_ended else ENDS,
            ended_at=BEGINS if fact.ended else None,
            to_staff_id=self.member_of(fact),
            consent=consent,
        )


def seen(reader: Member, category: Category, now: datetime) -> set[UUID]:
    """By a statement for this reader, and by one that was built beforehand for any."""
    found = set(
        db.read().scalars(select(Person.id).where(predicates.sees(reader.actor, category, now, Person)))
    )
    ready = select(Person.id).where(predicates.sees(predicates.READER, category, predicates.NOW, Person))
    assert set(db.read().scalars(ready, predicates.bound(reader.actor, now))) == found
    return found


def known(reader: Member, now: datetime) -> set[UUID]:
    found = set(db.read().scalars(select(Person.id).where(predicates.present(reader.actor, now, Person))))
    ready = select(Person.id).where(predicates.present(predicates.READER, predicates.NOW, Person))
    assert set(db.read().scalars(ready, predicates.bound(reader.actor, now))) == found
    return found


def test_the_rule_the_sql_and_the_oracle_agree_everywhere(app: Flask, copied: Callable[..., World]) -> None:
    world = copied(World)
    truth = oracle.read(app.config["DATABASE_URL"])
    home = world.home.agency_id
    assert home
    both_answers = set()
    for now, reader, category in product(
        MOMENTS,
        (world.me, world.colleague, world.other, world.home, *world.excluded),
        (Category.BASIC, Category.HEALTH, Category.FINANCES),
    ):
        sql = seen(reader, category, now)
        for person_id, fact in world.facts.items():
            line, mine, me = world.python(fact), reader.agency_id, reader.staff_id
            python = rule.is_visible(
                mine, me, home, [line], category, now, is_excluded=reader in world.excluded
            )
            said = truth.sees(mine, person_id, category.value, now, me)
            assert python == (person_id in sql) == said, (fact, now, reader is world.me, category)
            both_answers.add((reader is world.home, said))
    assert both_answers == {(False, True), (False, False), (True, True)}


def test_who_may_know_of_a_person_is_as_the_oracle_says(app: Flask, copied: Callable[..., World]) -> None:
    world = copied(World)
    truth = oracle.read(app.config["DATABASE_URL"])
    readers = (world.me, world.colleague, world.other, world.home, make_member(), *world.excluded)
    for now, reader in product(MOMENTS, readers):
        mine, me = reader.agency_id, reader.staff_id
        assert known(reader, now) == {p for p in world.facts if truth.knows_of(mine, p, now, me)}


def test_a_live_line_is_live_in_the_list_of_lines_too(app: Flask, copied: Callable[..., World]) -> None:
    """`lives_for` decides what of a referral may be read: it must die with the line."""
    world = copied(World)
    truth = oracle.read(app.config["DATABASE_URL"])
    by_person = {person: line for person, (line,) in truth.lines.items()}
    for now, reader in product(MOMENTS, (world.me, world.other)):
        here = select(Person.id).join(Agency, Agency.id == reader.agency_id)
        sql = set(db.read().scalars(here.where(lives_for(Person.id, Agency.id, now))))
        assert sql == {
            p for p, line in by_person.items() if line.told == reader.agency_id and truth.is_alive(line, now)
        }


def test_a_consent_that_may_carry_a_new_telling_is_one_that_covers(
    app: Flask, copied: Callable[..., World]
) -> None:
    world = copied(World)
    truth = oracle.read(app.config["DATABASE_URL"])
    tried = {world.facts[p]: p for p in world.consent_of}
    kinds = {(f.days, f.names_me, f.withdrawn, f.replaced): p for f, p in tried.items()}
    assert len(kinds) == len(DAYS) * 2 * 4 * 2
    for now, reader in product((BEGINS, ENDS - TICK, ENDS), (world.me, world.other)):
        assert reader.agency_id
        for person_id in kinds.values():
            found = consent_queries.covering(person_id, reader.agency_id, now.astimezone(oracle.JAPAN).date())
            sql = {consent.id for consent in db.read().scalars(found)}
            told = {c for c, one in truth.consents.items() if one.person == person_id}
            assert sql == {c for c in told if truth.consents[c].covers(reader.agency_id, now)}


def test_those_without_casework_see_nobody(app: Flask, copied: Callable[..., World]) -> None:
    world = copied(World)
    now = BEGINS + timedelta(days=1)
    assert seen(world.home, Category.BASIC, now)
    for role in (Role.AGENCY_ADMIN, Role.AUDITOR, Role.SYSTEM_ADMIN):
        agency = world.home.agency_id if role is Role.AGENCY_ADMIN else None
        reader = make_member(agency, role)
        assert seen(reader, Category.BASIC, now) == set()
        assert known(reader, now) == set()
