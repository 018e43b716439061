"""Writing down who came: by name within the wall, or as a head; and naming a head later."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.activities import attendance_queries, queries
from portal.activities.kinds import OUTREACH
from portal.activities.models import Activity, ActivityAttendance
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.disclosures import wall
from portal.errors import Conflict, Invalid, Lack, NotOffered, StaleForm
from portal.once import claim
from portal.people.names import search_key
from portal.policy import Actor, Permission, require
from portal.words import N_

MOST_HEADS = 500
NOT_NAMEABLE = N_(
    "選んだ人の中に、いま氏名を記録できない人がいます。記録機関か、本人の同意で提供を受けている人だけを記録できます。"
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
    """These people, held.

    Raises:
        Invalid: one whom this actor's agency may not write down by name now, or who is nobody at all.
    """
    if not ids:
        return []
    values = wall.bound(actor, clock.now())
    found = session.execute(attendance_queries.nameable_for_update(ids), values).all()
    if len(found) < len(set(ids)):
        known = {one.id for one in found}
        strange = min(one for one in ids if one not in known)
        raise NotOffered(NOT_NAMEABLE, field="people", about=("person", strange))
    return list(found)


def require_nameless(people: Collection[Any], words: Mapping[str, str]) -> None:
    """Raise when a text that every agency of the activity reads holds the full name of somebody who came."""
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
    """Add rows; the caller has checked them and holds the activity and the people."""
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
    """One's own agency's, the latest written first."""
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
    """Add people who came, and make the anonymous heads as many as said.

    `expected` are the anonymous heads, first and again, that the form was filled in on.

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
    """How many heads these agencies wrote down; of all of them without any."""
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
