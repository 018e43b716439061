"""What a search, a life or a person's file shows, taken out of the portal: as a table, or as a bundle with its proof."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import checkpoints, notes
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.audit.tree import inclusion, leaf
from portal.audit.vault import vault
from portal.db import db
from portal.errors import Invalid
from portal.policy import Actor, Permission, require
from portal.reports import audit_entries, audit_lives, audit_people, audit_queries
from portal.reports.audit_entries import Entry
from portal.reports.audit_lives import Life
from portal.reports.audit_queries import AuditFilter
from portal.words import N_

# Entries in one file; of the log as a whole, which needs no proofs, ten times as many.
MOST = 10_000
MOST_OF_ALL = 100_000
AT_ONCE = 1000

Choice = Callable[[Session], Select[AuditEntry]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Which entries are exported, and what the log says of it: the record it is about and its person."""

    choice: Choice
    subject: tuple[str, UUID | None]
    person_id: UUID | None = None
    is_everything: bool = False
    life: Life | None = None


def of_search(actor: Actor, wanted: AuditFilter) -> Taken:
    require(actor, Permission.AUDIT_READ)
    person_id = wanted.people[0] if len(wanted.people) == 1 else None
    return Taken(
        lambda session: audit_queries.chosen(session, wanted),
        ("audit_entry", None),
        person_id,
        is_everything=wanted.is_everything,
    )


def of_life(actor: Actor, referral_id: UUID) -> Taken:
    """Raises NoResultFound: there is no such referral."""
    require(actor, Permission.AUDIT_READ)
    life = audit_lives.load(db.read(), actor, referral_id)
    return Taken(
        lambda session: audit_lives.about(session, life), ("referral", referral_id), life.person_id, life=life
    )


def of_person(actor: Actor, person_id: UUID) -> Taken:
    """Raises NoResultFound: there is no such person."""
    audit_people.named(actor, person_id)
    return Taken(lambda _session: audit_people.about(person_id), ("person", person_id), person_id)


def table(actor: Actor, taken: Taken, how: str) -> list[Entry]:
    """The entries in words, the oldest first; that they were taken out is logged.

    Raises:
        NotAllowed: the reader is no auditor.
        Invalid: more than fit into one file.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    statement = taken.choice(session).order_by(AuditEntry.seq).limit(MOST + 1)
    found = audit_entries.entries(session, statement)
    refuse_too_many(len(found), MOST)
    note(actor, taken, how, len(found))
    return found


def bundle(actor: Actor, taken: Taken) -> BytesIO:
    """The entries byte for byte with their proofs under a checkpoint of this moment: `docs/audit-log.md`.

    Raises:
        NotAllowed: the reader is no auditor.
        Invalid: more than fit into one file.
    """
    require(actor, Permission.AUDIT_READ)
    most = MOST_OF_ALL if taken.is_everything else MOST
    chosen = seqs(db.read(), taken, most)
    refuse_too_many(len(chosen), most)
    with db.transaction() as session:
        note(actor, taken, "bundle", len(chosen))
        signed = checkpoints.make(session)
    head = notes.parse(signed.partition("\n\n")[0] + "\n")
    # Read again: the whole log now ends with the entry of this export itself.
    wanted = range(1, head.size + 1) if taken.is_everything else chosen
    return pack(db.read(), head, signed, wanted, is_whole=taken.is_everything)


def seqs(session: Session, taken: Taken, most: int) -> list[int]:
    statement = taken.choice(session).with_only_columns(AuditEntry.seq)
    return list(session.scalars(statement.order_by(AuditEntry.seq).limit(most + 1)))


def refuse_too_many(count: int, most: int) -> None:
    if count > most:
        raise Invalid(
            N_("一度に出力できるのは%(most)s件までです。期間や機関でしぼり込み、分けて出力してください。"),
            most=f"{most:,}",
        )


def note(actor: Actor, taken: Taken, how: str, count: int) -> None:
    with db.transaction():
        audit.record(
            AuditEvent.LOG_EXPORTED,
            taken.subject,
            actor=actor,
            person_id=taken.person_id,
            channel="export",
            count=count,
            is_reading=True,
            entries=count,
            format=how,
        )


def pack(session: Session, head: notes.Head, signed: str, wanted: Any, *, is_whole: bool) -> BytesIO:
    proofs = {} if is_whole else proofs_of(session, head.size, wanted)
    signing = vault.ring.signing
    manifest = {
        "origin": head.origin,
        "vkey": notes.vkey(head.origin, signing.public_key()) if signing else "",
        "size": head.size,
        "entries": len(wanted),
        "complete": is_whole,
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member("manifest.json"), json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        archive.writestr(member("checkpoint.txt"), signed)
        with archive.open(member("entries.jsonl"), "w") as lines:
            for seq, body in bodies(session, AuditEntry.seq <= head.size, None if is_whole else wanted):
                line: dict[str, Any] = {"seq": seq, "body": body.decode()}
                if not is_whole:
                    line["proof"] = [step.hex() for step in proofs[seq - 1]]
                lines.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    packed.seek(0)
    return packed


def member(name: str) -> zipfile.ZipInfo:
    """A file of the bundle, with the time in Japan."""
    made = clock.in_japan(clock.now())
    info = zipfile.ZipInfo(name, made.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def proofs_of(session: Session, size: int, wanted: list[int]) -> dict[int, list[bytes]]:
    leaves = [leaf(body) for _seq, body in bodies(session, AuditEntry.seq <= size)]
    return inclusion(leaves, [seq - 1 for seq in wanted])


def bodies(
    session: Session, test: ColumnElement[bool], wanted: list[int] | None = None
) -> Iterator[tuple[int, bytes]]:
    """The stored bytes in order, a thousand at a time."""
    plain = select(AuditEntry.seq, AuditEntry.body).where(test).order_by(AuditEntry.seq)
    if wanted is None:
        yield from session.execute(plain.execution_options(yield_per=AT_ONCE))
        return
    for start in range(0, len(wanted), AT_ONCE):
        yield from session.execute(plain.where(AuditEntry.seq.in_(wanted[start : start + AT_ONCE])))
