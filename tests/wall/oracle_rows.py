"""Which rows of each table a reader may get at all, and the closed columns that hold no planted word.

Worked out in Python over the rows themselves, from the words of the design: shares nothing with the rules of the
portal. A table with no entry here is one that the tests do not know, and fails.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from portal.core.policy import Role
from tests.wall import canary_meetings
from tests.wall.canaries import Planted, ReadingRights, Row, basics, words
from tests.wall.oracle import Line
from tests.wall.world_activities import holds, holds_series, wrote
from tests.wall.world_inspections import own

Test = Callable[[ReadingRights, Row], bool]
SENDERS_OWN = {"drafted", "rerouted"}


def everybody(_rights: ReadingRights, _row: Row) -> bool:
    return True


def nobody(_rights: ReadingRights, _row: Row) -> bool:
    return False


def is_auditor(rights: ReadingRights, _row: Row | None = None) -> bool:
    return rights.role is Role.AUDITOR


def administers(rights: ReadingRights, agency: UUID | None) -> bool:
    """Looks after the accounts of this agency."""
    return (rights.administers or rights.role is Role.AGENCY_ADMIN) and agency == rights.agency is not None


def is_at_work(rights: ReadingRights, agency: UUID | None) -> bool:
    """Has a post in this agency, of whatever role."""
    return agency == rights.agency is not None


def is_theirs(rights: ReadingRights, row: Row) -> bool:
    """The member's own: keys, sessions, calendars."""
    return bool(row["staff_id"] == rights.staff is not None)


def absence(rights: ReadingRights, row: Row) -> bool:
    """Of the colleagues of today."""
    posts = rights.tables["membership"].values()
    at = {post["agency_id"] for post in posts if post["staff_id"] == row["staff_id"] and not post["ended_at"]}
    return is_theirs(rights, row) or rights.role is Role.SYSTEM_ADMIN or rights.agency in at - {None}


def is_of_agency(rights: ReadingRights, row: Row) -> bool:
    """Of the agency for which the reader does casework."""
    return bool(row["agency_id"] == rights.works is not None)


def is_out(rights: ReadingRights, person: UUID | None) -> bool:
    return rights.truth.is_out(rights.staff, person)


def of_parent(table: str, key: str) -> Test:
    """As the row that it belongs to."""

    def test(rights: ReadingRights, row: Row) -> bool:
        return may_get(rights, table, rights.tables[table][row[key]])

    return test


def either(*tests: Test) -> Test:
    return lambda rights, row: any(test(rights, row) for test in tests)


# People.


def person(rights: ReadingRights, row: Row) -> bool:
    return is_auditor(rights) or rights.truth.knows_of(rights.works, row["id"], rights.now, rights.staff)


def information(rights: ReadingRights, row: Row) -> bool:
    return rights.sees(row, row["category"])


def family_tie(rights: ReadingRights, row: Row) -> bool:
    people = rights.tables["person"]
    return all(person(rights, people[row[side]]) for side in ("person_id", "relative_id"))


def exclusion(rights: ReadingRights, row: Row) -> bool:
    """The member's own; of others, for who knows of the person where the member works or the record is kept."""
    if is_auditor(rights) or is_theirs(rights, row):
        return True
    if rights.works is None or not person(rights, rights.tables["person"][row["person_id"]]):
        return False
    posts = rights.tables["membership"].values()
    at = {row["agency_id"], rights.truth.homes[row["person_id"]]}
    at |= {post["agency_id"] for post in posts if post["staff_id"] == row["staff_id"]}
    return rights.works in at


# Consents and what was disclosed on them.


def is_party(rights: ReadingRights, line: Line) -> bool:
    """On one side of the disclosure."""
    if rights.works is None or is_out(rights, line.person):
        return False
    return rights.works == line.teller or rights.truth.is_for(line, rights.works, rights.staff)


def lines_on(rights: ReadingRights, consent: UUID | None) -> list[Line]:
    """The disclosures on this consent that the reader is a side of."""
    every = (line for lines in rights.truth.lines.values() for line in lines)
    return [
        line for line in every if consent is not None and line.consent == consent and is_party(rights, line)
    ]


def owns_consent(rights: ReadingRights, key: UUID) -> bool:
    """Recorded it, or keeps the record."""
    one = rights.truth.consents[key]
    if rights.works is None or is_out(rights, one.person):
        return False
    return rights.works in {one.recorded_by, rights.truth.homes[one.person]}


def consent(rights: ReadingRights, row: Row) -> bool:
    """A side of a disclosure sees the days of its consent, and of the one that took its place."""
    if is_auditor(rights) or owns_consent(rights, row["id"]):
        return True
    found = lines_on(rights, row["id"]) or lines_on(rights, row["replaces_id"])
    return bool(found) and not is_out(rights, row["person_id"])


