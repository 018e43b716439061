"""Seeded worlds to measure in: made once or copied, and the services of the portal working in one beside its server."""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
from sqlalchemy import make_url

import portal
from config import TestConfig
from portal.core.db import db
from tests.bench.load import Wrong
from tests.bench.report import Report
from tests.databases import Databases, PostgreSQLDatabases, PostgreSQLServer, SQLiteFiles, flask

# As in an office: every commit synced. Only the memory is what a small server would give it.
DURABLE = "-c listen_addresses='' -c shared_buffers=256MB -c max_connections=60"

# As in an office, but for the certificate: the full cost of passwords, forms with their tokens, checkpoints kept.
OFFICE = {
    "PORTAL_ENV": "development",
    "SECRET_KEY": "measured only here",
    "KEY_DIR": TestConfig.KEY_DIR,
    "CHECKPOINT_DIR": tempfile.mkdtemp(prefix="tsunagu-bench-kept-"),
}


class Beside(TestConfig):
    """The services of this process act for several people in turn, and are no reader: they stand before no wall."""

    SECOND_WALL = False
    DATABASE_URL = "sqlite:////nowhere/no-world-was-chosen.db"


@dataclass(frozen=True)
class World:
    """A seeded database, and the e-mail and password of somebody in a busy agency.

    `drafts` is how many referrals are written to be sent: each is sent once.
    """

    url: str
    email: str
    password: str
    drafts: int = 100

    @property
    def coordinator(self) -> str:
        """The e-mail of that agency's coordinator; everybody has the same password."""
        return self.email.replace("-1@", "-2@")

    @property
    def programme(self) -> str:
        """The e-mail of somebody in the second agency, which is the first programme."""
        return self.email.replace("a1-", "a2-")


def options(parser: ArgumentParser) -> None:
    """What every bench that needs a world is told."""
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument(
        "--worlds", type=Path, help="a folder: SQLite worlds are kept there, and not seeded again next time"
    )


def kinds(chosen: Any) -> tuple[str, ...]:
    return ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,)


@contextmanager
def on_disk(kind: str) -> Iterator[Databases]:
    """Databases where a sync costs what it costs; gone when the block ends."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="tsunagu-bench-", dir="/var/tmp") as folder:
            yield SQLiteFiles(Path(folder))
        return
    server = PostgreSQLServer(Path(tempfile.mkdtemp(prefix="tsunagu-bench-", dir="/var/tmp")), DURABLE)
    try:
        yield PostgreSQLDatabases(server.url)
    finally:
        server.close()


def seeded(
    made: Databases, report: Report, referrals: int, kept: Path | None, attendances: int | None = None
) -> World:
    """A world of that size, of one's own to write into."""
    started = perf_counter()
    file = kept and isinstance(made, SQLiteFiles) and kept / file_name(referrals, attendances)
    if file and file.exists():
        url = made.create(file.stem)
        shutil.copyfile(file, make_url(url).database or "")
        printed, done = file.with_suffix(".tsv").read_text(), "copied"
    else:
        url = made.fresh()
        asked = () if attendances is None else ("--attendances", str(attendances))
        printed, done = flask(url, "seed", "scale", "--referrals", str(referrals), *asked), "seeded"
        if file:
            keep(url, printed, file)
    report.say(f"  {done} in {perf_counter() - started:.0f} s")
    if url.startswith("postgresql"):  # autovacuum does this within a minute
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    match printed.partition("\n")[0].split("\t"):
        case [email, password, "staff", *_]:
            return World(url, email, password)
    raise Wrong(f"seeding printed no sign-in of a member of staff: {printed[:200]}")


def file_name(referrals: int, attendances: int | None) -> str:
    return f"referrals-{referrals}.db" if attendances is None else f"referrals-{referrals}-{attendances}.db"


def keep(url: str, printed: str, file: Path) -> None:
    file.parent.mkdir(exist_ok=True, parents=True)
    shutil.copyfile(make_url(url).database or "", file)
    file.with_suffix(".tsv").write_text(printed)


application = None


@contextmanager
def acting(url: str) -> Iterator[None]:
    """The services act in this process, with the keys of the server that is measured."""
    global application
    application = application or portal.create_app(Beside)
    db.bind(url)
    try:
        yield
    finally:
        db.dispose()
