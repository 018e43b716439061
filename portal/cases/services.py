"""Opening, sharing and closing cases, their notes and milestones."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership
from portal.agencies.models import Agency
from portal.agencies.services import next_number
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries
from portal.cases.codes import Domain, HeardBy, Method, Milestone, Outcome, Score
from portal.cases.models import Case, CaseGoal, CaseMilestone, ProgressNote
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, NotAllowed, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures.services import present_person
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


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
    """Raise `Invalid` unless the worker does casework in this agency and is not excluded from the person."""
    if worker_id is None:
        return
    here = select(Membership.id).where(
        Membership.staff_id == worker_id,
        Membership.agency_id == actor.agency_id,
        Membership.ended_at.is_(None),
    )
    if person_id:
        here = here.where(~predicates.is_staff_excluded(Membership.staff_id, person_id))
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
    """Close the former home agency's case when a transfer is accepted."""
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


# What the statistics ask of a case: its milestones (節目), and how the person heard of the support.


def standing_case(session: Session, actor: Actor, case_id: UUID) -> Case:
    """The case, open or closed, of a person whose record stands; the person's row is locked first.

    Raises:
        NoResultFound: none that this agency has.
        ErasedPerson: the person's record was erased.
    """
    person_id = session.scalars(
        queries.listing(actor).with_only_columns(Case.person_id).where(Case.id == case_id)
    ).one()
    erased_at = session.scalars(
        select(Person.erased_at).where(Person.id == person_id).with_for_update()
    ).one()
    if erased_at is not None:
        raise audit.ErasedPerson(N_("この人の記録は消去されています。節目は変えられません。"))
    return own_case(session, actor, case_id)


def check_milestone(
    session: Session,
    case: Case,
    what: Milestone,
    happened_on: date,
    *,
    for_employment: bool,
    helper_agency_id: UUID | None,
) -> None:
    """Raise `Invalid` unless the milestone fits the case; a job may become known after the case is closed."""
    if not case.opened_on <= happened_on <= clock.today():
        raise Invalid(
            N_("節目の日付は、ケースの開始日から今日までの日付にしてください。"), field="happened_on"
        )
    if for_employment and what is not Milestone.PLAN_MADE:
        raise Invalid(N_("就労支援対象者の印は、プラン作成のときだけ付けられます。"), field="for_employment")
    if helper_agency_id is None:
        return
    if helper_agency_id == case.agency_id:
        raise Invalid(N_("いっしょに支援した機関は、ほかの機関から選んでください。"), field="helper")
    if session.scalar(select(Agency.id).where(Agency.id == helper_agency_id)) is None:
        raise Invalid(N_("いっしょに支援した機関を選び直してください。"), field="helper")


def note_milestone(
    actor: Actor,
    case_id: UUID,
    what: Milestone,
    *,
    happened_on: date | None = None,
    for_employment: bool = False,
    helper_agency_id: UUID | None = None,
    text: str = "",
    idempotency_key: str | None = None,
) -> UUID:
    """Record a step that the statistics count, on its day; returns its id.

    Raises:
        Invalid: the day lies before the opening or in the future, or the helper is no other agency.
        ErasedPerson: the person's record was erased.
    """
    happened_on = happened_on or clock.today()
    milestone_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, milestone_id):
            return earlier
        case = standing_case(session, actor, case_id)
        check_milestone(
            session,
            case,
            what,
            happened_on,
            for_employment=for_employment,
            helper_agency_id=helper_agency_id,
        )
        milestone = CaseMilestone(
            id=milestone_id,
            case_id=case.id,
            what=what,
            happened_on=happened_on,
            for_employment=for_employment,
            helper_agency_id=helper_agency_id,
            noted_by_id=actor.staff_id,
            text=text,
        )
        session.add(milestone)
        audit.record(
            AuditEvent.MILESTONE_NOTED,
            milestone,
            actor=actor,
            person_id=case.person_id,
            milestone=what,
            happened_on=happened_on,
            for_employment=for_employment,
            helper=helper_agency_id,
            text=text,
        )
    return milestone_id


def strike_milestone(actor: Actor, case_id: UUID, milestone_id: UUID) -> None:
    """Strike out a milestone that was a mistake: it counts nowhere.

    Raises:
        NoResultFound: none in this case.
        Conflict: it is struck out already.
        ErasedPerson: the person's record was erased.
    """
    with db.transaction() as session:
        case = standing_case(session, actor, case_id)
        statement = select(CaseMilestone).where(
            CaseMilestone.id == milestone_id, CaseMilestone.case_id == case.id
        )
        options = {"populate_existing": True}
        milestone = session.scalars(statement.with_for_update(), execution_options=options).one()
        if milestone.struck_at is not None:
            raise Conflict(N_("この節目はすでに取り消されています。"))
        milestone.struck_at = clock.now()
        audit.record(AuditEvent.MILESTONE_STRUCK, milestone, actor=actor, person_id=case.person_id)


def change_heard_by(
    actor: Actor, case_id: UUID, heard_by: HeardBy | None, *, version: int | None = None
) -> None:
    """Change how the person heard of the support, also when the case is closed already.

    Raises:
        StaleForm: a colleague changed the case meanwhile.
        ErasedPerson: the person's record was erased.
    """
    with db.transaction() as session:
        case = standing_case(session, actor, case_id)
        if changes := case.apply(heard_by=heard_by):
            case.advance(version)
            audit.record(
                AuditEvent.CASE_UPDATED, case, actor=actor, person_id=case.person_id, changes=changes
            )
