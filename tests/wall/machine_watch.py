"""What the agencies are shown, and what must hold after every step of theirs."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from uuid import UUID

from hypothesis.stateful import (
    invariant,
    rule,
)
from sqlalchemy import select

from portal.core.db import db
from portal.disclosures import services as disclosures
from portal.disclosures.people import BasicView, Withheld
from portal.disclosures.queries import lives_for
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import queries, reading
from portal.referrals.models import Referral
from portal.wall import predicates
from tests.factories import Member
from tests.wall import oracle
from tests.wall.machine import people_, referrals_, who
from tests.wall.machine_meetings import Convening

KEPT = {
    "disclosure": "id, person_id, from_agency_id, to_agency_id, basis, consent_id, source_id, starts_at, ends_at,"
    " ended_at",
    "consent": "id, person_id, agency_id, purpose, valid_from, valid_until, replaces_id",
    "withdrawal": "id, consent_id, recipient_id, withdrawn_at, reason",
    "referral_event": "id, referral_id, agency_id, what, text",
}
# Built once, as the pages do: the reader and the moment are bound each time.
PEOPLE = select(
    Person.id,
    predicates.present(predicates.READER, predicates.NOW, Person).label("knows"),
    *(
        predicates.sees(predicates.READER, Category(c), predicates.NOW, Person).label(c)
        for c in oracle.CATEGORIES
    ),
)
REFERRALS = select(
    Referral.id, lives_for(Referral.id, Referral.to_agency_id, predicates.NOW).label("live")
).where(queries.visible_to(predicates.READER))


class Agencies(Convening):
    """The whole machine."""

    # What is shown

    @rule(who=who, person=people_)
    def look_at_person(self, who: int, person: UUID) -> None:
        me, now = self.ids[who], self.now + timedelta(seconds=1)
        may = self.model.knows_of(me, person, now)
        view = self.tried(may, lambda: disclosures.show(self.members[who].actor, person))
        if not may:
            return
        shown = {category.value for category in view.visible_categories}
        assert shown == {c for c in oracle.CATEGORIES if self.model.sees(me, person, c, now)}
        if isinstance(view.basic, BasicView):
            open_ = self.model.sees_address(me, person, now)
            assert (view.basic.address is not Withheld.PROTECTED) == open_
            assert (view.basic.telephone is not Withheld.PROTECTED) == open_

    @rule(who=who, referral=referrals_)
    def look_at_referral(self, who: int, referral: UUID) -> None:
        me, now = self.ids[who], self.now + timedelta(seconds=1)
        may = self.model.has_referral(me, referral)
        found = self.tried(may, lambda: reading.show(self.members[who].actor, referral))
        if not may:
            return
        view, _news = found
        readable = self.model.reads_words(me, referral, now)
        assert (view.need is not Withheld.ENDED) == readable
        theirs = [line for line in view.timeline if not line.mine and line.text]
        for line in theirs:
            assert (line.text is not Withheld.ENDED) == self.model.reads_line(me, referral, line.at, now)
        assert (view.person is not None) == self.model.knows_whom(me, referral, now)

    # What holds after every step

    @invariant()
    def the_wall_stands(self) -> None:
        if not hasattr(self, "ids"):
            return
        tables = oracle.learn(self.rows)
        db.end()
        for member, me in zip(self.members, self.ids, strict=True):
            self.people_are_as_they_should(member, me, tables)
            self.referrals_are_as_they_should(member, me, tables)
            self.agendas_are_as_they_should(member, me)
        db.end()

    def people_are_as_they_should(self, member: Member, me: UUID | None, tables: oracle.Oracle) -> None:
        rows = {row.id: row for row in db.read().execute(PEOPLE, predicates.bound(member.actor, self.now))}
        assert rows.keys() == self.model.homes.keys()
        for person, category in product(rows, oracle.CATEGORIES):
            said = self.model.sees(me, person, category, self.now)
            assert bool(getattr(rows[person], category)) == said
            assert tables.sees(me, person, category, self.now, member.staff_id) == said
        for person, row in rows.items():
            said = self.model.knows_of(me, person, self.now)
            assert bool(row.knows) == said == tables.knows_of(me, person, self.now, member.staff_id)

    def referrals_are_as_they_should(self, member: Member, me: UUID | None, tables: oracle.Oracle) -> None:
        mine = db.read().execute(REFERRALS, predicates.bound(member.actor, self.now))
        rows = {row.id: row.live for row in mine}
        for referral in self.model.referrals:
            assert (referral in rows) == self.model.has_referral(me, referral)
            assert (referral in rows) == tables.has_referral(me, referral)
            if referral in rows:
                assert bool(rows[referral]) == self.is_live(referral, self.now)
            now = self.now
            assert self.model.reads_words(me, referral, now) == tables.reads_words(me, referral, now)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Lines of the ledger, consents and withdrawals stay as they were written; a line may only end."""
        for table, columns in KEPT.items():
            found = {row[0]: row for row in self.rows(f"SELECT {columns} FROM {table}")}  # noqa: S608
            for row_id, before in self.ledger.get(table, {}).items():
                now = found[row_id]
                if table == "disclosure" and before[-1] is None:
                    before, now = before[:-1], now[:-1]
                assert now == before
            self.ledger[table] = found
        entries, last, head = self.rows(
            "SELECT count(*), coalesce(max(seq), 0), (SELECT seq FROM audit_head) FROM audit_entry"
        )[0]
        assert entries == last == head >= self.entries
        self.entries = entries
