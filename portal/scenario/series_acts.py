"""Acts on series and dates of meetings."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from uuid import UUID

from sqlalchemy import select

from portal import clock
from portal.agencies.models import Agency
from portal.meetings.schedule import services as schedule_services
from portal.meetings.schedule import slots
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.rules import DAYS
from portal.meetings.schedule.services import MeetingFacts, SeriesFacts
from portal.meetings.states import ClosedDay, MeetingKind
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    Reading,
    Sort,
    agency,
    day,
    known,
    may,
    moment,
    need,
    new,
    number,
    one_of,
    several,
    text,
    word,
    wrong,
)
from portal.scenario.source import Value

AN_HOUR = 60
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
LAST_WEEK = 5  # not every month has a fifth one: it is called the last


def time_of_day(value: Value, _reading: Reading) -> time:
    found = CLOCK.fullmatch(word(value))
    if found is None:
        raise wrong(
            value.line, f"時刻が読めません：{word(value)}", "no such time of day (write 10:00, in quotes)"
        )
    return time(int(found[1]), int(found[2]))


def open_weekday(play: Play, actor: Actor, first: date) -> date:
    """This day, or the one before it on whose weekday the convener is open."""
    convener = play.session.scalars(select(Agency).where(Agency.id == actor.agency_id)).one()
    closed = convener.closed_weekdays
    days = (first - timedelta(days=back) for back in range(len(DAYS)))
    return next((each for each in days if each.weekday() not in closed), first)


def whole_rule(rule: str, first: date) -> str:
    """A rule that names no day takes the weekday of the first one: every such, or the nth of the month."""
    if "BYDAY" in rule:
        return rule
    name = DAYS[first.weekday()]
    if "MONTHLY" in rule:
        nth = (first.day - 1) // len(DAYS) + 1
        name = f"-1{name}" if nth == LAST_WEEK else f"{nth}{name}"
    return f"{rule};BYDAY={name}"


def define_series(play: Play, actor: Actor, given: Given) -> None:
    first = given.get("from", clock.today())
    if "BYDAY" not in given["rule"]:
        first = open_weekday(play, actor, first)
    series_id = schedule_services.define(
        actor,
        SeriesFacts(
            kind=given["kind"],
            name=given["name"],
            rule=whole_rule(given["rule"], first),
            starts_on=first,
            begins=given["time"],
            minutes=given.get("minutes", AN_HOUR),
            members=frozenset(map(play.agency, given["members"])),
            closed_day=given.get("closed_day", ClosedDay.SKIP),
            place=given.get("place", ""),
            link=given.get("link", ""),
            presenter_agency_id=presenter(play, actor, given),
        ),
    )
    play.name(Sort.SERIES, given, series_id)


def presenter(play: Play, actor: Actor, given: Given) -> UUID:
    if "presenter" in given:
        return play.agency(given["presenter"])
    assert actor.agency_id is not None  # who has none convenes nothing  # noqa: S101
    return actor.agency_id


def end_series(play: Play, actor: Actor, given: Given) -> None:
    schedule_services.end(actor, play.ids[Sort.SERIES, given["series"]], given["last"])


def schedule_meeting(play: Play, actor: Actor, given: Given) -> UUID:
    meeting_id = dated(play, actor, given) if "series" in given else single(play, actor, given)
    play.name(Sort.MEETING, given, meeting_id)
    return meeting_id


def dated(play: Play, actor: Actor, given: Given) -> UUID:
    """The first meeting of the series on this day or after it."""
    series_id = play.ids[Sort.SERIES, given["series"]]
    slots.top_up(actor, series_id)
    coming = (
        select(Meeting.id)
        .where(Meeting.series_id == series_id, Meeting.slot >= given["date"])
        .order_by(Meeting.slot)
    )
    found = play.session.scalars(coming.limit(1)).first()
    return found or slots.meeting_on(play.session, actor, series_id, given["date"])


def single(play: Play, actor: Actor, given: Given) -> UUID:
    return schedule_services.schedule(
        actor,
        MeetingFacts(
            kind=given["kind"],
            name=given["name"],
            starts_at=given["start"],
            minutes=given.get("minutes", AN_HOUR),
            members=frozenset(map(play.agency, given["members"])),
            place=given.get("place", ""),
            link=given.get("link", ""),
            presenter_agency_id=presenter(play, actor, given),
        ),
    )


TABLE = {
    "kind": need(one_of(MeetingKind)),
    "name": need(text),
    "members": need(several(agency)),
    "place": may(text),
    "link": may(text),
    "minutes": may(number),
    "presenter": may(agency),
}
SERIES = TABLE | {
    "key": may(new(Sort.SERIES)),
    "rule": need(text),
    "time": need(time_of_day),
    "from": may(day),
    "closed_day": may(one_of(ClosedDay)),
}
DATED = {
    "series": need(known(Sort.SERIES)),
    "date": need(day),
    "key": may(new(Sort.MEETING)),
}
ACTS = {
    "define_series": Act(define_series, SERIES),
    "end_series": Act(end_series, {"series": need(known(Sort.SERIES)), "last": need(day)}),
    "schedule_meeting": Act(
        schedule_meeting,
        TABLE | {"key": may(new(Sort.MEETING)), "start": need(moment)},
        instead=DATED,
    ),
}
