"""Makes queries through the wall cheap to plan on PostgreSQL: each EXISTS of its rules becomes a function.

PostgreSQL plans an EXISTS anew for each column that asks it, in each statement. The plan of a function's body is made
once on a connection, whichever view calls it: docs/decisions/028. The functions run with the rights of the owner of the
views, for the reader has none on the tables; they answer yes or no, and only of what this reader may see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256

PARENTHESES = re.compile(r"(EXISTS \(|\(|\))")
ROW = re.compile(r"\bt\.(\w+)")
PREFIX = "wall_rule_"  # no statement of a page may name one: `portal/wall/postgresql.ROUND`


def planned_once(sql: str) -> str:
    """The text with an OFFSET in every EXISTS, which PostgreSQL otherwise plans twice, nested ones again."""
    return replaced(sql, lambda inner: f"EXISTS ({planned_once(inner)} OFFSET 0)")


def replaced(sql: str, made_of: Callable[[str], str]) -> str:
    """The text with each outermost EXISTS replaced by what `made_of` gives for it."""
    found: list[str] = []
    inner: list[str] | None = None
    depth = 0
    for part in PARENTHESES.split(sql):
        if inner is None:
            if part.startswith("EXISTS"):
                inner, depth = [], 0
            else:
                found.append(part)
            continue
        depth += part.endswith("(") - (part == ")")
        if depth < 0:
            found.append(made_of("".join(inner)))
            inner = None
        else:
            inner.append(part)
    if inner is not None:
        found += ["EXISTS (", *inner]  # a bracket stood in a literal: left as it was
    return "".join(found)


class Functions:
    """The functions that the views of one schema ask, each made once however many columns ask it."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.statements: dict[str, str] = {}

    def outlined(self, sql: str, types: Mapping[str, str]) -> str:
        """The text of a view with a function call for each EXISTS; `types` are those of the row's columns."""

        def call(inner: str) -> str:
            columns = sorted(set(ROW.findall(inner)))
            body = planned_once(ROW.sub(lambda found: f"${columns.index(found[1]) + 1}", inner))
            given = ", ".join(types[column] for column in columns)
            name = f"{self.schema}.{PREFIX}{sha256(f'{given} {body}'.encode()).hexdigest()[:16]}"
            self.statements[name] = (
                f"CREATE FUNCTION {name}({given}) RETURNS boolean LANGUAGE plpgsql"
                f" STABLE SECURITY DEFINER PARALLEL SAFE COST 10000 AS $$BEGIN RETURN EXISTS ({body}); END$$"
            )
            return f"{name}({', '.join(f't.{column}' for column in columns)})"

        return replaced(sql, call)
