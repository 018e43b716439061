"""The canaries' world with each ending by itself: a consent that has lapsed though its disclosure goes on, and the like.

The services end both together, and then no test can tell which of two rules it was that hid a row. Written into the
tables directly, so the log of this world does not verify. Also rows of what only a browser leaves.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, insert, select, update

from portal.accounts.models import Invitation, SignInAttempt, SignInSession, Staff
from portal.agencies.models import Closure
from portal.configuration.models import Setting
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient
from portal.core import clock
from portal.core.db import db
from portal.core.idempotency import FormKey
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.disclosures.models import Disclosure
from portal.exclusions.models import Conflict
from portal.meetings.schedule.models import CalendarLink
from tests.wall.test_canary_sweep import settled
from tests.wall.world import World

DAY = timedelta(days=1)
APPEND_ONLY = ("consent", "consent_recipient", "consent_category", "disclosure")


def every_ending() -> World:
    world = settled()
    exclude(world, "b's coordinator", "passed on")
    exclude(world, "a's coordinator", "live")
    exclude(world, "c", "passed on")
    with db.engine.begin() as connection:
        let_change(connection)
        endings(world, connection)
        leave_behind(world, connection)
    return world


def exclude(world: World, who: str, name: str) -> None:
    staff_id = world.members[who].staff_id
    exclusions.exclude(world.a.actor, world.people[name], staff_id, Conflict.NEIGHBOUR, world.canaries.word())
    db.end()


def let_change(connection: Connection) -> None:
    """Take away what keeps these tables append-only."""
    if connection.dialect.name == "postgresql":
        for table in APPEND_ONLY:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    triggers = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    for name, table in connection.exec_driver_sql(triggers).all():
        if table in APPEND_ONLY:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def endings(world: World, connection: Connection) -> None:
    """To b, one after the other; the disclosures themselves go on but for one."""
    today = clock.today()

    def goes_on(name: str) -> UUID:
        """The consent of a disclosure to b about this person, which is alive by all but what follows."""
        mine = (
            Disclosure.person_id == world.people[name],
            Disclosure.to_agency_id == world.b.agency_id,
            Disclosure.consent_id.is_not(None),
        )
        connection.execute(update(Disclosure).where(*mine).values(ends_at=None, ended_at=None))
        return connection.scalars(select(Disclosure.consent_id).where(*mine)).first()  # type: ignore[return-value]

    def change(name: str, **days: Any) -> None:
        connection.execute(update(Consent).where(Consent.id == goes_on(name)).values(**days))

    change("expired", valid_until=today - DAY)
    change("parent", valid_from=today + DAY)
    nameless = ConsentRecipient.consent_id == goes_on("protected")
    connection.execute(
        delete(ConsentRecipient).where(nameless, ConsentRecipient.agency_id == world.b.agency_id)
    )
    smaller = ConsentCategory.consent_id == goes_on("mistaken")
    connection.execute(delete(ConsentCategory).where(smaller, ConsentCategory.category == "health"))
    over = goes_on("taken back")
    connection.execute(
        update(Disclosure).where(Disclosure.consent_id == over).values(ends_at=clock.now() - DAY)
    )


def leave_behind(world: World, connection: Connection) -> None:
    """What only a browser or an administrator leaves: sessions, keys of forms, links, closed days, settings."""
    now = clock.now()

    def add(model: Any, **values: Any) -> None:
        connection.execute(insert(model.__table__).values(**values))

    def word() -> str:
        return uuid4().hex

    for member in (world.a, world.b):
        add(
            SignInSession,
            token_hash=word(),
            staff_id=member.staff_id,
            membership_id=member.actor.membership_id,
            expires_at=now + DAY,
        )
        add(FormKey, staff_id=member.staff_id, key=word(), made_id=uuid4())
        add(CalendarLink, staff_id=member.staff_id, token_hash=word())
        add(
            Invitation,
            token_hash=word(),
            email=f"{word()}@example.jp",
            name="見本 新人",
            agency_id=member.agency_id,
            role=Role.STAFF,
            invited_by_id=member.staff_id,
            expires_at=now + DAY,
        )
        add(Closure, agency_id=member.agency_id, starts_on=clock.today(), ends_on=clock.today())
        connection.execute(update(Staff).where(Staff.id == member.staff_id).values(second_factor="見本"))
    add(SignInAttempt, account_hash=word(), device_hash=word())
    add(Setting, key="figures.least_shown", value=4, version=1)
