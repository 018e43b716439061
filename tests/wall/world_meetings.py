"""The canaries' meetings: one of each kind and state, with a word of its own in every field that can be typed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any
from uuid import UUID

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.meetings.agenda import drafting
from portal.meetings.agenda.models import AgendaItem, ItemReason
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.packets.services import open_packet
from portal.meetings.roster.models import Attendance, RegularMember
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import ItemKind, OutcomeKind, Source
from tests.factories import Member
from tests.meeting_factories import (
    make_issue,
    make_item,
    make_meeting,
    make_outcome,
    make_series,
    name_member,
    take_step,
    walk,
)

if TYPE_CHECKING:
    from tests.wall.world import World

# Which people are spoken of where, by whom, and what the item tells the table.
SHARED = {"categories": ("basic", "health")}
MATTERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("a", "live", SHARED),
    ("a", "withdrawn", SHARED),
    ("a", "partly", SHARED),
    ("a", "expired", SHARED),
    ("a", "handed over", SHARED),
    ("a", "not told", {}),
    ("b", "passed on", SHARED),
    ("b", "parent", {}),
)
# The referral of an item stands beside it.
REFERRED = ("refused", "mistaken", "protected", "to be named", "child", "partly", "draft")
# Every matter is spoken of where d sits too, and where an oath is asked for.
GREAT = ("held", "council")


def convene(world: World) -> None:
    """Meetings between a, b and c, to one of which d is invited; b itself convenes one with a."""
    a, b, c, d = world.chair, world.b, world.c, world.d
    world.person("not told")
    where = typed(world)
    series = make_series(a, [b], **where())
    table = [b, c]
    meetings = {
        "held": make_meeting(a, [b, c, d], kind="coordination", **where(begun=-1)),
        "weekly": make_meeting(a, [b], kind="weekly", **where()),
        "council": make_meeting(a, table, kind="statutory", **where()),
        "cases": make_meeting(a, table, kind="case_study", **where(begun=-3)),
        "ours": make_meeting(world.members["b's coordinator"], [a], kind="other", **where()),
        "cancelled": make_meeting(a, table, kind="weekly", **where()),
    }
    world.meetings |= meetings
    fill(world, meetings)
    for member, agreed in ((world.a, True), (world.b, True), (a, True), (world.c, False)):
        name_member(a, meetings["council"], member, agreed=agreed)
    add_guest(world, meetings["council"])
    hold(world, meetings)
    with db.transaction() as session:
        session.add(RegularMember(series_id=series, staff_id=b.staff_id, agency_id=b.agency_id))
    explain(meetings)


def explain(meetings: dict[str, UUID]) -> None:
    """Each item has further reasons: its referral, something of the person's, and a promise made elsewhere."""
    with db.transaction() as session:
        items = session.query(AgendaItem).filter(AgendaItem.meeting_id.in_(meetings.values()))
        promises = cycle(session.query(MeetingOutcome).order_by(MeetingOutcome.id).all())
        for item in items.order_by(AgendaItem.id):
            reasons = {Source.LAPSING: item.person_id, Source.OVERDUE: item.referral_id}
            reasons[Source.ACTION] = next(promises).id
            session.add_all(
                ItemReason(item_id=item.id, source=source, subject_id=subject, reason_on=clock.today())
                for source, subject in reasons.items()
                if subject
            )


def in_step(world: World) -> None:
    """Draft what the work puts on the agendas, and let b be told: else looking would change what there is to see."""
    for key in ("weekly", "council", "cases", "ours"):
        by = world.members["b's coordinator"] if key == "ours" else world.a
        drafting.refresh(by.actor, world.meetings[key])
    open_packet(world.b.actor, world.meetings["weekly"])


