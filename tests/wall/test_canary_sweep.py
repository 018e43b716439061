"""Every reader opens every page with every id: they read all that the oracle lets them, and no more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import Uuid

from portal.core import clock
from portal.core.db import db
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.referrals.states import ReferralAction
from tests.browsers import Browser
from tests.factories import step
from tests.wall import oracle, world_meetings
from tests.wall.canaries import CANARY, CODES, OPEN_TABLES, Planted, ReadingRights, planted_words, read_tables
from tests.wall.canary_meetings import RULES_OF_MEETINGS, has_begun
from tests.wall.drawing import Draw
from tests.wall.pages import blurred
from tests.wall.sweep import Sweep, Tables
from tests.wall.world import World

pytestmark = pytest.mark.both_databases

READERS = (
    *("a", "b", "c", "d", "a's coordinator", "b's coordinator", "a's admin", "b's worker who administers"),
    *("auditor", "system_admin", "stranger"),
)
FAR = ("a", "b", "c", "d")
CASEWORKERS = {*FAR, "a's coordinator", "b's coordinator", "b's worker who administers"}
# Administrators and the auditor read findings, the texts of a year and why an erasure is asked for.
READS_WORDS = CASEWORKERS | {"a's admin", "auditor"}
# What must be read of meetings by all who may, and the page that shows it.
MUST_SHOW = {
    ("meeting", "name"): "meetings.show",
    ("meeting", "place"): "meetings.show",
    ("agenda_item", "title"): "meetings.packet",
    ("agenda_item", "text"): "meetings.packet",
    ("agenda_item", "minutes_text"): "meetings.minutes",
    ("meeting_outcome", "text"): "meetings.minutes",
    ("addendum", "text"): "meetings.minutes",
}
OF_MEETINGS = {table for table, _column in RULES_OF_MEETINGS}
OF_THE_LOG = {"audit_entry", "audit_detail", "audit_head", "audit_checkpoint"}
Watch = Callable[[], list[str]]


def tables_of(app: Flask, *, with_log: bool = False) -> Tables:
    columns = {
        name: {column.name: isinstance(column.type, Uuid) for column in table.columns}
        for name, table in db.metadata.tables.items()
        if with_log or name not in OF_THE_LOG
    }
    return read_tables(app.config["DATABASE_URL"], columns)


def settled() -> World:
    """The world with its agendas drafted and its papers handed out."""
    world = World()
    world_meetings.in_step(world)
    return world


@pytest.fixture
def watched_log() -> Iterator[Watch]:
    """Every line that any logger writes, at any level."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.exc_text or ''}")

    keeper, root = Keeper(), logging.getLogger()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.INFO)
    yield lambda: lines
    root.removeHandler(keeper)
    root.setLevel(level)


def rights_of(app: Flask, world: World, reader: str) -> ReadingRights:
    member = world.members.get(reader)
    return ReadingRights(
        truth=oracle.read(app.config["DATABASE_URL"]),
        role=member.actor.role if member else None,
        agency=member.agency_id if member else None,
        now=clock.now(),
        tables=tables_of(app),
        staff=member.staff_id if member else None,
        administers=bool(member and member.actor.administers),
    )


def start(
    app: Flask, browser: Callable[..., Browser], world: World, reader: str, rows: Any
) -> tuple[ReadingRights, Sweep]:
    rights = rights_of(app, world, reader)
    client = browser(world.members.get(reader))
    return rights, Sweep(
        app, client, planted_words(rights.tables), lambda: int(rows("SELECT seq FROM audit_head")[0][0])
    )


def check(rights: ReadingRights, sweep: Sweep, *, everything: bool = True) -> None:
    assert not sweep.errors
    for word, where in sweep.seen.items():
        assert any(rights.may_read(planted) for planted in sweep.known[word]), (
            f"{word} ({', '.join(map(str, sweep.known[word]))}) on {sorted(where)[:4]}"
        )
    assert not sweep.unlogged, "shown, and not a word of it in the log"
    if not everything or rights.works is None:
        return
    missed = [
        (word, [str(planted) for planted in where])
        for word, where in sweep.known.items()
        if CANARY.fullmatch(word)
        and word not in sweep.seen
        and any(rights.may_read(planted) and is_wanted(rights, planted) for planted in where)
    ]
    assert not missed, "the oracle lets him read it, and no page shows it"


