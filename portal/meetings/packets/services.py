"""Opening a packet, which discloses shared items to an agency, and confirming the stop of their use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents.models import Consent, ConsentCategory
from portal.consents.queries import categories_of, covering
from portal.consents.services import lock_person
from portal.core import clock
from portal.core.db import among, db
from portal.core.errors import Conflict, Lack, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Channel, Disclosure
from portal.disclosures.person_header import label_columns
from portal.disclosures.queries import to_confirm
from portal.meetings import item_visibility
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.models import AgendaItem, ItemCategory
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.agenda.revisions import Revision, revision_of
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import BASIS_OF, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

# Disclosures of a 支援会議 end when its minutes are approved; if they never are, this long after the meeting.
COUNCIL_LONGEST = timedelta(days=62)


def check_open(actor: Actor, meeting: MeetingView) -> None:
    """Raise unless this reader may open the packet now.

    Raises:
        Conflict: the meeting has not been announced, or was cancelled.
        NotAllowed: a 支援会議 whose roster does not name the actor, or whose secrecy they did not acknowledge.
    """
    require(actor, Permission.MEETING_ATTEND)
    if not meeting.is_open:
        raise Conflict(N_("この会議の資料は、いまは開けません。開催通知のあとに開けるようになります。"))
    if meeting.needs_confidentiality:
        raise NotAllowed(
            N_(
                "支援会議の資料は、名簿に名前があり、守秘義務を確認した方だけが開けます。会議のページで確認してください。"
            ),
            lack=Lack.SECRECY,
        )


class Packet(NamedTuple):
    """The agenda as one reader sees it; `revision` is None while it is as it was announced."""

    meeting: MeetingView
    items: list[ItemView]
    revision: Revision | None


def open_packet(actor: Actor, meeting_id: UUID, *, channel: str = "portal") -> Packet:
    """The agenda as the reader sees it. Opening it discloses what it shows, and the ledger records it.

    `channel` is "portal", or "print" for paper.

    Raises:
        NoResultFound: no meeting to which this reader's agency is invited.
        Conflict, NotAllowed: see `check_open`.
    """
    now = clock.now()
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, now)
    check_open(actor, meeting)
    how = Channel.PRINT if channel == "print" else Channel.PACKET
    if untold(db.unrestricted(), actor, meeting_id, how, now):
        disclose(actor, meeting_id, how)
        now = clock.now()
    known = agenda_queries.load_items(
        db.read(), actor, meeting_id, now, with_fallen=True, with_information=True
    )
    items = [item for item in known if item.stands]
    note_reading(actor, AuditEvent.PACKET_OPENED, meeting, items, channel=channel)
    return Packet(meeting, items, revision_of(known))


def note_reading(
    actor: Actor, event: AuditEvent, meeting: MeetingView, items: list[ItemView], *, channel: str = "portal"
) -> None:
    """Log what was shown of whom, before the page is answered."""
    people = {item.person_id for item in items if item.person_id}
    told = {
        category
        for item in items
        if item.person_summary
        for category in (*item.person_summary.information, Category.BASIC)
    }
    audit.record_reading(
        event,
        ("meeting", meeting.id),
        actor=actor,
        categories=told,
        ground=meeting.basis if people else None,
        channel=channel,
        count=len(people),
        items=[item.id for item in items if item.person_id],
        people=sorted(people),
    )


WITHOUT_CONSENT = sorted(kind for kind, basis in BASIS_OF.items() if basis is not Basis.CONSENT)


def is_consented() -> ColumnElement[bool]:
    """A live consent of the item's person covers the reader's agency for basic information."""
    consent = aliased(Consent)
    named = exists().where(
        ConsentCategory.consent_id == consent.id, ConsentCategory.category == Category.BASIC
    )
    lives = predicates.consent_lives(consent, cast(UUID, predicates.READER.agency_id), predicates.NOW)
    return exists().where(consent.person_id == AgendaItem.person_id, lives, named).correlate(AgendaItem)


@cache
def untold_statement() -> Select[*tuple[Any, ...]]:
    """Shared items not yet disclosed to this reader's agency in this way on a basis that still stands."""
    line = aliased(Disclosure)
    told = (
        select(line.id)
        .where(
            line.source_id == AgendaItem.id,
            line.channel == bindparam("channel", type_=Disclosure.channel.type),
            predicates.is_for(line, predicates.READER),
            predicates.disclosure_lives(line, predicates.NOW),
        )
        .correlate(AgendaItem)
        .exists()
    )
    return (
        select(
            AgendaItem.id,
            AgendaItem.person_id,
            AgendaItem.brought_by_id,
            AgendaItem.shared_by_id,
            Meeting.kind,
            Meeting.starts_at,
            Meeting.minutes,
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            AgendaItem.shared,
            AgendaItem.person_id.is_not(None),
            and_(AgendaItem.removed_at.is_(None), AgendaItem.postponed_at.is_(None)),
            ~item_visibility.is_own(predicates.READER),
            ~item_visibility.is_home(predicates.READER),
            ~item_visibility.is_excluded(predicates.READER),
            queries.may_enter(predicates.READER),
            # A 支援会議 discloses until its minutes are approved, and nothing new afterwards.
            or_(Meeting.kind != MeetingKind.STATUTORY, Meeting.status != MeetingStatus.APPROVED),
            # Without a consent for this agency nothing is due: else each opening would check each item.
            or_(among(Meeting.kind, WITHOUT_CONSENT), is_consented()),
            ~told,
        )
        .order_by(AgendaItem.person_id, AgendaItem.id)
    )


