"""What a real browser sends and shows: forms of foreign pages, and forms that are too large."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from sqlalchemy import select

from portal.cases.models import ProgressNote
from portal.core.db import db
from tests.browser.conftest import DESKTOP, PHONE, Visit, sign_in
from tests.browser.steps import box, main, press
from tests.factories import make_case, make_member
from tests.servers import Server

# Pasted by somebody who took the whole file: 600,000 characters, 5.4 MB once they are sent.
LONG = "\n".join(["今日は電話で様子を聞いた。来週また訪ねる。" * 4] * 7_500)
STOLEN = """
<!DOCTYPE html><title>elsewhere</title>
<form method="post" action="{action}"><button>go</button></form>
<script>
  for (const [name, value] of {fields}) {{
    const field = document.createElement("input");
    Object.assign(field, {{ type: "hidden", name, value }});
    document.forms[0].append(field);
  }}
</script>
"""
PASTE = """(field, text) => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""
FIELDS_OF = """(form) => [...new FormData(form)].map(([name, value]) => [name, name === "text" ? "よその文章" : value])"""


def notes_of(case_id: UUID) -> list[str]:
    texts = list(db.read.scalars(select(ProgressNote.text).where(ProgressNote.case_id == case_id)))
    db.end()
    return texts


@contextmanager
def elsewhere(page: str) -> Iterator[int]:
    """Another server of this machine: another origin, but the same site, so that the browser sends its cookies."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_foreign_page_with_a_stolen_token_does_nothing(chromium: Chromium, site: Server, host: str) -> None:
    member = make_member()
    case_id = make_case(member)
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto(f"/cases/{case_id}")
    sign_in(page, member)
    form = page.locator("form[data-draft^='case-note']")
    box(page, "内容").fill("x")
    fields = form.evaluate(FIELDS_OF)
    assert dict(fields)["csrf_token"]
    stolen = STOLEN.format(action=f"{site.url}/cases/{case_id}", fields=json.dumps(fields))
    with elsewhere(stolen) as port:
        page.goto(f"http://{host}:{port}/")
        page.get_by_role("button", name="go").click()
    expect(main(page)).to_contain_text("つなぐの画面から送られたものではないため、受け付けませんでした。")
    expect(page.locator("body")).not_to_contain_text("よその文章")
    assert not notes_of(case_id)
    context.close()


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_text_that_is_too_long_gets_a_page_and_is_still_there_behind_it(visit: Visit) -> None:
    member = make_member()
    page: Page = visit(member)
    case_id = make_case(member)
    page.goto(f"/cases/{case_id}")
    box(page, "内容").evaluate(PASTE, LONG)
    press(page, "経過を保存する")
    expect(main(page)).to_contain_text("送信された内容が大きすぎます")
    expect(main(page)).to_contain_text("入力した内容が残っています")
    assert not notes_of(case_id)
    page.go_back(wait_until="commit", timeout=60_000)
    page.wait_for_load_state(timeout=60_000)  # so much text takes the browser its time
    assert box(page, "内容").input_value() == LONG