def consent_recipient(rights: ReadingRights, row: Row) -> bool:
    key = row["consent_id"]
    if is_auditor(rights) or owns_consent(rights, key):
        return True
    return any(line.told == row["agency_id"] for line in lines_on(rights, key))


def consent_category(rights: ReadingRights, row: Row) -> bool:
    key = row["consent_id"]
    if is_auditor(rights) or owns_consent(rights, key):
        return True
    return any(row["category"] in line.categories for line in lines_on(rights, key))


def withdrawal(rights: ReadingRights, row: Row) -> bool:
    key = row["consent_id"]
    if is_auditor(rights) or owns_consent(rights, key):
        return True
    return any(row["recipient_id"] in {None, line.told} for line in lines_on(rights, key))


def disclosure(rights: ReadingRights, row: Row) -> bool:
    """Both sides and, unless nobody was named, whoever keeps the record."""
    if is_auditor(rights):
        return True
    line = next(one for one in rights.truth.lines[row["person_id"]] if one.id == row["id"])
    if is_party(rights, line):
        return True
    home = rights.truth.homes[line.person] == rights.works is not None
    return home and line.basis != "anonymous" and not is_out(rights, line.person)


# Cases and referrals.


def support_case(rights: ReadingRights, row: Row) -> bool:
    return is_auditor(rights) or (is_of_agency(rights, row) and not is_out(rights, row["person_id"]))


def referral(rights: ReadingRights, row: Row) -> bool:
    has = rights.truth.has_referral(rights.works, row["id"]) and not is_out(rights, row["person_id"])
    return is_auditor(rights) or has


of_referral = of_parent("referral", "referral_id")


def referral_event(rights: ReadingRights, row: Row) -> bool:
    """What was done before it was sent is the sender's own."""
    sender = rights.truth.referrals[row["referral_id"]].sender
    is_open = is_auditor(rights) or sender == rights.works or row["what"] not in SENDERS_OWN
    return is_open and of_referral(rights, row)


# Meetings.


def meeting(rights: ReadingRights, row: Row) -> bool:
    """Who sits there, and who was told something there."""
    if is_auditor(rights) or rights.truth.sits_at(rights.works, row["id"]):
        return True
    items = {key for key, item in rights.truth.items.items() if item.meeting == row["id"]}
    return any(was_told(rights, item) for item in items)


def was_told(rights: ReadingRights, item: UUID) -> bool:
    every = (line for lines in rights.truth.lines.values() for line in lines)
    return rights.works is not None and any(
        line.source == item and rights.truth.is_for(line, rights.works, rights.staff) for line in every
    )


def agenda_item(rights: ReadingRights, row: Row) -> bool:
    """Who has it on the agenda; and who was once told it: stops and promises remain."""
    if is_auditor(rights) or rights.truth.has_item(rights.works, rights.staff, row["id"], rights.now):
        return True
    return was_told(rights, row["id"]) and not is_out(rights, row["person_id"])


def meeting_outcome(rights: ReadingRights, row: Row) -> bool:
    item = rights.tables["agenda_item"][row["item_id"]]
    owes = row["owner_agency_id"] == rights.works is not None and agenda_item(rights, item)
    return is_auditor(rights) or owes or canary_meetings.of_item(rights, row)


def item_reason(rights: ReadingRights, row: Row) -> bool:
    """Who brought the item; of its referral its two sides; of a promise who may read that."""
    item = rights.tables["agenda_item"][row["item_id"]]
    if not agenda_item(rights, item):
        return False
    if row["source"] == "action":
        promise = rights.tables["meeting_outcome"].get(row["subject_id"])
        if promise and meeting_outcome(rights, promise):
            return True
    sides = {item["brought_by_id"]}
    if row["subject_id"] == item["referral_id"]:
        asked = rights.tables["referral"][item["referral_id"]]
        sides |= {asked["from_agency_id"], asked["to_agency_id"] if asked["sent_at"] else None}
    return rights.works is not None and rights.works in sides


def local_issue(rights: ReadingRights, row: Row) -> bool:
    """Without persons: for who raised it, and for all who have it on an agenda that is out."""
    if row["agency_id"] == rights.works is not None:
        return True
    items = [item for item in rights.tables["agenda_item"].values() if item["issue_id"] == row["id"]]
    return rights.works is not None and any(
        agenda_item(rights, item) and canary_meetings.is_open(rights, item["id"]) for item in items
    )


# Emergencies, inspections, erasures.


def emergency_access(rights: ReadingRights, row: Row) -> bool:
    sides = (row["agency_id"], row["home_agency_id"])
    is_side = any(is_at_work(rights, side) for side in sides)
    return is_auditor(rights) or (is_side and not is_out(rights, row["person_id"]))


def erasure(rights: ReadingRights, row: Row) -> bool:
    mine = is_at_work(rights, row["agency_id"]) and not is_out(rights, row["person_id"])
    return is_auditor(rights) or mine


