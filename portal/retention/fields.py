"""Every column in which something is typed: blanked when the person it is about is erased, or kept, and why.

A test walks all tables: a new text column fails it until it stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.sql import ColumnElement

from portal.activities.models import ActivityAttendance
from portal.cases.models import Case, CaseGoal, CaseMilestone, ProgressNote
from portal.consents.models import Consent, Withdrawal
from portal.db import Base
from portal.disclosures.models import Disclosure, StopConfirmation
from portal.emergency.models import EmergencyAccess
from portal.exclusions.models import Exclusion
from portal.inspections.models import NameOpening
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.outcomes.models import MeetingOutcome
from portal.people.models import Information, Person
from portal.referrals.models import FollowUp, Referral, ReferralEvent, ReferralGoal
from portal.retention.models import Erasure
from portal.words import N_

Where = Callable[[UUID], ColumnElement[bool]]
ERASED = N_("消去済み")  # stands in the place of a name


@dataclass(frozen=True, slots=True)
class Blank:
    """The rows of one table that are about a person, and what they hold afterwards."""

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
