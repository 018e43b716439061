"""What was typed is never lost, and is sent when its writer means it."""

from __future__ import annotations

import re
from uuid import UUID

from playwright.sync_api import Page, expect
from sqlalchemy import select

from portal.cases.models import ProgressNote
from portal.core.db import db
from tests.browser.conftest import Visit, sign_in
from tests.browser.steps import box, main, press, stored_drafts
from tests.factories import Member, make_case, make_member, make_person

TEXT = "ドアの前で十分ほど話した。\n来週も同じ時間に訪ねる。"


def notes_of(case_id: UUID) -> list[str]:
    texts = list(db.read.scalars(select(ProgressNote.text).where(ProgressNote.case_id == case_id)))
    db.end()
    return texts


def open_case(page: Page, member: Member) -> UUID:
    case_id = make_case(member)
    page.goto(f"/cases/{case_id}")
    return case_id


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the field of this label has the focus, as somebody without a mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(label) => document.activeElement.labels?.[0]?.innerText.startsWith(label)", label):
            return
    raise AssertionError(f"the keyboard does not reach {label}")


def type_note(page: Page, text: str) -> None:
    box(page, "内容").press_sequentially(text.replace("\n", " "))
    # A draft is kept a moment after the last key.
    page.wait_for_function(
        "(end) => Object.entries(sessionStorage).some(([name, kept]) => name.startsWith('draft:') && kept.includes(end))",
        arg=text.replace("\n", " ")[-10:],
    )


def end_session_elsewhere(visit: Visit, member: Member) -> None:
    """The same person signs in on another machine and ends the session of the first."""
    other = visit(member)
    other.goto("/account")
    press(other, "この端末以外をすべてサインアウトする")
    expect(main(other)).to_contain_text("サインアウトしました。")


def test_a_note_is_written_with_the_keyboard_alone(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    case_id = open_case(page, member)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="本文へ移動")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "方法")
    for _ in ("電話", "訪問"):
        page.keyboard.press("ArrowDown")
    tab_to(page, "時間（分）")
    page.keyboard.type("15")
    tab_to(page, "内容")
    for line in TEXT.splitlines():
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    assert not notes_of(case_id), "Enter alone writes a new line"
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("listitem").filter(has_text="訪問").filter(has_text="15分")).to_contain_text(
        "来週も同じ時間に訪ねる。"
    )
    assert notes_of(case_id) == [TEXT]
    assert not stored_drafts(page), "what the server has is no draft any more"


def test_a_word_being_converted_sends_nothing(visit: Visit) -> None:
    """Enter, with Ctrl or without, ends the conversion of a Japanese word and nothing more."""
    member = make_member()
    page = visit(member)
    case_id = open_case(page, member)
    field = box(page, "内容")
    field.focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "ほうもん", "selectionStart": 4, "selectionEnd": 4})
    for modifiers in (0, 2):
        for kind in ("rawKeyDown", "keyUp"):
            keyboard.send(
                "Input.dispatchKeyEvent",
                {
                    "type": kind,
                    "key": "Process",
                    "code": "Enter",
                    "windowsVirtualKeyCode": 229,
                    "modifiers": modifiers,
                },
            )
    # Not every browser says 229: some say Enter and that a word is being composed.
    field.evaluate(
        """(field) => field.dispatchEvent(new KeyboardEvent("keydown",
           {key: "Enter", ctrlKey: true, isComposing: true, bubbles: true, cancelable: true}))"""
    )
    keyboard.send("Input.insertText", {"text": "訪問した。"})
    expect(field).to_have_value("訪問した。")
    assert not notes_of(case_id)

    field.press("Control+Enter")
    expect(page.locator(".timeline")).to_contain_text("訪問した。")
    assert notes_of(case_id) == ["訪問した。"]


def test_text_outlives_the_session(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    case_id = open_case(page, member)
    type_note(page, TEXT)
    end_session_elsewhere(visit, member)

    press(page, "経過を保存する")
    expect(box(page, "メールアドレス")).to_be_visible()
    assert not notes_of(case_id)
    sign_in(page, member)

    expect(page).to_have_url(re.compile(f"/cases/{case_id}"))
    expect(main(page)).to_contain_text("入力途中の内容を復元しました")
    expect(box(page, "内容")).to_have_value(TEXT.replace("\n", " "))
    press(page, "経過を保存する")
    expect(page.locator(".timeline")).to_contain_text("来週も同じ時間に訪ねる。")


def test_a_restored_draft_can_be_thrown_away(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    case_id = open_case(page, member)
    type_note(page, TEXT)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(box(page, "内容")).to_have_value(TEXT.replace("\n", " "))
    press(page, "消す")
    expect(box(page, "内容")).to_have_value("")
    page.reload()
    expect(box(page, "内容")).to_have_value("")
    assert not notes_of(case_id)


def test_unsaved_text_is_not_left_without_a_question(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    open_case(page, member)
    asked: list[str] = []

    def stay(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", stay)
    type_note(page, TEXT)
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name="相談者").click(
        no_wait_after=True
    )
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    expect(box(page, "内容")).to_have_value(TEXT.replace("\n", " "))


def test_drafts_leave_with_their_writer(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    open_case(page, member)
    type_note(page, TEXT)
    assert stored_drafts(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="サインアウト").click()
    expect(page.locator("body")).to_have_attribute("data-staff", "")
    assert not stored_drafts(page)


def test_signing_out_at_once_after_the_last_key_leaves_no_draft(visit: Visit) -> None:
    """The draft that was still to be kept must not be kept by a page that is on its way out."""
    page = visit(member := make_member())
    open_case(page, member)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/sign-out", lambda route: (page.wait_for_timeout(400), route.continue_()))
    box(page, "内容").press_sequentially("見")
    page.get_by_role("button", name="サインアウト").click()
    expect(page.locator("body")).to_have_attribute("data-staff", "")
    assert not stored_drafts(page)


def test_the_next_person_at_this_machine_sees_no_draft_of_the_last(visit: Visit) -> None:
    first = make_member()
    second = make_member(first.agency_id)
    person_id = make_person(first)
    case_id = make_case(first, person_id)
    page = visit(first)
    page.goto(f"/cases/{case_id}")
    type_note(page, TEXT)
    end_session_elsewhere(visit, first)
    press(page, "経過を保存する")
    sign_in(page, second)
    page.goto(f"/cases/{case_id}")
    expect(box(page, "内容")).to_have_value("")
    assert not stored_drafts(page)


def test_a_lost_token_keeps_the_text(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    case_id = open_case(page, member)
    type_note(page, TEXT)
    page.locator("form:has(textarea) input[name=csrf_token]").evaluate("(field) => { field.value = 'old' }")
    press(page, "経過を保存する")

    expect(page.get_by_role("heading", level=1)).to_have_text("もう一度送信してください")
    expect(main(page)).to_contain_text("来週も同じ時間に訪ねる。")
    assert not notes_of(case_id)
    press(page, "この内容で送信する")
    expect(page.locator(".timeline")).to_contain_text("来週も同じ時間に訪ねる。")
    assert len(notes_of(case_id)) == 1
