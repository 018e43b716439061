"""After an emergency access: taking note of it, reading why, and judging it by a second person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures.models import Basis
from portal.emergency import queries
from portal.emergency.models import EmergencyAccess, EmergencyNotice, Finding
from portal.emergency.queries import AccessView, Box
from portal.emergency.second_services import standing
from portal.emergency.services import LONGEST_TEXT, tell_those_concerned
from portal.emergency.states import State
from portal.errors import Conflict, Invalid, NotAllowed
from portal.people.categories import Category
from portal.policy import Actor, Permission, require
from portal.words import N_


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed about one use, by who asked, who declined and who reviewed."""

    text: str
    declined_why: str
    review_text: str


def show(actor: Actor, access_id: UUID) -> AccessView:
    """One use, as this reader may see it; the reading is logged before it is returned.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    view = queries.load(db.read(), actor, access_id, clock.now())
    audit.record_reading(
        AuditEvent.EMERGENCY_READ,
        ("emergency_access", view.id),
        actor=actor,
        person_id=view.person_id,
        categories=[Category.BASIC] if view.label else [],
        ground=Basis.EMERGENCY,
    )
    return view


def open_words(actor: Actor, access_id: UUID) -> Words:
    """The texts for an auditor or an administrator, who see them only when they ask; logged as such.

    Raises:
        NoResultFound: no such use that this reader may know of.
    """
    with db.transaction() as session:
        access = session.scalars(
            select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
        ).one()
        audit.record(
            AuditEvent.EMERGENCY_READ,
            ("emergency_access", access.id),
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            is_reading=True,
            words_opened=True,
        )
        return Words(access.text, access.declined_why, access.review_text)


def show_list(actor: Actor, box: Box, *, behind: UUID | None = None, size: int) -> list[AccessView]:
    """One page of a list; that it was read is logged.

    Raises:
        NotAllowed: the list is not for this reader's role.
    """
    if not queries.has_box(actor, box):
        raise NotAllowed(N_("この一覧は、あなたの役割では使いません。"))
    found = queries.listing(db.read(), actor, box, clock.now(), behind=behind, size=size)
    audit.record_reading(
        AuditEvent.EMERGENCY_READ,
        ("emergency_access", None),
        actor=actor,
        categories=[Category.BASIC] if any(one.label for one in found) else [],
        ground=Basis.EMERGENCY,
        count=len({one.person_id for one in found}),
    )
    return found


def note(actor: Actor, notice_id: UUID) -> UUID:
    """Take note for one's agency (or for the auditors); done twice it is the first one's. Returns the access's id.

    Raises:
        NoResultFound: no such notice for this actor's agency.
    """
    with db.transaction() as session:
        wanted = (
            select(EmergencyNotice)
            .join(EmergencyAccess, EmergencyAccess.id == EmergencyNotice.access_id)
            .where(EmergencyNotice.id == notice_id, queries.is_for_office(actor), queries.visible_to(actor))
        )
        notice = session.scalars(wanted.with_for_update(of=EmergencyNotice)).one()
        require(actor, Permission.EMERGENCY_NOTE, notice)
        if notice.noted_at is not None:
            return notice.access_id
        notice.noted_at, notice.noted_by_id = clock.now(), actor.staff_id
        person_id = session.scalars(
            select(EmergencyAccess.person_id).where(EmergencyAccess.id == notice.access_id)
        ).one()
        audit.record(
            AuditEvent.EMERGENCY_NOTED, notice, actor=actor, person_id=person_id, ground=Basis.EMERGENCY
        )
        return notice.access_id


def review(actor: Actor, access_id: UUID, finding: Finding, text: str) -> None:
    """Judge one use when its hour is over. What was not justified is told to the home agency and the auditors.

    Raises:
        NoResultFound: no such use that this actor may know of.
        NotAllowed: it is his own, or he is not the one to judge.
        Invalid: nothing is said of why.
        Conflict: it is not over yet, or somebody has judged it.
    """
    if not text.strip():
        raise Invalid(N_("そう判断した理由を入力してください。"), field="text")
    if len(text) > LONGEST_TEXT:
        raise Invalid(N_("2000文字以内で入力してください。"), field="text")
    with db.transaction() as session:
        wanted = select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
        access = session.scalars(
            wanted.with_for_update(of=EmergencyAccess), execution_options={"populate_existing": True}
        ).one()
        require(actor, Permission.EMERGENCY_REVIEW, access)
        if access.finding is not None:
            raise Conflict(N_("ほかの人が、先に点検を終えました。最新の内容を確認してください。"))
        if standing(access, clock.now()) is not State.OVER:
            raise Conflict(N_("まだ閲覧が終わっていません。終わってから点検してください。"))
        access.finding, access.review_text = finding, text
        access.reviewed_by_id, access.reviewed_at = actor.staff_id, clock.now()
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_REVIEWED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            finding=finding,
            text=text,
        )
        if finding is Finding.NOT_JUSTIFIED:
            tell_those_concerned(session, actor, access, [access.home_agency_id, None])