def untold(
    session: Session, actor: Actor, meeting_id: UUID, channel: Channel, now: datetime
) -> list[Row[*tuple[Any, ...]]]:
    """The undisclosed items that could be disclosed; nothing is due on a consent without this agency."""
    values = predicates.bound(actor, now, meeting_id=meeting_id, channel=channel)
    rows = session.execute(untold_statement(), values).all()
    return [row for row in rows if ground_for(session, actor, row)]


def ground_for(
    session: Session, actor: Actor, row: Row[*tuple[Any, ...]]
) -> tuple[Basis, Consent | None, set[Category]] | None:
    """The basis and the categories with which the item may be disclosed now; None when it may not."""
    basis = BASIS_OF[row.kind]
    wanted = set(session.scalars(select(ItemCategory.category).where(ItemCategory.item_id == row.id)))
    if basis is Basis.ANONYMOUS:
        return basis, None, wanted
    wanted &= known_to_teller(session, row)
    if Category.BASIC not in wanted:
        return None
    if basis is Basis.COUNCIL:
        return basis, None, wanted
    best: tuple[Basis, Consent | None, set[Category]] | None = None
    for consent in session.scalars(covering(row.person_id, actor.agency_id, clock.today())):  # type: ignore[arg-type]
        covered = wanted & set(session.scalars(categories_of(consent.id)))
        if Category.BASIC in covered and (best is None or len(covered) > len(best[2])):
            best = basis, consent, covered
    return best


def known_to_teller(session: Session, row: Row[*tuple[Any, ...]]) -> set[Category]:
    """The categories that the bringing agency may still see: it discloses nothing that it may not know."""
    teller = Actor(row.shared_by_id, row.shared_by_id, "", Role.STAFF, row.brought_by_id, "")
    return disclosures.categories_of_agency(session, teller, row.person_id)


def disclose(actor: Actor, meeting_id: UUID, channel: Channel) -> None:
    """Write the disclosures for what this reader is about to be shown, checked once more under lock."""
    with db.transaction() as session:
        held = select(Meeting.id).where(Meeting.id == meeting_id, queries.visible_to(actor)).with_for_update()
        session.scalars(held).one()
        now = clock.now()
        values = predicates.bound(actor, now, meeting_id=meeting_id, channel=channel)
        for row in session.execute(untold_statement(), values).all():
            lock_person(session, row.person_id)
            ground = ground_for(session, actor, row)
            if ground is None:
                continue
            basis, consent, categories = ground
            assert actor.agency_id is not None  # at the table  # noqa: S101
            disclosures.disclose(
                actor,
                person_id=row.person_id,
                to_agency_id=actor.agency_id,
                basis=basis,
                categories=categories,
                channel=channel,
                consent=consent,
                source_id=row.id,
                teller=(row.brought_by_id, row.shared_by_id),
                to_staff_id=actor.staff_id if basis is Basis.COUNCIL else None,
                until=row.starts_at + COUNCIL_LONGEST if basis is Basis.COUNCIL else None,
            )


# Confirming that the use of what a packet disclosed has stopped, once the consent is dead (利用停止の報告).

LONGEST = 200


def waiting_lines(reader: Actor, now: datetime) -> Select[Disclosure]:
    """The disclosures of an agenda item, also those that a renewal carried on through another channel."""
    return to_confirm(reader, now).join(AgendaItem, AgendaItem.id == Disclosure.source_id)


def count_of(reader: Actor, now: datetime) -> Select[int]:
    """The number of stops to confirm, counting no further than the page shows."""
    few = waiting_lines(reader, now).with_only_columns(Disclosure.id).order_by(None).limit(LONGEST)
    return select(func.count()).select_from(few.subquery())


def waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    """The stops to confirm, the oldest first; the name where another basis still shows it."""
    person = aliased(Person)  # not the one that `to_confirm` asks about
    statement = (
        waiting_lines(actor, now)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Agency, Agency.id == Disclosure.from_agency_id)
        .outerjoin(person, person.id == Disclosure.person_id)
        .with_only_columns(
            Disclosure.source_id.label("item_id"),
            Disclosure.starts_at.label("told_at"),
            Disclosure.channel,
            Disclosure.person_id,
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.starts_at.label("meeting_at"),
            Agency.name.label("from_name"),
            *label_columns(predicates.sees(actor, Category.BASIC, now, person), person),
        )
        .limit(LONGEST)
    )
    return session.execute(statement).all()


def confirm(actor: Actor, item_id: UUID, *, note: str = "") -> None:
    """Confirm that the use of what this item disclosed has stopped.

    Raises:
        NoResultFound: this item was never disclosed to this agency.
        Conflict: there is nothing to confirm.
    """
    require(actor, Permission.MEETING_ATTEND)
    with db.transaction() as session:
        told = (
            select(AgendaItem.id)
            .join(Disclosure, Disclosure.source_id == AgendaItem.id)
            .where(
                AgendaItem.id == item_id,
                Disclosure.to_agency_id == actor.agency_id,
                ~predicates.is_excluded(actor, Disclosure.person_id),
            )
            .distinct()
        )
        session.scalars(told).one()
        lines = session.scalars(waiting_lines(actor, clock.now()).where(AgendaItem.id == item_id)).all()
        if not lines:
            raise Conflict(N_("報告が必要な利用停止はありません。"))
        for disclosure in lines:
            disclosures.confirm_stop(actor, disclosure, note=note)
