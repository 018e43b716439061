"""Registering agencies, keeping their days and what they offer, and the numbers that they give out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.agencies import queries
from portal.agencies.calendar import SATURDAY, SUNDAY, NeverOpen, OpeningDays
from portal.agencies.models import Agency, AgencyKind, Closure, Counter, Room, Service
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require

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
    """Require the permission. Without an actor it is a command, given by whoever runs the server."""
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
        owner = session.scalar(select(Agency.id).where(column == getattr(facts, field)))
        if owner not in {None, agency_id}:
            raise Invalid(N_("同じ名称または略称の機関がすでにあります。"), field=field)


def require_open_sometime(days: OpeningDays, starts: Iterable[date] = (), *, field: str) -> None:
    """Raise `Invalid` when the agency would be closed for a year: no deadline could be counted."""
    try:
        for day in (clock.today(), *starts):
            days.add_business_days(day, MUST_BE_OPEN)
    except NeverOpen as error:
        raise Invalid(
            N_(
                "一年以上続けて休みになります。長く休むときは、システム管理者に利用の停止を依頼してください。"
            ),
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
        if actor and (earlier := claim(actor, idempotency_key, agency_id)):
            return earlier
        check(session, facts)
        agency = Agency(id=agency_id, version=1, **facts.columns())
        require_open_sometime(queries.days_of(agency, ()), field="weekly_closed")
        session.add(agency)
        audit.record(
            AuditEvent.AGENCY_CREATED, agency, actor=actor, channel=channel_of(actor), facts=asdict(facts)
        )
    return agency_id


def locked(session: Session, actor: Actor | None, agency_id: UUID) -> Agency:
    """The agency, held until the transaction ends, for a service that changes what is known of it.

    Raises:
        NoResultFound: no such agency.
        NotAllowed: it is looked after by others.
    """
    agency = session.scalars(select(Agency).where(Agency.id == agency_id).with_for_update()).one()
    permit(actor, Permission.AGENCY_EDIT, agency)
    return agency


def update(actor: Actor, agency_id: UUID, facts: AgencyFacts, *, version: int | None = None) -> None:
    """Change contacts and opening days; names and kind are changed by a system administrator only.

    Raises:
        Invalid: a name is missing or taken, or the agency would never open.
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        agency = locked(session, actor, agency_id)
        now = facts_of(agency)
        if (facts.name, facts.short_name, facts.kind) != (now.name, now.short_name, now.kind):
            require(actor, Permission.AGENCY_CREATE)
        check(session, facts, agency_id)
        if changes := agency.apply(**facts.columns()):
            agency.advance(version)
            closures = session.scalars(queries.closures_of(agency_id)).all()
            require_open_sometime(
                queries.days_of(agency, closures), [c.starts_on for c in closures], field="weekly_closed"
            )
            audit.record(AuditEvent.AGENCY_UPDATED, agency, actor=actor, changes=changes)


def set_active(actor: Actor, agency_id: UUID, is_active: bool) -> None:
    """Take an agency out of the choices for new referrals and consents, or put it back."""
    with db.transaction() as session:
        agency = locked(session, actor, agency_id)
        require(actor, Permission.AGENCY_CREATE)
        if changes := agency.apply(is_active=is_active):
            agency.advance(None)
            audit.record(AuditEvent.AGENCY_UPDATED, agency, actor=actor, changes=changes)


def add_closure(
    actor: Actor | None,
    agency_id: UUID,
    starts_on: date,
    ends_on: date,
    *,
    reason: str = "",
    idempotency_key: str | None = None,
) -> UUID:
    """Close an agency from one day to another, both included; returns the closure's id.

    Raises:
        Invalid: it ends before it begins, or the agency would be closed for a year.
    """
    closure_id = new_id()
    with db.transaction() as session:
        agency = locked(session, actor, agency_id)
        if actor and (earlier := claim(actor, idempotency_key, closure_id)):
            return earlier
        if ends_on < starts_on:
            raise Invalid(N_("終わりの日は、始まりの日以後の日付にしてください。"), field="ends_on")
        closures = session.scalars(queries.closures_of(agency_id)).all()
        closure = Closure(
            id=closure_id, agency_id=agency_id, starts_on=starts_on, ends_on=ends_on, reason=reason
        )
        require_open_sometime(
            queries.days_of(agency, [*closures, closure]),
            [c.starts_on for c in (*closures, closure)],
            field="ends_on",
        )
        session.add(closure)
        audit.record(
            AuditEvent.CLOSURE_CHANGED,
            closure,
            actor=actor,
            channel=channel_of(actor),
            starts_on=starts_on,
            ends_on=ends_on,
            reason=reason,
        )
    return closure_id


