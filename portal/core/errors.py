"""Everything the domain can refuse, and the page each refusal becomes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from portal.core.labels import N_, Labelled

# Never shown or sent on: security tokens are made anew, and no password is ever echoed.
PLUMBING = {"csrf_token", "acting", "password"}


class Lack(Labelled):
    """What an actor or an act lacked when denied. The codes stand in the audit log: never rename one."""

    CONSENT = "no-consent", N_("同意なし")
    EXPIRED = "consent-expired", N_("同意の期限切れ")
    WITHDRAWN = "consent-withdrawn", N_("同意が撤回済み")
    RECIPIENT = "not-a-recipient", N_("提供先に含まれない")
    CATEGORY = "category-not-agreed", N_("区分が同意に含まれない")
    UNTOLD = "not-told", N_("自分の機関に提供されていない")
    ENDED = "basis-ended", N_("提供の根拠が終わっている")
    NOT_KEPT = "record-not-kept", N_("記録を所管していない")
    ANONYMOUS = "stays-anonymous", N_("匿名のため共有できない")
    NAMED = "named", N_("匿名の文章に本人がわかる言葉")
    PERMISSION = "no-permission", N_("権限なし")
    HIDDEN = "not-there", N_("見られない、または存在しない記録")
    NOT_OFFERED = "not-offered", N_("選択肢にない記録や機関・職員の指定")
    EXCLUDED = "excluded", N_("利益相反による除外")
    SECRECY = "no-oath", N_("守秘義務の確認なし")
    REASON = "no-reason", N_("理由の記入なし")
    ERASED = "erased", N_("消去済みの記録")
    TRIES = "too-many-tries", N_("試した回数の上限")


class PortalError(Exception):
    """A refusal that the user can understand: a message (msgid) with its values, and what to do next.

    `status` is the HTTP status of its page; `field` names the form field it belongs to, if one does. One that denies
    (`lack`) leaves a trace in the audit log: `about` is the record as the log names it (kind, id), `person_id` whom it
    is about, `categories` what would have been disclosed or read. Mistyped or late input lacks nothing.
    `next_step` (msgid) stands in place of the usual advice; `repeats_typed` is whether the page shows the typed text.
    """

    status = 400
    title = N_("手続きを完了できませんでした")
    lack: Lack | None = None
    next_step = ""
    repeats_typed = True

    def __init__(
        self,
        message: str = "",
        *,
        field: str | None = None,
        lack: Lack | None = None,
        about: tuple[str, UUID | None] | None = None,
        person_id: UUID | None = None,
        categories: Collection[str] = (),
        **values: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.values = values
        self.field = field
        self.lack = lack or self.lack
        self.about = about
        self.person_id = person_id
        self.categories = categories

    def text(self) -> str:
        """The message in the reader's language; an enum among the values is printed by its word."""
        values = {k: gettext(v.word) if isinstance(v, Labelled) else v for k, v in self.values.items()}
        return gettext(self.message, **values) if self.message else ""


class NotAllowed(PortalError):
    status = 403
    lack = Lack.PERMISSION
    title = N_("この操作はできません")


class Conflict(PortalError):
    """The act is not possible as things stand: the message says why."""

    status = 409
    title = N_("いまはこの操作ができません")


class StaleForm(Conflict):
    """Somebody changed the record while this form was open."""

    title = N_("先に状況が変わりました")


class NoBasis(Conflict):
    """There is no live legal basis for the disclosure."""

    lack = Lack.CONSENT
    title = N_("情報を提供する根拠がありません")


class Invalid(PortalError):
    """A typed value that the rules refuse; `field` says where."""

    title = N_("入力を確認してください")


class NotOffered(Invalid):
    """A record, agency or member of staff that no list offered: written in by hand, or from an old page."""

    lack = Lack.NOT_OFFERED


class TooMany(PortalError):
    status = 503
    title = N_("ただいま混み合っています")


def typed() -> list[tuple[str, str]]:
    """The typed fields of this request's form, so that no refusal loses them."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if value and not any(part in name for part in PLUMBING)
    ]


def fields_sent() -> list[tuple[str, str]]:
    """All fields of this request's form as sent, empty ones too, so that cleared fields stay cleared.

    The member who filled it in stays in it: under another sign-in it is not carried out.
    """
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name == "acting" or not any(part in name for part in PLUMBING)
    ]


def refusal_page(error: PortalError) -> ResponseReturnValue:
    page = render_template(
        "errors/problem.html",
        title=gettext(error.title),
        detail=error.text(),
        next_step=gettext(error.next_step) if error.next_step else None,
        typed=typed() if error.repeats_typed else [],
    )
    return page, error.status


def missing_page() -> ResponseReturnValue:
    """The one answer for what does not exist and for what this reader may not know of."""
    return render_template("errors/missing.html"), 404


def init_app(app: Flask) -> None:
    # `PortalError` itself is answered at the door (`accounts.gate`), which knows who was refused.

    @app.errorhandler(CSRFError)
    def forged(_error: CSRFError) -> ResponseReturnValue:
        fields = [
            (name, value) for name, value in fields_sent() if name != "acting"
        ]  # the page says who acts
        return render_template("errors/resubmit.html", fields=fields, action=request.path), 400

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 400
        title = HTTP_TITLES.get(status, N_("手続きを完了できませんでした"))
        if status == 413:
            return too_large_page(gettext(title)), status
        page = render_template("errors/problem.html", title=gettext(title), detail="", typed=typed())
        return page, status


def too_large_page(title: str) -> str:
    """The page for a body that was too large: it was not read, so it cannot be shown again."""
    detail = gettext("長すぎるか、項目が多すぎるため、受け取れませんでした。何も保存されていません。")
    next_step = gettext(
        "ブラウザーの「戻る」を押すと、入力した内容が残っています。短くするか、いくつかに分けて、もう一度送信してください。"
    )
    return render_template("errors/problem.html", title=title, detail=detail, next_step=next_step, typed=[])


HTTP_TITLES = {
    400: N_("送信された内容を読み取れませんでした"),
    403: N_("この操作はできません"),
    405: N_("この操作はできません"),
    413: N_("送信された内容が大きすぎます"),
    429: N_("しばらく待ってからもう一度お試しください"),
}
