"""Refuse to commit a change to an `Audited` record that no audit entry explains."""

from __future__ import annotations

from sqlalchemy import TextClause, event
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session
from sqlalchemy.sql.dml import UpdateBase

from portal.audit.bound import TABLES
from portal.audit.models import AuditCheckpoint, AuditDetail, Audited, AuditEntry, RecordSalt, SubjectKey
from portal.core.db import Base

THE_LOG = (AuditEntry, AuditDetail, AuditCheckpoint, SubjectKey, RecordSalt)


class UnauditedChange(RuntimeError):
    """A programmer's mistake, so it is no `PortalError`: the page is a 500 and the test is red."""


def install(session: scoped_session[Session]) -> None:
    event.listen(session, "do_orm_execute", refuse_bulk_change)
    event.listen(session, "before_flush", note_changes)
    event.listen(session, "before_commit", refuse_unexplained)
    event.listen(session, "after_rollback", forget)


def refuse_bulk_change(state: ORMExecuteState) -> None:
    """Refuse INSERT, UPDATE and DELETE by statement on an audited model or table: they leave no history."""
    statement = state.statement
    if isinstance(statement, TextClause) and not statement.text.lstrip().lower().startswith("select"):
        raise UnauditedChange("a change in words of SQL passes by the audit log: use the models")
    if not isinstance(statement, UpdateBase):
        return
    for mapper in Base.registry.mappers:
        # By name: a statement on a model carries an annotated copy of the table.
        if mapper.local_table.description != statement.table.description:
            continue
        if issubclass(mapper.class_, Audited):
            raise UnauditedChange("change audited records one by one: a bulk change has no history")
        if mapper.local_table.description in TABLES:
            raise UnauditedChange("change what the log binds one by one: a bulk change is not noticed")
        if issubclass(mapper.class_, THE_LOG):
            raise UnauditedChange("audit entries are written by audit.services only, and never changed")


def note_changes(session: Session, _context: object, _instances: object) -> None:
    for obj in (*session.new, *session.dirty, *session.deleted):
        if isinstance(obj, THE_LOG):
            raise UnauditedChange("audit entries are written by audit.services only")
        if isinstance(obj, Audited) and (obj not in session.dirty or session.is_modified(obj)):
            session.info.setdefault("changed", set()).add(obj)


def refuse_unexplained(session: Session) -> None:
    session.flush()
    unexplained = session.info.pop("changed", set()) - session.info.pop("explained", set())
    if unexplained:
        raise UnauditedChange(
            f"changed without an audit entry: {sorted(type(o).__name__ for o in unexplained)}"
        )


def forget(session: Session) -> None:
    session.info.pop("changed", None)
    session.info.pop("explained", None)