def typed(world: World) -> Any:
    word = world.canaries.word

    def where(*, begun: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = {"name": word(), "place": word(), "link": f"https://example.jp/{word()}"}
        return found | ({"starts_at": clock.now() + timedelta(days=begun)} if begun else {})

    return where


def fill(world: World, meetings: dict[str, UUID]) -> None:
    """Each matter stands at the two great meetings and at one of the others, in turn."""
    small = [name for name in meetings if name not in GREAT]
    for n, (by, values) in enumerate(matters(world)):
        for name in (*GREAT, small[n % len(small)]):
            add(world, meetings[name], by, **values())


def matters(world: World) -> Iterator[tuple[Member, Callable[[], dict[str, Any]]]]:
    """Of people, of referrals, of the town, and two that fell out: who brings it, and what it is each time."""
    word, people = world.canaries.word, world.people
    for by, name, more in MATTERS:
        yield world.members[by], partial(dict, person_id=people[name], **more)
    for name in REFERRED:
        whom = {"draft": "live"}.get(name, name)
        given = {"person_id": people[whom], "referral_id": world.referrals[name]}
        yield world.a, partial(dict, kind=ItemKind.HANDOFF, **given)

    def issue() -> dict[str, Any]:
        return {"kind": ItemKind.LOCAL_ISSUE, "issue_id": make_issue(world.a, text=word(), result=word())}

    def fallen() -> dict[str, Any]:
        return {"person_id": people["not told"], "removed_at": clock.now(), "removed_why": word()}

    def later() -> dict[str, Any]:
        return {"person_id": people["passed on"], "postponed_at": clock.now(), "postponed_why": word()}

    yield from ((world.a, issue), (world.b, dict), (world.a, fallen), (world.b, later))


def add(world: World, meeting_id: UUID, by: Member, **values: Any) -> UUID:
    word = world.canaries.word
    return make_item(by, meeting_id, title=word(), text=word(), **values)


def add_guest(world: World, meeting_id: UUID) -> None:
    with db.transaction() as session:
        guest = Attendance(
            meeting_id=meeting_id, guest_name=world.canaries.word(), guest_from=world.canaries.word()
        )
        session.add(guest)
        audit.record(AuditEvent.ROSTER_CHANGED, guest, actor=world.chair.actor)


def hold(world: World, meetings: dict[str, UUID]) -> None:
    """Announced, opened by those who may, minuted, and approved."""
    chair = world.chair
    # Two of the three: as many pages less to open, and over the meetings each matter has all of them.
    turns = cycle(("information", "done", "promise"))
    readers = {"held": (world.b, world.c, world.d), "council": (world.b,), "cases": (world.b, world.c)}
    for name in ("held", "council", "cases", "weekly"):
        take_step(chair, meetings[name], "announce")
        for reader in readers.get(name, ()):
            open_packet(reader.actor, meetings[name])
    for name in ("held", "council", "cases"):
        take_step(chair, meetings[name], "begin")
        for item_id in items_of(meetings[name]):
            write(world, item_id, without=next(turns))
    for action in ("close", "approve"):
        take_step(chair, meetings["cases"], action)
    take_step(chair, meetings["held"], "close")
    correct(world, meetings["cases"])
    walk(chair, meetings["cancelled"], "cancelled")
    with db.transaction() as session:
        cancelled = session.get_one(Meeting, meetings["cancelled"])
        cancelled.cancelled_why = world.canaries.word()
        audit.record(AuditEvent.MEETING_MOVED, cancelled, actor=chair.actor)


def items_of(meeting_id: UUID) -> list[UUID]:
    """Those on the agenda, as they stand in the table."""
    with db.transaction() as session:
        found = session.query(AgendaItem).filter_by(meeting_id=meeting_id).order_by(AgendaItem.position)
        return [item.id for item in found if item.stands]


def write(world: World, item_id: UUID, *, without: str = "") -> None:
    """Minutes, a text that came second, and what came of it."""
    word, chair = world.canaries.word, world.chair
    with db.transaction() as session:
        item = session.get_one(AgendaItem, item_id)
        item.minutes_text = word()
        session.add(
            MinutesRevision(
                item_id=item_id, staff_id=chair.staff_id, text=word(), based_on=1, is_refused=True
            )
        )
        audit.record(AuditEvent.MINUTES_WRITTEN, item, actor=chair.actor, person_id=item.person_id)
    if without != "information":
        make_outcome(chair, item_id, text=word())
    if without != "promise":
        make_outcome(world.a, item_id, kind=OutcomeKind.ACTION, text=word())
    if without == "done":
        return
    done = make_outcome(world.b, item_id, kind=OutcomeKind.ACTION, text=word())
    with db.transaction() as session:
        promise = session.get_one(MeetingOutcome, done)
        promise.done_at, promise.done_by_id, promise.done_note = clock.now(), world.b.staff_id, word()
        audit.record(AuditEvent.ACTION_DONE, promise, actor=world.b.actor)


def correct(world: World, meeting_id: UUID) -> None:
    """Addenda to approved minutes: to the whole, and to one item."""
    with db.transaction() as session:
        for item_id in (None, items_of(meeting_id)[0]):
            text, by = world.canaries.word(), world.chair
            addendum = Addendum(meeting_id=meeting_id, item_id=item_id, staff_id=by.staff_id, text=text)
            session.add(addendum)
            audit.record(AuditEvent.ADDENDUM_WRITTEN, addendum, actor=by.actor)
