"""Calendar files (iCalendar, RFC 5545): when and where a meeting is. No person, and no word of its agenda."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from icalendar import Calendar, Event, Timezone, TimezoneStandard, vDatetime, vText

from portal import clock
from portal.meetings.states import MeetingStatus

ZONE = "Asia/Tokyo"
MAKER = "-//Tsunagu//Meetings//JA"


def zone() -> Timezone:
    """Japan has kept +09:00 without summer time since 1952."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1970, 1, 1))  # noqa: DTZ001 - a local time by definition
    standard.add("tzoffsetfrom", timedelta(hours=9))
    standard.add("tzoffsetto", timedelta(hours=9))
    standard.add("tzname", "JST")
    found = Timezone()
    found.add("tzid", ZONE)
    found.add_component(standard)
    return found


def local(instant: datetime) -> vDatetime:
    """The instant as a time of day in Japan, by the name of its zone."""
    value = vDatetime(clock.in_japan(instant).replace(tzinfo=None))
    value.params["TZID"] = ZONE
    return value


def status_of(row: Any) -> str:
    if row.status is MeetingStatus.CANCELLED:
        return "CANCELLED"
    return "TENTATIVE" if row.status is MeetingStatus.DRAFT else "CONFIRMED"


def event_of(row: Any, made_at: datetime, address: Callable[[UUID], str] | None) -> Event:
    """One meeting; `address` is given where the reader has signed in: the page, and the link to join by."""
    event = Event()
    event.add("uid", f"{row.id}@tsunagu")
    event.add("sequence", row.calendar_sequence)
    event.add("dtstamp", made_at)
    event["dtstart"] = local(row.starts_at)
    event["dtend"] = local(row.starts_at + timedelta(minutes=row.minutes))
    event.add("summary", row.name)
    event.add("status", status_of(row))
    if row.place:
        event.add("location", row.place)
    if address:
        event.add("url", address(row.id))
        if row.link:
            event["description"] = vText(row.link)
    return event


def file_of(rows: Iterable[Any], name: str, *, address: Callable[[UUID], str] | None = None) -> bytes:
    """A calendar of these meetings. The same meeting keeps its UID, and SEQUENCE counts its changes."""
    calendar = Calendar()
    calendar.add("prodid", MAKER)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", ZONE)
    calendar.add_component(zone())
    made_at = clock.now().replace(microsecond=0)
    for row in rows:
        calendar.add_component(event_of(row, made_at, address))
    return bytes(calendar.to_ical())
