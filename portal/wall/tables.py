"""The second wall, table by table: a rule for each, or why it needs none. A new table without one shows nothing."""

from __future__ import annotations

from collections.abc import Mapping

from portal.wall import meetings, rules
from portal.wall.rules import NOBODY, Rule, free, home, known, of_referral, only, open_because

OWN_STAFF = "EXISTS (SELECT 1 FROM base.membership m WHERE m.staff_id = t.id AND m.agency_id = @admin)"
OWN_AGENCY = "t.agency_id = @office"
NOT_THE_AUDITOR = "NOT @auditor"
WORKS_HERE = (
    "EXISTS (SELECT 1 FROM base.membership m WHERE m.staff_id = t.staff_id AND m.agency_id = @office)"
)
HOLDS = "EXISTS (SELECT 1 FROM base.{0} g WHERE g.{1} = t.{2} AND g.agency_id = @agency)"
# What was typed in an emergency: for the asker; once opened, for the record holder; for those who may agree.
CONCERNED_BY_EMERGENCY = """(t.staff_id = @staff AND t.agency_id = @agency
 OR t.home_agency_id = @agency AND t.starts_at IS NOT NULL OR @convener IN (t.agency_id, t.home_agency_id))"""
# Colleagues of today, whoever looks after their accounts, and they themselves.
COLLEAGUE = """(t.staff_id = @staff OR @sysadmin OR EXISTS (SELECT 1 FROM base.membership m
 WHERE m.staff_id = t.staff_id AND m.agency_id = @office AND m.ended_at IS NULL))"""
READS_EVALUATIONS = "(@agency IS NOT NULL OR @admin IS NOT NULL OR @auditor)"

