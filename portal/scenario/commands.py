"""`flask scenario`: loading a scenario file."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from portal.core.db import db
from portal.scenario.loading import Loaded, NotEmpty, load
from portal.scenario.source import WrongFile

scenario = AppGroup("scenario", help="Demos, trials, moves from another system: see docs/scenario.md.")

MOST_MISTAKES = 20


@scenario.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--print-sign-ins", is_flag=True, help="Print everybody's sign-in, not only the new passwords.")
@click.option("--random-passwords", is_flag=True, help="Make up every password, also those in the file.")
@click.option("--add", is_flag=True, help="Add to what the database holds already.")
@click.option("--if-empty", is_flag=True, help="Do nothing when the database holds data.")
@click.pass_context
def load_scenario(
    context: click.Context,
    file: Path,
    print_sign_ins: bool,
    random_passwords: bool,
    add: bool,
    if_empty: bool,
) -> None:
    """Replay FILE, all of it or nothing.

    Prints the passwords that were made up, one sign-in a line: e-mail, password, role, agency, tabs between.
    """
    context.call_on_close(db.dispose)  # else SQLite's log would stay beside the file
    try:
        loaded = load(file, add=add, random_passwords=random_passwords)
    except NotEmpty:
        if if_empty:
            return
        click.echo(
            "✗ データベースは空ではありません。加えるときは --add を付けてください"
            " / the database holds data: give --add to add to it",
            err=True,
        )
        context.exit(1)
    except WrongFile as error:
        complain(file, error)
        context.exit(1)
    report(loaded, print_all=print_sign_ins)


def complain(file: Path, error: WrongFile) -> None:
    click.echo(f"✗ {file}: 何も読み込みませんでした / nothing was loaded", err=True)
    for mistake in error.mistakes[:MOST_MISTAKES]:
        click.echo(f"  {mistake}", err=True)
    if (more := len(error.mistakes) - MOST_MISTAKES) > 0:
        click.echo(f"  ほかに {more} 件 / {more} more", err=True)


def report(loaded: Loaded, *, print_all: bool) -> None:
    for one in loaded.sign_ins:
        if print_all or one.is_new:
            click.echo("\t".join([one.email, one.password, one.role.value, one.agency]))
