"""Real databases for the tests: built once by the migrations, copied for each test, gone afterwards."""

from __future__ import annotations

import fcntl
import os
import pickle
import pwd
import shutil
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

ROOT = Path(__file__).resolve().parent.parent
Fill = Callable[[str], Any]


class NoServer(Exception):
    """There is no PostgreSQL to test on, and why."""


def scratch(prefix: str) -> Path:
    """A new folder, in memory where the machine has room there: ten times faster to copy and to sync."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3
    return Path(tempfile.mkdtemp(prefix=prefix, dir=memory if roomy else None))


def flask(url: str, *command: str, **settings: str) -> str:
    """What a `flask` command printed that ran on this database, in a process of its own."""
    environment = os.environ | {"DATABASE_URL": url, "PORTAL_ENV": "test"} | settings
    whole = (sys.executable, "-m", "flask", "--app", "wsgi", *command)
    done = subprocess.run(whole, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"flask {' '.join(command)}: {done.stderr}")
    return done.stdout


def migrate(url: str) -> None:
    flask(url, "db", "upgrade")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """One process at a time."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Databases(ABC):
    """A kind of database. A copy of a template costs far less than running the migrations again.

    The processes of one run share the templates in the folder `shared`: whoever needs one first makes it.
    """

    kind: str

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.numbers = count(1)

    @abstractmethod
    def create(self, name: str) -> str:
        """An empty database; returns its URL."""

    @abstractmethod
    def create_template(self, key: str) -> str:
        """An empty database that outlives this process; returns its URL."""

    @abstractmethod
    def copy(self, source: str, name: str) -> str:
        """A copy of a database that nobody is connected to; returns its URL."""

    @abstractmethod
    def copy_into(self, source: str, url: str) -> None:
        """Put a copy of the first database in the place of the second."""

    @abstractmethod
    def drop(self, url: str) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def empty(self) -> str:
        """A database without any table."""
        return self.create(f"empty{next(self.numbers)}")

    def fresh(self, template: str = "migrated", fill: Fill | None = None) -> str:
        """A copy of the migrated database; with `fill`, of one that was filled so once, under that name."""
        url, _made = self.template(template, fill)
        return self.copy(url, f"test{next(self.numbers)}")

    def template(self, name: str = "migrated", fill: Fill | None = None) -> tuple[str, Any]:
        """The URL of a template, and a new copy of what its `fill` returned."""
        key = f"{self.kind}-{sha256(name.encode()).hexdigest()[:12]}"
        made = self.shared / key
        with locked(self.shared / f"{key}.lock"):
            if not made.exists():
                url = self.create_template(key)
                if name == "migrated":
                    found = migrate(url)
                else:
                    assert fill, f"nothing fills {name}"
                    self.copy_into(self.template()[0], url)
                    found = fill(url)
                made.write_bytes(pickle.dumps((url, found)))
        url, found = pickle.loads(made.read_bytes())  # noqa: S301 - written by this run
        return url, found


