"""What an auditor looks at in each referral of a sample, and what may be found."""

from __future__ import annotations

from dataclasses import dataclass

from portal.words import N_, Worded


class Check(Worded):
    """The checklist (点検表), in the order of a referral's life."""

    CONSENT_COVERED = "consent_covered", N_("送った時点の同意が、相手の機関と送った情報の区分を含んでいた")
    RECEIVED_IN_TIME = "received_in_time", N_("受領の期限までに受け取られた")
    ANSWERED_IN_TIME = "answered_in_time", N_("回答の期限までに回答された")
    REFUSAL_FOLLOWED = "refusal_followed", N_("受入不可のとき、理由と次の対応が残っている")
    ONLY_AGREED = "only_agreed", N_("同意した機関と区分の範囲だけを提供した")
    STOP_CONFIRMED = "stop_confirmed", N_("同意の撤回のあと、相手の停止確認がある")
    READINGS_EXPLAINED = "readings_explained", N_("送り手と受け手以外の機関の閲覧がない、または説明がつく")
    PROVISION_COMPLETE = (
        "provision_complete",
        N_("第三者提供の記録（いつ、だれに、何を、根拠）がそろっている"),
    )


class Verdict(Worded):
    OK = "ok", N_("よい")
    NOT_OK = "not_ok", N_("問題あり")
    NOT_APPLICABLE = "not_applicable", N_("該当なし")


@dataclass(frozen=True, slots=True)
class Hint:
    """What the portal works out of its own records; the auditor decides. `why` is a msgid."""

    verdict: Verdict
    why: str
