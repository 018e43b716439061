"""Sessions as rows: starting one, finding whose it is, keeping it alive, ending it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, SignInSession, Staff
from portal.agencies.models import Agency
from portal.audit import jumps, stale_read
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Role

# The row is written at most this often by page views: the idle limit is counted in minutes.
TOUCH_EVERY = timedelta(seconds=60)
PRIVILEGED = {Role.AUDITOR, Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN}


@dataclass(frozen=True, slots=True)
class Limits:
    """The lifetimes of a session: idle, idle for privileged roles, and absolute."""

    idle: timedelta
    idle_privileged: timedelta
    absolute: timedelta

    def idle_of(self, role: Role) -> timedelta:
        return self.idle_privileged if role in PRIVILEGED else self.idle


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that is alive, and who is behind it."""

    id: UUID
    actor: Actor
    language: str
    last_seen_at: datetime
    ends_at: datetime  # the nearer of the idle and the absolute end, if nothing more is asked for

    def seconds_left(self) -> int:
        return max(0, int((self.ends_at - clock.now()).total_seconds()))


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def start(session: Session, actor: Actor, *, limits: Limits, user_agent: str = "") -> str:
    """A new session in the current transaction; returns the token for the cookie, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    row = SignInSession(
        token_hash=hashed(token),
        staff_id=actor.staff_id,
        membership_id=actor.membership_id,
        last_seen_at=clock.now(),
        expires_at=clock.now() + limits.absolute,
        user_agent=user_agent[:200],
    )
    session.add(row)
    audit.record(AuditEvent.SESSION_STARTED, row, actor=actor)
    return token


# Run on every request, so built once.
LIVE = (
    select(
        SignInSession.id,
        SignInSession.last_seen_at,
        SignInSession.expires_at,
        Staff.id.label("staff_id"),
        Staff.name,
        Staff.language,
        Membership.id.label("membership_id"),
        Membership.role,
        Membership.administers,
        Membership.agency_id,
        Agency.name.label("agency_name"),
        stale_read.LENGTH_THEN,
    )
    .join(Staff, Staff.id == SignInSession.staff_id)
    .join(Membership, Membership.id == SignInSession.membership_id)
    .outerjoin(Agency, Agency.id == Membership.agency_id)
    .where(
        SignInSession.token_hash == bindparam("token_hash"),
        SignInSession.ended_at.is_(None),
        SignInSession.expires_at > bindparam("now"),
        Staff.disabled_at.is_(None),
        Membership.ended_at.is_(None),
    )
)


def find(session: Session, token: str, limits: Limits) -> LiveSession | None:
    """The live session of this token: neither ended nor expired, its owner neither disabled nor moved."""
    row = session.execute(LIVE, {"token_hash": hashed(token), "now": clock.now()}).one_or_none()
    if row is None:
        return None
    db.log_length.set(row.log_length)
    idle_end = row.last_seen_at + limits.idle_of(row.role)
    if idle_end <= clock.now():
        return None
    actor = Actor(
        staff_id=row.staff_id,
        membership_id=row.membership_id,
        name=row.name,
        role=row.role,
        agency_id=row.agency_id,
        agency_name=row.agency_name or "",
        administers=row.administers,
    )
    # Not every request writes its sign of life: promise the end that the stored row will keep.
    now = clock.now()
    seen = now if is_due(row.last_seen_at) else row.last_seen_at
    ends_at = min(row.expires_at, seen + limits.idle_of(row.role))
    return LiveSession(row.id, actor, row.language, row.last_seen_at, ends_at)


def is_due(last_seen_at: datetime) -> bool:
    return clock.now() - last_seen_at >= TOUCH_EVERY


def touch(live: LiveSession, *, always: bool = False) -> None:
    """Note activity, if the last one noted is old enough to be worth a write."""
    if not always and not is_due(live.last_seen_at):
        return
    with db.transaction(keep_reader=True) as session:
        session.execute(
            update(SignInSession).where(SignInSession.id == live.id).values(last_seen_at=clock.now())
        )


def own(actor: Actor) -> Select[SignInSession]:
    """One's own sessions that have not been ended, the latest seen first."""
    return (
        select(SignInSession)
        .where(
            SignInSession.staff_id == actor.staff_id,
            SignInSession.ended_at.is_(None),
            SignInSession.expires_at > clock.now(),
        )
        .order_by(SignInSession.last_seen_at.desc(), SignInSession.id)
    )


def still_alive(rows: Sequence[SignInSession], actor: Actor, limits: Limits) -> list[SignInSession]:
    """The sessions of these rows that could still be used."""
    return [row for row in rows if row.last_seen_at + limits.idle_of(actor.role) > clock.now()]


def end(actor: Actor, session_id: UUID) -> None:
    """End one of one's own sessions.

    Raises:
        NoResultFound: it is not one's own.
    """
    with db.transaction() as session:
        row = session.scalars(own(actor).where(SignInSession.id == session_id)).one()
        row.ended_at = clock.now()
        audit.record(AuditEvent.SESSION_ENDED, row, actor=actor)


def end_others(actor: Actor, session_id: UUID) -> None:
    """End all of one's own sessions but this one."""
    with db.transaction() as session:
        for row in session.scalars(own(actor).where(SignInSession.id != session_id)):
            row.ended_at = clock.now()
            audit.record(AuditEvent.SESSION_ENDED, row, actor=actor)


def put_right(session: Session, actor: Actor, but: UUID | None, *, limits: Limits) -> None:
    """End sessions last seen in what is the future after a jump of the clock: they would outlive their limit.

    The session in which the jump was declared (`but`) goes on, from now.
    """
    now = clock.now()
    ahead = update(SignInSession).where(
        SignInSession.ended_at.is_(None), SignInSession.last_seen_at > now + jumps.MARGIN
    )
    if but:
        ahead = ahead.where(SignInSession.id != but)
        own_session = update(SignInSession).where(
            SignInSession.id == but, SignInSession.staff_id == actor.staff_id
        )
        session.execute(own_session.values(last_seen_at=now, expires_at=now + limits.absolute))
    session.execute(ahead.values(ended_at=now))


def end_all_of(session: Session, staff_id: UUID, *, but: UUID | None = None) -> None:
    """End every session of a member of staff, in the current transaction: disabled, moved, new password."""
    others = update(SignInSession).where(SignInSession.staff_id == staff_id, SignInSession.ended_at.is_(None))
    if but:
        others = others.where(SignInSession.id != but)
    session.execute(others.values(ended_at=clock.now()))
