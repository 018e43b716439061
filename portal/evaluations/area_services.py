"""Arranging the areas (項目) of a programme: adding, renaming, ordering, retiring, and what counts for which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid, StaleForm
from portal.evaluations import area_queries
from portal.evaluations.catalogue import Measure
from portal.evaluations.models import EvaluationArea
from portal.evaluations.text_services import programme_to_change
from portal.once import claim
from portal.policy import Actor, Permission
from portal.words import N_

CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
LONGEST = 60


def own_rows(session: Session, actor: Actor, programme_id: UUID) -> list[EvaluationArea]:
    """All areas as rows in their order; those that the portal came with are written down at the first change."""
    programme_to_change(session, actor, programme_id, Permission.EVALUATION_CLOSE)
    statement = select(EvaluationArea).where(EvaluationArea.agency_id == programme_id)
    known = {row.code: row for row in session.scalars(statement)}
    rows = []
    for place, one in enumerate(area_queries.all_areas(session, programme_id), 1):
        row = known.get(one.area.code)
        if row is None:
            row = EvaluationArea(
                id=new_id(),
                agency_id=programme_id,
                code=one.area.code,
                name=one.area.name,
                position=place,
                kinds=[kind.value for kind in one.area.kinds],
                measures=[measure.value for measure in one.area.measures],
                version=0,
            )
            session.add(row)
            audit.record(AuditEvent.AREA_CHANGED, row, actor=actor, name=row.name)
        rows.append(row)
    return rows


def check_name(rows: Sequence[EvaluationArea], name: str, but: EvaluationArea | None = None) -> None:
    if not name:
        raise Invalid(N_("項目の名前を入力してください。"), field="name")
    if len(name) > LONGEST:
        raise Invalid(N_("%(limit)s文字以内で入力してください。"), field="name", limit=LONGEST)
    if any(row.name == name and row is not but and row.retired_from is None for row in rows):
        raise Conflict(N_("同じ名前の項目があります。"), field="name")


def define(
    actor: Actor,
    programme_id: UUID,
    name: str,
    *,
    kinds: Sequence[ActivityKind] = (),
    measures: Sequence[Measure] = (),
    code: str | None = None,
    idempotency_key: str | None = None,
) -> str:
    """Add an area at the end; returns its code.

    Raises:
        Conflict: there is one of this name or code.
    """
    area_id = new_id()
    with db.transaction() as session:
        rows = own_rows(session, actor, programme_id)
        if earlier := claim(actor, idempotency_key, area_id):
            return session.scalars(select(EvaluationArea.code).where(EvaluationArea.id == earlier)).one()
        check_name(rows, name)
        code = code or f"a{area_id.hex[-10:]}"
        if not CODE.fullmatch(code):
            raise Invalid(N_("記号は、半角の英小文字・数字・ハイフンで入力してください。"), field="code")
        if any(row.code == code for row in rows):
            raise Conflict(N_("同じ記号の項目があります。"), field="code")
        row = EvaluationArea(
            id=area_id,
            agency_id=programme_id,
            code=code,
            name=name,
            position=max((row.position for row in rows), default=0) + 1,
            kinds=[kind.value for kind in kinds],
            measures=[measure.value for measure in measures],
        )
        session.add(row)
        audit.record(
            AuditEvent.AREA_CHANGED, row, actor=actor, name=name, kinds=row.kinds, measures=row.measures
        )
    return code


def one_of(rows: Sequence[EvaluationArea], code: str) -> EvaluationArea:
    found = next((row for row in rows if row.code == code), None)
    if found is None:
        raise Conflict(N_("この項目は見つかりません。"))
    return found


def change(
    actor: Actor,
    programme_id: UUID,
    code: str,
    *,
    name: str,
    kinds: Sequence[ActivityKind],
    measures: Sequence[Measure],
    retired_from: int | None,
    version: int | None = None,
) -> None:
    """Rename an area, say what counts for it, or from which year on it is no longer used.

    Raises:
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        rows = own_rows(session, actor, programme_id)
        row = one_of(rows, code)
        check_name(rows, name, but=row)
        changes = row.apply(
            name=name,
            kinds=[kind.value for kind in kinds],
            measures=[measure.value for measure in measures],
            retired_from=retired_from,
        )
        if version is not None and version != row.version:
            raise StaleForm(
                N_("入力している間に、ほかの人がこの記録を更新しました。内容を確認してください。")
            )
        if changes or row.version == 0:
            row.version += 1
            audit.record(AuditEvent.AREA_CHANGED, row, actor=actor, changes=changes)


def move(actor: Actor, programme_id: UUID, code: str, *, up: bool) -> None:
    """Put an area one place up or down; at the end of the list nothing happens."""
    with db.transaction() as session:
        rows = own_rows(session, actor, programme_id)
        at = rows.index(one_of(rows, code))
        there = at - 1 if up else at + 1
        if not 0 <= there < len(rows):
            return
        rows[at], rows[there] = rows[there], rows[at]
        for place, row in enumerate(rows, 1):
            if changes := row.apply(position=place):
                row.version += 1
                audit.record(AuditEvent.AREA_CHANGED, row, actor=actor, changes=changes)
