"""Acts on meetings up to the day itself: agenda, roster, announcing, packets."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from portal.errors import Invalid
from portal.meetings.agenda import drafting
from portal.meetings.agenda import services as agenda_services
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.services import ItemFacts
from portal.meetings.packets import services as packet_services
from portal.meetings.roster import services as roster_services
from portal.meetings.schedule import services
from portal.meetings.states import ItemKind, MeetingAction
from portal.people.categories import Category
from portal.policy import Actor
from portal.referrals.models import Referral
from portal.scenario.play import Act, Given, Play
from portal.scenario.series_acts import presenter
from portal.scenario.shapes import (
    Sort,
    agency,
    colleague,
    flag,
    known,
    may,
    need,
    new,
    number,
    one_of,
    several,
    text,
)
from portal.words import N_

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
    """The item that a line names by its own key, or by what of the work it is about."""
    if "item" in given:
        return play.ids[Sort.ITEM, given["item"]]
    about = {
        AgendaItem.referral_id: (Sort.REFERRAL, "referral"),
        AgendaItem.issue_id: (Sort.ISSUE, "issue"),
        AgendaItem.outcome_id: (Sort.OUTCOME, "promise"),
    }
    wanted = [
        column == play.ids[sort, given[name]] for column, (sort, name) in about.items() if name in given
    ]
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
    services.perform(actor, MeetingAction.ANNOUNCE, play.ids[Sort.MEETING, given["meeting"]])


def open_packet(play: Play, actor: Actor, given: Given) -> None:
    packet_services.open_packet(actor, play.ids[Sort.MEETING, given["meeting"]])


def cancel_meeting(play: Play, actor: Actor, given: Given) -> None:
    meeting_id = play.ids[Sort.MEETING, given["meeting"]]
    services.perform(actor, MeetingAction.CANCEL, meeting_id, text=given["reason"])


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
