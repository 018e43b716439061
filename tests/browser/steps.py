"""What a person does on a page, found by the words that stand on it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

from tests.browser.conftest import PHONE


def box(page: Page, name: str) -> Locator:
    """A field to type into, by its label; a mark that it is required does not matter."""
    return page.get_by_role("main").get_by_role("textbox", name=name)


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def menu(page: Page, name: str) -> None:
    """By the main menu, which a phone folds."""
    size = page.viewport_size
    assert size
    if size["width"] == PHONE:
        page.wait_for_load_state()  # the button folds out nothing before its script is there
        page.get_by_role("button", name="メニュー").click()
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name=name).click()


def stored_drafts(page: Page) -> list[str]:
    """The names of the drafts that this tab keeps."""
    names: list[str] = page.evaluate("Object.keys(sessionStorage).filter((one) => one.startsWith('draft:'))")
    return names


def choose(page: Page, label: str, word: str) -> None:
    """The line of a list that holds this word; marks such as ［本日休み］ do not matter."""
    field = page.get_by_label(label)
    value = field.locator("option").filter(has_text=word).get_attribute("value")
    field.select_option(value)
