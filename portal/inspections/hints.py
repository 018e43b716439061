"""The checklist of a sampled referral, and what the portal works out for it from its own records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.disclosures.models import Basis, Disclosure, DisclosureCategory, StopConfirmation
from portal.people.categories import Category
from portal.referrals.models import FollowUp, Referral, ReferralCategory, ReferralEvent, TimelineEvent


class Check(Labelled):
    """The checklist (点検表), in the order of a referral's life."""

    CONSENT_COVERED = "consent_covered", N_("送った時点の同意が、相手の機関と送った情報の区分を含んでいた")
    RECEIVED_IN_TIME = "received_in_time", N_("受領の期限までに受け取られた")
    ANSWERED_IN_TIME = "answered_in_time", N_("回答の期限までに回答された")
    REFUSAL_FOLLOWED = "refusal_followed", N_("受入不可のとき、理由と断られた後の対応が登録されている")
    ONLY_AGREED = "only_agreed", N_("同意した機関と区分の範囲だけを提供した")
    STOP_CONFIRMED = "stop_confirmed", N_("同意の撤回のあと、相手の利用停止の報告がある")
    READINGS_EXPLAINED = "readings_explained", N_("送り手と受け手以外の機関の閲覧がない、または説明がつく")
    PROVISION_COMPLETE = (
        "provision_complete",
        N_("第三者提供の記録（いつ、だれに、何を、根拠）がそろっている"),
    )


class Verdict(Labelled):
    OK = "ok", N_("よい")
    NOT_OK = "not_ok", N_("問題あり")
    NOT_APPLICABLE = "not_applicable", N_("該当なし")


@dataclass(frozen=True, slots=True)
class Hint:
    """What the portal works out of its own records; the auditor decides. `why` is a msgid."""

    verdict: Verdict
    why: str


# What the portal can work out for a checklist, from its own records and without anything that anybody typed.

OK, NOT_OK, NONE = Verdict.OK, Verdict.NOT_OK, Verdict.NOT_APPLICABLE
READINGS = frozenset(event.value for event in AuditEvent if event.value.endswith((":read", ":opened")))


def hints(session: Session, referral: Referral) -> dict[Check, Hint]:
    """A hint for each check, in a constant number of questions."""
    lines = session.scalars(
        select(Disclosure).where(Disclosure.source_id == referral.id).order_by(Disclosure.starts_at)
    ).all()
    told = told_categories(session, [line.id for line in lines])
    consents = Agreements(session, {referral.consent_id, *(line.consent_id for line in lines)} - {None})
    today = clock.today()
    return {
        Check.CONSENT_COVERED: consent_covered(session, referral, consents),
        Check.RECEIVED_IN_TIME: in_time(
            referral.received_at or referral.answered_at, referral.acknowledge_by, referral, today
        ),
        Check.ANSWERED_IN_TIME: in_time(referral.answered_at, referral.respond_by, referral, today),
        Check.REFUSAL_FOLLOWED: refusal_followed(session, referral),
        Check.ONLY_AGREED: only_agreed(lines, told, consents),
        Check.STOP_CONFIRMED: stop_confirmed(session, referral, lines, consents),
        Check.READINGS_EXPLAINED: readings_explained(session, referral),
        Check.PROVISION_COMPLETE: provision_complete(session, lines, told),
    }


class Agreements:
    """The consents of a referral as they were given, and their withdrawals."""

    def __init__(self, session: Session, ids: set[UUID | None]) -> None:
        self.consents = {c.id: c for c in session.scalars(select(Consent).where(Consent.id.in_(ids)))}
        self.recipients = self.pairs(session, ConsentRecipient.consent_id, ConsentRecipient.agency_id, ids)
        self.categories = self.pairs(session, ConsentCategory.consent_id, ConsentCategory.category, ids)
        self.withdrawn = session.scalars(select(Withdrawal).where(Withdrawal.consent_id.in_(ids))).all()
        replaced = select(Consent).where(Consent.replaces_id.in_(ids))
        self.replaced: dict[UUID, datetime] = {
            one.replaces_id: one.created_at for one in session.scalars(replaced) if one.replaces_id
        }

    @staticmethod
    def pairs(
        session: Session, key: object, value: object, ids: set[UUID | None]
    ) -> set[tuple[UUID, object]]:
        rows = session.execute(select(key, value).where(key.in_(ids)))  # type: ignore[call-overload,attr-defined]
        return {(row[0], row[1]) for row in rows}

    def covers(self, consent_id: UUID, agency_id: UUID, categories: set[Category]) -> bool:
        named = (consent_id, agency_id) in self.recipients
        return named and all((consent_id, category) in self.categories for category in categories)

    def stood(self, consent_id: UUID, agency_id: UUID, at: datetime) -> bool:
        """Whether the consent was in force for this agency at that moment."""
        consent, day = self.consents[consent_id], clock.japan_date(at)
        taken_back = any(
            w.consent_id == consent_id and w.recipient_id in {None, agency_id} and w.withdrawn_at <= at
            for w in self.withdrawn
        )
        replaced = self.replaced.get(consent_id)
        in_force = consent.valid_from <= day <= consent.valid_until
        return in_force and not taken_back and not (replaced and replaced <= at)


def told_categories(session: Session, line_ids: list[UUID]) -> dict[UUID, set[Category]]:
    told: dict[UUID, set[Category]] = {line_id: set() for line_id in line_ids}
    wanted = select(DisclosureCategory).where(DisclosureCategory.disclosure_id.in_(line_ids))
    for row in session.scalars(wanted):
        told[row.disclosure_id].add(row.category)
    return told


