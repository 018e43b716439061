"""Acts on referrals: drafting, sending, every step of the flow, and what is said beside it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from portal.cases import services as cases
from portal.cases.codes import Domain, HeardBy, Outcome, Score
from portal.core import clock
from portal.core.errors import Invalid
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures.models import Basis
from portal.meetings.issues import services as issue_services
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import conversation, drafts, queries, reading, services
from portal.referrals.drafts import Proposal
from portal.referrals.models import FollowUpKind, Referral
from portal.referrals.queries import Filter
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, Refusal
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    Field,
    Reading,
    Sort,
    colleague,
    day,
    known,
    may,
    moment,
    need,
    new,
    one_of,
    several,
    table,
    text,
    word,
)
from portal.scenario.source import Value
from portal.transfers import services as transfers

WITHOUT_CONSENT = [basis.value for basis in Basis if basis is not Basis.CONSENT]


def basis(value: Value, seen: Reading) -> tuple[Basis, str | None]:
    """A consent's key, or one of the bases that need none."""
    if word(value) in WITHOUT_CONSENT:
        return Basis(word(value)), None
    return Basis.CONSENT, known(Sort.CONSENT)(value, seen)


def age_band_of(play: Play, person_id: UUID) -> str:
    """The age band: all that an anonymous request discloses of the person."""
    row = play.session.execute(select(Person.birth, Person.age_band).where(Person.id == person_id)).one()
    return row.age_band or (clock.age_band(clock.age_on(row.birth, clock.today())) if row.birth else "")


def draft_referral(play: Play, actor: Actor, given: Given) -> UUID:
    ground, consent = given.get("basis", (Basis.CONSENT, None))
    person_id = play.ids[Sort.PERSON, given["person"]]
    appointment = given.get("appointment", {})
    former = given.get("part_of")
    referral_id = drafts.draft(
        actor,
        Proposal(
            person_id=person_id,
            to_agency_id=play.agency(given["to"]),
            service_id=play.service(given["to"]),
            kind=given["kind"],
            need=given["need"],
            basis=ground,
            categories=frozenset(given.get("categories", ())),
            consent_id=play.ids[Sort.CONSENT, consent] if consent else None,
            goals=tuple((goal["domain"], goal["text"]) for goal in given.get("goals", ())),
            appointment_at=appointment.get("at"),
            appointment_place=appointment.get("place", ""),
            anonymous_age_band=age_band_of(play, person_id) if ground is Basis.ANONYMOUS else "",
            part_of_id=play.ids[Sort.REFERRAL, former] if former else None,
        ),
    )
    play.name(Sort.REFERRAL, given, referral_id)
    return referral_id


def send_referral(play: Play, actor: Actor, given: Given) -> None:
    drafted = given.get("draft")
    referral_id = play.ids[Sort.REFERRAL, drafted] if drafted else draft_referral(play, actor, given)
    services.perform(actor, ReferralAction.SEND, referral_id)


def receive(play: Play, actor: Actor, given: Given) -> None:
    """Do what opening the page does: the reading is logged, and the first one is the receipt."""
    referral_id = play.ids[Sort.REFERRAL, given["referral"]]
    _view, to_note = reading.show(actor, referral_id)
    if to_note:
        conversation.opened(actor, referral_id)


def step(action: ReferralAction) -> Callable[[Play, Actor, Given], object]:
    """An act for one step of the flow, with the values that the line brings for it."""

    def run(play: Play, actor: Actor, given: Given) -> None:
        referral_id = play.ids[Sort.REFERRAL, given["referral"]]
        answer = Answer(
            text=given.get("text", ""),
            refusal=given.get("reason"),
            first_contact_on=given.get("first_contact", clock.today()),
            outcome=given.get("outcome"),
            scores=scores_of(play, referral_id, given.get("goals", [])),
            worker_id=play.actors[given["worker"]].staff_id if "worker" in given else None,
            heard_by=given.get("heard_by", HeardBy.AGENCY),
            opens_case="case_key" in given,
            meeting_at=given.get("meeting", {}).get("at"),
            meeting_place=given.get("meeting", {}).get("place", ""),
        )
        transfers.perform(actor, action, referral_id, answer)
        if "case_key" in given:
            name_case(play, actor, referral_id, given["case_key"])

    return run


