"""Failed sign-ins and their delays, counted so that nobody can lock others out (docs/decisions/026)."""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from portal.accounts.models import SignInAttempt
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import PortalError
from portal.core.labels import N_

# A slip of the hand costs nothing; then 5, 10, 20, 40 seconds, and never more than a minute below 100.
FREE_PER_ACCOUNT = 5
FREE_PER_DEVICE = 20
FIRST_DELAY = 5
LONGEST_DELAY = 60
# A whole city hall may share one network address: failures of one person delay the others by seconds only.
LONGEST_DELAY_OF_ADDRESS = 5
# Failures of one account from many addresses. A single address counts for less than this allowance.
FREE_PER_ACCOUNT_ANYWHERE = 20
MOST_PER_ADDRESS = 10
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
    """Where a sign-in comes from: its network address, and the mark of an earlier success of this account.

    The address is empty where it cannot be told from a proxy's.
    """

    address: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Failures that are counted together, and what they cost."""

    counted: ColumnElement[bool]
    free: int
    longest: int = LONGEST_DELAY
    of_many: int = DELAY_OF_MANY
    most_per_source: int | None = None


@dataclass(frozen=True, slots=True)
class Buckets:
    """Under which hashes an attempt is noted, and what slows it down."""

    account: str
    device: str
    limits: tuple[Limit, ...]

    def own(self) -> ColumnElement[bool]:
        """The failures to forget when this account signs in successfully from this device."""
        return (SignInAttempt.account_hash == self.account) & (SignInAttempt.device_hash == self.device)


def keyed(secret: str, *parts: str) -> str:
    """A keyed hash, which reveals nothing to a reader of the table who has no key."""
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def buckets_of(secret: str, account: str, device: Device) -> Buckets:
    """The counters of a sign-in. A device known to the account has its own, so strangers cannot slow it down.

    Of strangers an address is counted with the account, and alone, for those who try many accounts; where the
    address is not known, by the account only: all strangers would share the other.
    """
    if device.mark:
        by_account = keyed(secret, "account on device", account, device.mark)
        by_device = keyed(secret, "device", device.mark)
        return Buckets(
            by_account,
            by_device,
            (
                Limit(SignInAttempt.account_hash == by_account, FREE_PER_ACCOUNT),
                Limit(SignInAttempt.device_hash == by_device, FREE_PER_DEVICE),
            ),
        )
    by_account = keyed(secret, "account", account)
    by_address = keyed(secret, "address", device.address)
    here = (SignInAttempt.account_hash == by_account) & (SignInAttempt.device_hash == by_address)
    if not device.address:
        return Buckets(by_account, by_address, (Limit(here, FREE_PER_ACCOUNT),))
    anywhere = SignInAttempt.account_hash == by_account
    everybody = SignInAttempt.device_hash == by_address
    brief = LONGEST_DELAY_OF_ADDRESS
    return Buckets(
        by_account,
        by_address,
        (
            Limit(here, FREE_PER_ACCOUNT),
            Limit(anywhere, FREE_PER_ACCOUNT_ANYWHERE, most_per_source=MOST_PER_ADDRESS),
            Limit(everybody, FREE_PER_DEVICE, longest=brief, of_many=brief),
        ),
    )


def buckets_of_own(secret: str, staff_id: UUID) -> Buckets:
    """The counters of a signed-in member who confirms the own password; only their own failures count."""
    account = keyed(secret, "account", f"own password {staff_id}")
    limit = Limit(SignInAttempt.account_hash == account, FREE_PER_ACCOUNT)
    return Buckets(account, keyed(secret, "own password", str(staff_id)), (limit,))


def delay(failures: int, free: int, longest: int = LONGEST_DELAY, of_many: int = DELAY_OF_MANY) -> int:
    """Seconds to wait after so many failures."""
    if failures < free:
        return 0
    if failures >= MANY:
        return of_many
    return min(longest, int(FIRST_DELAY * 2 ** min(failures - free, 10)))


def seconds_left(session: Session, buckets: Buckets) -> int:
    return max(_left(session, limit) for limit in buckets.limits)


def _left(session: Session, limit: Limit) -> int:
    now = clock.now()
    by_source = (
        select(func.count().label("failures"), func.max(SignInAttempt.created_at).label("last"))
        # A clock that was ahead and put right must not keep anybody out until then.
        .where(limit.counted, SignInAttempt.created_at > now - REMEMBERED, SignInAttempt.created_at <= now)
        .group_by(SignInAttempt.device_hash)
    )
    failures, last = 0, None
    for of_source, last_of_source in session.execute(by_source):
        failures += min(of_source, limit.most_per_source or of_source)
        last = max(last or last_of_source, last_of_source)
    if last is None:
        return 0
    wait = delay(failures, limit.free, limit.longest, limit.of_many)
    return max(0, math.ceil(wait - (clock.now() - last).total_seconds()))


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
    """Delete an attempt that was noted but never tried."""
    with db.transaction() as session:
        session.execute(delete(SignInAttempt).where(SignInAttempt.id == attempt_id))


def clear(session: Session, buckets: Buckets) -> None:
    """Forget the account's failures from this device after a success; failures elsewhere stay counted."""
    now, at = clock.now(), SignInAttempt.created_at
    old = (at < now - REMEMBERED) | (
        at > now
    )  # written by a clock that was ahead: they would count once that time comes
    session.execute(delete(SignInAttempt).where(buckets.own() | old))
