"""Opens every page of the demo on a fresh connection of the readers, on PostgreSQL: what planning costs its first visitor.

Prints for each page the milliseconds of the first visit on a new connection and of a later one, and the statements that
lost most by being the first. Run as `python -m tests.bench.cold_pages`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psycopg
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from config import TestConfig
from portal import create_app
from portal.core.db import db
from tests.bench.report import MISSED
from tests.browser import paths
from tests.browser.demo import NOON, Demo, client_of, residents
from tests.browser.inspected import inspect
from tests.browser.table import meet
from tests.browsers import Browser
from tests.conftest import NOWHERE, look_at_everything
from tests.databases import PostgreSQLDatabases, PostgreSQLServer
from tests.factories import Member

READERS = ("soudan", "junbi", "shuro-kanri", "kansa")
WORDS = {"key": "watch.people_per_day", "size": "1", "year": "2020", "month": "12"}
WORDS |= {"area": "place", "figure": "cafe.visits", "code": "ja", "act": "", "token": ""}
NO_PAGES = {"web.healthz", "web.language", "emergency.ask"}
MOST_COLD_MS = 300.0


@dataclass
class Visit:
    """The milliseconds of one visit, of which those in each statement of the readers.

    `cpu` is what this process and the readers' connection worked: what it would take where nothing else runs.
    """

    whole: float = 0.0
    cpu: float = 0.0
    statements: dict[str, float] = field(default_factory=dict)


@dataclass
class Measured:
    """One page: the better of several first visits, and of several later ones."""

    who: str
    path: str
    cold: Visit
    warm: Visit

    def losses(self) -> dict[str, float]:
        """What each statement took longer on a fresh connection."""
        return {sql: took - self.warm.statements.get(sql, 0.0) for sql, took in self.cold.statements.items()}


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cold_pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="visits of each kind, the fastest counts")
    parser.add_argument("--page", default="", help="only pages whose endpoint holds this")
    parser.add_argument("--statements", type=int, default=5, help="how many of the slowest to print")
    parser.add_argument("--whole", action="store_true", help="print those statements whole")
    return parser.parse_args(arguments)


@contextmanager
def timed(visit: Visit) -> Iterator[None]:
    """Note how long each statement of the readers takes."""
    started: dict[object, float] = {}

    def before(_connection: object, cursor: object, *_more: object) -> None:
        started[cursor] = time.perf_counter()

    def after(_connection: object, cursor: object, statement: str, *_more: object) -> None:
        took = (time.perf_counter() - started.pop(cursor)) * 1000
        visit.statements[statement] = visit.statements.get(statement, 0.0) + took

    engine = db.read_engine
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    begun = time.perf_counter()
    try:
        yield
    finally:
        visit.whole = (time.perf_counter() - begun) * 1000
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


def worked() -> float:
    """The milliseconds that this process has worked, and the server's process behind the readers' connection."""
    connection = db.read_engine.raw_connection()
    driver = cast("psycopg.Connection[object]", connection.dbapi_connection)
    schedule = Path(f"/proc/{driver.info.backend_pid}/schedstat").read_text()
    connection.close()
    return time.process_time() * 1000 + int(schedule.split()[0]) / 1_000_000


def visited(client: FlaskClient, path: str, *, fresh: bool) -> Visit:
    before = time.process_time() * 1000 if fresh else worked()
    if fresh:
        db.read_engine.dispose()
    visit = Visit()
    with timed(visit):
        client.get(path)
    visit.cpu = worked() - before
    return visit


def measure(client: FlaskClient, who: str, path: str, rounds: int) -> Measured:
    client.get(path)  # templates, mappers and the other engines are no part of it
    cold = min((visited(client, path, fresh=True) for _ in range(rounds)), key=lambda visit: visit.cpu)
    client.get(path)
    warm = min((visited(client, path, fresh=False) for _ in range(rounds + 1)), key=lambda visit: visit.cpu)
    return Measured(who, path, cold, warm)


@contextmanager
def loaded(app: Flask) -> Iterator[Demo]:
    """The demo, and what the browser tests add to it, on a server of its own; the clock stands at the demo's day."""
    server = PostgreSQLServer()
    databases = PostgreSQLDatabases(server.url)
    try:
        url = databases.fresh()
        db.bind(url)
        app.config["DATABASE_URL"] = url
        with time_machine.travel(NOON):
            demo = Demo(url, residents())
            inspect(demo)
            meet(*(Member(demo.actor(name), f"{name}@example.jp") for name in ("soudan", "junbi")))
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
            yield demo
        db.dispose()
    finally:
        databases.close()
        server.close()


def measure_all(app: Flask, demo: Demo, chosen: argparse.Namespace) -> Iterator[Measured]:
    known: set[str] = set()
    for who in READERS:
        client = client_of(app, demo.somebody(who))
        found = paths.found(app, client, demo.actor(who), known, **WORDS)
        known |= {page.endpoint for page in found}
        for page in found:
            if chosen.page in page.endpoint and page.endpoint not in NO_PAGES:
                one = measure(client, who, page.path, chosen.rounds)
                times = (one.cold.whole, one.warm.whole, one.cold.cpu, one.warm.cpu)
                say(f"{' '.join(f'{took:6.0f}' for took in times)}  {who:<13}{page.endpoint:<28}{page.path}")
                yield one


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    chosen = read(arguments)
    look_at_everything()
    app = create_app(type("Settings", (TestConfig,), {"DATABASE_URL": NOWHERE}))
    app.test_client_class = Browser
    say("  cold   warm   cold   warm  (ms; the second two: worked)")
    with loaded(app) as demo:
        pages = list(measure_all(app, demo, chosen))
    lost: dict[str, float] = {}
    for page in pages:
        for sql, took in page.losses().items():
            lost[sql] = max(took, lost.get(sql, 0.0))
    for sql, took in sorted(lost.items(), key=lambda one: -one[1])[: chosen.statements]:
        say(f"{took:7.0f} ms lost by: {sql if chosen.whole else sql[:300]}")
    slow = [page for page in pages if page.cold.cpu > MOST_COLD_MS]
    cold, warm = (sum(getattr(page, kind).cpu for page in pages) for kind in ("cold", "warm"))
    say(
        f"{len(pages)} pages, {len(slow)} worked above {MOST_COLD_MS:.0f} ms; {cold:.0f} ms cold, {warm:.0f} warm"
    )
    return MISSED if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