def is_wanted(rights: ReadingRights, planted: Planted) -> bool:
    """Of a meeting not all that may be read must be: what fell out, and what was typed twice, need no page."""
    if planted.table not in OF_MEETINGS:
        return True
    return (planted.table, planted.column) in MUST_SHOW and has_begun(rights, planted.row)


@pytest.mark.either_database
def test_every_field_holds_a_canary(app: Flask, copied: Callable[..., World]) -> None:
    """What nobody planted nobody would miss: a new column needs its place in the world, or among the codes."""
    copied(settled)
    tables = tables_of(app)
    planted = {
        (planted.table, planted.column) for where in planted_words(tables).values() for planted in where
    }
    typed = {
        (name, column.name)
        for name, table in db.metadata.tables.items()
        if name not in OPEN_TABLES
        for column in table.columns
        if str(column.type) in {"TEXT", "JSON"} and (name, column.name) not in CODES
    }
    assert typed - planted == set()


Sweeping = Callable[..., Sweep]


@pytest.fixture
def swept(
    app: Flask,
    browser: Callable[..., Browser],
    watched_log: Watch,
    copied: Callable[..., World],
    light_paper: None,
    draw: Draw,
) -> Sweeping:
    """`swept(reader, known=…)` has opened pages as this reader, searched, and found nothing that they may not read."""

    def sweep_as(reader: str, *, known: int | None, everything: bool) -> Sweep:
        world = copied(settled)
        with oracle.reading(app.config["DATABASE_URL"]) as rows:
            rights, sweep = start(app, browser, world, reader, rows)
            draw.sweep(sweep, rights, known=known, hidden=1)
            search(sweep, rights, most=None if draw.is_long else 3)
            check(rights, sweep, everything=everything)
        assert not [line for line in watched_log() if CANARY.search(line)]
        return sweep

    return sweep_as


@pytest.mark.either_database
@pytest.mark.drawn(2, postgresql=2)
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_reads_what_they_may_and_no_more(swept: Sweeping, reader: str) -> None:
    """What their session may read at all, and every reader, is looked at in `test_views`."""
    sweep = swept(reader, known=2, everything=False)
    assert (reader in READS_WORDS) == bool([word for word in sweep.seen if CANARY.fullmatch(word)])


@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("reader", [pytest.param("a", marks=pytest.mark.long), "b", "c", "d"])
def test_a_caseworker_finds_all_that_they_may_read(swept: Sweeping, reader: str) -> None:
    """They open every record they may know of, and some page shows whatever the oracle lets them read."""
    swept(reader, known=None, everything=True)


def few_of(tables: Tables, most: int = 4) -> Tables:
    """The first records of each table and the last."""
    return {
        table: {key: rows[key] for key in [*list(rows)[:most], *list(rows)[-1:]]}
        for table, rows in tables.items()
    }


def search(sweep: Sweep, rights: ReadingRights, most: int | None = None) -> None:
    """By the names there are: what may not be seen is answered like what does not exist."""
    for path, field in (("/people/", "q"), ("/referrals/", "q"), ("/search/", "q")):
        nobody = sweep.post(path, {field: "カナリヤ9999番"})
        assert nobody.status_code == 200 or not rights.works
        for row in list(rights.tables["person"].values())[:most]:
            for column in ("family", "given_kana", "pseudonym", "number"):
                if not row[column]:
                    continue
                answer = sweep.post(path, {field: row[column]})
                if not rights.works or not rights.truth.knows_of(
                    rights.works, row["id"], rights.now, rights.staff
                ):
                    same = answer.get_data(as_text=True).replace(row[column], "カナリヤ9999番")
                    assert blurred(same) == blurred(nobody.get_data(as_text=True)), (path, column)


