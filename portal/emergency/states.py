"""The state of an emergency access: computed from its times, never stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal.core.labels import N_, Labelled

LASTS = timedelta(minutes=60)
WAITS = timedelta(hours=24)


class State(Labelled):
    """`PENDING` waits for a second person; `LAPSED` waited in vain."""

    PENDING = "pending", N_("二人目の承認待ち")
    LAPSED = "lapsed", N_("承認がないまま終了")
    DECLINED = "declined", N_("不承認")
    LIVE = "live", N_("閲覧中")
    OVER = "over", N_("終了")


def state_of(
    *,
    created_at: datetime,
    declined_at: datetime | None,
    starts_at: datetime | None,
    ends_at: datetime | None,
    ended_at: datetime | None,
    now: datetime,
) -> State:
    if declined_at is not None:
        return State.DECLINED
    if starts_at is None or ends_at is None:
        return State.PENDING if now < created_at + WAITS else State.LAPSED
    return State.LIVE if ended_at is None and now < ends_at else State.OVER
