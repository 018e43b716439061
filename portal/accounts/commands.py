"""`flask accounts`: the first administrator, and others that whoever runs the server makes."""

from __future__ import annotations

import secrets
import sys
from uuid import UUID

import click
from flask.cli import AppGroup
from sqlalchemy import or_, select

from portal.accounts import services
from portal.accounts.queries import ROLES_OF_AGENCY
from portal.accounts.services import Post
from portal.accounts.signing_in import address_of
from portal.agencies.models import Agency
from portal.core.db import db
from portal.core.errors import PortalError
from portal.core.policy import Role

accounts = AppGroup("accounts", help="Make accounts without an invitation.")


def agency_id_of(named: str | None) -> UUID | None:
    """The agency of this name, short name or id.

    Raises:
        BadParameter: there is none, or more than one.
    """
    if named is None:
        return None
    try:
        same = Agency.id == UUID(named)
    except ValueError:
        same = or_(Agency.name == named, Agency.short_name == named)
    found = db.read.scalars(select(Agency.id).where(same)).all()
    if len(found) != 1:
        raise click.BadParameter(f"no agency is called {named}", param_hint="--agency")
    return found[0]


@accounts.command()
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--agency", help="Name, short name or id; not for auditors and system administrators.")
@click.option("--administers", is_flag=True, help="A caseworker who also looks after the agency.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create(
    email: str, name: str, role: str, agency: str | None, administers: bool, password_stdin: bool
) -> None:
    """Make an account. Without --password-stdin a password is made and printed, this once."""
    given = Role(role)
    if given in ROLES_OF_AGENCY and agency is None:
        raise click.UsageError(f"--role {role} needs --agency")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else secrets.token_urlsafe(18)
    post = Post(given, agency_id_of(agency), administers)
    try:
        services.create_account(email=email, name=name, post=post, password=password)
    except PortalError as error:
        raise click.ClickException(error.text()) from error
    click.echo(
        f"{address_of(email)}\t{'(from standard input)' if password_stdin else password}\t{role}\t{agency or ''}"
    )
