"""A clock behind the last log entry: nothing is logged, shown or done until its jump is declared."""

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

# The clocks of two servers, or a clock being corrected, differ by seconds. An entry may be late by no more
# than this, so that the hour of a withdrawal stays certain. `verify_audit.py` knows the same number.
MARGIN = timedelta(minutes=5)
LAST_AT = select(AuditEntry.at).where(AuditEntry.seq == bindparam("seq"))


class ClockBehind(Halted):
    """The server's clock is behind the last entry: an entry made now would state a wrong time."""

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
    """The step back from the time of the last entry, number `seq`, to now."""

    seq: int
    before: datetime
    now: datetime

    @property
    def length(self) -> timedelta:
        return self.before - self.now


class ClockWatch:
    """What this process last saw of the clock. Pages check once, and again while the clock is behind."""

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
    """The step by which the clock is behind, read under the lock of the log's head; None when it is right."""
    seq = head_of(session).seq
    return watch.see(seq, session.scalar(LAST_AT, {"seq": seq}), clock.now())


def require_right(session: Session) -> None:
    """Raises ClockBehind: nothing can be logged now."""
    if present(session) is not None:
        raise ClockBehind


def require(what: AuditEvent, *, size: int, last: datetime | None, now: datetime) -> None:
    """Refuse an entry dated before the last one. `size` is the log without it, `last` the time of its end.

    A replayed past has times that were given: its entries say so (`v` 2) and are not compared with the clock.

    Raises:
        ClockBehind: the clock is behind, and this is no declaration of it.
    """
    if clock.is_replaying():
        return
    step = watch.see(size, last, now)
    if step is not None and what is not AuditEvent.CLOCK_DECLARED:
        raise ClockBehind
