"""Acts on series and dates of meetings, up to the day itself, on it, and after it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from portal.agencies.models import Agency
from portal.core import clock
from portal.core.errors import Invalid
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.meetings.agenda import drafting
from portal.meetings.agenda import services as agenda_services
from portal.meetings.agenda.models import AgendaItem, ItemReason
from portal.meetings.agenda.services import ItemFacts
from portal.meetings.issues import services as issue_services
from portal.meetings.issues.models import LocalIssue
from portal.meetings.minutes import services as minutes_services
from portal.meetings.outcomes import services as outcome_services
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.services import OutcomeFacts
from portal.meetings.packets import services as packet_services
from portal.meetings.roster import services as roster_services
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import doubts, slots
from portal.meetings.schedule import services as schedule_services
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.queries import members_of
from portal.meetings.schedule.rules import DAYS
from portal.meetings.schedule.services import MeetingFacts, SeriesFacts
from portal.meetings.states import (
    ClosedDay,
    IssueStatus,
    ItemKind,
    MeetingAction,
    MeetingKind,
    MeetingStatus,
    OutcomeKind,
    Source,
)
from portal.people.categories import Category
from portal.referrals.models import Referral
from portal.referrals.states import ReferralAction
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    Reading,
    Sort,
    agency,
    colleague,
    day,
    flag,
    known,
    may,
    moment,
    need,
    new,
    number,
    one_of,
    several,
    table,
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
    """This day, or the one before it, on whose weekday the convener is open."""
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
SERIES_ACTS = {
    "define_series": Act(define_series, SERIES),
    "end_series": Act(end_series, {"series": need(known(Sort.SERIES)), "last": need(day)}),
    "schedule_meeting": Act(
        schedule_meeting,
        TABLE | {"key": may(new(Sort.MEETING)), "start": need(moment)},
        instead=DATED,
    ),
}


# Acts on meetings up to the day itself: agenda, roster, announcing, packets.

AN_ITEM = 5


def add_item(play: Play, actor: Actor, given: Given) -> None:
    referral_id = play.ids[Sort.REFERRAL, given["referral"]] if "referral" in given else None
    person_id = play.ids[Sort.PERSON, given["person"]] if "person" in given else None
    if referral_id:
        person_id = play.session.scalars(select(Referral.person_id).where(Referral.id == referral_id)).one()
    item_id = agenda_services.add_item(
        actor,
        play.ids[Sort.MEETING, given["meeting"]],
        ItemFacts(
            kind=given["kind"],
            title=given.get("title", ""),
            text=given.get("text", ""),
            minutes=given.get("minutes", AN_ITEM),
            presenter_agency_id=presenter(play, actor, given),
            person_id=person_id,
            referral_id=referral_id,
            issue_id=play.ids[Sort.ISSUE, given["issue"]] if "issue" in given else None,
            categories=frozenset(given.get("categories", (Category.BASIC,) if person_id else ())),
            shared=given.get("shared", person_id is not None),
        ),
    )
    play.name(Sort.ITEM, given, item_id)


def item_of(play: Play, given: Given, meeting_id: UUID) -> UUID:
    """The item that a line names by its own key, or by the work it is about."""
    if "item" in given:
        return play.ids[Sort.ITEM, given["item"]]
    about = {
        AgendaItem.referral_id: (Sort.REFERRAL, "referral"),
        AgendaItem.issue_id: (Sort.ISSUE, "issue"),
    }
    wanted = [
        column == play.ids[sort, given[name]] for column, (sort, name) in about.items() if name in given
    ]
    if "promise" in given:
        promise = play.ids[Sort.OUTCOME, given["promise"]]
        also = select(ItemReason.item_id).where(
            ItemReason.source == Source.ACTION, ItemReason.subject_id == promise
        )
        wanted.append(or_(AgendaItem.outcome_id == promise, AgendaItem.id.in_(also)))
    wanted += [getattr(AgendaItem, name) == given[name] for name in ("kind", "title") if name in given]
    standing = (
        select(AgendaItem.id)
        .where(AgendaItem.meeting_id == meeting_id, *wanted)
        .where(AgendaItem.removed_at.is_(None), AgendaItem.postponed_at.is_(None))
        .order_by(AgendaItem.position, AgendaItem.id)
    )
    found = play.session.scalars(standing.limit(1)).first() if wanted else None
    if found is None:
        raise Invalid(N_("この会議に、その議題はありません。"), field="item")
    return found


def on_item(run: Callable[[Actor, UUID, str], None]) -> Callable[[Play, Actor, Given], None]:
    def act(play: Play, actor: Actor, given: Given) -> None:
        run(actor, item_of(play, given, play.ids[Sort.MEETING, given["meeting"]]), given["reason"])

    return act


def share_item(play: Play, actor: Actor, given: Given) -> None:
    item_id = item_of(play, given, play.ids[Sort.MEETING, given["meeting"]])
    agenda_services.share_item(actor, item_id, frozenset(given["categories"]))


def name_members(play: Play, actor: Actor, given: Given) -> None:
    for email in given["staff"]:
        member = play.actors[email].staff_id
        roster_services.name_member(actor, play.ids[Sort.MEETING, given["meeting"]], member)


def acknowledge_secrecy(play: Play, actor: Actor, given: Given) -> None:
    roster_services.acknowledge_secrecy(actor, play.ids[Sort.MEETING, given["meeting"]])


def draft_agenda(play: Play, actor: Actor, given: Given) -> None:
    drafting.refresh(actor, play.ids[Sort.MEETING, given["meeting"]])


def announce(play: Play, actor: Actor, given: Given) -> None:
    """The agenda is drafted once more, as the page does, and then announced."""
    draft_agenda(play, actor, given)
    schedule_services.perform(actor, MeetingAction.ANNOUNCE, play.ids[Sort.MEETING, given["meeting"]])


def open_packet(play: Play, actor: Actor, given: Given) -> None:
    packet_services.open_packet(actor, play.ids[Sort.MEETING, given["meeting"]])


def cancel_meeting(play: Play, actor: Actor, given: Given) -> None:
    meeting_id = play.ids[Sort.MEETING, given["meeting"]]
    schedule_services.perform(actor, MeetingAction.CANCEL, meeting_id, text=given["reason"])


meeting = {"meeting": need(known(Sort.MEETING))}
# What names an item: its key, or what it is about. See `item_of`.
ABOUT = {
    "item": may(known(Sort.ITEM)),
    "referral": may(known(Sort.REFERRAL)),
    "issue": may(known(Sort.ISSUE)),
    "promise": may(known(Sort.OUTCOME)),
    "kind": may(one_of(ItemKind)),
    "title": may(text),
}
ITEM = {
    "key": may(new(Sort.ITEM)),
    "kind": need(one_of(ItemKind)),
    "referral": may(known(Sort.REFERRAL)),
    "person": may(known(Sort.PERSON)),
    "issue": may(known(Sort.ISSUE)),
    "title": may(text),
    "text": may(text),
    "minutes": may(number),
    "presenter": may(agency),
    "categories": may(several(one_of(Category))),
    "shared": may(flag),
}
ACTS = {
    "add_item": Act(add_item, meeting | ITEM),
    "share_item": Act(share_item, meeting | ABOUT | {"categories": need(several(one_of(Category)))}),
    "postpone_item": Act(on_item(agenda_services.postpone_item), meeting | ABOUT | {"reason": need(text)}),
    "remove_item": Act(on_item(agenda_services.remove_item), meeting | ABOUT | {"reason": need(text)}),
    "name_members": Act(name_members, meeting | {"staff": need(several(colleague))}),
    "acknowledge_secrecy": Act(acknowledge_secrecy, meeting),
    "draft_agenda": Act(draft_agenda, meeting),
    "announce": Act(announce, meeting),
    "open_packet": Act(open_packet, meeting),
    "cancel_meeting": Act(cancel_meeting, meeting | {"reason": need(text)}),
}


# Acts on the day of a meeting and after it: attendance, minutes, promises, local issues.


def step(play: Play, actor: Actor, action: MeetingAction, given: Given) -> None:
    """A file tells what happened: what speaks against a step is confirmed, with `anyway` as its reason.

    A council that was held before its day was moved to that day first; without attendance it cannot be closed.
    """
    meeting_id = play.ids[Sort.MEETING, given["meeting"]]
    meeting = play.session.get_one(Meeting, meeting_id, populate_existing=True)
    doubt = doubts.about(play.session, meeting, action)
    if doubt and doubt.asks_why and doubts.is_refused(meeting, doubt):
        move_to_today(play, actor, meeting_id)
    why = given.get("anyway", AS_IT_WAS if doubt and doubt.asks_why else "")
    schedule_services.perform(actor, action, meeting_id, text=why, confirmed=True)


def begin(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.BEGIN, given)


def close_meeting(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.CLOSE, given)


def approve_minutes(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.APPROVE, given)


def attend(play: Play, actor: Actor, given: Given) -> None:
    """Name everybody who came on the roster, unless named already, and tick them."""
    meeting_id = play.ids[Sort.MEETING, given["meeting"]]
    named = dict(
        play.session.execute(
            select(Attendance.staff_id, Attendance.id).where(Attendance.meeting_id == meeting_id)
        ).all()
    )
    came = set()
    for email in given["staff"]:
        member = play.actors[email].staff_id
        came.add(named.get(member) or roster_services.name_member(actor, meeting_id, member))
    for guest in given.get("guests", ()):
        came.add(roster_services.name_guest(actor, meeting_id, name=guest["name"], guest_from=guest["from"]))
    roster_services.set_attendance(actor, meeting_id, came)


def record_minutes(play: Play, actor: Actor, given: Given) -> None:
    item_id = item_of(play, given, play.ids[Sort.MEETING, given["meeting"]])
    if "text" in given:
        version = play.session.scalars(select(AgendaItem.version).where(AgendaItem.id == item_id)).one()
        minutes_services.write(actor, item_id, given["text"], version=version)
    for outcome in given.get("outcomes", ()):
        owner = play.actors[outcome["staff"]] if "staff" in outcome else None
        owner_id = owner.agency_id if owner else None
        if "owner" in outcome:
            owner_id = play.agency(outcome["owner"])
        outcome_id = outcome_services.note(
            actor,
            item_id,
            OutcomeFacts(
                kind=outcome["type"],
                text=outcome["text"],
                owner_agency_id=owner_id,
                owner_staff_id=owner.staff_id if owner else None,
                due_on=outcome.get("due"),
                referral_step=outcome.get("referral_step"),
                to_agency_id=play.agency(outcome["to"]) if "to" in outcome else None,
            ),
        )
        play.name(Sort.OUTCOME, outcome, outcome_id)


def move_to_today(play: Play, actor: Actor, meeting_id: UUID) -> None:
    """Change the day of a meeting, as its page does."""
    one = play.session.get_one(Meeting, meeting_id)
    if clock.japan_date(one.starts_at) == clock.today():
        return
    members = play.session.scalars(members_of(meeting_id)).all()
    facts = MeetingFacts(
        kind=one.kind,
        name=one.name,
        starts_at=clock.now(),
        minutes=one.minutes,
        members=frozenset(members),
        place=one.place,
        link=one.link,
        presenter_agency_id=one.presenter_agency_id,
    )
    schedule_services.move(actor, meeting_id, facts, version=None)


def hold_meeting(play: Play, actor: Actor, given: Given) -> None:
    """A whole meeting on one line: what is not done yet is done, each step by the service of its page."""
    here = {"meeting": HERE}
    play.ids[Sort.MEETING, HERE] = meeting_id = (
        dated(play, actor, given) if "series" in given else play.ids[Sort.MEETING, given["meeting"]]
    )
    play.name(Sort.MEETING, given, meeting_id)
    status = select(Meeting.status).where(Meeting.id == meeting_id)
    if play.session.scalars(status).one() is MeetingStatus.DRAFT:
        announce(play, actor, here)
    for email in given.get("packets", ()):
        open_packet(play, play.actors[email], here)
    begin(play, actor, here)
    attend(play, actor, here | {"staff": given["attend"], "guests": given.get("guests", ())})
    for former in given.get("approves", ()):
        approve_minutes(play, actor, {"meeting": former})
    for line in given.get("record", ()):
        writer = play.actors[line["by"]] if "by" in line else actor
        record_minutes(play, writer, here | line)
    close_meeting(play, actor, here)


# Why a meeting of a file began on another day than was planned, if the file does not say.
AS_IT_WAS = "この日に行われた会議の記録です。"
# The meeting that a compound line is about; no key of a file contains this character.
HERE = "*"


def finish_action(play: Play, actor: Actor, given: Given) -> None:
    outcome_id = play.ids[Sort.OUTCOME, given["promise"]]
    version = play.session.scalars(
        select(MeetingOutcome.version).where(MeetingOutcome.id == outcome_id)
    ).one()
    outcome_services.finish(actor, outcome_id, given.get("text", ""), version=version)


def raise_issue(play: Play, actor: Actor, given: Given) -> None:
    if "referral" in given:
        issue_id = issue_services.keep(actor, play.ids[Sort.REFERRAL, given["referral"]], given["text"])
    else:
        issue_id = issue_services.raise_issue(actor, given["text"])
    play.name(Sort.ISSUE, given, issue_id)


def change_issue(play: Play, actor: Actor, given: Given) -> None:
    issue_id = play.ids[Sort.ISSUE, given["issue"]]
    now = play.session.execute(
        select(LocalIssue.text, LocalIssue.version).where(LocalIssue.id == issue_id)
    ).one()
    issue_services.change(
        actor,
        issue_id,
        status=given["status"],
        result=given.get("result", ""),
        text=now.text,
        version=now.version,
    )


OUTCOME = {
    "key": may(new(Sort.OUTCOME)),
    "type": need(one_of(OutcomeKind)),
    "text": need(text),
    "owner": may(agency),
    "staff": may(colleague),
    "due": may(day),
    "referral_step": may(one_of(ReferralAction)),
    "to": may(agency),
}
GUEST = {"name": need(text), "from": need(text)}
RECORD = ABOUT | {"text": may(text), "outcomes": may(several(table(OUTCOME)))}
CAME = {"attend": need(several(colleague)), "guests": may(several(table(GUEST)))}
HELD = CAME | {
    "packets": may(several(colleague)),
    "approves": may(several(known(Sort.MEETING))),
    "record": may(several(table(RECORD | {"by": may(colleague)}))),
}
MINUTES_ACTS = {
    "begin": Act(begin, meeting | {"anyway": may(text)}),
    "attend": Act(
        attend,
        meeting | {"staff": need(several(colleague)), "guests": may(several(table(GUEST)))},
    ),
    "record_minutes": Act(record_minutes, meeting | RECORD),
    "close_meeting": Act(close_meeting, meeting),
    "approve_minutes": Act(approve_minutes, meeting),
    "hold_meeting": Act(hold_meeting, meeting | HELD, instead=DATED | HELD),
    "finish_action": Act(finish_action, {"promise": need(known(Sort.OUTCOME)), "text": may(text)}),
    "raise_issue": Act(
        raise_issue,
        {"key": may(new(Sort.ISSUE)), "text": need(text), "referral": may(known(Sort.REFERRAL))},
    ),
    "change_issue": Act(
        change_issue,
        {"issue": need(known(Sort.ISSUE)), "status": need(one_of(IssueStatus)), "result": may(text)},
    ),
}
