"""The rules of the wall as SQLAlchemy conditions: for questions about another reader than the session's.

`db.read` shows what its own reader may see, and needs no further check. Within a writing transaction, and on
a session that sees every row, an act asks here: whether this agency sees the person, to whom an item may be
disclosed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from itertools import chain
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BindParameter, Boolean, Date, Uuid, bindparam, false, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement, coercions, roles
from sqlalchemy.sql.visitors import InternalTraversal

from portal.core import clock
from portal.core.db import UTCDateTime
from portal.core.policy import Actor, Permission, Role, can
from portal.wall import rules
from portal.wall.text import BASE, WHO

# Building these conditions costs more than running them. A page in daily use builds its statement once, with
# placeholders for the reader and the moment, and runs it with `bound(actor, now)`.
NOW = cast(datetime, bindparam("now", type_=UTCDateTime()))
READER = Actor(
    staff_id=cast(UUID, bindparam("reader_staff", type_=Uuid())),
    membership_id=cast(UUID, None),
    name="",
    role=Role.STAFF,
    agency_id=cast(UUID, bindparam("reader_agency", type_=Uuid())),
    agency_name="",
)

Value = InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None] | UUID


def bound(actor: Actor, now: datetime, **more: Any) -> dict[str, Any]:
    """The parameters of a statement with `READER` and `NOW`; readers without casework see nothing by it."""
    agency_id = actor.agency_id if can(actor, Permission.CASEWORK) else None
    reader = {"reader_agency": agency_id, "reader_staff": actor.staff_id}
    return reader | {"now": now, "today": clock.japan_date(now)} | more


def day_of(now: Any) -> date:
    """The day in Japan, or the placeholder that `bound` will fill."""
    if isinstance(now, BindParameter):
        return cast(date, bindparam("today", type_=Date()))
    return clock.japan_date(now)


class Condition(ColumnElement[bool]):
    """The text of a rule, with columns and values of the statement in its placeholders."""

    __visit_name__ = "wall_condition"
    _traverse_internals = [  # SQLAlchemy's own: what makes two conditions the same
        ("pieces", InternalTraversal.dp_string_list),
        ("given", InternalTraversal.dp_clauseelement_list),
    ]
    type = Boolean()

    def __init__(self, pieces: Sequence[str], given: Sequence[Any]) -> None:
        self.pieces = list(pieces)
        self.given = [coercions.expect(roles.ExpressionElementRole, one) for one in given]

    @property
    def _from_objects(self) -> list[Any]:
        return list(chain.from_iterable(one._from_objects for one in self.given))  # noqa: SLF001


@compiles(Condition)
def written(condition: Condition, compiler: Any, **more: Any) -> str:
    first, *rest = condition.pieces
    found = [first]
    for value, piece in zip(condition.given, rest, strict=True):
        found += [compiler.process(value, **more), piece]
    return "".join(found)


@cache
def pieces_of(rule: str, rows: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The pieces of a rule between its placeholders, and what each placeholder stands for."""
    for row in rows:
        assert not re.search(rf"\bbase\.\w+ {row}\b", rule), f"{row} is another row within the rule"  # noqa: S101
    assert "wall." not in rule, "of another reader no view knows"  # noqa: S101
    text = WHO.sub(excluded, rule)
    place = re.compile(rf"@\w+|\b(?:{'|'.join(rows)})\.\w+" if rows else r"@\w+")
    plain = [BASE.sub("", piece) for piece in place.split(text)]
    assert not any("%" in piece for piece in plain), "a driver would take it for a place of its own"  # noqa: S101
    return plain, place.findall(text)


def excluded(found: re.Match[str]) -> str:
    """The condition for the exclusion from one person, for a reader other than the session's."""
    if found[1] == "unhindered":
        return "1 = 0"
    if found[1] != "excluded":
        return found[0]
    about = f"e.person_id = {found[2]} AND e.staff_id = @staff AND {rules.EXCLUDED_NOW}"
    return f"EXISTS (SELECT 1 FROM base.exclusion e WHERE {about})"  # noqa: S608 - made of our own rules


def condition(rule: str, actor: Actor | None = None, now: datetime | None = None, **given: Any) -> Condition:
    """This rule, for this reader at this moment.

    `given` says what stands for its rows (a model or an alias of one), and for names with `@` that the reader
    and the moment do not define (a value or a column).
    """
    pieces, places = pieces_of(rule, tuple(sorted(given)))
    return Condition(pieces, [value_for(place, actor, now, given) for place in places])


