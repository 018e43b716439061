"""What the statistics ask of a case: its milestones (節目), and by what the person came to ask for help."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries, services
from portal.cases.codes import HeardBy, Milestone
from portal.cases.models import Case, CaseMilestone
from portal.db import db, new_id
from portal.errors import Conflict, Invalid
from portal.once import claim
from portal.people.models import Person
from portal.policy import Actor
from portal.words import N_


def standing_case(session: Session, actor: Actor, case_id: UUID) -> Case:
    """The case, open or closed, of a person whose record stands. His row is locked first, as an erasure does.

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
    return services.own_case(session, actor, case_id)


def check_milestone(
    session: Session,
    case: Case,
    what: Milestone,
    happened_on: date,
    *,
    for_employment: bool,
    helper_agency_id: UUID | None,
) -> None:
    """Raise `Invalid` unless it fits the case; a job may become known when the case is closed already."""
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
    """Write down a step that the statistics count, on its day; returns its id.

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
    """Take back what was a mistake: from then on it counts nowhere, and never has.

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
    """Say by what the person came to ask for help, also when the case is closed already.

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
