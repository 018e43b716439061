"""Changing a setting, and who changed what when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditDetail, AuditEntry
from portal.configuration.catalogue import BY_KEY, Spec
from portal.configuration.models import Setting
from portal.core.db import db, new_id
from portal.core.errors import Invalid, StaleForm
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history."""

    at: datetime
    staff_id: UUID | None  # none: by a command on the server
    spec: Spec
    before: int
    after: int


def change(actor: Actor, key: str, value: int, *, version: int | None = None) -> bool:
    """Change a setting; False when it has this value already. `version` 0 is that of a setting never changed.

    Raises:
        NotAllowed: only a system administrator does.
        Invalid: the value lies outside its bounds.
        StaleForm: somebody changed it meanwhile.
    """
    require(actor, Permission.SETTING_CHANGE)
    spec = BY_KEY[key]
    if not spec.least <= value <= spec.most:
        raise Invalid(
            N_("%(least)s から %(most)s までの数字を入力してください。"),
            field="value",
            least=spec.least,
            most=spec.most,
        )
    with db.transaction() as session:
        row = session.scalars(select(Setting).where(Setting.key == key).with_for_update()).one_or_none()
        before = row.value if row else spec.default
        if version is not None and version != (row.version if row else 0):
            raise stale()
        if before == value:
            return False
        row = changed(session, row, key, value)
        audit.record(AuditEvent.SETTING_CHANGED, row, actor=actor, key=key, before=before, after=value)
        return True


def changed(session: Session, row: Setting | None, key: str, value: int) -> Setting:
    if row is not None:
        row.value = value
        row.advance(None)
        return row
    row = Setting(id=new_id(), key=key, value=value)
    try:
        session.add(row)
        session.flush()
    except IntegrityError as error:  # a colleague was the first to change it, at this very moment
        raise stale() from error
    return row


def stale() -> StaleForm:
    return StaleForm(N_("入力している間に、ほかの人がこの設定を変えました。いまの値を確認してください。"))


def history(actor: Actor, *, key: str | None = None, size: int = 50) -> list[Change]:
    """Who changed what when, the latest first; read from the log, which nobody can change.

    Raises:
        NotAllowed: the role has nothing to do with it.
    """
    require(actor, Permission.SETTING_CHANGE)
    rows = db.unrestricted().execute(
        select(AuditEntry.at, AuditEntry.staff_id, AuditDetail.details)
        .join(AuditDetail, AuditDetail.seq == AuditEntry.seq)
        .where(AuditEntry.event == AuditEvent.SETTING_CHANGED.value)
        .order_by(AuditEntry.seq.desc())
        .limit(size if key is None else 500)
    )
    found = [line(row) for row in rows]
    return [one for one in found if one and (key is None or one.spec.key == key)][:size]


def line(row: Any) -> Change | None:
    """One change; None for a setting that this version of the program does not have."""
    told = json.loads(row.details)
    spec = BY_KEY.get(told["key"])
    return Change(row.at, row.staff_id, spec, told["before"], told["after"]) if spec else None