def value_for(place: str, actor: Actor | None, now: datetime | None, given: dict[str, Any]) -> Any:
    if not place.startswith("@"):
        row, column = place.split(".")
        return getattr(given[row], column)
    name = place[1:]
    if name in given:
        return typed(given[name], Uuid())
    match name:
        case "agency":
            return typed(cast(Actor, actor).agency_id, Uuid())
        case "staff":
            return typed(cast(Actor, actor).staff_id, Uuid())
        case "now":
            return typed(now, UTCDateTime())
        case "today":
            return typed(day_of(now), Date())
    raise KeyError(f"nobody says what {place} is")


def typed(value: Any, kind: Any) -> Any:
    is_column = isinstance(value, ColumnElement | InstrumentedAttribute)
    return value if is_column else literal(value, kind)


def works(actor: Actor) -> bool:
    """Whether this reader does casework: nobody else is shown anything of people by these rules."""
    return actor.agency_id is not None and can(actor, Permission.CASEWORK)


def for_caseworker(rule: str, actor: Actor, now: datetime | None = None, **given: Any) -> ColumnElement[bool]:
    """The same for caseworkers; false for others."""
    return condition(rule, actor, now, **given) if works(actor) else false()


# Consents and disclosures.


def stands(consent: Any, today: date) -> ColumnElement[bool]:
    """The consent is within its days, neither withdrawn as a whole nor renewed; one recipient may be out."""
    return condition(rules.stands("c"), c=consent, today=typed(today, Date()))


def covers(consent: Any, recipient: Value, today: date) -> ColumnElement[bool]:
    """The consent stands, names this recipient, and was not withdrawn for them."""
    return condition(
        rules.covers("c", "@recipient"), c=consent, recipient=recipient, today=typed(today, Date())
    )


def consent_lives(consent: Any, recipient: Value, now: datetime) -> ColumnElement[bool]:
    """The consent covers this recipient at this moment."""
    return covers(consent, recipient, day_of(now))


def disclosure_lives(told: Any, now: datetime) -> ColumnElement[bool]:
    """The disclosure has begun, has not ended by time or by act, and its basis is alive."""
    return condition(rules.LIVES, now=now, l=told)


def is_for(told: Any, actor: Actor) -> ColumnElement[bool]:
    """It was disclosed to the reader's agency; by a 支援会議 or an emergency, to this member."""
    return condition(rules.FOR_READER, actor, l=told)


def is_unopened(told: Any) -> ColumnElement[bool]:
    """It was disclosed by a referral that its recipient never opened."""
    return condition(rules.UNOPENED, l=told)


def tells(told: Any, actor: Actor, category: str, now: datetime) -> ColumnElement[bool]:
    """The disclosure shows this reader this category now, and its consent still covers it."""
    return condition(rules.tells(quoted(category)), actor, now, l=told)


def quoted(category: str) -> str:
    code = str(category)
    assert re.fullmatch(r"[a-z_]+", code), code  # noqa: S101
    return f"'{code}'"


def goes_on(referral: Any, now: datetime) -> ColumnElement[bool]:
    """After a refusal both sides may go on writing: the consent still covers the recipient."""
    return condition(rules.goes_on("r"), now=now, r=referral)


# People.


def is_excluded(actor: Actor, person_id: Any) -> ColumnElement[bool]:
    """This reader is shut out of the affairs of the person in this column (利益相反). It beats every other rule."""
    return condition("(@excluded(@person))", actor, person=person_id)


def is_staff_excluded(staff_id: Any, person_id: Any) -> ColumnElement[bool]:
    """The same for any member of staff; both arguments may be columns."""
    return condition("(@excluded(@person))", person=person_id, staff=staff_id)


def sees(actor: Actor, category: str, now: datetime, person: Any) -> ColumnElement[bool]:
    """`visible(reader, person, category, now)` of the design: kept at home, or disclosed on a live basis."""
    rule = f"({rules.free('t.id')} AND {rules.sees(quoted(category))})"
    return for_caseworker(rule, actor, now, t=person)


def agency_sees(actor: Actor, category: str, now: datetime, person: Any) -> ColumnElement[bool]:
    """The same for what an agency may disclose further: its work goes on when one member is excluded."""
    return for_caseworker(rules.sees(quoted(category)), actor, now, t=person)


def present(actor: Actor, now: datetime, person: Any) -> ColumnElement[bool]:
    """The reader may know that the person is on record at all, perhaps with everything withheld."""
    return for_caseworker(rules.PRESENT, actor, now, t=person)