def remove_closure(actor: Actor, closure_id: UUID) -> None:
    """Take back a closure that has not ended.

    Raises:
        NoResultFound: no such closure.
    """
    with db.transaction() as session:
        closure = session.scalars(select(Closure).where(Closure.id == closure_id)).one()
        locked(session, actor, closure.agency_id)
        if closure.ends_on < clock.today():
            raise Conflict(N_("終わった休業は取り消せません。"))
        audit.record(
            AuditEvent.CLOSURE_CHANGED,
            closure,
            actor=actor,
            removed=True,
            starts_on=closure.starts_on,
            ends_on=closure.ends_on,
        )
        session.delete(closure)


# What an agency offers (支援メニュー): adding, describing, saying whether there is room, and retiring it.


def check_offer(name: str, as_of: date) -> None:
    if not name:
        raise Invalid(N_("支援メニューの名称を入力してください。"), field="name")
    if as_of > clock.today():
        raise Invalid(N_("空き状況の日付に先の日付は入力できません。"), field="room_as_of")


def add_service(
    actor: Actor | None,
    agency_id: UUID,
    *,
    name: str,
    for_whom: str = "",
    room: Room = Room.OPEN,
    as_of: date | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add something that the agency offers; returns its id.

    Raises:
        Invalid: it has no name.
        NotAllowed: the actor does not look after this agency.
    """
    service_id = new_id()
    as_of = as_of or clock.today()
    with db.transaction() as session:
        locked(session, actor, agency_id)
        if actor and (earlier := claim(actor, idempotency_key, service_id)):
            return earlier
        check_offer(name, as_of)
        service = Service(
            id=service_id, agency_id=agency_id, name=name, for_whom=for_whom, room=room, room_as_of=as_of
        )
        session.add(service)
        audit.record(
            AuditEvent.SERVICE_UPDATED,
            service,
            actor=actor,
            channel=channel_of(actor),
            added=True,
            name=name,
            for_whom=for_whom,
            room=room,
        )
    return service_id


def own_service(session: Session, actor: Actor | None, service_id: UUID, permission: Permission) -> Service:
    """The service, locked.

    Raises:
        NoResultFound: no such service.
        NotAllowed: another agency offers it.
    """
    service = session.scalars(select(Service).where(Service.id == service_id).with_for_update()).one()
    permit(actor, permission, service)
    return service


def edit_service(
    actor: Actor, service_id: UUID, *, name: str, for_whom: str, version: int | None = None
) -> None:
    """Change the name of a service and for whom it is.

    Raises:
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.AGENCY_EDIT)
        check_offer(name, service.room_as_of)
        if changes := service.apply(name=name, for_whom=for_whom):
            service.advance(version)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)


def set_room(actor: Actor, service_id: UUID, room: Room, *, as_of: date | None = None) -> None:
    """Set whether there is room, as of today; setting the same again renews the date.

    Asks for no version: the latest word about room is the right one, whoever said it.
    """
    as_of = as_of or clock.today()
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.SERVICE_ROOM)
        check_offer(service.name, as_of)
        if changes := service.apply(room=room, room_as_of=as_of):
            service.advance(None)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)


def set_offered(actor: Actor, service_id: UUID, is_active: bool) -> None:
    """Retire a service, so that nobody is referred to it any more, or offer it again."""
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.AGENCY_EDIT)
        if changes := service.apply(is_active=is_active):
            service.advance(None)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)


# Numbers that an agency gives out: per agency, so that they do not show how much another agency works.

# Letters in the numbers of people and cases, so that on the telephone nobody takes them for a referral's.
MARKS = {"person": "相", "case": "ケ", "referral": ""}


def numbered(year: int, short_name: str, series: str, serial: int) -> str:
    """`R8-アサ-0012` for a referral of 令和8年度, `R8-アサ-相0012` for a person, `R8-アサ-ケ0012` for a case."""
    return f"{clock.fiscal_prefix(year)}-{short_name}-{MARKS[series]}{serial:04d}"


def next_number(session: Session, agency_id: UUID, series: str) -> str:
    """The next number of a series ("person", "case", "referral") this fiscal year.

    The counter's row is locked until the transaction ends, so numbers have neither gaps nor twins.
    """
    year = clock.fiscal_year(clock.today())
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"agency_id": agency_id, "series": series, "fiscal_year": year, "last": 1}
    last = session.execute(
        insert(Counter)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["agency_id", "series", "fiscal_year"], set_={"last": Counter.last + 1}
        )
        .returning(Counter.last)
    ).scalar_one()
    short = session.scalars(select(Agency.short_name).where(Agency.id == agency_id)).one()
    return numbered(year, short, series, last)
