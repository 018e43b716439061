"""Closing a year (確定): figures and texts frozen under a checkpoint of the log; reopening, and adding afterwards."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any
from uuid import UUID

from portal import clock
from portal.audit import checkpoints
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid
from portal.evaluations import closing_queries, numbers
from portal.evaluations.models import EvaluationAddendum, EvaluationClosing
from portal.evaluations.text_services import LONGEST, programme_to_change
from portal.once import claim
from portal.policy import Actor, Permission
from portal.words import N_


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
        if closing_queries.standing(session, programme_id, year):
            raise Conflict(N_("この年度は、すでに確定しています。"))
        kept = numbers.frozen(session, programme_id, year, as_of)
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
        closing = closing_queries.standing(session, programme_id, year)
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
        if not closing_queries.standing(session, programme_id, year):
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