class SQLiteFiles(Databases):
    """One file for each database."""

    kind = "sqlite"

    def __init__(self, folder: Path | None = None, shared: Path | None = None) -> None:
        self.folder = folder or scratch("tsunagu-")
        super().__init__(shared or self.folder)

    def create(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.db"

    def create_template(self, key: str) -> str:
        return f"sqlite:///{self.shared}/{key}.db"

    def copy(self, source: str, name: str) -> str:
        url = self.create(name)
        self.copy_into(source, url)
        return url

    def copy_into(self, source: str, url: str) -> None:
        file, to = make_url(source).database, make_url(url).database
        assert file
        assert to
        left_over = Path(f"{file}-wal")
        assert not left_over.exists() or not left_over.stat().st_size, f"{file} is still open"
        shutil.copyfile(file, to)

    def drop(self, url: str) -> None:
        file = make_url(url).database
        for suffix in ("", "-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self.folder)


class PostgreSQLServer:
    """A server of our own in a temporary folder, reached by a socket in it and by nothing else."""

    # The shell stops the server when its input ends, and that happens however the tests end.
    KEEPER = """
        "$1/pg_ctl" --pgdata="$2/data" --silent --wait --log="$2/log" --options="$3" start || exit 1
        echo ready
        read -r _
        "$1/pg_ctl" --pgdata="$2/data" --silent --mode=immediate stop
        rm -rf "$2"
    """
    OPTIONS = (
        "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off "
        "-c shared_buffers=64MB -c max_connections=60 -c autovacuum=off"
    )

    def __init__(self, folder: Path | None = None, options: str = OPTIONS) -> None:
        programs = self.programs()
        self.folder = folder or scratch("tsunagu-pg-")
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        initdb = (
            *(f"{programs}/initdb", f"--pgdata={self.folder}/data", "--locale=C.UTF-8", "--encoding=UTF8"),
            *("--username=keeper", "--auth=trust", "--no-sync"),
        )
        subprocess.run(
            initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, env=environment, **as_user
        )
        self.keeper = subprocess.Popen(
            ("/bin/sh", "-c", self.KEEPER, "sh", programs, self.folder, f"{options} -k {self.folder}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.folder,
            env=environment,
            # Ctrl-C in the terminal is for the tests: the keeper waits for its input to end.
            start_new_session=True,
            **as_user,
        )
        assert self.keeper.stdout
        if self.keeper.stdout.readline() != b"ready\n":
            raise NoServer((self.folder / "log").read_text())
        # The portal never owns the server: what needs a superuser fails here as it would in an office.
        with psycopg.connect(
            host=str(self.folder), user="keeper", dbname="postgres", autocommit=True
        ) as keeper:
            keeper.execute("CREATE ROLE portal LOGIN CREATEDB")
            # Once, by the administrator: docs/operations.md.
            keeper.execute("CREATE ROLE tsunagu_reader NOLOGIN")
            keeper.execute("GRANT tsunagu_reader TO portal")
        self.url = f"postgresql+psycopg://portal@/postgres?host={self.folder}"

    @staticmethod
    def programs() -> Path:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise NoServer("nothing in /usr/lib/postgresql: install postgresql or set TEST_DATABASE_URL")
        return found[-1]

    def close(self) -> None:
        assert self.keeper.stdin
        assert self.keeper.stdout
        self.keeper.stdin.close()
        self.keeper.wait(timeout=60)
        self.keeper.stdout.close()


class PostgreSQLDatabases(Databases):
    """Databases on one server, under names that no other run uses."""

    kind = "postgresql"

    def __init__(self, server: str, shared: Path | None = None) -> None:
        self.own = None if shared else scratch("tsunagu-templates-")
        super().__init__(shared or self.own or Path())
        self.server = make_url(server)
        self.prefix = f"tsunagu_{token_hex(4)}_"
        self.made: set[str] = set()
        self.leaving: list[str] = []
        self.connection = psycopg.connect(self._dsn(self.server), autocommit=True)

    @staticmethod
    def _dsn(url: URL) -> str:
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    def _url(self, name: str) -> str:
        return self.server.set(database=name).render_as_string(hide_password=False)

    def _create(self, name: str, template: str = "template0") -> str:
        # Copying the files takes two thirds of the time that copying through the log does.
        strategy = "STRATEGY file_copy" if self.connection.info.server_version >= 150000 else ""
        self.connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        return self._url(name)

    def create(self, name: str, template: str = "template0") -> str:
        self.made.add(self.prefix + name)
        return self._create(self.prefix + name, template)

    def create_template(self, key: str) -> str:
        if self.own:
            return self.create(key)
        # Who runs the tests drops it at their end: `drop_templates`.
        return self._create(f"{self.shared.name.replace('-', '_')}_{key.replace('-', '_')}")

    def copy(self, source: str, name: str) -> str:
        template = make_url(source).database
        assert template
        return self.create(name, template)

    def copy_into(self, source: str, url: str) -> None:
        name, template = make_url(url).database, make_url(source).database
        assert name
        assert template
        self.connection.execute(f'DROP DATABASE "{name}"')
        self._create(name, template)

    def drop(self, url: str) -> None:
        """Soon, not now: while a last connection is still closing, PostgreSQL waits a tenth of a second."""
        name = make_url(url).database
        assert name in self.made, f"{name} is not ours to drop"
        self.leaving.append(name)
        if len(self.leaving) > 3:
            self._drop(self.leaving.pop(0))

    def _drop(self, name: str) -> None:
        self.connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        self.made.discard(name)

    def close(self) -> None:
        for name in sorted(self.made):
            self._drop(name)
        self.connection.close()
        if self.own:
            shutil.rmtree(self.own)

    @classmethod
    def drop_templates(cls, server: str, shared: Path) -> None:
        """Take the templates of a run off a server that goes on."""
        start = shared.name.replace("-", "_") + "_"
        with psycopg.connect(cls._dsn(make_url(server)), autocommit=True) as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [start]
            )
            for (name,) in names.fetchall():
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
