"""Writing the texts of a year; every version stays."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.agencies.models import Agency, AgencyKind
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid, StaleForm
from portal.evaluations import area_queries, closing_queries, text_queries
from portal.evaluations.models import EvaluationText, Part
from portal.once import claim
from portal.policy import Actor, Permission, require
from portal.words import N_

LONGEST = 10_000
CLOSED = N_("この年度は確定しています。書き足すときは、追記を使ってください。")


def programme_to_change(
    session: Session, actor: Actor, programme_id: UUID, permission: Permission = Permission.EVALUATION_WRITE
) -> Agency:
    """The programme, locked: whoever writes, closes or changes areas takes his turn.

    Raises:
        NoResultFound: no such programme.
        NotAllowed: another agency's.
    """
    statement = (
        select(Agency)
        .where(Agency.id == programme_id, Agency.kind == AgencyKind.EMPLOYMENT_PREPARATION)
        .with_for_update(key_share=True)
    )
    programme = session.scalars(statement).one()
    require(actor, permission, programme)
    return programme


def write(
    actor: Actor,
    programme_id: UUID,
    year: int,
    area: str,
    part: Part,
    text: str,
    *,
    seen: UUID | None = None,
    check_seen: bool = False,
    idempotency_key: str | None = None,
) -> UUID:
    """A new version of a text; returns its id, or that of the version that says the same already.

    With `check_seen`, `seen` is the version that the form was filled in on, None for no text yet.

    Raises:
        NoResultFound: no such programme, or no such area in that year.
        Conflict: the year is closed.
        StaleForm: somebody else has written meanwhile.
    """
    text_id = new_id()
    with db.transaction() as session:
        programme_to_change(session, actor, programme_id)
        if earlier := claim(actor, idempotency_key, text_id):
            return earlier
        area_queries.area_of(session, programme_id, year, area)
        if closing_queries.standing(session, programme_id, year):
            raise Conflict(CLOSED)
        if len(text) > LONGEST:
            raise Invalid(N_("%(limit)s文字以内で入力してください。"), field="text", limit=LONGEST)
        newest = next(iter(text_queries.versions(session, programme_id, year, area, part)), None)
        if check_seen and seen != (newest and newest.id):
            raise StaleForm(
                N_("入力している間に、ほかの人がこの文章を保存しました。両方を見比べてください。")
            )
        if newest and newest.text == text:
            return newest.id
        row = EvaluationText(
            id=text_id,
            agency_id=programme_id,
            year=year,
            area=area,
            part=part,
            text=text,
            author_id=actor.staff_id,
        )
        session.add(row)
        audit.record(
            AuditEvent.EVALUATION_WRITTEN, row, actor=actor, year=year, area=area, part=part, text=text
        )
    return text_id
