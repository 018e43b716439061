"""Writing minutes while the meeting is in session, and correcting them by addenda once they are approved."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack, NotAllowed, PortalError, StaleForm
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.services import locked
from portal.meetings.states import MeetingStatus

NOT_BEGUN = N_("会議がまだ始まっていないため、議事録は書けません。")
ENDED = N_("入力している間に会議が終わりました。入力した文は下書きとして残しました。")
FALLEN = N_("入力している間に、この議題は次回に持ち越されました。入力した文は下書きとして残しました。")
FASTER = N_("入力している間に、ほかの人がこの議題の議事録を更新しました。どちらの文も残っています。")


class Choice(StrEnum):
    """What to do with a text that came second."""

    MINE = "mine"
    BOTH = "both"
    THEIRS = "theirs"


def held(session: Session, actor: Actor, item_id: UUID) -> tuple[Meeting, AgendaItem]:
    """The item and its meeting, held until the transaction ends.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: the actor may not read it.
    """
    require(actor, Permission.MEETING_ATTEND)
    meeting_id = session.scalars(select(AgendaItem.meeting_id).where(AgendaItem.id == item_id)).one()
    meeting = locked(session, actor, meeting_id)
    now = clock.now()
    known = (
        select(AgendaItem, item_visibility.readable(actor, now).label("is_readable"))
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(AgendaItem.id == item_id, AgendaItem.removed_at.is_(None), item_visibility.present(actor, now))
        .execution_options(populate_existing=True)
    )
    item, is_readable = session.execute(known).one()
    if not is_readable:
        raise NotAllowed(
            N_("提供の根拠が終わっているため、この議題の内容は扱えません。"),
            lack=Lack.ENDED,
            about=("agenda_item", item_id),
            person_id=item.person_id,
        )
    return meeting, item


def require_hand(actor: Actor, meeting: Meeting, item: AgendaItem) -> None:
    """Raise unless the actor may write on this item: their agency brought it, or they run the meeting."""
    if item.brought_by_id != actor.agency_id:
        require(actor, Permission.MEETING_ARRANGE, meeting)


def write(actor: Actor, item_id: UUID, text: str, *, version: int | None) -> int:
    """Save what was said on an item; returns the item's new version.

    A text that comes second, or after the end, is kept as a refused revision before it is refused. The same text
    sent again changes nothing, so an answer that got lost does no harm.

    Raises:
        NoResultFound, NotAllowed: not an item on which this actor writes.
        StaleForm: somebody was faster.
        Conflict: the meeting is not in session, or the item was put off.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        if meeting.is_coming or meeting.status is MeetingStatus.CANCELLED:
            raise Conflict(NOT_BEGUN)
        refusal = objection(meeting, item, text, version)
        if refusal is None:
            put_down(session, actor, item, text)
        else:
            keep_refused(session, actor, item, text, version)
        reached = item.version
    if refusal is not None:
        raise refusal
    return reached


def objection(meeting: Meeting, item: AgendaItem, text: str, version: int | None) -> PortalError | None:
    if text == item.minutes_text:
        return None
    if meeting.status is not MeetingStatus.IN_SESSION:
        return Conflict(ENDED)
    if not item.stands:
        return Conflict(FALLEN)
    if version is not None and version != item.version:
        return StaleForm(FASTER)
    return None


def put_down(session: Session, actor: Actor, item: AgendaItem, text: str) -> None:
    is_same = text == item.minutes_text
    last = last_of(session, actor, item.id)
    if is_same and (last is None or not last.is_refused):
        return
    session.add(MinutesRevision(item_id=item.id, staff_id=actor.staff_id, text=text, based_on=item.version))
    if is_same:
        # The later writer leaves the saved text: the revision says so, and is asked about no more.
        audit.record(
            AuditEvent.MINUTES_WRITTEN, (item.__tablename__, item.id), actor=actor, person_id=item.person_id
        )
        return
    item.advance(None)
    item.apply(minutes_text=text)
    audit.record(AuditEvent.MINUTES_WRITTEN, item, actor=actor, person_id=item.person_id, text=text)


def keep_refused(
    session: Session, actor: Actor, item: AgendaItem, text: str, version: int | None
) -> MinutesRevision | None:
    """Keep a refused text; once, however often it is sent."""
    last = last_of(session, actor, item.id)
    if not text or (last is not None and last.is_refused and last.text == text):
        return last
    row = MinutesRevision(
        item_id=item.id,
        staff_id=actor.staff_id,
        text=text,
        based_on=item.version if version is None else version,
        is_refused=True,
    )
    session.add(row)
    audit.record(
        AuditEvent.MINUTES_WRITTEN,
        (item.__tablename__, item.id),
        actor=actor,
        person_id=item.person_id,
        allowed=False,
        text=text,
    )
    return row


