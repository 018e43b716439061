"""The referral on paper: as a page and as a PDF, with what the reader's agency may see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal import clock
from portal.accounts.gate import signed_in
from portal.errors import Conflict
from portal.referrals import preview
from portal.referrals.blueprint import bp
from portal.referrals.show_views import look
from portal.referrals.states import ReferralKind
from portal.web.pdf import pdf_response, render_pdf
from portal.words import N_

TITLES = {
    ReferralKind.REFERRAL: N_("つなぎ票"),
    ReferralKind.TRANSFER: N_("移管票"),
    ReferralKind.JOINT_INTERVIEW: N_("同席依頼票"),
    ReferralKind.ADVICE: N_("助言依頼票"),
}


def sheet_of(referral_id: UUID) -> dict[str, Any]:
    """What the sheet shows; printing is a reading of its own kind.

    The sender prints its own copy, with all that it sees, or (`copy=recipient`) the one the other side sees.

    Raises:
        Conflict: it was never sent, so there is nothing to hand over.
    """
    view = look(signed_in(), referral_id, channel="print")
    if not view.is_sent:
        raise Conflict(N_("まだ送付していないため、つなぎ票は印刷できません。"))
    is_own = view.is_sender and request.args.get("copy") != "recipient"
    person = view.person
    if person and not is_own and view.is_sender:
        person = None if view.is_anonymous else preview.as_told(person, view.categories)
    return {
        "view": view,
        "person": person,
        "title": TITLES[view.kind],
        "is_own": is_own,
        "kept": preview.kept_back(person, view.categories) if person and is_own else {},
        "printed_at": clock.now(),
    }


@bp.get("/<uuid:referral_id>/sheet")
def sheet(referral_id: UUID) -> ResponseReturnValue:
    return render_template("referrals/sheet.html", **sheet_of(referral_id))


@bp.get("/<uuid:referral_id>/sheet.pdf")
def sheet_pdf(referral_id: UUID) -> ResponseReturnValue:
    shown = sheet_of(referral_id)
    parts = [part for part in shown["view"].number.split("-") if part.isascii()]
    name = "-".join(["tsunagu", *parts]) + ".pdf"
    return pdf_response(render_pdf("referrals/sheet.pdf.html", **shown), name)
