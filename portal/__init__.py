"""The referral portal: the application factory, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined

from portal import cli, errors, policy, second_wall
from portal.accounts import gate
from portal.accounts.views import bp as accounts
from portal.activities.views import bp as activities
from portal.agencies.views import bp as agencies
from portal.audit import binding, checkpoints, guard
from portal.audit.vault import vault
from portal.cases.views import bp as cases
from portal.consents.views import bp as consents
from portal.db import db
from portal.emergency.views import bp as emergency
from portal.evaluations.views import bp as evaluations
from portal.exclusions.views import bp as exclusions
from portal.extensions import babel, csrf, migrate
from portal.inspections.views import bp as inspections
from portal.meetings.calendar_views import feeds
from portal.meetings.views import bp as meetings
from portal.people.categories import Category
from portal.people.views import bp as people
from portal.policy import Permission
from portal.referrals.states import ReferralAction
from portal.referrals.views import bp as referrals
from portal.reports.audit_figure_views import bp as figures
from portal.reports.audit_views import bp as audit
from portal.reports.clock_views import bp as checkpoint_pages
from portal.reports.monthly_views import bp as monthly
from portal.reports.statistics_views import bp as statistics
from portal.reports.views import bp as today
from portal.reports.watch_views import bp as watch
from portal.retention.views import bp as retention
from portal.settings.views import bp as settings
from portal.web import (
    again,
    assets,
    away,
    cookies,
    formats,
    halt,
    headers,
    hosts,
    language,
    logs,
    navigation,
    origins,
    proxies,
)
from portal.web import views as web
from portal.web.bodies import DrainedBodies, Request
from portal.web.converters import enum_converter

BLUEPRINTS = (
    web.bp,
    today,
    referrals,
    meetings,
    feeds,
    people,
    consents,
    cases,
    activities,
    evaluations,
    emergency,
    exclusions,
    retention,
    settings,
    agencies,
    accounts,
    audit,
    checkpoint_pages,
    inspections,
    figures,
    monthly,
    statistics,
    watch,
)
URL_ENUMS = {"referral_action": ReferralAction, "category": Category}


def create_app(config: Any) -> Flask:
    """The application for one set of settings.

    Raises:
        RuntimeError: no secret key, or a database library that is not sound.
    """
    app = logs.Portal(__name__, template_folder="../templates", static_folder="../static")
    app.config.from_object(config)
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("SECRET_KEY is not set")

    proxies.init_app(app)
    app.request_class = Request
    app.wsgi_app = DrainedBodies(app.wsgi_app)  # type: ignore[method-assign]
    logs.init_app(app)
    if app.config["SECOND_WALL"]:
        second_wall.install(db)
    db.init_app(app)
    migrate.init_app(app, db, directory="migrations")
    hosts.init_app(app)
    origins.init_app(app)  # before the token of the form: a stolen one is worth nothing
    csrf.init_app(app)
    babel.init_app(app, locale_selector=language.chosen, default_translation_directories="translations")
    language.init_app(app)
    app.jinja_env.undefined = StrictUndefined  # a misspelt name in a template is an error, not a blank
    app.jinja_env.globals.update(can=policy.can, Permission=Permission, **web.template_globals())
    for name, members in URL_ENUMS.items():
        app.url_map.converters[name] = enum_converter(members)
    cookies.init_app(app)
    formats.init_app(app)
    headers.init_app(app)
    assets.init_app(app)
    errors.init_app(app)
    away.init_app(app)
    again.init_app(app)
    gate.init_app(app)
    guard.install(db.session)
    binding.install(db.session)
    vault.bind(Path(app.config["KEY_DIR"]))
    kept = app.config["CHECKPOINT_DIR"]
    checkpoints.install(db.session, Path(kept) if kept else None, is_strict=app.config["CHECKPOINT_STRICT"])
    halt.init_app(app)
    navigation.init_app(app, gate.signed_in)
    cli.init_app(app)
    logs.say_less(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app
