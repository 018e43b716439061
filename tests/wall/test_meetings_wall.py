"""Kind of meeting x ground of the item x reader x time: each answer of the agenda is the oracle's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Select, select
from sqlalchemy.exc import NoResultFound

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.policy import Actor, Role
from portal.disclosures import services as disclosures
from portal.meetings import item_visibility
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.numbers import LOTS
from portal.meetings.agenda.queries import ItemView
from portal.meetings.packets import services as packet_services
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingKind
from portal.people.models import Person
from portal.wall import predicates
from tests.factories import Member
from tests.meeting_factories import take_step
from tests.wall import oracle
from tests.wall.grounds import Town
from tests.wall.oracle import Oracle

pytestmark = pytest.mark.both_databases

# What a closed item may say: that it is there, who presents it and for how long.
CLOSED = {
    "id",
    "number",
    "is_hidden",
    "presenter_agency_id",
    "presenter_name",
    "minutes",
    "position",
    "version",
}
CLOSED |= {"stands"}
CASEWORK = {Role.STAFF, Role.COORDINATOR}
# What happens, in its order; after each, everything is held against the oracle.
LIFE: tuple[str, ...] = (
    "open",
    "announce",
    "open",
    "begin",
    "withdraw",
    "open",
    "close",
    "wait",
    "open",
    "approve",
    "open",
)
CUT_SHORT: tuple[str, ...] = ("announce", "open", "cancel", "open")


def sights(reader: Actor, now: datetime) -> Select[Any]:
    return (
        select(
            AgendaItem.id,
            item_visibility.present(reader, now).label("present"),
            item_visibility.readable(reader, now).label("readable"),
            item_visibility.named(reader, now, Person).label("named"),
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(Person, Person.id == AgendaItem.person_id)
    )


@cache
def built() -> Select[Any]:
    return sights(predicates.READER, predicates.NOW)


class Hearing:
    """Holds what each reader is shown against the oracle."""

    def __init__(self, app: Flask, town: Town, meeting_id: UUID, items: dict[UUID, str]) -> None:
        self.url, self.town, self.meeting_id, self.items = (
            app.config["DATABASE_URL"],
            town,
            meeting_id,
            items,
        )
        self.answers: Counter[tuple[str, str, str]] = Counter()

    def look(self, moment: str) -> None:
        truth, now = oracle.read(self.url), clock.now()
        for name, reader in self.town.readers.items():
            self.look_as(name, reader, truth, now, moment)
        db.end()

    def look_as(self, name: str, reader: Member, truth: Oracle, now: Any, moment: str) -> None:
        works = reader.agency_id if reader.actor.role in CASEWORK else None
        try:
            agenda_queries.load_meeting(db.read(), reader.actor, self.meeting_id, now)
            assert truth.sits_at(works, self.meeting_id), name
        except NoResultFound:
            assert not truth.sits_at(works, self.meeting_id), name
        self.ask_plainly(reader, truth, now, (name, moment))
        every = agenda_queries.load_items(
            db.read(), reader.actor, self.meeting_id, now, with_hidden=True, with_fallen=True
        )
        assert {view.id for view in every} == set(self.items)
        for view in every:
            self.check(view, truth, (works, reader.staff_id, view.id, now), (name, moment))
        plain = agenda_queries.load_items(db.read(), reader.actor, self.meeting_id, now)
        shown = [view.id for view in every if not view.is_hidden and view.stands]
        assert [view.id for view in plain] == shown, (name, moment)
        about = dict(db.unrestricted.execute(select(AgendaItem.id, AgendaItem.person_id)).all())
        for view in plain:  # a number that counts would tell by its gaps of what is closed
            assert view.number is None or (view.number in LOTS) == (about[view.id] is not None), (
                name,
                moment,
            )

    def ask_plainly(self, reader: Member, truth: Oracle, now: Any, case: tuple[str, str]) -> None:
        """Each predicate by itself, in a statement for this reader and in one built beforehand for any."""
        works = reader.agency_id if reader.actor.role in CASEWORK else None
        said = {item: (works, reader.staff_id, item, now) for item in self.items}
        wanted = {
            item: (truth.has_item(*asked), truth.reads_item(*asked), truth.names_item(*asked))
            for item, asked in said.items()
        }
        ready = [(built(), predicates.bound(reader.actor, now))]
        if case[1] == "draft":  # building them takes long; once is enough to know that both are one
            ready.append((sights(reader.actor, now), {}))
        for statement, values in ready:
            rows = db.read().execute(statement.where(AgendaItem.meeting_id == self.meeting_id), values)
            found = {row.id: tuple(map(bool, (row.present, row.readable, row.named))) for row in rows}
            wrong = {self.items[i]: (found[i], wanted[i]) for i in found if found[i] != wanted[i]}
            assert not wrong, case

    def check(self, view: ItemView, truth: Oracle, asked: Any, case: tuple[str, str]) -> None:
        ground = self.items[view.id]
        has, reads, names = truth.has_item(*asked), truth.reads_item(*asked), truth.names_item(*asked)
        case = (ground, *case)
        assert view.is_hidden != has, case
        assert view.is_readable == reads, case
        texts = (view.title, view.text, view.minutes_text)
        assert texts == ((f"題{ground}", f"文{ground}", f"録{ground}") if reads else ("", "", "")), case
        item = truth.items[view.id]
        assert view.person_id == (item.person if names else None), case
        party = has and item.referral is not None and truth.has_referral(asked[0], item.referral)
        assert (view.referral.id if view.referral else None) == (item.referral if party else None), case
        if not has:
            blank = ItemView(
                **{one.name: getattr(view, one.name) for one in fields(view) if one.name in CLOSED}
            )
            assert view == blank, case
        self.answers[ground, "present", str(has)] += 1
        self.answers[ground, "named", str(names)] += 1

    def open(self) -> None:
        """Everyone tries to open the packet; the ledger then says what that told, and of nothing else."""
        for name, reader in self.town.readers.items():
            truth, now = oracle.read(self.url), clock.now()
            works, me = reader.agency_id if reader.actor.role in CASEWORK else None, reader.staff_id
            due = {item: truth.is_due(works, me, item, now) for item in self.items}
            before = {line.id for lines in truth.lines.values() for line in lines}
            told_already = {
                item: {line.source for line in truth.lines.get(truth.items[item].person, ())  # type: ignore[arg-type]
                       if line.source == item and truth.is_for(line, works or me, me) and truth.is_alive(line, now)}
                for item in self.items
            }  # fmt: skip
            if not truth.opens_packet(works, me, self.meeting_id):
                with pytest.raises((NoResultFound, Conflict, NotAllowed)) as error:
                    packet_services.open_packet(reader.actor, self.meeting_id)
                assert (error.type is NoResultFound) == (not truth.sits_at(works, self.meeting_id)), name
                due = {}
            else:
                views = packet_services.open_packet(reader.actor, self.meeting_id).items
                wise_after = oracle.read(self.url)
                asked = (works, me)
                then = clock.now()
                may = {
                    i for i in self.items if wise_after.has_item(*asked, i, then) and truth.items[i].stands
                }
                assert {view.id for view in views} == may, name
                for view in views:
                    self.check(view, wise_after, (*asked, view.id, then), (name, "packet"))
            db.end()
            after = oracle.read(self.url)
            new = [line for lines in after.lines.values() for line in lines if line.id not in before]
            named = [line for line in new if line.basis != "anonymous"]
            assert {line.source: line.categories for line in named} == {
                item: told for item, told in due.items() if told and not told_already[item]
            }, name
            assert all(line.told == works for line in new)
            assert all(line.member == (me if line.basis == "council" else None) for line in new)

    def nothing_outlives(self, what: str) -> None:
        """Called off, a meeting leaves nothing told; nor does a 支援会議 whose minutes are approved."""
        truth = oracle.read(self.url)
        kind = truth.meetings[self.meeting_id].kind
        if what == "cancel" or (what == "approve" and kind == "statutory"):
            told = [line for lines in truth.lines.values() for line in lines if line.source in self.items]
            assert not [line for line in told if truth.is_alive(line, clock.now())]
            assert told or kind in {"weekly", "other"}

    def mean_another(self) -> None:
        """An item that was told comes to mean somebody else: what was told of the first opens it no more."""
        (changed,) = (item for item, ground in self.items.items() if ground == "comes to mean another")
        with db.transaction() as session:
            item = session.get_one(AgendaItem, changed)
            item.person_id, item.shared = self.town.people["nobody told"], False
            audit.record(AuditEvent.ITEM_CHANGED, item, actor=self.town.convener.actor)


def happen(town: Town, hearing: Hearing, what: str, travel: Callable[[timedelta], None]) -> None:
    if what == "open":
        hearing.open()
    elif what == "withdraw":
        for name in ("withdrawn later", "received and stopped later"):
            disclosures.withdraw_consent(town.convener.actor, town.consents[name])
        hearing.mean_another()
    elif what == "wait":
        travel(timedelta(days=11))
    else:
        take_step(town.convener, hearing.meeting_id, what)
        hearing.nothing_outlives(what)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("life", [LIFE, CUT_SHORT], ids=["held", "cut short"])
@pytest.mark.parametrize("kind", MeetingKind)
def test_each_reader_sees_of_each_item_what_the_oracle_says_at_each_time(
    app: Flask, at: Callable[..., None], kind: MeetingKind, life: tuple[str, ...]
) -> None:
    if life is CUT_SHORT and kind in {MeetingKind.WEEKLY, MeetingKind.OTHER}:
        life = ("announce", "cancel", "open")
    at("2026-06-01T10:00")
    town = Town()
    at("2026-06-03T10:00")  # by now what ended on the first has ended
    hearing = Hearing(app, town, *town.meet(kind))
    hearing.look("draft")
    for what in life:
        happen(town, hearing, what, lambda span: at(clock.now() + span))
        hearing.look(what)
    both = Counter(
        {(g, w) for g, w in product(hearing.items.values(), ("present", "named"))
         if hearing.answers[g, w, "True"] and hearing.answers[g, w, "False"]}
    )  # fmt: skip
    assert both
    assert all((ground, "present") in both for ground in hearing.items.values()), "a ground nobody is without"
