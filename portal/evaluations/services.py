"""Writing the texts of a year, arranging its areas, closing and reopening it, and adding to a closed one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.agencies.models import Agency
from portal.audit import checkpoints
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, StaleForm
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.evaluations import programmes, queries, table
from portal.evaluations.catalogue import Measure
from portal.evaluations.models import (
    EvaluationAddendum,
    EvaluationArea,
    EvaluationClosing,
    EvaluationText,
    Part,
)

LONGEST = 10_000
CLOSED = N_("この年度は確定しています。書き足すときは、追記を使ってください。")


def programme_to_change(
    session: Session, actor: Actor, programme_id: UUID, permission: Permission = Permission.EVALUATION_WRITE
) -> Agency:
    """The programme, locked: acts that write, close or change areas wait for one another.

    Raises:
        NoResultFound: no such programme.
        NotAllowed: another agency's programme.
    """
    statement = (
        select(Agency)
        .where(Agency.id == programme_id, programmes.is_programme())
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
    """Write a new version of a text; returns its id, or that of the version with the same text.

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
        programmes.area_of(session, programme_id, year, area)
        if queries.standing(session, programme_id, year):
            raise Conflict(CLOSED)
        if len(text) > LONGEST:
            raise Invalid(N_("%(limit)s文字以内で入力してください。"), field="text", limit=LONGEST)
        newest = next(iter(queries.versions(session, programme_id, year, area, part)), None)
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


# Arranging the areas (項目) of a programme: adding, renaming, ordering, retiring, and what counts for which.

CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
LONGEST_NAME = 60


def own_rows(session: Session, actor: Actor, programme_id: UUID) -> list[EvaluationArea]:
    """All areas as rows in their order; the built-in areas are written as rows at the first change."""
    programme_to_change(session, actor, programme_id, Permission.EVALUATION_CLOSE)
    statement = select(EvaluationArea).where(EvaluationArea.agency_id == programme_id)
    known = {row.code: row for row in session.scalars(statement)}
    rows = []
    for place, one in enumerate(programmes.all_areas(session, programme_id), 1):
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
    if len(name) > LONGEST_NAME:
        raise Invalid(N_("%(limit)s文字以内で入力してください。"), field="name", limit=LONGEST_NAME)
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


# Closing a year (確定): figures and texts frozen under a checkpoint of the log; reopening, and adding afterwards.


def digest_of(frozen: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex: what the log's entry says of a closing."""
    return hashlib.sha256(audit.canonical(frozen)).hexdigest()


def check_day(year: int, as_of: date) -> None:
    """Raise unless a year may be closed as of that day: one of its own, and not in the future."""
    first, last = clock.fiscal_year_bounds(year)
    if not first <= as_of <= last:
        raise Invalid(N_("この年度の中の日付を入力してください。"), field="as_of")
    if as_of > clock.today():
        raise Invalid(N_("今日より後の日付は入力できません。日付を確かめてください。"), field="as_of")


def close(
    actor: Actor, programme_id: UUID, year: int, as_of: date, *, idempotency_key: str | None = None
) -> UUID:
    """Freeze the year as of a day; returns the closing's id.

    The entry is written first and then covered by a checkpoint, all in one transaction.

    Raises:
        NoResultFound: no such programme.
        NotAllowed: neither its coordinator nor its administrator.
        Conflict: it is closed already.
        Invalid: the day is not of this year, or has not come.
    """
    closing_id = new_id()
    with db.transaction() as session:
        programme_to_change(session, actor, programme_id, Permission.EVALUATION_CLOSE)
        if earlier := claim(actor, idempotency_key, closing_id):
            return earlier
        check_day(year, as_of)
        if queries.standing(session, programme_id, year):
            raise Conflict(N_("この年度は、すでに確定しています。"))
        kept = table.frozen(session, programme_id, year, as_of)
        # Locked from here on: the entry below is the next, and the checkpoint ends with it.
        size = checkpoints.head_of(session).seq + 1
        closing = EvaluationClosing(
            id=closing_id,
            agency_id=programme_id,
            year=year,
            as_of=as_of,
            frozen=kept,
            digest=digest_of(kept),
            closed_by_id=actor.staff_id,
            checkpoint_size=size,
        )
        session.add(closing)
        fact = {"digest": closing.digest, "year": year}
        audit.record(AuditEvent.EVALUATION_CLOSED, closing, actor=actor, fact=fact, as_of=as_of)
        checkpoints.make(session)
    return closing_id


def reopen(actor: Actor, programme_id: UUID, year: int, why: str) -> None:
    """Let the texts be written again; what was frozen stays, and says why it was opened.

    Raises:
        Conflict: it is not closed.
        Invalid: no reason.
    """
    with db.transaction() as session:
        programme_to_change(session, actor, programme_id, Permission.EVALUATION_CLOSE)
        closing = queries.standing(session, programme_id, year)
        if closing is None:
            raise Conflict(N_("この年度は確定していません。"))
        if not why:
            raise Invalid(N_("理由を入力してください。"), field="why")
        closing.apply(reopened_at=clock.now(), reopened_by_id=actor.staff_id, reopened_why=why)
        audit.record(AuditEvent.EVALUATION_REOPENED, closing, actor=actor, why=why)


def add(
    actor: Actor, programme_id: UUID, year: int, text: str, *, idempotency_key: str | None = None
) -> UUID:
    """Add to a closed year what became known later (追記).

    Raises:
        Conflict: the year is open: its texts can be written.
        Invalid: nothing was written.
    """
    addendum_id = new_id()
    with db.transaction() as session:
        programme_to_change(session, actor, programme_id)
        if earlier := claim(actor, idempotency_key, addendum_id):
            return earlier
        if not queries.standing(session, programme_id, year):
            raise Conflict(N_("この年度は確定していません。文章をそのまま直してください。"))
        if not text:
            raise Invalid(N_("内容を入力してください。"), field="text")
        if len(text) > LONGEST:
            raise Invalid(N_("%(limit)s文字以内で入力してください。"), field="text", limit=LONGEST)
        row = EvaluationAddendum(
            id=addendum_id, agency_id=programme_id, year=year, text=text, author_id=actor.staff_id
        )
        session.add(row)
        audit.record(AuditEvent.EVALUATION_AMENDED, row, actor=actor, year=year, text=text)
    return addendum_id