def reads_evaluations(rights: ReadingRights, _row: Row) -> bool:
    return rights.works is not None or is_auditor(rights) or administers(rights, rights.agency)


ROWS: dict[str, Test] = {
    **dict.fromkeys(("agency", "service", "closure", "staff", "membership", "setting"), everybody),
    **dict.fromkeys(("audit_head", "audit_checkpoint"), everybody),
    **dict.fromkeys(("sign_in_attempt", "audit_detail", "subject_key", "record_salt"), nobody),
    **dict.fromkeys(("sign_in_session", "form_key", "calendar_link", "referral_reading"), is_theirs),
    "absence": absence,
    "invitation": lambda rights, row: (
        rights.role is Role.SYSTEM_ADMIN or administers(rights, row["agency_id"])
    ),
    "counter": lambda rights, row: is_at_work(rights, row["agency_id"]),
    "audit_entry": lambda rights, row: is_auditor(rights) or administers(rights, row["agency_id"]),
    "person": person,
    "information": information,
    "family_tie": family_tie,
    "exclusion": exclusion,
    "consent": consent,
    "consent_recipient": consent_recipient,
    "consent_category": consent_category,
    "withdrawal": withdrawal,
    "disclosure": disclosure,
    **dict.fromkeys(("disclosure_category", "stop_confirmation"), of_parent("disclosure", "disclosure_id")),
    "support_case": support_case,
    **dict.fromkeys(("case_goal", "progress_note", "case_milestone"), of_parent("support_case", "case_id")),
    "referral": referral,
    **dict.fromkeys(("referral_category", "referral_goal"), of_referral),
    "referral_event": referral_event,
    "referral_news": lambda rights, row: is_of_agency(rights, row) and of_referral(rights, row),
    "follow_up": lambda rights, row: (
        (is_auditor(rights) or is_of_agency(rights, row)) and of_referral(rights, row)
    ),
    "meeting_series": either(is_auditor, canary_meetings.series),
    **dict.fromkeys(
        ("meeting_series_member", "meeting_series_regular"), of_parent("meeting_series", "series_id")
    ),
    "meeting": meeting,
    "meeting_member": of_parent("meeting", "meeting_id"),
    "attendance": canary_meetings.meeting,
    "agenda_item": agenda_item,
    "agenda_item_category": of_parent("agenda_item", "item_id"),
    "agenda_item_reason": item_reason,
    "minutes_revision": canary_meetings.of_item,
    "meeting_outcome": meeting_outcome,
    "addendum": canary_meetings.addendum,
    "local_issue": local_issue,
    "activity_series": holds_series,
    "activity_series_agency": of_parent("activity_series", "series_id"),
    "activity": holds,
    "activity_agency": of_parent("activity", "activity_id"),
    "activity_attendance": lambda rights, row: (
        rights.works is not None and wrote(rights, row) and not is_out(rights, row["person_id"])
    ),
    **dict.fromkeys(("partner", "agreement"), lambda rights, _row: rights.works is not None),
    **dict.fromkeys(
        ("evaluation_area", "evaluation_text", "evaluation_closing", "evaluation_addendum"), reads_evaluations
    ),
    "emergency_access": emergency_access,
    "emergency_notice": lambda rights, row: is_auditor(rights) or is_at_work(rights, row["agency_id"]),
    "name_opening": lambda rights, row: is_auditor(rights) or administers(rights, row["home_agency_id"]),
    **dict.fromkeys(("audit_sample", "audit_sample_item"), is_auditor),
    "audit_finding": either(is_auditor, own),
    "erasure": erasure,
}


def may_get(rights: ReadingRights, table: str, row: Row) -> bool:
    return bool(ROWS[table](rights, row))


def staff_email(rights: ReadingRights, row: Row) -> bool:
    """One's own; of colleagues, for who looks after their accounts."""
    if row["id"] == rights.staff or rights.role is Role.SYSTEM_ADMIN:
        return True
    posts = rights.tables["membership"].values()
    return any(post["staff_id"] == row["id"] and administers(rights, post["agency_id"]) for post in posts)


def caseworkers(test: Test) -> Test:
    return lambda rights, row: rights.works is not None and test(rights, row)


# Closed columns in which nobody plants a word, or whose word stands there in another form.
COLUMNS: dict[tuple[str, str], Test] = {
    ("staff", "password_hash"): nobody,
    ("staff", "second_factor"): lambda rights, row: row["id"] == rights.staff,
    ("staff", "email"): staff_email,
    ("invitation", "token_hash"): nobody,
    **dict.fromkeys((("person", "age_band"), ("person", "search_key")), caseworkers(basics)),
    ("referral", "anonymous_age_band"): caseworkers(words),
}


def may_read_cell(rights: ReadingRights, table: str, column: str, row: Row) -> bool:
    """Whether a column of a row that the reader gets is open to them."""
    test = COLUMNS.get((table, column))
    return bool(test(rights, row)) if test else rights.may_read(Planted(table, column, row))
