"""Acts on the day of a meeting and after it: attendance, minutes, promises, local issues."""

from __future__ import annotations

from sqlalchemy import select

from portal.meetings.agenda.models import AgendaItem
from portal.meetings.issues import services as issue_services
from portal.meetings.issues.models import LocalIssue
from portal.meetings.minutes import services as minutes_services
from portal.meetings.outcomes import services as outcome_services
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.services import OutcomeFacts
from portal.meetings.roster import services as roster_services
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import services
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import IssueStatus, MeetingAction, MeetingStatus, OutcomeKind
from portal.policy import Actor
from portal.referrals.states import ReferralAction
from portal.scenario import meeting_acts, series_acts
from portal.scenario.meeting_acts import ABOUT, meeting
from portal.scenario.play import Act, Given, Play
from portal.scenario.series_acts import DATED
from portal.scenario.shapes import (
    Sort,
    agency,
    colleague,
    day,
    known,
    may,
    need,
    new,
    one_of,
    several,
    table,
    text,
)


def step(play: Play, actor: Actor, action: MeetingAction, given: Given) -> None:
    services.perform(actor, action, play.ids[Sort.MEETING, given["meeting"]])


def begin(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.BEGIN, given)


def close_meeting(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.CLOSE, given)


def approve_minutes(play: Play, actor: Actor, given: Given) -> None:
    step(play, actor, MeetingAction.APPROVE, given)


def attend(play: Play, actor: Actor, given: Given) -> None:
    """Whoever came is named on the roster, if he was not yet, and ticked."""
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
    item_id = meeting_acts.item_of(play, given, play.ids[Sort.MEETING, given["meeting"]])
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


def hold_meeting(play: Play, actor: Actor, given: Given) -> None:
    """A whole meeting on one line: what is not done yet is done, each step by the service of its page."""
    here = {"meeting": HERE}
    play.ids[Sort.MEETING, HERE] = meeting_id = (
        series_acts.dated(play, actor, given)
        if "series" in given
        else play.ids[Sort.MEETING, given["meeting"]]
    )
    play.name(Sort.MEETING, given, meeting_id)
    status = select(Meeting.status).where(Meeting.id == meeting_id)
    if play.session.scalars(status).one() is MeetingStatus.DRAFT:
        meeting_acts.announce(play, actor, here)
    for email in given.get("packets", ()):
        meeting_acts.open_packet(play, play.actors[email], here)
    begin(play, actor, here)
    attend(play, actor, here | {"staff": given["attend"], "guests": given.get("guests", ())})
    for former in given.get("approves", ()):
        approve_minutes(play, actor, {"meeting": former})
    for line in given.get("record", ()):
        writer = play.actors[line["by"]] if "by" in line else actor
        record_minutes(play, writer, here | line)
    close_meeting(play, actor, here)


# The meeting that a compound line is about; no key of a file has such a letter.
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
ACTS = {
    "begin": Act(begin, meeting),
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
