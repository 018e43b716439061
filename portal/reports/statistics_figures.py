"""The figures of the monthly statistics as they are shown: national items, referrals, pairs of agencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from portal import clock
from portal.cases.codes import Outcome
from portal.referrals.states import Refusal
from portal.reports import small_numbers
from portal.reports.monthly import Month
from portal.reports.small_numbers import Shown
from portal.reports.statistics_items import Item
from portal.words import N_, Worded

# The months of a fiscal year in their order.
MONTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3)
# Below it a pair is marked as one where referrals wait.
STUCK_BELOW = 50


@dataclass(frozen=True, slots=True)
class Period:
    """A fiscal year, or one month of it."""

    year: int
    month: int | None = None

    @property
    def has_begun(self) -> bool:
        return self.bounds[0] <= clock.today()

    @property
    def begun(self) -> tuple[int, ...]:
        """The months of the year that have begun."""
        return tuple(month for month in MONTHS if Period(self.year, month).has_begun)

    @property
    def bounds(self) -> tuple[date, date]:
        if self.month is None:
            return clock.fiscal_year_bounds(self.year)
        found = Month.of(self.year + (self.month < 4), self.month)
        return found.first, found.last


class Band(Worded):
    """A share told roughly, where the exact one would tell a small number."""

    MOST = "most", N_("8割以上")
    HALF = "half", N_("5割以上")
    LESS = "less", N_("5割未満")


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many: in numbers, in percent, or only roughly. All None: nothing to tell."""

    percent: int | None = None
    band: Band | None = None
    part: int | None = None
    whole: int | None = None

    @property
    def is_low(self) -> bool:
        return self.band is Band.LESS or (self.percent is not None and self.percent < STUCK_BELOW)


def share(part: int, whole: int, least: int, *, known: tuple[int, int] = (0, 0), is_exact: bool) -> Share:
    """Of `part` and `whole` the reader knows `known` anyway; what is left must not be told when it is small."""
    if not whole:
        return Share()
    percent = round(100 * part / whole)
    if is_exact:
        return Share(percent, None, part, whole)
    left = part - known[0], (whole - known[1]) - (part - known[0])
    if any(0 < number < least for number in left):
        return Share(band=Band.MOST if percent >= 80 else Band.HALF if percent >= 50 else Band.LESS)
    return Share(percent)


@dataclass(frozen=True, slots=True)
class ItemTable:
    """One national item, by agency and month."""

    item: Item
    places: Mapping[UUID, int]
    table: small_numbers.Table

    def of(self, agency_id: UUID, month: int | None) -> Shown:
        at = self.places[agency_id]
        return self.table.rows[at] if month is None else self.table.cells[at][MONTHS.index(month)]

    def of_all(self, month: int | None) -> Shown:
        if not self.places:
            return 0
        return self.table.total if month is None else self.table.columns[MONTHS.index(month)]

    def months(self, agency_id: UUID | None) -> list[Shown]:
        """Twelve months, and the year."""
        return [self.of(agency_id, m) if agency_id else self.of_all(m) for m in (*MONTHS, None)]


@dataclass(frozen=True, slots=True)
class Pair:
    """Who referred to whom: how often, and how it was answered. Without `sent`, nothing of it is told."""

    sender: UUID
    recipient: UUID
    sent: Shown
    received: Share = Share()
    answered: Share = Share()
    refused: Share = Share()
    median: int | None = None

    @property
    def is_stuck(self) -> bool:
        return self.sent is not None and self.answered.is_low


@dataclass(frozen=True, slots=True)
class Medians:
    """Days from sending to each step, in the middle: two in the recipient's business days, two in days."""

    received: int | None = None
    answered: int | None = None
    started: int | None = None
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What became of the referrals that were sent in the period."""

    sent: Shown
    received: Share
    answered: Share
    refused: Shown
    refusals: Mapping[Refusal, Shown]
    ended: Shown
    outcomes: Mapping[Outcome, Shown]
    medians: Medians


@dataclass(frozen=True, slots=True)
class Statistics:
    """One page. `agency_id` is the agency that is asked about; `flow` is None where the reader may not have it."""

    period: Period
    agency_id: UUID | None
    own_id: UUID | None
    sees_all: bool
    least: int
    told_until: date
    agencies: Mapping[UUID, str]
    items: Mapping[Item, ItemTable]
    flow: Flow | None
    pairs: list[Pair]

    @property
    def last(self) -> date:
        """The last day that is counted; before the period's first, nothing is told of it yet."""
        return min(self.period.bounds[1], self.told_until)

    @property
    def is_cut(self) -> bool:
        """What has happened since the end of the last month is not told."""
        return self.last < min(self.period.bounds[1], clock.today())

    @property
    def is_running(self) -> bool:
        return self.period.bounds[1] >= clock.today()

    @property
    def has_hidden(self) -> bool:
        tables = [one.table for one in self.items.values()]
        lists = [row for table in tables for row in (*table.cells, table.rows, table.columns, [table.total])]
        return any(None in row for row in lists) or any(pair.sent is None for pair in self.pairs)
