"""Worlds that take a second to build, built once for all tests that begin in the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import clock
from portal.db import db
from tests.databases import Databases
from tests.wall.drawing import Draw

# On SQLite every reader goes through the pages; on the second database, where what differs is the SQL and not the
# pages, those who are told apart by it. With --long everybody goes everywhere.
ON_BOTH = {
    "test_canary_sweep": {"b", "auditor"},
    "test_two_worlds": {"d"},
    "test_nothing_there": {"b"},
    "test_refusals_noted": {"b"},
    "test_each_wall_alone": {"b"},
    "test_exclusions_wall": {"a's coordinator"},
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return

    def stays(item: pytest.Item) -> bool:
        asked: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        goes = ON_BOTH.get(item.path.stem)
        return goes is None or asked.get("database") != "postgresql" or asked.get("reader", "b") in goes

    config.hook.pytest_deselected(items=[item for item in items if not stays(item)])
    items[:] = [item for item in items if stays(item)]


@pytest.fixture
def draw(seed: int, pytestconfig: pytest.Config) -> Draw:
    return Draw(seed, is_long=bool(pytestconfig.getoption("--long")))


@pytest.fixture
def copied(database: Databases, renew: Callable[..., str]) -> Callable[..., Any]:
    """`copied(build)`: what `build()` returned when this run needed it first, on a database as it left it."""

    def copy(build: Callable[[], Any]) -> Any:
        # A world is of its day.
        name = f"{build.__module__}.{build.__qualname__} {clock.today()}"

        def fill(url: str) -> Any:
            db.bind(url)
            made = build()
            db.dispose()
            return made

        renew(name, fill)
        return database.template(name)[1]

    return copy
