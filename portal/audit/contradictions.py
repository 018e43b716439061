"""How the log can disagree with what was kept of it, in words, and the refusal to go on."""

from __future__ import annotations

from dataclasses import dataclass

from portal.audit.notes import Head
from portal.errors import PortalError
from portal.words import N_


class Halted(PortalError):
    """The log does not go on from the last checkpoint kept outside."""

    status = 503
    title = N_("書き込みを停止しています")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How the log disagrees with what was kept.

    `kept` is the newest kept checkpoint that can be read, `agreed` the size up to which both say the same.
    `can_be_declared`: two people may say that a restore brought it about; else a file must be put back first.
    """

    reason: str
    remedy: str
    kept: Head | None
    agreed: int
    can_be_declared: bool = True


RESTORED = N_(
    "バックアップから戻したときは、二人で確認すると再開できます。心当たりがないときは、改ざんの疑いがあります。"
    "サーバーを止めずに、監査とシステム管理者へ連絡してください。"
)
PUT_BACK = N_("鍵の保管場所（KEY_DIR）に、控えておいた鍵を戻してください。戻すと自動で再開します。")
