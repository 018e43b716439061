"""Fixtures for every test: one application, and for each test a database of its own, of both kinds."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import time_machine
from flask import Flask, has_request_context
from flask.testing import FlaskCliRunner
from sqlalchemy import Engine, event

from config import TestConfig
from portal import create_app
from portal.audit import jumps
from portal.db import db
from tests.browsers import PASSWORD, Browser
from tests.databases import Databases, NoServer, PostgreSQLDatabases, PostgreSQLServer, SQLiteFiles, flask
from tests.engines import KeptEngines
from tests.words import COMPILED

JAPAN = ZoneInfo("Asia/Tokyo")
KINDS = ("sqlite", "postgresql")
SERVER = pytest.StashKey[PostgreSQLServer]()
MISSING = pytest.StashKey[str]()
# Where the portal points between tests: whatever forgets to ask for `app` fails at once.
NOWHERE = "sqlite:////nowhere/the-test-did-not-ask-for-the-app-fixture.db"

CountQueries = Callable[[], AbstractContextManager[list[str]]]

hypothesis.settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=2000, deadline=None)


class Somebody(Protocol):
    """Anyone with an address to sign in with."""

    email: Any


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=(*KINDS, "both"), default="both", help="which databases to test on"
    )
    parser.addoption("--long", action="store_true", help="search deeper, for hours rather than minutes")
    parser.addoption("--screenshots", action="store_true", help="take the pictures of docs/screenshots anew")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(file): the database has this scenario file loaded")
    config.addinivalue_line("markers", "long: only with --long")
    config.addinivalue_line("markers", "conflict: in the browser, a script is told that another saved first")
    hypothesis.settings.load_profile("long" if config.getoption("--long") else "quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        later = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in later]
        config.hook.pytest_deselected(items=later)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--database")
        metafunc.parametrize("database", KINDS if chosen == "both" else (chosen,), indirect=True)


# One PostgreSQL for the whole run. With pytest-xdist the process in charge starts it and tells its workers.


def start_postgresql(config: pytest.Config) -> str:
    """The address of the server to test on; empty when there is none."""
    workers_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if workers_input is not None:
        config.stash[MISSING] = workers_input["postgresql_missing"]
        return workers_input["postgresql"]
    given = os.environ.get("TEST_DATABASE_URL", "")
    if given.startswith("postgresql"):
        return given
    if SERVER not in config.stash and MISSING not in config.stash:
        try:
            config.stash[SERVER] = PostgreSQLServer()
        except NoServer as error:
            config.stash[MISSING] = str(error)
    return config.stash[SERVER].url if SERVER in config.stash else ""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    wanted = node.config.getoption("--database") != "sqlite"
    node.workerinput["postgresql"] = start_postgresql(node.config) if wanted else ""
    node.workerinput["postgresql_missing"] = node.config.stash.get(MISSING, "")


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVER in config.stash:
        config.stash[SERVER].close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash.get(MISSING, ""):
        terminalreporter.section("NOT TESTED ON POSTGRESQL", red=True, bold=True)
        terminalreporter.line(config.stash[MISSING])


@pytest.fixture(scope="session")
def _sqlite() -> Iterator[Databases]:
    databases = SQLiteFiles()
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def _postgresql(pytestconfig: pytest.Config) -> Iterator[Databases]:
    server = start_postgresql(pytestconfig)
    if not server:
        refuse = pytest.fail if os.environ.get("REQUIRE_POSTGRES") == "1" else pytest.skip
        refuse(f"no PostgreSQL: {pytestconfig.stash[MISSING]}")
    databases = PostgreSQLDatabases(server)
    yield databases
    databases.close()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Databases:
    """Each kind of database in turn; `app` makes one for the test, and a test may make more."""
    databases: Databases = request.getfixturevalue(f"_{request.param}")
    return databases


def look_at_everything() -> None:
    """Tests look at what was written on `db.read` themselves: outside a request they are no reader and see all."""
    walled = db.read.session_factory.class_.get_bind

    def bind(session: Any, *given: Any, **more: Any) -> Any:
        outside = db.reader.get() is None and not has_request_context()
        return db.across_engine if outside else walled(session, *given, **more)

    db.read.session_factory.class_.get_bind = bind


@pytest.fixture(scope="session")
def _application() -> Flask:
    assert COMPILED.is_file(), f"{COMPILED} is missing: set up first, by ./test, ./run or `make install`"
    look_at_everything()
    settings = type("Settings", (TestConfig,), {"DATABASE_URL": NOWHERE})
    application = create_app(settings)
    KeptEngines(db)
    application.test_client_class = Browser
    # What is there by now stays: nobody need look through it for garbage again, which takes a twentieth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    return application


@pytest.fixture
def renew(
    _application: Flask, database: Databases, request: pytest.FixtureRequest
) -> Iterator[Callable[..., str]]:
    """`renew()` puts a fresh database in the place of the present one: for many worlds in one test.

    `renew(template, fill)` starts from one that was filled once.
    """
    marker = request.node.get_closest_marker("scenario")
    fresh = partial(database.fresh, *scenario(*marker.args)) if marker else database.fresh
    used: list[str] = []

    def bind(*template: Any) -> str:
        url = database.fresh(*template) if template else fresh()
        db.bind(url)
        _application.config["DATABASE_URL"] = url
        for old in used:
            database.drop(old)
        used[:] = [url]
        return url

    yield bind
    db.bind(NOWHERE)
    _application.config["DATABASE_URL"] = NOWHERE
    for old in used:
        database.drop(old)


def scenario(file: str) -> tuple[str, Callable[[str], object]]:
    """A template's name, and what fills it: the file is loaded once for all tests that start from it."""
    path = str(Path(file).resolve())
    return path, lambda url: flask(url, "scenario", "load", path)


@pytest.fixture
def app(_application: Flask, renew: Callable[..., str]) -> Flask:
    """The portal on an empty, migrated database that nothing else uses.

    It holds no application context: Flask-Login would keep the first user on `g` for the whole test.
    """
    renew()
    return _application


@pytest.fixture
def browser(app: Flask) -> Callable[..., Browser]:
    """`browser(member)` or `browser("a1@example.jp")` has signed in; `browser()` is a stranger."""

    def make(who: Somebody | str | None = None, password: str = PASSWORD) -> Browser:
        client = app.test_client()
        assert isinstance(client, Browser)
        return client.sign_in(who if isinstance(who, str) else who.email, password) if who else client

    return make


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    """Runs `flask` commands inside this process, on this test's database."""
    return app.test_cli_runner()


@pytest.fixture
def count_queries() -> CountQueries:
    """Notes what is really asked of the database, on any engine."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        statements: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement):
                statements.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    return counting


@pytest.fixture
def strict_clock() -> None:
    """For tests in which a clock that is put back stops the portal, as it does in an office."""


@pytest.fixture
def at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`at("2026-04-01T09:00")` moves every clock there, Japan's time unless told otherwise; it ticks on.

    A scene may be set in the past after its people were made in the present, unless the test asks for `strict_clock`.
    """
    if "strict_clock" not in request.fixturenames:
        monkeypatch.setattr(jumps, "MARGIN", timedelta(days=36_500))
    with ExitStack() as journeys:

        def travel(moment: str | datetime, *, tick: bool = True) -> None:
            when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
            when = when if when.tzinfo else when.replace(tzinfo=JAPAN)
            journeys.close()
            journeys.enter_context(time_machine.travel(when, tick=tick))

        yield travel
