"""A clock that stands before the last entry: nothing is logged, so nothing is shown or done, until it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from portal.audit.checkpoints import head_of
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.audit.notes import Halted
from portal.core import clock
from portal.core.labels import N_

# A healthy clock that is corrected, or the clocks of two servers, differ by seconds. What comes later than that in the
# log than it says must not blur the hour in which somebody withdrew. `verify_audit.py` knows the same number.
MARGIN = timedelta(minutes=5)
LAST_AT = select(AuditEntry.at).where(AuditEntry.seq == bindparam("seq"))


class ClockBehind(Halted):
    """The server's clock stands before the last entry: an entry made now would tell a wrong time."""

    title = N_("サーバーの時計が正しくありません")

    def __init__(self) -> None:
        super().__init__(
            N_(
                "サーバーの時計が最後の記録より前の時刻を指しています。このまま続けると、いつ起きたことかが分からなく"
                "なるため、閲覧と書き込みを止めています。システム管理者に知らせてください。時計が直ると、"
                "またはシステム管理者が申告すると再開します。"
            )
        )


@dataclass(frozen=True, slots=True)
class Step:
    """Back from the time of the last entry, number `seq`, to now."""

    seq: int
    before: datetime
    now: datetime

    @property
    def length(self) -> timedelta:
        return self.before - self.now


class ClockWatch:
    """What this process last saw. Pages look when nobody has looked yet, and again while the clock is behind."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.has_looked = False
        self.step: Step | None = None

    def is_to_look(self) -> bool:
        return not self.has_looked or self.step is not None

    def see(self, seq: int, last: datetime | None, now: datetime) -> Step | None:
        is_behind = last is not None and now < last - MARGIN
        self.step = Step(seq, last, now) if last is not None and is_behind else None
        self.has_looked = True
        return self.step


watch = ClockWatch()


def present(session: Session) -> Step | None:
    """How far the clock is behind now, in the transaction that holds the log's head; none when all is well."""
    seq = head_of(session).seq
    return watch.see(seq, session.scalar(LAST_AT, {"seq": seq}), clock.now())


def require_right(session: Session) -> None:
    """Raises ClockBehind: nothing can be logged now."""
    if present(session) is not None:
        raise ClockBehind


def require(what: AuditEvent, *, size: int, last: datetime | None, now: datetime) -> None:
    """Refuse an entry that would stand after a later one. `size` is the log without it, `last` the time of its end.

    A replayed past has times that somebody gave: those entries say so (`v` 2), and are not held against the clock.

    Raises:
        ClockBehind: the clock is behind, and this is no declaration of it.
    """
    if clock.is_replaying():
        return
    step = watch.see(size, last, now)
    if step is not None and what is not AuditEvent.CLOCK_DECLARED:
        raise ClockBehind
