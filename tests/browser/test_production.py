"""With the settings of production, behind a proxy that speaks https for the portal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from config import TestConfig
from portal.audit.checkpoint_store import keeping
from portal.core.db import db
from tests.browser.conftest import DESKTOP, SIZES, sign_in
from tests.browser.steps import box, main, press
from tests.browser.watch import Watch
from tests.conftest import NOWHERE
from tests.databases import Databases
from tests.factories import make_case, make_member
from tests.servers import Server, serve


@contextmanager
def office(databases: Databases, folder: Path) -> Iterator[Server]:
    url = databases.fresh()
    settings = {
        "PORTAL_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(),
        "TRUSTED_HOSTS": "127.0.0.1",
        "KEY_DIR": TestConfig.KEY_DIR,
        "CHECKPOINT_DIR": str(folder),
    }
    db.bind(url)
    keeping.bind(folder, is_strict=True)  # what is made here before the server starts is kept where it looks
    with serve(url, environment=settings) as server:
        yield server
    keeping.bind(None, is_strict=False)
    db.bind(NOWHERE)


def test_work_is_done_over_https(
    _application: Flask,  # noqa: PT019
    _sqlite: Databases,  # noqa: PT019
    chromium: Chromium,
    tmp_path: Path,
) -> None:
    """Secure `__Host-` cookies, and forms that browsers send without saying where they come from."""
    with office(_sqlite, tmp_path) as server:
        member = make_member()
        case_id = make_case(member)
        context = chromium.new_context(
            base_url=server.url, viewport=SIZES[DESKTOP], extra_http_headers={"X-Forwarded-Proto": "https"}
        )
        watch, page = Watch(context, server.url), context.new_page()
        page.goto(f"/cases/{case_id}")
        sign_in(page, member)
        cookie = next(one for one in context.cookies() if one["name"] == "__Host-session")
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"

        box(page, "内容").fill("電話で様子を聞いた。")
        press(page, "経過を保存する")
        expect(page.locator(".timeline")).to_contain_text("電話で様子を聞いた。")
        page.get_by_role("button", name="サインアウト").click()
        expect(main(page)).to_contain_text("サインアウトしました。")
        context.close()
        assert not watch.problems, "\n".join(watch.problems)
