"""Breaks each rule of the wall once and says whether the tests notice: by hand, `python -m tests.wall.break_rules`.

In one world each table's rows and columns are opened to everybody, each column and table is closed to everybody, and each
condition that rules are made of is left out everywhere. What `test_views` compares must differ for some reader: what
does not is printed, and the script ends with 1.
"""

# ruff: noqa: E501 - conditions as they stand in the rules

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import portal
from config import TestConfig
from portal.core.db import db
from portal.wall import text
from portal.wall.rules import EVERYBODY, NOBODY, Rule
from portal.wall.tables import RULES
from tests.conftest import look_at_everything
from tests.databases import SQLiteFiles
from tests.wall.canaries import planted_words
from tests.wall.test_canary_sweep import READERS, rights_of, tables_of
from tests.wall.test_views import differences, leaks, rows_got, words_read
from tests.wall.world_every_ending import every_ending

Tables = dict[str, Rule]
# Conditions that rules share, as they stand in their text, each to be left out everywhere.
SHARED: Mapping[str, str] = {
    "nobody is excluded": r"\(@unhindered OR NOT @excluded\([^()]*\)\)",
    "a consent has begun": r"\w+\.valid_from <= @today",
    "a consent has not lapsed": r"\w+\.valid_until >= @today",
    "a consent was not withdrawn as a whole": r"AND NOT EXISTS \(SELECT 1 FROM base\.withdrawal w WHERE w\.consent_id = \w+\.id AND w\.recipient_id IS NULL\)",
    "a consent was not withdrawn for the recipient": r"AND NOT EXISTS \(SELECT 1 FROM base\.withdrawal w WHERE w\.consent_id = \w+\.id AND w\.recipient_id = [\w.]+\)",
    "a consent was not renewed": r"AND NOT EXISTS \(SELECT 1 FROM base\.consent n WHERE n\.replaces_id = \w+\.id\)",
    "a consent names the recipient": r"AND EXISTS \(SELECT 1 FROM base\.consent_recipient cr WHERE cr\.consent_id = \w+\.id AND cr\.agency_id = [\w.]+\)",
    "a consent covers the category": r"\(l\.basis <> 'consent' OR EXISTS \(SELECT 1 FROM base\.consent_category cc\n WHERE cc\.consent_id = l\.consent_id AND cc\.category = [\w.']+\)\)",
    "the line tells the category": r"AND EXISTS \(SELECT 1 FROM base\.disclosure_category dc WHERE dc\.disclosure_id = l\.id AND dc\.category = [\w.']+\)",
    "the line is for the agency": r"[lt]\.to_agency_id = @agency",
    "the line is for the member": r"\([lt]\.basis NOT IN \('council', 'emergency'\) OR [lt]\.to_staff_id = @staff\)",
    "the line is not anonymous": r"l\.basis <> 'anonymous'",
    "the line has not ended by time": r"\(l\.ends_at IS NULL OR l\.ends_at > @now\)",
    "the line has not ended by act": r"l\.ended_at IS NULL",
    "the reader is at the table": r"EXISTS \(SELECT 1 FROM base\.meeting_member s WHERE s\.meeting_id = [\w.]+ AND s\.agency_id = @agency\)",
    "a 支援会議 is for those who agreed": r"\(m\.kind <> 'statutory' OR EXISTS \(SELECT 1 FROM base\.attendance a\n WHERE [^()]*\)\)",
    "the agenda is out": r"\(m\.status IN \([^()]*\)\n OR \w+\.brought_by_id = @agency OR m\.convener_id = @convener\)",
    "the item is shared with the record holder": r"(?<=\()\w+\.shared AND ",
    "the referral was sent": r"\w+\.sent_at IS NOT NULL",
}


# What no session of this world asks for, and the tests that do.
ELSEWHERE = {"invitation.token_hash: to nobody": "whoever presents the token: tests/accounts/test_staff.py"}


def broken(rule: Rule, pattern: str) -> Rule:
    def without(sql: str) -> str:
        return re.sub(
            pattern,
            lambda found: (
                "AND 1 = 1" if found[0].startswith("AND") else "" if found[0].endswith("AND ") else "1 = 1"
            ),
            sql,
        )

    return replace(
        rule, rows=without(rule.rows), columns={name: without(sql) for name, sql in rule.columns.items()}
    )


def breaks() -> Iterator[tuple[str, Tables]]:
    """Each way to break the declaration: its name, and the tables whose rules it changes."""
    for name, rule in RULES.items():
        if rule.rows != EVERYBODY:
            yield f"{name}: every row to everybody", {name: replace(rule, rows=EVERYBODY)}
        if rule.rows != NOBODY:
            yield f"{name}: no row to anybody", {name: replace(rule, rows=NOBODY)}
        for column, test in rule.columns.items():
            if test != EVERYBODY:
                opened = {**rule.columns, column: EVERYBODY}
                yield f"{name}.{column}: to whoever sees the row", {name: replace(rule, columns=opened)}
            if test != NOBODY:
                closed = {**rule.columns, column: NOBODY}
                yield f"{name}.{column}: to nobody", {name: replace(rule, columns=closed)}
    for name, pattern in SHARED.items():
        changed = {table: broken(rule, pattern) for table, rule in RULES.items()}
        yield f"everywhere: {name}", {t: rule for t, rule in changed.items() if rule != RULES[t]}


@contextmanager
def in_force(changed: Tables) -> Iterator[None]:
    """The views are made anew of the broken rules, and of the right ones afterwards."""
    right = dict(RULES)
    RULES.update(changed)  # type: ignore[attr-defined]
    db.dispose()
    try:
        yield
    finally:
        RULES.update(right)  # type: ignore[attr-defined]
        db.dispose()


def looking(name: str) -> set[str]:
    """The tables whose views are made of the view of this one, and itself."""
    found = {name}
    while more := {table for table in RULES if text.looks_at(table) & found} - found:
        found |= more
    return found


def main() -> int:
    made = SQLiteFiles()
    url = made.fresh()
    look_at_everything()
    app = portal.create_app(type("Here", (TestConfig,), {"DATABASE_URL": url}))
    with app.app_context():
        world = every_ending()
    db.end()
    tables_there = tables_of(app, with_log=True)
    rights = {reader: replace(rights_of(app, world, reader), tables=tables_there) for reader in READERS}
    known = planted_words(next(iter(rights.values())).tables)
    right = {(r, t): rows_got(world.members.get(r), t) for r in READERS for t in RULES}
    unnoticed = 0
    for name, changed in breaks():
        with in_force(changed):
            tables = sorted({one for table in changed for one in looking(table)})
            differs, red = set(), set()
            for reader in READERS:
                for table in tables:
                    who = world.members.get(reader)
                    got = rows_got(who, table)
                    if got == right[reader, table]:
                        continue
                    differs.add(reader)
                    found = words_read(who, table, known)
                    mine = rights[reader]
                    if differences(mine, table, got) or leaks(mine, table, found, known):
                        red.add(reader)
        verdict = (
            f"red as {', '.join(sorted(red))}"
            if red
            else "NOT RED"
            if differs
            else "changes nothing in this world"
        )
        if not red and name in ELSEWHERE:
            verdict = ELSEWHERE[name]
        unnoticed += not red and name not in ELSEWHERE
        sys.stdout.write(f"{verdict:<60} {name}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{unnoticed} of them unnoticed by test_views\n")
    made.close()
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
