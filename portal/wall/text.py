"""The second wall's rules as the text of views: the same for both databases except for finding the reader."""

# ruff: noqa: S608 - made of our own rules and names, and of nothing that anybody typed

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from portal.core.db import Base
from portal.wall.columns import shown
from portal.wall.rules import NOBODY
from portal.wall.tables import RULES

WHO = re.compile(r"@(\w+)(?:\(([^()]*)\))?")
BASE = re.compile(r"\bbase\.")
WALL = re.compile(r"\bwall\.")


def columns_of() -> dict[str, list[str]]:
    """The tables that have a rule, with their columns, in an order in which views can be created."""
    found = {
        name: [column.name for column in table.columns]
        for name, table in Base.metadata.tables.items()
        if name in RULES
    }
    ordered: dict[str, list[str]] = {}
    while len(ordered) < len(found):
        ready = [
            name for name in found if name not in ordered and looks_at(name) & set(found) <= set(ordered)
        ]
        assert ready, "rules that look at one another"  # noqa: S101
        ordered |= {name: found[name] for name in ready}
    return ordered


def looks_at(name: str) -> set[str]:
    rule = RULES[name]
    return set(re.findall(r"\bwall\.(\w+)", " ".join([rule.rows, *rule.columns.values()])))


def text_of(
    name: str, columns: Iterable[str], *, base: str, wall: str, value: Callable[[str, str], str]
) -> str:
    """The SELECT of one view. A column that is not declared is NULL, whatever its type."""
    rule = RULES[name]
    bare = shown(name) - set(rule.columns)
    found = [
        f"t.{column}"
        if column in bare
        else f"CASE WHEN {rule.columns.get(column, NOBODY)} THEN t.{column} END AS {column}"
        for column in columns
    ]
    sql = f"SELECT {', '.join(found)} FROM base.{name} t WHERE {rule.rows}"
    sql = WALL.sub(wall, BASE.sub(base, sql))
    return WHO.sub(lambda found: value(found[1], found[2] or ""), sql)


def tables_in(sql: str, base: str) -> frozenset[str]:
    """The tables that a view is made of."""
    return frozenset(re.findall(rf"\b{base}\.(\w+)", sql))
