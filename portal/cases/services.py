"""Opening a case, setting goals, writing notes, closing."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.models import Membership
from portal.agencies.numbers import next_number
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries
from portal.cases.codes import Domain, HeardBy, Method, Outcome, Score
from portal.cases.models import Case, CaseGoal, ProgressNote
from portal.db import db, new_id
from portal.disclosures.services import present_person
from portal.errors import Conflict, Invalid, NotAllowed, NotOffered
from portal.exclusions.queries import is_out
from portal.once import claim
from portal.people.categories import Category
from portal.policy import Actor, Permission, require
from portal.words import N_


def own_case(session: Session, actor: Actor, case_id: UUID) -> Case:
    """The case, locked, for a service that changes it.

    Raises:
        NoResultFound: none that this agency has.
    """
    case = session.scalars(queries.listing(actor).where(Case.id == case_id).with_for_update()).one()
    require(actor, Permission.CASE_WRITE, case)
    return case


def open_case_of(session: Session, agency_id: UUID, person_id: UUID) -> Case | None:
    """The agency's open case of this person; there is one at most."""
    statement = select(Case).where(
        Case.agency_id == agency_id, Case.person_id == person_id, Case.closed_on.is_(None)
    )
    return session.scalars(statement).one_or_none()


def require_colleague(session: Session, actor: Actor, worker_id: UUID | None, person_id: UUID | None) -> None:
    """Raise `Invalid` unless he works in the actor's agency now and is not shut out of this person's affairs."""
    if worker_id is None:
        return
    here = select(Membership.id).where(
        Membership.staff_id == worker_id,
        Membership.agency_id == actor.agency_id,
        Membership.ended_at.is_(None),
    )
    if person_id:
        here = here.where(~is_out(Membership.staff_id, person_id))
    if session.scalar(here) is None:
        message, about = N_("担当者は自分の機関の職員から選んでください。"), ("staff", worker_id)
        raise NotOffered(message, field="worker", about=about, person_id=person_id)


def open_case(
    actor: Actor,
    person_id: UUID,
    *,
    opened_on: date | None = None,
    worker_id: UUID | None = None,
    heard_by: HeardBy | None = None,
    source_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Begin this agency's support of a person it may see; returns the case's id.

    Raises:
        Conflict: the agency has an open case of this person already.
        NoResultFound: no such person that this actor may know of.
    """
    case_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, case_id):
            return earlier
        present_person(session, actor, person_id)
        require_colleague(session, actor, worker_id, person_id)
        if opened_on and opened_on > clock.today():
            raise Invalid(N_("開始日に先の日付は入力できません。"), field="opened_on")
        if actor.agency_id is None or open_case_of(session, actor.agency_id, person_id):
            raise Conflict(N_("この人のケースはすでに開始しています。"))
        case = Case(
            id=case_id,
            agency_id=actor.agency_id,
            person_id=person_id,
            number=next_number(session, actor.agency_id, "case"),
            opened_on=opened_on or clock.today(),
            opened_by_id=actor.staff_id,
            worker_id=worker_id,
            heard_by=heard_by,
            source_id=source_id,
        )
        session.add(case)
        audit.record(AuditEvent.CASE_OPENED, case, actor=actor, person_id=person_id, source=source_id)
    return case_id


def assign_worker(actor: Actor, case_id: UUID, worker_id: UUID | None, *, version: int | None = None) -> None:
    with db.transaction() as session:
        case = own_case(session, actor, case_id)
        require_colleague(session, actor, worker_id, case.person_id)
        if changes := case.apply(worker_id=worker_id):
            case.advance(version)
            audit.record(
                AuditEvent.CASE_UPDATED, case, actor=actor, person_id=case.person_id, changes=changes
            )


def set_goal(
    actor: Actor,
    case_id: UUID,
    domain: Domain,
    text: str,
    *,
    review_on: date | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Write down what the person wants to reach; on `review_on` the councils look at it again. Returns its id."""
    goal_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, goal_id):
            return earlier
        case = own_case(session, actor, case_id)
        require_open(case)
        if not text:
            raise Invalid(N_("目標を入力してください。"), field="text")
        if review_on and review_on < case.opened_on:
            raise Invalid(N_("評価予定日は、ケースの開始日より後の日付にしてください。"), field="review_on")
        goal = CaseGoal(id=goal_id, case_id=case.id, domain=domain, text=text, review_on=review_on)
        session.add(goal)
        audit.record(
            AuditEvent.CASE_UPDATED,
            goal,
            actor=actor,
            person_id=case.person_id,
            domain=domain,
            text=text,
            review_on=review_on,
        )
    return goal_id


