"""Recording an activity and who came, by name within the wall or as a head; correcting it, and striking it out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.activities import queries
from portal.activities.kinds import OUTREACH, WITH_PARTNER, ActivityKind, Mode, modes_of
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Partner
from portal.activities.series import queries as serie_queries
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Method
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack, NotOffered, StaleForm
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.people.categories import Category
from portal.people.names import search_key
from portal.wall import predicates

MOST_HEADS = 500
NOT_NAMEABLE = N_(
    "選んだ人の中に、いま氏名を記録できない人がいます。登録機関か、本人の同意で提供を受けている人だけを記録できます。"
)
OVERTAKEN = N_("入力している間に、ほかの人がこの記録を更新しました。内容を確認してください。")


@dataclass(frozen=True, slots=True)
class Heads:
    """Who came: people, each with a note or an empty one, and how many whose names are not known."""

    people: Mapping[UUID, str] = field(default_factory=dict)
    first: int = 0
    again: int = 0

    def __bool__(self) -> bool:
        return bool(self.people or self.first or self.again)


def live_activity(session: Session, actor: Actor, activity_id: UUID) -> Activity:
    """The activity, locked, for a service that changes it or who came.

    Raises:
        NoResultFound: none that this actor's agency held.
        Conflict: it was struck out.
    """
    mine = select(Activity).where(Activity.id == activity_id, queries.visible_to(actor)).with_for_update()
    activity = session.scalars(mine, execution_options={"populate_existing": True}).one()
    if activity.struck_at is not None:
        raise Conflict(N_("この活動の記録は取り消されています。"))
    return activity


def lock_nameable(session: Session, actor: Actor, ids: Collection[UUID]) -> list[Any]:
    """Lock these people for recording.

    Raises:
        Invalid: somebody whom this actor's agency may not record by name now, or an id of nobody.
    """
    if not ids:
        return []
    values = predicates.bound(actor, clock.now())
    found = session.execute(queries.nameable_for_update(ids), values).all()
    if len(found) < len(set(ids)):
        known = {one.id for one in found}
        strange = min(one for one in ids if one not in known)
        raise NotOffered(NOT_NAMEABLE, field="people", about=("person", strange))
    return list(found)


def require_nameless(people: Collection[Any], words: Mapping[str, str]) -> None:
    """Raise when a text that all agencies of the activity read holds the full name of somebody who came."""
    names = {
        key
        for one in people
        for key in (search_key(one.family, one.given), search_key(one.family_kana, one.given_kana))
        if len(key) > 1
    }
    for name, text in words.items():
        folded = search_key(text)
        if any(key in folded for key in names):
            raise Invalid(
                N_("参加した人の氏名が入っています。その人のことは、参加者ごとのメモに書いてください。"),
                field=name,
                lack=Lack.NAMED,
            )


def check_heads(activity: Activity, heads: Heads) -> None:
    if not heads:
        return
    if activity.kind in OUTREACH:
        raise Invalid(N_("この種類の活動では、参加した人は「人数」だけを記録します。"), field="people")
    if not activity.was_held:
        raise Invalid(N_("開催しなかった活動に、参加者は記録できません。"), field="people")
    for name, number in (("first", heads.first), ("again", heads.again)):
        if not 0 <= number <= MOST_HEADS:
            raise Invalid(N_("人数は0から%(most)sまでで入力してください。"), field=name, most=MOST_HEADS)


def put(session: Session, actor: Actor, activity: Activity, heads: Heads) -> None:
    """Add rows of attendance; the caller has checked them and locked the activity and the people."""
    for person_id, note in heads.people.items():
        add(session, actor, activity, person_id=person_id, note=note)
    for is_first, number in ((True, heads.first), (False, heads.again)):
        for _ in range(number):
            add(session, actor, activity, is_first=is_first)


def add(session: Session, actor: Actor, activity: Activity, **values: Any) -> None:
    head = ActivityAttendance(id=new_id(), activity_id=activity.id, agency_id=actor.agency_id, **values)
    session.add(head)
    audit.record(
        AuditEvent.ATTENDANCE_NOTED,
        head,
        actor=actor,
        person_id=head.person_id,
        activity=activity.id,
        is_first=head.is_first,
        note=head.note,
    )


def live_rows(activity_id: UUID) -> Select[ActivityAttendance]:
    return select(ActivityAttendance).where(
        ActivityAttendance.activity_id == activity_id, ActivityAttendance.struck_at.is_(None)
    )


def anonymous_rows(actor: Actor, activity_id: UUID, *, is_first: bool) -> Select[ActivityAttendance]:
    """The anonymous rows of the actor's agency, the latest first."""
    return (
        live_rows(activity_id)
        .where(
            ActivityAttendance.agency_id == actor.agency_id,
            ActivityAttendance.person_id.is_(None),
            ActivityAttendance.is_first == is_first,
        )
        .order_by(ActivityAttendance.id.desc())
    )


