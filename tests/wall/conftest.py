"""Worlds that take a second to build, built once for all tests that begin in the same one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from flask import request

from portal.core import clock
from portal.core.db import db
from portal.web import pdf
from tests.databases import Databases
from tests.wall.drawing import Draw

# Of the kinds of paper, how many a short run prints in its sweeps.
PRINTED = 0.2


@pytest.fixture
def light_paper(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, seed: int) -> None:
    """Paper takes long to print and to read: only the first sheets of the kinds that the seed draws are printed.

    The rest is read before printing; with --long all is printed.
    """
    printed: set[str | None] = set()
    real = pdf.HTML
    is_long = pytestconfig.getoption("--long")

    def is_printed() -> bool:
        is_drawn = Random(f"{seed} {request.endpoint}").random() < PRINTED
        return is_long or (is_drawn and request.endpoint not in printed)

    class Paper(real):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, string: str, **more: Any) -> None:
            self.said = string
            super().__init__(*args, string=string, **more)

        def write_pdf(self, *args: Any, **more: Any) -> bytes:
            if not is_printed():
                return self.said.encode()
            printed.add(request.endpoint)
            return bytes(super().write_pdf(*args, **more))

    monkeypatch.setattr(pdf, "HTML", Paper)


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