def scores_of(play: Play, referral_id: UUID, scores: list[Score]) -> dict[UUID, Score]:
    goals = play.session.scalars(queries.goals_of(referral_id)).all()
    if len(scores) > len(goals):
        raise Invalid(
            N_("目標は %(count)s 件です。評価のほうが多くなっています。"), field="scores", count=len(goals)
        )
    return dict(zip([goal.id for goal in goals], scores, strict=False))


def name_case(play: Play, actor: Actor, referral_id: UUID, key: str) -> None:
    person_id = play.session.scalars(select(Referral.person_id).where(Referral.id == referral_id)).one()
    case = actor.agency_id and cases.open_case_of(play.session, actor.agency_id, person_id)
    if not case:
        raise Invalid(
            N_("匿名の助言依頼を受け入れてもケースは開きません。case_key を消してください。"),
            field="case_key",
        )
    play.ids[Sort.CASE, key] = case.id


def message(play: Play, actor: Actor, given: Given) -> None:
    conversation.send_message(actor, play.ids[Sort.REFERRAL, given["referral"]], given["text"])


def assign_worker(play: Play, actor: Actor, given: Given) -> None:
    worker = play.actors[given["worker"]]
    conversation.assign_worker(actor, play.ids[Sort.REFERRAL, given["referral"]], worker.staff_id)


def confirm_stop(play: Play, actor: Actor, given: Given) -> None:
    referral_id = play.ids[Sort.REFERRAL, given["referral"]]
    conversation.confirm_stop(actor, referral_id, note=given.get("text", ""))


def read_news(play: Play, actor: Actor, _given: Given) -> None:
    values = queries.values_for(actor, clock.now(), Filter())
    for referral_id in play.session.scalars(queries.news(actor), values).all():
        conversation.opened(actor, referral_id)


def follow_up(play: Play, actor: Actor, given: Given) -> None:
    referral_id = play.ids[Sort.REFERRAL, given["referral"]]
    if given["kind"] is FollowUpKind.LOCAL_ISSUE:
        issue_services.keep(actor, referral_id, given["text"])
    else:
        conversation.follow_up(actor, referral_id, given["kind"], given["text"])


GOAL = {"domain": need(one_of(Domain)), "text": need(text)}
APPOINTMENT = {"at": need(moment), "place": need(text)}
PROPOSAL = {
    "key": may(new(Sort.REFERRAL)),
    "person": need(known(Sort.PERSON)),
    "to": need(known(Sort.PLACE)),
    "kind": need(one_of(ReferralKind)),
    "need": need(text),
    "basis": may(basis),
    "categories": may(several(one_of(Category))),
    "goals": may(several(table(GOAL))),
    "appointment": may(table(APPOINTMENT)),
    "part_of": may(known(Sort.REFERRAL)),
}
referral = known(Sort.REFERRAL)


def on_referral(run: Callable[[Play, Actor, Given], object], **fields: Field) -> Act:
    return Act(run, {"referral": need(referral)} | fields)


A = ReferralAction
ACTS = {
    "draft_referral": Act(draft_referral, PROPOSAL),
    "send_referral": Act(send_referral, PROPOSAL | {"basis": need(basis)}, instead={"draft": need(referral)}),
    "receive": on_referral(receive),
    "accept": on_referral(
        step(A.ACCEPT),
        text=may(text),
        worker=may(colleague),
        meeting=may(table(APPOINTMENT)),
        case_key=may(new(Sort.CASE)),
        heard_by=may(one_of(HeardBy)),
    ),
    "reject": on_referral(step(A.REJECT), reason=need(one_of(Refusal)), text=need(text)),
    "start": on_referral(step(A.START), first_contact=may(day), text=may(text)),
    "hold": on_referral(step(A.HOLD), text=need(text)),
    "complete": on_referral(
        step(A.COMPLETE),
        outcome=need(one_of(Outcome)),
        goals=may(several(one_of(Score))),
        text=may(text),
    ),
    "amend": on_referral(
        step(A.AMEND),
        outcome=need(one_of(Outcome)),
        goals=may(several(one_of(Score))),
        text=need(text),
    ),
    "fail": on_referral(step(A.FAIL), text=need(text)),
    "cancel": on_referral(step(A.CANCEL), text=need(text)),
    "correct": on_referral(step(A.CORRECT), text=need(text)),
    "message": on_referral(message, text=need(text)),
    "assign_worker": on_referral(assign_worker, worker=need(colleague)),
    "confirm_stop": on_referral(confirm_stop, text=may(text)),
    "read_news": Act(read_news, {}),
    "follow_up": on_referral(follow_up, kind=need(one_of(FollowUpKind)), text=need(text)),
}
