"""Which addresses a sweep asks for: those of the records that a reader may know of, and some that are hidden from them.

A short run draws them by the seed that its header prints; with --long every page is asked for every id.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from flask import Flask
from werkzeug.routing import Rule, UUIDConverter

from portal.core.policy import Role
from tests.wall import canary_meetings, world_activities, world_emergency, world_inspections
from tests.wall.canaries import ReadingRights, Row
from tests.wall.sweep import SOME, Sweep, addresses, arguments, get_rules, table_of

# How many addresses of one kind are followed in a short run: `SOME` in a long one.
FEW = 2

# Records that are nobody's secret, and those of one's own account: not there, or not one's own, is told apart.
OPEN = {"agency", "service", "closure"}


def is_there(rights: ReadingRights, table: str, key: UUID) -> bool:
    """Whether the reader may know that this record is there at all."""
    row, works = rights.tables[table][key], rights.works
    if table in world_inspections.THERE:
        return world_inspections.THERE[table](rights, row)
    if table in world_activities.THERE:
        return works is not None and world_activities.THERE[table](rights, row)
    if table.startswith("emergency_"):
        return world_emergency.is_there(rights, table, row)
    if works is None:
        return False
    match table:
        case "person":
            return rights.truth.knows_of(works, key, rights.now, rights.staff)
        case "referral":
            return rights.truth.has_referral(works, key)
        case "consent":
            return works in {row["agency_id"], rights.truth.homes[row["person_id"]]}
        case "progress_note" | "case_goal":
            return bool(rights.tables["support_case"][row["case_id"]]["agency_id"] == works)
        case "family_tie":
            return (
                rights.truth.homes[row["person_id"]] == works
                or rights.truth.homes[row["relative_id"]] == works
            )
        case "meeting" | "meeting_series" | "attendance" | "agenda_item" | "meeting_outcome" | "local_issue":
            return is_at_table(rights, table, row)
        case "support_case" | "follow_up":
            return bool(row["agency_id"] == works)
    return table in OPEN


def is_at_table(rights: ReadingRights, table: str, row: Row) -> bool:
    """Of meetings: who sits there knows of the meeting, and of an item whoever sees or arranges it."""
    match table:
        case "meeting_series":
            return bool(canary_meetings.series(rights, row))
        case "local_issue":
            return canary_meetings.issue(rights, row)
        case "meeting_outcome":
            item = rights.tables["agenda_item"][row["item_id"]]
            return row["owner_agency_id"] == rights.works or is_at_table(rights, "agenda_item", item)
        case "agenda_item":
            meeting = rights.truth.meetings[row["meeting_id"]]
            arranges = rights.role is Role.COORDINATOR and meeting.convener == rights.works
            return arranges or rights.truth.has_item(rights.works, rights.staff, row["id"], rights.now)
    return canary_meetings.meeting(rights, row)


@dataclass(frozen=True)
class Draw:
    """How many addresses of each rule are asked for; `known` of records the reader may know of, None for all of them."""

    seed: int
    is_long: bool = False

    def sweep(self, sweep: Sweep, rights: ReadingRights, *, known: int | None, hidden: int) -> None:
        """Open them, and what the pages themselves offer: of that, too, less where less is asked for."""
        sweep.some = SOME if known is None or self.is_long else FEW
        sweep.through(self.addresses(sweep.app, rights, known=known, hidden=hidden))

    def addresses(self, app: Flask, rights: ReadingRights, *, known: int | None, hidden: int) -> list[str]:
        if self.is_long:
            return list(addresses(app, rights.tables))
        adapter, found = app.url_map.bind("localhost"), []
        for rule in get_rules(app):
            chance = Random(f"{self.seed} {rule.rule} {rights.staff}")
            groups: tuple[list[str], list[str]] = ([], [])
            for values in arguments(rule, rights.tables):
                groups[not may_know(rights, rule, values)].append(adapter.build(rule.endpoint, values))
            for group, most in zip(groups, (known, hidden), strict=True):
                found += group if most is None else chance.sample(group, min(most, len(group)))
        return found


def may_know(rights: ReadingRights, rule: Rule, values: dict[str, Any]) -> bool:
    """Whether the reader may know of every record that the address names."""
    ids = [name for name in values if isinstance(rule._converters[name], UUIDConverter)]  # noqa: SLF001
    for name in ids:
        table = table_of(name, rights.tables)
        if values[name] not in rights.tables[table] or not is_there(rights, table, values[name]):
            return False
    return True
