"""Fixtures for every test: one application, and for each test a database of its own, of both kinds."""

from __future__ import annotations

import gc
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import time_machine
from flask import Flask, has_request_context
from flask.testing import FlaskCliRunner
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine, event

from config import TestConfig
from portal import create_app
from portal.audit import jumps
from portal.core.db import db
from tests.browsers import PASSWORD, Browser
from tests.databases import (
    Databases,
    NoServer,
    PostgreSQLDatabases,
    PostgreSQLServer,
    SQLiteFiles,
    flask,
    scratch,
)
from tests.engines import KeptEngines
from tests.words import COMPILED

JAPAN = ZoneInfo("Asia/Tokyo")
KINDS = ("sqlite", "postgresql")
SECONDS: Counter[str] = Counter()
SERVER = pytest.StashKey[PostgreSQLServer]()
SHARED = pytest.StashKey["Shared"]()
MISSING = pytest.StashKey[str]()
# Where the portal points between tests: whatever forgets to ask for `app` fails at once.
NOWHERE = "sqlite:////nowhere/the-test-did-not-ask-for-the-app-fixture.db"

CountQueries = Callable[[], AbstractContextManager[list[str]]]


@dataclass
class Shared:
    """What the processes of one run share."""

    folder: Path
    seed: int
    postgresql: str = ""


hypothesis.settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=2000, deadline=None)


class Somebody(Protocol):
    """Anyone with an address to sign in with."""

    email: Any


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=(*KINDS, "both"),
        help="run every test on this; without it, all run on SQLite and those marked `both_databases` on PostgreSQL too",
    )
    parser.addoption(
        "--long",
        action="store_true",
        help="every test on both databases, every page with every id; for hours",
    )
    parser.addoption("--quick", action="store_true", help="only the tests marked `quick`, on SQLite")
    parser.addoption("--seed", type=int, help="draw the same addresses as the run that printed this number")
    parser.addoption("--screenshots", action="store_true", help="take the pictures of docs/screenshots anew")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(file): the database has this scenario file loaded")
    config.addinivalue_line("markers", "long: only with --long")
    config.addinivalue_line("markers", "both_databases: also on PostgreSQL without being told")
    config.addinivalue_line("markers", "one_database: in such a file, on SQLite alone unless told")
    config.addinivalue_line(
        "markers",
        "either_database: on one of the two, which the seed draws for each file; with --long on both",
    )
    config.addinivalue_line("markers", "quick: says in two minutes whether a change is sane")
    config.addinivalue_line(
        "markers",
        "drawn(sqlite, postgresql=1): so many of its cases on each database, drawn by the seed; with --long all",
    )
    config.addinivalue_line("markers", "conflict: in the browser, a script is told that another saved first")
    hypothesis.settings.load_profile("long" if config.getoption("--long") else "quick")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out: set[pytest.Item] = set()
    if not config.getoption("--long"):
        seed = shared_by_all(config).seed
        left_out = not_drawn(items, seed) | on_the_other_database(items, seed)

    def stays(item: pytest.Item) -> bool:
        if config.getoption("--quick") and not item.get_closest_marker("quick"):
            return False
        if config.getoption("--long"):
            return True
        return not item.get_closest_marker("long") and item not in left_out

    config.hook.pytest_deselected(items=[item for item in items if not stays(item)])
    items[:] = [item for item in items if stays(item)]


def not_drawn(items: list[pytest.Item], seed: int) -> set[pytest.Item]:
    """Of the tests marked `drawn`, the cases that this short run leaves to others.

    The cases of a test differ in anything but the database; those drawn for PostgreSQL are among those for SQLite.
    """
    cases: dict[str, dict[str, list[tuple[str, pytest.Item]]]] = {}
    for item in items:
        if item.get_closest_marker("drawn") and not item.get_closest_marker("long"):
            asked: dict[str, Any] = dict(item.callspec.params) if isinstance(item, pytest.Function) else {}
            kind = str(asked.pop("database", "sqlite"))
            test = item.nodeid.partition("[")[0]
            cases.setdefault(test, {}).setdefault(repr(sorted(asked.items())), []).append((kind, item))
    left_out: set[pytest.Item] = set()
    for test, found in cases.items():
        marker = next(iter(found.values()))[0][1].get_closest_marker("drawn")
        assert marker
        most = {"sqlite": marker.args[0], "postgresql": marker.kwargs.get("postgresql", 1)}
        order = sorted(found)
        Random(f"{seed} {test}").shuffle(order)
        for place, case in enumerate(order):
            left_out |= {item for kind, item in found[case] if place >= most[kind]}
    return left_out


