"""The auditor in the canaries' world: a name that was open for a day, a sample, findings with their answers, an erasure asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from portal.core import clock
from portal.core.db import db
from portal.inspections import findings, names, samples
from portal.inspections.findings import Statement
from portal.inspections.hints import Check, Verdict
from portal.inspections.models import FindingKind, SampleItem
from portal.inspections.samples import Draw
from portal.retention import services as retention
from portal.retention.models import ErasureGround
from tests.wall.world_exclusions import is_concerned

if TYPE_CHECKING:
    from tests.factories import Member
    from tests.wall.canaries import ReadingRights
    from tests.wall.world import World

Row = dict[str, Any]


def own(rights: ReadingRights, row: Row) -> bool:
    """Findings are for those who answer for the agency: its coordinators, and whoever administers it."""
    answers = rights.role in {"coordinator", "agency_admin"} or rights.administers
    return answers and bool(row["agency_id"] == rights.agency)


def nobody(_eye: ReadingRights, _row: Row) -> bool:
    return False


def asked_for(rights: ReadingRights, row: Row) -> bool:
    """The colleagues of who proposed it; the person's own words are not in it."""
    return bool(row["agency_id"] == rights.agency)


# By everybody but the auditor; auditors read what they wrote themselves.
RULES_OF_INSPECTIONS = {
    **{("audit_finding", column): own for column in ("text", "answer", "closing")},
    ("name_opening", "reason"): nobody,
    ("name_opening", "number"): nobody,
    ("audit_sample_item", "note"): nobody,
    ("erasure", "reason"): asked_for,
}
AUDITORS_OWN = {
    *(("audit_finding", column) for column in ("text", "answer", "closing")),
    *(("name_opening", "reason"), ("audit_sample_item", "note")),
}


def is_found(rights: ReadingRights, row: Row) -> bool:
    return own(rights, row) or rights.role == "auditor"


def is_asked_for(rights: ReadingRights, row: Row) -> bool:
    knows = rights.works is None or not rights.truth.is_out(rights.staff, row["person_id"])
    return rights.agency is not None and asked_for(rights, row) and knows


def is_excluded(rights: ReadingRights, row: Row) -> bool:
    """An exclusion, for who may lift it or has it on their list."""
    return rights.works is not None and is_concerned(rights, row)


# Who may know that such a record is there at all.
THERE = {
    "audit_finding": is_found,
    "audit_sample": lambda rights, _row: rights.role == "auditor",
    "audit_sample_item": lambda rights, _row: rights.role == "auditor",
    "erasure": is_asked_for,
    "exclusion": is_excluded,
}
ADMINISTRATORS = {("audit_finding", column) for column in ("text", "answer", "closing")} | {
    ("erasure", "reason")
}
CODES_OF_INSPECTIONS = {
    *(("audit_finding", "check_code"), ("audit_sample", "seed"), ("audit_sample_item", "answers")),
}


def happen(world: World) -> None:
    auditor, word = world.members["auditor"], world.canaries.word
    with clock.frozen(clock.now() - timedelta(days=3)):
        names.open_name(auditor.actor, world.people["live"], word())
        samples.draw(auditor.actor, Draw(clock.today() - timedelta(days=60), clock.today(), 3, seed="見本"))
        item = db.read.query(SampleItem).order_by(SampleItem.position).first()
        db.end()
        assert item
        verdicts = dict.fromkeys(Check, Verdict.OK)
        samples.check(auditor.actor, item.id, verdicts, word())
        for member in (world.chair, world.members["b's coordinator"]):
            find(world, auditor, member)
        world.person("to be erased")
        retention.propose(world.a.actor, world.people["to be erased"], ErasureGround.UNLAWFUL, word())


def find(world: World, auditor: Member, member: Member) -> None:
    """Stated, answered, closed."""
    word, due_on = world.canaries.word, clock.today() + timedelta(days=30)
    assert member.agency_id
    said = Statement(member.agency_id, FindingKind.WEAKNESS, word(), due_on)
    finding = findings.state(auditor.actor, said)
    findings.answer(member.actor, finding, word())
    findings.close(auditor.actor, finding, word())
