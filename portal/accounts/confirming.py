"""One's own password once more, before an act that somebody at an unlocked screen must not do."""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts import attempts
from portal.accounts.attempts import TooSoon
from portal.accounts.passwords import hashing
from portal.accounts.signing_in import own_row
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Invalid, Lack, TooMany
from portal.policy import Actor
from portal.words import N_


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """What was typed, and the key under which attempts are counted, as in signing in."""

    typed: str
    secret: str


def confirm(actor: Actor, own: OwnPassword, *, field: str = "password") -> None:
    """Whether it is really the one who signed in.

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
