"""Meetings of the town's agencies: convened, filled, announced, sworn for, opened, approved, called off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from portal.core.db import db
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.packets.services import open_packet
from portal.meetings.schedule import services
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingAction
from portal.people.models import Person
from portal.wall import predicates
from tests.factories import Member
from tests.meeting_factories import make_item, make_meeting, name_member, unasked
from tests.wall import oracle
from tests.wall.machine import by, items_, meetings_, people_, some_categories, to_some, who
from tests.wall.machine_referrals import Referring

KINDS = ["weekly", "weekly", "statutory", "case_study"]
# Section 6 of the design: from where to where; each is the convening coordinator's.
STEPS = {
    "announce": ({"draft"}, "announced"),
    "begin": ({"announced"}, "in_session"),
    "close": ({"in_session"}, "minuted"),
    "reopen": ({"minuted"}, "in_session"),
    "approve": ({"minuted"}, "approved"),
    "cancel": ({"draft", "announced"}, "cancelled"),
}
ITEMS = (
    select(
        AgendaItem.id,
        item_visibility.present(predicates.READER, predicates.NOW).label("present"),
        item_visibility.readable(predicates.READER, predicates.NOW).label("readable"),
        item_visibility.named(predicates.READER, predicates.NOW, Person).label("named"),
    )
    .join(Meeting, Meeting.id == AgendaItem.meeting_id)
    .outerjoin(Person, Person.id == AgendaItem.person_id)
)


class Convening(Referring):
    """Adds what is done at the table."""

    @precondition(lambda self: len(self.model.meetings) < 4)
    @rule(target=meetings_, who=who, to=to_some, kind=st.sampled_from(KINDS))
    def convene(self, who: int, to: set[int], kind: str) -> UUID:
        table = [self.members[one] for one in to]
        meeting: UUID = self.tried(True, lambda: make_meeting(self.members[who], table, kind=kind))
        agencies = {found for one in {who, *to} if (found := self.ids[one])}
        self.model.meetings[meeting] = oracle.Meeting(kind, self.ids[who] or UUID(int=0), agencies)
        return meeting

    @rule(target=items_, meeting=meetings_, person=people_, told=some_categories, shared=st.booleans())
    def bring(self, meeting: UUID, person: UUID, told: set[str], shared: bool) -> UUID:
        """By the agency that keeps the record, whether it sits there or not: the wall asks nobody to be reasonable."""
        home = self.model.homes[person]
        member = self.members[self.ids.index(home)]
        told = told if shared else set()
        item: UUID = self.tried(
            True, lambda: make_item(member, meeting, person_id=person, categories=told, shared=shared)
        )
        sharer = member.staff_id if shared else None
        self.model.items[item] = oracle.Item(meeting, home, person, None, shared, True, told, sharer)
        return item

    @rule(by=by, meeting=meetings_, choice=st.integers(0, 5))
    def proceed(self, by: int | None, meeting: UUID, choice: int) -> None:
        one = self.model.meetings[meeting]
        member = self.one_of(by, one.convener)
        fitting = [name for name, (sources, _target) in STEPS.items() if one.status in sources]
        names = fitting if fitting and choice < 4 else list(STEPS)
        action = names[choice % len(names)]
        may = self.ids[member] == one.convener and one.status in STEPS[action][0]
        text = "延期します" if action == "cancel" else ""
        actor = self.members[member].actor
        with unasked():
            self.tried(may, lambda: services.perform(actor, MeetingAction(action), meeting, text=text))
        if may:
            one.status = STEPS[action][1]
            if action == "cancel" or (action == "approve" and one.kind == "statutory"):
                self.end_what_it_told(meeting)

    def end_what_it_told(self, meeting: UUID) -> None:
        for lines in self.model.lines.values():
            for line in lines:
                item = self.model.items.get(line.source) if line.source else None
                line.was_ended = line.was_ended or (item is not None and item.meeting == meeting)

    @rule(meeting=meetings_, who=who)
    def swear(self, meeting: UUID, who: int) -> None:
        one, member = self.model.meetings[meeting], self.members[who]
        if member.staff_id not in one.agreed:
            self.tried(True, lambda: name_member(self.members[0], meeting, member, agreed=True))
            one.agreed.add(member.staff_id)

    @rule(meeting=meetings_, who=who)
    def open_packet(self, meeting: UUID, who: int) -> None:
        """What it tells is what the oracle says was due, and is on the ledger."""
        me, member = self.ids[who], self.members[who]
        now = self.now + timedelta(seconds=1)
        due = {
            item: told
            for item, one in self.model.items.items()
            if one.meeting == meeting and (told := self.model.is_due(me, member.staff_id, item, now))
            if not self.stands_told(me, member, item, now)
        }
        may = self.model.opens_packet(me, member.staff_id, meeting)
        known = {line[0] for line in self.rows("SELECT id FROM disclosure")}
        views = self.tried(may, lambda: open_packet(member.actor, meeting))
        if not may:
            return
        self.take_down({oracle.uid(one) for one in known}, due, me)
        items = self.model.items
        mine = {i for i in items if items[i].meeting == meeting}
        assert {view.id for view in views[1]} == {
            item for item in mine if self.model.has_item(me, member.staff_id, item, self.now)
        }

    @precondition(lambda self: len(self.model.meetings) < 6)
    @rule(target=meetings_, person=people_, ways=st.permutations((1, 2, 3)), kind=st.sampled_from(KINDS))
    def tell_at_a_table(self, person: UUID, ways: tuple[int, ...], kind: str) -> UUID:
        """What happens most at a table, and by chance alone would hardly happen here."""
        home = self.ids.index(self.model.homes[person])
        guest, other = ((home + way) % 4 for way in ways[:2])
        meeting = self.convene(home, {guest, other}, kind)
        told = {"basic", "health"}
        may = self.may_consent(home, person, {guest})
        self.record(home, person, {guest}, told, 3, None, may)
        self.bring(meeting, person, told, True)
        if kind == "statutory":
            self.swear(meeting, guest)
        self.proceed(None, meeting, 0)
        self.open_packet(meeting, guest)
        return meeting

    def stands_told(self, me: UUID | None, member: Member, item: UUID, now: Any) -> bool:
        lines = self.model.lines.get(self.model.items[item].person or UUID(int=0), ())
        return any(
            line.source == item and me is not None and self.model.is_for(line, me, member.staff_id)
            and self.model.is_alive(line, now)
            for line in lines
        )  # fmt: skip

    def take_down(self, known: set[UUID], due: dict[UUID, set[str]], me: UUID | None) -> None:
        """The new lines of the ledger, which are those that were due."""
        tables = oracle.learn(self.rows)
        new = [line for lines in tables.lines.values() for line in lines if line.id not in known]
        told = {line.source: line.categories for line in new if line.basis != "anonymous"}
        assert told == due
        assert all(line.told == me for line in new)
        for line in new:
            self.model.lines.setdefault(line.person, []).append(line)

    def agendas_are_as_they_should(self, member: Member, me: UUID | None) -> None:
        now = self.now
        rows = {row.id: row for row in db.read().execute(ITEMS, predicates.bound(member.actor, now))}
        assert rows.keys() == self.model.items.keys()
        for item, row in rows.items():
            asked = (me, member.staff_id, item, now)
            assert bool(row.present) == self.model.has_item(*asked)
            assert bool(row.readable) == self.model.reads_item(*asked)
            assert bool(row.named) == self.model.names_item(*asked)
