"""`flask retention`: commands for whoever runs the server, after restoring a backup or an erasure."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from portal.core.db import db
from portal.core.errors import PortalError
from portal.retention import erasing, services

retention = AppGroup("retention", help="Erased people: see docs/operations.md.")


@retention.command("reapply")
@click.pass_context
def reapply(context: click.Context) -> None:
    """Erase again whom a restored backup has brought back."""
    context.call_on_close(db.dispose)
    try:
        count = services.reapply()
    except PortalError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"{count} erased again")


@retention.command("clear-files")
@click.option(
    "--rebuild", is_flag=True, help="Write the whole file anew: once, when it is older than migration 0003."
)
@click.pass_context
def clear_files(context: click.Context, rebuild: bool) -> None:
    """SQLite: what was erased leaves the write-ahead log, too. The portal may go on running."""
    context.call_on_close(db.dispose)
    try:
        erasing.clear_files(rebuild=rebuild)
    except PortalError as error:
        raise click.ClickException(error.message) from error
