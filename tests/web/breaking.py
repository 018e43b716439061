"""Real databases that can be broken and mended while a real server works on them, and a visitor who looks on."""

from __future__ import annotations

import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import make_url

from tests.browsers import PASSWORD
from tests.databases import PostgreSQLDatabases, PostgreSQLServer
from tests.servers import Server

HOST = "tsunagu.example.jp"
FIELD = re.compile(
    r'<input (?:name="([^"]+)" type="hidden"|type="hidden" name="([^"]+)") value="([^"]*)">', re.DOTALL
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def hidden(self, part: str = "") -> dict[str, str]:
        """The hidden fields from `part` of the page on, as a browser sends them."""
        form = self.text[self.text.index(part) :].partition("</form>")[0]
        return {one or other: unescape(value) for one, other, value in FIELD.findall(form)}


class Visitor:
    """Somebody at a browser; the proxy before the portal speaks https."""

    def __init__(self, server: Server, *, host: str = HOST) -> None:
        self.port, self.host = server.port, host
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        head = {"Host": self.host, "X-Forwarded-Proto": "https"} | headers
        if self.cookies:
            head["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urlencode(fields).encode()
            head["Content-Type"] = "application/x-www-form-urlencoded"
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST" if fields is not None else "GET", path, body, head)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                for name, morsel in SimpleCookie(cookie).items():
                    self.cookies[name] = morsel.value
            return Answer(answer.status, dict(answer.headers), answer.read().decode())

    def sign_in(self, email: str) -> Visitor:
        hidden = self.ask("/sign-in").hidden('action="/sign-in')
        answer = self.ask("/sign-in", hidden | {"email": email, "password": PASSWORD})
        assert answer.status == 303, answer.text
        return self


class Breakable(ABC):
    """A database, and how each fault comes and goes. `url` is what the portal is told."""

    url: str

    @abstractmethod
    def away(self, server: Server | None) -> None:
        """It cannot be reached or read."""

    @abstractmethod
    def unwritable(self, server: Server) -> None:
        """It can be read, and not written."""

    @abstractmethod
    def mend(self, server: Server | None) -> None: ...

    @abstractmethod
    def messages(self, text: str) -> int:
        """How many messages of this text there are, asked of the database itself."""

    @abstractmethod
    def written(self) -> int:
        """Bytes that were ever written into its log."""

    @abstractmethod
    def held(self) -> AbstractContextManager[None]:
        """Somebody else holds it, and nobody can write."""

    @abstractmethod
    def close(self) -> None: ...


class BreakableFile(Breakable):
    """A SQLite file in a folder of its own."""

    def __init__(self, source: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.aside = folder, folder.with_name("aside")
        self.file = folder / "portal.core.db"
        shutil.copyfile(make_url(source).database or "", self.file)
        self.url = f"sqlite:///{self.file}"
        self.is_limited = False

    def away(self, server: Server | None) -> None:
        self.folder.rename(self.aside)

    def unwritable(self, server: Server) -> None:
        """No file of the workers may grow beyond what it has, as on a full disk."""
        self.is_limited = True
        wal = self.file.with_name("portal.core.db-wal")
        room = min(wal.stat().st_size, 16384) if wal.exists() else 0
        for pid in server.workers():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    def mend(self, server: Server | None) -> None:
        if self.aside.exists():
            self.aside.rename(self.folder)
        for pid in server.workers() if server and self.is_limited else ():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def written(self) -> int:
        wal = self.file.with_name("portal.core.db-wal")
        return wal.stat().st_size if wal.exists() else 0

    def close(self) -> None:
        """Nothing runs."""

    @contextmanager
    def held(self) -> Iterator[None]:
        with closing(sqlite.connect(self.file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def messages(self, text: str) -> int:
        with closing(sqlite.connect(self.file)) as connection:
            found = connection.execute("SELECT count(*) FROM referral_event WHERE text = ?", (text,))
            return int(found.fetchone()[0])


class BreakableServer(Breakable):
    """A database on a PostgreSQL server of its own, which can be stopped."""

    # It is killed: what it has acknowledged must be in its log by then.
    OPTIONS = PostgreSQLServer.OPTIONS.replace("synchronous_commit=off", "synchronous_commit=on")

    def __init__(self, folder: Path | None = None) -> None:
        self.server = PostgreSQLServer(folder, self.OPTIONS)
        self.databases = PostgreSQLDatabases(self.server.url)
        self.renew()

    def renew(self) -> BreakableServer:
        """A new database on the same server."""
        self.databases.connection.close()
        self.databases.connection = psycopg.connect(
            host=str(self.server.folder), user="portal", dbname="postgres", autocommit=True
        )
        self.url = self.databases.fresh()
        self.name = make_url(self.url).database
        return self

    def control(self, *command: str) -> None:
        nobody = pwd.getpwnam("nobody")
        ids: dict[str, Any] = (
            {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        folder = self.server.folder
        program = f"{self.server.programs()}/pg_ctl"
        subprocess.run(
            (program, f"--pgdata={folder}/data", "--silent", "--wait", *command),
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            **ids,
        )

    def tell(self, *statements: str) -> Any:
        with psycopg.connect(
            host=str(self.server.folder), user="keeper", dbname=self.name, autocommit=True
        ) as keeper:
            keeper.execute("SET default_transaction_read_only = off")
            for statement in statements:
                found = keeper.execute(statement)
            return found.fetchone()[0] if found.description else None

    def is_up(self) -> bool:
        return (self.server.folder / "data" / "postmaster.pid").exists()

    def away(self, server: Server | None) -> None:
        self.control("--mode=immediate", "stop")

    def restart(self) -> None:
        self.away(None)
        self.mend(None)

    def unwritable(self, server: Server) -> None:
        self.tell(
            f'ALTER DATABASE "{self.name}" SET default_transaction_read_only = on',
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    def mend(self, server: Server | None) -> None:
        if not self.is_up():
            folder = self.server.folder
            options = f"--options={self.OPTIONS} -k {folder}"
            self.control(f"--log={folder}/log", options, "start")
        self.tell(
            f'ALTER DATABASE "{self.name}" RESET default_transaction_read_only',
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    def written(self) -> int:
        return int(self.tell("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """The server is stopped in its tracks, as behind a network that swallows everything."""
        pid = int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def messages(self, text: str) -> int:
        return int(self.tell(f"SELECT count(*) FROM referral_event WHERE text = '{text}'"))  # noqa: S608

    def close(self) -> None:
        if not self.is_up():
            self.mend(None)
        self.databases.connection.close()
        self.server.close()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """A disk of this size; None where nobody may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="tsunagu-disk-"))
    made = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", folder),
        check=False,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield folder if made.returncode == 0 else None
    finally:
        if made.returncode == 0:
            subprocess.run(("umount", "--lazy", folder), check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all that is left on this disk."""
    rest = folder / "rest"
    with rest.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return rest
