"""The monthly statistics as one reader may see them: national items, pairs of agencies, and what became of referrals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from portal.agencies.calendar import OpeningDays
from portal.cases.codes import Milestone, Outcome
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.referrals.states import Refusal
from portal.statistics import queries, small_numbers
from portal.statistics.figures import median
from portal.statistics.monthly import Month
from portal.statistics.queries import Passed
from portal.statistics.small_numbers import Shown, Table


class Item(Labelled):
    """One number by agency and month."""

    OPENED = "opened", N_("新規相談受付")
    PLANNED = "planned", N_("プラン作成")
    FOR_WORK = "for_work", N_("就労支援対象者")
    EMPLOYED = "employed", N_("就労者")
    EARNING_MORE = "earning_more", N_("増収者")
    REFERRED = "referred", N_("つなぎ（他機関へ）")


# The source and the day of each item, and the agency it counts for.
DEFINITIONS = {
    Item.OPENED: N_(
        "新しく始めたケースの数です。ケースを始めた日の月に、始めた機関で数えます。終結した人のケースをもう一度始めたときは、あらためて1件と数えます。"
    ),
    Item.PLANNED: N_(
        "ケースの節目「プラン作成」の数です。プランを作った日の月に、ケースの機関で数えます。作り直したプランも1件です。"
    ),
    Item.FOR_WORK: N_("プラン作成のうち、就労支援の対象とした人のプランの数です。"),
    Item.EMPLOYED: N_(
        "就職またはアルバイト・パート就労をした人の数です。ケースの節目、ケースの終結、受けたつなぎの完了のうち、年度の中でいちばん早い日の月に、支援した機関で1人を1回だけ数えます。"
    ),
    Item.EARNING_MORE: N_("ケースの節目「増収」の数です。増収した日の月に、ケースの機関で数えます。"),
    Item.REFERRED: N_(
        "ほかの機関へ送ったつなぎの数です。送った日の月に、送った機関で数えます。誤登録は除きます。"
    ),
}
# Items that the national statistics count in people rather than in cases or referrals.
UNITS = {item: N_("件") for item in Item} | {
    item: N_("人") for item in (Item.FOR_WORK, Item.EMPLOYED, Item.EARNING_MORE)
}


# The figures of the monthly statistics as they are shown: national items, referrals, pairs of agencies.

# The months of a fiscal year in their order.
MONTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3)
# Below this share a pair is marked as one where referrals wait.
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


class Band(Labelled):
    """A rough share, where the exact one would reveal a small number."""

    MOST = "most", N_("8割以上")
    HALF = "half", N_("5割以上")
    LESS = "less", N_("5割未満")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole: in numbers, in percent, or only roughly. All None: nothing may be shown."""

    percent: int | None = None
    band: Band | None = None
    part: int | None = None
    whole: int | None = None

    @property
    def is_low(self) -> bool:
        return self.band is Band.LESS or (self.percent is not None and self.percent < STUCK_BELOW)


def share(part: int, whole: int, least: int, *, known: tuple[int, int] = (0, 0), is_exact: bool) -> Share:
    """The share. `known` of `part` and `whole` the reader knows anyway; a small rest must not be revealed."""
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
    """Who referred to whom: how often, and how it was answered. Without `sent`, nothing of it is shown."""

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
        """The last day that is counted; when it lies before the period, nothing is shown of it yet."""
        return min(self.period.bounds[1], self.told_until)

    @property
    def is_cut(self) -> bool:
        """Whether events since the end of the last month are left out."""
        return self.last < min(self.period.bounds[1], clock.today())

    @property
    def is_running(self) -> bool:
        return self.period.bounds[1] >= clock.today()

    @property
    def has_hidden(self) -> bool:
        tables = [one.table for one in self.items.values()]
        lists = [row for table in tables for row in (*table.cells, table.rows, table.columns, [table.total])]
        return any(None in row for row in lists) or any(pair.sent is None for pair in self.pairs)


