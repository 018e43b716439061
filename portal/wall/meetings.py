"""The second wall's rules for meetings: who enters, and on which basis an agenda item is known and read."""

# ruff: noqa: S608 - made of our own rules and names, and of nothing that anybody typed

from __future__ import annotations

from portal.wall.rules import FOR_READER, LIVES, TELLS_BASIC, Rule, free, home, line, only

AT_TABLE = "EXISTS (SELECT 1 FROM base.meeting_member s WHERE s.meeting_id = {} AND s.agency_id = @agency)"
# On the roster of the meeting `m`, and bound to secrecy by their own word.
AGREED = """EXISTS (SELECT 1 FROM base.attendance a
 WHERE a.meeting_id = m.id AND a.staff_id = @staff AND a.secrecy_at IS NOT NULL)"""
# Of a 支援会議 only the named and sworn are shown anything (生活困窮者自立支援法, 支援会議の守秘義務).
ENTERS = f"({AT_TABLE.format('m.id')} AND (m.kind <> 'statutory' OR {AGREED}))"


def referral_party(item: str, *, living: bool) -> str:
    """A side of the item's referral; `living`: one that may still read what it disclosed."""
    told = line("l.source_id = r.id AND l.to_agency_id = r.to_agency_id", LIVES)
    received = "r.to_agency_id = @agency AND r.sent_at IS NOT NULL" + (f" AND {told}" if living else "")
    return f"""EXISTS (SELECT 1 FROM base.referral r WHERE r.id = {item}.referral_id
 AND (r.from_agency_id = @agency OR {received}))"""


def told(item: str) -> str:
    """The item was disclosed to this reader, on a live basis."""
    return line(f"l.source_id = {item}.id AND l.person_id = {item}.person_id", TELLS_BASIC)


def grounds(item: str, *, living: bool) -> str:
    """Why the reader knows of the item of the meeting `m`, or, `living`, may read it.

    Knowing the person from elsewhere opens no item.
    """
    return f"""({item}.person_id IS NULL OR {free(f"{item}.person_id")} AND (m.kind = 'case_study'
 OR {item}.brought_by_id = @agency OR ({item}.shared AND {home(f"{item}.person_id")})
 OR {referral_party(item, living=living)} OR {told(item)}))"""


def names(item: str) -> str:
    """Whether anybody but those who asked may know whom the item of the meeting `m` is about."""
    return f"""((m.kind <> 'case_study' OR {item}.brought_by_id = @agency)
 AND ({item}.referral_id IS NULL OR EXISTS (SELECT 1 FROM base.referral r WHERE r.id = {item}.referral_id
 AND (r.basis <> 'anonymous' OR r.from_agency_id = @agency))))"""


def told_once(item: str) -> str:
    """The item was once disclosed to this reader, whatever became of the basis: stops and promises remain."""
    return line(f"l.source_id = {item}.id", FOR_READER, free("l.person_id"))


def enters(meeting: str, *tests: str) -> str:
    found = " AND ".join([f"m.id = {meeting}", ENTERS, *tests])
    return f"EXISTS (SELECT 1 FROM base.meeting m WHERE {found})"


def is_out(item: str) -> str:
    """The meeting `m` was announced and not cancelled; else its items are for those who make the agenda."""
    return f"""(m.status IN ('announced', 'in_session', 'minuted', 'approved')
 OR {item}.brought_by_id = @agency OR m.convener_id = @convener)"""


def reads_item(item: str) -> str:
    return f"""EXISTS (SELECT 1 FROM base.agenda_item i JOIN base.meeting m ON m.id = i.meeting_id
 WHERE i.id = {item} AND {ENTERS} AND {is_out("i")} AND {grounds("i", living=True)})"""


TOLD_IN = f"""EXISTS (SELECT 1 FROM base.agenda_item i JOIN base.disclosure l ON l.source_id = i.id
 WHERE i.meeting_id = t.id AND {FOR_READER})"""
MEETING = Rule(
    f"(@auditor OR {AT_TABLE.format('t.id')} OR {TOLD_IN})",
    only(f"{AT_TABLE.format('t.id')} OR {TOLD_IN}", "name", "place", "link", "cancelled_why"),
)
INVITED = """EXISTS (SELECT 1 FROM base.meeting_series_member s
 WHERE s.series_id = t.id AND s.agency_id = @agency)"""
SERIES = Rule(f"(@auditor OR {INVITED})", only(INVITED, "name", "place", "link"))
OF_SERIES = Rule("EXISTS (SELECT 1 FROM wall.meeting_series s WHERE s.id = t.series_id)")
OF_MEETING = Rule("EXISTS (SELECT 1 FROM wall.meeting m WHERE m.id = t.meeting_id)")
ATTENDANCE = Rule(AT_TABLE.format("t.meeting_id"), barrier=True)
AGENDA_ITEM = Rule(
    f"(@auditor OR {enters('t.meeting_id', grounds('t', living=False))} OR {told_once('t')})",
    only(
        enters("t.meeting_id", is_out("t"), grounds("t", living=True)),
        *("title", "text", "minutes_text", "removed_why", "postponed_why"),
    ),
)
OF_ITEM = Rule("EXISTS (SELECT 1 FROM wall.agenda_item i WHERE i.id = t.item_id)")
# A further reason is known to whoever brought the item, of its referral to both sides, of a promise to its readers.
ITEM_REASON = Rule(
    f"""EXISTS (SELECT 1 FROM wall.agenda_item i WHERE i.id = t.item_id AND (i.brought_by_id = @agency
 OR t.subject_id = i.referral_id AND {referral_party("i", living=False)}
 OR t.source = 'action' AND EXISTS (SELECT 1 FROM wall.meeting_outcome o WHERE o.id = t.subject_id)))"""
)
MINUTES_REVISION = Rule(reads_item("t.item_id"), barrier=True)
OWED = "(t.owner_agency_id = @agency AND EXISTS (SELECT 1 FROM wall.agenda_item i WHERE i.id = t.item_id))"
MEETING_OUTCOME = Rule(
    f"(@auditor OR {OWED} OR {reads_item('t.item_id')})",
    only(f"{OWED} OR {reads_item('t.item_id')}", "text", "done_note"),
)
ADDENDUM = Rule(
    f"(t.item_id IS NULL AND {enters('t.meeting_id')} OR t.item_id IS NOT NULL AND {reads_item('t.item_id')})",
    barrier=True,
)
ON_AGENDA = f"""EXISTS (SELECT 1 FROM wall.agenda_item i JOIN base.meeting m ON m.id = i.meeting_id
 WHERE i.issue_id = t.id AND {is_out("i")})"""
LOCAL_ISSUE = Rule(f"(t.agency_id = @agency OR @agency IS NOT NULL AND {ON_AGENDA})", barrier=True)
