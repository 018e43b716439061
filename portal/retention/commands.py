"""`flask retention`: what a server's keeper does after restoring a backup."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from portal.db import db
from portal.errors import PortalError
from portal.retention import services

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
