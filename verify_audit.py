#!/usr/bin/env python3
"""つなぐの監査記録を、つなぐを信用せずに照合します。Verifies the audit log of Tsunagu without trusting Tsunagu.

One file; needs Python 3.11 or newer and nothing else. `python verify_audit.py --help` says how to use it, docs/verify.md
what it proves and what it cannot, docs/audit-log.md the format byte by byte.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import gc
import gzip
import hashlib
import json
import mmap
import os
import re
import sqlite3
import struct
import sys
import tempfile
import time
import unicodedata
import zipfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

SOUND, TAMPERED, WRONG, STALE = 0, 1, 2, 3

# The portal's tables of records, and the events that make one. A test of the portal fails when a table is missing here.
MADE_BY: dict[str, frozenset[str]] = {
    table: frozenset(events.split())
    for table, events in {
        "agency": "agency:created",
        "service": "service:updated",
        "closure": "closure:changed",
        "staff": "staff:joined",
        "membership": "staff:joined staff:updated",
        "invitation": "staff:invited",
        "setting": "setting:changed",
        "person": "person:registered",
        "information": "information:updated",
        "family_tie": "family:tied",
        "consent": "consent:recorded",
        "withdrawal": "consent:withdrawn",
        "disclosure": "disclosure:made",
        "stop_confirmation": "stop:confirmed",
        "exclusion": "exclusion:made",
        "emergency_access": "emergency:asked",
        "emergency_notice": "emergency:told",
        "erasure": "erasure:proposed",
        "support_case": "case:opened",
        "case_goal": "case:updated",
        "progress_note": "note:written",
        "referral": "referral:drafted",
        "referral_goal": "referral:edited",
        "follow_up": "followup:noted",
        "meeting_series": "series:defined",
        "meeting": "meeting:scheduled",
        "attendance": "roster:changed",
        "agenda_item": "item:added item:drafted",
        "meeting_outcome": "outcome:noted",
        "addendum": "minutes:amended",
        "local_issue": "issue:raised",
        "calendar_link": "calendar:renewed",
        "name_opening": "name:opened",
        "audit_sample": "sample:drawn",
        "audit_sample_item": "sample:drawn",
        "audit_finding": "finding:noted",
        "case_milestone": "milestone:noted",
        "activity_series": "activityseries:defined",
        "activity": "activity:recorded",
        "activity_attendance": "attendance:noted",
        "partner": "partner:added",
        "agreement": "agreement:signed",
        "evaluation_area": "area:changed",
        "evaluation_text": "evaluation:written",
        "evaluation_closing": "evaluation:closed",
        "evaluation_addendum": "evaluation:amended",
    }.items()
}
TABLES = tuple(MADE_BY)
MAKERS = {table.encode(): frozenset(event.encode() for event in events) for table, events in MADE_BY.items()}
CLOSING = b"evaluation_closing"
# Migration 0002 made local issues of follow-ups that were noted as such; each kept its id.
MADE_OF = {"local_issue": "follow_up"}
KEY_COLUMN = {"calendar_link": "staff_id"}
# Records that may be taken away again, and the event that says so.
REMOVED_BY = {
    "closure": "closure:changed",
    "family_tie": "family:untied",
    "referral_goal": "referral:edited",
    "attendance": "roster:changed",
    "agenda_item": "item:drafted",
    "calendar_link": "calendar:revoked",
}
# Where a record stands after its last step, and where before any.
STATUS: dict[str, dict[str, str]] = {
    "referral": {
        "": "draft",
        "referral:sent": "requested",
        "referral:accepted": "accepted",
        "referral:rejected": "rejected",
        "referral:started": "in_progress",
        "referral:held": "on_hold",
        "referral:completed": "completed",
        "referral:amended": "completed",
        "referral:failed": "failed",
        "referral:cancelled": "cancelled",
        "referral:corrected": "entered_in_error",
    },
    "meeting": {
        "": "draft",
        "meeting:announced": "announced",
        "meeting:begun": "in_session",
        "meeting:closed": "minuted",
        "meeting:reopened": "in_session",
        "minutes:approved": "approved",
        "meeting:cancelled": "cancelled",
    },
}
FACTS = frozenset({"log:resealed", "log:rekeyed", "log:restored", "log:clock", "person:erased"})
FACT_EVENTS = frozenset(event.encode() for event in FACTS)
JUMP = b"log:clock"


def typed(**names: str) -> dict[str, str]:
    """Columns by kind, in the order in which a bound record is written down."""
    return dict(sorted((name, kind) for kind, some in names.items() for name in some.split()))


# The records that the log binds, column by column; `json` is compared as canonical JSON.
BOUND: dict[str, dict[str, str]] = {
    "person": typed(
        id="home_agency_id id registered_by_id",
        time="created_at erased_at",
        int="version",
        bool="contact_prohibited is_identified protected_address",
        text="address age_band birth contact_prohibited_reason family family_kana given given_kana household number "
        "pseudonym search_key sex telephone",
    ),
    "staff": typed(
        id="id",
        time="created_at disabled_at",
        int="version",
        text="email language name password_hash second_factor",
    ),
    "membership": typed(
        id="agency_id id staff_id", time="created_at ended_at", bool="administers", text="role"
    ),
    "consent": typed(
        id="agency_id id person_id recorded_by_id replaces_id",
        time="created_at",
        text="form_version given_by_name given_by_relation kept_at method purpose valid_from valid_until witness",
    ),
    "consent_category": typed(id="consent_id", text="category"),
    "consent_recipient": typed(id="agency_id consent_id"),
    "withdrawal": typed(
        id="agency_id consent_id id recipient_id recorded_by_id",
        time="created_at withdrawn_at",
        text="reason",
    ),
    "disclosure": typed(
        id="consent_id from_agency_id id made_by_id person_id source_id to_agency_id to_staff_id",
        time="created_at ended_at ends_at starts_at",
        text="basis channel",
    ),
    "disclosure_category": typed(id="disclosure_id", text="category"),
    "stop_confirmation": typed(
        id="agency_id confirmed_by_id disclosure_id id", time="created_at", text="note"
    ),
    "exclusion": typed(
        id="agency_id id lifted_by_id made_by_id person_id staff_id",
        time="created_at lifted_at",
        text="conflict lifted_why reason",
    ),
    "emergency_access": typed(
        id="agency_id approved_by_id disclosure_id home_agency_id id person_id reviewed_by_id staff_id",
        time="approved_at created_at declined_at ended_at ends_at reviewed_at starts_at",
        int="version",
        bool="needs_second",
        json="categories",
        text="declined_why finding reason review_by review_text text",
    ),
    "referral": typed(
        id="consent_id created_by_id from_agency_id id part_of_id person_id sender_worker_id service_id to_agency_id worker_id",
        time="answered_at appointment_at created_at ended_at listed_at received_at sent_at",
        int="version",
        text="acknowledge_by anonymous_age_band appointment_place basis first_contact_on kind need number outcome "
        "reason refusal respond_by status",
    ),
    "referral_category": typed(id="referral_id", text="category"),
    "referral_goal": typed(id="id referral_id", time="created_at", text="domain score text"),
    "referral_event": typed(
        id="agency_id id referral_id sequel_id staff_id", time="created_at", text="code text what"
    ),
    "attendance": typed(
        id="agency_id id meeting_id staff_id",
        time="created_at secrecy_at",
        bool="on_paper was_there",
        text="guest_from guest_name",
    ),
    "meeting": typed(
        id="convener_id id presenter_agency_id series_id",
        time="announced_at approved_at begun_at closed_at created_at starts_at",
        int="calendar_sequence minutes version",
        bool="is_moved",
        text="cancelled_why kind link name place slot status",
    ),
    "agenda_item": typed(
        id="brought_by_id id issue_id meeting_id outcome_id person_id presenter_agency_id referral_id shared_by_id "
        "subject_id",
        time="created_at postponed_at removed_at revised_at waiting_since",
        int="minutes number position reason_count revision version",
        bool="is_touched shared",
        text="kind minutes_text postponed_why reason_on removed_why source text title",
    ),
    "agenda_item_category": typed(id="item_id", text="category"),
    "meeting_member": typed(id="agency_id meeting_id"),
    "meeting_outcome": typed(
        id="done_by_id id item_id noted_by_id owner_agency_id owner_staff_id referral_id to_agency_id",
        time="created_at done_at struck_at",
        int="version",
        text="done_note due_on kind referral_step text",
    ),
    "addendum": typed(id="id item_id meeting_id staff_id", time="created_at", text="text"),
    "evaluation_closing": typed(
        id="agency_id closed_by_id id reopened_by_id",
        time="created_at reopened_at",
        int="checkpoint_size year",
        text="as_of digest reopened_why",
    ),
    "evaluation_addendum": typed(id="agency_id author_id id", time="created_at", int="year", text="text"),
}
# The tables whose rows are a part of a record, and the column that names it; a category names an item, which names
# the meeting. All other tables of BOUND are records of their own.
PARTS: dict[str, dict[str, str]] = {
    "consent": {"consent_category": "consent_id", "consent_recipient": "consent_id"},
    "disclosure": {"disclosure_category": "disclosure_id"},
    "referral": {"referral_category": "referral_id", "referral_goal": "referral_id"},
    "meeting": {
        "agenda_item": "meeting_id",
        "agenda_item_category": "item_id",
        "meeting_member": "meeting_id",
    },
}
THROUGH = {"agenda_item_category": "agenda_item"}
# A record is bound only once this column holds something.
ONCE = {"meeting": "approved_at"}
SALTS = "record_salt"
RECORDS = tuple(table for table in BOUND if not any(table in parts for parts in PARTS.values()))
BOUND_EVENT = b"log:bound"
UNBOUND = b"-"

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
NOTE_LIMIT = 64 * KIB
LINE_LIMIT = 4 * MIB
RATIO = 200  # how much a compressed file may grow; ours grow to about ten times
MOST_FILES = 100_000
SHOWN = 30  # findings of one kind that are printed
SMALL = 20_000  # entries that are not worth a second process
DAY = timedelta(days=1)
MARGIN = timedelta(minutes=5)  # so far the portal lets its clock stand before the last entry
LAPSE = timedelta(hours=1)  # between a record and its entry, which are written in one transaction
NEVER = timedelta(days=365_000)


class Unreadable(Exception):
    """The data, the key or a checkpoint cannot be read at all: says so in Japanese and English."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(f"{ja} / {en}")
        self.ja, self.en = ja, en


def shown(value: object, length: int = 80) -> str:
    """Anything from a file, made harmless for a terminal."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = "".join(c if c.isprintable() else "�" for c in text[: length + 1])
    return text if len(text) <= length else text[:length] + "…"


def dashed(key: bytes | str | None) -> str:
    text = shown(key or "-")
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if len(text) == 32 else text


class Finding(NamedTuple):
    code: str
    where: str
    ja: str
    en: str


class Report:
    """What was found, and the figures of the summary."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.stale: list[tuple[str, str]] = []
        self.remarks: list[tuple[str, str]] = []
        self.summary: dict[str, Any] = {}

    def find(self, code: str, where: object, ja: str, en: str) -> None:
        self.counts[code] = self.counts.get(code, 0) + 1
        if self.counts[code] <= SHOWN:
            self.findings.append(Finding(code, shown(where), ja, en))

    def take(self, findings: Iterable[Finding], counts: dict[str, int]) -> None:
        """What another process found."""
        before = {code: self.counts.get(code, 0) for code in counts}
        for one in findings:
            self.find(*one)
        for code, count in counts.items():
            self.counts[code] = before[code] + count

    @property
    def exit(self) -> int:
        return TAMPERED if self.counts else STALE if self.stale else SOUND