def score_goal(actor: Actor, goal_id: UUID, score: Score | None) -> None:
    with db.transaction() as session:
        goal = session.scalars(select(CaseGoal).where(CaseGoal.id == goal_id)).one()
        case = own_case(session, actor, goal.case_id)
        if changes := goal.apply(score=score, scored_at=clock.now() if score else None):
            audit.record(
                AuditEvent.CASE_UPDATED, goal, actor=actor, person_id=case.person_id, changes=changes
            )


def require_open(case: Any) -> None:
    if case.closed_on is not None:
        raise Conflict(N_("このケースは終結しています。書き足すには、ケースを新しく開始してください。"))


def check_note(held_on: date, minutes: int | None, text: str) -> None:
    if held_on > clock.today():
        raise Invalid(N_("経過の日付に先の日付は入力できません。"), field="held_on")
    if minutes is not None and not 0 <= minutes <= 24 * 60:
        raise Invalid(N_("時間は分で、0 から 1440 までの数字を入力してください。"), field="minutes")
    if not text:
        raise Invalid(N_("内容を入力してください。"), field="text")


def write_note(
    actor: Actor,
    case_id: UUID,
    *,
    method: Method,
    category: Category,
    text: str,
    held_on: date | None = None,
    minutes: int | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add a progress note; `minutes` is how long the contact took. Returns its id."""
    held_on = held_on or clock.today()
    note_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, note_id):
            return earlier
        case = own_case(session, actor, case_id)
        require_open(case)
        check_note(held_on, minutes, text)
        note = ProgressNote(
            id=note_id,
            case_id=case.id,
            author_id=actor.staff_id,
            held_on=held_on,
            method=method,
            minutes=minutes,
            category=category,
            text=text,
        )
        session.add(note)
        audit.record(
            AuditEvent.NOTE_WRITTEN,
            note,
            actor=actor,
            person_id=case.person_id,
            categories=[category],
            method=method,
            text=text,
        )
    return note_id


def correct_note(
    actor: Actor,
    note_id: UUID,
    *,
    method: Method,
    category: Category,
    text: str,
    held_on: date,
    minutes: int | None,
    version: int | None = None,
) -> None:
    """Change a note; what it said before stays in the log's details.

    Raises:
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        note = session.scalars(select(ProgressNote).where(ProgressNote.id == note_id)).one()
        case = own_case(session, actor, note.case_id)
        if note.author_id != actor.staff_id:
            raise NotAllowed(N_("経過を訂正できるのは、書いた人だけです。書いた人に訂正を頼んでください。"))
        require_open(case)
        check_note(held_on, minutes, text)
        changes = note.apply(method=method, category=category, text=text, held_on=held_on, minutes=minutes)
        if changes:
            note.advance(version)
            audit.record(
                AuditEvent.NOTE_CORRECTED,
                note,
                actor=actor,
                person_id=case.person_id,
                categories=[category],
                changes=changes,
            )


def check_closing(case: Any, closed_on: date) -> None:
    """Raise unless the case (the row, or what a page read of it) may be closed on that day."""
    require_open(case)
    if not case.opened_on <= closed_on <= clock.today():
        raise Invalid(N_("終結日は、開始日から今日までの日付にしてください。"), field="closed_on")


def close_case(
    actor: Actor,
    case_id: UUID,
    *,
    outcome: Outcome,
    text: str = "",
    closed_on: date | None = None,
    version: int | None = None,
) -> None:
    """End this agency's support, with what came of it.

    Raises:
        Conflict: it is closed already.
        Invalid: the day lies before the opening or in the future.
    """
    closed_on = closed_on or clock.today()
    with db.transaction() as session:
        case = own_case(session, actor, case_id)
        check_closing(case, closed_on)
        case.advance(version)
        case.apply(closed_on=closed_on, outcome=outcome, closing_text=text)
        audit.record(
            AuditEvent.CASE_CLOSED, case, actor=actor, person_id=case.person_id, outcome=outcome, text=text
        )


def close_on_transfer(session: Session, actor: Actor, case: Case) -> None:
    """The former home's case ends when the new home takes the responsibility over."""
    case.advance(None)
    case.apply(closed_on=clock.today(), outcome=Outcome.OTHER_SERVICE, closing_text="")
    audit.record(
        AuditEvent.CASE_CLOSED,
        case,
        actor=actor,
        person_id=case.person_id,
        outcome=Outcome.OTHER_SERVICE,
        transfer=True,
    )
