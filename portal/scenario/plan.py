"""A scenario file as understood, before anything is done: agencies, staff, and events with their arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.accounts.passwords import LONGEST, SHORTEST
from portal.agencies.calendar import FRIDAY, MONDAY, SATURDAY, SUNDAY, THURSDAY, TUESDAY, WEDNESDAY
from portal.agencies.models import AgencyKind, Room
from portal.core import clock
from portal.core.policy import Role
from portal.scenario import (
    activity_acts,
    emergency_acts,
    evaluation_acts,
    meeting_acts,
    people_acts,
    referral_acts,
)
from portal.scenario.play import Act
from portal.scenario.shapes import (
    Fields,
    Reading,
    Sort,
    agency,
    colleague,
    day,
    filled,
    flag,
    may,
    moment,
    need,
    new,
    one_of,
    several,
    table,
    text,
    word,
    wrong,
)
from portal.scenario.source import Row, Table, Value, WrongFile

ACTS: Mapping[str, Act] = (
    people_acts.ACTS
    | people_acts.CASE_ACTS
    | referral_acts.ACTS
    | people_acts.AGENCY_ACTS
    | meeting_acts.SERIES_ACTS
    | meeting_acts.ACTS
    | meeting_acts.MINUTES_ACTS
    | emergency_acts.ACTS
    | activity_acts.ACTS
    | activity_acts.PARTNER_ACTS
    | evaluation_acts.ACTS
)
WEEK = {
    "mon": MONDAY,
    "tue": TUESDAY,
    "wed": WEDNESDAY,
    "thu": THURSDAY,
    "fri": FRIDAY,
    "sat": SATURDAY,
    "sun": SUNDAY,
}
CLOSED = {"closed": True, "open": False}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
WITHOUT_AGENCY = {Role.AUDITOR, Role.SYSTEM_ADMIN}
CASEWORKERS = {Role.STAFF, Role.COORDINATOR}


def password(value: Value, _reading: Reading) -> str:
    if not SHORTEST <= len(word(value)) <= LONGEST:
        raise wrong(value.line, f"パスワードは{SHORTEST}文字以上です", f"at least {SHORTEST} characters")
    return word(value)


def email(value: Value, reading: Reading) -> str:
    typed = str(text(value, reading)).lower()
    if not EMAIL.fullmatch(typed):
        raise wrong(value.line, f"メールアドレスではありません：{typed}", "no e-mail address")
    if typed in reading.staff:
        raise wrong(value.line, f"職員「{typed}」が二度あります", f'"{typed}" stands twice')
    reading.staff.add(typed)
    return typed


CLOSURE: Fields = {"from": need(day), "to": need(day), "reason": need(text)}
SERVICE: Fields = {
    "key": need(new(Sort.PLACE)),
    "name": need(text),
    "for": may(text),
    "room": may(one_of(Room)),
    "as_of": may(day),
}
AGENCY: Fields = {
    "key": need(new(Sort.PLACE)),
    "name": need(text),
    "short": may(text),
    "kind": need(one_of(AgencyKind)),
    "about": may(text),
    "contact": may(table({name: may(text) for name in ("telephone", "fax", "email", "address")})),
    "hours": may(text),
    "closed": may(several(one_of(WEEK))),
    "holidays": may(one_of(CLOSED)),
    "yearend": may(one_of(CLOSED)),
    "closures": may(several(table(CLOSURE))),
    "services": may(several(table(SERVICE))),
}
MEMBER: Fields = {
    "email": need(email),
    "name": need(text),
    "role": need(one_of(Role)),
    "agency": may(agency),
    "administers": may(flag),
    "password": may(password),
}
EVENT: Fields = {"at": need(moment), "by": need(colleague), "act": need(one_of(ACTS))}


@dataclass(frozen=True, slots=True)
class Entry:
    """An agency or a member of staff."""

    where: Table
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    where: Table
    at: datetime
    by: str
    act: Act
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    agencies: list[Entry]
    staff: list[Entry]
    events: list[Event]

    @property
    def begins_at(self) -> datetime:
        """When the agencies and the staff are entered: at the first event, or now."""
        return self.events[0].at if self.events else clock.now()


def understand(root: Table) -> Plan:
    """The plan that the file describes.

    Raises:
        WrongFile: with every mistake that can be found without doing anything.
    """
    reading = Reading(today=clock.today())
    for name in root.items:
        if name not in {"agencies", "staff", "events", "recent"}:
            reading.note(root.line_of(name), f"「{name}」という項目はありません", f'no such part "{name}"')
    agencies = [read_agency(row, reading) for row in rows(root, "agencies", reading)]
    staff = [read_member(row, reading) for row in rows(root, "staff", reading)]
    events = [read_event(row, reading) for row in rows(root, "events", reading)]
    reading.relative = True
    events += [read_event(row, reading) for row in rows(root, "recent", reading)]
    in_order = [event for event in events if event]
    check_times(in_order, reading)
    if reading.mistakes:
        raise WrongFile(*reading.mistakes)
    return Plan(agencies, staff, in_order)


def rows(root: Table, name: str, reading: Reading) -> list[Table]:
    part = root.items.get(name, Row((), root.line))
    items = part.items if isinstance(part, Row) else (part,)
    if isinstance(part, Row) and all(isinstance(item, Table) for item in items):
        return [item for item in items if isinstance(item, Table)]
    odd = next((item for item in items if not isinstance(item, Table)), part)
    reading.note(odd.line, f"{name} はリストで、一件ずつ項目を書きます", f"{name} is a list of tables")
    return [item for item in items if isinstance(item, Table) and isinstance(part, Row)]


def read_agency(where: Table, reading: Reading) -> Entry:
    given = filled(where, AGENCY, reading)
    if "key" in given:
        reading.agencies.add(given["key"])
    for closure in given.get("closures", []):
        if {"from", "to"} <= closure.keys() and closure["to"] < closure["from"]:
            reading.note(
                where.line_of("closures"), "休みの終わりが始まりより前です", "a closure ends before it begins"
            )
    return Entry(where, given)


def read_member(where: Table, reading: Reading) -> Entry:
    given = filled(where, MEMBER, reading)
    role = given.get("role")
    if role in WITHOUT_AGENCY and "agency" in given:
        reading.note(
            where.line_of("agency"), "監査とシステム管理者は機関に属しません", "this role has no agency"
        )
    if role and role not in WITHOUT_AGENCY and "agency" not in where.items:
        reading.note(where.line, "「agency」がありません", '"agency" is missing')
    if given.get("administers") and role not in CASEWORKERS:
        reading.note(
            where.line_of("administers"),
            "administers は相談支援員と調整担当だけです",
            "only for staff and coordinators",
        )
    return Entry(where, given)


def read_event(where: Table, reading: Reading) -> Event | None:
    head = filled(
        Table({n: v for n, v in where.items.items() if n in EVENT}, where.line, where.lines), EVENT, reading
    )
    rest = {name: value for name, value in where.items.items() if name not in EVENT}
    act: Act | None = head.get("act")
    if act is None:
        excuse(rest, reading)
        return None
    before = len(reading.mistakes)
    given = filled(Table(rest, where.line, where.lines), act.fields_for(rest), reading)
    if len(reading.mistakes) > before or len(head) < len(EVENT):
        excuse(rest, reading)
        return None
    return Event(where, head["at"], head["by"], act, given)


def excuse(rest: Mapping[str, Value], reading: Reading) -> None:
    """A wrong line is one mistake: what it would have made is not missed on later lines."""
    for name in ("key", "case_key"):
        if name in rest:
            try:
                reading.excused.add(word(rest[name]))
            except WrongFile:
                continue


def check_times(events: list[Event], reading: Reading) -> None:
    latest: Event | None = None
    for event in events:
        line = event.where.line_of("at")
        if latest and event.at < latest.at:
            first = latest.where.line_of("at")
            reading.note(line, f"{first}行目より前の時刻です", f"earlier than line {first}")
        if event.at > clock.now():
            reading.note(line, "まだ来ていない時刻です", "this time has not come yet")
        latest = event
