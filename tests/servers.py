"""The portal as it runs in an office: gunicorn on a port of its own, gone when the tests are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ("--worker-class", "gthread", "--threads", "4", "--no-control-socket", "--log-level", "warning")
# The shell ends the server when its own input ends, and that happens however the tests end.
KEEPER = '"$@" & server=$!; echo $server; read -r _; kill $server; wait $server'


@dataclass(frozen=True)
class Server:
    """A running server. `pid` is gunicorn's master; its children are the workers."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def answers(self, path: str) -> bool:
        """Whether anything but a server error comes back."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def serve(
    database: str,
    *,
    application: str = "wsgi:app",
    workers: int = 1,
    ready: str = "/healthz",
    environment: dict[str, str] | None = None,
    log_file: Path | None = None,
    as_user: tuple[str, ...] = (),
) -> Iterator[Server]:
    """Serve an application on this database until the block ends; yields when it answers.

    `log_file` is given what the server says, and `as_user` is the command that makes it another user's.
    """
    settings = os.environ | {"DATABASE_URL": database, "PORTAL_ENV": "test"} | (environment or {})
    with (
        log_file.open("w+b") if log_file else tempfile.TemporaryFile() as log,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        # The server gets the open socket itself: no other program can take its port in between.
        command = (
            *as_user,
            sys.executable,
            "-m",
            "gunicorn",
            application,
            "--bind",
            f"fd://{listener.fileno()}",
        )
        keeper = subprocess.Popen(
            ("/bin/sh", "-c", KEEPER, "sh", *command, "--workers", str(workers), *SETTINGS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=(listener.fileno(),),
            cwd=ROOT,
            env=settings,
            start_new_session=True,
        )
        with keeper:
            assert keeper.stdout
            assert keeper.stdin
            server = Server(listener.getsockname()[1], int(keeper.stdout.readline()))
            listener.close()
            try:
                deadline = time.monotonic() + 90  # a busy machine takes its time to start one
                while not server.answers(ready):
                    if time.monotonic() > deadline or not Path(f"/proc/{server.pid}").exists():
                        log.seek(0)
                        raise AssertionError(f"the server does not answer:\n{log.read().decode()}")
                    time.sleep(0.05)
                yield server
            finally:
                keeper.stdin.close()
                keeper.wait(timeout=30)
