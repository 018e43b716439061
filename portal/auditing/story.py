"""A referral's life as a story: one line for each event, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.cases.codes import Outcome
from portal.cases.models import Case
from portal.consents.models import Consent, Withdrawal
from portal.core import clock
from portal.core.labels import N_
from portal.disclosures.as_of import ConsentPast
from portal.disclosures.queries import LedgerLine
from portal.people.categories import Category
from portal.referrals.models import Referral, ReferralEvent, TimelineEvent
from portal.referrals.states import Refusal

STOPS = frozenset({TimelineEvent.REJECT, TimelineEvent.FAIL, TimelineEvent.CANCEL, TimelineEvent.CORRECT})
CODES = {member.value: member.word for member in (*Refusal, *Outcome)}


@dataclass(frozen=True, slots=True)
class Stood:
    """How the basis of the referral stood at a moment: a word (msgid), its tone, and for a consent what it covered."""

    word: str
    tone: str
    categories: tuple[Category, ...] = ()
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One line: `word` and `code` are msgids; nobody did what came about by itself. No text of anybody's.

    `told` are the categories that were disclosed by it. `stood` is how the basis stood right after.
    """

    at: datetime
    word: str
    code: str = ""
    agency: str = ""
    who: str = ""
    is_stop: bool = False
    told: tuple[Category, ...] = ()
    stood: Stood | None = None


def tell(
    session: Session,
    referral: Referral,
    consents: Sequence[ConsentPast],
    lines: Sequence[LedgerLine],
    stood: Callable[[datetime], Stood],
) -> tuple[Happening, ...]:
    """Everything that happened to this referral. `consents` are its consent and its renewals."""
    happened = [
        *with_told(steps(session, referral.id), lines),
        *consents_given(session, consents),
        *consents_ended(session, referral, consents),
        *cases_opened(session, referral.id),
    ]
    return tuple(replace(one, stood=stood(one.at)) for one in sorted(happened, key=lambda one: one.at))


def of_somebody(what: Any, staff_id: Any, agency_id: Any, *columns: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(what, Agency.name.label("agency"), Staff.name.label("who"), *columns)
        .join(Agency, Agency.id == agency_id)
        .join(Staff, Staff.id == staff_id)
    )


def steps(session: Session, referral_id: UUID) -> Iterator[Happening]:
    statement = of_somebody(
        *(ReferralEvent.created_at, ReferralEvent.staff_id, ReferralEvent.agency_id),
        *(ReferralEvent.what, ReferralEvent.code),
    )
    for row in session.execute(
        statement.where(ReferralEvent.referral_id == referral_id).order_by(ReferralEvent.id)
    ):
        code = CODES.get(row.code, "")
        yield Happening(row.created_at, row.what.word, code, row.agency, row.who, row.what in STOPS)


def with_told(happened: Iterable[Happening], lines: Iterable[LedgerLine]) -> Iterator[Happening]:
    """What was disclosed stands beside the sending; a renewal that carries it on has a line of its own."""
    sent, later = TimelineEvent.SEND.word, sorted(lines, key=lambda line: line.at)
    for one in happened:
        if one.word == sent and later:
            first = later.pop(0)
            yield replace(one, told=first.categories)
        else:
            yield one
    for line in later:
        yield Happening(line.at, N_("情報の提供を更新"), agency=line.from_name, told=line.categories)


def consents_given(session: Session, consents: Sequence[ConsentPast]) -> Iterator[Happening]:
    ids = [consent.id for consent in consents]
    statement = of_somebody(
        Consent.created_at, Consent.recorded_by_id, Consent.agency_id, Consent.replaces_id
    ).where(Consent.id.in_(ids))
    for row in session.execute(statement):
        word = N_("同意の更新を記録") if row.replaces_id in ids else N_("同意を記録")
        yield Happening(row.created_at, word, "", row.agency, row.who)


def consents_ended(
    session: Session, referral: Referral, consents: Sequence[ConsentPast]
) -> Iterator[Happening]:
    """Withdrawals that concern the recipient, and the last day where nothing came before it."""
    statement = of_somebody(Withdrawal.withdrawn_at, Withdrawal.recorded_by_id, Withdrawal.agency_id).where(
        Withdrawal.consent_id.in_([consent.id for consent in consents]),
        or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == referral.to_agency_id),
    )
    for row in session.execute(statement):
        word = TimelineEvent.CONSENT_WITHDRAWN.word
        yield Happening(row.withdrawn_at, word, "", row.agency, row.who, is_stop=True)
    for consent in consents:
        at = clock.end_of_day(consent.valid_until)
        is_over = consent.replaced_at is not None or consent.withdrawn_at(referral.to_agency_id)
        if not is_over and at <= min(clock.now(), referral.ended_at or at):
            yield Happening(at, TimelineEvent.CONSENT_EXPIRED.word, is_stop=True)


def cases_opened(session: Session, referral_id: UUID) -> Iterator[Happening]:
    statement = of_somebody(Case.created_at, Case.opened_by_id, Case.agency_id)
    for row in session.execute(statement.where(Case.source_id == referral_id)):
        yield Happening(row.created_at, N_("ケースを開始"), "", row.agency, row.who)
