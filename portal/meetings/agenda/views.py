"""The page of a meeting with its agenda, and the pages of one item."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import PortalError
from portal.core.policy import Actor, Permission, require
from portal.disclosures import people
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.disclosures.services import open_heading
from portal.meetings.agenda import drafting, queries, services
from portal.meetings.agenda.drafting import usual_minutes
from portal.meetings.agenda.forms import ArrangeForm, ItemForm, ShareForm, WhyForm, kinds_to_choose
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.packets import services as packet_services
from portal.meetings.states import FLOW, ItemKind, MeetingAction, MeetingKind, MeetingStatus, Source
from portal.people.categories import Category
from portal.referrals import reading as referral_reading
from portal.referrals.forms import SearchForm, choices_of
from portal.web.addresses import asked
from portal.web.formats import era_short


def reasons_of(item: ItemView) -> list[str]:
    """Why the item is on the agenda, as far as the reader may see it; nothing for items typed by hand."""
    if item.source is None or item.source is Source.HAND:
        return []
    first = (item.source, item.reason_on, item.reason_count)
    return [
        str(gettext(source.word, day=era_short(day), count=count))
        for source, day, count in (first, *item.further)
    ]


def reason_of(item: ItemView) -> str:
    """All its reasons in one line."""
    return str(gettext("、")).join(reasons_of(item))


def name_of(item: ItemView) -> str:
    """The item in one line: its title, else whom or what it is about, else its kind."""
    if item.is_hidden or item.kind is None:
        return str(gettext("非公開の議題"))
    kind = str(gettext(item.kind.word))
    about = item.title or item.promised or item.issue_text or former_of(item)
    if item.source is Source.ACTIVITIES:
        about = about or item.brought_by_name
    if item.label:
        about = f"{item.label}　{about}".strip()
    return f"{kind}：{about}" if about else kind


def former_of(item: ItemView) -> str:
    """The meeting whose minutes the item is about: two that wait for approval are told apart."""
    if item.former is None:
        return era_short(item.reason_on) if item.source is Source.MINUTES else ""
    day = era_short(item.former.starts_at)
    return str(gettext("%(meeting)s（%(day)s）", meeting=gettext(item.former.kind.word), day=day))


# The page of one meeting: its facts for everyone at the table, its agenda for who arranges it.


def agenda_of(actor: Actor, meeting_id: UUID, *, redraft: bool = False) -> tuple[MeetingView, list[ItemView]]:
    """The meeting, and of its agenda what this reader works on; the reading is logged.

    Whoever arranges it sees all of it, closed items without their person; before they open their packet, the
    others see what their own agency brings. `redraft`: for whoever arranges it, first in step with the work.
    """
    meeting = queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    require(actor, Permission.MEETING_ATTEND)
    arranges = meeting.is_arranged_by(actor)
    if redraft and arranges and meeting.is_coming:
        drafting.refresh(actor, meeting_id)
        meeting = queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    items: list[ItemView] = []
    if not meeting.needs_confidentiality:
        items = queries.load_items(
            db.read(), actor, meeting_id, clock.now(), with_hidden=arranges, with_fallen=True
        )
    if not arranges:
        items = [item for item in items if item.is_own]
    packet_services.note_reading(actor, AuditEvent.MEETING_READ, meeting, items)
    return meeting, items


@bp.get("/<uuid:meeting_id>")
def show(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting, items = agenda_of(actor, meeting_id, redraft=True)
    arranges = meeting.is_arranged_by(actor)
    return render_template(
        "meetings/show.html",
        meeting=meeting,
        arranges=arranges,
        standing=[item for item in items if item.stands],
        fallen=[item for item in items if not item.stands and not item.waits],
        waiting=[item for item in items if item.waits],
        unshared=[item for item in items if may_share(item)],
        time=queries.time_of(meeting, items) if arranges else None,
        afterwards=queries.share_afterwards(db.unrestricted(), meeting) if arranges else None,
        actions=FLOW.actions_from(meeting.status) if arranges else [],
        name_of=name_of,
        reason_of=reason_of,
        A=MeetingAction,
        S=MeetingStatus,
        kinds=MeetingKind,
    )


def may_share(item: ItemView) -> bool:
    return item.is_own and item.person_id is not None and not item.shared and item.stands


@bp.post("/<uuid:meeting_id>/items/share")
def items_share(meeting_id: UUID) -> ResponseReturnValue:
    """Share all one's own agency's items at once, each with the basic information."""
    actor = signed_in()
    _meeting, items = agenda_of(actor, meeting_id)
    kept: list[str] = []
    for item in (item for item in items if may_share(item)):
        try:
            services.share_item(actor, item.id, [Category.BASIC])
        except PortalError as problem:
            problem.about = problem.about or ("agenda_item", item.id)
            note_refusal(problem)
            kept.append(f"{name_of(item)}（{problem.text()}）")
    if kept:
        flash(gettext("次の議題は共有できませんでした：%(items)s", items=gettext("、").join(kept)), "warning")
    else:
        flash(gettext("自機関の議題を、参加機関に共有しました。"), "success")
    return redirect(url_for(".show", meeting_id=meeting_id, _anchor="agenda"))


def known(actor: Actor, person_id: UUID | None) -> set[Category]:
    """The categories of the person that this agency may disclose."""
    return disclosures.known_categories(db.read(), actor, person_id) if person_id else set()


# The pages of one agenda item: adding, changing, putting off, taking off, sharing.

FIRST_KIND = {
    MeetingKind.COORDINATION: ItemKind.PLAN_CHECK,
    MeetingKind.CASE_STUDY: ItemKind.CASE,
    MeetingKind.STATUTORY: ItemKind.CASE,
}


def back(meeting: MeetingView, item_id: UUID | None = None) -> ResponseReturnValue:
    """To the agenda, or, once the meeting is in session, to the page from which it is run."""
    if meeting.status is MeetingStatus.IN_SESSION:
        anchor = f"item-{item_id}" if item_id else None
        return redirect(url_for(".session", meeting_id=meeting.id, _anchor=anchor))
    return redirect(url_for(".show", meeting_id=meeting.id, _anchor="agenda"))


def find(actor: Actor, meeting_id: UUID, item_id: UUID) -> tuple[MeetingView, ItemView]:
    meeting, items = agenda_of(actor, meeting_id)
    item = next((item for item in items if item.id == item_id), None)
    if item is None:
        abort(404)
    return meeting, item


@bp.route("/<uuid:meeting_id>/items/new", methods=["GET", "POST"])
def item_new(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    meeting = queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    referral_id, person_id = asked("referral"), asked("person")
    referral = referral_reading.show(actor, referral_id)[0] if referral_id else None
    if referral:
        person_id = referral.person_id
    heading = open_heading(actor, person_id) if person_id else None
    may_tell = known(actor, person_id) if meeting.basis is not Basis.ANONYMOUS else set()
    if referral and referral.is_anonymous:
        may_tell = set()
    about_person = bool(referral or person_id)
    form = ItemForm(data=first_values(actor, meeting, referral_id, person_id, may_tell, about_person))
    form.seat(meeting.members)
    form.offer(kinds_to_choose(about_person=about_person), may_tell)
    if form.validate_on_submit():
        with refusals(form):
            facts = form.facts(person_id, referral_id)
            item_id = services.add_item(actor, meeting_id, facts, idempotency_key=form.idempotency_key.data)
            flash(f"item-new-{meeting_id}", "draft-clear")
            flash(gettext("議題を加えました。"), "success")
            return back(meeting, item_id)
    page = render_template(
        "meetings/item_new.html",
        meeting=meeting,
        form=form,
        heading=heading,
        referral=referral,
        may_tell=may_tell,
        covered=covered_names(actor, meeting, person_id) if may_tell else [],
        needs_consent=meeting.basis is Basis.CONSENT,
    )
    return page, form.status


def first_values(
    actor: Actor,
    meeting: MeetingView,
    referral_id: UUID | None,
    person_id: UUID | None,
    may_tell: set[Category],
    about_person: bool,
) -> dict[str, Any]:
    kind = FIRST_KIND.get(meeting.kind, ItemKind.HANDOFF) if about_person else ItemKind.INFORMATION
    return {
        "kind": kind.value,
        "minutes": str(usual_minutes(kind)),
        "presenter": str(actor.agency_id),
        "referral": str(referral_id or ""),
        "person": str(person_id or ""),
        "shared": Category.BASIC in may_tell,
        "categories": [Category.BASIC.value] if Category.BASIC in may_tell else [],
    }


def covered_names(actor: Actor, meeting: MeetingView, person_id: UUID | None) -> list[tuple[str, bool]]:
    """The agencies at the table, each with whether a consent that this reader may see covers it."""
    if person_id is None:
        return []
    others = {key: name for key, name in meeting.members.items() if key != actor.agency_id}
    named = queries.covered_as_seen(db.read(), actor, others, person_id, clock.now())
    return [(name, key in named) for key, name in others.items()]


@bp.route("/<uuid:meeting_id>/items/person", methods=["GET", "POST"])
def item_person(meeting_id: UUID) -> ResponseReturnValue:
    """Choose whom the new item is about."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    meeting = queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    form = SearchForm()
    q = form.q.data or "" if form.validate_on_submit() else ""
    size = 25 if q else 10
    found = people.page(db.read(), actor, clock.now(), q=q, size=size + 1)
    audit.record_reading(
        AuditEvent.PEOPLE_LISTED, ("person", None), actor=actor, categories=[Category.BASIC], count=len(found)
    )
    return render_template(
        "meetings/item_person.html",
        meeting=meeting,
        form=form,
        q=q,
        people=found[:size],
        more=len(found) > size,
    )


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>", methods=["GET", "POST"])
def item(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """The item, changed here by the agency that brought it, or arranged by who arranges the agenda."""
    actor = signed_in()
    meeting, view = find(actor, meeting_id, item_id)
    form = form_of(actor, meeting, view)
    if form.validate_on_submit():
        with refusals(form):
            version = form.version.number
            if isinstance(form, ItemForm):
                services.edit_item(actor, item_id, form.facts(None, None), version=version)
            else:
                services.arrange_item(
                    actor,
                    item_id,
                    minutes=form.minutes.number,
                    presenter_agency_id=form.presenter_id,
                    version=version,
                )
            flash(f"item-{item_id}", "draft-clear")
            flash(gettext("議題を保存しました。"), "success")
            return back(meeting)
        meeting, view = find(actor, meeting_id, item_id)
        form.version.data = str(view.version)
    page = render_template(
        "meetings/item.html",
        meeting=meeting,
        item=view,
        form=form,
        is_whole=isinstance(form, ItemForm),
        name=name_of(view),
        reason=reason_of(view),
    )
    return page, form.status


def form_of(actor: Actor, meeting: MeetingView, view: ItemView) -> ArrangeForm:
    data: dict[str, Any] = {
        "minutes": str(view.minutes),
        "presenter": str(view.presenter_agency_id),
        "version": view.version,
    }
    if not view.is_own or view.kind is None:
        form = ArrangeForm(data=data)
        form.seat(meeting.members)
        return form
    data |= {"kind": view.kind.value, "title": view.title, "text": view.text, "shared": view.shared}
    data["categories"] = [category.value for category in view.categories]
    whole = ItemForm(data=data)
    whole.seat(meeting.members)
    kinds = kinds_to_choose(about_person=view.has_person) if view.source is Source.HAND else [view.kind]
    told = known(actor, view.person_id) if meeting.basis is not Basis.ANONYMOUS else set()
    whole.offer(kinds, told)
    return whole


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/move/<any(up, down):way>")
def item_move(meeting_id: UUID, item_id: UUID, way: str) -> ResponseReturnValue:
    services.move_item(signed_in(), item_id, up=way == "up")
    return redirect(url_for(".show", meeting_id=meeting_id, _anchor=f"item-{item_id}"))


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/<any(remove, postpone):way>", methods=["GET", "POST"])
def item_fall(meeting_id: UUID, item_id: UUID, way: str) -> ResponseReturnValue:
    """Take an item off the agenda, or put it off to the next meeting, with the reason."""
    actor = signed_in()
    meeting, view = find(actor, meeting_id, item_id)
    form = WhyForm()
    if form.validate_on_submit():
        with refusals(form):
            if way == "remove":
                services.remove_item(actor, item_id, form.why.data or "")
                flash(gettext("議題から外しました。"), "success")
            else:
                services.postpone_item(actor, item_id, form.why.data or "")
                flash(gettext("次回に持ち越しました。"), "success")
            return back(meeting)
    page = render_template(
        "meetings/item_fall.html",
        meeting=meeting,
        item=view,
        form=form,
        is_removal=way == "remove",
        name=name_of(view),
    )
    return page, form.status


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/restore")
def item_restore(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    waited = services.restore_item(actor, item_id)
    flash(gettext("議題に加えました。") if waited else gettext("議題に戻しました。"), "success")
    return back(queries.load_meeting(db.read(), actor, meeting_id, clock.now()), item_id)


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/share", methods=["GET", "POST"])
def item_share(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting, view = find(actor, meeting_id, item_id)
    form = ShareForm(data={"categories": [c.value for c in view.categories] or [Category.BASIC.value]})
    may_tell = known(actor, view.person_id)
    form.categories.choices = choices_of(c for c in Category if c in may_tell)
    if form.validate_on_submit():
        with refusals(form):
            chosen = [Category(c) for c in form.categories.data or ()]
            services.share_item(actor, item_id, chosen)
            flash(gettext("参加機関に共有しました。"), "success")
            return back(meeting)
    page = render_template(
        "meetings/item_share.html",
        meeting=meeting,
        item=view,
        form=form,
        name=name_of(view),
        covered=covered_names(actor, meeting, view.person_id),
        needs_consent=meeting.basis is Basis.CONSENT,
    )
    return page, form.status


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/unshare")
def item_unshare(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    services.unshare_item(signed_in(), item_id)
    flash(gettext("共有を取りやめました。"), "success")
    return redirect(url_for(".show", meeting_id=meeting_id, _anchor="agenda"))
