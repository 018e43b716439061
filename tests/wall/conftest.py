"""Worlds that take a second to build, built once for all tests that begin in the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.core import clock
from portal.core.db import db
from tests.databases import Databases
from tests.wall.drawing import Draw


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
