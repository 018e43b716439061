"""Settings: what a city decides for itself, with the reason for each rule and who changed it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from portal.accounts.gate import refusals, signed_in
from portal.accounts.models import Staff
from portal.configuration import queries, services
from portal.configuration.catalogue import BY_KEY, SPECS, Spec
from portal.configuration.forms import SettingForm
from portal.configuration.models import Setting
from portal.configuration.services import Change
from portal.core.db import db
from portal.core.policy import Permission, require

bp = Blueprint("configuration", __name__, url_prefix="/settings")


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.SETTING_CHANGE)
    return render_template(
        "configuration/index.html",
        groups=[(group, list(specs)) for group, specs in groupby(SPECS, key=lambda spec: spec.group)],
        values=queries.values(db.read()),
        **story(services.history(actor)),
    )


@bp.route("/<key>", methods=["GET", "POST"])
def edit(key: str) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.SETTING_CHANGE)
    spec = BY_KEY.get(key) or abort(404)
    value, version = present(spec)
    form = SettingForm(data={"value": str(value), "version": version})
    if form.validate_on_submit():
        with refusals(form):
            if services.change(actor, key, form.value.number, version=form.version.number):
                flash(gettext("「%(label)s」を変えました。", label=gettext(spec.label)), "success")
            else:
                flash(gettext("値は変わっていません。"), "info")
            return redirect(url_for(".index"), 303)
        value, version = present(spec)
        form.version.data = str(version)
    page = render_template(
        "configuration/edit.html",
        spec=spec,
        value=value,
        form=form,
        **story(services.history(actor, key=key, size=20)),
    )
    return page, form.status


def present(spec: Spec) -> tuple[int, int]:
    """The value in force, and its version: 0 for one never changed."""
    row = db.read.execute(select(Setting.value, Setting.version).where(Setting.key == spec.key)).one_or_none()
    return (row.value, row.version) if row else (spec.default, 0)


def story(changes: list[Change]) -> dict[str, Any]:
    """The history and the names in it."""
    wanted = select(Staff.id, Staff.name).where(Staff.id.in_({one.staff_id for one in changes}))
    names = {row.id: row.name for row in db.read.execute(wanted)}
    return {"changes": changes, "names": names}
