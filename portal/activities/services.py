"""Recording an activity, correcting it, and striking it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.activities import attendance_queries, attendance_services, series_queries
from portal.activities.attendance_services import Heads, check_heads, count_of, live_activity, lock_nameable
from portal.activities.kinds import OUTREACH, WITH_PARTNER, ActivityKind, Mode, modes_of
from portal.activities.models import Activity, ActivityAgency, Partner
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Method
from portal.db import db, new_id
from portal.disclosures import wall
from portal.errors import Invalid
from portal.once import claim
from portal.people.categories import Category
from portal.policy import Actor, Permission, require
from portal.words import N_

MOST = 1_000_000
# A visit as the case's progress notes call it.
METHODS = {
    Mode.VISIT: Method.VISIT,
    Mode.THROUGH_DOOR: Method.THROUGH_DOOR,
    Mode.IN_PERSON: Method.VISIT,
    Mode.TELEPHONE: Method.TELEPHONE,
    Mode.ONLINE: Method.ONLINE,
}


@dataclass(frozen=True, slots=True)
class ActivityFacts:
    """What is said of an activity. `together` are the other agencies that held it; `title` may be left out."""

    kind: ActivityKind
    area: str
    held_on: date
    title: str = ""
    place: str = ""
    mode: Mode = Mode.IN_PERSON
    together: frozenset[UUID] = frozenset()
    partner_id: UUID | None = None
    not_held_why: str = ""
    audience: str = ""
    audience_number: int | None = None
    text: str = ""
    outcome: str = ""

    def columns(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "area": self.area,
            "held_on": self.held_on,
            "title": self.title or self.kind.word,
            "place": self.place,
            "mode": self.mode,
            "partner_id": self.partner_id,
            "not_held_why": self.not_held_why,
            "audience": self.audience,
            "audience_number": self.audience_number,
            "text": self.text,
            "outcome": self.outcome,
        }

    def words(self) -> dict[str, str]:
        """Texts that every agency of the activity reads, by the name of their field."""
        names = ("title", "place", "audience", "text", "outcome")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The activity, and the case in whose progress notes it was written too."""

    id: UUID
    case_id: UUID | None = None


def check(facts: ActivityFacts) -> None:
    """Raise `Invalid` for what cannot be said of an activity of this kind."""
    attendance_services.check_area(facts.area)
    if facts.held_on > clock.today() and not facts.not_held_why:
        raise Invalid(
            N_("今日より後の日付は入力できません。日付を確かめてください。"),
            field="held_on",
        )
    if facts.mode not in modes_of(facts.kind):
        raise Invalid(N_("この種類の活動では選べない方法です。"), field="mode")
    if facts.partner_id and facts.kind not in WITH_PARTNER:
        raise Invalid(N_("この種類の活動に、協力先は記録できません。"), field="partner")
    if facts.kind not in OUTREACH and (facts.audience or facts.audience_number is not None):
        raise Invalid(N_("この種類の活動では、参加した人を一人ずつ記録します。"), field="audience")
    if facts.audience_number is not None and not 0 <= facts.audience_number <= MOST:
        raise Invalid(N_("人数は0から%(most)sまでで入力してください。"), field="audience_number", most=MOST)
    if facts.not_held_why and facts.audience_number:
        raise Invalid(N_("開催しなかった活動に、参加者は記録できません。"), field="audience_number")


def check_named(session: Session, facts: ActivityFacts, known: Collection[UUID] = ()) -> None:
    """Raise unless the agencies work in the network and the partner is on record; `known` held it before."""
    there = select(Agency.id).where(Agency.id.in_(facts.together), Agency.is_active)
    if facts.together - set(known) - set(session.scalars(there)):
        raise Invalid(N_("一覧にない機関が含まれています。選び直してください。"), field="together")
    if facts.partner_id and not session.scalar(select(Partner.id).where(Partner.id == facts.partner_id)):
        raise Invalid(N_("協力先を選び直してください。"), field="partner")


