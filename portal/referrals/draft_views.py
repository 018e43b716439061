"""Drafting a referral, and the page on which it is checked and sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Lack
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import people
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.disclosures.people import PersonView
from portal.meetings.schedule.calendar import file_of
from portal.meetings.states import MeetingStatus
from portal.people.categories import Category
from portal.referrals import drafts, preview, reading, services
from portal.referrals.blueprint import bp
from portal.referrals.drafts import Proposal
from portal.referrals.forms import GOALS, ProposalForm, SearchForm, SendForm, uuid_or_none
from portal.referrals.reading import ReferralView
from portal.referrals.states import ENDED, FLOW, ReferralAction, ReferralKind, ReferralStatus
from portal.referrals.views import look, whole
from portal.transfers import hanging
from portal.web.addresses import asked
from portal.web.base_form import BaseForm
from portal.web.formats import era_datetime


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    former = former_of(actor, part_of) if (part_of := asked("part_of")) else None
    person_id = former.person_id if former else asked("person")
    if person_id is None:
        return choose_person(actor)
    person = disclosures.show(actor, person_id)
    form = ProposalForm(data=initial(person, former))
    return proposal_page(actor, form, person, former=former)


def former_of(actor: Actor, referral_id: UUID) -> ReferralView:
    """The former referral of one that is routed anew.

    Raises:
        Conflict: it is not one's own, has not ended, or its person is no longer to be seen here.
    """
    former, _to_note = reading.show(actor, referral_id)
    if not former.is_sender or former.status not in ENDED or not former.is_sent:
        raise Conflict(N_("元のつなぎがまだ終わっていないため、つなぎ直せません。"))
    if former.person_id is None:
        raise Conflict(
            N_("この人の情報が自分の機関では見られないため、つなぎ直せません。"),
            lack=Lack.UNTOLD,
            about=("referral", referral_id),
        )
    return former


def choose_person(actor: Actor) -> ResponseReturnValue:
    """Choose the person; without a search, among those registered last. Names stay out of addresses."""
    form = SearchForm()
    q = form.q.data or "" if form.validate_on_submit() else ""
    size = 25 if q else 10
    found = people.page(db.read(), actor, clock.now(), q=q, size=size + 1)
    audit.record_reading(
        AuditEvent.PEOPLE_LISTED, ("person", None), actor=actor, categories=[Category.BASIC], count=len(found)
    )
    return render_template(
        "referrals/choose_person.html", form=form, q=q, people=found[:size], more=len(found) > size
    )


def initial(person: PersonView, former: ReferralView | None) -> dict[str, Any]:
    """The initial values of the form: what the former referral asked, or what this person allows."""
    first: dict[str, Any] = {"person": str(person.id), "version": "0"}
    if former:
        first |= filled(former) | {"part_of": str(former.id), "to": "", "service": ""}
    elif person.label and not getattr(person.basic, "is_identified", True):
        first |= {"kind": ReferralKind.ADVICE.value, "basis": Basis.ANONYMOUS.value, "categories": []}
    return first


def filled(view: ReferralView) -> dict[str, Any]:
    """The form's values from a stored draft."""
    return {
        "person": str(view.person_id or ""),
        "part_of": str(view.part_of_id or ""),
        "version": str(view.version),
        "kind": view.kind.value,
        "to": str(view.to_agency_id),
        "service": str(view.service_id or ""),
        "basis": view.basis.value,
        "categories": [category.value for category in view.categories],
        "need": view.need,
        "goal_domain": [goal.domain.value for goal in view.goals][:GOALS],
        "goal_text": [goal.text for goal in view.goals][:GOALS],
        "appointment_at": view.appointment_at,
        "appointment_place": view.appointment_place,
        "anonymous_age_band": view.anonymous_age_band,
    }


def proposal_of(form: ProposalForm, person_id: UUID, part_of_id: UUID | None) -> Proposal:
    joint = form.kind.data == ReferralKind.JOINT_INTERVIEW
    is_anonymous = form.basis.data == Basis.ANONYMOUS
    to_agency_id = uuid_or_none(form.to.data)
    assert to_agency_id is not None  # the form has refused a blank  # noqa: S101
    return Proposal(
        person_id=person_id,
        to_agency_id=to_agency_id,
        kind=ReferralKind(form.kind.data),
        need=form.need.data or "",
        basis=Basis(form.basis.data),
        # An anonymous request tells none, whatever was ticked before.
        categories=frozenset(Category(c) for c in form.categories.data or () if not is_anonymous),
        service_id=uuid_or_none(form.service.data),
        goals=form.goals(),
        appointment_at=form.appointment_at.data if joint else None,
        appointment_place=form.appointment_place.data or "" if joint else "",
        anonymous_age_band=form.anonymous_age_band.data or "",
        part_of_id=part_of_id,
    )