def note_heads(
    actor: Actor,
    activity_id: UUID,
    heads: Heads,
    *,
    expected: tuple[int, int] | None = None,
    idempotency_key: str | None = None,
) -> None:
    """Add people who came, and set the number of anonymous heads.

    `expected` are the anonymous heads, first and again, that the form showed.

    Raises:
        NoResultFound: no activity that this actor's agency held.
        StaleForm: a colleague changed the anonymous heads meanwhile.
        Conflict: another agency of the activity noted this person already, or it was struck out.
        Invalid: see `check_heads`, `lock_nameable`.
    """
    require(actor, Permission.ACTIVITY_RECORD)
    with db.transaction() as session:
        if claim(actor, idempotency_key, activity_id):
            return
        activity = live_activity(session, actor, activity_id)
        check_heads(activity, heads)
        lock_nameable(session, actor, heads.people)
        here = {
            row.person_id: row.agency_id
            for row in session.scalars(
                live_rows(activity_id).where(ActivityAttendance.person_id.in_(heads.people))
            )
        }
        if any(agency_id != actor.agency_id for agency_id in here.values()):
            raise Conflict(ELSEWHERE, field="people")
        new = {person_id: note for person_id, note in heads.people.items() if person_id not in here}
        put(session, actor, activity, Heads(people=new))
        wanted = (heads.first, heads.again)
        rows = [
            session.scalars(anonymous_rows(actor, activity_id, is_first=is_first)).all()
            for is_first in (True, False)
        ]
        if expected is not None and expected != tuple(map(len, rows)):
            raise StaleForm(OVERTAKEN)
        more = [max(0, number - len(there)) for number, there in zip(wanted, rows, strict=True)]
        put(session, actor, activity, Heads(first=more[0], again=more[1]))
        for number, there in zip(wanted, rows, strict=True):
            for head in there[: max(0, len(there) - number)]:
                strike_out(actor, head)


ELSEWHERE = N_("この人は、いっしょに開催した機関がこの日の参加者として記録しています。")


def strike_out(actor: Actor, head: ActivityAttendance) -> None:
    head.struck_at = clock.now()
    audit.record(
        AuditEvent.ATTENDANCE_CHANGED,
        head,
        actor=actor,
        person_id=head.person_id,
        activity=head.activity_id,
        struck=True,
    )


def count_of(session: Session, activity_id: UUID, *agencies: UUID) -> int:
    """The number of heads that these agencies recorded; of all agencies when none is named."""
    rows = select(func.count()).select_from(ActivityAttendance)
    rows = rows.where(ActivityAttendance.activity_id == activity_id, ActivityAttendance.struck_at.is_(None))
    if agencies:
        rows = rows.where(ActivityAttendance.agency_id.in_(agencies))
    return session.scalar(rows) or 0


CODE = re.compile(r"[a-z0-9_]{1,40}")


def check_area(area: str) -> None:
    """Raise unless it has the shape of an area's code; which areas there are is the programme's own data."""
    if not CODE.fullmatch(area):
        raise Invalid(N_("評価の項目を選んでください。"), field="area")


# One head at one activity: a note on it, taking it back, and naming somebody anonymous later.


def own_head(session: Session, actor: Actor, activity_id: UUID, head_id: UUID) -> ActivityAttendance:
    """A head that this actor's agency wrote down, locked together with its activity."""
    require(actor, Permission.ACTIVITY_RECORD)
    live_activity(session, actor, activity_id)
    mine = (
        live_rows(activity_id)
        .where(ActivityAttendance.id == head_id, queries.of_own_agency(actor))
        .with_for_update()
    )
    return session.scalars(mine, execution_options={"populate_existing": True}).one()


def remove(actor: Actor, activity_id: UUID, head_id: UUID) -> None:
    """Strike out a head that was not there: it counts no more, from the beginning."""
    with db.transaction() as session:
        strike_out(actor, own_head(session, actor, activity_id, head_id))