# Who asks for the monthly statistics, about what, and below which number nothing is shown to them.


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, about what, and the numbers below which counts are hidden from them: 1 hides nothing."""

    session: Session
    period: Period
    agency_id: UUID | None
    own_id: UUID | None
    sees_all: bool
    least: int

    @property
    def is_exact(self) -> bool:
        """Whether everything asked about is the reader's own."""
        return self.sees_all or (self.own_id is not None and self.agency_id == self.own_id)

    @property
    def told_until(self) -> date:
        """The last day that is counted. Of others whole months only, so that no number grows by one."""
        today = clock.today()
        return today if self.is_exact else today.replace(day=1) - timedelta(days=1)

    def given(self, period: Period) -> dict[str, Any]:
        first, last = period.bounds
        last = min(last, self.told_until)
        return {
            "first": first,
            "last": last,
            "since": clock.start_of_day(first),
            "until": clock.end_of_day(last),
            "today": min(self.told_until + timedelta(days=1), clock.today()),
            "told_on": self.told_until,
            "told": clock.end_of_day(self.told_until),
            "agency": self.agency_id,
            "own": self.own_id,
        }


# The national items by agency and month, without the numbers that this reader may not see.

# A line for each agency, a column for each month.
Cells = list[list[int]]
COLUMN = {month: at for at, month in enumerate(MONTHS)}


def of_items(scope: Scope, agencies: Sequence[UUID]) -> dict[Item, ItemTable]:
    """Every national item of the whole year, by agency and month: one month is a column of the same table."""
    session, given = scope.session, scope.given(Period(scope.period.year))
    places = {agency: at for at, agency in enumerate(agencies)}
    cells: dict[Item, Cells] = {item: [[0] * len(MONTHS) for _ in agencies] for item in Item}
    known: Cells = [[0] * len(MONTHS) for _ in agencies]
    nothing: Cells = [[0] * len(MONTHS) for _ in agencies]
    for agency, month, number in session.execute(queries.opened(), given):
        cells[Item.OPENED][places[agency]][COLUMN[month]] += number
    for agency, month, what, for_work, number in session.execute(queries.milestones(), given):
        is_plan = what is Milestone.PLAN_MADE
        cells[Item.PLANNED if is_plan else Item.EARNING_MORE][places[agency]][COLUMN[month]] += number
        if is_plan and for_work:
            cells[Item.FOR_WORK][places[agency]][COLUMN[month]] += number
    for agency, month, number in session.execute(queries.employed(), given):
        cells[Item.EMPLOYED][places[agency]][COLUMN[month]] += number
    for agency, month, is_own, number in session.execute(queries.referred(), given):
        row, column = places[agency], COLUMN[month]
        cells[Item.REFERRED][row][column] += number
        if is_own:
            known[row][column] += number
    exact = [[scope.sees_all or agency == scope.own_id] * len(MONTHS) for agency in agencies]
    return {
        item: ItemTable(
            item, places, masked(scope, cells[item], exact, known if item is Item.REFERRED else nothing)
        )
        for item in Item
    }


def masked(scope: Scope, cells: Cells, exact: Sequence[Sequence[bool]], known: Cells) -> Table:
    """The table without hidden numbers; what the reader knows of others anyway (`known`) is always shown."""
    left = [
        [number - more for number, more in zip(row, rest, strict=True)]
        for row, rest in zip(cells, known, strict=True)
    ]
    return added(small_numbers.table(left, exact, scope.least), known)


def added(shown: Table, sure: Sequence[Sequence[int]]) -> Table:
    def plus(number: Shown, more: int) -> Shown:
        return None if number is None else number + more

    return Table(
        cells=[
            [plus(one, more) for one, more in zip(row, known, strict=True)]
            for row, known in zip(shown.cells, sure, strict=True)
        ],
        rows=[plus(one, sum(known)) for one, known in zip(shown.rows, sure, strict=True)],
        columns=[plus(one, sum(row[at] for row in sure)) for at, one in enumerate(shown.columns)],
        total=plus(shown.total, sum(map(sum, sure))),
    )


# Who refers to whom: the pairs of agencies, how often, and where referrals wait.

