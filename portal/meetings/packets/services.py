"""Opening a packet, which tells an agency of shared items, and confirming later that this is no longer used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast
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
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import BASIS_OF, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

# What a 支援会議 told ends when its minutes are approved; if they never are, this long after the meeting.
COUNCIL_LONGEST = timedelta(days=62)


def check_open(actor: Actor, meeting: MeetingView) -> None:
    """Raise unless this reader may open the packet now.

    Raises:
        Conflict: the meeting has not been announced, or was cancelled.
        NotAllowed: a 支援会議 whose roster does not name him, or whose secrecy he has not acknowledged yet.
    """
    require(actor, Permission.MEETING_ATTEND)
    if not meeting.is_open:
        raise Conflict(N_("この会議の資料は、いまは開けません。案内されると開けるようになります。"))
    if meeting.needs_confidentiality:
        raise NotAllowed(
            N_(
                "支援会議の資料は、名簿に名前があり、守秘義務を確認した方だけが開けます。会議のページで確認してください。"
            ),
            lack=Lack.SECRECY,
        )


def open_packet(
    actor: Actor, meeting_id: UUID, *, channel: str = "portal"
) -> tuple[MeetingView, list[ItemView]]:
    """The agenda in the reader's eyes. Opening it tells what it shows, and the ledger says so.

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
    items = agenda_queries.load_items(db.read(), actor, meeting_id, now, with_information=True)
    note_reading(actor, AuditEvent.PACKET_OPENED, meeting, items, channel=channel)
    return meeting, items


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
    """A consent of the item's person that lives names the reader's agency and lets it be told who he is."""
    consent = aliased(Consent)
    named = exists().where(
        ConsentCategory.consent_id == consent.id, ConsentCategory.category == Category.BASIC
    )
    lives = predicates.consent_lives(consent, cast(UUID, predicates.READER.agency_id), predicates.NOW)
    return exists().where(consent.person_id == AgendaItem.person_id, lives, named).correlate(AgendaItem)


@cache
def untold_statement() -> Select[*tuple[Any, ...]]:
    """Shared items of which this reader's agency has not been told in this way, by any that still stands."""
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
            # A 支援会議 tells until its minutes are approved, and nothing anew afterwards.
            or_(Meeting.kind != MeetingKind.STATUTORY, Meeting.status != MeetingStatus.APPROVED),
            # Of whom no consent names this agency nothing is ever due: else each opening asked about each item.
            or_(among(Meeting.kind, WITHOUT_CONSENT), is_consented()),
            ~told,
        )
        .order_by(AgendaItem.person_id, AgendaItem.id)
    )


def untold(
    session: Session, actor: Actor, meeting_id: UUID, channel: Channel, now: datetime
) -> list[Row[*tuple[Any, ...]]]:
    """Those of them that could be told: of a consent that does not name this agency, nothing is ever due."""
    values = predicates.bound(actor, now, meeting_id=meeting_id, channel=channel)
    rows = session.execute(untold_statement(), values).all()
    return [row for row in rows if ground_for(session, actor, row)]


def ground_for(
    session: Session, actor: Actor, row: Row[*tuple[Any, ...]]
) -> tuple[Basis, Consent | None, set[Category]] | None:
    """On what, and which categories, the item may tell this reader now; None when it may not."""
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
    """What the agency that brought the item may itself still see: nobody tells what he may no longer know."""
    teller = Actor(row.shared_by_id, row.shared_by_id, "", Role.STAFF, row.brought_by_id, "")
    return disclosures.categories_of_agency(session, teller, row.person_id)


def disclose(actor: Actor, meeting_id: UUID, channel: Channel) -> None:
    """Write the lines of the ledger for what this reader is about to be shown, checked once more under lock."""
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


# Confirming that what a packet told is no longer used, the consent being dead (停止確認).

LONGEST = 200


def waiting_lines(reader: Actor, now: datetime) -> Select[Disclosure]:
    """The lines that an agenda item told: also those that a renewal carried on through another channel."""
    return to_confirm(reader, now).join(AgendaItem, AgendaItem.id == Disclosure.source_id)


def count_of(reader: Actor, now: datetime) -> Select[int]:
    """How many there are, counting no further than the page shows."""
    few = waiting_lines(reader, now).with_only_columns(Disclosure.id).order_by(None).limit(LONGEST)
    return select(func.count()).select_from(few.subquery())


def waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    """What is to be confirmed, the oldest first; the name where another ground still shows it."""
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
    """Say that what this item told is used no longer.

    Raises:
        NoResultFound: this item never told this agency anything.
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
            raise Conflict(N_("確認が必要な停止はありません。"))
        for line in lines:
            disclosures.confirm_stop(actor, line, note=note)
