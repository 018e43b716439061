"""The conditions of the services hold without the views: with the reader session open to every row, no page shows what
the oracle would not let its reader read. What the views show by themselves is in `test_views`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, true

from portal.activities import queries as activities
from portal.activities.series import queries as activity_series
from portal.cases import queries as cases
from portal.consents.models import Consent
from portal.core.db import db
from portal.disclosures import queries as lines
from portal.meetings import item_visibility
from portal.meetings.issues import queries as issue_queries
from portal.meetings.outcomes import queries as outcome_queries
from portal.meetings.schedule import queries as meetings
from portal.meetings.schedule.models import Meeting, MeetingSeries
from portal.referrals import queries as referrals
from portal.referrals.models import Referral
from portal.wall import predicates
from tests.browsers import Browser
from tests.wall import oracle
from tests.wall.canaries import CANARY
from tests.wall.drawing import Draw
from tests.wall.sweep import Sweep
from tests.wall.test_canary_sweep import settled, start

pytestmark = pytest.mark.either_database

CACHED = type(cache(len))
# Every question of the first wall, and what it answers when nobody minds.
OPEN: dict[Any, Any] = {
    **dict.fromkeys((predicates.sees, predicates.present, predicates.tells, predicates.is_for), true()),
    **dict.fromkeys((predicates.disclosure_lives, predicates.consent_lives), true()),
    **dict.fromkeys((cases.visible_to, lines.visible_to, lines.lives_for), true()),
    **dict.fromkeys((referrals.visible_to, referrals.may_name), true()),
    **dict.fromkeys(
        (meetings.visible_to, meetings.is_invited, meetings.has_agreed, meetings.may_enter), true()
    ),
    **dict.fromkeys(
        (
            item_visibility.present,
            item_visibility.readable,
            item_visibility.named,
            item_visibility.is_referral_party,
            item_visibility.is_own,
        ),
        true(),
    ),
    **dict.fromkeys((activities.visible_to, activity_series.visible_to), true()),
    **dict.fromkeys((issue_queries.visible_to, outcome_queries.known_to), true()),
    predicates.is_excluded: ~true(),
    lines.consents_visible_to: select(Consent).order_by(Consent.valid_until.desc(), Consent.id.desc()),
    referrals.visible: select(Referral),
    meetings.visible: select(Meeting),
    meetings.series_visible: select(MeetingSeries),
}


def forget_statements() -> None:
    for module in [module for name, module in sys.modules.items() if name.startswith("portal.")]:
        for value in vars(module).values():
            if isinstance(value, CACHED):
                value.cache_clear()


@pytest.fixture
def no_first_wall(app: Flask) -> Iterator[Callable[[], None]]:
    """Takes the first wall down, in every module that has a piece of it in its hands."""
    patch = pytest.MonkeyPatch()

    def take_down() -> None:
        for module in [module for name, module in sys.modules.items() if name.startswith("portal.")]:
            for name, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in OPEN:
                    patch.setattr(module, name, lambda *_given, _answer=OPEN[value], **_more: _answer)
        forget_statements()

    yield take_down
    patch.undo()
    forget_statements()


@pytest.fixture
def no_second_wall(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader session asks the tables themselves."""
    monkeypatch.setattr(
        db.read.session_factory.class_, "get_bind", lambda *_given, **_more: db.unrestricted_engine
    )


@pytest.mark.usefixtures("light_paper")
@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("reader", ["b", "c", "auditor"])
def test_the_first_wall_alone_shows_nobody_what_is_not_theirs(
    app: Flask,
    browser: Callable[..., Browser],
    copied: Callable[..., Any],
    no_second_wall: None,
    reader: str,
    draw: Draw,
) -> None:
    """Who was told nothing asks for most of what is hidden; the others go through everything in front of both walls."""
    world = copied(settled)
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        rights, sweep = start(app, browser, world, reader, rows)
        draw.sweep(sweep, rights, known=2, hidden=3 if reader == "c" else 1)
        leaks = found_behind(rights, sweep)
    assert not leaks, leaks
    assert not sweep.errors
    assert not rights.works or any(CANARY.fullmatch(word) for word in sweep.seen), (
        "the sweep saw nothing at all"
    )


def found_behind(rights: Any, sweep: Sweep) -> list[str]:
    return [
        f"{word} ({', '.join(map(str, sweep.known[word]))}) on {sorted(where)[:3]}"
        for word, where in sweep.seen.items()
        if not any(rights.may_read(planted) for planted in sweep.known[word])
    ]


@pytest.mark.usefixtures("light_paper")
@pytest.mark.one_database
def test_without_both_it_would_be_seen(
    app: Flask,
    browser: Callable[..., Browser],
    no_first_wall: Callable[[], None],
    no_second_wall: None,
    copied: Callable[..., Any],
    draw: Draw,
) -> None:
    """The sweep itself: with neither wall it finds a stranger reading everything."""
    world = copied(settled)
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        rights, sweep = start(app, browser, world, "c", rows)
        no_first_wall()
        draw.sweep(sweep, rights, known=1, hidden=1)
        assert found_behind(rights, sweep)