def proposal_page(
    actor: Actor,
    form: ProposalForm,
    person: PersonView,
    *,
    former: ReferralView | None = None,
    draft: ReferralView | None = None,
) -> ResponseReturnValue:
    """The form of a new referral or draft: show it, save it as a draft, or go on to the check page."""
    recipients = drafts.recipients(db.read(), actor)
    covers = drafts.covers(db.read(), actor, person.id, clock.now())
    form.offer(
        recipients,
        frozenset(name for cover in covers for name in cover.recipients),
        refused=former.to_agency_id if former and former.refusal else None,
    )
    theirs: list[tuple[str, str, str]] = []
    # Without a script, a button shows the parts that the chosen kind and agency call for; nothing is checked yet.
    if "shape" not in request.form and form.validate_on_submit():
        with refusals(form):
            referral_id = write(actor, form, person.id, former, draft)
            flash(draft_key(person, draft), "draft-clear")
            if "draft" in request.form:
                flash(gettext("下書きを保存しました。まだ相手には送っていません。"), "success")
                return redirect(url_for(".show", referral_id=referral_id))
            if "consent" in request.form:
                flash(gettext("下書きを保存しました。同意を記録すると、確認の画面に進みます。"), "success")
                page = "consents.new_for_person"
                return redirect(url_for(page, person_id=person.id, referral=referral_id))
            return redirect(url_for(".send", referral_id=referral_id))
        db.end()
        if draft and form.status == Conflict.status:
            now, _row = reading.load(actor, draft.id)
            FLOW.check(ReferralAction.SEND, now.status)
            theirs = differences(form, now, recipients)
            form.version.data = str(now.version)
    page = render_template(
        "referrals/proposal.html",
        form=form,
        person=person,
        former=former,
        draft=draft,
        covers=covers,
        recipients=recipients,
        theirs=theirs,
        draft_key=draft_key(person, draft),
    )
    return page, form.status


def write(
    actor: Actor,
    form: ProposalForm,
    person_id: UUID,
    former: ReferralView | None,
    draft: ReferralView | None,
) -> UUID:
    if draft:
        proposal = proposal_of(form, person_id, draft.part_of_id)
        drafts.edit(actor, draft.id, proposal, version=whole(form.version.data, -1))
        return draft.id
    proposal = proposal_of(form, person_id, former.id if former else None)
    return drafts.draft(actor, proposal, idempotency_key=form.idempotency_key.data)


def draft_key(person: PersonView, draft: ReferralView | None) -> str:
    return f"referral-{draft.id}" if draft else f"referral-new-{person.id}"


def differences(
    form: ProposalForm, now: ReferralView, recipients: list[drafts.Recipient]
) -> list[tuple[str, str, str]]:
    """The fields in which the typed values and those that a colleague saved meanwhile differ."""
    names = {r.id: r.name for r in recipients}
    offers = {offer.id: offer.name for r in recipients for offer in r.offers}
    mine = proposal_of(form, now.person_id or UUID(int=0), None)
    place = "{} {}".format
    pairs = [
        (form.kind, mine.kind.word, now.kind.word),
        (form.to, names.get(mine.to_agency_id, ""), now.to_name),
        (form.service, offers.get(mine.service_id or UUID(int=0), ""), now.service_name),
        (form.basis, mine.basis.word, now.basis.word),
        (form.categories, listed(mine.categories), listed(now.categories)),
        (form.need, mine.need, str(now.need)),
        (
            form.goal_text[0],
            "\n".join(text for _domain, text in mine.goals),
            "\n".join(str(goal.text) for goal in now.goals),
        ),
        (
            form.appointment_at,
            place(era_datetime(mine.appointment_at), mine.appointment_place).strip(),
            place(era_datetime(now.appointment_at), now.appointment_place).strip(),
        ),
    ]
    return [
        (str(field.label.text), gettext(a) if a else "", gettext(b) if b else "")
        for field, a, b in pairs
        if a != b
    ]


def listed(categories: Any) -> str:
    return "、".join(gettext(c.word) for c in Category if c in categories)


