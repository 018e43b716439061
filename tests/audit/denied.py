"""What refusals left in the log, and whether the log still verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import func, select

from portal.audit.models import AuditDetail, AuditEntry
from portal.core.db import db
from portal.core.errors import Lack
from tests.audit.worlds import World
from tests.factories import Member
from verify_audit import SOUND

DENIED = '"outcome":"deny"'


def length() -> int:
    db.end()
    return db.read().execute(select(func.coalesce(func.max(AuditEntry.seq), 0))).scalar_one()


def since(seq: int) -> list[dict[str, Any]]:
    """The refusals after this entry; none of them says more than codes and ids."""
    db.end()
    session = db.read()
    found = session.scalars(select(AuditEntry).where(AuditEntry.seq > seq).order_by(AuditEntry.seq))
    denied = [json.loads(entry.body) for entry in found if DENIED in entry.body.decode()]
    for one in denied:
        assert one["commitment"] is None, one
        assert json.dumps(one, ensure_ascii=False).isascii(), one
    seqs = [one["seq"] for one in denied]
    assert not session.scalars(select(AuditDetail.seq).where(AuditDetail.seq.in_(seqs))).all()
    return denied


def one_of(
    denied: list[dict[str, Any]],
    *,
    by: Member,
    lack: Lack,
    about: tuple[str, UUID | None] | None = None,
    person: UUID | None = None,
    event: str = "access:refused",
) -> dict[str, Any]:
    """The only refusal there is, which says who was denied what, about whom, and what was lacking."""
    assert len(denied) == 1, denied
    entry = denied[0]
    assert entry["event"] == event
    assert entry["staff"] == str(by.staff_id)
    assert entry["agency"] == (by.agency_id and str(by.agency_id))
    assert entry["ground"] == lack.value, entry["ground"]
    assert entry["subject"] == (person and str(person))
    if about:
        assert entry["object"] == [about[0], about[1] and str(about[1])]
    return entry


@contextmanager
def sound(app: Flask, folder: Path) -> Iterator[World]:
    """The log verifies after what is done here, in the eyes of somebody who kept its checkpoints all along."""
    world = World(app, folder)
    yield world
    world.checkpoint()
    verdict = world.verdict()
    assert verdict.exit == SOUND, verdict.text
