"""`flask audit`: checkpoints by the clock, the check of the whole log, and changing its keys."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import make_url, select

from portal.audit import key_services, log_integrity, notes
from portal.audit.checkpoint_store import keeping
from portal.audit.jumps import ClockBehind
from portal.audit.models import AuditHead
from portal.audit.notes import Halted
from portal.audit.vault import vault
from portal.core.db import db

audit = AppGroup("audit", help="The verifiable log: see docs/audit-log.md and docs/operations.md.")

VERIFIER = Path(__file__).resolve().parents[2] / "verify_audit.py"
HALTED, NO_DUMP, BEHIND = 4, 2, 5


def origin() -> str:
    with db.transaction() as session:
        return session.scalars(select(AuditHead.origin)).one()


def stop(error: Halted) -> None:
    """Print why nothing is signed, and exit."""
    if isinstance(error, ClockBehind):
        click.echo(str(error), err=True)
        click.echo("the clock stands before the last entry: set it right, then see /audit/clock", err=True)
        sys.exit(BEHIND)
    found = log_integrity.watch.contradiction
    click.echo(found.reason if found else str(error), err=True)
    click.echo("the log contradicts its kept checkpoints: see /audit/restore", err=True)
    sys.exit(HALTED)


@audit.command()
def checkpoint() -> None:
    """Sign the log as it stands, keep the note outside the data directory, and print it. For cron."""
    try:
        with db.transaction() as session:
            note = log_integrity.make_checkpoint(session)
    except Halted as error:
        stop(error)
    else:
        click.echo(note, nl=False)
        if keeping.problem:
            click.echo(f"it could not be kept in CHECKPOINT_DIR ({keeping.problem})", err=True)
            sys.exit(1)


@audit.command()
def vkey() -> None:
    """Print the public key, to be handed to whoever verifies."""
    click.echo(notes.vkey(origin(), vault.ring.signing.public_key()))


@audit.command()
@click.option(
    "--key", "keys", multiple=True, help="A public key that was handed out earlier; else the present."
)
@click.option(
    "--checkpoint", "kept", multiple=True, type=click.Path(exists=True), help="Kept notes, or folders."
)
@click.option("--max-age", type=float, default=24.0, show_default=True, help="Hours.")
@click.option("--json", "as_json", is_flag=True)
def verify(keys: tuple[str, ...], kept: tuple[str, ...], max_age: float, as_json: bool) -> None:
    """Check the whole log with verify_audit.py, against the checkpoints kept outside as well; its exit code is ours.

    Whoever does not trust this machine takes a copy of the database, verify_audit.py, their own key and
    their own checkpoints, and runs it elsewhere.
    """
    name = origin()
    given = list(keys) or [notes.vkey(name, vault.ring.signing.public_key())]
    place = keeping.place(name)
    checkpoints = [*kept, *([str(place)] if place and keeping.sizes(name) else [])]
    arguments = [part for key in given for part in ("--key", key)]
    arguments += [part for one in checkpoints for part in ("--checkpoint", one)]
    arguments += ["--max-age", str(max_age), *(["--json"] if as_json else [])]
    with tempfile.TemporaryDirectory() as folder:
        data = data_of(current_app.config["DATABASE_URL"], Path(folder))
        done = subprocess.run([sys.executable, str(VERIFIER), str(data), *arguments], check=False)  # noqa: S603
    sys.exit(done.returncode)


def data_of(url: str, folder: Path) -> Path:
    """The path of the SQLite file, or of a dump that pg_dump writes of a PostgreSQL database."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return Path(address.database or "")
    program = shutil.which("pg_dump") or newest_dump()
    if program is None:
        click.echo("pg_dump is missing: apt-get install postgresql-client, or run on the server:", err=True)
        click.echo(
            "  pg_dump --no-owner DATABASE > tsunagu.sql && python verify_audit.py tsunagu.sql …", err=True
        )
        sys.exit(NO_DUMP)
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    path = folder / "tsunagu.sql.gz"
    command = [program, "--enable-row-security", "--no-owner", "--no-privileges", "--dbname", plain]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dump, gzip.open(path, "wb", 1) as out:  # noqa: S603
        assert dump.stdout  # noqa: S101
        shutil.copyfileobj(dump.stdout, out)
    if dump.returncode:
        click.echo("pg_dump failed: nothing was verified", err=True)
        sys.exit(NO_DUMP)
    return path


def newest_dump() -> str | None:
    """The newest pg_dump that Debian installed, which keeps the programs of each version apart."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else None


@audit.command("change-key")
def change_key() -> None:
    """Change the key that signs checkpoints; the next checkpoint is signed by both, and made at once."""
    try:
        old, new = key_services.change_signing_key()
    except Halted as error:
        stop(error)
    else:
        click.echo(f"old {old}\nnew {new}")
        click.echo("hand the new key to everybody who keeps checkpoints, and copy KEY_DIR anew", err=True)


@audit.command("change-master")
def change_master() -> None:
    """Add a master key and wrap every person's key with it; older ones stay in the file for older backups."""
    try:
        count = key_services.change_master_key()
    except Halted as error:
        stop(error)
    else:
        click.echo(f"{count} keys wrapped anew by {vault.ring.master_id}")
        click.echo("copy KEY_DIR anew: copies of the database made from now on need it", err=True)
