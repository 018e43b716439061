"""Signing in, changing or confirming one's own password, and what happened to the account before."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.accounts import attempts, sessions
from portal.accounts.attempts import Device, TooSoon
from portal.accounts.models import Membership, SignInSession, Staff
from portal.accounts.passwords import check_new, hashing
from portal.accounts.sessions import Limits
from portal.agencies.models import Agency
from portal.audit import jumps, log_integrity
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.errors import Invalid, Lack, TooMany
from portal.core.labels import N_
from portal.core.policy import Actor


@dataclass(frozen=True, slots=True)
class Before:
    """The previous sign-in, and how many attempts have failed since; nothing says who made them."""

    last_at: datetime | None
    failures: int
    failed_at: datetime | None


def last_sign_in(session: Session, staff_id: UUID) -> datetime | None:
    return session.scalar(
        select(func.max(SignInSession.created_at)).where(SignInSession.staff_id == staff_id)
    )


def failures_since(session: Session, staff_id: UUID, last_at: datetime | None) -> Before:
    """Failed sign-ins since `last_at`, without failures of a signed-in member to confirm the own password."""
    failed = select(func.count(), func.max(AuditEntry.at)).where(
        AuditEntry.object_id == staff_id,
        AuditEntry.event == AuditEvent.SIGN_IN_FAILED.value,
        AuditEntry.staff_id.is_(None),
    )
    if last_at is not None:
        failed = failed.where(AuditEntry.at > last_at)
    failures, failed_at = session.execute(failed).one()
    return Before(last_at, failures, failed_at)


# Signing in with a password, and changing one's own.

LONGEST_ADDRESS = 254
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
WRONG = N_("メールアドレスまたはパスワードが違います。")


class NextStep(StrEnum):
    """What is asked for after the password."""

    DONE = "done"


def next_step(staff: Staff) -> NextStep:
    """The step after the password; always none until the second factor (`staff.second_factor`) is built."""
    return NextStep.DONE


@dataclass(frozen=True, slots=True)
class Entrance:
    """A session that has begun: the token for its cookie, and the language of the person behind it."""

    token: str
    language: str
    before: Before


def address_of(typed: str) -> str:
    """An e-mail address as it is stored and looked for."""
    return unicodedata.normalize("NFKC", typed).strip().lower()


def is_address(email: str) -> bool:
    return len(email) <= LONGEST_ADDRESS and ADDRESS.fullmatch(email) is not None


def usable(email: str) -> Select[Staff, Membership, str | None]:
    """Staff with this address who may sign in now, with their membership and the agency's name."""
    return (
        select(Staff, Membership, Agency.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .outerjoin(Agency, Agency.id == Membership.agency_id)
        .where(Staff.email == email, Staff.disabled_at.is_(None), Membership.ended_at.is_(None))
    )


def sign_in(
    email: str,
    password: str,
    *,
    secret: str,
    device: Device,
    limits: Limits,
    user_agent: str = "",
    first: Callable[[Session, Actor], None] | None = None,
) -> Entrance:
    """Begin a session. An unknown address, a disabled person and a wrong password cost the same work.

    `first` runs in the same transaction before the session begins: while the clock is behind, its jump
    must be declared before anything else can be logged.

    Raises:
        ClockBehind: nothing can be logged, so nobody comes in; no attempt is counted.
        Invalid: address and password do not fit together; the message is one for all reasons.
        TooSoon: the delay of earlier failures is not over.
        TooMany: too many are signing in at this moment.
    """
    if first is None:
        with db.transaction() as session:
            jumps.require_right(session)
    email = address_of(email)
    buckets = attempts.buckets_of(secret, email, device)
    attempt_id = attempts.note(buckets)
    with db.transaction() as session:
        known = session.scalar(select(Staff.id).where(Staff.email == email))
        found = session.execute(usable(email)).one_or_none()
        stored = found[0].password_hash if found else None
    try:
        fits = hashing.fits(stored, password)
        renewed = hashing.hash(password) if fits and stored and hashing.is_outdated(stored) else None
    except TooMany:
        attempts.take_back(attempt_id)
        raise
    with db.transaction() as session:
        found = session.execute(usable(email)).one_or_none() if fits else None
        # The account was disabled or its password changed during the check: the sign-in fails.
        if found and found[0].password_hash == stored:
            staff, membership, agency_name = found
            attempts.clear(session, buckets)
            actor = actor_of(staff, membership, agency_name)
            if first is not None:
                first(session, actor)
            # While the log is halted whoever mends it must be able to sign in: the stronger hash waits.
            if renewed and log_integrity.present(session) is None and staff.apply(password_hash=renewed):
                audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, rehashed=True)
            if next_step(staff) is NextStep.DONE:
                last_at = last_sign_in(session, staff.id)
                token = sessions.start(session, actor, limits=limits, user_agent=user_agent)
                # Counted while the log's head is held: a failure at this very moment comes before or after, never lost.
                return Entrance(token, staff.language, failures_since(session, staff.id, last_at))
        # While the clock is behind nothing can be logged but what `first` writes.
        if first is None or jumps.present(session) is None:
            audit.record(AuditEvent.SIGN_IN_FAILED, ("staff", known), actor=None, allowed=False)
    raise Invalid(WRONG)