# So many pairs fit a page; the others are found by their agency.
MOST = 30
# Among no more agencies than this, every pair is shown in full.
FEW_AGENCIES = 15


@dataclass(frozen=True, slots=True)
class Counted:
    """One pair in the period, as the database counted it."""

    sender: UUID
    recipient: UUID
    sent: int
    receipt_due: int
    received_in_time: int
    answer_due: int
    answered_in_time: int
    refused: int


def of_pairs(
    scope: Scope, counted: Sequence[Counted], totals: Mapping[UUID, Shown], days: Mapping[UUID, OpeningDays]
) -> list[Pair]:
    """The pairs that this reader may see, the busiest first; those with a hidden number come last.

    Of a single month only the reader's own pairs: twelve months beside their year would reveal others.
    """
    told = shown_numbers(scope, counted, totals)
    chosen = [
        one
        for one in counted
        if (one.sender, one.recipient) in told and scope.agency_id in (None, one.sender, one.recipient)
    ]
    chosen.sort(key=lambda one: (-(told[one.sender, one.recipient] or 0), one.sender.int, one.recipient.int))
    is_few = scope.agency_id is not None or len(days) <= FEW_AGENCIES
    full = [
        one for one in (chosen if is_few else chosen[:MOST]) if told[one.sender, one.recipient] is not None
    ]
    medians = medians_of(scope, full, days)
    brief = (one for one in chosen[len(full) :])
    return [
        *(pair_of(scope, one, medians) for one in full),
        *(Pair(one.sender, one.recipient, told[one.sender, one.recipient]) for one in brief),
    ]


def shown_numbers(
    scope: Scope, counted: Sequence[Counted], totals: Mapping[UUID, Shown]
) -> dict[tuple[UUID, UUID], Shown]:
    if scope.sees_all or scope.period.month is not None:
        mine = (one for one in counted if scope.sees_all or is_own(scope, one))
        return {(one.sender, one.recipient): one.sent for one in mine}
    lines: defaultdict[UUID, list[Counted]] = defaultdict(list)
    for one in counted:
        lines[one.sender].append(one)
    found: dict[tuple[UUID, UUID], Shown] = {}
    for sender, line in lines.items():
        exact = [is_own(scope, one) for one in line]
        numbers = small_numbers.line(
            [one.sent for one in line], exact, scope.least, is_total_shown=totals[sender] is not None
        )
        found |= {(sender, one.recipient): shown for one, shown in zip(line, numbers, strict=True)}
    return found


def is_own(scope: Scope, one: Counted) -> bool:
    return scope.own_id in (one.sender, one.recipient)


def pair_of(scope: Scope, one: Counted, medians: Mapping[tuple[UUID, UUID], int | None]) -> Pair:
    is_exact = scope.sees_all or is_own(scope, one)
    return Pair(
        sender=one.sender,
        recipient=one.recipient,
        sent=one.sent,
        received=share(one.received_in_time, one.receipt_due, scope.least, is_exact=is_exact),
        answered=share(one.answered_in_time, one.answer_due, scope.least, is_exact=is_exact),
        refused=share(one.refused, one.sent, scope.least, is_exact=is_exact),
        median=medians.get((one.sender, one.recipient)),
    )


def medians_of(
    scope: Scope, full: Iterable[Counted], days: Mapping[UUID, OpeningDays]
) -> dict[tuple[UUID, UUID], int | None]:
    """The median of business days until the answer, by pair."""
    took: defaultdict[tuple[UUID, UUID], Counter[int]] = defaultdict(Counter)
    passed = {recipient: Passed(one, scope.period.bounds[0]) for recipient, one in days.items()}
    wanted = [(one.sender, one.recipient) for one in full]
    rows = scope.session.execute(queries.answers(), scope.given(scope.period) | {"pairs": wanted})
    for sender, recipient, sent, answered, number in rows:
        waited = passed[recipient][answered] - passed[recipient][sent]
        took[sender, recipient][max(0, waited)] += number
    return {
        pair: median(found)
        for pair, found in took.items()
        if scope.sees_all or scope.own_id in pair or found.total() >= scope.least
    }


