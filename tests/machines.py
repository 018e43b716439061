"""A machine that has never seen the portal: a clone of this checkout, a home of its own, and nothing set but that."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).resolve().parent.parent
# What says how to reach the network and the package index; all else that is set here a fresh machine has not.
ABOUT_THE_NETWORK = (
    "PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "XDG_CONFIG_HOME",
    "PYTHON",
)
PREFIXES = ("PIP_", "HTTP_", "HTTPS_", "NO_", "ALL_", "http_", "https_", "no_", "all_")
# The shell ends `./run` when its own input ends, and that happens however the tests end. It lets go of the output,
# which then ends with `./run`.
KEEPER = '"$@" & server=$!; exec >&-; read -r _; kill $server; wait $server'
FIRST_START = 900  # at the most: an installation over a slow network, with the other tests beside it


@dataclass(frozen=True)
class SignIn:
    email: str
    password: str
    role: str
    agency: str


@dataclass(frozen=True)
class Started:
    """What `./run` printed until it served."""

    url: str
    printed: list[str]
    said: str

    @property
    def sign_ins(self) -> dict[str, SignIn]:
        rows = [line.split("\t") for line in self.printed if line.count("\t") == 3]
        return {row[0]: SignIn(*row) for row in rows}


def own_environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ABOUT_THE_NETWORK or k.startswith(PREFIXES)}
    # Where this user's pip finds its index and what it has downloaded before.
    here = Path.home()
    kept.setdefault("XDG_CONFIG_HOME", str(here / ".config"))
    kept.setdefault("PIP_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME") or here / ".cache") / "pip"))
    gitconfig = home / "gitconfig"
    gitconfig.write_text("[safe]\n\tdirectory = *\n")  # a checkout may belong to another user
    return kept | {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": str(gitconfig),
    }


@dataclass
class Machine:
    """`checkout` is the clone. Commands run in it as a person types them."""

    folder: Path
    checkout: Path = field(init=False)
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        home.mkdir()
        self.checkout = self.folder / "tsunagu"
        self.environment = own_environment(home)
        self.command("git", "clone", "--quiet", str(ROOT), str(self.checkout), folder=self.folder)

    def command(self, *command: str, folder: Path | None = None, **environment: str) -> str:
        """What the command printed; it must end well."""
        done = subprocess.run(
            command,
            cwd=folder or self.checkout,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def flask(self, *command: str, **environment: str) -> str:
        """A `flask` command by hand, as the README says."""
        whole = (".venv/bin/flask", "--app", "wsgi", *command)
        return self.command(*whole, PORTAL_ENV="development", **environment)

    @contextmanager
    def run(self, *options: str, **environment: str) -> Iterator[Started]:
        """`./run` until the block ends; yields when it has said its address."""
        log = self.folder / "said"
        with socket.socket() as held, log.open("wb") as said:
            # Held until the end: nobody else is given the port, and whoever reuses addresses may listen on it.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            keeper = subprocess.Popen(
                ("/bin/sh", "-c", KEEPER, "sh", "./run", *options),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=self.checkout,
                env=self.environment | {"PORT": str(port)} | environment,
                start_new_session=True,
                text=True,
            )
            watchdog = Timer(FIRST_START, os.killpg, (keeper.pid, signal.SIGKILL))
            watchdog.start()
            try:
                url = f"http://127.0.0.1:{port}"
                printed = self.until(url, keeper)
                assert url in printed, f"./run did not serve:\n{log.read_text()}"
                watchdog.cancel()
                yield Started(url, printed, log.read_text())
            finally:
                watchdog.cancel()
                assert keeper.stdin
                keeper.stdin.close()
                with suppress(subprocess.TimeoutExpired):
                    keeper.wait(timeout=60)
                with suppress(ProcessLookupError):
                    os.killpg(keeper.pid, signal.SIGKILL)
                assert keeper.stdout
                keeper.stdout.close()

    @staticmethod
    def until(line: str, keeper: subprocess.Popen[str]) -> list[str]:
        printed: list[str] = []
        assert keeper.stdout
        while line not in printed and (read := keeper.stdout.readline()):
            printed.append(read.rstrip("\n"))
        return printed
