"""The second wall's columns: those that whoever sees a row of a table sees with it. All others are hidden.

A column whose own test decides (`Rule.columns`) is not named here; one that no page may ever read has the test NOBODY there,
and a table that nobody reads has no entry. A new column of a model is empty for every reader until it is named, here or
in a rule: what it reveals must be thought about first.
"""

from __future__ import annotations

from collections.abc import Mapping

SHOWN: Mapping[str, str] = {
    "agency": (
        "id created_at name short_name kind about telephone fax email address hours weekly_closed "
        "holidays_closed yearend_closed is_active version"
    ),
    "service": "id created_at agency_id name for_whom room room_as_of is_active version",
    "closure": "id created_at agency_id starts_on ends_on reason",
    "staff": "id created_at name language disabled_at version",
    "membership": "id created_at staff_id agency_id role administers ended_at",
    "absence": "staff_id starts_on until",
    "sign_in_session": (
        "id created_at token_hash staff_id membership_id last_seen_at expires_at user_agent ended_at"
    ),
    "invitation": (
        "id created_at email name agency_id role administers invited_by_id expires_at used_at revoked_at "
        "staff_id"
    ),
    "form_key": "staff_id key made_id created_at",
    "counter": "agency_id series fiscal_year last",
    "setting": "id created_at key value version",
    "audit_head": "id seq origin checkpoint_size checkpoint_at",
    "audit_checkpoint": "size at root peaks note",
    "audit_entry": "seq at event staff_id agency_id object_id person_id ground body",
    "person": (
        "id created_at home_agency_id registered_by_id is_identified contact_prohibited protected_address "
        "erased_at version"
    ),
    "information": "id created_at person_id category fields text version",
    "family_tie": "id created_at person_id relative_id relation",
    "exclusion": "id created_at person_id staff_id agency_id made_by_id conflict lifted_at lifted_by_id",
    "consent": "id created_at person_id agency_id recorded_by_id method valid_from valid_until replaces_id",
    "consent_recipient": "consent_id agency_id",
    "consent_category": "consent_id category",
    "withdrawal": "id created_at consent_id recipient_id agency_id recorded_by_id withdrawn_at",
    "disclosure": (
        "id created_at person_id from_agency_id to_agency_id to_staff_id made_by_id basis consent_id "
        "channel source_id starts_at ends_at ended_at"
    ),
    "disclosure_category": "disclosure_id category",
    "stop_confirmation": "id created_at disclosure_id agency_id confirmed_by_id",
    "support_case": (
        "id created_at agency_id person_id number opened_on opened_by_id worker_id heard_by source_id "
        "closed_on outcome version"
    ),
    "case_goal": "id created_at case_id domain review_on score scored_at",
    "progress_note": "id created_at case_id author_id held_on method minutes category version",
    "referral": (
        "id created_at number person_id from_agency_id to_agency_id service_id created_by_id worker_id "
        "sender_worker_id kind status basis consent_id listed_at sent_at received_at answered_at ended_at acknowledge_by "
        "respond_by first_contact_on refusal outcome part_of_id appointment_at version"
    ),
    "referral_category": "referral_id category",
    "referral_goal": "id created_at referral_id domain score",
    "referral_event": "id created_at referral_id agency_id staff_id what code sequel_id",
    "referral_news": "referral_id agency_id what at",
    "referral_reading": "referral_id staff_id at",
    "follow_up": "id created_at agency_id referral_id kind code noted_by_id done_at version",
    "meeting_series": (
        "id created_at convener_id kind rule starts_on begins minutes closed_day presenter_agency_id "
        "ended_on version"
    ),
    "meeting_series_member": "series_id agency_id",
    "meeting_series_regular": "series_id staff_id agency_id",
    "meeting": (
        "id created_at series_id slot convener_id kind starts_at minutes presenter_agency_id status "
        "announced_at begun_at closed_at approved_at calendar_sequence is_moved version"
    ),
    "meeting_member": "meeting_id agency_id",
    "attendance": (
        "id created_at meeting_id agency_id staff_id guest_name guest_from was_there secrecy_at on_paper"
    ),
    "calendar_link": "staff_id token_hash renewed_at",
    "agenda_item": (
        "id created_at meeting_id kind source subject_id person_id referral_id issue_id outcome_id "
        "brought_by_id shared shared_by_id reason_on reason_count presenter_agency_id minutes position "
        "number waiting_since revision revised_at is_touched removed_at postponed_at version"
    ),
    "agenda_item_category": "item_id category",
    "agenda_item_reason": "item_id source subject_id reason_on reason_count",
    "minutes_revision": "id created_at item_id staff_id text based_on is_refused",
    "meeting_outcome": (
        "id created_at item_id kind owner_agency_id owner_staff_id due_on referral_id referral_step "
        "to_agency_id noted_by_id done_at done_by_id struck_at version"
    ),
    "addendum": "id created_at meeting_id item_id staff_id text",
    "local_issue": "id created_at agency_id raised_by_id follow_up_id code text status result version",
    "activity_series": "id created_at agency_id kind area title place mode starts_on ended_on version",
    "activity_series_agency": "series_id agency_id",
    "activity": (
        "id created_at agency_id recorded_by_id series_id partner_id kind area title held_on place mode "
        "not_held_why audience audience_number text outcome struck_at struck_why version"
    ),
    "activity_agency": "activity_id agency_id held_on",
    "activity_attendance": "id created_at activity_id agency_id person_id is_first note linked_at struck_at",
    "case_milestone": (
        "id created_at case_id what happened_on for_employment helper_agency_id noted_by_id struck_at"
    ),
    "partner": (
        "id created_at agency_id name about offers contact_name telephone email address added_on ended_on "
        "version"
    ),
    "agreement": "id created_at partner_id agency_id signed_on valid_until struck_at",
    "evaluation_area": "id created_at agency_id code name position kinds measures retired_from version",
    "evaluation_text": "id created_at agency_id year area part text author_id",
    "evaluation_closing": (
        "id created_at agency_id year as_of frozen digest closed_by_id checkpoint_size reopened_at "
        "reopened_by_id"
    ),
    "evaluation_addendum": "id created_at agency_id year text author_id",
    "emergency_access": (
        "id created_at person_id home_agency_id agency_id staff_id reason categories needs_second "
        "approved_by_id approved_at declined_at starts_at ends_at ended_at disclosure_id review_by "
        "reviewed_by_id reviewed_at finding version"
    ),
    "emergency_notice": "id created_at access_id agency_id noted_at noted_by_id",
    "name_opening": "id created_at staff_id person_id home_agency_id number ends_at",
    "audit_sample": "id created_at staff_id agency_id first last wanted found seed closed_at version",
    "audit_sample_item": "id created_at sample_id referral_id position answers note checked_at version",
    "audit_finding": (
        "id created_at item_id referral_id agency_id made_by_id kind check_code text due_on answer "
        "answered_by_id answered_at closed_at closed_by_id closing version"
    ),
    "erasure": (
        "id created_at person_id agency_id ground proposed_by_id agreed_by_id agreed_at dropped_at "
        "dropped_by_id done_at version"
    ),
}


def shown(table: str) -> frozenset[str]:
    return frozenset(SHOWN.get(table, "").split())
