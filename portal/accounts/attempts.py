"""Failed sign-ins and the delays they bring: by account and by device, and never a lock."""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.models import SignInAttempt
from portal.db import db, new_id
from portal.errors import PortalError
from portal.words import N_

# A slip of the hand costs nothing; then 5, 10, 20, 40 seconds, and never more than a minute below 100.
FREE_PER_ACCOUNT = 5
# A whole office may sit behind one address.
FREE_PER_DEVICE = 20
FIRST_DELAY = 5
LONGEST_DELAY = 60
MANY = 100
DELAY_OF_MANY = 15 * 60
REMEMBERED = timedelta(hours=24)


class TooSoon(PortalError):
    """Asked again before the delay was over; `seconds` says when it will be."""

    status = 429
    title = N_("しばらく待ってからもう一度お試しください")

    def __init__(self, seconds: int) -> None:
        super().__init__(
            N_("続けて間違えたため、しばらく待ってから、もう一度お試しください（あと%(seconds)s秒）。"),
            seconds=seconds,
        )
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Device:
    """What a sign-in comes from: its network address, and the mark of an earlier success of this account."""

    address: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where failures are counted. A device known to the account has its own, so a stranger slows nobody."""

    account: str
    device: str


def keyed(secret: str, *parts: str) -> str:
    """A hash that tells nothing to whoever reads the table without the key."""
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def buckets_of(secret: str, account: str, device: Device) -> Buckets:
    if device.mark:
        return Buckets(
            keyed(secret, "account on device", account, device.mark), keyed(secret, "device", device.mark)
        )
    return Buckets(keyed(secret, "account", account), keyed(secret, "address", device.address))


def delay(failures: int, free: int) -> int:
    """Seconds to wait after so many failures."""
    if failures < free:
        return 0
    if failures >= MANY:
        return DELAY_OF_MANY
    return min(LONGEST_DELAY, int(FIRST_DELAY * 2 ** min(failures - free, 10)))


def seconds_left(session: Session, buckets: Buckets) -> int:
    asked = (
        (SignInAttempt.account_hash == buckets.account, FREE_PER_ACCOUNT),
        (SignInAttempt.device_hash == buckets.device, FREE_PER_DEVICE),
    )
    return max(_left(session, condition, free) for condition, free in asked)


def _left(session: Session, condition: ColumnElement[bool], free: int) -> int:
    since = clock.now() - REMEMBERED
    counted = select(func.count(), func.max(SignInAttempt.created_at)).where(
        condition,
        SignInAttempt.created_at > since,
        # A clock that was ahead and put right must not keep anybody out until then.
        SignInAttempt.created_at <= clock.now(),
    )
    failures, last = session.execute(counted).one()
    if not failures:
        return 0
    return max(0, math.ceil(delay(failures, free) - (clock.now() - last).total_seconds()))


def note(buckets: Buckets) -> UUID:
    """Count an attempt as failed before it is tried, so that many at once count as many; returns its id.

    Raises:
        TooSoon: the delay of earlier failures is not over; this one is neither tried nor counted.
    """
    with db.transaction() as session:
        if wait := seconds_left(session, buckets):
            raise TooSoon(wait)
        attempt_id = new_id()
        session.add(SignInAttempt(id=attempt_id, account_hash=buckets.account, device_hash=buckets.device))
    return attempt_id


def take_back(attempt_id: UUID) -> None:
    """The attempt was never tried."""
    with db.transaction() as session:
        session.execute(delete(SignInAttempt).where(SignInAttempt.id == attempt_id))


def clear(session: Session, buckets: Buckets) -> None:
    """Success: the account begins anew. What the device did to other accounts stays counted."""
    now, at = clock.now(), SignInAttempt.created_at
    old = (at < now - REMEMBERED) | (
        at > now
    )  # of a clock that was ahead: they would count when that time comes
    session.execute(delete(SignInAttempt).where((SignInAttempt.account_hash == buckets.account) | old))
