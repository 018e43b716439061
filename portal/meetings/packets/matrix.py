"""Who sees what, and why: each item that the reader knows of, for each agency at the table, in one statement.

The predicates are those of `item_visibility`, asked for every seat at the table at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, Uuid, and_, bindparam, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.consents.models import Consent, ConsentCategory
from portal.core.db import db
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor, Role
from portal.disclosures.models import Basis
from portal.meetings import item_visibility
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.models import AgendaItem, ItemCategory
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import MeetingKind
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

SEAT = aliased(MeetingMember, name="seat")


def somebody(staff: str, agency: str) -> Actor:
    """A reader whose ids are columns of the outermost statement, named so that no subquery takes them for its own."""
    staff_id = cast(UUID, literal_column(staff, Uuid()))
    agency_id = cast(UUID, literal_column(agency, Uuid()))
    return Actor(staff_id, cast(UUID, None), "", Role.STAFF, agency_id, "")


SITTER = somebody("NULL", "seat.agency_id")
TELLER = somebody("agenda_item.shared_by_id", "agenda_item.brought_by_id")


class Why(Labelled):
    """Why an agency sees an item, or does not."""

    NOBODY = "nobody", N_("個人に関わらない議題")
    ANONYMOUS = "anonymous", N_("匿名")
    OWN = "own", N_("自機関の議題")
    PARTY = "party", N_("つなぎの送り手・受け手")
    STOPPED = "stopped", N_("つなぎの送り手・受け手（停止中のため見出しだけ）")
    HOME = "home", N_("登録機関")
    TOLD = "told", N_("提供済み")
    CONSENT = "consent", N_("同意あり（資料を開くと伝わる）")
    COUNCIL = "council", N_("支援会議（資料を開くと伝わる）")
    NOT_SHARED = "not_shared", N_("共有していない")
    NO_CONSENT = "no_consent", N_("同意なし")
    NOT_TELLABLE = "not_tellable", N_("基本情報を提供できない")
    NOT_AGREED = "not_sworn", N_("守秘義務を確認した人がいない")


SEEING = frozenset(
    {Why.NOBODY, Why.ANONYMOUS, Why.OWN, Why.PARTY, Why.STOPPED, Why.HOME, Why.TOLD, Why.CONSENT, Why.COUNCIL}
)


# The same in a word, for a table of many agencies.
SHORT = {
    Why.NOBODY: N_("全員"),
    Why.ANONYMOUS: N_("匿名"),
    Why.OWN: N_("自機関"),
    Why.PARTY: N_("送受"),
    Why.STOPPED: N_("停止"),
    Why.HOME: N_("登録"),
    Why.TOLD: N_("提供済"),
    Why.CONSENT: N_("同意"),
    Why.COUNCIL: N_("会議"),
    Why.NOT_SHARED: N_("未共有"),
    Why.NO_CONSENT: N_("無同意"),
    Why.NOT_TELLABLE: N_("不可"),
    Why.NOT_AGREED: N_("未確認"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One agency and one item. `until` is the end of the consent, for those who keep or recorded it."""

    agency_id: UUID
    why: Why
    until: date | None = None

    @property
    def sees(self) -> bool:
        return self.why in SEEING


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows` are the items this reader knows of; `has_hidden` says that there are closed ones."""

    rows: Sequence[tuple[ItemView, Sequence[Cell]]]
    has_hidden: bool
    total_minutes: int
    agreed: dict[UUID, tuple[int, int]]  # of each agency: how many acknowledged, of how many named

    @property
    def grounds(self) -> list[Why]:
        """Those that stand in the table, in their order."""
        found = {cell.why for _, cells in self.rows for cell in cells}
        return [why for why in Why if why in found]

    @property
    def ending(self) -> list[tuple[ItemView, Cell]]:
        """Where a consent whose end the reader may know opens an item."""
        return [(item, cell) for item, cells in self.rows for cell in cells if cell.until]


def tells_basic() -> ColumnElement[bool]:
    return exists().where(ItemCategory.item_id == AgendaItem.id, ItemCategory.category == Category.BASIC)


def covers(*categories: Category, own_only: bool) -> Any:
    """Consents that would cover this seat for the item's person, in basic information and these categories.

    `own_only`: the last day of those that the reader may read.
    """
    consent, keeper = aliased(Consent), aliased(Person)
    wanted = [
        consent.person_id == AgendaItem.person_id,
        *(
            exists().where(ConsentCategory.consent_id == consent.id, ConsentCategory.category == category)
            for category in sorted({Category.BASIC, *categories})
        ),
        predicates.consent_lives(consent, SITTER.agency_id, predicates.NOW),  # type: ignore[arg-type]
    ]
    if not own_only:
        return exists().where(*wanted).correlate(AgendaItem)
    kept = exists().where(
        keeper.id == consent.person_id, keeper.home_agency_id == predicates.READER.agency_id
    )
    mine = or_(consent.agency_id == predicates.READER.agency_id, kept)
    return select(func.max(consent.valid_until)).where(*wanted, mine).correlate(AgendaItem).scalar_subquery()


@cache
def grounds_statement() -> Select[*tuple[Any, ...]]:
    """Every basis of every seat for every item of the meeting that the reader knows of."""
    now = predicates.NOW
    subject = aliased(Person, name="subject")
    return (
        select(
            AgendaItem.id,
            SEAT.agency_id,
            Meeting.kind,
            AgendaItem.shared,
            AgendaItem.person_id.is_(None).label("nobody"),
            item_visibility.is_own(SITTER).label("own"),
            item_visibility.is_home(SITTER).label("home"),
            item_visibility.is_referral_party(SITTER).label("party"),
            item_visibility.is_live_referral_party(SITTER, now).label("live_party"),
            item_visibility.is_told(SITTER, now).label("told"),
            and_(tells_basic(), predicates.agency_sees(TELLER, Category.BASIC, now, subject)).label(
                "tellable"
            ),
            covers(own_only=False).label("covered"),
            covers(own_only=True).label("until"),
        )
        .select_from(AgendaItem)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(SEAT, SEAT.meeting_id == Meeting.id)
        .outerjoin(subject, subject.id == AgendaItem.person_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            and_(AgendaItem.removed_at.is_(None), AgendaItem.postponed_at.is_(None)),
            item_visibility.present(predicates.READER, now),
        )
    )


ROSTER = (
    select(
        Attendance.agency_id,
        func.count().label("named"),
        func.count(Attendance.secrecy_at).label("agreed"),
    )
    .where(Attendance.meeting_id == bindparam("meeting_id"), Attendance.staff_id.is_not(None))
    .group_by(Attendance.agency_id)
)


def load(
    session: Session, actor: Actor, meeting: MeetingView, now: datetime
) -> tuple[Matrix, list[ItemView]]:
    """The matrix as this reader may see it, and the items that the page names."""
    agreed = agreed_of(session, meeting)
    if meeting.needs_confidentiality:
        return Matrix([], False, 0, agreed), []
    items = agenda_queries.load_items(
        session, actor, meeting.id, now, with_hidden=meeting.is_arranged_by(actor)
    )
    cells = cells_of(actor, meeting, agreed, now)
    shown = [item for item in items if not item.is_hidden]
    rows = [(item, [cells[item.id][agency] for agency in meeting.members]) for item in shown]
    matrix = Matrix(rows, len(shown) < len(items), sum(item.minutes for item in items), agreed)
    return matrix, shown


def agreed_of(session: Session, meeting: MeetingView) -> dict[UUID, tuple[int, int]]:
    """Of each agency: how many acknowledged the duty of secrecy, of how many named."""
    rows = session.execute(ROSTER, {"meeting_id": meeting.id})
    return {row.agency_id: (row.agreed, row.named) for row in rows}


def cells_of(
    actor: Actor, meeting: MeetingView, agreed: dict[UUID, tuple[int, int]], now: datetime
) -> dict[UUID, dict[UUID, Cell]]:
    """By item and agency, for each item that the reader knows of."""
    values = predicates.bound(actor, now, meeting_id=meeting.id)
    cells: dict[UUID, dict[UUID, Cell]] = {}
    for row in db.unrestricted().execute(grounds_statement(), values):
        cells.setdefault(row.id, {})[row.agency_id] = cell_of(row, agreed.get(row.agency_id, (0, 0)))
    return cells


def cell_of(row: Any, agreed: tuple[int, int]) -> Cell:
    """The strongest basis: one without disclosure, else a disclosure, else what opening would disclose."""
    statutory = row.kind is MeetingKind.STATUTORY
    if statutory and not agreed[0]:
        return Cell(row.agency_id, Why.NOT_AGREED)
    why = standing(row) or tellable(row)
    until = row.until if why in {Why.CONSENT, Why.TOLD} and not statutory else None
    return Cell(row.agency_id, why, until)


def standing(row: Any) -> Why | None:
    """Why the item is open without a disclosure."""
    if row.nobody:
        return Why.NOBODY
    if row.own:
        return Why.OWN
    if row.kind is MeetingKind.CASE_STUDY:
        return Why.ANONYMOUS
    if row.live_party:
        return Why.PARTY
    if row.home and row.shared:
        return Why.HOME
    return Why.TOLD if row.told else None


def tellable(row: Any) -> Why:
    """What the opening of a packet would disclose, or why it would disclose nothing."""
    council = row.kind is MeetingKind.STATUTORY
    if row.shared and row.tellable and not row.home and (council or row.covered):
        return Why.COUNCIL if council else Why.CONSENT
    if row.party:
        return Why.STOPPED
    if not row.shared:
        return Why.NOT_SHARED
    return Why.NOT_TELLABLE if not row.tellable or council else Why.NO_CONSENT


def is_council(meeting: MeetingView) -> bool:
    return meeting.basis is Basis.COUNCIL
