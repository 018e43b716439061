"""The second wall's rules: of every table which rows, and which columns of them, the present reader gets.

Plain SQL, the same text for both databases; `predicates` makes its conditions from it. `base.x` is a table,
`wall.x` what the reader gets of it, `t` the row in question; `@agency` and its like are the reader and the
moment (`reader.Reader`), and NULL where they have none.
"""

# ruff: noqa: S608 - made of our own rules and names, and of nothing that anybody typed

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERYBODY, NOBODY = "1 = 1", "1 = 0"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows for which `rows` holds; a column named in `columns` is empty where its own test does not hold.

    PostgreSQL may look into a row before `rows` is checked, and an error of a query would reveal its text.
    What somebody typed has a test of its own, or its view is a `barrier`, which costs the use of an index.
    """

    rows: str
    columns: Mapping[str, str] = field(default_factory=dict)
    barrier: bool = False
    open_because: str = ""


def only(test: str, *columns: str) -> dict[str, str]:
    return dict.fromkeys(columns, test)


def open_because(why: str, **columns: str) -> Rule:
    return Rule(EVERYBODY, columns, open_because=why)


# Whose affairs a member of staff is excluded from (利益相反), `e`. Views ask it once per reading: `@excluded`.
EXCLUDED_NOW = "e.lifted_at IS NULL"


def free(person: str) -> str:
    """Nobody excluded the reader from this person's affairs: an exclusion beats every other rule."""
    return f"(@unhindered OR NOT @excluded({person}))"


def home(person: str) -> str:
    """The reader's agency keeps the person's record."""
    return f"EXISTS (SELECT 1 FROM base.person h WHERE h.id = {person} AND h.home_agency_id = @agency)"


# A consent `c`. It stands: within its days in Japan, nobody took all of it back, and no newer one has taken its place.


def stands(c: str) -> str:
    return f"""({c}.valid_from <= @today AND {c}.valid_until >= @today
 AND NOT EXISTS (SELECT 1 FROM base.withdrawal w WHERE w.consent_id = {c}.id AND w.recipient_id IS NULL)
 AND NOT EXISTS (SELECT 1 FROM base.consent n WHERE n.replaces_id = {c}.id))"""


def covers(c: str, recipient: str) -> str:
    """The consent stands, names this recipient, and was not withdrawn for them."""
    return f"""({stands(c)}
 AND EXISTS (SELECT 1 FROM base.consent_recipient cr WHERE cr.consent_id = {c}.id AND cr.agency_id = {recipient})
 AND NOT EXISTS (SELECT 1 FROM base.withdrawal w WHERE w.consent_id = {c}.id AND w.recipient_id = {recipient}))"""


# Disclosures, `l`. What a 支援会議 or an emergency discloses is for one member and leaves nothing behind.

FOR_ONE = "('council', 'emergency')"


def for_reader(l: str) -> str:  # noqa: E741
    return f"({l}.to_agency_id = @agency AND ({l}.basis NOT IN {FOR_ONE} OR {l}.to_staff_id = @staff))"


def lives(l: str) -> str:  # noqa: E741
    """The disclosure has begun, has not ended by time or by act, and its consent covers its recipient."""
    return f"""({l}.starts_at <= @now AND ({l}.ends_at IS NULL OR {l}.ends_at > @now) AND {l}.ended_at IS NULL
 AND ({l}.basis <> 'consent' OR EXISTS (SELECT 1 FROM base.consent c
 WHERE c.id = {l}.consent_id AND {covers("c", f"{l}.to_agency_id")})))"""


def tells(category: str, l: str = "l") -> str:  # noqa: E741
    """The disclosure shows the reader this category now, and its consent covers it."""
    return f"""({for_reader(l)} AND {l}.basis <> 'anonymous'
 AND EXISTS (SELECT 1 FROM base.disclosure_category dc WHERE dc.disclosure_id = {l}.id AND dc.category = {category})
 AND ({l}.basis <> 'consent' OR EXISTS (SELECT 1 FROM base.consent_category cc
 WHERE cc.consent_id = {l}.consent_id AND cc.category = {category}))
 AND {lives(l)})"""