# ---------------------------------------------------------------------------------------------- Ed25519, RFC 8032

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended: x = X/Z, y = Y/Z, T = XY/Z
IDENTITY: Point = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * D * p[3] * q[3], 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(data: bytes) -> Point | None:
    """Strictly: a y that is not reduced, a point off the curve and a negative zero are none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_ONE % P
        if v * x * x % P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def encode_point(p: Point) -> bytes:
    inverse = pow(p[2], -1, P)
    return ((p[1] * inverse % P) | ((p[0] * inverse % P) & 1) << 255).to_bytes(32, "little")


def multiples(p: Point) -> list[list[Point]]:
    """p times each value of each of the 32 bytes of a number: a product is then 32 sums."""
    table = []
    for _byte in range(32):
        row, top = [IDENTITY], p
        for _value in range(255):
            row.append(top)
            top = add(top, p)
        table.append(row)
        p = top
    return table


def times(table: list[list[Point]], number: int, onto: Point = IDENTITY) -> Point:
    for byte, row in zip(number.to_bytes(32, "little"), table, strict=True):
        if byte:
            onto = add(onto, row[byte])
    return onto


@lru_cache(maxsize=1)
def base_multiples() -> list[list[Point]]:
    base = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return multiples(cast(Point, base))


@lru_cache(maxsize=16)
def negative_multiples(public: bytes) -> list[list[Point]] | None:
    p = decode_point(public) if len(public) == 32 else None
    if p is None:
        return None
    eightfold = p
    for _double in range(3):
        eightfold = add(eightfold, eightfold)
    if encode_point(eightfold) == encode_point(IDENTITY):
        return None  # signatures under such a key prove nothing
    return multiples((P - p[0], p[1], p[2], P - p[3]))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    table = negative_multiples(public)
    if table is None or len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= ORDER:
        return False
    digest = hashlib.sha512(r + public + message).digest()
    k = int.from_bytes(digest, "little") % ORDER
    return encode_point(times(table, k, times(base_multiples(), s))) == r


def check_signatures(questions: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    return [is_signed(*one) for one in questions]


# -------------------------------------------------------------------------------------------- the tree, RFC 9162

EMPTY_ROOT = hashlib.sha256(b"").digest()


class Tree:
    """All the perfect subtrees, level by level: the root at any size is then a few hashes away."""

    def __init__(self, leaves: bytes) -> None:
        self.size = len(leaves) // 32
        self.levels = [leaves]
        sha256 = hashlib.sha256
        while len(below := self.levels[-1]) >= 64:
            pairs = range(0, len(below) // 64 * 64, 64)
            self.levels.append(b"".join([sha256(b"\x01" + below[at : at + 64]).digest() for at in pairs]))

    def peaks(self, size: int) -> list[bytes]:
        """The roots of the perfect subtrees of the first `size` leaves, the largest first."""
        found = []
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                at = (size >> level + 1 << 1) * 32
                found.append(self.levels[level][at : at + 32])
        return found

    def root(self, size: int) -> bytes:
        peaks = self.peaks(size)
        if not peaks:
            return EMPTY_ROOT
        top = peaks.pop()
        while peaks:
            top = hashlib.sha256(b"\x01" + peaks.pop() + top).digest()
        return top


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which an inclusion path leads (RFC 9162, 2.1.3.2); none when the path has the wrong length."""
    if not 0 <= index < size:
        return None
    at, last, top = index, size - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            top = hashlib.sha256(b"\x01" + beside + top).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            top = hashlib.sha256(b"\x01" + top + beside).digest()
        at, last = at >> 1, last >> 1
    return top if last == 0 else None


# ------------------------------------------------------------------------------------------ keys and checkpoints


class Key(NamedTuple):
    origin: str
    hash: bytes
    public: bytes