RULES: Mapping[str, Rule] = {
    # Who works where is no secret; how they sign in is.
    "agency": open_because("everybody must know whom to refer to"),
    "service": open_because("what an agency offers"),
    "closure": open_because("deadlines are counted by them"),
    "staff": open_because(
        "names stand beside what they did",
        password_hash=NOBODY,
        second_factor="t.id = @staff",
        email=f"t.id = @staff OR @sysadmin OR {OWN_STAFF}",
    ),
    "membership": open_because("who works where"),
    "absence": Rule(COLLEAGUE),
    "sign_in_session": Rule("(t.token_hash = @token OR t.staff_id = @staff)"),
    "sign_in_attempt": Rule(NOBODY),
    "invitation": Rule(
        "(t.token_hash = @token OR t.agency_id = @admin OR @sysadmin)",
        {"token_hash": "t.token_hash = @token"},
    ),
    "form_key": Rule("t.staff_id = @staff"),
    "counter": Rule(OWN_AGENCY),
    "setting": open_because("how long things are kept is the city's policy, and of nobody in particular"),
    # The log.
    "audit_head": open_because("how long the log is"),
    "audit_checkpoint": open_because("signed roots of the log are there to be shown and kept by everybody"),
    "audit_entry": Rule("(@auditor OR t.agency_id = @admin)"),
    "audit_detail": Rule(NOBODY),
    "subject_key": Rule(NOBODY),
    "record_salt": Rule(NOBODY),
    # People.
    "person": rules.PERSON,
    "information": rules.INFORMATION,
    "family_tie": Rule(f"({known('t.person_id')} AND {known('t.relative_id')})"),
    "exclusion": Rule(
        # Both walls ask about the readers themselves; about others, where they may know of the person.
        "(t.staff_id = @staff OR @auditor"
        f" OR {known('t.person_id')} AND (t.agency_id = @office OR {home('t.person_id')} OR {WORKS_HERE}))",
        # Why is not for whoever is excluded: it tells of the person.
        only(f"{NOT_THE_AUDITOR} AND {known('t.person_id')}", "reason", "lifted_why"),
        barrier=True,
    ),
    "consent": rules.CONSENT,
    "consent_recipient": rules.CONSENT_RECIPIENT,
    "consent_category": rules.CONSENT_CATEGORY,
    "withdrawal": rules.WITHDRAWAL,
    "disclosure": rules.DISCLOSURE,
    "disclosure_category": Rule(rules.OF_LINE),
    "stop_confirmation": rules.STOP_CONFIRMATION,
    "support_case": rules.CASE,
    "case_goal": rules.OF_CASE,
    "progress_note": rules.OF_CASE,
    "referral": rules.REFERRAL,
    "referral_category": Rule(of_referral()),
    "referral_goal": rules.GOAL,
    "referral_event": rules.EVENT,
    "referral_news": Rule(f"(t.agency_id = @agency AND {of_referral()})"),
    "referral_reading": Rule("t.staff_id = @staff"),
    "follow_up": rules.FOLLOW_UP,
    # Meetings.
    "meeting_series": meetings.SERIES,
    "meeting_series_member": meetings.OF_SERIES,
    "meeting_series_regular": meetings.OF_SERIES,
    "meeting": meetings.MEETING,
    "meeting_member": meetings.OF_MEETING,
    "attendance": meetings.ATTENDANCE,
    "calendar_link": Rule("(t.token_hash = @token OR t.staff_id = @staff)"),
    "agenda_item": meetings.AGENDA_ITEM,
    "agenda_item_category": meetings.OF_ITEM,
    "minutes_revision": meetings.MINUTES_REVISION,
    "meeting_outcome": meetings.MEETING_OUTCOME,
    "agenda_item_reason": meetings.ITEM_REASON,
    "addendum": meetings.ADDENDUM,
    "local_issue": meetings.LOCAL_ISSUE,
    # Activities are for the agencies that held them; who came is for the agency that recorded it.
    "activity_series": Rule(HOLDS.format("activity_series_agency", "series_id", "id"), barrier=True),
    "activity_series_agency": Rule(HOLDS.format("activity_series_agency", "series_id", "series_id")),
    "activity": Rule(HOLDS.format("activity_agency", "activity_id", "id"), barrier=True),
    "activity_agency": Rule(HOLDS.format("activity_agency", "activity_id", "activity_id")),
    "activity_attendance": Rule(
        f"(t.agency_id = @agency AND (t.person_id IS NULL OR {free('t.person_id')}))", barrier=True
    ),
    "case_milestone": rules.OF_CASE,
    # Partners are for every caseworker; whom they took in is in the activities.
    "partner": Rule("@agency IS NOT NULL", barrier=True),
    "agreement": Rule("@agency IS NOT NULL"),
    # The yearly evaluation names nobody.
    "evaluation_area": Rule(READS_EVALUATIONS, barrier=True),
    "evaluation_text": Rule(READS_EVALUATIONS, barrier=True),
    "evaluation_closing": Rule(
        READS_EVALUATIONS,
        only(
            "t.agency_id = @agency OR t.agency_id = @admin OR @auditor", "reopened_why"
        ),  # the programme's own affair
        barrier=True,
    ),
    "evaluation_addendum": Rule(READS_EVALUATIONS, barrier=True),
    # Emergencies, inspections, erasures.
    "emergency_access": Rule(
        f"(@auditor OR {free('t.person_id')} AND ({OWN_AGENCY} OR t.home_agency_id = @office))",
        only(CONCERNED_BY_EMERGENCY, "text", "declined_why", "review_text"),
        barrier=True,
    ),
    "emergency_notice": Rule(f"({OWN_AGENCY} OR @auditor)"),
    "name_opening": Rule("(@auditor OR t.home_agency_id = @admin)", only("@auditor", "reason"), barrier=True),
    "audit_sample": Rule("@auditor", barrier=True),
    "audit_sample_item": Rule("@auditor", barrier=True),
    "audit_finding": Rule("(@auditor OR t.agency_id = @admin OR t.agency_id = @convener)", barrier=True),
    "erasure": Rule(f"(@auditor OR {OWN_AGENCY} AND {free('t.person_id')})", only(NOT_THE_AUDITOR, "reason")),
}
