"""What a value of a scenario file may be: text, codes, days, times, names given to things by earlier lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from portal.core import clock
from portal.core.text import UnusableText, clean_text
from portal.scenario.source import Mistake, Row, Table, Value, Word, WrongFile

KEY = re.compile(r"[a-z0-9_]+")
RELATIVE = re.compile(r"([+-]\d{1,5})d(?: +(\d{1,2}:\d{2}))?")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?")
# As many codes are listed to choose from; of more, only the closest is named.
MOST_LISTED = 12
FLAGS = {"true": True, "false": False}


class Sort(StrEnum):
    """What a `key` can name, with its word."""

    PLACE = "機関・支援メニュー"
    PERSON = "相談者"
    CONSENT = "同意"
    CASE = "ケース"
    GOAL = "目標"
    REFERRAL = "つなぎ"
    SERIES = "定例の会議"
    MEETING = "会議"
    ITEM = "議題"
    OUTCOME = "会議の結果"
    ISSUE = "地域課題"
    EMERGENCY = "緊急閲覧"
    ACTIVITY = "活動"
    ACTIVITY_SERIES = "定例の活動"
    PARTNER = "協力先"


@dataclass(slots=True)
class Reading:
    """The result of reading so far: the names given, and every mistake found."""

    today: date
    relative: bool = False  # inside `recent`
    named: dict[tuple[Sort, str], int] = field(default_factory=dict)
    staff: set[str] = field(default_factory=set)
    agencies: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)  # keys of lines that are wrong themselves
    mistakes: list[Mistake] = field(default_factory=list)

    def note(self, line: int, japanese: str, english: str) -> None:
        self.mistakes.append(Mistake(line, japanese, english))


Shape = Callable[[Value, Reading], Any]


@dataclass(frozen=True, slots=True)
class Field:
    shape: Shape
    required: bool


Fields = Mapping[str, Field]


def need(shape: Shape) -> Field:
    return Field(shape, True)


def may(shape: Shape) -> Field:
    return Field(shape, False)


def wrong(line: int, japanese: str, english: str) -> WrongFile:
    return WrongFile(Mistake(line, japanese, english))


def close_to(typed: str, names: Iterable[str]) -> tuple[str, str]:
    """A suggestion for what was meant, or nothing."""
    found = get_close_matches(typed, names, n=1)
    return (f"（{found[0]} のことですか）", f" (did you mean {found[0]}?)") if found else ("", "")


def word(value: Value, _reading: Reading | None = None) -> str:
    if not isinstance(value, Word):
        raise wrong(value.line, "ここには一つの値を書きます", "one value is expected here")
    return value.text


def text(value: Value, _reading: Reading) -> str:
    """Words, cleaned as a form cleans them; never blank."""
    typed = word(value)
    try:
        clean = clean_text(typed).strip()
    except UnusableText as error:
        raise wrong(value.line, "使えない文字があります", "an unusable character") from error
    if not clean:
        raise wrong(value.line, "値がありません", "the value is missing")
    return clean


def number(value: Value, _reading: Reading) -> int:
    typed = word(value)
    if not re.fullmatch(r"\d{1,6}", typed):
        raise wrong(value.line, f"数字ではありません：{typed}", "not a whole number")
    return int(typed)


def flag(value: Value, _reading: Reading) -> bool:
    typed = word(value)
    if typed not in FLAGS:
        raise wrong(value.line, f"true か false を書きます：{typed}", "true or false is expected")
    return FLAGS[typed]


def one_of(codes: Mapping[str, Any] | type[StrEnum]) -> Shape:
    """One of these codes; the enum's member or the mapping's value."""
    known: dict[str, Any] = (
        dict(codes) if isinstance(codes, Mapping) else {member.value: member for member in codes}
    )

    def shape(value: Value, _reading: Reading) -> Any:
        typed = word(value)
        if typed not in known:
            maybe = close_to(typed, known) if len(known) > MOST_LISTED else (f"（{'・'.join(known)}）", "")
            raise wrong(
                value.line, f"「{typed}」という値はありません{maybe[0]}", f'no such value "{typed}"{maybe[1]}'
            )
        return known[typed]

    return shape


def several(inner: Shape) -> Shape:
    """A list, in brackets or with dashes."""

    def shape(value: Value, reading: Reading) -> list[Any]:
        if not isinstance(value, Row):
            raise wrong(value.line, "ここにはリスト [ ] を書きます", "a list [ ] is expected here")
        return [inner(item, reading) for item in value.items]

    return shape


def table(fields: Fields) -> Shape:
    """A table of just these fields."""

    def shape(value: Value, reading: Reading) -> dict[str, Any]:
        if not isinstance(value, Table):
            raise wrong(
                value.line, "ここには項目 {名前: 値} を書きます", "fields {name: value} are expected here"
            )
        return filled(value, fields, reading)

    return shape


def filled(given: Table, fields: Fields, reading: Reading) -> dict[str, Any]:
    """The fields of a table, read; every mistake among them is noted."""
    for name in given.items:
        if name not in fields:
            maybe = close_to(name, fields)
            reading.note(
                given.line_of(name),
                f"「{name}」という項目はありません{maybe[0]}",
                f'no such field "{name}"{maybe[1]}',
            )
    for name, wanted in fields.items():
        if wanted.required and name not in given.items:
            reading.note(given.line, f"「{name}」がありません", f'"{name}" is missing')
    read: dict[str, Any] = {}
    for name, value in given.items.items():
        if name in fields:
            try:
                read[name] = fields[name].shape(value, reading)
            except WrongFile as error:
                reading.mistakes += error.mistakes
    return read


def days_away(typed: str, line: int, reading: Reading) -> tuple[date, str] | None:
    """`-3d 09:30` as a day and a time; None when it is written otherwise."""
    found = RELATIVE.fullmatch(typed)
    if found is None:
        return None
    if not reading.relative:
        raise wrong(line, "相対の日時は recent の中だけで使えます", "relative times belong into recent")
    try:
        return reading.today + timedelta(days=int(found[1])), found[2] or ""
    except OverflowError as error:
        raise wrong(line, f"遠すぎる日です：{typed}", "a day too far away") from error


def day(value: Value, reading: Reading) -> date:
    """2020-12-01, 令和2年12月1日, or `-5d` inside `recent`."""
    typed = word(value)
    away = days_away(typed, value.line, reading)
    if away and not away[1]:
        return away[0]
    try:
        return clock.parse_date(typed)
    except clock.DateProblem as error:
        raise wrong(value.line, f"日付が読めません：{typed}", "no such date (write 2020-12-01)") from error


def moment(value: Value, reading: Reading) -> datetime:
    """2020-12-01T09:30 in Japan unless a zone stands behind it, or `-3d 09:30` inside `recent`."""
    typed = word(value)
    away = days_away(typed, value.line, reading)
    whole = f"{away[0].isoformat()}T{away[1]:0>5}" if away and away[1] else typed
    try:
        if not MOMENT.fullmatch(whole):
            raise ValueError(whole)
        at = datetime.fromisoformat(whole)
        if not clock.FIRST_YEAR <= at.year <= clock.LAST_YEAR:
            raise ValueError(whole)
    except ValueError as error:
        raise wrong(
            value.line, f"日時が読めません：{typed}", "no such time (write 2020-12-01T09:30)"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=clock.JAPAN)


def new(sort: Sort) -> Shape:
    """A name for what this line makes."""

    def shape(value: Value, reading: Reading) -> str:
        key = word(value)
        if not KEY.fullmatch(key):
            raise wrong(
                value.line, f"key は英小文字・数字・_ で書きます：{key}", "a key has a-z, 0-9 and _ only"
            )
        if (sort, key) in reading.named:
            first = reading.named[sort, key]
            raise wrong(
                value.line,
                f"key「{key}」は{first}行目で使われています",
                f'the key "{key}" is taken on line {first}',
            )
        reading.named[sort, key] = value.line
        return key

    return shape


def known(sort: Sort) -> Shape:
    """The name of something that an earlier line makes."""

    def shape(value: Value, reading: Reading) -> str:
        key = word(value)
        if (sort, key) not in reading.named and key not in reading.excused:
            maybe = close_to(key, [name for kind, name in reading.named if kind is sort])
            raise wrong(
                value.line,
                f"{sort.value}「{key}」は、これより前にありません{maybe[0]}",
                f'no line above makes "{key}"{maybe[1]}',
            )
        return key

    return shape


def agency(value: Value, reading: Reading) -> str:
    key = str(known(Sort.PLACE)(value, reading))
    if key not in reading.agencies and key not in reading.excused:
        raise wrong(
            value.line, f"「{key}」は支援メニューです。機関の key を書きます", f'"{key}" is no agency'
        )
    return key


def offered(value: Value, reading: Reading) -> str:
    key = str(known(Sort.PLACE)(value, reading))
    if key in reading.agencies:
        raise wrong(
            value.line, f"「{key}」は機関です。支援メニューの key を書きます", f'"{key}" is no service'
        )
    return key


def colleague(value: Value, reading: Reading) -> str:
    """The e-mail of one of the file's staff."""
    email = word(value).lower()
    if email not in reading.staff:
        maybe = close_to(email, reading.staff)
        raise wrong(
            value.line,
            f"職員「{email}」は staff にいません{maybe[0]}",
            f'"{email}" is not among the staff{maybe[1]}',
        )
    return email