def unbase64(text: str) -> bytes:
    """Raises ValueError: not base64, or not the one way to write it."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


def parse_vkey(text: str) -> Key:
    """Raises ValueError: not an Ed25519 vkey."""
    origin, hashed, encoded = text.strip().split("+", 2)
    raw = unbase64(encoded)
    digest = hashlib.sha256(origin.encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[:1] != b"\x01" or digest.hex() != hashed or decode_point(raw[1:]) is None:
        raise ValueError("not an Ed25519 vkey")
    return Key(origin, digest, raw[1:])


class Note(NamedTuple):
    """One signed checkpoint; `where` is what findings call it."""

    where: str
    text: str
    origin: str
    size: int
    root: bytes
    at: datetime
    stamps: tuple[tuple[bytes, bytes], ...]

    def agrees(self, root: bytes) -> bool:
        return self.root == root

    @property
    def body(self) -> bytes:
        return self.text.partition("\n\n")[0].encode() + b"\n"


NOTE = re.compile(
    r"(tsunagu/[0-9a-f-]{36})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n"
    r"time ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n\n"
    r"((?:— [^ \n]{1,200} [A-Za-z0-9+/=]{8,400}\n){1,16})"
)


def parse_note(text: str, where: str) -> Note:
    """Raises ValueError: not a checkpoint of a log of ours."""
    match = NOTE.fullmatch(text)
    if match is None:
        raise ValueError("not a checkpoint")
    origin, size, root, moment, lines = match.groups()
    stamps = []
    for line in lines.splitlines():
        _dash, name, stamp = line.split(" ")
        if name == origin:
            raw = unbase64(stamp)
            if len(raw) != 68:
                raise ValueError("not an Ed25519 signature")
            stamps.append((raw[:4], raw[4:]))
    at = datetime.fromisoformat(moment)
    return Note(where, text, origin, int(size), unbase64(root), at, tuple(stamps))


# ------------------------------------------------------------------------------------------------------ entries

UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = rb"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}\+00:00"
WORD = rb"[ !#-\[\]-~]*"
SOME_ID = rb'(?:null|"(' + UUID + rb')")'
SOME_WORD = rb'(?:null|"' + WORD + rb'")'
SOME_HASH = rb'(?:null|"([0-9a-f]{64})")'
# Nearly every body: whatever matches is canonical. Any other is parsed and written again, to compare.
USUAL = re.compile(
    rb'\{"agency":' + SOME_ID + rb',"at":"(' + TIME + rb')","bucket":' + SOME_WORD + rb',"categories":'
    rb'(\[(?:"[a-z_]+"(?:,"[a-z_]+")*)?\]),"channel":' + SOME_WORD + rb',"commitment":' + SOME_HASH + rb',"event":"('
    rb'[a-z:_]+)","ground":(?:null|"(' + WORD + rb')"),"object":\[(?:null|"(' + WORD + rb')"),' + SOME_ID + rb'\],"ou'
    rb'tcome":"(allow|deny)","request":' + SOME_WORD + rb',"role":' + SOME_WORD + rb'(,"sealed":' + SOME_HASH + rb')?'
    rb',"seq":([1-9][0-9]{0,17}),"staff":' + SOME_ID + rb',"subject":' + SOME_ID + rb',"v":([123])\}'
)  # fmt: skip
# An entry that binds records, which are many: read without parsing it.
BOUND_LINE = rb"[a-z_]+:[0-9a-f]{32}:(?:-|[0-9a-f]{64}):(?:-|[0-9a-f]{64})"
BINDING = re.compile(
    rb'\{"agency":null,"at":"(' + TIME + rb')","bucket":null,"categories":\[\],"channel":"(?:portal|command)","commitment'
    rb'":null,"event":"log:bound","fact":\{"records":\["(' + BOUND_LINE + rb'(?:","' + BOUND_LINE + rb')*)"\]\},"ground":n'
    rb'ull,"object":\[null,null\],"outcome":"allow","request":' + SOME_WORD + rb',"role":null,"sealed":null,"seq":([1-9]['
    rb'0-9]{0,17}),"staff":null,"subject":null,"v":([23])\}'
)  # fmt: skip
LINE = re.compile(BOUND_LINE)
KEYS = frozenset(
    {
        *("v", "seq", "at", "event", "outcome", "staff", "agency", "role", "object", "subject", "categories"),
        *("ground", "channel", "request", "bucket", "commitment"),
    }
)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Fields(NamedTuple):
    """What an entry says, in the order in which `USUAL` captures it."""

    agency: bytes | None
    at: bytes
    categories: bytes
    commitment: bytes | None
    event: bytes
    ground: bytes | None
    kind: bytes | None
    object_id: bytes | None
    outcome: bytes
    has_sealed: bytes | None
    sealed: bytes | None
    seq: bytes
    staff: bytes | None
    subject: bytes | None
    version: bytes


def refuse_float(_text: str) -> NoReturn:
    raise ValueError("a float")


def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def read_json(text: str | bytes) -> Any:
    """Raises ValueError: not JSON, or with floats, keys that stand twice, or nested without end."""
    try:
        return json.loads(
            text, parse_float=refuse_float, parse_constant=refuse_float, object_pairs_hook=refuse_doubles
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def need(is_right: object) -> None:
    if not is_right:
        raise ValueError("not in the form of an entry")


def some(value: Any, pattern: bytes) -> bytes | None:
    need(value is None or isinstance(value, str))
    if value is None:
        return None
    raw = cast(str, value).encode()
    need(re.fullmatch(pattern, raw, re.DOTALL))
    return raw


def read_body(body: bytes) -> tuple[Fields, Any]:
    """An unusual body, and its fact if it has one. Raises ValueError: not canonical, or not an entry."""
    value = read_json(body)
    need(isinstance(value, dict) and value.keys() >= KEYS and value.keys() - KEYS <= {"sealed", "fact"})
    need(CANONICAL.encode(value).encode() == body)
    need(value["v"] in (1, 2, 3) and ("sealed" in value) == (value["v"] != 1))
    need(type(value["seq"]) is int and 0 < value["seq"] < 10**18 and value["outcome"] in ("allow", "deny"))
    need(isinstance(value["object"], list) and len(value["object"]) == 2)
    need(isinstance(value["at"], str) and isinstance(value["event"], str))
    need(all(isinstance(one, str) for one in value["categories"]))
    for name in ("role", "channel", "request", "bucket"):
        some(value[name], rb".*")
    fields = Fields(
        some(value["agency"], UUID),
        some(value["at"], TIME) or b"",
        CANONICAL.encode(value["categories"]).encode(),
        some(value["commitment"], rb"[0-9a-f]{64}"),
        some(value["event"], rb"[a-z:_]+") or b"",
        some(value["ground"], rb".*"),
        some(value["object"][0], rb".*"),
        some(value["object"][1], UUID),
        value["outcome"].encode(),
        b"sealed" if "sealed" in value else None,
        some(value.get("sealed"), rb"[0-9a-f]{64}"),
        b"%d" % value["seq"],
        some(value["staff"], UUID),
        some(value["subject"], UUID),
        b"%d" % value["v"],
    )
    return fields, value.get("fact")


# ------------------------------------------------------------------------------------- SQLite files and PostgreSQL

Columns = dict[str, str]  # name → int, bytes, time, id or text
Part = tuple[int, int]  # after this number up to that one; of a dump: from this byte to that one
Row = tuple[Any, ...]
ALL: Part = (-(2**63), 2**63 - 1)

HEAD: Columns = {"seq": "int", "origin": "text", "checkpoint_size": "int"}
ENTRY: Columns = {
    "seq": "int",
    "at": "time",
    "event": "text",
    "staff_id": "id",
    "agency_id": "id",
    "object_id": "id",
    "person_id": "id",
    "ground": "text",
    "body": "bytes",
}
DETAIL: Columns = {"seq": "int", "key_id": "id", "salt": "bytes", "details": "bytes"}
CHECKPOINT: Columns = {"size": "int", "at": "time", "root": "text", "peaks": "bytes", "note": "text"}
SUBJECT_KEY: Columns = {"id": "id", "person_id": "id", "wrapped": "bytes", "destroyed_at": "time"}
LEDGER: Columns = {
    "id": "id",
    "person_id": "id",
    "from_agency_id": "id",
    "to_agency_id": "id",
    "to_staff_id": "id",
    "basis": "text",
    "consent_id": "id",
    "channel": "text",
    "source_id": "id",
    "starts_at": "time",
    "ended_at": "time",
}
CLOSINGS: Columns = {"id": "id", "year": "int", "digest": "text", "frozen": "text"}


class SQLiteFile:
    """A database file, never written to, also while the portal runs on it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.connection: sqlite3.Connection | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "connection": None}

    def connect(self) -> sqlite3.Connection:
        if self.connection is None:
            # Without a write-ahead log beside it nobody is writing, and nothing need be created there.
            is_live = os.path.exists(f"{self.path}-wal")
            uri = Path(self.path).resolve().as_uri() + ("?mode=ro" if is_live else "?mode=ro&immutable=1")
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
            connection.text_factory = bytes
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")  # one moment for all that this process reads
            self.connection = connection
        return self.connection

    def tables(self) -> dict[str, list[str]]:
        names = self.connect().execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {}
        for name in {shown(name) for (name,) in names}:
            wanted = name in TABLES or name in BOUND or name.startswith(("audit_", "subject_key", SALTS))
            if wanted and re.fullmatch(r"[a-z_]+", name):
                columns = self.connect().execute(f'PRAGMA table_xinfo("{name}")')
                found[name] = [shown(column[1]) for column in columns if column[6] == 0]
        return found

    def parts(self, _table: str, last: int, count: int) -> list[Part]:
        """Ranges of numbers which together are all there can be."""
        size = max(1, min(1 << 16, -(-last // count)))
        edges = [*range(size, last, size)] if last < 2**40 else []
        return list(zip([ALL[0], *edges], [*edges, max(last, 0)], strict=True))

    def read(self, table: str, columns: Columns, part: Part = ALL) -> Iterator[Row]:
        names = ", ".join(f'"{name}"' for name in columns)
        key = next(iter(columns))
        if part == ALL:
            return iter(self.connect().execute(f'SELECT {names} FROM "{table}"'))  # noqa: S608
        asked = f'SELECT {names} FROM "{table}" WHERE "{key}" > ? AND "{key}" <= ? ORDER BY "{key}"'  # noqa: S608
        return iter(self.connect().execute(asked, part))

    def read_salts(self, kind: str) -> Iterator[Row]:
        """The id of each bound record of this kind, and its salt."""
        asked = f"SELECT record_id, salt FROM {SALTS} WHERE kind = ?"  # noqa: S608 - a constant
        return iter(self.connect().execute(asked, (kind,)))

    def count(self, table: str) -> int:
        return int(self.connect().execute(f'SELECT count(*) FROM "{table}" NOT INDEXED').fetchone()[0])  # noqa: S608

    def last(self) -> int:
        found = self.connect().execute("SELECT max(seq) FROM audit_entry").fetchone()[0]
        return found if type(found) is int else 0

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


COPY = re.compile(rb'COPY (?:"?[\w$]+"?\.)?"?([\w$]+)"? \(([^)\n]*)\) FROM stdin;(\r?)\n')
ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def unescape(field: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if letter is not None:
            return LETTERS.get(letter, letter)
        return bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)])

    return ESCAPE.sub(one, field) if b"\\" in field else field


def unbytea(field: bytes) -> bytes:
    """A bytea column, in the hex form or in the older escape form."""
    if field.startswith(rb"\\x"):
        return binascii.unhexlify(field[3:])
    return re.sub(
        rb"\\(?:([0-7]{3})|\\)", lambda m: bytes([int(m[1], 8) & 255]) if m[1] else b"\\", unescape(field)
    )


def untime(field: bytes) -> bytes:
    """A moment, as a SQLite file of ours has it: UTC with microseconds."""
    if len(field) == 29 and field.endswith(b"+00"):
        return field[:26]
    moment = datetime.fromisoformat(field.decode("ascii"))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds").encode()


def unnumber(field: bytes) -> int:
    if len(field) > 19:
        raise ValueError("too large")
    return int(field)


UNDO: dict[str, Callable[[bytes], Any]] = {
    "int": unnumber,
    "bytes": unbytea,
    "time": untime,
    "id": lambda field: field.replace(b"-", b""),
    "text": unescape,
    "json": unescape,
    "bool": lambda field: {b"t": 1, b"f": 0}[field],
}


class Section(NamedTuple):
    """Where the rows of a table lie in a dump."""

    columns: list[str]
    start: int
    end: int
    file: str


class Dump:
    """What `pg_dump` wrote as plain text. Its rows may stand in any order."""

    def __init__(self, path: str, scratch: str) -> None:
        self.path, self.scratch = path, scratch
        self.sections: dict[str, Section] = {}
        self.maps: dict[str, mmap.mmap] = {}
        self.scan()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "maps": {}}

    def map(self, path: str) -> mmap.mmap:
        if path not in self.maps:
            with open(path, "rb") as file:
                self.maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self.maps[path]

    def scan(self) -> None:
        data = self.map(self.path)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unreadable(
                "UTF-16 で保存されています。pg_dump -f 出力先 で書き出してください。",
                "saved as UTF-16: write it with pg_dump -f FILE",
            )
        at = 0 if data[:5] == b"COPY " else data.find(b"\nCOPY ") + 1 or -1
        while at >= 0:
            head = COPY.match(data, at)
            end = at if head is None else self.add(data, head)
            at = data.find(b"\nCOPY ", end) + 1 or -1

    def add(self, data: mmap.mmap, head: re.Match[bytes]) -> int:
        """Note the section that begins here; returns where it ends."""
        name, columns = shown(head[1]), [shown(c).strip().strip('"') for c in head[2].split(b",")]
        end = data.find(b"\n\\.", head.end() - 1)
        if end < 0:
            raise Unreadable(
                f"表 {name} が途中で終わっています。書き出しをやり直してください。",
                f"table {name} is cut off: export it again",
            )
        if name in self.sections and (
            name in TABLES or name in BOUND or name.startswith(("audit_", "subject_key", SALTS))
        ):
            raise Unreadable(f"表 {name} が二度出てきます。", f"table {name} stands there twice")
        self.sections[name] = Section(columns, head.end(), end + 1, self.path)
        return end + 1

    def tables(self) -> dict[str, list[str]]:
        return {name: section.columns for name, section in self.sections.items()}

    def parts(self, table: str, _last: int, count: int) -> list[Part]:
        section = self.sections[table]
        data, length = self.map(section.file), section.end - section.start
        edges = [section.start]
        count = max(1, min(count, length // (64 * KIB)), length // (24 * MIB))
        for number in range(1, count):
            near = max(section.start + length * number // count, edges[-1])
            edges.append(min(data.find(b"\n", near) + 1 or section.end, section.end))
        return list(zip(edges, [*edges[1:], section.end], strict=True))

    def read(self, table: str, columns: Columns, part: Part = ALL) -> Iterator[Row]:
        section = self.sections[table]
        start, end = (section.start, section.end) if part == ALL else part
        places = [(section.columns.index(name), UNDO[kind]) for name, kind in columns.items()]
        width, place = len(section.columns), 0
        for line in self.map(section.file)[start:end].split(b"\n"):
            cells = line.rstrip(b"\r").split(b"\t")
            if len(cells) != width or not line:
                if line:
                    raise Unreadable(
                        f"表 {table} に読めない行があります。", f"a line of table {table} is broken"
                    )
                continue
            try:
                yield tuple(
                    [None if cells[place] == b"\\N" else undo(cells[place]) for place, undo in places]
                )
            except (ValueError, KeyError, OverflowError) as error:
                raise Unreadable(
                    f"表 {table} に読めない値があります: {shown(cells[place])}",
                    f"a value in table {table} cannot be read",
                ) from error

    def read_salts(self, kind: str) -> Iterator[Row]:
        columns = {"kind": "text", "record_id": "id", "salt": "bytes"}
        wanted = kind.encode()
        return ((key, salt) for name, key, salt in self.read(SALTS, columns) if name == wanted)

    def last(self) -> int:
        return 0  # the parts of a dump are counted in bytes

    def count(self, table: str) -> int:
        section = self.sections[table]
        data, at, lines = self.map(section.file), section.start, 0
        while at < section.end:
            lines += data[at : min(at + 16 * MIB, section.end)].count(b"\n")
            at += 16 * MIB
        return lines

    def sort(self, table: str) -> None:
        """Write the rows of a table again, in the order of their numbers."""
        beside = os.path.join(self.scratch, table)
        section = self.sections[table]
        place = section.columns.index("seq")
        lines = self.map(section.file)[section.start : section.end].split(b"\n")
        lines = sorted((one for one in lines if one), key=lambda one: unnumber(one.split(b"\t")[place]))
        with open(beside, "wb") as file:
            file.write(b"\n".join(lines) + b"\n")
            end = file.tell()
        self.sections[table] = Section(section.columns, 0, end, beside)

    def close(self) -> None:
        for one in self.maps.values():
            one.close()
        self.maps.clear()


Source = SQLiteFile | Dump

# ------------------------------------------------------------------------- what the processes do, a part at a time

# number, 0 plain or 1 sealed, hash, person: what an entry wants of its details, and what the details are.
TOKEN = struct.Struct(">qB32s16s")
NOBODY = bytes(16)


class Telling(NamedTuple):
    """What the entry of a line of the ledger says."""

    fields: Fields
    channel: str | None
    fact: Any


class Piece(NamedTuple):
    """The times of the entries of one part between two checkpoints: which, from when to when at the earliest, latest.

    With a declared jump of the clock times begin anew.
    """

    number: int
    seq: int
    earliest: bytes
    latest: bytes
    is_anew: bool


class Binding(NamedTuple):
    """What entries say of one bound record: its digest before the first of them and after the last, and which these are."""

    first: int
    before: bytes
    after: bytes


class EntryPart:
    """What one part of the entries gave."""

    def __init__(self) -> None:
        self.seqs = array("q")
        self.leaves = b""
        self.tokens = b""
        self.pieces: list[Piece] = []
        self.facts: list[tuple[int, bytes, bytes, Any]] = []
        self.closed: dict[bytes, Any] = {}  # closing of a year → its fact
        self.seen: dict[bytes, dict[bytes, bytes | None]] = {name.encode(): {} for name in TABLES}
        self.last: dict[bytes, dict[bytes, tuple[bytes, int]]] = {
            **{name.encode(): {} for name in REMOVED_BY},
            **{name.encode(): {} for name in STATUS},
        }
        self.told: dict[bytes, Telling] = {}
        self.ended: dict[bytes, bytes] = {}
        # record → how it was found first, how it was left last, and in which entry
        self.bound: dict[bytes, Binding] = {}
        self.first: tuple[int, Fields, Any] | None = None  # its step is from the part before
        self.final_at = b""
        self.loaded = [0, 0]  # with times that somebody gave: before the first `v` 3, and after it
        self.is_strict = False
        self.report = Report()


def a_day_before(at: bytes, by: timedelta = DAY) -> bytes:
    try:
        moment = datetime.fromisoformat(at.decode())
        return (moment - by).isoformat(timespec="microseconds").encode()
    except (ValueError, OverflowError):
        return b""


def check_step(report: Report, seq: int, fields: Fields, fact: Any, before: bytes) -> bool:
    """Whether this entry declares the step back from the entry before it, whose time is `before`.

    Finds a step that nobody declared, and a declaration that is not of just this step.
    """
    is_back = fields.at < a_day_before(before, MARGIN)
    if fields.event == JUMP:
        covered = {"before": before.decode(), "last": seq - 1}
        if is_back and fact == covered and (fields.outcome, fields.version) == (b"allow", b"3"):
            return True
        report.find(
            "clock",
            seq,
            f"記録 {seq}: 時計のずれの申告が、前の記録からの戻りと合いません（{shown(fields.at)}、前は {shown(before)}）",
            f"entry {seq}: the declared jump of the clock is not the step from the entry before",
        )
    elif is_back and fields.version == b"3":
        report.find(
            "clock",
            seq,
            f"記録 {seq}: 日時が前の記録より前に戻っていますが、時計のずれの申告がありません（{shown(fields.at)}、前は {shown(before)}）",
            f"entry {seq}: its time goes back, and no jump of the clock is declared there",
        )
    return False


def compare_columns(row: Row, fields: Fields, report: Report) -> None:
    """The columns beside a body repeat it; says which one does not."""
    seq, at, event, staff, agency, object_id, person, ground, _body = row
    if int(fields.seq) != seq:
        report.find(
            "number",
            seq,
            f"記録 {seq}: 本文の番号は {int(fields.seq)} です",
            f"entry {seq}: the body says {int(fields.seq)}",
        )
    said = (
        fields.at[:10] + b" " + fields.at[11:26],
        fields.event,
        *map(undashed, (fields.staff, fields.agency)),
    )
    said += (undashed(fields.object_id), undashed(fields.subject), fields.ground)
    names = ("at", "event", "staff_id", "agency_id", "object_id", "person_id", "ground")
    for name, column, body in zip(
        names, (at, event, staff, agency, object_id, person, ground), said, strict=True
    ):
        if column != body:
            report.find(
                "column",
                seq,
                f"記録 {seq}: 列 {name} が本文と違います（{shown(column)} / {shown(body)}）",
                f"entry {seq}: column {name} differs from the body",
            )


def undashed(key: bytes | None) -> bytes | None:
    return key.replace(b"-", b"") if key is not None else None


class Times:
    """The times of the entries of one part: each step, and the stretches between two checkpoints."""

    def __init__(self, out: EntryPart, sizes: Sequence[int]) -> None:
        self.out, self.sizes = out, sizes
        self.number, self.edge = -1, -(2**63)
        self.low = self.high = self.previous = b""
        self.first, self.is_anew, self.is_strict = 0, False, False

    def step(self, seq: int, fields: Fields, fact: Any) -> None:
        """From the entry before to this one, and whether their times are the clock's."""
        at, event, declares = fields[1], fields[4], False
        if fields[14] == b"3":
            self.is_strict = True
        else:
            self.out.loaded[self.is_strict] += 1
        if not self.previous:
            self.out.first = (seq, Fields(*fields), fact)
            declares = event == JUMP
        elif at < self.previous or (fact is not None and event == JUMP):
            declares = check_step(self.out.report, seq, Fields(*fields), fact, self.previous)
        self.previous = at
        if seq > self.edge or declares:
            self.end()
            self.begin(seq, at, is_anew=declares)
        elif at >= self.high:
            self.high = at
        else:
            if at < self.low:
                self.low, self.first = at, seq
            if at < a_day_before(self.high):
                went_back(self.out.report, seq, at, self.high)

    def begin(self, seq: int, at: bytes, *, is_anew: bool) -> None:
        self.is_anew = is_anew
        self.number = bisect_left(self.sizes, seq)
        self.edge = self.sizes[self.number] if self.number < len(self.sizes) else 2**63
        self.low, self.high, self.first = at, at, seq

    def end(self) -> None:
        if self.low:
            self.out.pieces.append(Piece(self.number, self.first, self.low, self.high, self.is_anew))


def entry_rows(source: Source, part: Part) -> Iterable[Row]:
    rows: Iterable[Row] = source.read("audit_entry", ENTRY, part)
    if isinstance(source, Dump):
        rows = sorted(rows, key=lambda row: row[0] if row[0] is not None else -1)
    return rows


def read_unusual(out: EntryPart, seq: int, body: bytes) -> tuple[Fields, Any] | None:
    """A body that `USUAL` does not match: a binding, or one with a fact in it; None if it is neither."""
    match = BINDING.fullmatch(body)
    if match is not None:
        at, lines, number, version = match.groups()
        bind(out, seq, lines.split(b'","'))
        none: tuple[None, ...] = (None, None, None)
        fields = (None, at, b"[]", None, BOUND_EVENT, *none, b"allow", b"", None, number, None, None, version)
        return cast(Fields, fields), None
    try:
        fields, fact = read_body(body)
    except (ValueError, KeyError, TypeError, UnicodeError):
        out.report.find(
            "body",
            seq,
            f"記録 {seq}: 本文が定めた形ではありません",
            f"entry {seq}: the body is not in canonical form",
        )
        return None
    if fields.event == BOUND_EVENT:
        bind(out, seq, lines_of(out, seq, fact))
    return fields, fact


def token_of(seq: int, fields: Fields, person_key: bytes | None, report: Report) -> bytes:
    """What the details of an entry are held against: the sealed bytes, or the commitment to them."""
    commitment, sealed = fields[3], fields[10]
    if commitment is None:
        if sealed is not None:
            report.find(
                "body", seq, f"記録 {seq}: 封印だけがあります", f"entry {seq}: sealed without a commitment"
            )
        return b""
    if sealed is None:
        return TOKEN.pack(seq, 0, binascii.unhexlify(commitment), NOBODY)
    return TOKEN.pack(
        seq, 1, binascii.unhexlify(sealed), binascii.unhexlify(person_key) if person_key else NOBODY
    )


def note_record(
    out: EntryPart, kind: bytes, key: bytes, person_key: bytes | None, body: bytes, fields: Fields, fact: Any
) -> None:
    """What an allowed act says of a record that the tables hold too."""
    event = fields[4]
    is_made = event in MAKERS[kind]
    if is_made:
        out.seen[kind][key] = person_key
    if kind in out.last:
        follow(out.last[kind], kind, key, event)
    elif kind == b"disclosure":
        note_line(out, key, body, Fields(*fields), fact)
    elif kind == CLOSING and is_made:
        out.closed[key] = fact


def check_entries(source: Source, part: Part, sizes: Sequence[int]) -> EntryPart:
    """Hash and read the entries of a part. `sizes` are those of the checkpoints in the data, in order.

    A million times round: what is called here for each entry is as little as can be read.
    """
    out, leaves, tokens = EntryPart(), [], []
    times = Times(out, sizes)
    sha256, usual, step, seen = hashlib.sha256, USUAL.fullmatch, times.step, out.seen
    for row in entry_rows(source, part):
        seq, body = row[0], row[8]
        if type(seq) is not int or not isinstance(body, bytes):
            out.report.find(
                "form",
                shown(seq),
                f"記録 {shown(seq)}: 番号か本文の形が違います",
                "a number or a body of a wrong type",
            )
            continue
        out.seqs.append(seq)
        leaves.append(sha256(b"\x00" + body).digest())
        match, fact = usual(body), None
        if match is not None and (match[10] is not None) == (match[15] != b"1"):
            fields = cast(Fields, match.groups())
        elif (read := read_unusual(out, seq, body)) is not None:
            fields, fact = read
        else:
            continue
        key, person_key = fields[7], fields[13]
        if key is not None:
            key = key.replace(b"-", b"")
        if person_key is not None:
            person_key = person_key.replace(b"-", b"")
        at = fields[1]
        # The columns beside the body say what the body says.
        if (
            int(fields[11]) != seq or row[2] != fields[4] or row[5] != key or row[6] != person_key
            or row[7] != fields[5] or row[1] != at[:10] + b" " + at[11:26]
            or row[3] != undashed(fields[12]) or row[4] != undashed(fields[0])
        ):  # fmt: skip
            compare_columns(row, Fields(*fields), out.report)
        if fields[3] is not None or fields[10] is not None:
            tokens.append(token_of(seq, fields, person_key, out.report))
        step(seq, fields, fact)
        if fact is not None or fields[4] in FACT_EVENTS:
            out.facts.append((seq, fields[4], fields[1], fact))
        kind = fields[6]
        if key is not None and kind is not None and kind in seen and fields[8] == b"allow":
            note_record(out, kind, key, person_key, body, fields, fact)
    times.end()
    out.final_at, out.is_strict = times.previous, times.is_strict
    out.leaves, out.tokens = b"".join(leaves), b"".join(tokens)
    return out


def lines_of(out: EntryPart, seq: int, fact: Any) -> list[bytes]:
    """What an unusual entry `log:bound` says of each record."""
    records = fact.get("records") if isinstance(fact, dict) else None
    lines = [str(one).encode() for one in records] if isinstance(records, list) else [b"?"]
    whole = [line for line in lines if LINE.fullmatch(line)]
    if len(whole) < len(lines):
        out.report.find(
            "fact",
            seq,
            f"記録 {seq}: log:bound の内容を読めません",
            f"entry {seq}: its fact cannot be read",
        )
    return whole


def bind(out: EntryPart, seq: int, lines: Iterable[bytes]) -> None:
    """Each record must be found as it was left before: else somebody changed it past the portal in between."""
    book = out.bound
    for line in lines:
        record, before, after = line.rsplit(b":", 2)
        known = book.get(record)
        if known is None:
            book[record] = Binding(seq, before, after)
        else:
            if known.after != before:
                was_changed(out.report, seq, record)
            book[record] = Binding(known.first, known.before, after)


def was_changed(report: Report, seq: int, record: bytes) -> None:
    kind, _colon, key = record.partition(b":")
    report.find(
        "forged",
        f"{shown(kind)} {dashed(key)}",
        f"{shown(kind)} {dashed(key)}: 記録 {seq} の前に、つなぐを通さずに変えられていました",
        f"{shown(kind)} {dashed(key)}: was changed past the portal before entry {seq}",
    )


def went_back(report: Report, seq: int, at: bytes, high: bytes) -> None:
    report.find(
        "time",
        seq,
        f"記録 {seq}: 日時が前の記録より一日以上さかのぼっています（{shown(at)}、前は {shown(high)}）",
        f"entry {seq}: its time is more than a day before that of an earlier entry",
    )


def follow(book: dict[bytes, tuple[bytes, int]], kind: bytes, key: bytes, event: bytes) -> None:
    """Remember the last step of a record, or the last thing said about one that may be taken away."""
    steps = STATUS.get(kind.decode())
    if steps is None or event.decode() in steps:
        book[key] = (event, book.get(key, (b"", 0))[1] + 1)


def note_line(out: EntryPart, key: bytes, body: bytes, fields: Fields, fact: Any) -> None:
    if fields.event == b"disclosure:made":
        channel = read_json(body)["channel"]
        out.told[key] = Telling(fields, channel, fact)
    elif fields.event == b"disclosure:ended":
        out.ended.setdefault(key, fields.at)


class DetailPart:
    """What one part of the details gave."""

    def __init__(self) -> None:
        self.tokens = b""
        self.seqs = array("q")
        self.unknown_keys: set[bytes] = set()
        self.report = Report()


def check_details(source: Source, part: Part, persons: dict[bytes, bytes]) -> DetailPart:
    """Hash the details of a part. `persons` says whose each key is."""
    out, tokens = DetailPart(), []
    rows: Iterable[Row] = source.read("audit_detail", DETAIL, part)
    if isinstance(source, Dump):
        rows = sorted(rows, key=lambda row: row[0] if row[0] is not None else -1)
    sha256, pack, unhex = hashlib.sha256, TOKEN.pack, binascii.unhexlify
    for seq, key_id, salt, details in rows:
        if type(seq) is not int or not isinstance(details, bytes) or (salt is None) == (key_id is None):
            out.report.find(
                "detail",
                shown(seq),
                f"内容 {shown(seq)}: 形が違います",
                f"details {shown(seq)}: of a wrong form",
            )
            continue
        out.seqs.append(seq)
        if key_id is None:
            tokens.append(pack(seq, 0, sha256(salt + details).digest(), NOBODY))
            continue
        person = persons.get(key_id)
        if person is None:
            out.unknown_keys.add(key_id)
        tokens.append(pack(seq, 1, sha256(details).digest(), unhex(person) if person else NOBODY))
    out.tokens = b"".join(tokens)
    return out


# --------------------------------------------------------------------------------------------- the log as a whole


class Printed(NamedTuple):
    """A checkpoint as it stands on paper: so many entries, and how their root begins. Nobody signed the typing."""

    where: str
    size: int
    root: str

    def agrees(self, root: bytes) -> bool:
        return root.hex().startswith(self.root)


class Options(NamedTuple):
    keys: list[Key]
    kept: list[Note]
    printed: list[Printed]
    max_age: timedelta
    now: datetime | None
    log_only: bool
    processes: int


class Rekeyed(NamedTuple):
    seq: int
    old: Key
    new: Key


class Restored(NamedTuple):
    seq: int
    at: datetime
    size: int
    root: str
    kept_size: int
    kept_root: str
    kept_at: datetime  # of the lost checkpoint, where its clock was ahead of this entry's


class Jump(NamedTuple):
    """The clock was behind, and somebody declared it: from this time back to that of entry `seq`."""

    seq: int
    before: str
    at: str


class Checked(NamedTuple):
    """A checkpoint, who signed it, and whether its root is the tree's."""

    note: Note
    is_kept: bool
    signers: frozenset[bytes]
    agrees: bool


class Workers:
    """Two processes for a large log; a small one is done here."""

    def __init__(self, count: int) -> None:
        self.pool: ProcessPoolExecutor | None = None
        if count > 1:
            with contextlib.suppress(OSError, ImportError, NotImplementedError):
                # Nothing here makes cycles, and looking for them among millions of rows takes an eighth of the time.
                self.pool = ProcessPoolExecutor(count, initializer=gc.disable)
        self.count = count if self.pool else 1

    def run(self, work: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Future[Any]]:
        futures = []
        for arguments in calls:
            if self.pool is not None:
                futures.append(self.pool.submit(work, *arguments))
            else:
                done: Future[Any] = Future()
                done.set_result(work(*arguments))
                futures.append(done)
        return futures

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


class Facts:
    """What the log says about itself, as far as it is well said."""

    def __init__(self, found: Iterable[tuple[int, bytes, bytes, Any]], report: Report) -> None:
        self.rekeyed: list[Rekeyed] = []
        self.restored: list[Restored] = []
        self.jumps: list[Jump] = []
        self.resealed: tuple[int, int, int, str] | None = None
        self.erased: dict[bytes, bytes] = {}  # person → key
        for seq, event, at, fact in found:
            try:
                if event in FACT_EVENTS:
                    need(isinstance(fact, dict))
                    self.take(seq, event.decode(), at, fact)
            except (ValueError, KeyError, TypeError, AttributeError):
                report.find(
                    "fact",
                    seq,
                    f"記録 {seq}: {shown(event)} の内容を読めません",
                    f"entry {seq}: its fact cannot be read",
                )

    def take(self, seq: int, event: str, at: bytes, fact: dict[str, Any]) -> None:
        if event == "log:rekeyed":
            self.rekeyed.append(Rekeyed(seq, parse_vkey(fact["old"]), parse_vkey(fact["new"])))
        elif event == "log:restored":
            size, kept_size, root = fact["size"], fact["kept_size"], fact["kept_root"]
            need(type(size) is int and type(kept_size) is int and 0 <= size < seq and isinstance(root, str))
            need(fact["proposed_by"] != fact["agreed_by"] and fact["proposed_by"] and fact["agreed_by"])
            moment = datetime.fromisoformat(at.decode())
            kept_at = datetime.fromisoformat(fact["kept_at"]) if "kept_at" in fact else moment
            need(kept_at.tzinfo)
            self.restored.append(Restored(seq, moment, size, str(fact["root"]), kept_size, root, kept_at))
        elif event == JUMP.decode():
            need(some(fact["before"], TIME) and type(fact["last"]) is int)
            self.jumps.append(Jump(seq, fact["before"], at.decode()))
        elif event == "log:resealed":
            need(type(fact["last"]) is int and type(fact["count"]) is int and self.resealed is None)
            need(0 <= fact["last"] < seq)
            self.resealed = (seq, fact["last"], fact["count"], str(fact["digest"]))
        else:
            person, key = fact["person"], fact["key"]
            need(some(person, UUID) and some(key, UUID))
            self.erased[person.replace("-", "").encode()] = key.replace("-", "").encode()


class Log:
    """The entries of a database as they were read: merged from the parts, in the order of their numbers."""

    def __init__(self, parts: Sequence[EntryPart], report: Report) -> None:
        self.seqs = array("q")
        self.seen: dict[bytes, dict[bytes, bytes | None]] = {name.encode(): {} for name in TABLES}
        self.last: dict[bytes, dict[bytes, tuple[bytes, int]]] = {}
        self.told: dict[bytes, Telling] = {}
        self.ended: dict[bytes, bytes] = {}
        self.closed: dict[bytes, Any] = {}
        self.bound: dict[bytes, Binding] = {}
        found = []
        for part in parts:
            for record, one in part.bound.items():
                known = self.bound.setdefault(record, Binding(one.first, UNBOUND, UNBOUND))
                if known.after != one.before:
                    was_changed(report, one.first, record)
                self.bound[record] = one
            self.closed.update(part.closed)
            self.seqs.extend(part.seqs)
            found += part.facts
            self.told.update(part.told)
            for key, at in part.ended.items():
                self.ended.setdefault(key, at)
            for kind, book in part.seen.items():
                self.seen[kind].update(book)
            for kind, steps in part.last.items():
                whole = self.last.setdefault(kind, {})
                for key, (event, count) in steps.items():
                    whole[key] = (event, whole.get(key, (b"", 0))[1] + count)
            report.take(part.report.findings, part.report.counts)
        self.facts = Facts(found, report)
        self.tokens = b"".join(part.tokens for part in parts)
        self.latest = b""
        self.check_times([piece for part in parts for piece in part.pieces], report)
        self.check_joints(parts, report)

    def check_times(self, pieces: Iterable[Piece], report: Report) -> None:
        number, high = -1, b""
        for piece in pieces:
            self.latest = piece.latest if piece.is_anew else max(self.latest, piece.latest)
            if piece.number == number and not piece.is_anew:
                if piece.earliest < a_day_before(high):
                    went_back(report, piece.seq, piece.earliest, high)
                high = max(high, piece.latest)
            else:
                number, high = piece.number, piece.latest

    def check_joints(self, parts: Sequence[EntryPart], report: Report) -> None:
        """The steps from part to part; and how many entries do not have their times from the portal's clock."""
        previous, is_strict, loaded = b"", False, 0
        for part in parts:
            if part.first is not None:
                seq, fields, fact = part.first
                check_step(report, seq, fields, fact, previous)
            previous = part.final_at or previous
            loaded += part.loaded[1] + (part.loaded[0] if is_strict else 0)
            is_strict = is_strict or part.is_strict
        if loaded:
            report.remarks.append(
                (f"日時を指定して取り込まれた記録が {loaded} 件あります（前後は一日の幅でだけ確かめます）",
                 f"{loaded} entries were loaded with given times: their order is checked within a day only")
            )  # fmt: skip

    def check_numbers(self, head: int, report: Report) -> None:
        """1 … n, each once; and n is what the head says."""
        count = len(self.seqs)
        if self.seqs != array("q", range(1, count + 1)):
            before = 0
            for seq in self.seqs:
                if seq == before:
                    report.find(
                        "number",
                        seq,
                        f"記録 {seq}: 同じ番号が二つあります",
                        f"entry {seq} stands there twice",
                    )
                elif seq != before + 1:
                    report.find(
                        "gap",
                        seq,
                        f"記録 {before + 1}～{seq - 1}: 抜けています"
                        if seq > 0
                        else f"記録 {seq}: ありえない番号です",
                        f"entries {before + 1} to {seq - 1} are missing"
                        if seq > 0
                        else f"entry {seq}: no such number",
                    )
                before = max(before, seq)
        last = self.seqs[-1] if self.seqs else 0
        if head != last:
            report.find(
                "head",
                "audit_head",
                f"最後の番号が {head} のはずが、記録は {last} までです",
                f"the head says {head} entries, the last entry is {last}",
            )

    @property
    def last_at(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self.latest.decode()) if self.latest else None
        except ValueError:
            return None


def check_commitments(log: Log, parts: Sequence[DetailPart], report: Report) -> None:
    """Every commitment has its details and every details their commitment, unaltered."""
    for part in parts:
        report.take(part.report.findings, part.report.counts)
        for key in part.unknown_keys:
            report.find(
                "key",
                dashed(key),
                f"本人の鍵 {dashed(key)} の行がありません",
                "the row of a person's key is missing",
            )
    have = b"".join(part.tokens for part in parts)
    if have == log.tokens and log.facts.resealed is None:
        return
    wanted = {seq: (kind, *rest) for seq, kind, *rest in TOKEN.iter_unpack(log.tokens)}
    found: dict[int, tuple[Any, ...]] = {}
    for seq, kind, *rest in TOKEN.iter_unpack(have):
        if seq in found:
            report.find("detail", seq, f"内容 {seq}: 二つあります", f"details {seq} stand there twice")
        found[seq] = (kind, *rest)
    resealed_to = log.facts.resealed[1] if log.facts.resealed else 0
    digest, count = hashlib.sha256(), 0
    for seq in sorted(wanted.keys() | found.keys()):
        want, got = wanted.get(seq), found.get(seq)
        if want is None:
            report.find(
                "detail",
                seq,
                f"内容 {seq}: 記録にない内容です",
                f"details {seq}: their entry has no commitment",
            )
        elif got is None:
            report.find(
                "dropped", seq, f"記録 {seq}: 内容がなくなっています", f"entry {seq}: its details are gone"
            )
        elif want[0] == 0 and got[0] == 1 and seq <= resealed_to:
            digest.update(b"%d %s\n" % (seq, got[1].hex().encode()))
            count += 1
        elif want != got:
            report.find(
                "altered",
                seq,
                f"記録 {seq}: 内容が変えられています",
                f"entry {seq}: its details were altered",
            )
    if log.facts.resealed and (count, digest.hexdigest()) != log.facts.resealed[2:]:
        report.find(
            "altered",
            f"1-{resealed_to}",
            f"記録 1～{resealed_to}: 封印された内容が、封印したときのものと違います",
            f"entries 1 to {resealed_to}: sealed details are not those that were sealed",
        )


# ---------------------------------------------------------------------------------------------- checkpoints, trust


class Trust:
    """Which keys are trusted: those given, and those that the log itself vouches for under a trusted checkpoint."""

    def __init__(
        self, given: Collection[Key], rekeyed: Sequence[Rekeyed], checked: Sequence[Checked]
    ) -> None:
        self.rekeyed = sorted(rekeyed)
        self.keys = {key.public for key in given}
        before = -1
        while before != len(self.keys):
            before = len(self.keys)
            for change in self.rekeyed:
                covering = [one for one in checked if one.agrees and one.note.size >= change.seq]
                if any(one.signers & self.keys for one in covering):
                    # Who was given the newer key trusts the older one for what came before the change.
                    self.keys |= {change.old.public, change.new.public}

    def trusts(self, one: Checked) -> bool:
        return bool(one.signers & self.keys)

    def is_outdated(self, one: Checked) -> bool:
        """Signed, but only by keys that were out of force by then."""
        changes = [change for change in self.rekeyed if change.seq <= one.note.size]
        retired = {change.old.public for change in changes} - {change.new.public for change in changes[-1:]}
        return one.agrees and one.signers & self.keys <= retired


def all_keys(given: Collection[Key], rekeyed: Sequence[Rekeyed]) -> set[Key]:
    return {*given, *(change.old for change in rekeyed), *(change.new for change in rekeyed)}


def ask_signatures(notes: Iterable[Note], keys: Collection[Key]) -> list[tuple[str, bytes, bytes, bytes]]:
    """The signatures to be checked: of which note, by which key, over what, and the signature."""
    return [
        (note.text, key.public, note.body, signature)
        for note in {one.text: one for one in notes}.values()
        for hashed, signature in note.stamps
        for key in keys
        if key.hash == hashed and key.origin == note.origin
    ]


class Signatures:
    """The answers to all that `ask_signatures` asked, found by the workers meanwhile."""

    def __init__(self, workers: Workers, notes: Sequence[Note], keys: Collection[Key]) -> None:
        self.asked = ask_signatures(notes, keys)
        size = max(32, -(-len(self.asked) // (workers.count * 2)))
        self.slices = [self.asked[at : at + size] for at in range(0, len(self.asked), size)]
        self.futures = workers.run(check_signatures, [([one[1:] for one in some_],) for some_ in self.slices])

    def gather(self, report: Report) -> dict[str, frozenset[bytes]]:
        signers: dict[str, set[bytes]] = {}
        for asked, future in zip(self.slices, self.futures, strict=True):
            for (text, public, _body, _signature), is_good in zip(asked, future.result(), strict=True):
                if is_good:
                    signers.setdefault(text, set()).add(public)
                else:
                    size = text.split("\n")[1]
                    report.find(
                        "signature",
                        size,
                        f"改ざん確認用の控え {size}: 署名が正しくありません",
                        f"checkpoint {size}: a signature is wrong",
                    )
        return {text: frozenset(found) for text, found in signers.items()}


def read_checkpoints(source: Source, report: Report) -> list[tuple[Note, bytes]]:
    """The checkpoints of the data with their peaks, by size; each row says what its note says."""
    found = []
    for size, at, root, peaks, text in source.read("audit_checkpoint", CHECKPOINT):
        try:
            note = parse_note(cast(bytes, text).decode(), f"改ざん確認用の控え {shown(size)}")
        except (ValueError, AttributeError):
            report.find(
                "note",
                shown(size),
                f"改ざん確認用の控え {shown(size)}: 読めない形です",
                f"checkpoint {shown(size)}: cannot be read",
            )
            continue
        moment = note.at.strftime("%Y-%m-%d %H:%M:%S.%f").encode()
        if (size, at, root) != (note.size, moment, note.root.hex().encode()) or not isinstance(peaks, bytes):
            report.find(
                "note",
                shown(size),
                f"改ざん確認用の控え {shown(size)}: 列が票と違います",
                f"checkpoint {shown(size)}: its columns differ from its note",
            )
        found.append((note, peaks if isinstance(peaks, bytes) else b""))
    return sorted(found, key=lambda one: one[0].size)


class Checkpoints:
    """All checkpoints, of the data and kept, against the tree."""

    def __init__(self, options: Options, log: Log, tree: Tree, origin: str, report: Report) -> None:
        self.options, self.log, self.tree, self.origin, self.report = options, log, tree, origin, report
        self.checked: list[Checked] = []
        self.trust = Trust((), (), ())
        self.newest: Note | None = None

    def agrees(self, note: Note | Printed) -> bool:
        return note.size <= self.tree.size and note.agrees(self.tree.root(note.size))

    def run(self, data: Sequence[tuple[Note, bytes]], signers: dict[str, frozenset[bytes]]) -> None:
        nobody: frozenset[bytes] = frozenset()
        for is_kept, notes in ((False, [one for one, _peaks in data]), (True, self.options.kept)):
            for note in notes:
                agrees = note.origin == self.origin and self.agrees(note)
                self.checked.append(Checked(note, is_kept, signers.get(note.text, nobody), agrees))
        self.trust = Trust(self.options.keys, self.log.facts.rekeyed, self.checked)
        own = [one for one in self.checked if not one.is_kept]
        good = [one.note for one in own if one.agrees and self.trust.trusts(one)]
        self.newest = max(good, key=lambda note: note.size, default=None)
        for one in self.checked:
            self.check_signed(one)
        self.check_roots(own)
        for note, peaks in data:
            if note.size <= self.tree.size and b"".join(self.tree.peaks(note.size)) != peaks:
                self.find("peaks", note, "部分木の値が違います", "its peaks are not the tree's")
        self.check_restores()
        for jump in self.log.facts.jumps:
            if self.newest is None or self.newest.size < jump.seq:
                self.report.stale.append(
                    (f"記録 {jump.seq}: 時計のずれの申告が、まだ改ざん確認用の控えに含まれていません",
                     f"entry {jump.seq}: no checkpoint covers this declared jump of the clock yet")
                )  # fmt: skip
        newest = max((other.note.size for other in own), default=-1)
        for one in self.checked:
            if one.is_kept and one.note.origin == self.origin:
                self.check_kept(one.note, newest, agrees=one.agrees)
        for printed in self.options.printed:
            self.check_kept(printed, newest, agrees=self.agrees(printed))

    def find(self, code: str, note: Note | Printed, ja: str, en: str) -> None:
        self.report.find(code, note.size, f"{note.where}: {ja}", f"checkpoint {note.size}: {en}")

    def check_signed(self, one: Checked) -> None:
        if one.note.origin != self.origin:
            self.find("origin", one.note, "別のデータベースの改ざん確認用の控えです", "it is of another log")
        elif not self.trust.trusts(one):
            self.find("signer", one.note, "信用できる鍵の署名がありません", "signed by no trusted key")
        elif self.trust.is_outdated(one):
            self.find(
                "signer",
                one.note,
                "交換前の鍵だけで署名されています",
                "signed by a key that was no longer in force",
            )

    def check_roots(self, own: Sequence[Checked]) -> None:
        """The first checkpoint of the data that does not fit says between which entries something was changed."""
        sound = 0
        for one in own:
            if one.note.origin != self.origin:
                continue
            if one.note.size > self.tree.size:
                self.find(
                    "root", one.note, "記録がこの票より短くなっています", "the log is shorter than this"
                )
            elif one.agrees:
                sound = one.note.size
            else:
                self.find(
                    "root",
                    one.note,
                    f"記録 {sound + 1}～{one.note.size} のどれかが変えられています",
                    f"one of the entries {sound + 1} to {one.note.size} was changed",
                )

    def check_restores(self) -> None:
        for one in self.log.facts.restored:
            if one.size > self.tree.size or self.tree.root(one.size).hex() != one.root:
                self.report.find(
                    "restore",
                    one.seq,
                    f"記録 {one.seq}: 復元の確認にあるルートが、記録と一致しません",
                    f"entry {one.seq}: the root of the declared restore is not the log's",
                )
            if self.newest is None or self.newest.size < one.seq:
                self.report.find(
                    "restore",
                    one.seq,
                    f"記録 {one.seq}: 復元の確認が、まだ改ざん確認用の控えに含まれていません",
                    f"entry {one.seq}: no checkpoint covers this declared restore yet",
                )

    def is_excused(self, note: Note | Printed) -> bool:
        """Lost in a restore that two people declared. What was typed from paper tells no time to hold against it."""
        return self.newest is not None and any(
            one.size < note.size <= one.kept_size
            and (isinstance(note, Printed) or note.at <= max(one.at, one.kept_at))
            and one.seq <= self.newest.size
            and (note.size != one.kept_size or self.is_lost_root(note, one.kept_root))
            for one in self.log.facts.restored
        )

    def is_lost_root(self, note: Note | Printed, kept_root: str) -> bool:
        try:
            return note.agrees(unbase64(kept_root))
        except ValueError:
            return False

    def check_kept(self, note: Note | Printed, newest: int, *, agrees: bool) -> None:
        if agrees:
            if note.size > newest:
                self.find(
                    "older",
                    note,
                    "データの中の改ざん確認用の控えが、これより古いものしかありません",
                    "the data hold older checkpoints only",
                )
        elif self.is_excused(note):
            self.report.summary["kept_lost"] = self.report.summary.get("kept_lost", 0) + 1
        elif note.size > self.tree.size:
            self.find(
                "kept",
                note,
                f"記録が短くなっています（{self.tree.size} 件しかありません）",
                f"the log has become shorter: {self.tree.size} entries",
            )
        else:
            self.find(
                "kept", note, "記録が、この票の時点のものと違います", "the entries are not those of that day"
            )

    def check_age(self) -> None:
        report, count = self.report, self.tree.size
        if count == 0:
            return
        if self.newest is None:
            report.stale.append(
                ("照合できる改ざん確認用の控えが一つもありません", "there is no checkpoint that fits")
            )
            return
        if (beyond := count - self.newest.size) >= 2000:
            report.stale.append(
                (
                    f"最後の改ざん確認用の控えのあとに {beyond} 件の記録があります",
                    f"{beyond} entries after the newest checkpoint",
                )
            )
        for moment, ja, en in (
            (self.log.last_at, "最後の記録", "the last entry"),
            (self.options.now, "いま", "now"),
        ):
            if moment is not None and moment - self.newest.at > self.options.max_age:
                hours = int((moment - self.newest.at).total_seconds() // 3600)
                report.stale.append(
                    (
                        f"最後の改ざん確認用の控えが、{ja}より {hours} 時間古いです",
                        f"the newest checkpoint is {hours} hours older than {en}",
                    )
                )


# ------------------------------------------------------------------------------------------- records and entries


class Domain:
    """Every record has an entry about it, and every entry that made a record has it."""

    def __init__(self, source: Source, log: Log, digests: Sequence[Future[Any]], report: Report) -> None:
        self.source, self.log, self.digests, self.report = source, log, digests, report

    @property
    def is_bound(self) -> bool:
        """Not in data from before migration 0005, whose log binds nothing."""
        return bool(self.log.bound) or SALTS in self.source.tables()

    def run(self) -> None:
        for table in TABLES:
            self.check_table(table)
        for table in STATUS:
            self.check_status(table)
        self.check_ledger()
        self.check_closings()
        if self.is_bound:
            self.check_bound()
        else:
            self.report.remarks.append(
                ("記録の内容は照合していません（0005 より前のデータです）",
                 "what records say was not compared: the data are from before migration 0005")
            )  # fmt: skip

    def check_table(self, table: str) -> None:
        keys = {key for (key,) in self.source.read(table, {KEY_COLUMN.get(table, "id"): "id"})}
        seen = self.log.seen[table.encode()]
        made_of = self.log.seen[MADE_OF[table].encode()].keys() if table in MADE_OF else frozenset[bytes]()
        for key in sorted(keys - seen.keys() - made_of, key=str):
            self.report.find(
                "unexplained",
                f"{table} {dashed(key)}",
                f"{table} {dashed(key)}: この行を作った記録がありません",
                f"{table} {dashed(key)}: no entry explains this row",
            )
        for key in sorted(seen.keys() - keys):
            if seen[key] not in self.log.facts.erased and not self.was_removed(table, key):
                self.report.find(
                    "vanished",
                    f"{table} {dashed(key)}",
                    f"{table} {dashed(key)}: 記録にある行がありません",
                    f"{table} {dashed(key)}: the row that entries tell of is gone",
                )

    def was_removed(self, table: str, key: bytes) -> bool:
        if table not in REMOVED_BY:
            return False
        event, count = self.log.last[table.encode()].get(key, (b"", 0))
        # One entry that made it and one that took it away, at the least.
        return event.decode() == REMOVED_BY[table] and count > 1

    def check_status(self, table: str) -> None:
        steps, last = STATUS[table], self.log.last[table.encode()]
        for key, status in self.source.read(table, {"id": "id", "status": "text"}):
            said = steps[last.get(key, (b"", 0))[0].decode()]
            if shown(status) != said:
                self.report.find(
                    "status",
                    f"{table} {dashed(key)}",
                    f"{table} {dashed(key)}: 状態が {shown(status)} ですが、記録では {said} です",
                    f"{table} {dashed(key)}: stands at {shown(status)}, its entries say {said}",
                )

    def check_ledger(self) -> None:
        told: dict[bytes, set[str]] = {}
        for key, category in self.source.read(
            "disclosure_category", {"disclosure_id": "id", "category": "text"}
        ):
            told.setdefault(key, set()).add(shown(category))
        for row in self.source.read("disclosure", LEDGER):
            line = dict(zip(LEDGER, row, strict=True))
            entry = self.log.told.get(line["id"])
            if entry is None:
                if line["id"] in self.log.seen[b"disclosure"]:
                    self.wrong(line, "提供の記録", "being made")
                continue
            for ja, en in self.differences(line, entry, told.get(line["id"], set())):
                self.wrong(line, ja, en)

    def differences(self, line: dict[str, Any], entry: Telling, told: set[str]) -> Iterator[tuple[str, str]]:
        """What a line of the ledger says otherwise than its entries."""
        fields, ended = entry.fields, self.log.ended.get(line["id"])
        if line["person_id"] != undashed(fields.subject):
            yield "本人", "person"
        if undashed(fields.agency) not in self.may_have_written(line, fields):
            yield "提供元", "agency that tells"
        if line["basis"] != fields.ground:
            yield "根拠", "basis"
        if (line["channel"] or b"").decode("utf-8", "replace") != entry.channel:
            yield "方法", "channel"
        if told != set(json.loads(fields.categories)):
            yield "区分", "categories"
        if not is_near(line["starts_at"], fields.at):
            yield "開始", "beginning"
        if (line["ended_at"] is None) != (ended is None) or (ended and not is_near(line["ended_at"], ended)):
            yield "終了", "end"
        if isinstance(entry.fact, dict):
            for name, column in (
                ("from", "from_agency_id"),
                ("to", "to_agency_id"),
                ("member", "to_staff_id"),
                ("consent", "consent_id"),
                ("source", "source_id"),
            ):
                if name in entry.fact and dashed(line[column]) != (entry.fact[name] or "-"):
                    yield (
                        {"from": "提供元", "to": "提供先", "member": "相手の職員", "consent": "同意"}.get(
                            name, "元の記録"
                        ),
                        name,
                    )

    def may_have_written(self, line: dict[str, Any], fields: Fields) -> set[bytes | None]:
        """For which agency the line may have been written: the one that tells, or where it is opened the one told.

        Whoever opens a meeting's packet, on the page or on paper, writes the line themselves for what others
        brought to the table; so does whoever opens a record in an emergency.
        """
        is_opened = fields.ground == b"emergency" or line["source_id"] in self.log.seen[b"agenda_item"]
        told = {line["to_agency_id"]} if is_opened else set[bytes | None]()
        return {line["from_agency_id"], *told}

    def check_closings(self) -> None:
        """A closed year is frozen: what is kept of it, its digest and the entry's say the same."""
        for key, year, digest, frozen in self.source.read("evaluation_closing", CLOSINGS):
            fact = self.log.closed.get(key)
            if fact is None and key not in self.log.seen[CLOSING]:
                continue  # unexplained: said already
            try:
                kept = hashlib.sha256(CANONICAL.encode(read_json(frozen)).encode()).hexdigest()
            except (ValueError, TypeError):
                kept = ""
            if kept != shown(digest) or fact != {"digest": kept, "year": year}:
                self.report.find(
                    "closing",
                    f"evaluation_closing {dashed(key)}",
                    f"evaluation_closing {dashed(key)}: 確定した年度の内容が記録のハッシュ値と違います",
                    f"evaluation_closing {dashed(key)}: what was frozen differs from the digest in its entry",
                )

    def check_bound(self) -> None:
        """Every bound record is as the log says that it was left, and every one that it speaks of is there."""
        unseen = {record for record, one in self.log.bound.items() if one.after != UNBOUND}
        for future in self.digests:
            for record, digest in future.result().items():
                unseen.discard(record)
                said = self.log.bound.get(record)
                if said is None or said.after == UNBOUND:
                    self.forged(record, "内容を控えた記録がありません", "no entry binds it")
                elif said.after != digest:
                    self.forged(record, "内容が記録と違います", "is not as the log says that it was left")
        for record in sorted(unseen):
            self.forged(record, "記録にある内容がありません", "is not there as the log says")

    def forged(self, record: bytes, ja: str, en: str) -> None:
        kind, _colon, key = record.partition(b":")
        name = f"{shown(kind)} {dashed(key)}"
        self.report.find("forged", name, f"{name}: {ja}", f"{name}: {en}")

    def wrong(self, line: dict[str, Any], ja: str, en: str) -> None:
        key = dashed(line["id"])
        self.report.find(
            "ledger",
            f"disclosure {key}",
            f"開示先一覧 {key}: {ja}が記録と違います",
            f"disclosure {key}: {en} differs from its entries",
        )


def written(value: Any, kind: str) -> bytes:
    """A value as a bound record is hashed; nothing for what is empty."""
    if value is None:
        return b""
    if kind == "json":
        try:
            return CANONICAL.encode(read_json(value)).encode()
        except (ValueError, TypeError, UnicodeError):
            return b"?"
    return value if isinstance(value, bytes) else str(value).encode()


def state_of(table: bytes, columns: Iterable[tuple[bytes, str]], row: Row) -> bytes:
    cells = [
        b"%s=%d:%s;" % (name, len(text), text)
        for (name, kind), value in zip(columns, row, strict=True)
        if value is not None
        and (text := value if type(value) is bytes and kind != "json" else written(value, kind))
    ]
    return b"%s{%s}" % (table, b"".join(cells))


def encoded(columns: Columns) -> list[tuple[bytes, str]]:
    return [(name.encode(), kind) for name, kind in columns.items()]


def digests_of(source: Source, kind: str) -> dict[bytes, bytes]:
    """The digest of each bound record of one kind, as the data hold it now."""
    tables = source.tables()
    if SALTS not in tables or kind not in tables:
        return {}
    wanted = kind.encode()
    salts: dict[bytes, bytes] = dict(source.read_salts(kind))
    parts: dict[bytes, list[bytes]] = {}
    for table, owner in PARTS.get(kind, {}).items():
        columns = present(tables, table)
        at, name, cells = list(columns).index(owner), table.encode(), encoded(columns)
        between = owners_between(source, THROUGH[table]) if table in THROUGH else None
        for row in source.read(table, columns):
            key = row[at] if between is None else between.get(row[at])
            if key is not None:
                parts.setdefault(key, []).append(state_of(name, cells, row))
    columns = present(tables, kind)
    place, once = list(columns).index("id"), list(columns).index(ONCE[kind]) if kind in ONCE else None
    found, cells = {}, encoded(columns)
    for row in source.read(kind, columns):
        if once is None or row[once] is not None:
            key = row[place]
            whole = state_of(wanted, cells, row)
            if key in parts:
                whole += b"".join(sorted(parts[key]))
            salt = salts.get(key)
            digest = hashlib.sha256(salt + whole).hexdigest().encode() if isinstance(salt, bytes) else b""
            found[b"%s:%s" % (wanted, key if isinstance(key, bytes) else b"?")] = digest
    return found


def present(tables: dict[str, list[str]], table: str) -> Columns:
    """The bound columns that these data have: an older revision lacks some, which then hold nothing."""
    return {name: kind for name, kind in BOUND[table].items() if name in tables.get(table, ())}


def owners_between(source: Source, table: str) -> dict[bytes, bytes]:
    """Which meeting each agenda item belongs to."""
    return dict(source.read(table, {"id": "id", "meeting_id": "id"}))


def is_near(column: Any, at: bytes) -> bool:
    try:
        moment = datetime.fromisoformat(column.decode()).replace(tzinfo=UTC)
        return abs(moment - datetime.fromisoformat(at.decode())) <= LAPSE
    except (ValueError, AttributeError):
        return False


def check_erased(keys: Sequence[Row], log: Log, report: Report) -> None:
    """A person's key is destroyed if and only if the log says that they were erased."""
    destroyed = set()
    for key, person, wrapped, at in keys:
        if (wrapped is None) != (at is not None):
            report.find(
                "key",
                dashed(key),
                f"本人の鍵 {dashed(key)}: 消去の日時と鍵の有無が合いません",
                "a person's key is half destroyed",
            )
        if wrapped is None:
            destroyed.add(key)
            if log.facts.erased.get(person) != key:
                report.find(
                    "key",
                    dashed(key),
                    f"本人の鍵 {dashed(key)}: 消去の記録なしに失われています",
                    f"key {dashed(key)} is gone, and no entry says why",
                )
    for person, key in log.facts.erased.items():
        if key not in destroyed:
            report.find(
                "key",
                dashed(key),
                f"本人 {dashed(person)}: 消去の記録がありますが、鍵が残っています",
                f"person {dashed(person)} was erased, but the key exists",
            )


# -------------------------------------------------------------------------------------------- a database, a dump

NEEDED: dict[str, Columns] = {
    "audit_head": HEAD,
    "audit_entry": ENTRY,
    "audit_detail": DETAIL,
    "audit_checkpoint": CHECKPOINT,
    "subject_key": SUBJECT_KEY,
}
DOMAIN: dict[str, Columns] = {
    **{table: {KEY_COLUMN.get(table, "id"): "id"} for table in TABLES},
    **{table: {"id": "id", "status": "text"} for table in STATUS},
    "disclosure": LEDGER,
    "evaluation_closing": CLOSINGS,
    "disclosure_category": {"disclosure_id": "id", "category": "text"},
}


def require_tables(source: Source, options: Options) -> None:
    tables = source.tables()
    needed = {**NEEDED, **({} if options.log_only else DOMAIN)}
    if SALTS in tables and not options.log_only:
        # Other columns may be missing from data of another revision: they count as empty.
        needed |= {table: needed.get(table, {}) | {"id": "id"} for table in RECORDS}
        needed |= {table: {owner: "id"} for parts in PARTS.values() for table, owner in parts.items()}
        needed |= {table: needed[table] | {column: "time"} for table, column in ONCE.items()}
    for name, columns in needed.items():
        missing = sorted(columns.keys() - set(tables.get(name, ())))
        if name not in tables:
            raise Unreadable(
                f"表 {name} がありません。データベース全体を書き出してください。",
                f"table {name} is missing: export the whole database",
            )
        if missing:
            raise Unreadable(
                f"表 {name} に列 {missing[0]} がありません。", f"table {name} has no column {missing[0]}"
            )


def read_entries(
    source: Source, workers: Workers, last: int, sizes: list[int], persons: dict[bytes, bytes]
) -> tuple[list[EntryPart], list[DetailPart]]:
    """All parts of entries and details, in the order of their numbers."""
    for is_second in (False, True):
        entries = workers.run(
            check_entries,
            [(source, part, sizes) for part in source.parts("audit_entry", last, workers.count * 4)],
        )
        details = workers.run(
            check_details,
            [(source, part, persons) for part in source.parts("audit_detail", last, workers.count * 2)],
        )
        parts = [one.result() for one in entries], [one.result() for one in details]
        wrong = [
            table
            for table, found in zip(("audit_entry", "audit_detail"), parts, strict=True)
            if not in_order(found)
        ]
        if is_second or not isinstance(source, Dump) or not wrong:
            break
        for table in wrong:
            source.sort(table)
    return parts


def in_order(parts: Sequence[EntryPart] | Sequence[DetailPart]) -> bool:
    ends = [(part.seqs[0], part.seqs[-1]) for part in parts if part.seqs]
    return all(before[1] < after[0] for before, after in pairwise(ends))


def read_heads(source: Source, report: Report) -> list[Row]:
    heads = list(source.read("audit_head", HEAD))
    if len(heads) != 1 or type(heads[0][0]) is not int:
        report.find(
            "head", "audit_head", "最後の番号の行が一つではありません", "audit_head has not just one row"
        )
    return heads


def persons_of(keys: Iterable[Row]) -> dict[Any, Any]:
    """Whose key each is."""
    return {
        key: person
        for key, person, _wrapped, _at in keys
        if person and re.fullmatch(rb"[0-9a-f]{32}", person)
    }


def check_reached(reached: int, count: int, report: Report) -> None:
    if reached != count:
        report.find("gap", "audit_entry", "番号で引けない記録があります", "entries that no number leads to")


def check_details_reached(source: Source, details: Sequence[DetailPart], report: Report) -> None:
    if source.count("audit_detail") != sum(len(part.seqs) for part in details):
        report.find(
            "detail", "audit_detail", "番号で引けない内容があります", "details that no number leads to"
        )


def verify_database(source: Source, options: Options, report: Report) -> None:
    require_tables(source, options)
    heads = read_heads(source, report)
    head, origin = (heads[0][0], shown(heads[0][1])) if heads else (0, "")
    data = read_checkpoints(source, report)
    keys = list(source.read("subject_key", SUBJECT_KEY))
    sizes = sorted({note.size for note, _peaks in data})
    last = source.last()
    count = source.count("audit_entry")
    workers = Workers(1 if count < SMALL else options.processes)
    try:
        # Begun first: of the tables one is far larger than the others, and nobody should wait for it in the end.
        kinds = () if options.log_only else RECORDS
        digests = workers.run(digests_of, [(source, kind) for kind in kinds])
        entries, details = read_entries(source, workers, last, sizes, persons_of(keys))
        log = Log(entries, report)
        notes = [*(note for note, _peaks in data), *options.kept]
        signatures = Signatures(workers, notes, all_keys(options.keys, log.facts.rekeyed))
        tree = Tree(b"".join(part.leaves for part in entries))
        log.check_numbers(head, report)
        check_reached(tree.size, count, report)
        check_commitments(log, details, report)
        check_details_reached(source, details, report)
        check_erased(keys, log, report)
        if not options.log_only:
            Domain(source, log, digests, report).run()
        checkpoints = Checkpoints(options, log, tree, origin, report)
        checkpoints.run(data, signatures.gather(report))
        checkpoints.check_age()
    finally:
        workers.close()
    if sizes and heads and heads[0][2] != sizes[-1]:
        report.find(
            "head",
            "audit_head",
            "最後の改ざん確認用の控えの件数が違います",
            "the head names another newest checkpoint",
        )
    if options.log_only:
        report.remarks.append(
            ("業務の表とは照合していません（--log-only）", "records were not compared (--log-only)")
        )
    report.summary |= {
        "kind": "sqlite" if isinstance(source, SQLiteFile) else "postgresql",
        "origin": origin,
        "entries": tree.size,
        "details": sum(len(part.seqs) for part in details),
        "checkpoints": len(data),
        "kept": len(options.kept) + len(options.printed),
        "root": tree.root(tree.size).hex(),
        "restores": [one.seq for one in log.facts.restored],
        "jumps": [one._asdict() for one in log.facts.jumps],
        "erased": len(log.facts.erased),
        "rekeyed": [one.seq for one in log.facts.rekeyed],
    }


# ------------------------------------------------------------------------------------------------ export bundles


class Bundle:
    """The zip that the portal hands to an auditor. Nothing of it is ever written to a disk."""

    MEMBERS = ("manifest.json", "checkpoint.txt", "entries.jsonl")

    def __init__(self, path: str, report: Report) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise broken_zip() from error
        names = [info.filename for info in self.zip.infolist()]
        for name in self.MEMBERS:
            if names.count(name) != 1:
                raise Unreadable(
                    f"{name} が一つだけ入っているはずです。", f"the bundle should hold one {name}"
                )
        if others := len(names) - len(self.MEMBERS):
            report.remarks.append(
                (f"ほかの {others} 個のファイルは見ていません", f"{others} other files were not looked at")
            )

    def small(self, name: str) -> str:
        try:
            with self.zip.open(name) as file:
                raw = file.read(NOTE_LIMIT + 1)
            if len(raw) > NOTE_LIMIT:
                raise Unreadable(f"{name} が大きすぎます。", f"{name} is too large")
            return raw.decode()
        except (
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            NotImplementedError,
            EOFError,
            ValueError,
        ) as error:
            raise broken_zip() from error
        except Exception as error:  # zlib.error and whatever other compressions raise
            if isinstance(error, Unreadable):
                raise
            raise broken_zip() from error

    def lines(self) -> Iterator[bytes]:
        """The entries, a line each; a bomb ends with words."""
        info = self.zip.getinfo("entries.jsonl")
        left = max(64 * MIB, info.compress_size * RATIO)
        try:
            with self.zip.open(info) as file:
                while line := file.readline(LINE_LIMIT):
                    left -= len(line)
                    if left < 0 or not line.endswith(b"\n"):
                        raise Unreadable(
                            "entries.jsonl の大きさが異常です。", "entries.jsonl is of an absurd size"
                        )
                    yield line
        except Unreadable:
            raise
        except Exception as error:  # zlib.error and whatever other compressions raise
            raise broken_zip() from error


def broken_zip() -> Unreadable:
    return Unreadable("zip ファイルが壊れています。", "the zip file is broken")


class BundleEntries:
    """The entries of a bundle, read once."""

    def __init__(self, bundle: Bundle, note: Note, is_complete: bool, report: Report) -> None:
        self.count, self.last = 0, 0
        self.leaves: list[bytes] = []
        self.facts: list[tuple[int, bytes, bytes, Any]] = []
        self.latest = self.previous = b""
        self.size, self.root, self.is_complete, self.report = note.size, note.root, is_complete, report
        for line in bundle.lines():
            self.count += 1
            try:
                self.take(read_json(line))
            except (ValueError, KeyError, TypeError, UnicodeError):
                report.find(
                    "body",
                    self.count,
                    f"{self.count} 行目: 定めた形ではありません",
                    f"line {self.count}: not in the form of an entry",
                )

    def take(self, value: Any) -> None:
        wanted = {"seq", "body"} if self.is_complete else {"seq", "body", "proof"}
        need(isinstance(value, dict) and value.keys() == wanted)
        need(type(value["seq"]) is int and 0 < value["seq"] < 10**18 and isinstance(value["body"], str))
        seq, body = value["seq"], value["body"].encode()
        fields, fact = read_body(body)
        if int(fields.seq) != seq:
            self.report.find(
                "number",
                seq,
                f"記録 {seq}: 本文の番号が違います",
                f"entry {seq}: the body has another number",
            )
        if seq <= self.last or (self.is_complete and seq != self.last + 1):
            self.report.find(
                "gap",
                seq,
                f"記録 {seq}: 順番が違うか、抜けています",
                f"entry {seq}: out of order, or some are missing",
            )
        self.last = max(seq, self.last)
        self.latest = max(self.latest, fields.at)
        if self.is_complete and (fields.at < self.previous or fields.event == JUMP):
            check_step(self.report, seq, fields, fact, self.previous)
        self.previous = fields.at
        leaf = hashlib.sha256(b"\x00" + body).digest()
        self.leaves.append(leaf)
        if fact is not None:
            self.facts.append((seq, fields.event, fields.at, fact))
        if not self.is_complete:
            path = [bytes.fromhex(one) for one in value["proof"]]
            need(all(len(one) == 32 for one in path) and len(path) < 64)
            if root_of_path(leaf, seq - 1, self.size, path) != self.root:
                self.report.find(
                    "proof",
                    seq,
                    f"記録 {seq}: 改ざん確認用の控えと一致しません",
                    f"entry {seq}: its proof does not lead to the root",
                )


def read_manifest(bundle: Bundle, note: Note, report: Report) -> dict[str, Any]:
    try:
        manifest = read_json(bundle.small("manifest.json"))
        need(isinstance(manifest, dict) and isinstance(manifest["complete"], bool))
        counted = manifest["entries"]
        need(type(counted) is int)
        if manifest["origin"] != note.origin or manifest["size"] != note.size:
            report.find(
                "manifest",
                "manifest.json",
                "改ざん確認用の控えと合いません",
                "the manifest and the checkpoint differ",
            )
        return cast(dict[str, Any], manifest)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable("manifest.json を読めません。", "manifest.json cannot be read") from error


def verify_bundle(path: str, options: Options, report: Report) -> None:
    bundle = Bundle(path, report)
    try:
        note = parse_note(bundle.small("checkpoint.txt"), "checkpoint.txt")
    except ValueError as error:
        raise Unreadable("checkpoint.txt を読めません。", "checkpoint.txt cannot be read") from error
    manifest = read_manifest(bundle, note, report)
    entries = BundleEntries(bundle, note, manifest["complete"], report)
    if entries.count != manifest["entries"]:
        report.find(
            "manifest",
            "manifest.json",
            f"{manifest['entries']} 件のはずが {entries.count} 件です",
            "another number of entries than stated",
        )
    tree = Tree(b"".join(entries.leaves) if entries.is_complete else b"")
    facts = Facts(entries.facts, report)
    log = Log((), report)
    log.facts, log.latest = facts, b""
    if entries.is_complete and (entries.count != note.size or tree.root(tree.size) != note.root):
        report.find(
            "root",
            note.size,
            "記録が改ざん確認用の控えと一致しません",
            "the entries do not have the root of the checkpoint",
        )
    workers = Workers(1)
    signers = Signatures(workers, [note, *options.kept], all_keys(options.keys, facts.rekeyed)).gather(report)
    if entries.is_complete:
        # What is here is the whole log up to the checkpoint, so older ones that were kept can be held against it.
        checkpoints = Checkpoints(options, log, tree, note.origin, report)
        checkpoints.run([(note, b"".join(tree.peaks(tree.size)))], signers)
    else:
        compare_kept(note, options, facts, signers, report)
    if options.now is not None and options.now - note.at > options.max_age:
        hours = int((options.now - note.at).total_seconds() // 3600)
        report.stale.append(
            (f"改ざん確認用の控えが {hours} 時間前のものです", f"the checkpoint is {hours} hours old")
        )
    report.summary |= {
        "kind": "bundle",
        "origin": note.origin,
        "entries": entries.count,
        "details": 0,
        "checkpoints": 1,
        "kept": len(options.kept) + len(options.printed),
        "root": note.root.hex(),
        "size": note.size,
        "complete": entries.is_complete,
        "restores": [one.seq for one in facts.restored],
        "jumps": [one._asdict() for one in facts.jumps],
        "erased": len(facts.erased),
        "rekeyed": [one.seq for one in facts.rekeyed],
    }


def compare_kept(
    note: Note, options: Options, facts: Facts, signers: dict[str, frozenset[bytes]], report: Report
) -> None:
    """A part of the log says nothing of other sizes than its checkpoint's."""
    nobody: frozenset[bytes] = frozenset()
    checked = [
        Checked(one, one is not note, signers.get(one.text, nobody), one == note)
        for one in (note, *options.kept)
    ]
    trust = Trust(options.keys, facts.rekeyed, checked)
    for one in checked:
        if one.note.origin != note.origin:
            report.find(
                "origin",
                one.note.size,
                f"{one.note.where}: 別のデータベースの改ざん確認用の控えです",
                "a kept checkpoint of another log",
            )
        elif not trust.trusts(one):
            report.find(
                "signer",
                one.note.size,
                f"{one.note.where}: 信用できる鍵の署名がありません",
                "signed by no trusted key",
            )
        elif one.note.size == note.size and one.note.root != note.root:
            report.find(
                "kept",
                one.note.size,
                f"{one.note.where}: 同じ件数で中身の違う票です",
                "a kept checkpoint of the same size differs",
            )
    for typed in options.printed:
        if typed.size == note.size and not typed.agrees(note.root):
            report.find(
                "kept",
                typed.size,
                f"{typed.where}: 同じ件数で中身の違う票です",
                "a kept checkpoint of the same size differs",
            )
    beside: list[Note | Printed] = [*options.kept, *options.printed]
    if others := sum(one.size != note.size for one in beside):
        report.remarks.append(
            (f"保管した改ざん確認用の控えのうち {others} 枚は、一部だけの出力とは照合できません",
             f"{others} kept checkpoints cannot be held against a part of the log")
        )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- the command


def read_small(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(NOTE_LIMIT + 1)
        if len(raw) > NOTE_LIMIT:
            raise ValueError("too large")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        raise Unreadable(f"ファイルを読めません: {shown(path)}", f"cannot read {shown(path)}") from error


def read_key(given: str) -> Key:
    try:
        return parse_vkey(given)
    except ValueError:
        pass
    if given.startswith("tsunagu/") or not os.path.isfile(given):
        raise Unreadable(
            "--key が公開鍵でもファイルでもありません。", "--key is neither a public key nor a file"
        )
    try:
        return parse_vkey(read_small(Path(given)))
    except ValueError as error:
        raise Unreadable(
            f"公開鍵のファイルではありません: {shown(given)}", f"no public key in {shown(given)}"
        ) from error


def begins_like_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16).removeprefix(b"\xef\xbb\xbf").startswith(b"tsunagu/")
    except OSError:
        return True  # to be read, and to be complained about


def read_kept(given: Sequence[str], report: Report) -> list[Note]:
    """The checkpoints that somebody kept: files, or all .txt files in folders."""
    files: list[tuple[Path, bool]] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            files += [(one, False) for one in sorted(path.rglob("*.txt"))[: MOST_FILES + 1] if one.is_file()]
        else:
            files.append((path, True))
        if len(files) > MOST_FILES:
            raise Unreadable("改ざん確認用の控えのファイルが多すぎます。", "too many checkpoint files")
    found: dict[str, Note] = {}
    for path, is_named in files:
        if not is_named and not begins_like_one(path):
            report.remarks.append(
                (
                    f"改ざん確認用の控えではないので見ていません: {shown(path.name)}",
                    f"no checkpoint: {shown(path.name)}",
                )
            )
            continue
        text = read_small(path)
        try:
            found.setdefault(text, parse_note(text, f"保管票 {shown(path.name)}"))
        except ValueError as error:
            raise Unreadable(
                f"改ざん確認用の控えとして読めません: {shown(path)}", f"not a checkpoint: {shown(path)}"
            ) from error
    return list(found.values())


def read_printed(given: Sequence[str]) -> list[Printed]:
    """What was typed from a monthly report: the number of entries, then the root, with any blanks in it."""
    found = []
    for text in given:
        size, *groups = unicodedata.normalize("NFKC", text).replace(",", "").split() or [""]
        root = "".join(groups).lower()
        if not re.fullmatch(r"[0-9]{1,18}", size) or not re.fullmatch(r"[0-9a-f]{16,64}", root):
            raise Unreadable(
                f"--printed は「記録の数 ハッシュ値（16文字以上）」です: {shown(text)}",
                f"--printed is the number of entries and 16 or more digits of the root: {shown(text)}",
            )
        found.append(Printed(f"印刷された票 {size}", int(size), root))
    return found


def unpack(path: str, folder: str) -> str:
    """A compressed dump as a plain one in a folder of our own."""
    left = max(256 * MIB, os.path.getsize(path) * RATIO)
    plain = os.path.join(folder, "dump.sql")
    try:
        with gzip.open(path, "rb") as packed, open(plain, "wb") as file:
            while block := packed.read(4 * MIB):
                left -= len(block)
                if left < 0:
                    raise Unreadable(
                        "圧縮ファイルの大きさが異常です。", "the compressed file is of an absurd size"
                    )
                file.write(block)
    except Unreadable:
        raise
    except Exception as error:  # zlib.error too, which is no OSError
        raise Unreadable("圧縮ファイルを開けません。", "the compressed file cannot be opened") from error
    return plain


def verify(path: str, options: Options, report: Report) -> None:
    try:
        with open(path, "rb") as file:
            magic = file.read(16)
    except OSError as error:
        raise Unreadable(f"データを開けません: {shown(path)}", f"cannot open {shown(path)}") from error
    if magic.startswith(b"PK"):
        verify_bundle(path, options, report)
        return
    if magic.startswith(b"PGDMP"):
        raise Unreadable(
            "pg_dump は -Fp（平文）で書き出してください。", "export with pg_dump -Fp, as plain text"
        )
    with tempfile.TemporaryDirectory(prefix="verify-audit-", ignore_cleanup_errors=True) as folder:
        source: Source
        if magic == b"SQLite format 3\0":
            source = SQLiteFile(path)
        elif not magic:
            raise Unreadable("データが空です。", "the data are empty")
        else:
            # Beside a dump that is somebody's evidence nothing is written: what must be sorted goes to our folder.
            plain = unpack(path, folder) if magic.startswith(b"\x1f\x8b") else path
            source = Dump(plain, folder)
        try:
            verify_database(source, options, report)
        except sqlite3.Error as error:
            raise Unreadable(
                f"SQLite のファイルを読めません（{shown(error)}）。-wal と -shm のファイルも一緒にコピーしてください。",
                f"cannot read the SQLite file ({shown(error)}); copy its -wal and -shm files too",
            ) from error
        finally:
            source.close()


def moment(text: str) -> datetime:
    found = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone(timedelta(hours=9)))


class Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG, f"使い方が違います / usage: {message}\n")


def arguments() -> Arguments:
    parser = Arguments(
        prog="verify_audit.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "つなぐの監査記録が、書かれたときのままかどうかを照合します。\n"
            "Checks that the audit log of Tsunagu is as it was written.\n\n"
            "例 / example:\n"
            "  python verify_audit.py tsunagu.db --key key.txt --checkpoint kept\n"
            "  python verify_audit.py dump.sql.gz --key key.txt --checkpoint 2026-10.txt --checkpoint 2026-11.txt"
        ),
        epilog=(
            "終了コード / exit code:\n"
            "  0  改ざんは見つかりませんでした / sound\n"
            "  1  改ざんの疑いがあります / tampered with\n"
            "  2  使い方の誤り、または読めないデータ / wrong usage or unreadable data\n"
            "  3  改ざんは見つからないが、改ざん確認用の控えが古い / sound, but the checkpoint is old"
        ),
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="SQLite のファイル、pg_dump の平文（.gz も可）、または出力した zip / a SQLite file, a plain pg_dump, a bundle",
    )
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="VKEY|FILE",
        help="受け取ってある公開鍵、またはそのファイル。何度でも / the public key you were given, or its file",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        nargs="+",
        default=[],
        metavar="FILE|DIR",
        help="保管してある改ざん確認用の控え。何枚でも、フォルダでも / the checkpoints you kept: files, folders, any number",
    )
    parser.add_argument(
        "--printed",
        action="append",
        default=[],
        metavar="NUMBER ROOT",
        help=(
            '月次報告に印刷された改ざん確認用の控え。"記録の数 ハッシュ値" を引用符で囲む。何度でも'
            ' / a checkpoint on paper: "number of entries, root", in quotes, any number'
        ),
    )
    add_limits(parser)
    return parser


def add_limits(parser: Arguments) -> None:
    """How old a checkpoint may be, what is left out, and how the result is said."""
    parser.add_argument(
        "--max-age",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="改ざん確認用の控えが何時間より古ければ「古い」とするか（24）/ hours after which a checkpoint is stale (24)",
    )
    parser.add_argument(
        "--now",
        type=moment,
        metavar="TIME",
        help="この時刻から見ても古くないか。now または 2026-11-24T10:00 / also not stale at this time",
    )
    parser.add_argument(
        "--log-only",
        action="store_true",
        help="業務の表と照合しない（記録の表だけの書き出しのとき）/ do not compare the log with the records",
    )
    parser.add_argument("--json", action="store_true", help="結果を JSON で出す / the result as JSON")


def as_json(report: Report, code: int, error: Unreadable | None) -> str:
    verdict = {SOUND: "sound", TAMPERED: "tampered", WRONG: "unreadable", STALE: "stale"}[code]
    value = {
        "verdict": verdict,
        "exit": code,
        "findings": [one._asdict() for one in report.findings],
        "counts": report.counts,
        "stale": [{"ja": ja, "en": en} for ja, en in report.stale],
        "remarks": [{"ja": ja, "en": en} for ja, en in report.remarks],
        "summary": report.summary,
    }
    if error:
        value["error"] = {"ja": error.ja, "en": error.en}
    return json.dumps(value, ensure_ascii=False, indent=2)


VERDICTS = {
    SOUND: "○ 改ざんは見つかりませんでした / sound",
    TAMPERED: "✗ 改ざんの疑いがあります / TAMPERED WITH",
    STALE: "△ 改ざんは見つかりませんが、改ざん確認用の控えが古いため新しい部分は確かめられません / sound, but stale",
}


def as_text(report: Report, code: int) -> str:
    lines = [f"✗ {one.ja} / {one.en}" for one in report.findings]
    for kind, count in report.counts.items():
        if count > SHOWN:
            lines.append(f"✗ ほかに {count - SHOWN} 件（{kind}）/ and {count - SHOWN} more ({kind})")
    lines += [f"△ {ja} / {en}" for ja, en in report.stale]
    lines += [f"・{ja} / {en}" for ja, en in report.remarks]
    one = report.summary
    if one:
        lines += [
            f"記録の名前 / log: {one['origin']}",
            f"記録 / entries: {one['entries']}　内容 / details: {one['details']}",
            f"改ざん確認用の控え / checkpoints: {one['checkpoints']}　保管していた票 / kept: {one['kept']}",
            f"ルート / root: {one['root']}",
        ]
        if one["restores"]:
            lines.append(
                f"復元が申告されています / restores declared: {', '.join(map(str, one['restores']))}"
            )
        if one.get("kept_lost"):
            lines.append(f"復元で失われた部分の保管票 / kept of what a restore lost: {one['kept_lost']}")
        for jump in one["jumps"]:
            lines.append(
                f"時計のずれの申告 / jump of the clock declared: 記録 {jump['seq']}　{jump['before']} → {jump['at']}"
            )
        if one["rekeyed"]:
            lines.append(f"署名鍵の交換 / changes of the key: {', '.join(map(str, one['rekeyed']))}")
        lines.append(f"消去された人 / persons erased: {one['erased']}")
        if not one["kept"]:
            lines.append(
                "・保管した改ざん確認用の控えがないので、最後の部分が切り取られていないことは確かめられません"
                " / without kept checkpoints nobody can tell whether the end was cut off"
            )
    return "\n".join([*lines, VERDICTS[code]])


def say(text: str, stream: Any) -> None:
    with contextlib.suppress(AttributeError, ValueError):
        stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark
    stream.write(text + "\n")
    stream.flush()


def main(argv: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            cast(Any, stream).reconfigure(errors="replace")
    given = arguments().parse_args(argv)
    report, error, began = Report(), None, time.monotonic()
    try:
        age = timedelta(hours=given.max_age) if 0 <= given.max_age < 8_000_000 else NEVER
        options = Options(
            keys=[read_key(one) for one in given.key],
            kept=read_kept([one for some_ in given.checkpoint for one in some_], report),
            printed=read_printed(given.printed),
            max_age=age,
            now=given.now,
            log_only=given.log_only,
            processes=max(1, min(4, os.cpu_count() or 1)),
        )
        verify(given.data, options, report)
        code = report.exit
    except Unreadable as unreadable:
        code, error = WRONG, unreadable
    except (OSError, MemoryError) as trouble:
        code, error = (
            WRONG,
            Unreadable(f"読み込めません（{shown(trouble)}）", "the machine could not read it"),
        )
    except Exception as unexpected:  # whatever a hostile file brings about, it is never taken for sound
        name = type(unexpected).__name__
        code, error = (
            WRONG,
            Unreadable(
                f"データが異常で照合できません（{name}）", f"the data are too odd to be checked ({name})"
            ),
        )
    report.summary and report.summary.update(seconds=round(time.monotonic() - began, 2))
    if given.json:
        say(as_json(report, code, error), sys.stdout)
    elif error:
        say("\n".join([f"✗ {one.ja} / {one.en}" for one in report.findings] + [f"✗ {error}"]), sys.stderr)
    else:
        say(as_text(report, code), sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