def actor_of(staff: Staff, membership: Membership, agency_name: str | None) -> Actor:
    return Actor(
        staff_id=staff.id,
        membership_id=membership.id,
        name=staff.name,
        role=membership.role,
        agency_id=membership.agency_id,
        agency_name=agency_name or "",
        administers=membership.administers,
    )


def own_row(session: Session, actor: Actor) -> Staff:
    return session.scalars(select(Staff).where(Staff.id == actor.staff_id).with_for_update()).one()


def change_password(actor: Actor, session_id: UUID, *, current: str, new: str, secret: str) -> None:
    """Change one's own password. Every other session of this person ends.

    Raises:
        Invalid: the current one is wrong, or the new one is too short, guessable or the same.
        TooSoon: the delay of earlier failures is not over.
    """
    with db.transaction() as session:
        staff = own_row(session, actor)
    check_new(new, email=staff.email, name=staff.name, field="new")
    buckets = attempts.buckets_of_own(secret, actor.staff_id)
    attempt_id = attempts.note(buckets)
    try:
        fits = hashing.fits(staff.password_hash, current)
        same = fits and hashing.fits(staff.password_hash, new)
        new_hash = hashing.hash(new) if fits and not same else ""
    except TooMany:
        attempts.take_back(attempt_id)
        raise
    if not fits:
        raise Invalid(N_("現在のパスワードが違います。"), field="current")
    with db.transaction() as session:
        attempts.clear(session, buckets)
        if same:
            raise Invalid(N_("現在と違うパスワードにしてください。"), field="new")
        row = own_row(session, actor)
        if row.password_hash != staff.password_hash:
            raise Invalid(N_("現在のパスワードが違います。"), field="current")
        row.password_hash = new_hash
        sessions.end_all_of(session, actor.staff_id, but=session_id)
        audit.record(AuditEvent.PASSWORD_CHANGED, row, actor=actor)


def choose_language(actor: Actor, language: str) -> None:
    with db.transaction() as session:
        row = own_row(session, actor)
        if changes := row.apply(language=language):
            audit.record(AuditEvent.STAFF_UPDATED, row, actor=actor, changes=changes)


# One's own password once more, before an act that somebody at an unlocked screen must not do.


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """The typed password, and the key under which attempts are counted, as in signing in."""

    typed: str
    secret: str


def confirm(actor: Actor, own: OwnPassword, *, field: str = "password") -> None:
    """Check the actor's own password before an act that a stranger at an unlocked screen must not do.

    Raises:
        Invalid: it is not this member's password; the attempt is counted and logged.
        TooSoon: the delay of earlier failures is not over.
        TooMany: too many passwords are being checked at this moment.
    """
    buckets = attempts.buckets_of_own(own.secret, actor.staff_id)
    try:
        attempt_id = attempts.note(buckets)
    except TooSoon as error:
        error.lack = Lack.TRIES  # of a stranger who signs in there is nobody to name; of this member there is
        raise
    with db.transaction() as session:
        stored = own_row(session, actor).password_hash
    try:
        fits = hashing.fits(stored, own.typed)
    except TooMany:
        attempts.take_back(attempt_id)
        raise
    with db.transaction() as session:
        if fits and own_row(session, actor).password_hash == stored:
            attempts.clear(session, buckets)
            return
        audit.record(AuditEvent.SIGN_IN_FAILED, ("staff", actor.staff_id), actor=actor, allowed=False)
    raise Invalid(N_("パスワードが違います。サインインのときのパスワードを入力してください。"), field=field)