def set_note(
    actor: Actor,
    activity_id: UUID,
    head_id: UUID,
    note: str,
    *,
    is_first: bool | None = None,
    expected: str | None = None,
) -> None:
    """Write the note on this one person and day; `expected` is the note that the form showed.

    Raises:
        NoResultFound: no such head of one's own agency.
        StaleForm: a colleague changed the note meanwhile.
        ErasedPerson: the person's record was erased.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if expected is not None and expected != head.note:
            raise StaleForm(OVERTAKEN)
        values: dict[str, Any] = {"note": note}
        if head.person_id is None and is_first is not None:
            values["is_first"] = is_first
        if changes := head.apply(**values):
            audit.record(
                AuditEvent.ATTENDANCE_CHANGED,
                head,
                actor=actor,
                person_id=head.person_id,
                activity=activity_id,
                changes=changes,
            )


def link(actor: Actor, activity_id: UUID, head_id: UUID, person_id: UUID) -> None:
    """Give an anonymous head a name: it counts as this person for that day.

    Raises:
        NoResultFound: no such head of one's own agency.
        Conflict: the head has a name, or the person stands among those who came that day already.
        Invalid: somebody whom this agency may not write down by name.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if head.person_id is not None:
            raise Conflict(N_("この参加者には、すでに氏名があります。"))
        lock_nameable(session, actor, [person_id])
        same = live_rows(activity_id).where(ActivityAttendance.person_id == person_id)
        if there := session.scalars(same).first():
            if there.agency_id != actor.agency_id:
                raise Conflict(ELSEWHERE, field="people")
            raise Conflict(
                N_(
                    "この人は、すでにこの日の参加者です。匿名の参加者が同じ人だったときは、匿名の記録を取り消してください。"
                ),
                field="people",
            )
        head.apply(person_id=person_id, linked_at=clock.now())
        audit.record(
            AuditEvent.ATTENDANCE_LINKED, head, actor=actor, person_id=person_id, activity=activity_id
        )


def unlink(actor: Actor, activity_id: UUID, head_id: UUID, *, note: str = "") -> None:
    """Undo `link`: the head is anonymous again, with what may stay of its note.

    Raises:
        NoResultFound: no such head of one's own agency.
        Conflict: it was not linked later, but written down by name.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if head.linked_at is None:
            raise Conflict(N_("この参加者は、はじめから氏名で記録されています。"))
        person_id = head.person_id
        head.apply(person_id=None, linked_at=None, note=note)
        audit.record(
            AuditEvent.ATTENDANCE_CHANGED,
            head,
            actor=actor,
            person_id=person_id,
            activity=activity_id,
            unlinked=True,
        )


# Recording an activity, correcting it, and striking it out.

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
    """The facts of an activity. `together` are the other agencies that held it; `title` may be empty."""

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
    """The recorded activity, and the case to which it was added as a progress note."""

    id: UUID
    case_id: UUID | None = None


def check(facts: ActivityFacts) -> None:
    """Raise `Invalid` for what cannot be said of an activity of this kind."""
    check_area(facts.area)
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
    """Raise unless the agencies are active and the partner exists; `known` held the activity before."""
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

    `note_in_case` also writes a home visit to one person into that person's open case, if there is one.

    Raises:
        NotAllowed: the actor does no casework.
        NoResultFound: no series that this actor's agency holds.
        Conflict: the series had ended.
        Invalid: impossible facts; a person who may not be named; a name in a text that everybody reads.
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
            serie_queries.open_on(session, actor, series_id, facts.held_on)
        activity.apply(**facts.columns())
        activity.series_id = series_id
        check_heads(activity, heads)
        require_nameless(lock_nameable(session, actor, heads.people), facts.words())
        session.add(activity)
        session.flush()
        for agency_id in sorted(facts.together | {actor.agency_id}):
            session.add(ActivityAgency(activity_id=activity.id, agency_id=agency_id, held_on=facts.held_on))
        audit.record(
            AuditEvent.ACTIVITY_RECORDED, activity, actor=actor, **facts.columns(), together=facts.together
        )
        put(session, actor, activity, heads)
        case_id = write_into_case(session, actor, facts, heads) if note_in_case else None
        return Recorded(activity.id, case_id)


def write_into_case(session: Session, actor: Actor, facts: ActivityFacts, heads: Heads) -> UUID | None:
    """Add the visit as a progress note to the one person's open case; None when there is no such case."""
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
    """Change an activity; figures count the corrected values from the beginning.

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
        values = predicates.bound(actor, clock.now())
        named = session.execute(queries.own_names(activity_id), values).all()
        require_nameless(named, facts.words())
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
    """Update the rows of the agencies that held the activity to its new day and agencies."""
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
    """Strike out a record that should not exist: it counts nowhere, and cannot be restored.

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