def on_the_other_database(items: list[pytest.Item], seed: int) -> set[pytest.Item]:
    """Of the tests marked `either_database`, those on the kind that the seed did not draw for their file."""
    found: dict[Path, dict[str, set[pytest.Item]]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("either_database"):
            for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
                if value in KINDS:
                    found.setdefault(item.path, {}).setdefault(value, set()).add(item)
    left_out: set[pytest.Item] = set()
    for path, kinds in found.items():
        if len(kinds) > 1:
            left_out |= kinds[Random(f"{seed} {path.name}").choice(KINDS)]
    return left_out


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        kinds = kinds_for(metafunc.config, metafunc.definition)
        metafunc.parametrize("database", kinds, indirect=True)


def kinds_for(config: pytest.Config, item: pytest.Item) -> tuple[str, ...]:
    """The databases that a test runs on."""
    chosen = config.getoption("--database")
    if chosen in KINDS:
        return (chosen,)
    if config.getoption("--quick"):
        return ("sqlite",)
    if chosen == "both" or config.getoption("--long"):
        return KINDS
    is_marked = item.get_closest_marker("both_databases") or item.get_closest_marker("either_database")
    return KINDS if is_marked and not item.get_closest_marker("one_database") else ("sqlite",)


# The process in charge makes what all share, and tells its workers where it is: one PostgreSQL, one folder of
# templates and compiled pages, one seed.


def shared_by_all(config: pytest.Config) -> Shared:
    if SHARED not in config.stash:
        told: dict[str, str] | None = getattr(config, "workerinput", None)
        if told is not None:
            config.stash[MISSING] = told["postgresql_missing"]
            config.stash[SHARED] = Shared(Path(told["folder"]), int(told["seed"]), told["postgresql"])
        else:
            chosen = config.getoption("--seed")
            seed = secrets.randbelow(10**6) if chosen is None else chosen
            config.stash[SHARED] = Shared(scratch("tsunagu-shared-"), seed)
    return config.stash[SHARED]


def start_postgresql(config: pytest.Config) -> str:
    """The address of the server to test on; empty when there is none."""
    shared = shared_by_all(config)
    if shared.postgresql or hasattr(config, "workerinput"):
        return shared.postgresql
    shared.postgresql = os.environ.get("TEST_DATABASE_URL", "")
    if not shared.postgresql.startswith("postgresql") and MISSING not in config.stash:
        try:
            config.stash[SERVER] = PostgreSQLServer()
            shared.postgresql = config.stash[SERVER].url
        except NoServer as error:
            config.stash[MISSING] = str(error)
    return shared.postgresql


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    wanted = node.config.getoption("--database") != "sqlite" and not node.config.getoption("--quick")
    node.workerinput["postgresql"] = start_postgresql(node.config) if wanted else ""
    node.workerinput["postgresql_missing"] = node.config.stash.get(MISSING, "")
    shared = shared_by_all(node.config)
    node.workerinput["folder"], node.workerinput["seed"] = str(shared.folder), str(shared.seed)


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED not in config.stash or hasattr(config, "workerinput"):
        return
    shared = config.stash[SHARED]
    if SERVER in config.stash:
        config.stash[SERVER].close()
    elif shared.postgresql:
        PostgreSQLDatabases.drop_templates(shared.postgresql, shared.folder)
    shutil.rmtree(shared.folder, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: --seed {shared_by_all(config).seed}"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What draws the addresses of the sweeps; the header of the run prints it."""
    return shared_by_all(pytestconfig).seed


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[report.location[0]] += report.duration


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash.get(MISSING, ""):
        terminalreporter.section("NOT TESTED ON POSTGRESQL", red=True, bold=True)
        terminalreporter.line(config.stash[MISSING])
    if len(SECONDS) > 10:
        terminalreporter.section("the ten slowest files")
        for file, seconds in SECONDS.most_common(10):
            terminalreporter.line(f"{seconds:7.1f} s  {file}")
    terminalreporter.line(f"seed: --seed {shared_by_all(config).seed}")


@pytest.fixture(scope="session")
def _sqlite(pytestconfig: pytest.Config) -> Iterator[Databases]:
    databases = SQLiteFiles(shared=shared_by_all(pytestconfig).folder)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def _postgresql(pytestconfig: pytest.Config) -> Iterator[Databases]:
    server = start_postgresql(pytestconfig)
    if not server:
        refuse = pytest.fail if os.environ.get("REQUIRE_POSTGRES") == "1" else pytest.skip
        refuse(f"no PostgreSQL: {pytestconfig.stash[MISSING]}")
    databases = PostgreSQLDatabases(server, shared_by_all(pytestconfig).folder)
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
        return db.unrestricted_engine if outside else walled(session, *given, **more)

    db.read.session_factory.class_.get_bind = bind


@pytest.fixture(scope="session")
def _application(pytestconfig: pytest.Config) -> Flask:
    assert COMPILED.is_file(), f"{COMPILED} is missing: set up first, by ./test, ./run or `make install`"
    look_at_everything()
    settings = type("Settings", (TestConfig,), {"DATABASE_URL": NOWHERE})
    application = create_app(settings)
    KeptEngines(db)
    application.test_client_class = Browser
    compiled = shared_by_all(pytestconfig).folder / "templates"
    compiled.mkdir(exist_ok=True)
    application.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
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
