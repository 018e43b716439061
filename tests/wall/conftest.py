"""Worlds that take a second to build, built once for all tests that begin in the same one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from portal import clock
from portal.db import db
from tests.databases import Databases

Made = dict[tuple[Databases, str], Any]


@pytest.fixture(scope="session")
def _made() -> Made:
    return {}


@pytest.fixture
def copied(_made: Made, database: Databases, renew: Callable[..., str]) -> Callable[..., Any]:
    """`copied(build)`: what `build()` returned when this process needed it first, on a database as it left it."""

    def copy(build: Callable[[], Any]) -> Any:
        # A world is of its day.
        name = f"{build.__module__}.{build.__qualname__} {clock.today()}"

        def fill(url: str) -> None:
            db.bind(url)
            _made[database, name] = build()
            db.end()
            db.dispose()

        renew(name, fill)
        return deepcopy(_made[database, name])

    return copy
