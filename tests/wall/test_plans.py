"""Plans: on PostgreSQL made once on each connection, on SQLite small however many columns ask a rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.core.db import db
from tests.browsers import Browser
from tests.factories import make_member, make_person, make_referral

pytestmark = [pytest.mark.both_databases, pytest.mark.quick]


def test_on_sqlite_a_rule_is_compiled_once_for_all_columns(app: Flask) -> None:
    """The whole view of persons is some 240 steps long, and 2,150 with each EXISTS in its place."""
    if not app.config["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("SQLite only")
    with app.app_context():
        steps = db.read().connection().connection.cursor().execute("EXPLAIN SELECT * FROM person").fetchall()
    assert len(steps) < 800


def prepared() -> set[str]:
    """The statements that the readers' connection keeps with their plans."""
    connection = db.read_engine.raw_connection()
    try:
        found = connection.dbapi_connection.execute(  # type: ignore[union-attr]
            "SELECT name FROM pg_prepared_statements", prepare=False
        ).fetchall()
        connection.commit()
        return {name for (name,) in found}
    finally:
        connection.close()


def test_a_page_asked_twice_prepares_nothing_the_second_time(
    app: Flask, browser: Callable[..., Browser]
) -> None:
    if app.config["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("PostgreSQL only")
    with app.app_context():
        member = make_member()
        person_id = make_person(member)
        make_referral(member, make_member(), person_id=person_id)
    client = browser(member)
    pages = ("/", f"/people/{person_id}", "/referrals/?box=out")
    for page in pages:
        assert client.get(page).status_code == 200
    first = prepared()
    assert len(first) > 10
    for page in pages:
        assert client.get(page).status_code == 200
    assert prepared() == first
