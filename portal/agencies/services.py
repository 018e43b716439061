"""Registering an agency and keeping its contacts, opening days and own closures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies import queries
from portal.agencies.calendar import SATURDAY, SUNDAY, NeverOpen, OpeningDays
from portal.agencies.kinds import AgencyKind
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Invalid
from portal.policy import Actor, Permission, require
from portal.words import N_

LONGEST_SHORT_NAME = 3
# Deadlines are counted in an agency's business days, so these must exist within a year from any day.
MUST_BE_OPEN = 5


@dataclass(frozen=True, slots=True)
class AgencyFacts:
    """What is known of an agency, as typed. Weekdays count from Monday 0."""

    name: str
    short_name: str
    kind: AgencyKind
    about: str = ""
    telephone: str = ""
    fax: str = ""
    email: str = ""
    address: str = ""
    hours: str = ""
    weekly_closed: frozenset[int] = frozenset({SATURDAY, SUNDAY})
    holidays_closed: bool = True
    yearend_closed: bool = True

    def columns(self) -> dict[str, object]:
        closed = "".join(str(day) for day in sorted(self.weekly_closed))
        return asdict(self) | {"weekly_closed": closed}


def facts_of(agency: Agency) -> AgencyFacts:
    return AgencyFacts(
        **{name: getattr(agency, name) for name in AgencyFacts.__slots__ if name != "weekly_closed"},
        weekly_closed=agency.closed_weekdays,
    )


def permit(actor: Actor | None, permission: Permission, subject: object = None) -> None:
    """Ask the policy. Without an actor it is a command, given by whoever runs the server."""
    if actor is not None:
        require(actor, permission, subject)


def channel_of(actor: Actor | None) -> str:
    return "portal" if actor else "command"


def check(session: Session, facts: AgencyFacts, agency_id: UUID | None = None) -> None:
    """Raise `Invalid`, naming the field, unless the facts hold together and the names are free."""
    if not facts.name:
        raise Invalid(N_("機関の名称を入力してください。"), field="name")
    if not 1 <= len(facts.short_name) <= LONGEST_SHORT_NAME:
        raise Invalid(N_("略称は3文字以内で入力してください。つなぎの番号に使います。"), field="short_name")
    if any(char in "-/" or char.isspace() for char in facts.short_name):
        raise Invalid(N_("略称に「-」「/」や空白は使えません。"), field="short_name")
    for field, column in (("name", Agency.name), ("short_name", Agency.short_name)):
        taken = select(Agency.id).where(column == getattr(facts, field), Agency.id != agency_id)
        if session.scalar(taken if agency_id else select(Agency.id).where(column == getattr(facts, field))):
            raise Invalid(N_("同じ名称または略称の機関がすでにあります。"), field=field)


def require_open_sometime(days: OpeningDays, starts: Iterable[date] = (), *, field: str) -> None:
    """Raise `Invalid` when the agency would be closed for a year: no deadline could be counted."""
    try:
        for day in (clock.today(), *starts):
            days.add_business_days(day, MUST_BE_OPEN)
    except NeverOpen as error:
        raise Invalid(
            N_("一年以上続けて休みになります。長く休むときは、システム管理者に利用の停止を依頼してください。"),
            field=field,
        ) from error


def create(actor: Actor | None, facts: AgencyFacts, *, idempotency_key: str | None = None) -> UUID:
    """Register an agency; returns its id.

    Raises:
        Invalid: a name is missing or taken, or the agency would never open.
        NotAllowed: only a system administrator registers agencies.
    """
    permit(actor, Permission.AGENCY_CREATE)
    agency_id = new_id()
    with db.transaction() as session:
        if actor and (earlier := queries.sent_before(session, actor.staff_id, idempotency_key, agency_id)):
            return earlier
        check(session, facts)
        agency = Agency(id=agency_id, version=1, **facts.columns())
        require_open_sometime(queries.days_of(agency, ()), field="weekly_closed")
        session.add(agency)
        audit.record(
            AuditEvent.AGENCY_CREATED, agency, actor=actor, channel=channel_of(actor), facts=asdict(facts)
        )
    return agency_id
