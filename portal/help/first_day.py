"""What each role does on the first day: a few steps, each with the page where it is done."""

from __future__ import annotations

from dataclasses import dataclass

from portal.core.labels import N_
from portal.core.policy import Role


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    endpoint: str


ACCOUNT = Step(
    N_("アカウントを確かめる"), N_("氏名と役割を確かめ、パスワードを変えます。"), "accounts.account"
)
CASEWORK = (
    ACCOUNT,
    Step(N_("今日のページを見る"), N_("自分がすることと、機関に届いたものが並びます。"), "today.index"),
    Step(
        N_("相談者を登録する"),
        N_("わかっていることだけで登録できます。氏名がわからなければ仮名にします。"),
        "people.new",
    ),
    Step(
        N_("相談者を開いて同意を記録する"),
        N_("どの機関に、何を、いつまで伝えてよいかを本人に聞きます。"),
        "people.index",
    ),
    Step(N_("つなぎを依頼する"), N_("送る前に、相手に見えるものを確かめます。"), "referrals.new"),
    Step(N_("会議の日程を見る"), N_("自分の機関が参加する会議と、その資料を開きます。"), "meetings.index"),
)
STEPS: dict[Role, tuple[Step, ...]] = {
    Role.STAFF: CASEWORK,
    Role.COORDINATOR: (
        *CASEWORK,
        Step(
            N_("定例会議を登録する"),
            N_("毎週や毎月の会議は、一度登録すると日程と議題の案ができます。"),
            "meetings.series_new",
        ),
    ),
    Role.AGENCY_ADMIN: (
        ACCOUNT,
        Step(N_("機関の開所日を確かめる"), N_("回答の期限は、開所日で数えます。"), "agencies.index"),
        Step(
            N_("職員を招待する"),
            N_("招待のリンクを本人に渡します。役割はあとで変えられます。"),
            "accounts.staff.index",
        ),
        Step(
            N_("閲覧ログの点検をする"),
            N_("通常と異なる閲覧がないか、ときどき確かめます。"),
            "anomalies.index",
        ),
    ),
    Role.AUDITOR: (
        ACCOUNT,
        Step(
            N_("監査記録を見る"),
            N_("番号で一つのつなぎを選び、はじめから終わりまで読みます。"),
            "audit.index",
        ),
        Step(
            N_("抽出点検をする"), N_("無作為に選ばれたつなぎを点検し、指摘を書きます。"), "inspections.index"
        ),
        Step(
            N_("控えを保存する"), N_("改ざん確認用の控えを、ポータルの外に保存します。"), "checkpoints.index"
        ),
    ),
    Role.SYSTEM_ADMIN: (
        ACCOUNT,
        Step(N_("機関を登録する"), N_("名前と短い名前、連絡先を入れます。"), "agencies.index"),
        Step(
            N_("機関管理者を招待する"),
            N_("それぞれの機関の職員は、その機関管理者が招待します。"),
            "accounts.staff.index",
        ),
        Step(N_("設定を確かめる"), N_("保存期間や閲覧の基準は、市で決めます。"), "configuration.index"),
    ),
}
