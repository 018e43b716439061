"""`flask seed`: filling an empty database with an invented world, for measuring."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from portal.core.db import db
from portal.scenario.loading import NotEmpty, new_password
from portal.seed.scale import FEWEST, FEWEST_AGENCIES, MOST, MOST_AGENCIES, seed

seeding = AppGroup("seed", help="Invented worlds, for measuring.")


@seeding.command()
@click.option("--referrals", type=click.IntRange(FEWEST, MOST), required=True, help="How many referrals.")
@click.option(
    "--agencies",
    type=click.IntRange(FEWEST_AGENCIES, MOST_AGENCIES),
    default=200,
    show_default=True,
    help="Between how many agencies.",
)
@click.option("--seed", "number", default=1, show_default=True, help="The same number makes the same world.")
@click.option(
    "--attendances",
    type=click.IntRange(0, MOST),
    help="How many attendances at activities of programmes; without it one to five referrals.",
)
@click.pass_context
def scale(
    context: click.Context, referrals: int, agencies: int, number: int, attendances: int | None
) -> None:
    """Fill an empty database with eight years of invented work.

    Prints a sign-in of the first agency (e-mail, password, role, agency, tabs between; everybody has this
    password), and the id of an open referral of that agency that has twenty events.
    """
    context.call_on_close(db.dispose)  # else SQLite's log would stay beside the file
    password = new_password()
    try:
        made = seed(referrals, agencies=agencies, seed=number, password=password, attendances=attendances)
    except NotEmpty:
        click.echo("✗ データベースは空ではありません / the database holds data", err=True)
        context.exit(1)
    click.echo("\t".join([made.email, password, made.role.value, made.agency]))
    click.echo(f"busy_referral\t{made.busy_referral}")
