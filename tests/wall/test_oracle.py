"""The oracle itself, on the sentences of the design: whoever judges must be judged first."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.wall import oracle, oracle_rules
from tests.wall.oracle import EVERYONE, Consent, Item, Line, Meeting, Oracle, Referral

pytestmark = pytest.mark.both_databases

HOME, TOLD, OTHER = uuid4(), uuid4(), uuid4()
PERSON, CONSENT, REFERRAL = uuid4(), uuid4(), uuid4()
TOLD_AT = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
LAST_DAY = date(2026, 6, 30)
MIDNIGHT = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)  # in Japan
NOW = TOLD_AT + timedelta(days=3)


@pytest.fixture
def truth() -> Oracle:
    """A person of `HOME`, told to `TOLD` (name and health) on a consent that names `OTHER` too."""
    consent = Consent(PERSON, {TOLD, OTHER}, {"basic", "health"}, date(2026, 6, 1), LAST_DAY, HOME)
    line = Line(
        *(uuid4(), PERSON, HOME, TOLD, "consent", {"basic", "health"}),
        *(TOLD_AT, MIDNIGHT, CONSENT, REFERRAL),
    )
    return Oracle(
        homes={PERSON: HOME},
        consents={CONSENT: consent},
        lines={PERSON: [line]},
        referrals={REFERRAL: Referral(PERSON, HOME, TOLD, "consent", is_sent=True)},
    )


def reads(truth: Oracle, agency: UUID | None = TOLD, category: str = "health", now: datetime = NOW) -> bool:
    return truth.sees(agency, PERSON, category, now)


def test_the_home_agency_sees_all_and_a_stranger_nothing(truth: Oracle) -> None:
    assert all(reads(truth, HOME, category) for category in oracle.CATEGORIES)
    assert not any(reads(truth, OTHER, category) for category in oracle.CATEGORIES)
    assert not any(reads(truth, None, category) for category in oracle.CATEGORIES)
    assert not truth.knows_of(OTHER, PERSON, NOW)


def test_who_was_told_sees_what_was_told_while_the_consent_runs(truth: Oracle) -> None:
    assert reads(truth)
    assert not reads(truth, category="finances")
    assert not reads(truth, now=TOLD_AT - timedelta(seconds=1))
    assert reads(truth, now=MIDNIGHT - timedelta(seconds=1))
    assert not reads(truth, now=MIDNIGHT)
    assert truth.knows_of(TOLD, PERSON, MIDNIGHT)


def test_a_withdrawal_acts_for_whom_it_names(truth: Oracle) -> None:
    consent = truth.consents[CONSENT]
    consent.withdrawn = {OTHER}
    assert reads(truth)
    for taken in ({TOLD}, {EVERYONE}):
        consent.withdrawn = taken  # type: ignore[assignment]
        assert not reads(truth)
        assert not truth.reads_words(TOLD, REFERRAL, NOW)
        assert truth.knows_of(TOLD, PERSON, NOW)
        assert truth.has_referral(TOLD, REFERRAL)
    assert truth.reads_words(HOME, REFERRAL, NOW)


def test_a_consent_renewed_or_narrower_than_the_telling_does_not_carry_it(truth: Oracle) -> None:
    truth.consents[CONSENT].categories = {"basic"}
    assert not reads(truth)
    assert reads(truth, category="basic")
    truth.consents[CONSENT].is_replaced = True
    assert not reads(truth, category="basic")


def test_what_was_refused_was_never_known(truth: Oracle) -> None:
    truth.lines[PERSON][0].was_ended = True
    assert not reads(truth)
    assert not truth.knows_of(TOLD, PERSON, NOW)


def test_an_anonymous_question_tells_of_nobody(truth: Oracle) -> None:
    line = truth.lines[PERSON][0]
    line.basis, line.consent, line.ends = "anonymous", None, None
    truth.referrals[REFERRAL].basis = "anonymous"
    assert not reads(truth, category="basic")
    assert not truth.knows_of(TOLD, PERSON, NOW)
    assert truth.reads_words(TOLD, REFERRAL, NOW)
    assert not truth.knows_whom(TOLD, REFERRAL, NOW)
    assert truth.knows_whom(HOME, REFERRAL, NOW)


def test_a_draft_is_the_sender_s_alone(truth: Oracle) -> None:
    truth.referrals[REFERRAL].is_sent = False
    assert not truth.has_referral(TOLD, REFERRAL)
    assert truth.has_referral(HOME, REFERRAL)


def at_a_council(truth: Oracle, kind: str, **item: object) -> tuple[UUID, UUID]:
    """A meeting of all three, and an item of `HOME` about the person."""
    meeting, matter = uuid4(), uuid4()
    truth.meetings[meeting] = Meeting(kind, HOME, {HOME, TOLD, OTHER})
    truth.items[matter] = Item(meeting, HOME, PERSON, **item)  # type: ignore[arg-type]
    return meeting, matter


def test_what_a_council_tells_is_for_the_sworn_member_alone(truth: Oracle) -> None:
    agreed, colleague = uuid4(), uuid4()
    meeting, matter = at_a_council(truth, "statutory", is_shared=True, categories={"basic"})
    line = Line(uuid4(), PERSON, HOME, OTHER, "council", {"basic"}, TOLD_AT, MIDNIGHT, None, matter)
    line.member = agreed
    truth.lines[PERSON].append(line)
    assert truth.sees(OTHER, PERSON, "basic", NOW, agreed)
    assert not truth.sees(OTHER, PERSON, "basic", NOW, colleague)
    assert not truth.sees(OTHER, PERSON, "basic", NOW)
    assert not truth.has_item(OTHER, agreed, matter, NOW), "he has not acknowledged it yet"
    truth.meetings[meeting].agreed = {agreed}
    assert truth.names_item(OTHER, agreed, matter, NOW)
    assert not truth.has_item(OTHER, colleague, matter, NOW)
    assert not truth.has_item(HOME, colleague, matter, NOW), "not even its own"
    for now in (MIDNIGHT, MIDNIGHT + timedelta(days=30)):
        assert not truth.knows_of(OTHER, PERSON, now, agreed)
        assert not truth.has_item(OTHER, agreed, matter, now)


def test_an_emergency_is_open_to_who_asked_for_an_hour_and_leaves_nothing(truth: Oracle) -> None:
    asker, colleague, hour = uuid4(), uuid4(), TOLD_AT + timedelta(hours=1)
    line = Line(uuid4(), PERSON, HOME, OTHER, "emergency", {"basic"}, TOLD_AT, hour, member=asker)
    truth.lines[PERSON].append(line)
    inside = hour - timedelta(seconds=1)
    assert truth.sees(OTHER, PERSON, "basic", inside, asker)
    assert not truth.sees(OTHER, PERSON, "health", inside, asker)
    for staff, now in ((colleague, inside), (None, inside), (asker, hour), (asker, hour + timedelta(days=9))):
        assert not truth.sees(OTHER, PERSON, "basic", now, staff)
        assert not truth.knows_of(OTHER, PERSON, now, staff)
    assert truth.knows_of(OTHER, PERSON, inside, asker)
    line.was_ended = True
    assert not truth.knows_of(OTHER, PERSON, inside, asker)


def test_knowing_the_person_opens_no_item_and_a_side_of_its_referral_has_it(truth: Oracle) -> None:
    _meeting, matter = at_a_council(truth, "weekly", referral=REFERRAL)
    assert truth.sees(TOLD, PERSON, "basic", NOW)
    assert truth.reads_item(TOLD, None, matter, NOW)
    assert not truth.has_item(OTHER, None, matter, NOW)
    truth.consents[CONSENT].withdrawn = {EVERYONE}
    assert truth.has_item(TOLD, None, matter, NOW)
    assert not truth.reads_item(TOLD, None, matter, NOW)
    truth.items[matter].referral = None
    truth.consents[CONSENT].withdrawn = set()
    assert not truth.has_item(TOLD, None, matter, NOW)


def test_a_case_study_names_nobody_but_to_who_brought_it(truth: Oracle) -> None:
    _meeting, matter = at_a_council(truth, "case_study")
    assert truth.reads_item(TOLD, None, matter, NOW)
    assert not truth.names_item(TOLD, None, matter, NOW)
    assert truth.names_item(HOME, None, matter, NOW)
    assert not truth.has_item(uuid4(), None, matter, NOW)


def test_a_packet_tells_what_is_shared_covered_and_known(truth: Oracle) -> None:
    meeting, matter = at_a_council(truth, "coordination", is_shared=True, categories={"basic", "health"})
    assert truth.is_due(OTHER, None, matter, NOW) == {"basic", "health"}
    assert truth.is_due(HOME, None, matter, NOW) == set()
    assert truth.is_due(OTHER, None, matter, MIDNIGHT) == set()
    truth.consents[CONSENT].categories = {"health"}
    assert truth.is_due(OTHER, None, matter, NOW) == set()
    truth.meetings[meeting].kind = "case_study"
    assert truth.is_due(OTHER, None, matter, NOW) == set()


def test_a_protected_address_stays_at_home(truth: Oracle) -> None:
    assert truth.sees_address(TOLD, PERSON, NOW)
    truth.protected.add(PERSON)
    assert not truth.sees_address(TOLD, PERSON, NOW)
    assert truth.sees_address(HOME, PERSON, NOW)


def test_the_oracle_shares_no_code_with_the_portal() -> None:
    imported = set()
    for module in (oracle, oracle_rules):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        imported |= {
            *(alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names),
            *(node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)),
        }
    ours = {name for name in imported if name.split(".")[0] in {"portal", "tests"}}
    assert ours == {"tests.wall.oracle_rules"}