def record(
    actor: Actor,
    facts: ActivityFacts,
    heads: Heads | None = None,
    *,
    series_id: UUID | None = None,
    note_in_case: bool = False,
    idempotency_key: str | None = None,
) -> Recorded:
    """Write down an activity of the actor's agency and who came to it.

    `note_in_case` writes a home visit to one person into his open case as well, if there is one.

    Raises:
        NotAllowed: who does no casework.
        NoResultFound: no series that this actor's agency holds.
        Conflict: the series had ended.
        Invalid: what cannot be; somebody who may not be named; a name where everybody reads it.
    """
    require(actor, Permission.ACTIVITY_RECORD)
    assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
    heads = heads or Heads()
    with db.transaction() as session:
        activity = Activity(id=new_id(), agency_id=actor.agency_id, recorded_by_id=actor.staff_id)
        if earlier := claim(actor, idempotency_key, activity.id):
            return Recorded(earlier)
        check(facts)
        check_named(session, facts)
        if series_id is not None:
            series_queries.open_on(session, actor, series_id, facts.held_on)
        activity.apply(**facts.columns())
        activity.series_id = series_id
        check_heads(activity, heads)
        attendance_services.require_nameless(lock_nameable(session, actor, heads.people), facts.words())
        session.add(activity)
        session.flush()
        for agency_id in sorted(facts.together | {actor.agency_id}):
            session.add(ActivityAgency(activity_id=activity.id, agency_id=agency_id, held_on=facts.held_on))
        audit.record(
            AuditEvent.ACTIVITY_RECORDED, activity, actor=actor, **facts.columns(), together=facts.together
        )
        attendance_services.put(session, actor, activity, heads)
        case_id = write_into_case(session, actor, facts, heads) if note_in_case else None
        return Recorded(activity.id, case_id)


def write_into_case(session: Session, actor: Actor, facts: ActivityFacts, heads: Heads) -> UUID | None:
    """The visit as a progress note of the one person's open case; None where there is no such case."""
    if facts.kind is not ActivityKind.HOME_VISIT or facts.not_held_why or len(heads.people) != 1:
        return None
    ((person_id, note),) = heads.people.items()
    case = cases.open_case_of(session, actor.agency_id, person_id) if actor.agency_id else None
    if case is None:
        return None
    written = [part for part in (facts.text, facts.outcome, note) if part]
    cases.write_note(
        actor,
        case.id,
        method=METHODS[facts.mode],
        category=Category.LIFE_HISTORY,
        text="\n".join(written) or facts.mode.word,
        held_on=facts.held_on,
    )
    return case.id


def correct(actor: Actor, activity_id: UUID, facts: ActivityFacts, *, version: int | None = None) -> None:
    """Change what is said of an activity; it counts as if it had always been said so.

    Raises:
        NoResultFound: none that this actor's agency held.
        NotAllowed: another agency recorded it.
        StaleForm: somebody changed it since the form that expected `version` was shown.
        Conflict: it was struck out.
        Invalid: see `record`; an agency that noted who came is left out.
    """
    with db.transaction() as session:
        activity = live_activity(session, actor, activity_id)
        require(actor, Permission.ACTIVITY_EDIT, activity)
        check(facts)
        held = {row.agency_id: row for row in session.scalars(holders(activity_id))}
        check_named(session, facts, held.keys())
        together = facts.together | {activity.agency_id}
        gone = held.keys() - together
        if gone and count_of(session, activity_id, *gone):
            raise Invalid(N_("参加者を記録した機関は、共催から外せません。"), field="together")
        if (facts.kind in OUTREACH or facts.not_held_why) and count_of(session, activity_id):
            raise Invalid(
                N_("参加者の記録があります。先に参加者を取り消すか、この活動を取り消してください。")
            )
        values = wall.bound(actor, clock.now())
        named = session.execute(attendance_queries.own_names(activity_id), values).all()
        attendance_services.require_nameless(named, facts.words())
        changes: Mapping[str, Any] = activity.apply(**facts.columns())
        if changes or held.keys() != together:
            activity.advance(version)
            move(session, activity, held, together)
            audit.record(
                AuditEvent.ACTIVITY_CHANGED, activity, actor=actor, changes=changes, together=together
            )


def move(
    session: Session, activity: Activity, held: Mapping[UUID, ActivityAgency], together: Collection[UUID]
) -> None:
    """Keep the rows of those who held it in step with the activity."""
    for agency_id, row in held.items():
        if agency_id in together:
            row.held_on = activity.held_on
        else:
            session.delete(row)
    for agency_id in sorted(set(together) - held.keys()):
        session.add(ActivityAgency(activity_id=activity.id, agency_id=agency_id, held_on=activity.held_on))


def holders(activity_id: UUID) -> Any:
    return select(ActivityAgency).where(ActivityAgency.activity_id == activity_id)


def strike(actor: Actor, activity_id: UUID, why: str, *, version: int | None = None) -> None:
    """Take back a record that should not be: it counts nowhere, and cannot be brought back.

    Raises:
        NoResultFound, NotAllowed, StaleForm: see `correct`.
        Conflict: it was struck out already.
        Invalid: without a reason.
    """
    with db.transaction() as session:
        activity = live_activity(session, actor, activity_id)
        require(actor, Permission.ACTIVITY_EDIT, activity)
        if not why:
            raise Invalid(N_("取り消す理由を入力してください。"), field="why")
        activity.advance(version)
        activity.apply(struck_at=clock.now(), struck_why=why)
        audit.record(AuditEvent.ACTIVITY_STRUCK, activity, actor=actor, why=why)
