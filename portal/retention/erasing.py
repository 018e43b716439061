"""Erasing: the key is destroyed, names and texts are blanked in every column, each change is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities.models import ActivityAttendance
from portal.audit import bound, vault
from portal.audit import services as audit
from portal.audit.checkpoint_store import keeping
from portal.audit.events import AuditEvent
from portal.audit.models import Audited, AuditHead
from portal.cases.models import Case, CaseGoal, CaseMilestone, ProgressNote
from portal.consents.models import Consent, Withdrawal
from portal.core import clock
from portal.core.db import Base, Versioned, db
from portal.core.errors import Conflict, PortalError
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures.models import Disclosure, StopConfirmation
from portal.emergency.models import EmergencyAccess
from portal.exclusions.models import Exclusion
from portal.inspections.models import NameOpening
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.outcomes.models import MeetingOutcome
from portal.people.models import FamilyTie, Information, Person
from portal.referrals.models import FollowUp, Referral, ReferralEvent, ReferralGoal
from portal.retention.models import Erasure

Where = Callable[[UUID], ColumnElement[bool]]
ERASED = N_("消去済み")  # stands in the place of a name


@dataclass(frozen=True, slots=True)
class Blank:
    """The rows of one table that are about a person, and their values after the erasure."""

    model: type[Base]
    about: Where
    values: Mapping[str, Any]


def empty(*columns: str) -> dict[str, Any]:
    return dict.fromkeys(columns, "")


def of(parent: type[Any], person_id: UUID) -> Select[UUID]:
    """The ids of this person's records of one kind."""
    found: Select[UUID] = select(parent.id).where(parent.person_id == person_id)
    return found


PERSON = Blank(
    Person,
    lambda who: Person.id == who,
    empty(
        *("family", "given", "family_kana", "given_kana", "search_key", "sex"),
        *("address", "telephone", "household", "contact_prohibited_reason"),
    )
    | {"pseudonym": ERASED, "is_identified": False, "birth": None}
    | {"contact_prohibited": False, "protected_address": False},
)
# In the order in which they are blanked. At every agency: the key is the person's, and so is the erasure.
BLANKED = (
    PERSON,
    Blank(Information, lambda who: Information.person_id == who, {"text": "", "fields": {}}),
    Blank(
        Consent,
        lambda who: Consent.person_id == who,
        empty("given_by_name", "given_by_relation", "witness", "kept_at", "purpose"),
    ),
    Blank(Withdrawal, lambda who: Withdrawal.consent_id.in_(of(Consent, who)), empty("reason")),
    Blank(
        StopConfirmation, lambda who: StopConfirmation.disclosure_id.in_(of(Disclosure, who)), empty("note")
    ),
    Blank(Case, lambda who: Case.person_id == who, empty("closing_text")),
    Blank(CaseGoal, lambda who: CaseGoal.case_id.in_(of(Case, who)), empty("text")),
    Blank(ProgressNote, lambda who: ProgressNote.case_id.in_(of(Case, who)), empty("text")),
    Blank(CaseMilestone, lambda who: CaseMilestone.case_id.in_(of(Case, who)), empty("text")),
    Blank(ActivityAttendance, lambda who: ActivityAttendance.person_id == who, empty("note")),
    Blank(Referral, lambda who: Referral.person_id == who, empty("need", "reason", "appointment_place")),
    Blank(ReferralGoal, lambda who: ReferralGoal.referral_id.in_(of(Referral, who)), empty("text")),
    Blank(ReferralEvent, lambda who: ReferralEvent.referral_id.in_(of(Referral, who)), empty("text")),
    Blank(FollowUp, lambda who: FollowUp.referral_id.in_(of(Referral, who)), empty("text")),
    Blank(
        AgendaItem,
        lambda who: AgendaItem.person_id == who,
        empty("title", "text", "removed_why", "postponed_why", "minutes_text"),
    ),
    Blank(MinutesRevision, lambda who: MinutesRevision.item_id.in_(of(AgendaItem, who)), empty("text")),
    Blank(
        MeetingOutcome,
        lambda who: MeetingOutcome.item_id.in_(of(AgendaItem, who)),
        empty("text", "done_note"),
    ),
    Blank(Addendum, lambda who: Addendum.item_id.in_(of(AgendaItem, who)), empty("text")),
    Blank(
        EmergencyAccess,
        lambda who: EmergencyAccess.person_id == who,
        empty("text", "declined_why", "review_text"),
    ),
    Blank(Exclusion, lambda who: Exclusion.person_id == who, empty("reason", "lifted_why")),
    Blank(NameOpening, lambda who: NameOpening.person_id == who, empty("reason")),
    Blank(Erasure, lambda who: Erasure.person_id == who, empty("reason")),
)

