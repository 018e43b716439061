"""On PostgreSQL the views are those of the last upgrade: a server of other rules does not start, and says what to run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from portal.core.db import Database, db
from portal.wall import postgresql
from portal.wall.engines import install, look_before_serving
from portal.wall.postgresql_session import OtherRules
from portal.wall.rules import Rule
from tests.browsers import Browser
from tests.databases import ROOT, Databases, flask
from tests.factories import make_member
from tests.servers import serve

SERVER = (sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--no-control-socket")
# What an office's database may hold: views of other rules, those of before the mark, none at all.
OTHERS = {
    "of other rules": "COMMENT ON SCHEMA wall IS 'a mark of other rules'",
    "of a version without a mark": "COMMENT ON SCHEMA wall IS NULL",
    "never put up": "DROP SCHEMA wall CASCADE",
}


@pytest.fixture(autouse=True)
def _on_postgresql(database: Databases, pytestconfig: pytest.Config) -> None:
    if type(database).__name__ != "PostgreSQLDatabases":
        pytest.skip("PostgreSQL only: on SQLite each connection makes its own views")


@pytest.fixture
def anew() -> Iterator[Callable[[], str]]:
    """The mark of the rules as they are now, not as they were at the first connection."""

    def mark() -> str:
        postgresql.mark_of_rules.cache_clear()
        return postgresql.mark_of_rules()

    yield mark
    postgresql.mark_of_rules.cache_clear()


def run(statement: str) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("name", OTHERS)
def test_a_server_of_other_rules_does_not_start_until_the_upgrade(app: Flask, name: str) -> None:
    url = app.config["DATABASE_URL"]
    run(OTHERS[name])
    environment = os.environ | {"DATABASE_URL": url, "PORTAL_ENV": "test"}
    refused = subprocess.run(
        SERVER, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 3, refused.stderr
    assert refused.stderr.count(postgresql.DIFFERS) == 1
    db.dispose()
    flask(url, "db", "upgrade")
    with serve(url, ready="/sign-in") as server:
        assert server.answers("/sign-in")


def test_a_server_that_runs_reads_nothing_through_views_of_other_rules(
    browser: Callable[..., Browser], caplog: pytest.LogCaptureFixture
) -> None:
    """Its database was away at its start, or was upgraded behind its back."""
    client = browser(make_member())
    assert client.get("/").status_code == 200
    run(OTHERS["of other rules"])
    assert client.get("/").status_code == 200  # its open connections have the views that they had
    db.read_engine.dispose()
    with caplog.at_level(logging.ERROR), pytest.raises(OtherRules):
        client.get("/")
    assert postgresql.DIFFERS in caplog.text
    assert db.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_database_that_is_away_keeps_no_server_from_starting(app: Flask) -> None:
    away = Database()
    install(away)
    away.bind("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
    look_before_serving(away)
    away.dispose()
    look_before_serving(db)
    run(OTHERS["of other rules"])
    with pytest.raises(OtherRules):
        look_before_serving(db)


def test_every_part_of_a_rule_is_in_its_mark(
    anew: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = anew()
    assert anew() == before
    rule = postgresql.RULES["person"]
    others = {
        "rows": Rule(f"{rule.rows} AND 1 = 1", rule.columns),
        "columns": Rule(rule.rows, {**rule.columns, "number": "@auditor"}),
        "barrier": Rule(rule.rows, rule.columns, barrier=True),
    }
    marks = {before}
    for other in others.values():
        with monkeypatch.context() as patch:
            rules = {**postgresql.RULES, "person": other}
            patch.setattr("portal.wall.postgresql.RULES", rules)
            patch.setattr("portal.wall.text.RULES", rules)
            marks.add(anew())
    with monkeypatch.context() as patch:
        patch.setattr("portal.wall.columns.SHOWN", {"person": "id"})
        marks.add(anew())
    assert len(marks) == 1 + len(others) + 1
