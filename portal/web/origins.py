"""A form is taken only from a page of the portal, whatever token it carries."""

from __future__ import annotations

from flask import Flask, request

from portal.core.errors import NotAllowed
from portal.core.labels import N_

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# `none`: no page sent it, as when the browser reopens its tabs.
OWN_SITES = {"same-origin", "none"}
# Browsers send this word for the portal's own forms, because its pages ask for no referrer.
UNTOLD = "null"


class ForeignForm(NotAllowed):
    """Another site sent this form. Its text is not the reader's, so the page does not repeat it."""

    repeats_typed = False
    next_step = N_("つなぐの画面を開き直し、必要ならもう一度入力して送信してください。")

    def __init__(self) -> None:
        super().__init__(
            N_("つなぐの画面から送られたものではないため、受け付けませんでした。何も保存されていません。")
        )


def is_own(site: str | None, origin: str | None, own: str) -> bool:
    """Whether a page of the portal sent this, by two headers that no page can set.

    Browsers that send neither (older ones, and all over plain http) rely on the token of the form.
    """
    if site is not None and site not in OWN_SITES:
        return False
    return origin is None or origin == UNTOLD or origin.lower() == own.lower()


def init_app(app: Flask) -> None:
    @app.before_request
    def refuse_foreign_forms() -> None:
        if request.method in SAFE_METHODS:
            return
        own = f"{request.scheme}://{request.host}"
        if not is_own(request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), own):
            raise ForeignForm