CODE = "a code or a hash: nobody typed it"
NUMBER = "the number by which the log and the figures go on"
OFFICE = "of an agency, a meeting or a member of staff: no client is in it"
THE_LOG = "the log is never changed: what it keeps of a person is sealed with the key that is destroyed"
GATHERING = "of an afternoon, a place or a company: what concerns one person stands in his own note"
NOBODYS = "of a year and of nobody in particular: the form says to name no one"
AUDITORS = "the auditor's own record, written by number"
KEPT: Mapping[str, Mapping[str, str]] = {
    "agency": dict.fromkeys(
        (
            *("name", "short_name", "about", "telephone", "fax", "email", "address", "hours"),
            "weekly_closed",
        ),
        OFFICE,
    ),
    "service": dict.fromkeys(("name", "for_whom"), OFFICE),
    "closure": {"reason": OFFICE},
    "staff": dict.fromkeys(("email", "name", "password_hash", "language", "second_factor"), OFFICE),
    "invitation": dict.fromkeys(("token_hash", "email", "name"), OFFICE),
    "meeting_series": dict.fromkeys(("name", "rule", "place", "link"), OFFICE),
    "meeting": dict.fromkeys(("name", "place", "link", "cancelled_why"), OFFICE),
    "attendance": dict.fromkeys(("guest_name", "guest_from"), OFFICE),
    "local_issue": {"code": CODE, "text": "holds no person: what the city lacks", "result": OFFICE},
    "sign_in_session": {"token_hash": CODE, "user_agent": OFFICE},
    "sign_in_attempt": dict.fromkeys(("account_hash", "device_hash"), CODE),
    "calendar_link": {"token_hash": CODE},
    "counter": {"series": CODE},
    "form_key": {"key": CODE},
    "setting": {"key": CODE},
    "subject_key": {"master_id": CODE, "wrapped": "destroyed first"},
    "record_salt": {"kind": CODE, "salt": "another one takes its place first"},
    "audit_head": {"origin": CODE},
    "audit_entry": dict.fromkeys(("event", "ground", "body"), THE_LOG),
    "audit_detail": dict.fromkeys(("salt", "details"), THE_LOG),
    "audit_checkpoint": dict.fromkeys(("root", "peaks", "note"), THE_LOG),
    "audit_sample": {"seed": CODE},
    "audit_sample_item": {"answers": CODE, "note": AUDITORS},
    "audit_finding": {"check_code": CODE, **dict.fromkeys(("text", "answer", "closing"), AUDITORS)},
    "name_opening": {"number": NUMBER},
    "person": {"number": NUMBER, "age_band": "a band of five years, for the figures"},
    "consent": {"form_version": CODE},
    "support_case": {"number": NUMBER},
    "referral": {"number": NUMBER, "anonymous_age_band": "a band of five years, for the figures"},
    "referral_event": {"code": CODE},
    "follow_up": {"code": CODE},
    "emergency_access": {"categories": CODE},
    "activity_series": dict.fromkeys(("area", "title", "place"), GATHERING),
    "activity": dict.fromkeys(
        ("area", "title", "place", "not_held_why", "audience", "text", "outcome", "struck_why"), GATHERING
    ),
    "partner": dict.fromkeys(
        ("name", "about", "offers", "contact_name", "telephone", "email", "address"), OFFICE
    ),
    "evaluation_area": dict.fromkeys(("code", "name", "kinds", "measures"), OFFICE),
    "evaluation_text": dict.fromkeys(("area", "text"), NOBODYS),
    "evaluation_closing": dict.fromkeys(("frozen", "digest", "reopened_why"), NOBODYS),
    "evaluation_addendum": {"text": NOBODYS},
}