FOR_READER, LIVES = for_reader("l"), lives("l")
# By a referral that its recipient never opened while it could be read: nothing was learned of it.
UNOPENED = """EXISTS (SELECT 1 FROM base.referral r WHERE r.id = l.source_id AND r.received_at IS NULL
 AND (r.answered_at IS NULL OR r.status = 'rejected'))"""


def line(*tests: str) -> str:
    return f"EXISTS (SELECT 1 FROM base.disclosure l WHERE {' AND '.join(tests)})"


# People.

AT_HOME = "t.home_agency_id = @agency"
# Disclosed once and never taken back by the sender: such a recipient has work of its own to account for when
# the basis dies.
TOLD_ONCE = line(
    "l.person_id = t.id",
    FOR_READER,
    "l.basis <> 'anonymous' AND l.starts_at <= @now AND l.ended_at IS NULL",
    f"(l.basis NOT IN {FOR_ONE} OR l.ends_at IS NULL OR l.ends_at > @now)",
)
TELLS_BASIC = tells("'basic'")


def sees(category: str) -> str:
    """What an agency may know and disclose further; an excluded member sees nothing of it (`free`)."""
    return f"({AT_HOME} OR {line('l.person_id = t.id', tells(category))})"


SEES_BASIC = sees("'basic'")
NAME_WAS_OPENED = """(@auditor AND EXISTS (SELECT 1 FROM base.name_opening o
 WHERE o.person_id = t.id AND o.staff_id = @staff AND o.ends_at > @now))"""
PRESENT = f"({free('t.id')} AND ({AT_HOME} OR {TOLD_ONCE}))"
PERSON = Rule(
    f"(@auditor OR {PRESENT})",
    {
        **only(
            f"{SEES_BASIC} OR {NAME_WAS_OPENED}", "family", "given", "family_kana", "given_kana", "pseudonym"
        ),
        **only(SEES_BASIC, "search_key", "birth", "age_band", "sex", "household"),
        **only(f"{AT_HOME} OR (NOT t.protected_address AND {SEES_BASIC})", "address", "telephone"),
        "number": f"{AT_HOME} OR @auditor",
        "contact_prohibited_reason": PRESENT,
    },
)
INFORMATION = Rule(
    f"({free('t.person_id')} AND ({home('t.person_id')}"
    f" OR {line('l.person_id = t.person_id', tells('t.category'))}))",
    barrier=True,
)


def known(person: str) -> str:
    return f"EXISTS (SELECT 1 FROM wall.person p WHERE p.id = {person})"


# Consents are for agencies that keep or recorded them. Both sides of a disclosure see its dates and its end.

OWN_CONSENT = f"(t.agency_id = @agency OR {home('t.person_id')})"
PART_OF_LINE = f"({FOR_READER} OR l.from_agency_id = @agency)"


def own_consent(consent: str) -> str:
    return f"""EXISTS (SELECT 1 FROM base.consent k WHERE k.id = {consent} AND {free("k.person_id")}
 AND (k.agency_id = @agency OR {home("k.person_id")}))"""


def line_on(consent: str, *more: str) -> str:
    return line(f"l.consent_id = {consent}", PART_OF_LINE, free("l.person_id"), *more)


CONSENT = Rule(
    f"(@auditor OR {free('t.person_id')} AND ({OWN_CONSENT} OR {line_on('t.id')} OR {line_on('t.replaces_id')}))",
    only(OWN_CONSENT, "purpose", "witness", "form_version", "kept_at", "given_by_name", "given_by_relation"),
)
CONSENT_RECIPIENT = Rule(
    f"(@auditor OR {own_consent('t.consent_id')} OR {line_on('t.consent_id', 'l.to_agency_id = t.agency_id')})"
)
TOLD_CATEGORY = """EXISTS (SELECT 1 FROM base.disclosure_category dc
 WHERE dc.disclosure_id = l.id AND dc.category = t.category)"""
