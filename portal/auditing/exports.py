"""Exports of a search, a life or a person's file, as CSV, Excel or a bundle with proofs; logged."""

from __future__ import annotations

import csv
import json
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any
from uuid import UUID

import xlsxwriter
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from portal.audit import checkpoints, notes
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.audit.tree import inclusion, leaf
from portal.audit.vault import vault
from portal.auditing import entries as auditing_entries
from portal.auditing import lives, people, queries
from portal.auditing.entries import Entry
from portal.auditing.lives import Life
from portal.auditing.queries import AuditFilter
from portal.auditing.story import Stood
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Invalid
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.web.formats import era_date, t

# Entries in one file; of the log as a whole, which needs no proofs, ten times as many.
MOST = 10_000
MOST_OF_ALL = 100_000
AT_ONCE = 1000

Choice = Callable[[Session], Select[AuditEntry]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The entries to export, and what the log says about the export: its record and person."""

    choice: Choice
    subject: tuple[str, UUID | None]
    person_id: UUID | None = None
    is_everything: bool = False
    life: Life | None = None


def of_search(actor: Actor, wanted: AuditFilter) -> Taken:
    require(actor, Permission.AUDIT_READ)
    person_id = wanted.people[0] if len(wanted.people) == 1 else None
    return Taken(
        lambda session: queries.chosen(session, wanted),
        ("audit_entry", None),
        person_id,
        is_everything=wanted.is_everything,
    )


def of_life(actor: Actor, referral_id: UUID) -> Taken:
    """Raises NoResultFound: there is no such referral."""
    require(actor, Permission.AUDIT_READ)
    life = lives.load(db.read(), actor, referral_id)
    return Taken(
        lambda session: lives.about(session, life), ("referral", referral_id), life.person_id, life=life
    )


def of_person(actor: Actor, person_id: UUID) -> Taken:
    """Raises NoResultFound: there is no such person."""
    people.named(actor, person_id)
    return Taken(lambda _session: people.about(person_id), ("person", person_id), person_id)


def table(actor: Actor, taken: Taken, how: str) -> list[Entry]:
    """The entries in words, the oldest first; the export is logged.

    Raises:
        NotAllowed: the reader is no auditor.
        Invalid: more than fit into one file.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    statement = taken.choice(session).order_by(AuditEntry.seq).limit(MOST + 1)
    found = auditing_entries.entries(session, statement)
    refuse_too_many(len(found), MOST)
    note(actor, taken, how, len(found))
    return found


def bundle(actor: Actor, taken: Taken) -> BytesIO:
    """The entries byte for byte with their proofs under a checkpoint made now: `docs/audit-log.md`.

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
    """A file of the bundle, dated by the time in Japan."""
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
    """The stored bytes of the entries in order, a thousand at a time."""
    plain = select(AuditEntry.seq, AuditEntry.body).where(test).order_by(AuditEntry.seq)
    if wanted is None:
        yield from session.execute(plain.execution_options(yield_per=AT_ONCE))
        return
    for start in range(0, len(wanted), AT_ONCE):
        yield from session.execute(plain.where(AuditEntry.seq.in_(wanted[start : start + AT_ONCE])))


# Entries as a CSV file and as an Excel sheet: nothing in them is ever taken for a formula.

BOM = "\ufeff"
FORMULA = tuple("=+-@\t\r\n")
# The word of a column and how many characters of it are seen.
COLUMNS = (
    *(
        (N_("番号"), 8),
        (N_("日時"), 20),
        (N_("できごと"), 26),
        (N_("結果"), 6),
        (N_("機関"), 22),
        (N_("職員"), 14),
    ),
    *(
        (N_("役割"), 12),
        (N_("対象"), 16),
        (N_("つなぎ・ケースの番号"), 18),
        (N_("相談者番号"), 16),
        (N_("根拠"), 16),
    ),
    *((N_("区分"), 30), (N_("方法"), 10), (N_("人数"), 8)),
)
STOOD = (N_("そのときの同意・根拠"), 34)
A4 = 9


def neutral(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula, of any width."""
    first = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if first.startswith(FORMULA) else text


def rows(entries: Sequence[Entry], stood: Mapping[int, Stood] | None) -> list[list[str]]:
    """The header and one line per entry, in the reader's language; times are Japan's."""
    columns = [*COLUMNS, *([STOOD] if stood is not None else [])]
    found = [[gettext(word) for word, _width in columns]]
    for entry in entries:
        line = [
            str(entry.seq),
            f"{clock.in_japan(entry.at):%Y-%m-%d %H:%M:%S}",
            t(entry.event),
            gettext("許可") if entry.is_allowed else gettext("拒否"),
            entry.agency,
            entry.staff,
            t(entry.role),
            t(entry.thing),
            entry.number,
            entry.person_number,
            t(entry.ground),
            joined(entry.categories),
            t(entry.channel),
            entry.bucket,
        ]
        found.append(line if stood is None else [*line, in_words(stood[entry.seq])])
    return found


def joined(words: Sequence[str]) -> str:
    return str(gettext("、")).join(t(word) for word in words)


def in_words(stood: Stood) -> str:
    parts = [t(stood.word), joined([category.word for category in stood.categories])]
    if stood.until:
        parts.append(gettext("%(day)sまで", day=era_date(stood.until)))
    return "　".join(part for part in parts if part)


def as_csv(lines: Sequence[Sequence[str]]) -> bytes:
    """The lines as CSV in UTF-8 with the byte order mark that Excel expects."""
    text = StringIO(newline="")
    csv.writer(text).writerows([[neutral(cell) for cell in line] for line in lines])
    return (BOM + text.getvalue()).encode()


def as_xlsx(lines: Sequence[Sequence[str]], title: str) -> bytes:
    """The lines as one sheet of strings with a frozen header, for A4 landscape."""
    made = BytesIO()
    plain = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(made, {"in_memory": True, **plain})
    sheet = book.add_worksheet(gettext("監査記録"))
    head = book.add_format(
        {"bold": True, "bg_color": "#E8F1FE", "border": 1, "text_wrap": True, "valign": "top"}
    )
    cell = book.add_format({"border": 1, "text_wrap": True, "valign": "top"})
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            sheet.write_string(number, column, text, head if number == 0 else cell)
    for column, (_word, width) in enumerate([*COLUMNS, STOOD][: len(lines[0])]):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(lines) - 1), len(lines[0]) - 1)
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_header(f"&L{plain_header(title)}&R&P / &N")
    book.close()
    return made.getvalue()


def plain_header(text: str) -> str:
    """A title for the head of the paper: `&` begins a command there."""
    return text.replace("&", "&&")[:100]