# What became of the referrals of a period: in time or not, why refused, with which outcome, after how many days.

Code = TypeVar("Code", Refusal, Outcome)


def of_flow(
    scope: Scope, counted: Sequence[Counted], referred: ItemTable, days: Mapping[UUID, OpeningDays]
) -> Flow | None:
    """The flow; None for the details of another agency, which only the auditor has."""
    if scope.agency_id is not None and not scope.is_exact:
        return None
    asked = [one for one in counted if scope.agency_id in (None, one.sender, one.recipient)]
    own = [one for one in asked if scope.own_id in (one.sender, one.recipient)]
    rows = scope.session.execute(queries.ends(), scope.given(Period(scope.period.year))).all()
    refused, refusals = of_codes(scope, list(Refusal), [(row[0], row[1], row[2], row[4]) for row in rows])
    ended, outcomes = of_codes(scope, list(Outcome), [(row[0], row[1], row[3], row[4]) for row in rows])
    sent = sum(one.sent for one in asked) if scope.is_exact else referred.of_all(scope.period.month)

    def in_time(part: Callable[[Counted], int], whole: Callable[[Counted], int]) -> Share:
        known = sum(map(part, own)), sum(map(whole, own))
        whole_of, part_of = sum(map(whole, asked)), sum(map(part, asked))
        return share(part_of, whole_of, scope.least, known=known, is_exact=scope.is_exact)

    return Flow(
        sent=sent,
        received=in_time(lambda one: one.received_in_time, lambda one: one.receipt_due),
        answered=in_time(lambda one: one.answered_in_time, lambda one: one.answer_due),
        refused=refused,
        refusals=refusals,
        ended=ended,
        outcomes=outcomes,
        medians=Medians() if sent is None else of_medians(scope, days),
    )


def of_codes(
    scope: Scope, codes: Sequence[Code], rows: Sequence[tuple[int, int, Code | None, int]]
) -> tuple[Shown, dict[Code, Shown]]:
    """How often each code came, and all together: of the year and of each month out of one table."""
    others, known = ([[0] * len(MONTHS) for _ in codes] for _ in range(2))
    for month, is_own, code, number in rows:
        if code is not None:
            (known if is_own else others)[codes.index(code)][MONTHS.index(month)] += number
    exact = [[scope.is_exact] * len(MONTHS) for _ in codes]
    shown = added(small_numbers.table(others, exact, scope.least), known)
    if scope.period.month is None:
        return shown.total, dict(zip(codes, shown.rows, strict=True))
    at = MONTHS.index(scope.period.month)
    return shown.columns[at], {code: shown.cells[i][at] for i, code in enumerate(codes)}


def of_medians(scope: Scope, days: Mapping[UUID, OpeningDays]) -> Medians:
    """The medians; None for fewer referrals than the reader may see."""
    given = scope.given(scope.period)
    shared: defaultdict[OpeningDays, list[UUID]] = defaultdict(list)
    for agency, one in days.items():
        shared[one].append(agency)
    calendars = sorted(shared, key=lambda one: -len(shared[one]))  # the most common is asked for by no test
    which = {f"calendar{n}": shared[one] for n, one in enumerate(calendars) if n}
    steps = scope.session.execute(queries.business_steps(max(1, len(calendars))), given | which)
    took: dict[str, Counter[int]] = defaultdict(Counter)
    receiving, answering = took["received"], took["answered"]
    passed = [Passed(one, scope.period.bounds[0]) for one in calendars]
    for calendar, sent, received, answered, number in steps:
        open_days = passed[calendar]
        before = open_days[sent]
        if received is not None:
            receiving[max(0, open_days[received] - before)] += number
        if answered is not None:
            answering[max(0, open_days[answered] - before)] += number
    for started, ended, number in scope.session.execute(queries.calendar_steps(), given):
        for step, waited in (("started", started), ("ended", ended)):
            if waited is not None:
                took[step][max(0, waited)] += number
    least = 1 if scope.is_exact else scope.least
    return Medians(**{step: median(found) for step, found in took.items() if found.total() >= least})