CONSENT_CATEGORY = Rule(
    f"(@auditor OR {own_consent('t.consent_id')} OR {line_on('t.consent_id', TOLD_CATEGORY)})"
)
CONCERNED = "(t.recipient_id IS NULL OR l.to_agency_id = t.recipient_id)"
WITHDRAWAL = Rule(
    f"(@auditor OR {own_consent('t.consent_id')} OR {line_on('t.consent_id', CONCERNED)})",
    only(f"t.agency_id = @agency OR {own_consent('t.consent_id')}", "reason"),
)

# The ledger. An anonymous request shows to the agency that asked and the agency that was asked.

DISCLOSURE = Rule(
    f"(@auditor OR {free('t.person_id')} AND (t.from_agency_id = @agency OR {FOR_READER.replace('l.', 't.')}"
    f" OR t.basis <> 'anonymous' AND {home('t.person_id')}))"
)
OF_LINE = "EXISTS (SELECT 1 FROM wall.disclosure d WHERE d.id = t.disclosure_id)"
TELLER_OR_HOME = f"""EXISTS (SELECT 1 FROM base.disclosure d WHERE d.id = t.disclosure_id
 AND (d.from_agency_id = @agency OR {home("d.person_id")}))"""
STOP_CONFIRMATION = Rule(OF_LINE, only(f"t.agency_id = @agency OR {TELLER_OR_HOME}", "note"))

# One's own cases, and the referrals one sent or received.

CASE = Rule(
    f"(@auditor OR t.agency_id = @agency AND {free('t.person_id')})",
    only("t.agency_id = @agency", "closing_text"),
)
OF_CASE = Rule(
    "EXISTS (SELECT 1 FROM wall.support_case k WHERE k.id = t.case_id)",
    only("@agency IS NOT NULL", "text"),
    barrier=True,
)


def reads_words(r: str) -> str:
    """The need, the goals and the other side's words: the sender's own, the recipient's while disclosed."""
    told = line(f"l.source_id = {r}.id AND l.to_agency_id = @agency", LIVES)
    return f"({r}.from_agency_id = @agency OR {told})"


def is_covered(r: str) -> str:
    """The consent that a referral was sent on still covers its recipient, whatever became of the referral."""
    return f"""({r}.basis <> 'consent' OR EXISTS (SELECT 1 FROM base.consent c
 WHERE c.id = {r}.consent_id AND {covers("c", f"{r}.to_agency_id")}))"""


def goes_on(r: str) -> str:
    """After a refusal both sides may go on writing, without naming anybody."""
    return f"({r}.status = 'rejected' AND {is_covered(r)})"


REFERRAL = Rule(
    "(@auditor OR (t.from_agency_id = @agency OR t.to_agency_id = @agency AND t.sent_at IS NOT NULL)"
    f" AND {free('t.person_id')})",
    only(reads_words("t"), "need", "reason", "appointment_place", "anonymous_age_band"),
)


def of_referral(*tests: str) -> str:
    found = " AND ".join(["r.id = t.referral_id", *tests])
    return f"EXISTS (SELECT 1 FROM wall.referral r WHERE {found})"


GOAL = Rule(of_referral(), only(of_referral(reads_words("r")), "text"), barrier=True)
SENDERS_OWN = "(@auditor OR r.from_agency_id = @agency OR t.what NOT IN ('drafted', 'rerouted'))"
EVENT = Rule(
    of_referral(SENDERS_OWN),
    only(
        f"t.agency_id = @agency OR {of_referral(reads_words('r'))}"
        f" OR {of_referral('r.to_agency_id = @agency', 't.created_at > r.answered_at', goes_on('r'))}",
        "text",
    ),
    barrier=True,
)
FOLLOW_UP = Rule(
    f"((@auditor OR t.agency_id = @agency) AND {of_referral()})", only("t.agency_id = @agency", "text")
)