def last_of(session: Session, actor: Actor, item_id: UUID) -> MinutesRevision | None:
    mine = select(MinutesRevision).where(
        MinutesRevision.item_id == item_id, MinutesRevision.staff_id == actor.staff_id
    )
    return session.scalars(mine.order_by(MinutesRevision.id.desc()).limit(1)).one_or_none()


def settle(actor: Actor, item_id: UUID, choice: Choice, *, version: int) -> int:
    """Replace the saved text with one's own refused text, append it, or drop it; returns the new version.

    Raises:
        Conflict: no text of the actor's waits, or see `write`.
        StaleForm: the saved text is not the one that the actor was shown.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        mine = last_of(session, actor, item_id)
        if mine is None or not mine.is_refused:
            raise Conflict(N_("選ぶ文はもうありません。"))
        if version != item.version:
            raise StaleForm(FASTER)
        stands = item.minutes_text
        text = {
            Choice.MINE: mine.text,
            Choice.BOTH: f"{stands}\n\n{mine.text}".strip("\n"),
            Choice.THEIRS: stands,
        }[choice]
        if text != stands and (refusal := objection(meeting, item, text, version)):
            raise refusal
        put_down(session, actor, item, text)
        return item.version


def put_off(actor: Actor, item_id: UUID, why: str) -> None:
    """Put an item off to the next meeting, in session: its disclosures stay.

    Raises:
        Conflict: not in session, or put off already.
        Invalid: without a reason.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        if meeting.status is not MeetingStatus.IN_SESSION or not item.stands:
            raise Conflict(N_("この議題は、いまは持ち越せません。"))
        if not why:
            raise Invalid(N_("理由を入力してください。"), field="why")
        item.advance(None)
        item.apply(postponed_why=why, postponed_at=clock.now())
        audit.record(AuditEvent.ITEM_CHANGED, item, actor=actor, person_id=item.person_id, why=why)


def take_up(actor: Actor, item_id: UUID) -> None:
    """Take an item up after all that was put off."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        if meeting.status is not MeetingStatus.IN_SESSION or item.postponed_at is None:
            raise Conflict(N_("この議題は、いまは議題に戻せません。"))
        item.advance(None)
        item.apply(postponed_why="", postponed_at=None)
        audit.record(AuditEvent.ITEM_CHANGED, item, actor=actor, person_id=item.person_id)


def amend(
    actor: Actor,
    meeting_id: UUID,
    text: str,
    *,
    item_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add a correction to approved minutes: to one item, or to the whole; returns the addendum's id.

    Raises:
        NoResultFound: no such meeting or item that this actor may know of.
        NotAllowed: neither the convener's coordinator nor of the agency that brought the item.
        Conflict: the minutes are not approved yet.
        Invalid: without a text.
    """
    require(actor, Permission.MEETING_ATTEND)
    addendum_id = new_id()
    with db.transaction() as session:
        person_id = None
        if item_id is None:
            meeting = locked(session, actor, meeting_id)
            require(actor, Permission.MEETING_ARRANGE, meeting)
            entered = select(Meeting.id).where(Meeting.id == meeting_id, queries.may_enter(actor))
            if session.scalar(entered) is None:
                raise NotAllowed(
                    N_("守秘義務を確認した方だけが、この会議の議事録を扱えます。"), lack=Lack.SECRECY
                )
        else:
            meeting, item = held(session, actor, item_id)
            if meeting.id != meeting_id:
                raise Conflict(
                    N_("この議題は、この会議のものではありません。"),
                    lack=Lack.NOT_OFFERED,
                    about=("agenda_item", item_id),
                )
            require_hand(actor, meeting, item)
            person_id = item.person_id
        if meeting.status is not MeetingStatus.APPROVED:
            raise Conflict(N_("追記は、議事録が承認されたあとに行います。"))
        if not text:
            raise Invalid(N_("追記する内容を入力してください。"), field="text")
        if earlier := claim(actor, idempotency_key, addendum_id):
            return earlier
        row = Addendum(
            id=addendum_id, meeting_id=meeting_id, item_id=item_id, staff_id=actor.staff_id, text=text
        )
        session.add(row)
        audit.record(AuditEvent.ADDENDUM_WRITTEN, row, actor=actor, person_id=person_id, text=text)
    return addendum_id