# Erasing: the key is destroyed, names and texts are blanked everywhere, each changed record is logged.

log = logging.getLogger(__name__)
LIST = "erased.txt"


def erase(session: Session, actor: Actor | None, person: Person, *, ground: str | None) -> None:
    """Erase in the act's transaction, which has locked the person's row. `actor` is None for a command."""
    channel = "portal" if actor else "command"
    now = clock.now()
    untie(session, actor, person.id, channel)
    # First the key: from here on the database allows what was typed about the person to be blanked.
    key_id = vault.destroy(session, person.id, now)
    for blank in BLANKED:
        for row in session.scalars(select(blank.model).where(blank.about(person.id))):
            bound.renew(session, row)
            empty_out(actor, row, blank, person.id, channel)
    person.erased_at = now
    audit.record(
        AuditEvent.PERSON_ERASED,
        person,
        actor=actor,
        person_id=person.id,
        ground=ground,
        channel=channel,
        fact={"key": key_id, "person": person.id},
    )


def untie(session: Session, actor: Actor | None, person_id: UUID, channel: str) -> None:
    """Undo family ties as if by hand: a relative's name would show whose child the person was."""
    ties = select(FamilyTie).where(or_(FamilyTie.person_id == person_id, FamilyTie.relative_id == person_id))
    for tie in session.scalars(ties).all():
        audit.record(AuditEvent.FAMILY_UNTIED, tie, actor=actor, person_id=tie.person_id, channel=channel)
        session.delete(tie)


def empty_out(actor: Actor | None, row: Base, blank: Blank, person_id: UUID, channel: str) -> None:
    if not row.apply(**blank.values):
        return
    if isinstance(row, Versioned):
        row.advance(None)
    if isinstance(row, Audited):
        audit.record(AuditEvent.RECORD_BLANKED, row, actor=actor, person_id=person_id, channel=channel)


def note_outside(session: Session, people: list[UUID]) -> None:
    """Add ids to the list beside the kept checkpoints, so that no older backup brings these people back.

    The list holds ids only and identifies nobody by itself.
    """
    origin = session.scalar(select(AuditHead.origin))
    place = keeping.place(origin or "")
    if place is None:
        return
    known = set(noted_outside(session))
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (place / LIST).open("a", encoding="ascii") as file:
            file.writelines(f"{person_id}\n" for person_id in people if person_id not in known)
    except OSError:
        # It is done and logged; `flask retention reapply` completes the list.
        log.exception("an erasure could not be noted outside the data directory")


def noted_outside(session: Session) -> list[UUID]:
    """The ids on the list of this log; a line that is no id is passed over."""
    origin = session.scalar(select(AuditHead.origin))
    place = keeping.place(origin or "")
    if place is None or not (place / LIST).is_file():
        return []
    found = []
    for line in (place / LIST).read_text(encoding="ascii", errors="replace").split():
        try:
            found.append(UUID(line))
        except ValueError:
            log.warning("a line of %s is no id", LIST)
    return found


# What an erasure leaves in the files of the database until they are written anew.


def clear_files(*, rebuild: bool = False) -> None:
    """Write the write-ahead log of SQLite back and empty it; with `rebuild`, write the whole file anew.

    Raises:
        Conflict: somebody reads or writes at this moment; nothing was lost, try again.
        PortalError: this database is not SQLite; it has commands of its own.
    """
    if db.engine.dialect.name != "sqlite":
        raise PortalError(N_("PostgreSQL では VACUUM を使ってください（docs/operations.md）。"))
    # Neither may run inside a transaction, so this connection begins none.
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if rebuild:
            cursor.execute("VACUUM")
        (is_busy, _pages, _written) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    if is_busy:
        raise Conflict(N_("ほかの処理が使っているため、終わりませんでした。もう一度実行してください。"))
