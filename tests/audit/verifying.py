"""Runs `verify_audit.py` on what a test has, and reads what it says."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import make_url

import verify_audit
from tests.databases import PostgreSQLServer


class Verdict(NamedTuple):
    exit: int
    result: dict[str, Any]

    @property
    def codes(self) -> set[str]:
        return set(self.result["counts"])

    @property
    def text(self) -> str:
        return json.dumps(self.result, ensure_ascii=False, indent=1)


def run(data: Path, keys: Iterable[str], kept: Iterable[str] = (), *options: str) -> Verdict:
    """The verdict, with the checkpoints that somebody kept as files."""
    folder = data.parent / f"{data.name}.kept"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, note in enumerate(kept):
        (folder / f"{number:06}.txt").write_text(note)
    given = [str(data), "--json", "--checkpoint", str(folder), *options]
    for key in keys:
        given += ["--key", key]
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        code = verify_audit.main(given)
    result = json.loads(heard.getvalue())
    assert result["exit"] == code
    return Verdict(code, result)


def dump(url: str, to: Path, *options: str) -> Path:
    """What `pg_dump` writes of this database. Row-level security is passed by as whoever makes backups passes it by."""
    address = make_url(url).set(drivername="postgresql")
    program = PostgreSQLServer.programs() / "pg_dump"
    for one in (address, address.set(username="keeper")):
        wanted = one.render_as_string(hide_password=False)
        done = subprocess.run(
            [program, "-f", to, *options, wanted], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return to
    raise AssertionError(done.stderr)