def consent_covered(session: Session, referral: Referral, consents: Agreements) -> Hint:
    if referral.basis is not Basis.CONSENT or referral.consent_id is None or referral.sent_at is None:
        return Hint(NONE, N_("同意を根拠にしたつなぎではありません。"))
    sent = set(
        session.scalars(select(ReferralCategory.category).where(ReferralCategory.referral_id == referral.id))
    )
    if not consents.stood(referral.consent_id, referral.to_agency_id, referral.sent_at):
        return Hint(NOT_OK, N_("送った時点で、同意は有効ではありませんでした。"))
    if not consents.covers(referral.consent_id, referral.to_agency_id, sent):
        return Hint(NOT_OK, N_("相手の機関か、送った区分の一部が、同意に含まれていません。"))
    return Hint(OK, N_("同意は有効で、相手の機関と区分を含んでいました。"))


def in_time(done_at: datetime | None, due: date | None, referral: Referral, today: date) -> Hint:
    if due is None:
        return Hint(NONE, N_("期限の定めがありません。"))
    if done_at:
        in_time = clock.japan_date(done_at) <= due
        return (
            Hint(OK, N_("期限までに済んでいます。"))
            if in_time
            else Hint(NOT_OK, N_("期限を過ぎて済んでいます。"))
        )
    if referral.ended_at and clock.japan_date(referral.ended_at) <= due:
        return Hint(NONE, N_("期限より前に、つなぎが終わりました。"))
    if today > due:
        return Hint(NOT_OK, N_("期限を過ぎても済んでいません。"))
    return Hint(NONE, N_("まだ期限になっていません。"))


def refusal_followed(session: Session, referral: Referral) -> Hint:
    refused = select(ReferralEvent.code).where(
        ReferralEvent.referral_id == referral.id, ReferralEvent.what == TimelineEvent.REJECT
    )
    codes = session.scalars(refused).all()
    if not codes:
        return Hint(NONE, N_("断られていません。"))
    if not all(codes):
        return Hint(NOT_OK, N_("断った理由の区分が残っていません。"))
    noted = select(FollowUp.id).where(FollowUp.referral_id == referral.id).limit(1)
    again = (
        select(Referral.id).where(Referral.part_of_id == referral.id, Referral.sent_at.is_not(None)).limit(1)
    )
    if session.scalar(noted) or session.scalar(again):
        return Hint(OK, N_("理由と、断られた後の対応が登録されています。"))
    return Hint(
        NOT_OK, N_("理由は残っていますが、断られた後の対応（つなぎ直し、会議、地域課題）がありません。")
    )


def only_agreed(lines: Sequence[Disclosure], told: dict[UUID, set[Category]], consents: Agreements) -> Hint:
    on_consent = [line for line in lines if line.basis is Basis.CONSENT and line.consent_id]
    if not on_consent:
        return Hint(NONE, N_("同意を根拠にした提供はありません。"))
    fit = all(
        consents.covers(line.consent_id, line.to_agency_id, told[line.id])
        and consents.stood(line.consent_id, line.to_agency_id, line.starts_at)
        for line in on_consent
        if line.consent_id
    )
    if fit:
        return Hint(OK, N_("提供はすべて、そのとき有効な同意の範囲です。"))
    return Hint(NOT_OK, N_("同意の範囲に入らない提供があります。"))


def stop_confirmed(
    session: Session, referral: Referral, lines: Sequence[Disclosure], consents: Agreements
) -> Hint:
    stopped = [
        line
        for line in lines
        for w in consents.withdrawn
        if w.consent_id == line.consent_id and w.recipient_id in {None, line.to_agency_id}
    ]
    if not stopped:
        return Hint(NONE, N_("同意は撤回されていません。"))
    if not referral.was_opened:
        return Hint(NONE, N_("相手の機関は開いていません。"))
    ids = {line.id for line in stopped}
    wanted = select(StopConfirmation.disclosure_id).where(StopConfirmation.disclosure_id.in_(ids))
    if ids <= set(session.scalars(wanted)):
        return Hint(OK, N_("相手の機関が利用停止を報告しています。"))
    return Hint(NOT_OK, N_("利用停止の報告がない提供があります。"))


def readings_explained(session: Session, referral: Referral) -> Hint:
    # Before a transfer another agency may have been its sender.
    took_part = select(ReferralEvent.agency_id).where(ReferralEvent.referral_id == referral.id)
    wanted = select(AuditEntry.body).where(
        AuditEntry.object_id == referral.id,
        AuditEntry.event.in_(READINGS),
        AuditEntry.agency_id.is_not(None),
        AuditEntry.agency_id.not_in([referral.from_agency_id, referral.to_agency_id]),
        AuditEntry.agency_id.not_in(took_part),
    )
    if any(json.loads(body)["outcome"] == "allow" for body in session.scalars(wanted)):
        return Hint(
            NOT_OK, N_("送り手と受け手以外の機関の閲覧があります。経過のページで理由を確かめてください。")
        )
    return Hint(OK, N_("送り手と受け手のほかに、閲覧した機関はありません。"))


def provision_complete(
    session: Session, lines: Sequence[Disclosure], told: dict[UUID, set[Category]]
) -> Hint:
    if not lines:
        return Hint(NOT_OK, N_("提供の記録がありません。"))
    made = AuditEvent.DISCLOSURE_MADE.value
    ids = [line.id for line in lines]
    logged = set(
        session.scalars(
            select(AuditEntry.object_id).where(AuditEntry.object_id.in_(ids), AuditEntry.event == made)
        )
    )
    named = all(
        line.basis is Basis.ANONYMOUS
        or (told[line.id] and (line.consent_id or line.basis is not Basis.CONSENT))
        for line in lines
    )
    if named and logged >= set(ids):
        return Hint(OK, N_("記録がそろい、監査記録とも合っています。"))
    return Hint(NOT_OK, N_("区分か根拠、または監査記録が欠けています。"))
