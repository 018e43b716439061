"""How cases are read: an agency sees its own and no other's."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, false, select
from sqlalchemy.sql import ColumnElement

from portal.cases.models import Case, CaseGoal, ProgressNote
from portal.policy import Actor, Permission, can


def visible_to(actor: Actor) -> ColumnElement[bool]:
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return Case.agency_id == actor.agency_id


def listing(actor: Actor) -> Select[Case]:
    return select(Case).where(visible_to(actor)).order_by(Case.opened_on.desc(), Case.id.desc())


def of_person(actor: Actor, person_id: UUID) -> Select[Case]:
    return listing(actor).where(Case.person_id == person_id)


def goals_of(case_id: UUID) -> Select[CaseGoal]:
    return select(CaseGoal).where(CaseGoal.case_id == case_id).order_by(CaseGoal.id)


def notes_of(case_id: UUID) -> Select[ProgressNote]:
    statement = select(ProgressNote).where(ProgressNote.case_id == case_id)
    return statement.order_by(ProgressNote.held_on.desc(), ProgressNote.id.desc())
