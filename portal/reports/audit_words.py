"""The codes of the log in words: what an entry of any age is called on the auditor's pages."""

from __future__ import annotations

from collections.abc import Iterable

from portal.audit.events import AuditEvent
from portal.disclosures.models import Basis, Channel
from portal.people.categories import Category
from portal.policy import Role
from portal.words import N_, Worded

GROUNDS = {"home": N_("記録を持つ機関として"), "own_work": N_("自分の機関の業務")} | {
    b.value: b.word for b in Basis
}
CHANNELS = {
    "portal": N_("画面"),
    "get": N_("画面"),
    "post": N_("画面"),
    "command": N_("コマンド"),
    "scenario": N_("取り込み"),
} | {channel.value: channel.word for channel in Channel}
# By table for acts, by the first part of the page's name for refusals.
THINGS = {
    "agency": N_("機関"),
    "agencies": N_("機関"),
    "service": N_("支援メニュー"),
    "closure": N_("休業日"),
    "staff": N_("職員"),
    "accounts": N_("職員"),
    "membership": N_("職員の所属"),
    "invitation": N_("職員の招待"),
    "sign_in_session": N_("サインイン"),
    "person": N_("相談者"),
    "people": N_("相談者"),
    "information": N_("区分の情報"),
    "family_tie": N_("家族関係"),
    "consent": N_("同意"),
    "consents": N_("同意"),
    "withdrawal": N_("同意の撤回"),
    "disclosure": N_("情報提供"),
    "stop_confirmation": N_("停止確認"),
    "support_case": N_("ケース"),
    "cases": N_("ケース"),
    "case_goal": N_("ケースの目標"),
    "progress_note": N_("経過記録"),
    "referral": N_("つなぎ"),
    "referrals": N_("つなぎ"),
    "referral_goal": N_("つなぎの目標"),
    "follow_up": N_("会議・地域課題のメモ"),
    "today": N_("今日のページ"),
    "audit": N_("監査記録"),
    "audit_entry": N_("監査記録"),
}


def word_of(members: type[Worded], code: str | None) -> str:
    """The word of a code; a code that the program has forgotten stays as it is."""
    return next((member.word for member in members if member.value == code), code or "")


def event(code: str) -> str:
    return word_of(AuditEvent, code)


def role(code: str | None) -> str:
    return word_of(Role, code)


def ground(code: str | None) -> str:
    return GROUNDS.get(code or "", code or "")


def channel(code: str | None) -> str:
    return CHANNELS.get(code or "", code or "")


def thing(kind: str) -> str:
    return THINGS.get(kind.partition(".")[0], kind)


def categories(codes: Iterable[str]) -> tuple[str, ...]:
    """In the order of the rules."""
    known = set(codes)
    return tuple(category.word for category in Category if category.value in known)