@bp.route("/<uuid:referral_id>/edit", methods=["GET", "POST"])
def edit(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    draft, _to_note = reading.show(actor, referral_id)
    require(actor, Permission.REFERRAL_SEND, draft)
    if draft.status is not ReferralStatus.DRAFT:
        raise Conflict(N_("送付した後は変更できません。連絡で伝えるか、取り下げて送り直してください。"))
    if draft.person is None:
        raise Conflict(
            N_("この人の情報が自分の機関では見られないため、下書きを変更できません。"),
            lack=Lack.UNTOLD,
            about=("referral", referral_id),
        )
    form = ProposalForm(data=filled(draft))
    del form.person, form.part_of  # a draft keeps its own: an id that nobody reads is not asked for
    return proposal_page(actor, form, draft.person, draft=draft)


@bp.route("/<uuid:referral_id>/send", methods=["GET", "POST"])
def send(referral_id: UUID) -> ResponseReturnValue:
    """Check the answers, then send. If the same form is sent twice, both lead to the same page."""
    actor, form = signed_in(), SendForm()
    if form.validate_on_submit():
        # Before anything is read: the page of the draft is not shown, so no reading of it is logged.
        with refusals(form):
            services.perform(
                actor,
                ReferralAction.SEND,
                referral_id,
                version=whole(form.version.data, -1),
                idempotency_key=form.idempotency_key.data,
            )
            return redirect(url_for(".show", referral_id=referral_id, sent=1))
        db.end()
    draft, _to_note = reading.show(actor, referral_id)
    require(actor, Permission.REFERRAL_SEND, draft)
    if request.method == "GET" and draft.status is not ReferralStatus.DRAFT:
        # Reached by the browser's back button after sending: show what became of the referral.
        return redirect(url_for(".show", referral_id=referral_id))
    FLOW.check(ReferralAction.SEND, draft.status)
    form.version.data = str(draft.version)
    ahead = preview.look_ahead(db.read(), actor, draft, clock.now())
    if ahead.problem:
        note_refusal(ahead.problem)  # this page has no button to send: the referral stops here
    page = render_template(
        "referrals/send.html",
        view=draft,
        form=form,
        ahead=ahead,
        hanging=hanging.find(db.read(), draft, clock.now()) if draft.kind is ReferralKind.TRANSFER else None,
        covers=drafts.covers(db.read(), actor, draft.person_id, clock.now()) if draft.person_id else [],
    )
    return page, form.status


@bp.post("/<uuid:referral_id>/again")
def again(referral_id: UUID) -> ResponseReturnValue:
    """Ask the agency that had no place once more: the same words as a new draft, on to the check page."""
    actor, form = signed_in(), BaseForm()
    former = former_of(actor, referral_id)
    if not form.validate_on_submit():
        abort(400)
    if not former.may_ask_again or former.person_id is None:
        raise Conflict(N_("受入の余裕がないと回答されたつなぎだけ、同じ機関にもう一度依頼できます。"))
    proposal = Proposal(
        person_id=former.person_id,
        to_agency_id=former.to_agency_id,
        kind=former.kind,
        need=str(former.need),
        basis=former.basis,
        categories=frozenset(former.categories),
        service_id=former.service_id,
        goals=tuple((goal.domain, str(goal.text)) for goal in former.goals),
        anonymous_age_band=former.anonymous_age_band,
        part_of_id=former.id,
    )
    draft_id = drafts.draft(actor, proposal, idempotency_key=form.idempotency_key.data)
    return redirect(url_for(".send", referral_id=draft_id))


# A joint interview, or the first meeting that the recipient named, for the calendars of both sides.


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment as a calendar holds it: by the number of the referral, without a name."""

    id: UUID
    name: str
    starts_at: datetime
    place: str
    calendar_sequence: int
    minutes: int = 60
    status: MeetingStatus = MeetingStatus.ANNOUNCED
    link: str = ""


@bp.get("/<uuid:referral_id>.ics")
def appointment(referral_id: UUID) -> ResponseReturnValue:
    view = look(signed_in(), referral_id)
    if view.appointment_at is None or not view.is_sent:
        abort(404)
    what = gettext("同席") if view.kind is ReferralKind.JOINT_INTERVIEW else gettext("初回の面談")
    one = Appointment(
        id=referral_id,
        name=f"{what} {view.number}",
        starts_at=view.appointment_at,
        place=view.appointment_place,
        calendar_sequence=view.version,
    )
    content = file_of([one], one.name, address=lambda key: url_for(".show", referral_id=key, _external=True))
    answer = Response(content, mimetype="text/calendar")
    answer.headers["Content-Disposition"] = f'attachment; filename="referral-{referral_id}.ics"'
    return answer
