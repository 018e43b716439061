"""The oracle itself, on the sentences of the design: whoever judges must be judged first."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.wall import oracle
from tests.wall.oracle import EVERYONE, Consent, Line, Oracle, Referral

HOME, TOLD, OTHER = uuid4(), uuid4(), uuid4()
PERSON, CONSENT, REFERRAL = uuid4(), uuid4(), uuid4()
TOLD_AT = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
LAST_DAY = date(2026, 6, 30)
MIDNIGHT = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)  # in Japan
NOW = TOLD_AT + timedelta(days=3)


@pytest.fixture
def wise() -> Oracle:
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


def reads(wise: Oracle, agency: UUID | None = TOLD, category: str = "health", now: datetime = NOW) -> bool:
    return wise.sees(agency, PERSON, category, now)


def test_the_home_agency_sees_all_and_a_stranger_nothing(wise: Oracle) -> None:
    assert all(reads(wise, HOME, category) for category in oracle.CATEGORIES)
    assert not any(reads(wise, OTHER, category) for category in oracle.CATEGORIES)
    assert not any(reads(wise, None, category) for category in oracle.CATEGORIES)
    assert not wise.knows_of(OTHER, PERSON, NOW)


def test_who_was_told_sees_what_was_told_while_the_consent_runs(wise: Oracle) -> None:
    assert reads(wise)
    assert not reads(wise, category="finances")
    assert not reads(wise, now=TOLD_AT - timedelta(seconds=1))
    assert reads(wise, now=MIDNIGHT - timedelta(seconds=1))
    assert not reads(wise, now=MIDNIGHT)
    assert wise.knows_of(TOLD, PERSON, MIDNIGHT)


def test_a_withdrawal_acts_for_whom_it_names(wise: Oracle) -> None:
    consent = wise.consents[CONSENT]
    consent.withdrawn = {OTHER}
    assert reads(wise)
    for taken in ({TOLD}, {EVERYONE}):
        consent.withdrawn = taken  # type: ignore[assignment]
        assert not reads(wise)
        assert not wise.reads_words(TOLD, REFERRAL, NOW)
        assert wise.knows_of(TOLD, PERSON, NOW)
        assert wise.has_referral(TOLD, REFERRAL)
    assert wise.reads_words(HOME, REFERRAL, NOW)


def test_a_consent_renewed_or_narrower_than_the_telling_does_not_carry_it(wise: Oracle) -> None:
    wise.consents[CONSENT].categories = {"basic"}
    assert not reads(wise)
    assert reads(wise, category="basic")
    wise.consents[CONSENT].is_replaced = True
    assert not reads(wise, category="basic")


def test_what_was_refused_was_never_known(wise: Oracle) -> None:
    wise.lines[PERSON][0].was_ended = True
    assert not reads(wise)
    assert not wise.knows_of(TOLD, PERSON, NOW)


def test_an_anonymous_question_tells_of_nobody(wise: Oracle) -> None:
    line = wise.lines[PERSON][0]
    line.basis, line.consent, line.ends = "anonymous", None, None
    wise.referrals[REFERRAL].basis = "anonymous"
    assert not reads(wise, category="basic")
    assert not wise.knows_of(TOLD, PERSON, NOW)
    assert wise.reads_words(TOLD, REFERRAL, NOW)
    assert not wise.knows_whom(TOLD, REFERRAL, NOW)
    assert wise.knows_whom(HOME, REFERRAL, NOW)


def test_a_draft_is_the_sender_s_alone(wise: Oracle) -> None:
    wise.referrals[REFERRAL].is_sent = False
    assert not wise.has_referral(TOLD, REFERRAL)
    assert wise.has_referral(HOME, REFERRAL)


def test_a_protected_address_stays_at_home(wise: Oracle) -> None:
    assert wise.sees_address(TOLD, PERSON, NOW)
    wise.protected.add(PERSON)
    assert not wise.sees_address(TOLD, PERSON, NOW)
    assert wise.sees_address(HOME, PERSON, NOW)


def test_the_oracle_shares_no_code_with_the_portal() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {
        *(alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names),
        *(node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)),
    }
    assert not [name for name in imported if name.split(".")[0] in {"portal", "tests"}]