def test_no_command_prints_what_is_behind_the_wall(
    app: Flask, runner: FlaskCliRunner, copied: Callable[..., World]
) -> None:
    copied(settled)
    server = {"run", "shell", "routes"}
    for name in sorted(set(app.cli.commands) - server):
        for arguments in ([name], [name, "--help"]):
            done = runner.invoke(args=arguments)
            assert not CANARY.search(done.output), arguments


# Before and after: what was read yesterday, and what happened since.

# One after the other in one world; each must be felt by somebody, and by nobody who may not.
STORIES: dict[str, Callable[[World], object]] = {
    "send the draft": lambda w: step(w.a, w.referrals["draft"], ReferralAction.SEND),
    "protect": lambda w: protect(w),
    "identify": lambda w: people.identify(w.a.actor, w.people["child"], w.named(), agreed="面談で"),
    "reject": lambda w: step(w.b, w.referrals["parent"], ReferralAction.REJECT),
    "withdraw for c": lambda w: disclosures.withdraw_consent(
        w.a.actor, w.consents["live"], recipients=[w.c.actor.agency_id or UUID(int=0)]
    ),
    "renew without health": lambda w: w.renew("live", w.b, told={"basic"}),
    "withdraw": lambda w: disclosures.withdraw_consent(
        w.a.actor, w.consents["live"], reason=w.canaries.word()
    ),
    "cancel": lambda w: step(w.b, w.referrals["passed on by b"], ReferralAction.CANCEL),
    "correct": lambda w: step(w.a, w.referrals["passed on"], ReferralAction.CORRECT),
}


def protect(world: World) -> None:
    people.update_basics(world.a.actor, world.people["live"], world.named(protected_address=True))


ABOUT = ("live", "parent", "child", "draft", "passed on", "passed on by b")
PAGES = (
    *("/", "/people/", "/referrals/?box=all", "/referrals/?box=in", "/cases/", "/consents/"),
    *("/people/{person}", "/people/{person}/disclosures", "/people/{person}/consents/new"),
    *("/referrals/{referral}", "/referrals/{referral}/sheet", "/consents/{consent}"),
)


@pytest.mark.one_database
def test_what_happens_is_felt_at_once(
    app: Flask, browser: Callable[..., Browser], copied: Callable[..., World]
) -> None:
    world = copied(settled)
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        before = {reader: look(app, browser, world, reader, rows) for reader in "abc"}
        for story, happens in STORIES.items():
            happens(world)
            after = {reader: look(app, browser, world, reader, rows) for reader in "abc"}
            assert after != before, f"{story}: nothing changed for anybody, so it proves nothing"
            before = after


def look(app: Flask, browser: Callable[..., Browser], world: World, reader: str, rows: Any) -> set[str]:
    rights, sweep = start(app, browser, world, reader, rows)
    for page in PAGES:
        kinds = {"person": world.people, "referral": world.referrals, "consent": world.consents}
        kind = next((kind for kind in kinds if f"{{{kind}}}" in page), None)
        # Those the stories are about.
        chosen = [kinds[kind][name] for name in ABOUT if name in kinds[kind]] if kind else [None]
        for one in chosen:
            sweep.get(page.format(**{kind: one} if kind else {}), further=False)
    check(rights, sweep, everything=False)
    return set(sweep.seen)


@pytest.mark.either_database
def test_a_consent_ends_with_its_last_day_in_japan(
    app: Flask, browser: Callable[..., Browser], at: Callable[..., None]
) -> None:
    at("2026-06-01T10:00")
    world = settled()
    last = world_last_day(app, world.consents["live"])
    seen = {}
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        for moment in (f"{last}T23:59:30", f"{last + timedelta(days=1)}T00:00:00"):
            at(moment)
            seen[moment] = look(app, browser, world, "b", rows)
    before, after = seen.values()
    # Each look was held against the oracle; what may come instead is the agency's own, as a memo on the stop.
    assert before - after
    assert len(after) < len(before)


def world_last_day(app: Flask, consent: UUID) -> Any:
    return oracle.read(app.config["DATABASE_URL"]).consents[consent].last_day
