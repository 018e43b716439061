"""The referral portal: the application factory, and nothing else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from flask import Blueprint, Flask
from jinja2 import StrictUndefined

from portal import cli
from portal.accounts import gate
from portal.audit import bound, checkpoints, guard
from portal.audit.vault import vault
from portal.core import errors, policy
from portal.core.db import db
from portal.core.policy import Permission
from portal.extensions import babel, csrf, migrate
from portal.people.categories import Category
from portal.referrals.states import ReferralAction
from portal.wall import engines
from portal.web import (
    assets,
    away,
    cookies,
    formats,
    headers,
    hosts,
    language,
    log_guard,
    logs,
    navigation,
    origins,
    proxies,
    retry,
)
from portal.web import views as web
from portal.web.addresses import enum_converter
from portal.web.bodies import DrainedBodies, Request

URL_ENUMS = {"referral_action": ReferralAction, "category": Category}


def blueprints() -> list[Blueprint]:
    """The blueprints of all modules named `views`: a page is found because its module has that name."""
    pages = [
        module.name for module in walk_packages(__path__, f"{__name__}.") if module.name.endswith("views")
    ]
    values = [value for name in pages for value in vars(import_module(name)).values()]
    found = {value.name: value for value in values if isinstance(value, Blueprint)}
    inner = {one.name for outer in found.values() for one, _options in outer._blueprints}  # noqa: SLF001 - flask offers no other way
    return [blueprint for name, blueprint in found.items() if name not in inner]


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
        engines.install(db)
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
    retry.init_app(app)
    gate.init_app(app)
    guard.install(db.session)
    bound.install(db.session)
    vault.bind(Path(app.config["KEY_DIR"]))
    kept = app.config["CHECKPOINT_DIR"]
    checkpoints.install(db.session, Path(kept) if kept else None, is_strict=app.config["CHECKPOINT_STRICT"])
    log_guard.init_app(app)
    navigation.init_app(app, gate.signed_in)
    cli.init_app(app)
    logs.say_less(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    return app
