"""The demo, loaded and served at a day that stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import time_machine
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Membership, Staff
from portal.accounts.signing_in import actor_of
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor
from portal.scenario.loading import load
from tests.browsers import Browser
from tests.databases import Databases
from tests.servers import ROOT, Server, serve

FILE = ROOT / "scenarios" / "ashiya.yaml"
# A Wednesday on which every agency of the demo is open.
NOON = datetime(2026, 11, 25, 10, 0, tzinfo=clock.JAPAN)


@dataclass(frozen=True)
class Resident:
    """Somebody of the demo, as the tests sign in."""

    email: str
    password: str
    staff_id: object


@dataclass(frozen=True)
class Demo:
    url: str
    people: dict[str, Resident]

    def somebody(self, name: str) -> Resident:
        return self.people[f"{name}@example.jp"]

    def actor(self, name: str) -> Actor:
        """The same person as services want them."""
        posts = select(Staff, Membership, Agency.name).join(Membership, Membership.staff_id == Staff.id)
        posts = posts.outerjoin(Agency, Agency.id == Membership.agency_id)
        row = db.read.execute(posts.where(Staff.id == self.somebody(name).staff_id)).one()
        return actor_of(*row)


@dataclass(frozen=True)
class Served(Demo):
    """And where a browser finds it."""

    server: Server


def residents(file: Path = FILE) -> dict[str, Resident]:
    """Load the demo into the database that the portal is bound to; returns those who sign in there."""
    sign_ins = load(file).sign_ins
    ids = {row.email: row.id for row in db.read.execute(select(Staff.id, Staff.email))}
    return {one.email: Resident(one.email, one.password, ids[one.email]) for one in sign_ins}


def serving(url: str, moment: datetime = NOON) -> AbstractContextManager[Server]:
    """Serve this database at a day that stays the same."""
    settings = {"PORTAL_ENV": "browser", "FROZEN_AT": moment.isoformat()}
    return serve(url, application="tests.browser.frozen:app", environment=settings)


@contextmanager
def demo_at(app: Flask, databases: Databases, moment: datetime = NOON, file: Path = FILE) -> Iterator[Served]:
    """Load the demo into a database of its own and serve it, both at this moment."""
    url = databases.fresh()
    db.bind(url)
    with time_machine.travel(moment):
        people = residents(file)
    db.dispose()
    with serving(url, moment) as server:
        yield Served(url, people, server)


def client_of(app: Flask, who: Resident | None) -> Browser:
    """The same person without a browser: to try many addresses fast. Use while the clock stands at the demo's."""
    client = app.test_client()
    assert isinstance(client, Browser)
    return client.sign_in(who.email, who.password) if who else client
